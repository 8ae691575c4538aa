"""The formats in which Realtime clients send and take sound."""

from __future__ import annotations

import base64
import binascii
import io
from typing import Any, cast

import numpy as np

from ..audio import Audio, Resampler
from .wire import WireError

RATES = {"audio/pcm": 24_000, "audio/pcmu": 8_000, "audio/pcma": 8_000}
"""Hz of every format: 16-bit little-endian, and G.711 µ-law and A-law; all mono."""

G711 = {"audio/pcmu": "ULAW", "audio/pcma": "ALAW"}


class Decoder:
    def __init__(self, format: str) -> None:
        self.format, self._rest = format, b""

    def __call__(self, encoded: str) -> Audio:
        """The sound of one base64 text. Half a sample at its end waits for the next one."""
        try:
            data = base64.b64decode(encoded, validate=True)
        except (binascii.Error, ValueError):
            raise WireError("audio is not base64; encode the bytes of the sound", "invalid_value", "audio") from None
        rate = RATES[self.format]
        if subtype := G711.get(self.format):
            return Audio(_raw(data, subtype, rate), rate)
        data = self._rest + data
        whole = len(data) // 2 * 2
        self._rest = data[whole:]
        return Audio.from_pcm16(data[:whole], rate)


class Encoder:
    """For one reply: it keeps the resampler's state from piece to piece."""

    def __init__(self, format: str) -> None:
        self.format = format
        self._resampler: Resampler | None = None

    def __call__(self, audio: Audio) -> str:
        if self._resampler is None:
            self._resampler = Resampler(audio.rate, RATES[self.format])
        return self._encoded(self._resampler.push(audio.samples))

    def flush(self) -> str:
        """The last few samples, which the resampler holds back."""
        return self._encoded(self._resampler.flush()) if self._resampler else ""

    def whole(self, audio: Audio) -> str:
        """A sound that nothing follows."""
        return self._encoded(audio.resampled(RATES[self.format]).samples)

    def _encoded(self, samples: Any) -> str:
        audio = Audio(samples, RATES[self.format])
        if subtype := G711.get(self.format):
            import soundfile

            buffer = io.BytesIO()
            soundfile.write(buffer, audio.samples, audio.rate, subtype, format="RAW")  # pyright: ignore[reportUnknownMemberType]
            return base64.b64encode(buffer.getvalue()).decode()
        return base64.b64encode(audio.to_pcm16()).decode()


def _raw(data: bytes, subtype: str, rate: int) -> Any:
    import soundfile

    if not data:
        return np.zeros(0, np.float32)
    samples, _ = cast(
        "tuple[Any, int]",
        soundfile.read(  # pyright: ignore[reportUnknownMemberType]
            io.BytesIO(data), format="RAW", subtype=subtype, samplerate=rate, channels=1, dtype="float32"
        ),
    )
    return samples
