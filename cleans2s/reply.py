"""One reply in the making."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import anyio

from .audio import Audio, silence
from .conversation import Message, new_id
from .events import Latency, Source
from .mind import Thought
from .playback import Playback
from .stages import Chat, ToolCall, Transcript, Wishes
from .text import joined


@dataclass(frozen=True)
class Request:
    """How a reply is to be: the standing one of a session, or that of a single reply."""

    instructions: str | None = None
    """Instead of the configuration's."""

    speaks: bool = True
    """By voice; otherwise in writing."""

    wishes: Wishes = field(default_factory=Wishes)
    chat: Chat | None = field(default=None, hash=False)
    """Instead of the conversation."""

    on_record: bool = True
    """Whether it becomes part of the conversation."""

    line: str = ""
    """Words to be said as they are, without a language model."""

    @property
    def judged(self) -> bool:
        """Whether it depends on what the user said how it is answered; not where all that is to be said is given."""
        return self.on_record and self.chat is None and not self.line and self.instructions is None

    @property
    def aside(self) -> bool:
        """It neither takes the floor nor leaves a trace: the user does not notice it."""
        return not self.speaks and not self.on_record


@dataclass(eq=False)
class Reply:
    """Speculative until its gate opens; `turn` is 0 until then. Cancelling `scope` ends all work on it."""

    onset: int
    onset_s: float
    speech_end_s: float
    revision: int = 0
    """Of the soft end that it was begun on; 0 without one (a typed turn, or one that was cut for its length)."""

    said: Transcript | None = None
    """The user's words, None until they are known (and for good, if no recogniser made them out)."""

    understood: anyio.Event = field(default_factory=anyio.Event)
    """Set when `said` is what it will be."""

    request: Request | None = field(default_factory=Request)
    """None where nobody is to answer: the turn is only put on record."""

    said_id: str = ""
    """Of the user's words on the conversation's record."""

    id: str = field(default_factory=new_id)
    """Of the agent's."""

    thought: Thought | None = None
    """How the turn is answered; None until it is known, and where it is not asked (a reply that a client wants)."""

    sound: Audio = field(default_factory=lambda: Audio(silence(0)))
    """The user's, with a little of what came before it and the silence after it."""

    audio_end_s: float = 0.0
    """Where the user's words end in all of the user's sound."""

    calls: list[ToolCall] = field(default_factory=list[ToolCall])
    """Functions that the language model wanted called."""

    turn: int = 0
    p_end: float | None = None
    message: Message | None = None
    """The user's words on the conversation's record."""

    clauses: list[str] = field(default_factory=list[str])
    """What the agent is about to say, ahead of `playback`."""

    written: str = ""
    """What the agent answered so far, of a reply in writing."""

    sources: list[Source] = field(default_factory=list[Source])
    """What it is grounded on."""

    cut_short: bool = False
    """Whether the language model would have gone on, had it been allowed to."""

    playback: Playback = field(default_factory=Playback)
    gate: anyio.Event = field(default_factory=anyio.Event)
    resumed: anyio.Event = field(default_factory=anyio.Event)
    over: anyio.Event = field(default_factory=anyio.Event)
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    marks: dict[str, float] = field(default_factory=dict[str, float])
    """When something was first there, by the fields of Latency without `_ms`."""

    @property
    def answers(self) -> bool:
        """Whether anything is to be said or written to the user's turn."""
        return self.request is not None and (self.thought is None or self.thought.speaks)

    @property
    def wants_floor(self) -> bool:
        return self.answers and self.request is not None and not self.request.aside

    @property
    def voiced_s(self) -> float:
        return self.speech_end_s - self.onset_s

    def mark(self, name: str, at_s: float) -> None:
        self.marks.setdefault(name, at_s)

    def latency(self) -> Latency:
        after_ms = {name: round((at_s - self.speech_end_s) * 1000, 1) for name, at_s in self.marks.items()}
        return Latency(**{name: after_ms.get(name.removesuffix("_ms")) for name in Latency.__dataclass_fields__})

    def duck(self, at_s: float) -> None:
        self.playback.duck(at_s)
        self.resumed = anyio.Event()

    def resume(self, at_s: float) -> None:
        self.playback.resume(at_s)
        self.resumed.set()

    async def caught_up(self, clock: Callable[[], float], lead_s: float) -> None:
        """Wait until no more than `lead_s` of what was sent is still to be heard, and nobody speaks over it."""
        while self.playback.ducked or self.playback.ahead_s(clock()) > lead_s + 0.001:
            if self.playback.ducked:
                await self.resumed.wait()
            else:
                await anyio.sleep(self.playback.ahead_s(clock()) - lead_s)

    def heard(self, at_s: float) -> tuple[str, str]:
        """The text that was heard of it until now, and what was generated but not heard."""
        if self.written:
            return self.written, ""
        heard, unheard = self.playback.split(self.playback.position_s(at_s))
        return heard, joined([unheard, *self.clauses[len(self.playback.clauses) :]])
