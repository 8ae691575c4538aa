"""The loaded engines of one session: each is asked within its time limit, and every run is noted for the timeline."""

from __future__ import annotations

import contextlib
import math
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import anyio
from anyio import to_thread

from . import stages
from .audio import Audio
from .blocking import stage_items, stage_value
from .config import Config
from .effects import Shaper
from .errors import StageError
from .events import StageRan
from .judge import Judge, Judgement, Situation
from .lookup import Finder, Place, Refreshed
from .memory import Ask, Encoder
from .memory.asking import asking
from .stages import Chat, ToolCall, Transcript, VADStream, Wishes
from .text import hesitates

if TYPE_CHECKING:
    from .rag.passages import Passage

AS_CONFIGURED = Wishes()


class Engines:
    """Whatever goes wrong in an engine comes out as a StageError."""

    def __init__(self, config: Config, clock: Callable[[], float], note: Callable[[StageRan], None]) -> None:
        self._config = config
        self._clock, self._note = clock, note
        self._reading = anyio.Lock()
        self.finders: dict[Place, Finder] = {}
        """Where things can be looked up."""

    async def load(self, config: Config | None = None) -> None:
        """Once per process for equal settings; a second session gets the same ones. If one cannot be loaded, those that
        were there stay."""
        config = config or self._config
        vad, endpoint, asr, llm, tts, judge, *others = [
            stages.loaded(each) or await to_thread.run_sync(stages.load, each) for each in config.engines
        ]
        finders: dict[Place, Finder] = dict(zip(config.finders, others, strict=True))
        for finder in finders.values():
            if isinstance(finder, Refreshed) and finder not in self.finders.values():
                await to_thread.run_sync(finder.refresh)  # it may have been loaded for another conversation, long ago
        self._vad: stages.VAD = vad
        self._endpoint: stages.EndOfTurn = endpoint
        self._asr: stages.ASR = asr
        self._llm: stages.LLM = llm
        self._tts: stages.TTS = tts
        self._judge: Judge = judge
        self.finders = finders
        self.encoder: Encoder | None = getattr(judge, "encoder", None)
        self._config = config

    async def changed(self, config: Config) -> Engines:
        """Engines of other settings, beside these and noted in the same place. Equal settings share their engine."""
        engines = Engines(config, self._clock, self._note)
        await engines.load()
        return engines

    @property
    def able(self) -> bool:
        """Whether the language model can read notes of what is remembered or was found, and the whole conversation."""
        return getattr(self._llm, "able", True)

    @property
    def guided(self) -> bool:
        """Whether it can be told how to answer; otherwise strategies speak their own lines."""
        return getattr(self._llm, "guided", self.able)

    @property
    def ask(self) -> Ask | None:
        """The language model as memory asks it, where it may."""
        return asking(self._llm) if getattr(self._llm, "extracts", False) else None

    def ear(self) -> VADStream:
        return self._vad.stream()

    async def transcribe(self, audio: Audio, partial: bool = False) -> Transcript:
        started_s, limit_s = self._clock(), self._config.limits.asr_s
        said: Transcript | None = await stage_value("asr", limit_s, self._asr.transcribe, audio, partial)
        if said is None:
            raise StageError("asr", "returned nothing; expected a Transcript")
        self._ran("asr", started_s, said.text)
        return said

    async def sound_complete(self, audio: Audio) -> float:
        """The probability, by the sound, that the speaker has finished."""
        started_s, limit_s = self._clock(), self._config.limits.endpoint_s
        p: float = await stage_value("endpoint", limit_s, self._endpoint.complete, audio)
        self._ran("endpoint", started_s, f"{p:.2f}")
        return p

    async def words_complete(self, said: Transcript) -> float | None:
        """The probability that the words are a whole utterance, over all readings of them (their weighted geometric
        mean); None if the language model has no opinion."""
        if hesitates(said.text):
            return 0.0
        if not isinstance(self._llm, stages.JudgesCompleteness):
            return None
        started_s, log_p = self._clock(), 0.0
        for words, weight in said.alternatives or ((said.text, 1.0),):
            p: float = await stage_value("llm", self._config.limits.llm_s, self._llm.complete, words)
            log_p += weight * math.log(max(p, 1e-6))
        p = math.exp(log_p)
        self._ran("llm", started_s, f"complete {p:.2g}")
        return p

    async def judge(self, situation: Situation) -> Judgement:
        """How to answer, and whether to cut in."""
        started_s, limit_s = self._clock(), self._config.limits.judge_s
        judgement: Judgement = await stage_value("judge", limit_s, self._judge.judge, situation)
        self._ran("judge", started_s, judgement.strategy)
        return judgement

    async def find(self, place: Place, query: str) -> list[Passage]:
        """Passages of the documents or of the web; none where nothing fits."""
        if not (finder := self.finders.get(place)):
            return []  # it was switched off meanwhile
        started_s = self._clock()
        found: list[Passage] = await stage_value(place, self._limit_s(place), finder.find, query)
        self._ran(place, started_s, f"{len(found)} passages: {query}")
        return found

    async def quote(self, place: Place, query: str, passages: list[Passage]) -> list[tuple[int, str]]:
        """What of them can be said as it stands."""
        if not (finder := self.finders.get(place)):
            return []
        return await stage_value(place, self._limit_s(place), finder.quote, query, passages)

    def _limit_s(self, place: Place) -> float:
        return self._config.limits.documents_s if place == "documents" else self._config.limits.search_s

    async def read_ahead(self, chat: Chat) -> None:
        """While somebody speaks, the language model reads what the next prompt will probably begin with, unless it is still
        reading. A fault is passed over; it will show when there is something to answer."""
        if isinstance(self._llm, stages.ReadsAhead) and not self._reading.locked():
            async with self._reading:
                with contextlib.suppress(StageError):
                    await stage_value("llm", self._config.limits.llm_s, self._llm.read, chat)

    async def think(self, chat: Chat, wishes: Wishes = AS_CONFIGURED) -> AsyncGenerator[str | ToolCall]:
        """The answer, piece by piece; where `wishes` offer functions, it may hold calls of them. Empty pieces and, with
        `wishes.stop`, an empty answer are possible."""
        started_s, text = self._clock(), ""
        run, arguments = self._llm.reply, (chat,)
        if wishes != AS_CONFIGURED:
            if not isinstance(self._llm, stages.TakesWishes):
                raise StageError("llm", f"the language model {type(self._llm).__name__} {_cannot(wishes)}")
            run, arguments = self._llm.reply_as, (chat, wishes)
        async with aclosing(stage_items("llm", self._config.limits.llm_s, run, *arguments)) as pieces:
            async for piece in pieces:
                text += f"{piece.name}({piece.arguments})" if isinstance(piece, ToolCall) else piece
                yield piece
        if not text.strip() and not wishes.stop:
            raise StageError("llm", "returned no words")
        self._ran("llm", started_s, text)

    async def voice(self, text: str) -> AsyncGenerator[Audio]:
        """The sound of a clause as the engine makes it, for whoever shapes it when it is sent."""
        started_s, peak = self._clock(), 0.0
        async with aclosing(stage_items("tts", self._config.limits.tts_s, self._tts.speak, text)) as pieces:
            async for audio in pieces:
                peak = max(peak, audio.peak)
                yield audio
        if not peak:
            raise StageError("tts", f"returned no sound for {text[:60]!r}")
        self._ran("tts", started_s, text)

    async def speak(self, text: str) -> AsyncGenerator[Audio]:
        """The sound of a clause, with the effects."""
        shaper: Shaper | None = None
        async with aclosing(self.voice(text)) as pieces:
            async for audio in pieces:
                shaper = shaper or Shaper(audio.rate)
                yield Audio(shaper.push(audio.samples, self._config.effects), audio.rate)
        if shaper and len(rest := shaper.flush()):
            yield Audio(rest, shaper.rate)

    def _ran(self, stage: Any, started_s: float, detail: str) -> None:
        now_s = self._clock()
        self._note(StageRan(now_s, stage, started_s, now_s, detail))


def _cannot(wishes: Wishes) -> str:
    asked = "call functions" if wishes.tools else "be asked for a length, a temperature or stop words"
    return f"cannot {asked}; leave that out, or choose an engine with reply_as()"
