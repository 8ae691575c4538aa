"""CosyVoice 1, 2 and 3: any voice from a reference clip, by the official modules on this machine or by their HTTP server.

The modules' methods and arguments and the server's paths and form fields have the same names; `said` tells what is said to
either. In the modules the clip is a path (`prompt_wav`) since CosyVoice 3, and a 16 kHz tensor (`prompt_speech_16k`) before.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .. import references
from ..audio import RATE, Audio
from ..errors import ConfigError, ModelError, StageError
from ..stages import imported, shared

INSTALL = (
    "clone the repository FunAudioLLM/CosyVoice with its submodules, install its requirements, and put it and its "
    "third_party/Matcha-TTS on PYTHONPATH; or run its runtime/python/fastapi/server.py elsewhere and set tts.server to its "
    "address (the packages cosyvoice and cosyvoice-minicpmo lack the part that reads text)"
)
VERSIONS = {"cosyvoice.yaml": 1, "cosyvoice2.yaml": 2, "cosyvoice3.yaml": 3}
"""The file by which the official modules tell the versions."""

WEIGHTS = ("llm.pt", "flow.pt", "hift.pt", "campplus.onnx")
END_OF_PROMPT = "<|endofprompt|>"
ASSISTANT = "You are a helpful assistant."
"""What CosyVoice 3 was trained to read before its prompts."""


@dataclass(frozen=True)
class CosyVoice:
    """For a GPU, or a server that has one."""

    model: str = "FunAudioLLM/CosyVoice2-0.5B"
    """A folder, or a repository on the model hub. Of a server it only matters whether its model is CosyVoice3."""

    mode: str = "zero_shot"
    """`zero_shot`: the voice and manner of the reference; `cross_lingual`: only the voice, for another language;
    `instruct`: the voice, in the manner that `instruction` describes."""

    reference: str = references.RANDOM
    """A clip of `ref_audio/ref.json`, "random" for any (the same until the program ends), or a sound file."""

    reference_text: str = ""
    """What is said in the clip, where neither `ref.json` nor a text file beside it says so."""

    instruction: str = ""
    """For `instruct`, such as "speak slowly" or "用四川话说这句话". A server as new as CosyVoice 3 wants
    `<|endofprompt|>` after it for CosyVoice 2 as well; older ones add that, and none tells its age."""

    speaker: str = ""
    """For `instruct` with CosyVoice 1, which takes one of the model's own voices there and no reference."""

    speed: float = 1.0
    """Other than 1, the modules make a sentence in one piece; a server has no speed."""

    server: str = ""
    """Address of an official HTTP server, such as `http://127.0.0.1:50000`; "" for this machine."""

    rate: int = 24_000
    """Of a server's sound, which does not say so: 22050 for CosyVoice 1."""

    def load(self) -> Any:
        if self.mode not in ("zero_shot", "cross_lingual", "instruct"):
            raise ConfigError(f"tts.mode = {self.mode!r}: expected zero_shot, cross_lingual or instruct")
        if self.mode == "instruct" and not self.instruction:
            raise ConfigError("tts.mode = 'instruct' needs tts.instruction, for example 'speak slowly'")
        clip = _chosen(self.reference)
        prompt = self.reference_text or clip.text
        if self.mode == "zero_shot" and not prompt:
            raise ConfigError(f"what is said in {clip.path.name}? Set tts.reference_text, or tts.mode to cross_lingual")
        sound = references.usable(clip.path)
        if self.server:
            return imported("cleans2s.tts.cosyvoice_server").found(self, sound, prompt)
        weights = shared((CosyVoice, self.model), lambda: _weights(self.model))
        loaded = LoadedCosyVoice(self, weights, clip.path, sound, prompt)
        list(loaded.speak("Hello."))
        return loaded


def _chosen(name: str) -> references.Reference:
    return _anybody() if name == references.RANDOM else references.choose(name)


@functools.cache
def _anybody() -> references.Reference:
    """The same for everybody: a voice that changes in the middle of a conversation is a fault."""
    return references.choose(references.RANDOM)


@dataclass(frozen=True)
class Weights:
    """One set for every voice, mode and speed, and its version."""

    model: Any
    version: int


def _weights(name: str) -> Weights:
    try:
        modules = imported("cosyvoice.cli.cosyvoice")
    except ImportError as error:
        raise ModelError(f"CosyVoice cannot be imported ({error}): {INSTALL}") from None
    folder = _folder(name)
    version = next((number for file, number in VERSIONS.items() if (folder / file).is_file()), 0)
    lacking = [] if version else ["one of " + ", ".join(VERSIONS)]
    lacking += [file for file in (*WEIGHTS, f"speech_tokenizer_v{version or 2}.onnx") if not (folder / file).is_file()]
    if lacking:
        raise ModelError(f"{folder} is not a whole CosyVoice model, it lacks {', '.join(lacking)}: download it again")
    if not (kind := getattr(modules, "CosyVoice" + ("" if version == 1 else str(version)), None)):
        raise ModelError(f"the CosyVoice modules here are older than CosyVoice {version}: {INSTALL}")
    model = kind(str(folder))
    if getattr(model.model, "llm", None) is None:
        raise ModelError(f"the CosyVoice modules here cannot read text: {INSTALL}")
    return Weights(model, version)


def _folder(name: str) -> Path:
    if (folder := Path(name).expanduser()).is_dir():
        return folder
    try:
        return Path(imported("huggingface_hub").snapshot_download(name))
    except (OSError, ValueError, imported("httpx").HTTPError) as error:
        raise ModelError(
            f"{name} is no folder, and cannot be fetched from the model hub ({type(error).__name__}): download that repository "
            "(at ModelScope it is iic/…) into a folder and set tts.model to it"
        ) from None


def said(settings: CosyVoice, text: str, prompt: str, version: int, marks: bool) -> tuple[str, dict[str, str]]:
    """The method, and what is said to it beside the clip; `marks`: an instruction has to end with the mark."""
    head = ASSISTANT + END_OF_PROMPT if version == 3 else ""
    if settings.mode == "zero_shot":
        return "inference_zero_shot", {"tts_text": text, "prompt_text": head + prompt}
    if settings.mode == "cross_lingual":
        return "inference_cross_lingual", {"tts_text": head + text}
    if settings.speaker:
        return "inference_instruct", {"tts_text": text, "spk_id": settings.speaker, "instruct_text": settings.instruction}
    instruction = f"{ASSISTANT} {settings.instruction}" if version == 3 else settings.instruction
    return "inference_instruct2", {"tts_text": text, "instruct_text": instruction + (END_OF_PROMPT if marks else "")}


@dataclass
class LoadedCosyVoice:
    """Closing a reply ends its sound at once; the modules' own thread finishes the tokens of the sentence unheard."""

    settings: CosyVoice
    weights: Weights
    path: Path
    sound: Audio
    prompt: str

    def __post_init__(self) -> None:
        """The clip is analysed once where the modules can remember a voice; they do so for zero-shot only."""
        self.model, self.version = self.weights.model, self.weights.version
        self.voice: dict[str, str] = {}
        if self.settings.mode == "zero_shot" and hasattr(self.model, "add_zero_shot_spk"):
            _, what = said(self.settings, "", self.prompt, self.version, marks=False)
            self.voice = {"zero_shot_spk_id": f"{self.path}: {self.prompt}"}
            add = self.model.add_zero_shot_spk
            add(prompt_text=what["prompt_text"], **self._clip(add), **self.voice)

    def speak(self, text: str) -> Iterator[Audio]:
        method, what = said(self.settings, text, self.prompt, self.version, marks=self._takes_paths)
        if (infer := getattr(self.model, method, None)) is None or (method == "inference_instruct" and self.version > 1):
            mend = "set tts.speaker to a voice of the model" if self.version == 1 else "empty tts.speaker"
            raise StageError("tts", f"CosyVoice {self.version} has no {method}: {mend}")
        pace = {"stream": self.settings.speed == 1, "speed": self.settings.speed}
        for made in infer(**what, **self._clip(infer), **self.voice, **pace):
            yield Audio(np.asarray(made["tts_speech"], np.float32).reshape(-1), self.model.sample_rate)

    @property
    def _takes_paths(self) -> bool:
        return "prompt_wav" in inspect.signature(self.model.inference_zero_shot).parameters

    def _clip(self, method: Any) -> dict[str, Any]:
        names = inspect.signature(method).parameters
        if "prompt_wav" in names:
            return {"prompt_wav": str(self.path)}
        if "prompt_speech_16k" in names:
            return {"prompt_speech_16k": imported("torch").from_numpy(self.sound.resampled(RATE).samples)[None]}
        return {}
