"""Any server of OpenAI's transcriptions: OpenAI, SiliconFlow, vLLM, speaches, whisper.cpp …"""

from __future__ import annotations

import io
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from ..audio import Audio, save_wav
from ..openai_client import BACK_OFF_S, Service
from ..stages import DRAFT_S, Transcript


@dataclass(frozen=True)
class OpenAITranscription:
    """The key comes from ASR_API_KEY, or else OPENAI_API_KEY; a server on this machine or its network needs none."""

    model: str = "gpt-4o-mini-transcribe"
    """As the server calls it: `whisper-1`, `FunAudioLLM/SenseVoiceSmall` …"""

    base_url: str = "https://api.openai.com/v1"

    language: str = ""
    """Code of the language spoken; "" lets the server find out."""

    prompt: str = ""
    """Names and terms that are likely to come up."""

    partials: bool = True
    """Whether words are asked for while the user still speaks, too. Then it is sooner clear whether they interrupt; a turn
    costs a request every 0.3 to 0.6 s, each with up to 20 s of its sound so far."""

    patience_s: float = 10.0
    """Seconds after which the server is given up; a quarter of the sound's length is added."""

    def load(self) -> LoadedOpenAITranscription:
        return LoadedOpenAITranscription(Service.found("asr", self.base_url, self.model, self.patience_s), self)


@dataclass
class LoadedOpenAITranscription:
    service: Service
    settings: OpenAITranscription

    async def transcribe(self, audio: Audio, partial: bool = False) -> Transcript:
        """A draft that fails is not asked for again: the next one is already due."""
        if not len(audio.samples) or (partial and not self.settings.partials):
            return Transcript("")
        audio, tries = (audio.last(DRAFT_S), 1) if partial else (audio, len(BACK_OFF_S) + 1)
        async with aclosing(
            self.service.pieces(lambda client: self._heard(client, audio), audio.duration_s / 4, tries)
        ) as heard:
            return await anext(heard)

    async def _heard(self, client: Any, audio: Audio) -> AsyncGenerator[Transcript]:
        settings, file = self.settings, io.BytesIO()
        save_wav(file, audio.samples, audio.rate)
        more = {"language": settings.language, "prompt": settings.prompt}
        heard = await client.audio.transcriptions.create(
            model=settings.model,
            file=("turn.wav", file.getvalue(), "audio/wav"),
            response_format="json",
            **{name: value for name, value in more.items() if value},
        )
        if not isinstance(text := getattr(heard, "text", None), str):
            raise ValueError(f"no `text` in {str(heard)[:60]!r}")
        yield Transcript(text.strip())
