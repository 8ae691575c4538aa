"""Sound: one type inside, bytes and files only at the edges."""

from __future__ import annotations

import base64
import io
import math
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from .errors import AudioError

Samples = NDArray[np.float32]

RATE = 16_000
"""Hz at which the pipeline listens; what Silero, Smart Turn and Whisper were trained on."""

MIN_RATE, MAX_RATE = 4_000, 384_000


def silence(seconds: float, rate: int = RATE) -> Samples:
    return np.zeros(max(0, round(seconds * rate)), np.float32)


@dataclass(frozen=True, eq=False)
class Audio:
    """Mono sound: float32 samples in [-1, 1], and their rate in Hz.

    Integer arrays are scaled by their full range, channels (n, c) are averaged, NaN and infinity become silence, and
    what exceeds full scale is clipped, so that no later stage has to ask. Raises AudioError for any other shape,
    type or rate.
    """

    samples: Samples = field(repr=False)
    rate: int = RATE

    def __post_init__(self) -> None:
        if not MIN_RATE <= self.rate <= MAX_RATE:
            raise AudioError(f"sample rate {self.rate} Hz: expected {MIN_RATE} to {MAX_RATE} Hz; resample it first")
        object.__setattr__(self, "samples", _mono(cast(object, self.samples)))
        object.__setattr__(self, "rate", int(self.rate))

    @classmethod
    def from_file(cls, path: str | os.PathLike[str]) -> Audio:
        """Any file that libsndfile reads (wav, flac, ogg, mp3, aiff …), any bit depth, rate and number of channels."""
        import soundfile

        name = Path(path).name
        if not Path(path).is_file():
            raise AudioError(f"{path}: no such file; expected a wav, flac, ogg or mp3 recording")
        try:
            samples, rate = cast(
                "tuple[Samples, int]",
                soundfile.read(path, dtype="float32", always_2d=True),  # pyright: ignore[reportUnknownMemberType]
            )
        except (soundfile.SoundFileError, RuntimeError, TypeError) as error:
            raise AudioError(
                f"{name} cannot be read as sound ({str(error).rstrip('.')}); expected wav, flac, ogg or mp3: "
                f"convert it, for example with `ffmpeg -i {name} question.wav`"
            ) from None
        if not samples.size:
            raise AudioError(f"{name} holds no sound (0 samples); record it again")
        return cls(samples, rate)

    @classmethod
    def from_pcm16(cls, data: bytes, rate: int) -> Audio:
        """Little-endian signed 16-bit mono."""
        if len(data) % 2:
            raise AudioError(f"{len(data)} bytes are not whole 16-bit samples; send an even number of bytes")
        return cls(np.frombuffer(data, "<i2"), rate)

    def to_pcm16(self) -> bytes:
        return (np.clip(self.samples, -1, 1) * 32767).astype("<i2").tobytes()

    @property
    def duration_s(self) -> float:
        return len(self.samples) / self.rate

    @property
    def peak(self) -> float:
        return float(np.abs(self.samples).max(initial=0.0))

    def resampled(self, rate: int) -> Audio:
        if rate == self.rate:
            return self
        resampler = Resampler(self.rate, rate)
        return Audio(np.concatenate([resampler.push(self.samples), resampler.flush()]), rate)

    def save(self, path: str | os.PathLike[str]) -> None:
        save_wav(path, self.samples, self.rate)

    def last(self, seconds: float) -> Audio:
        """Its end, of at most so many seconds."""
        return Audio(self.samples[max(0, len(self.samples) - math.ceil(seconds * self.rate)) :], self.rate)

    def audible_span_s(self, floor: float = 0.01) -> tuple[float, float]:
        """Start and end, in seconds, of what is louder than `floor` of full scale (−40 dBFS); (0, 0) if nothing is."""
        loud = np.flatnonzero(np.abs(self.samples) > floor)
        return (loud[0] / self.rate, (loud[-1] + 1) / self.rate) if loud.size else (0.0, 0.0)

    def _repr_html_(self) -> str:
        return player(self.samples, self.rate)


def player(samples: Samples, rate: int) -> str:
    """An element of a page that plays sound of shape (n,) or (n, channels)."""
    save_wav(buffer := io.BytesIO(), samples, rate)
    data = base64.b64encode(buffer.getvalue()).decode()
    return f'<audio controls src="data:audio/wav;base64,{data}"></audio>'


def save_wav(target: str | os.PathLike[str] | io.BytesIO, samples: Samples, rate: int) -> None:
    """16-bit wav of shape (n,) or (n, channels)."""
    import soundfile

    soundfile.write(target, np.clip(samples, -1, 1), rate, "PCM_16", format="WAV")  # pyright: ignore[reportUnknownMemberType]


class Resampler:
    """Resampling with state (soxr), so that chunk edges do not click; at equal rates it passes everything through."""

    def __init__(self, source: int, target: int) -> None:
        self.source, self.target = source, target
        self._stream: Any = None
        if source != target:
            import soxr

            # "MQ" halves the delay of the default "HQ" filter; speech loses nothing below 7 kHz.
            self._stream = soxr.ResampleStream(source, target, 1, dtype="float32", quality="MQ")

    def push(self, samples: Samples) -> Samples:
        return samples if self._stream is None else self._stream.resample_chunk(samples)

    def flush(self) -> Samples:
        return silence(0) if self._stream is None else self._stream.resample_chunk(silence(0), last=True)


def _mono(raw: object) -> Samples:
    array = np.asarray(raw)
    if array.ndim not in (1, 2) or (array.ndim == 2 and not 1 <= array.shape[1] <= 64):
        raise AudioError(f"samples of shape {array.shape}: expected (n,) or (n, channels)")
    if array.dtype == np.uint8:
        scaled = (array.astype(np.float32) - 128) / 128
    elif array.dtype.kind == "i":
        scaled = array.astype(np.float32) / float(np.iinfo(array.dtype).max + 1)
    elif array.dtype.kind == "f":
        scaled = np.nan_to_num(array, nan=0.0, posinf=0.0, neginf=0.0)
    else:
        raise AudioError(f"samples of type {array.dtype}: expected floating point in [-1, 1] or integers")
    mono = scaled.mean(axis=1) if scaled.ndim == 2 else scaled
    return np.clip(mono, -1, 1).astype(np.float32)
