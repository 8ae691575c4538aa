"""FunASR: Paraformer with punctuation and hot words, streaming Paraformer for drafts, SenseVoice.

FunASR()                                                            Mandarin, ct-punc, drafts by the same model
FunASR(partial="paraformer-zh-streaming", hotwords="阿里巴巴 达摩院")    drafts that only read what is new
FunASR("iic/SenseVoiceSmall", punctuation="")                       five languages, emotions and events
"""

from __future__ import annotations

import copy
import re
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..audio import Audio, Samples, silence
from ..funasr_models import FunModel, funasr_model
from ..stages import DRAFT_S, Transcript

SHORTEST_S = 0.1
"""Less holds no word, and FunASR's features need some frames."""

CHUNK = [0, 10, 5]
"""Of the streaming model, in frames of 60 ms: what it reads at once, and how far it looks ahead."""

CHUNK_SAMPLES = 9600
LOOK_BACK = {"encoder_chunk_look_back": 4, "decoder_chunk_look_back": 1}
"""As in FunASR's own example."""

DRAFTS = 8
"""Turns whose drafts are continued; more begin again."""

LANGUAGES = ("zh", "en", "yue", "ja", "ko")
NO_TAG = ("speech", "withitn", "woitn", "emo_unknown", "event_unk", "nospeech")
"""What SenseVoice says when there is nothing to say."""

_TAG = re.compile(r"<\|([^|]*)\|>")
_SPACED = re.compile(r"(?<=[㐀-鿿]) (?=[㐀-鿿])")


@dataclass(frozen=True)
class FunASR:
    """Mandarin by default, as in the paper. Weights come from ModelScope or a folder."""

    model: str = "paraformer-zh"
    """FunASR's name of a model ("paraformer-zh", "paraformer-en", "iic/SenseVoiceSmall"), or a folder."""

    punctuation: str = "ct-punc"
    """The same of a model that sets punctuation; "" for one that does it itself (SenseVoice)."""

    partial: str = ""
    """The same of a streaming model for drafts ("paraformer-zh-streaming"); "" makes them with `model`."""

    hotwords: str = ""
    """Names and terms to expect, with spaces between them."""

    language: str = "auto"
    """What SenseVoice is told to hear: auto, zh, en, yue, ja or ko."""

    device: str = "auto"
    """"auto" (a GPU where there is one), "cpu", "cuda" or "cuda:1"."""

    hub: str = "ms"
    """Where names are looked up: ms (ModelScope) or hf (Hugging Face)."""

    threads: int = 1
    """Of the CPU, for everything in this process that runs in torch."""

    def load(self) -> LoadedFunASR:
        recogniser = self._model("asr.model", self.model)
        marks = self._model("asr.punctuation", self.punctuation) if self.punctuation else None
        drafts = self._model("asr.partial", self.partial) if self.partial else None
        loaded = LoadedFunASR(recogniser, marks, drafts, self)
        for partial in (True, False):
            loaded.transcribe(Audio(silence(1.0)), partial)
        loaded.drafts.clear()
        return loaded

    def _model(self, setting: str, name: str) -> FunModel:
        return funasr_model(setting, name, self.device, self.hub, self.threads)


@dataclass
class Draft:
    """A turn as far as it was read: its samples in whole chunks, their text, and the state of the model after them."""

    read: Samples = field(default_factory=lambda: silence(0))
    text: str = ""
    cache: dict[str, Any] = field(default_factory=dict[str, Any])


@dataclass
class LoadedFunASR:
    recogniser: FunModel
    marks: FunModel | None
    streaming: FunModel | None
    settings: FunASR
    drafts: list[Draft] = field(default_factory=list[Draft])

    def transcribe(self, audio: Audio, partial: bool = False) -> Transcript:
        if audio.duration_s < SHORTEST_S:
            return Transcript("")
        if partial and self.streaming:
            return _understood(self._draft(audio.samples, self.streaming))
        asked = {"language": self.settings.language, "use_itn": True, "hotword": self.settings.hotwords or None}
        said = _understood(self.recogniser((audio.last(DRAFT_S) if partial else audio).samples, **asked))
        if self.marks and said.text and not partial:
            return Transcript(self.marks(said.text), language=said.language, tags=said.tags)
        return said

    def _draft(self, samples: Samples, streaming: FunModel) -> str:
        """Reads on where the last draft of the same turn stopped; the last, incomplete chunk is read by a copy of the model's
        state, because more sound may follow."""
        begun = [draft for draft in self.drafts if np.array_equal(samples[: len(draft.read)], draft.read)]
        draft = max(begun, key=lambda draft: len(draft.read), default=Draft())
        whole = len(samples) // CHUNK_SAMPLES * CHUNK_SAMPLES
        if whole > len(draft.read):
            new = streaming(samples[len(draft.read) : whole], cache=draft.cache, is_final=False, chunk_size=CHUNK, **LOOK_BACK)
            draft.read, draft.text = samples[:whole].copy(), _joined(draft.text, new)
            self.drafts = [draft, *(other for other in self.drafts if other is not draft)][:DRAFTS]
        ahead = streaming(samples[whole:], cache=copy.deepcopy(draft.cache), is_final=True, chunk_size=CHUNK, **LOOK_BACK)
        return _joined(draft.text, ahead)


def _joined(text: str, more: str) -> str:
    """With a space where two Latin words meet."""
    apart = text[-1:].isascii() and more[:1].isascii() and text and more
    return f"{text} {more}" if apart else text + more


def _understood(text: str) -> Transcript:
    """Without the spaces that Paraformer sets between characters, and without SenseVoice's tags
    (`<|zh|><|HAPPY|><|Laughter|><|withitn|>words`): what they say is kept beside the words."""
    tags = [tag.lower() for tag in _TAG.findall(text)]
    language = next((tag for tag in tags if tag in LANGUAGES), None)
    rest = tuple(dict.fromkeys(tag for tag in tags if tag not in (*LANGUAGES, *NO_TAG)))
    words = _SPACED.sub("", " ".join(_TAG.sub(" ", text).split()))
    return Transcript(words, language=language, tags=rest)
