"""Recorded sound as a user's microphone, in real time: for the command line, notebooks, the page and the benchmark."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path

import anyio
import numpy as np

from .audio import RATE, Audio, silence
from .config import Config
from .conversation import Conversation
from .errors import AudioError, ConfigError
from .events import Event, ReplyAudio, ReplyStarted, SpeechStarted
from .recording import Recording, as_heard
from .session import Session
from .timeline import Timeline

CHUNK = RATE // 50
"""20 ms, a usual microphone frame."""

QUIET_S = 0.4
"""Nothing going on for so long means that the agent has answered."""


@dataclass(frozen=True)
class Moment:
    """When a file begins to play: at a time of the conversation, or some time after the agent begins its next reply."""

    seconds: float
    into_reply: bool = False

    @classmethod
    def parse(cls, text: str) -> Moment:
        """`12.5` is a time of the conversation, `+1.5` is 1.5 s into the agent's reply."""
        try:
            moment = cls(float(text), text.startswith("+"))
        except ValueError:
            moment = cls(-1)
        if not 0 <= moment.seconds < 36_000:
            raise ConfigError(f"moment {text!r}: expected seconds such as 12.5, or +1.5 for 1.5 s into the reply")
        return moment


@dataclass
class Talk:
    """A conversation that is over. In a notebook it shows itself: both voices (left the user, right the agent), and who spoke
    when."""

    recording: Recording
    conversation: Conversation
    spoken_s: list[float]
    """When the last audible sample of each file was played, in seconds of the recording."""

    @property
    def timeline(self) -> Timeline:
        return Timeline(self.recording, self.conversation)

    def _repr_html_(self) -> str:
        return self.recording._repr_html_() + self.timeline.html()  # pyright: ignore[reportPrivateUsage]


async def talk(
    sounds: Sequence[Audio],
    config: Config | None = None,
    moments: Sequence[Moment | None] = (),
    on_event: Callable[[Event], None] = lambda event: None,
    session: Session | None = None,
) -> Talk:
    """Play sounds to the agent, one after another, and record the conversation.

    The second and later ones begin when the agent has answered, or at their moment: `moments[0]` is the second's.
    """
    session = session or Session(config)
    played: list[Audio] = []
    spoken_s: list[float] = []
    began_s = 0.0
    seen: list[Event] = []

    async def watch() -> None:
        async with aclosing(session.events()) as events:
            async for event in events:
                seen.append(event)
                on_event(event)

    async with session, anyio.create_task_group() as tasks:
        tasks.start_soon(watch)
        began_s = session.now_s
        origin = anyio.current_time()
        count = 0

        async def feed(samples: np.ndarray) -> None:
            nonlocal count
            for start in range(0, len(samples), CHUNK):
                chunk = Audio(samples[start : start + CHUNK])
                count += len(chunk.samples)
                played.append(chunk)
                await anyio.sleep_until(origin + count / RATE)  # a frame is there when its last sample was spoken
                await session.hear(chunk)

        async def until(moment: Moment | None) -> None:
            quiet_from = session.now_s
            while True:
                if moment is None:
                    quiet_from = quiet_from if session.idle else session.now_s
                    if session.now_s - quiet_from >= QUIET_S:
                        return
                elif moment.into_reply:
                    starts = [e.at_s for e in seen if isinstance(e, ReplyStarted) and e.at_s > spoken_s[-1]]
                    if starts and session.now_s >= starts[0] + moment.seconds:
                        return
                elif session.now_s >= moment.seconds:
                    return
                await feed(silence(CHUNK / RATE))

        for index, sound in enumerate(sounds):
            if index:
                await until(moments[index - 1] if index <= len(moments) else None)
            sound = sound.resampled(RATE)
            spoken_s.append(session.now_s + sound.audible_span_s()[1])
            await feed(sound.samples)
        await until(None)
        tasks.cancel_scope.cancel()

    rate = next((e.audio.rate for e in seen if isinstance(e, ReplyAudio)), RATE)
    user = np.concatenate([silence(began_s), *(chunk.samples for chunk in played)])
    recording = Recording(Audio(user).resampled(rate), as_heard(seen, rate), seen)
    return Talk(recording, session.conversation, spoken_s)


def sounds_from(paths: Sequence[str | Path]) -> list[Audio]:
    """Read files before any model is loaded, so that a wrong name costs no wait."""
    if not paths:
        raise AudioError("no recording given; expected one or more wav, flac, ogg or mp3 files")
    return [Audio.from_file(path) for path in paths]


def heard_speech(talked: Talk) -> bool:
    return any(isinstance(event, SpeechStarted) for event in talked.recording.events)
