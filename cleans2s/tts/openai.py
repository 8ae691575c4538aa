"""Any server of OpenAI's speech: OpenAI, SiliconFlow (CosyVoice), Kokoro-FastAPI, this project's own …"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from ..audio import MAX_RATE, MIN_RATE, Audio
from ..errors import ConfigError
from ..openai_client import Service

PIECE_S = 0.1
"""Length of the pieces that sound is passed on in."""

RAW = ("pcm", "l16", "raw", "octet-stream")
"""In the media type of samples without a header."""

FILES = (b"RIFF", b"ID3", b"OggS", b"fLaC", b"\xff\xfb", b"\xff\xf3")
"""How sound in other formats begins, whatever its media type says; played as samples it is a loud noise."""

SLOWEST = 1.0
"""Seconds for a character, beside `LEAST_S` for any text, beyond which speech does not end; usual are 0.06 (English) and
0.25 (Chinese)."""

LEAST_S = 10.0


@dataclass(frozen=True)
class OpenAISpeech:
    """The key comes from TTS_API_KEY, or else OPENAI_API_KEY; a server on this machine or its network needs none."""

    model: str = "gpt-4o-mini-tts"
    """As the server calls it: `tts-1`, `FunAudioLLM/CosyVoice2-0.5B` …"""

    base_url: str = "https://api.openai.com/v1"

    voice: str = "alloy"

    speed: float = 1.0
    """1.2 speaks a fifth faster."""

    instructions: str = ""
    """How to speak, for models that take it: "cheerful, and a little fast"."""

    rate: int = 24_000
    """Hz of the server's `pcm`, where it does not say so itself; a wrong one is heard as a wrong pitch."""

    patience_s: float = 10.0
    """Seconds to the first sound, and from each piece to the next, after which the server is given up."""

    def load(self) -> LoadedOpenAISpeech:
        if not MIN_RATE <= self.rate <= MAX_RATE:
            raise ConfigError(f"tts.rate = {self.rate}: expected {MIN_RATE} to {MAX_RATE} Hz")
        return LoadedOpenAISpeech(Service.found("tts", self.base_url, self.model, self.patience_s), self)


@dataclass
class LoadedOpenAISpeech:
    service: Service
    settings: OpenAISpeech

    async def speak(self, text: str) -> AsyncIterator[Audio]:
        async with aclosing(self.service.pieces(lambda client: self._spoken(client, text))) as pieces:
            async for audio in pieces:
                yield audio

    async def _spoken(self, client: Any, text: str) -> AsyncGenerator[Audio]:
        settings, left_s = self.settings, LEAST_S + SLOWEST * len(text) / self.settings.speed
        request: dict[str, Any] = {"model": settings.model, "voice": settings.voice, "input": text, "response_format": "pcm"}
        if settings.instructions:
            request["instructions"] = settings.instructions
        if settings.speed != 1:
            request["speed"] = settings.speed
        async with client.audio.speech.with_streaming_response.create(**request) as response:
            media_type = response.headers.get("content-type", RAW[0]).lower()
            rate, begun = _rate(media_type) or settings.rate, False
            async for data in response.iter_bytes(2 * int(PIECE_S * rate)):
                if not any(raw in media_type for raw in RAW) or (not begun and data.startswith(FILES)):
                    raise self.service.failed(
                        f"sent {media_type} that begins with {data[:4]!r}, expected raw 16-bit samples (pcm); "
                        "choose a model or server that gives them"
                    )
                begun, audio = True, Audio.from_pcm16(data[: len(data) // 2 * 2], rate)
                yield audio
                if (left_s := left_s - audio.duration_s) < 0:
                    raise self.service.failed(f"does not end its speech for {text[:40]!r}; try again, or choose another server")


def _rate(media_type: str) -> int:
    """Of `audio/l16; rate=16000`; 0 where none is named."""
    named = re.search(r"rate=(\d{4,6})", media_type)
    return int(named[1]) if named else 0
