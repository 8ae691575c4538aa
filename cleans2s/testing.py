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

In a test file `@screenplay` above `async def test_…():` does the last line.

The scripted engines implement the same protocols as the real ones. The user's "speech" is sound in which every
millisecond carries the number of its utterance, so that the scripted ASR hears just as much of it as the session gave it.
"""

from __future__ import annotations

import asyncio
import selectors
from array import array
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from types import TracebackType
from typing import Any, TypeVar

import anyio
import numpy as np

from .audio import RATE, Audio, Samples, silence
from .blocking import threads_at_work
from .config import Config
from .events import Event
from .recording import Recording, as_heard
from .running import run
from .scripted import (
    VOICE_RATE,
    Scripted,
    ScriptedASR,
    ScriptedEndOfTurn,
    ScriptedFinder,
    ScriptedJudge,
    ScriptedLLM,
    ScriptedTTS,
    ScriptedVAD,
)
from .session import Session
from .timeline import Timeline

__all__ = [
    "Scripted",
    "ScriptedASR",
    "ScriptedEndOfTurn",
    "ScriptedFinder",
    "ScriptedJudge",
    "ScriptedLLM",
    "ScriptedTTS",
    "ScriptedVAD",
    "Stage",
    "User",
    "VirtualClockLoop",
    "on_virtual_clock",
]

T = TypeVar("T")
E = TypeVar("E", bound=Event)

STEP_S = 0.02
"""A microphone frame of the scripted user."""

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
    """Run a coroutine function to its end, in a notebook too. Engines must be async here: a thread's work takes no virtual
    time."""
    return run(play, loop_factory=VirtualClockLoop)


# ── the stage ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def screenplay(play: Callable[[], Awaitable[Any]]) -> Callable[[], None]:
    """A test that is a coroutine on the virtual clock. It asks for no fixtures."""

    def test() -> None:
        on_virtual_clock(play)

    test.__name__, test.__doc__ = getattr(play, "__name__", "screenplay"), play.__doc__
    return test


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

    @property
    def speaking(self) -> bool:
        return bool(self._sound)

    def next_frame(self) -> Audio:
        return Audio(self._sound.pop(0) if self._sound else silence(STEP_S))


class Stage:
    """A session with scripted engines (or yours) and a user in front of it. `events` is everything so far. In a notebook it
    draws who spoke when."""

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
        self._voiced = array("I")
        """Where the user spoke: of each stretch the first frame, and the first one after it."""

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
        try:
            await self._tasks.__aexit__(kind, error, trace)
        finally:  # where the session failed it has more to say than that everybody was cancelled
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
            if self.user.speaking:
                if self._voiced and self._voiced[-1] == count - 1:
                    self._voiced[-1] = count
                else:
                    self._voiced.extend((count - 1, count))
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

    @property
    def recording(self) -> Recording:
        """Both voices; those that are only scripted are a murmur, which can be seen and heard."""
        step, agent = int(STEP_S * VOICE_RATE), self.agent_sound
        user = silence(STEP_S * (1 + max(self._voiced, default=0)), VOICE_RATE)
        for first, past in zip(self._voiced[::2], self._voiced[1::2], strict=True):
            user[first * step : past * step] = 0.5
        if isinstance(self.session.config.tts, ScriptedTTS):
            agent = Audio(_murmur(agent.samples), agent.rate)
        return Recording(Audio(_murmur(user), VOICE_RATE), agent, self.events)

    @property
    def timeline(self) -> Timeline:
        return Timeline(self.recording, self.session.conversation)

    def _repr_png_(self) -> bytes:
        return self.timeline._repr_png_()  # pyright: ignore[reportPrivateUsage]


def _murmur(loudness: Samples) -> Samples:
    """A low voice of four syllables a second."""
    time_s = np.arange(len(loudness)) / VOICE_RATE
    return np.asarray(
        loudness * np.sin(2 * np.pi * 110 * time_s) * (0.3 + 0.7 * np.abs(np.sin(2 * np.pi * 2 * time_s))), np.float32
    )
