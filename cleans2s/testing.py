"""Conversations without models and without waiting: a virtual clock and scripted engines, for this project's tests and
for yours.

    async def play():
        stage = Stage(llm=ScriptedLLM("Here is a long answer."))
        async with stage:
            await stage.user.says("Tell me a story", seconds=2.0)
            await stage.until(ReplyStarted)
            await stage.user.says("Stop", seconds=0.5)
            ...
    on_virtual_clock(play)

The scripted engines implement the same protocols as the real ones. The user's "speech" is sound in which every
millisecond carries the number of its utterance, so that the scripted ASR hears just as much of it as the session gave it.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, TypeVar

import anyio
import numpy as np

from .audio import RATE, Audio, Samples, silence
from .blocking import threads_at_work
from .config import Config
from .events import Event
from .judge import Judgement, Situation
from .recording import as_heard
from .session import Session
from .stages import Chat, Transcript

T = TypeVar("T")
E = TypeVar("E", bound=Event)

STEP_S = 0.02
"""A microphone frame of the scripted user."""

VOICE_RATE = 16_000

THREAD_S = 1.0
"""Real seconds that the clock stands still for a thread at work; one that takes longer hangs, and time goes on."""

DEADLOCK_S = 5.0
"""Real seconds without news and without anything due, after which a test has come to a standstill."""


class _JumpingSelector(selectors.DefaultSelector):
    """Does not wait: the time it was asked to wait is what the clock jumps."""

    skipped_s = 0.0

    def select(self, timeout: float | None = None) -> Any:
        # Without anything due, only a thread (loading an engine) can still bring news.
        ready = super().select(DEADLOCK_S if timeout is None else THREAD_S if timeout > 0 and threads_at_work() else 0)
        if timeout is None and not ready:
            raise RuntimeError("deadlock: every task waits for another one, and nothing is due at any time")
        if not ready:
            self.skipped_s += timeout or 0.0
        return ready


class VirtualClockLoop(asyncio.SelectorEventLoop):
    """An event loop in which a minute passes as soon as nobody has anything to do until then."""

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.skipped_s


def on_virtual_clock(play: Callable[[], Awaitable[T]]) -> T:
    """Run a coroutine function to its end. Engines must be async here: a thread's work takes no virtual time."""
    return anyio.run(play, backend_options={"loop_factory": VirtualClockLoop})


# ── the scripted engines ──────────────────────────────────────────────────────────────────────────────────────────────


class Scripted:
    """Settings and loaded engine in one, as small engines may be."""

    def load(self) -> Any:
        return self


class ScriptedVAD(Scripted):
    """Hears speech where there is sound."""

    def stream(self) -> Callable[[Samples], float]:
        return lambda frame: float(np.abs(frame).max() > 0.0005)


@dataclass(eq=False)
class ScriptedEndOfTurn(Scripted):
    p: float = 0.9
    seconds: float = 0.03

    async def complete(self, audio: Audio) -> float:
        await anyio.sleep(self.seconds)
        return self.p


@dataclass(eq=False)
class ScriptedASR(Scripted):
    """Knows what the scripted user says: every utterance whose sound it gets, as far as it gets it."""

    script: dict[int, str] = field(default_factory=dict[int, str])
    lengths: dict[int, int] = field(default_factory=dict[int, int])
    seconds: float = 0.08
    confidence: float = -0.1

    async def transcribe(self, audio: Audio, partial: bool = False) -> Transcript:
        await anyio.sleep(self.seconds)
        numbers = np.round(audio.samples * 1000).astype(int)
        said: list[str] = []
        for number in dict.fromkeys(n for n in numbers.tolist() if n in self.script):
            words = self.script[number].split()
            share = (numbers == number).sum() / self.lengths[number]
            said.extend(words[: round(share * len(words) + 0.02)])
        return Transcript(" ".join(said), self.confidence)


@dataclass(eq=False)
class ScriptedLLM(Scripted):
    """Says its answers one after another (the last one for ever), a word at a time; `chats` is what it was asked.

    Words that end in a mark of `complete_marks` are complete with probability `complete_p`.
    """

    answers: list[str] = field(default_factory=lambda: ["All right, here is an answer."])
    first_s: float = 0.05
    word_s: float = 0.02
    complete_marks: str = ".?!"
    complete_p: float = 0.6
    chats: list[Chat] = field(default_factory=list[Chat])

    async def reply(self, chat: Chat) -> AsyncIterator[str]:
        answer = self.answers[min(len({str(c[-1]) for c in self.chats}), len(self.answers) - 1)]
        self.chats.append(chat)
        await anyio.sleep(self.first_s)
        for word in answer.split():
            yield word + " "
            await anyio.sleep(self.word_s)

    async def complete(self, words: str) -> float:
        await anyio.sleep(self.word_s)
        return self.complete_p if words.endswith(tuple(self.complete_marks)) else 0.0005


@dataclass(eq=False)
class ScriptedTTS(Scripted):
    """A tenth of a second of tone for every character."""

    char_s: float = 0.1
    seconds: float = 0.05

    async def speak(self, text: str) -> AsyncIterator[Audio]:
        await anyio.sleep(self.seconds)
        yield Audio(np.full(int(len(text) * self.char_s * VOICE_RATE), 0.5, np.float32), VOICE_RATE)


@dataclass(eq=False)
class ScriptedJudge(Scripted):
    """Thinks of a strategy where one of its phrases is said (`{"you idiot": "refusal"}`), whose `kinds` may be told as well;
    of an interruption only while the user still speaks. `situations` is what it was asked."""

    verdicts: dict[str, str] = field(default_factory=dict[str, str])
    kinds: dict[str, str] = field(default_factory=dict[str, str])
    seconds: float = 0.01
    encoder: Any = None
    situations: list[Situation] = field(default_factory=list[Situation])

    async def judge(self, situation: Situation) -> Judgement:
        self.situations.append(situation)
        await anyio.sleep(self.seconds)
        said = situation.words.lower()
        found = [name for phrase, name in self.verdicts.items() if phrase.lower() in said]
        strategy = next((name for name in found if (name == "interruption") == situation.partial), "standard")
        addressed = 0.05 if strategy == "silence" else 0.95
        return Judgement(
            {"standard": 0.1, strategy: 0.9} if strategy != "standard" else {"standard": 1.0},
            0.9 if strategy == "interruption" else 0.0,
            addressed=addressed,
            kind=self.kinds.get(strategy, ""),
            reason=f"as the script has it: {strategy}",
        )


# ── the stage ─────────────────────────────────────────────────────────────────────────────────────────────────────────


class User:
    """Speaks into the session's microphone; the rest of the time there is silence."""

    def __init__(self, asr: Any) -> None:
        self._asr = asr
        self._sound: list[Samples] = []
        self._count = 0

    async def says(self, text: str, *, seconds: float | None = None) -> None:
        """Returns when it has been said. By default a word takes 0.3 s."""
        seconds = 0.3 * len(text.split()) if seconds is None else seconds
        self._count %= 900  # the number has to fit into the loudness of a sample
        self._count += 1
        if hasattr(self._asr, "script"):
            self._asr.script[self._count] = text
            self._asr.lengths[self._count] = int(seconds * RATE)
        await self._plays(np.full(int(seconds * RATE), self._count / 1000, np.float32))

    async def coughs(self, *, seconds: float = 0.2) -> None:
        """A sound in which no recogniser finds words."""
        await self.says("", seconds=seconds)

    async def _plays(self, sound: Samples) -> None:
        step = int(STEP_S * RATE)
        frames = [np.pad(sound[i : i + step], (0, max(0, i + step - len(sound)))) for i in range(0, len(sound), step)]
        self._sound.extend(frames)
        await anyio.sleep(len(frames) * STEP_S)

    def forget(self) -> None:
        """The scripts of what was said, which a very long play does not need any more."""
        if hasattr(self._asr, "script"):
            self._asr.script.clear()
            self._asr.lengths.clear()

    def next_frame(self) -> Audio:
        return Audio(self._sound.pop(0) if self._sound else silence(STEP_S))


class Stage:
    """A session with scripted engines (or yours) and a user in front of it. `events` is everything so far."""

    def __init__(
        self,
        vad: Any = None,
        endpoint: Any = None,
        asr: Any = None,
        llm: Any = None,
        tts: Any = None,
        judge: Any = None,
        *,
        proactive: bool = False,
        memory: str = "",
        **settings: Any,
    ) -> None:
        """Without `proactive` it only speaks when spoken to, and without `memory` it remembers the conversation alone."""
        asr = asr or ScriptedASR()
        engines = {
            "vad": vad or ScriptedVAD(),
            "endpoint": endpoint or ScriptedEndOfTurn(),
            "asr": asr,
            "llm": llm or ScriptedLLM(),
            "tts": tts or ScriptedTTS(),
            "judge": judge or ScriptedJudge(),
        }
        self.session = Session(Config(**engines, proactive=proactive, memory=memory, **settings))
        self.user = User(asr)
        self.events: list[Event] = []
        self._changed = anyio.Event()

    async def __aenter__(self) -> Stage:
        await self.session.__aenter__()
        self._tasks = await anyio.create_task_group().__aenter__()
        self._tasks.start_soon(self._listen)
        self._tasks.start_soon(self._microphone)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._tasks.cancel_scope.cancel()
        await self._tasks.__aexit__(kind, error, trace)
        await self.session.__aexit__(kind, error, trace)

    async def _listen(self) -> None:
        async with aclosing(self.session.events()) as events:
            async for event in events:
                self.events.append(event)
                self._changed.set()
                self._changed = anyio.Event()

    async def _microphone(self) -> None:
        count = 0
        while True:
            count += 1
            await anyio.sleep_until(self.session.began + count * STEP_S)
            await self.session.hear(self.user.next_frame())

    async def until(self, kind: type[E], count: int = 1, limit_s: float = 60.0) -> E:
        """Wait for the `count`-th event of a kind since the beginning."""
        with anyio.fail_after(limit_s):
            while len(found := self.all(kind)) < count:
                await self._changed.wait()
        return found[count - 1]

    def all(self, kind: type[E]) -> list[E]:
        return [event for event in self.events if isinstance(event, kind)]

    async def wait(self, seconds: float) -> None:
        await anyio.sleep(seconds)

    @property
    def agent_sound(self) -> Audio:
        """What the user heard from the agent, from the beginning."""
        return as_heard(self.events, VOICE_RATE)

    @property
    def transcript(self) -> list[tuple[str, str]]:
        """Role and words of everything on the record."""
        return [(message.role, message.text) for message in self.session.conversation.messages]
