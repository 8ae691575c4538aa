"""Kokoro-82M (Apache-2.0) in ONNX, 24 kHz: English and Mandarin in one voice, also within a sentence.

English is spelt in phonemes by kokoro-onnx (espeak-ng), Mandarin by misaki's tables on jieba's words and pypinyin's
readings; figures are read as the clause's language reads them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..audio import Audio, Samples
from ..chinese import spoken
from ..errors import ConfigError, ModelError
from ..models import path
from ..onnx import session
from ..stages import shared
from ..text import HAN
from .mandarin import MARKS, package, reader

LANGUAGES = ("en-us", "en-gb", "zh")

WHOLE = 90
"""Phonemes that are spoken in one go; a second has about 17. Cutting sooner is heard: 10.0 % of the characters of
`cleans2s bench chinese` were misunderstood with 60, 8.6 % with 90."""

PIECE = (16, 100)
"""Phonemes of a piece of anything longer: ended by a mark from the former number on, by a word at the latter. A piece is the
step at which a reply is cancelled."""

PAUSES_S = {".": 0.25, "!": 0.25, "?": 0.25, "…": 0.25, ",": 0.1, ";": 0.1, ":": 0.1}
"""Silence after a piece that ends with this mark; the voice's own is cut off."""

LEAD_S = 0.02
"""Silence kept before a piece's first audible sample. The voice begins with 0.17 s of it, for which the listener would wait."""

REMEMBERED = 64, 24
"""Short pieces whose sound is kept, and the phonemes that such a piece has at the most: answers often begin in the same way
("好的，"), and the voice needs about 0.25 s for a word as well."""

_MARK = r"[,.!?;:…—]"


@dataclass(frozen=True)
class Kokoro:
    """A second of sound takes 0.22 to 0.26 s on two free cores of an EPYC, and three times that where they are busy."""

    voice: str = "jf_nezumi"
    """A voice of the file, or a blend of several with their weights, such as `jf_alpha:0.6+jm_kumo:0.4`."""

    voices: str = ""
    """Path of a file of voices, such as kokoro-onnx's `voices-v1.0.bin`, which has af_heart and zf_xiaobei; "" is the
    catalogue's, which has jf_alpha, jf_gongitsune, jf_nezumi, jf_tebukuro and jm_kumo."""

    language: str = "en-us"
    """en-us, en-gb or zh: English is spoken with that accent, and text without any letters (figures) read in that language.
    The rest is spoken in the language that it is written in."""

    speed: float = 1.0
    """1.2 speaks a fifth faster; from 0.5 to 2."""

    threads: int = 2

    def load(self) -> LoadedKokoro:
        if self.language not in LANGUAGES:
            raise ConfigError(f"tts.language = {self.language!r}: expected one of {', '.join(LANGUAGES)}")
        if not 0.5 <= self.speed <= 2:
            raise ConfigError(f"tts.speed = {self.speed:g}: expected 0.5 to 2")
        kokoro = shared((Kokoro, self.voices, self.threads), lambda: _weights(self.voices, self.threads))
        loaded = LoadedKokoro(kokoro, blend(self.voice, kokoro.voices), self)
        list(loaded.speak("你好。" if self.language == "zh" else "Hello."))
        return loaded


def blend(voice: str, voices: Any) -> Samples:
    """The style of a voice or of several with their weights. ConfigError, with the voices there are, for anything else."""
    style: Any = 0.0
    total = 0.0
    for part in voice.split("+"):
        name, _, weight = part.strip().partition(":")
        share = float(weight) if re.fullmatch(r"\d+(\.\d+)?", weight) else float(not weight)
        if name not in voices or not share:
            known = ", ".join(sorted(voices))
            raise ConfigError(f"tts.voice = {voice!r}: expected one of {known}, or a blend such as 'a:0.6+b:0.4'")
        style, total = style + share * np.asarray(voices[name], np.float32), total + share
    return np.asarray(style / total, np.float32)


@dataclass
class LoadedKokoro:
    kokoro: Any
    style: Samples
    settings: Kokoro
    remembered: dict[str, Audio] = field(default_factory=dict[str, Audio])

    def speak(self, text: str) -> Iterator[Audio]:
        most, longest = REMEMBERED
        for piece in pieces(self.phonemes(text)):
            audio = self.remembered.pop(piece, None) or self._spoken(piece)
            if len(piece) <= longest:
                self.remembered[piece] = audio
                for oldest in list(self.remembered)[:-most]:
                    self.remembered.pop(oldest, None)  # an abandoned call may be at it too
            yield audio

    def _spoken(self, piece: str) -> Audio:
        samples, rate = self.kokoro.create(piece, self.style, self.settings.speed, is_phonemes=True)
        begins = int((Audio(samples, rate).audible_span_s()[0] - LEAD_S) * rate)
        pause = np.zeros(int(PAUSES_S.get(piece[-1], 0.0) * rate), np.float32)
        return Audio(np.concatenate([samples[max(0, begins) :], pause]), rate)

    def phonemes(self, text: str) -> str:
        """Every run by its script; figures are Chinese in a clause that has Chinese characters."""
        if not re.search(f"[{HAN}]", text) and (self.settings.language != "zh" or re.search(r"[^\W\d]", text)):
            return self._latin(text)
        letter = rf"[^\W\d_{HAN}]"
        parts: list[str] = []
        for run in re.finditer(rf"{letter}+(?:[ '’&.-]+{letter}+)*|([{HAN}]+)|(\W|[\d_])", spoken(text).translate(MARKS)):
            parts.append(reader()(run[0]) if run[1] else run[0] if run[2] else f" {self._latin(run[0])} ")
        line = re.sub(rf"({_MARK})(?=\w)", r"\1 ", "".join(parts))
        return re.sub(rf"\s+(?={_MARK})", "", " ".join(line.split()))

    def _latin(self, text: str) -> str:
        accent = self.settings.language if self.settings.language != "zh" else "en-us"
        return self.kokoro.tokenizer.phonemize(text, accent)


def pieces(phonemes: str) -> Iterator[str]:
    """Cut after marks, or after words where none comes."""
    fewest, most = PIECE
    while len(phonemes) > WHOLE:
        marks = (m.end() for m in re.finditer(rf"{_MARK}+(?=\s)", phonemes[: most + 1]))
        cut = next((end for end in marks if end >= fewest), 0)
        if not cut and len(phonemes) <= most:
            break
        cut = cut or max(phonemes.rfind(" ", fewest, most), 0) or most
        yield phonemes[:cut].strip()
        phonemes = phonemes[cut:].strip()
    if re.search(r"\w", phonemes):
        yield phonemes


def _weights(voices: str, threads: int) -> Any:
    """One set of weights for every voice, speed and language."""
    kokoro = package("kokoro_onnx:Kokoro")
    folder = path("kokoro-v1-int8")
    file = Path(voices).expanduser() if voices else folder / "voices_ja.npz"
    if not file.is_file():
        raise ModelError(f"tts.voices = {voices!r}: no such file; expected one such as kokoro-onnx's voices-v1.0.bin")
    return kokoro.from_session(session(folder / "kokoro-v1.0.int8.onnx", threads), str(file))
