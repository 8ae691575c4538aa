"""Recordings and speech as files in memory, in the formats that libsndfile knows."""

from __future__ import annotations

import io
import struct
from typing import Any, cast

import numpy as np

from .audio import RATE, Audio, Resampler, Samples, silence
from .errors import AudioError

DURATION_LIMIT_S = 600

SPEECH_RATE = 24_000
"""Hz of all speech, as in OpenAI's `pcm`."""

FORMATS = {
    "pcm": ("audio/pcm", "", ""),
    "wav": ("audio/wav", "", ""),
    "flac": ("audio/flac", "FLAC", "PCM_16"),
    "mp3": ("audio/mpeg", "MP3", "MPEG_LAYER_III"),
    "opus": ("audio/ogg", "OGG", "OPUS"),
}
"""Media type, and libsndfile's names of the container and the coding; those without are streamed."""

BLOCK = 1 << 15
"""Frames that are decoded at once."""

ENDLESS = 0xFFFFFFFF
"""Length of a wav file that is being written."""


def decoded(file: bytes) -> Audio:
    """Mono at 16 kHz, block by block: a small file can hold very much sound. Raises AudioError."""
    import soundfile

    samples, frames = list[Samples](), 0
    try:
        with soundfile.SoundFile(io.BytesIO(file)) as sound:
            rate = Audio(silence(0), sound.samplerate).rate
            resampler = Resampler(rate, RATE)
            blocks: Any = sound.blocks(BLOCK, dtype="float32", always_2d=True)
            for block in blocks:
                if (frames := frames + len(block)) > DURATION_LIMIT_S * rate:
                    raise AudioError(f"the recording is longer than {DURATION_LIMIT_S} s, the limit; send it in parts")
                samples.append(resampler.push(Audio(block, rate).samples))
            samples.append(resampler.flush())
    except (soundfile.SoundFileError, RuntimeError, TypeError) as error:
        said = str(error).rstrip(".")
        raise AudioError(f"the file cannot be read as sound ({said}); expected wav, flac, ogg or mp3: convert it") from None
    audio = Audio(np.concatenate(samples))
    if not len(audio.samples):
        raise AudioError("the file holds no sound (0 samples); record it again")
    return audio


def encoded(pcm: bytes, container: str, coding: str) -> bytes:
    """A file of 16-bit samples at 24 kHz."""
    import soundfile

    file, samples = io.BytesIO(), Audio.from_pcm16(pcm, SPEECH_RATE).samples
    cast("Any", soundfile).write(file, samples, SPEECH_RATE, coding, format=container)
    return file.getvalue()


def wav_header() -> bytes:
    """Of 16-bit samples at 24 kHz, however many."""
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, SPEECH_RATE, 2 * SPEECH_RATE, 2, 16)
    return struct.pack("<4sI4s", b"RIFF", ENDLESS, b"WAVE") + form + struct.pack("<4sI", b"data", ENDLESS)
