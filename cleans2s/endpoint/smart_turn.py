"""Smart Turn v3.2 (BSD-2-Clause, github.com/pipecat-ai/smart-turn): is the speaker done, by the sound of it?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..audio import RATE, Audio
from ..models import path
from ..onnx import session
from ..stages import imported

WINDOW_S = 8
"""The model hears the last eight seconds; shorter sound is padded in front."""


@dataclass(frozen=True)
class SmartTurn:
    """25 ms on one core, whatever the length."""

    def load(self) -> LoadedSmartTurn:
        extractor = imported("faster_whisper.feature_extractor:FeatureExtractor")
        folder = path("smart-turn-v3.2")
        loaded = LoadedSmartTurn(session(folder / "smart-turn-v3.2-cpu.onnx"), extractor(chunk_length=WINDOW_S))
        loaded.complete(Audio(np.zeros(RATE, np.float32)))
        return loaded


@dataclass
class LoadedSmartTurn:
    onnx: Any
    features: Any
    places = 2

    def complete(self, audio: Audio) -> float:
        heard = audio.samples[-WINDOW_S * RATE :]
        window = np.pad(heard, (WINDOW_S * RATE - len(heard), 0))
        # Unit variance before the log-mel spectrogram, as the model was trained (Whisper's extractor with do_normalize).
        window = (window - window.mean()) / np.sqrt(window.var() + 1e-7)
        mel = self.features(window, padding=0)[None].astype(np.float32)
        return float(self.onnx.run(None, {"input_features": mel})[0].item())
