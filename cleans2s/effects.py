"""Louder or softer, faster or slower, higher or lower: on the sound of any voice, piece by piece, while it speaks.

Faster without being higher is WSOLA (Verhelst and Roelands, ICASSP 1993): segments of 20 ms are taken from the sound at
the wanted pace, each from the place near by where it continues the one before best, and faded into it. Higher is slower by
that factor and then played faster, by a resampler of variable rate (soxr). Of the packages for this, pedalboard is GPL and
python-stretch works on whole recordings only. One core shapes a second of sound in 1 to 6 ms. 48 ms are held back at any
moment, which costs no time where the voice gives whole clauses.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from .audio import Audio, Samples, silence
from .errors import ConfigError

HOP_S = 0.02
"""Length of a segment; shorter than a syllable, longer than a period of the deepest voice (14 ms at 70 Hz)."""

FADE_S = 0.01
SEARCH_S = 0.008
"""How far from its place a segment may be taken, in both directions: together more than a period of the deepest voice."""

KNEE = 0.8
"""Where a voice that was made louder begins to be rounded off, so that it does not crackle at full scale."""

RANGES = {"volume_db": (-40.0, 20.0), "speed": (0.5, 2.0), "pitch": (-12.0, 12.0)}


@dataclass(frozen=True)
class Effects:
    """What is done to the sound of the voice, whichever engine it comes from."""

    volume_db: float = 0.0
    """Decibels: 6 is twice the amplitude."""

    speed: float = 1.0
    """1.2 speaks a fifth faster, at the same pitch."""

    pitch: float = 0.0
    """Semitones: 12 is an octave higher, at the same pace."""

    def __post_init__(self) -> None:
        for name, (least, most) in RANGES.items():
            if not least <= (value := getattr(self, name)) <= most:
                raise ConfigError(f"effects.{name} = {value:g}: expected {least:g} to {most:g}")

    @property
    def gain(self) -> float:
        return 10 ** (self.volume_db / 20)


class Shaper:
    """The effects on one stream of sound. Their settings may differ from piece to piece: pace and pitch change there
    without a break, the volume within 10 ms. While pace and pitch were never changed, every sample passes as it is."""

    def __init__(self, rate: int) -> None:
        self.rate = rate
        self._gain: float | None = None
        self._begin()

    def _begin(self) -> None:
        self._stretch: _Stretch | None = None
        self._repitch: _Repitch | None = None
        self._due, self._given = 0.0, 0
        self._before = silence(0)

    def push(self, samples: Samples, effects: Effects) -> Samples:
        """What is ready; the rest comes with the next piece or with `flush`."""
        factor = 2 ** (effects.pitch / 12)
        if self._stretch is None and effects.speed == factor == 1:
            self._remember(samples)
            return self._louder(samples, effects.gain)
        if self._stretch is None:
            self._stretch = _Stretch(self.rate)
        self._due += len(samples) / effects.speed
        stretched = self._stretch.push(samples, effects.speed / factor)
        if self._repitch is None and factor != 1:
            self._repitch = _Repitch(self._before, factor)
        ready = stretched if self._repitch is None else self._repitch.push(stretched, factor)
        self._remember(stretched)
        self._given += len(ready)
        return self._louder(ready, effects.gain)

    def flush(self) -> Samples:
        """The rest, to the sample: as long as what was pushed, each piece divided by its speed. Then a new stream begins."""
        rest = silence(0)
        if self._stretch is not None:
            rest = self._stretch.flush()
            rest = rest if self._repitch is None else self._repitch.flush(rest)
            missing = round(self._due) - self._given
            rest = np.pad(rest, (0, max(0, missing - len(rest))))[: max(0, missing)]
            fade = min(len(rest), int(FADE_S * self.rate))
            rest[len(rest) - fade :] *= np.linspace(1, 0, fade, dtype=np.float32)
        self._begin()
        return self._louder(rest, self._gain or 1.0)

    def _remember(self, samples: Samples) -> None:
        """A filter that begins in the middle of a sound has to know what came before."""
        self._before = np.concatenate([self._before, samples])[-int(HOP_S * self.rate) :]

    def _louder(self, samples: Samples, gain: float) -> Samples:
        before, self._gain = gain if self._gain is None else self._gain, gain
        if before == gain == 1 or not len(samples):
            return samples
        ramp = np.full(len(samples), gain, np.float32)
        fade = min(len(samples), int(FADE_S * self.rate))
        ramp[:fade] = np.linspace(before, gain, fade, dtype=np.float32)
        loud = samples * ramp
        over = np.maximum(np.abs(loud) - KNEE, 0) / (1 - KNEE)
        limited = np.sign(loud) * (KNEE + (1 - KNEE) * np.tanh(over))
        return np.where(over > 0, limited, loud).astype(np.float32) if max(before, gain) > 1 else loud


def shaped(sound: Iterable[Audio], effects: Effects) -> Iterator[Audio]:
    """A finished stream of sound with the effects, for where nothing changes meanwhile."""
    shaper, rate = None, 0
    for audio in sound:
        shaper, rate = shaper or Shaper(audio.rate), audio.rate
        yield Audio(shaper.push(audio.samples, effects), rate)
    if shaper is not None:
        yield Audio(shaper.flush(), rate)


class _Stretch:
    """WSOLA. `_input` is what may still be needed; `_follow` is the place in it that would continue the last segment, and
    `_next` the place where the next one ought to come from."""

    def __init__(self, rate: int) -> None:
        self._hop, self._fade, self._search = (int(s * rate) for s in (HOP_S, FADE_S, SEARCH_S))
        self._ramp: Samples = np.linspace(0, 1, self._fade, endpoint=False).astype(np.float32)
        self._input: Samples = silence(0)
        self._follow: int = 0
        self._next, self._pace = 0.0, 1.0

    def push(self, samples: Samples, pace: float) -> Samples:
        self._input, self._pace = np.concatenate([self._input, samples]), pace  # its own memory: `flush` writes to it
        segments = [silence(0)]
        # After each segment there is enough left of what follows it to fade out of.
        while len(self._input) >= max(round(self._next) + self._search, self._follow) + self._hop + self._fade:
            segments.append(self._segment())
        return np.concatenate(segments)

    def flush(self) -> Samples:
        """What is left, faded out, and a little silence."""
        left, last = max(0.0, len(self._input) - self._next), min(self._fade, len(self._input))
        self._input[len(self._input) - last :] *= np.linspace(1, 0, last, dtype=np.float32)
        most = left + 2 * (self._search + self._hop + self._fade) * max(1.0, self._pace)
        return self.push(np.zeros(int(most), np.float32), self._pace)

    def _segment(self) -> Samples:
        place = round(self._next)
        least, most = max(0, place - self._search), place + self._search
        follows = self._input[self._follow : self._follow + self._fade]
        start = self._follow if least <= self._follow <= most else least + self._likest(self._input[least : most + self._fade])
        segment = self._input[start : start + self._hop]
        faded = (follows + (segment[: self._fade] - follows) * self._ramp).astype(np.float32, copy=False)
        self._next += self._hop * self._pace
        self._follow = start + self._hop
        done = max(0, min(self._follow, int(self._next) - self._search))
        self._input = self._input[done:]
        self._follow, self._next = self._follow - done, self._next - done
        return np.concatenate([faded, segment[self._fade :]])

    def _likest(self, near: Samples) -> int:
        """Where in `near` the sound is most like what would follow the last segment; the middle, if that is silence."""
        follows = self._input[self._follow : self._follow + self._fade]
        likeness = np.correlate(near, follows, "valid")
        energy = np.cumsum(np.concatenate([[0.0], np.square(near, dtype=np.float64)]))
        likeness = likeness / np.sqrt(np.maximum(energy[self._fade :] - energy[: -self._fade], 1e-6))
        return int(likeness.argmax()) if likeness.max() > 1e-6 else min(self._search, len(likeness) - 1)


class _Repitch:
    """Plays sound faster, and so higher, by a factor that may change."""

    def __init__(self, before: Samples, factor: float) -> None:
        import soxr

        most = 2 ** (RANGES["pitch"][1] / 12)
        self._stream: Any = soxr.ResampleStream(most, 1, 1, dtype="float32", quality="HQ", vr=True)
        self._factor = 0.0
        self._old = round(len(before) / factor)
        """Samples to come that belong to what was before."""
        self.push(before, factor)

    def push(self, samples: Samples, factor: float) -> Samples:
        if factor != self._factor:
            self._stream.set_io_ratio(factor, 1)  # what comes out goes on where it was, so this does not click
            self._factor = factor
        return self._new(self._stream.resample_chunk(np.ascontiguousarray(samples)))

    def flush(self, samples: Samples) -> Samples:
        return self._new(self._stream.resample_chunk(np.ascontiguousarray(samples), last=True))

    def _new(self, samples: Samples) -> Samples:
        skipped = min(self._old, len(samples))
        self._old -= skipped
        return samples[skipped:]
