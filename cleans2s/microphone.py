"""The user's sound as it arrives: any chunk size, any rate in; frames of one size out; the turn so far on demand."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

import numpy as np

from .audio import RATE, Audio, Resampler, Samples, silence
from .turn import FRAME


class Microphone:
    def __init__(self) -> None:
        self._resampler = Resampler(RATE, RATE)
        self._rest = silence(0)
        self._frames: deque[Samples] = deque()
        self._first = 0
        """Position of the first kept sample, counted from the start."""

    def frames(self, audio: Audio) -> Iterator[Samples]:
        """The whole frames that `audio` completes; each is kept until it is forgotten."""
        if audio.rate != self._resampler.source:
            self._rest = np.concatenate([self._rest, self._resampler.flush()])
            self._resampler = Resampler(audio.rate, RATE)
        samples = np.concatenate([self._rest, self._resampler.push(audio.samples)])
        whole = len(samples) // FRAME * FRAME
        self._rest = samples[whole:]
        for start in range(0, whole, FRAME):
            frame = samples[start : start + FRAME]
            self._frames.append(frame)
            yield frame

    def since(self, sample: int) -> Audio:
        """Everything kept from this position on (rounded down to a frame)."""
        skip = max(0, (sample - self._first) // FRAME)
        kept = list(self._frames)[skip:]
        return Audio(np.concatenate(kept) if kept else silence(0))

    def forget(self, before: int) -> None:
        while self._frames and self._first + FRAME <= before:
            self._frames.popleft()
            self._first += FRAME
