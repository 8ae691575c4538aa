"""Piper (GPL-3.0, an optional dependency) with the voice "joe" (CC0)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..audio import Audio, Samples
from ..models import path
from ..onnx import session
from ..stages import shared


@dataclass(frozen=True)
class Piper:
    """One core speaks 27 times faster than real time; a short clause takes 25 to 70 ms."""

    voice: str = "joe"
    """A voice of the catalogue (`piper-…`), or the path of a Piper `.onnx` file."""

    speed: float = 1.0
    """1.2 speaks a fifth faster."""

    variation: float = 1.0
    """How much the same words differ in rhythm and tone from one time to the next, as a share of what the voice was made for;
    with 0 they always sound the same."""

    threads: int = 1

    def load(self) -> LoadedPiper:
        from piper.config import SynthesisConfig

        voice = shared((Piper, self.voice, self.threads), lambda: _voice(self.voice, self.threads))
        config = voice.config
        synthesis = SynthesisConfig(
            length_scale=config.length_scale / self.speed,
            noise_scale=config.noise_scale * self.variation,
            noise_w_scale=config.noise_w_scale * self.variation,
        )
        loaded = LoadedPiper(voice, synthesis)
        list(loaded.speak("Hello, there."))
        return loaded


def _voice(name: str, threads: int) -> Any:
    """One set of weights for every speed."""
    from piper.config import PiperConfig
    from piper.voice import PiperVoice

    file = Path(name) if name.endswith(".onnx") else next(path(f"piper-{name}").glob("*.onnx"))
    config = PiperConfig.from_dict(json.loads(Path(f"{file}.json").read_text("utf-8")))
    return PiperVoice(session(file, threads), config)


@dataclass
class LoadedPiper:
    voice: Any
    synthesis: Any

    def speak(self, text: str) -> Iterator[Audio]:
        for chunk in self.voice.synthesize(text, self.synthesis):
            yield Audio(_trimmed(chunk.audio_float_array, chunk.sample_rate), chunk.sample_rate)


def _trimmed(samples: Samples, rate: int) -> Samples:
    """Without the silence that the voice begins with (about 50 ms): the listener waits for the first sound."""
    loud = np.flatnonzero(np.abs(samples) > 0.01)
    return samples[max(0, loud[0] - rate // 200) :] if loud.size else samples
