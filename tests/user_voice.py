"""Users that are not recorded: synthesised, and the same every time, so that no test hangs on how a word came out."""

from __future__ import annotations

import numpy as np

from cleans2s.audio import RATE, Audio
from cleans2s.stages import load
from cleans2s.tts.piper import Piper


def spoken(text: str) -> Audio:
    pieces = list(load(Piper(variation=0)).speak(text))
    return Audio(np.concatenate([piece.samples for piece in pieces]), pieces[0].rate).resampled(RATE)
