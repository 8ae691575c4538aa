"""CosyVoice's official FastAPI server: a form with the reference clip in, bare 16-bit samples out as they are made."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from ..audio import Audio, save_wav
from ..errors import ModelError, StageError
from ..stages import imported
from .cosyvoice import CosyVoice, said

PAUSE_LIMIT_S = 30.0
"""The server may think for so long before it sends (more) sound; a session's own limit is shorter."""

PROBE_LIMIT_S = 5.0
OTHER_FORMATS = (b"RIFF", b"ID3", b"OggS", b"fLaC", b"{")


def found(settings: CosyVoice, sound: Audio, prompt: str) -> CosyVoiceServer:
    """The server, if it answers and has the method; a FastAPI server describes itself, and one that does not is believed."""
    httpx, path = imported("httpx"), said(settings, "", "", 0, marks=False)[0]
    address = settings.server.rstrip("/")
    try:
        known = httpx.get(f"{address}/openapi.json", timeout=PROBE_LIMIT_S)
        paths: Any = known.json()["paths"] if known.status_code == 200 else {f"/{path}": {}}
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, KeyError, TypeError) as error:
        raise ModelError(
            f"no CosyVoice server answers at tts.server ({type(error).__name__}: {error}): start it with "
            "`python runtime/python/fastapi/server.py --port 50000 --model_dir …`, or correct the address"
        ) from None
    if f"/{path}" not in paths:
        raise ModelError(f"the server at tts.server has no /{path}; expected CosyVoice's runtime/python/fastapi/server.py")
    clip = io.BytesIO()
    save_wav(clip, sound.samples, sound.rate)
    return CosyVoiceServer(settings, address, clip.getvalue(), prompt, httpx.create_ssl_context())


@dataclass
class CosyVoiceServer:
    """Leaving the generator closes the connection. The server has one model for all: its places are its own affair."""

    settings: CosyVoice
    address: str
    clip: bytes
    prompt: str
    tls: Any
    places = 4

    async def speak(self, text: str) -> AsyncIterator[Audio]:
        httpx, version = imported("httpx"), 3 if "cosyvoice3" in self.settings.model.lower() else 0
        path, form = said(self.settings, text, self.prompt, version, marks=version == 3)
        files = {"prompt_wav": ("reference.wav", self.clip, "audio/wav")} if path != "inference_instruct" else None
        try:
            async with (
                httpx.AsyncClient(timeout=PAUSE_LIMIT_S, verify=self.tls) as client,
                client.stream("POST", f"{self.address}/{path}", data=form, files=files) as answer,
            ):
                if answer.status_code != 200:
                    complaint = (await answer.aread()).decode(errors="replace")[:200]
                    raise StageError("tts", f"the CosyVoice server answered {answer.status_code} to /{path}: {complaint}")
                sound, first = b"", True
                async for more in answer.aiter_bytes():
                    if first and more.startswith(OTHER_FORMATS):
                        raise StageError("tts", "the server sends another format; expected the bare samples of CosyVoice's own")
                    sound, first = sound + more, False
                    whole = len(sound) // 2 * 2
                    if whole:
                        yield Audio.from_pcm16(sound[:whole], self.settings.rate)
                    sound = sound[whole:]
        except httpx.HTTPError as error:
            raise StageError("tts", f"the CosyVoice server broke off ({type(error).__name__}: {error}); see its log") from None
