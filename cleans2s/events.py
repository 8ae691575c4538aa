"""What a session tells the world: frozen dataclasses, one union, dispatched with `match`.

Every `at_s` and every other time is in seconds on the session's one clock, which starts with the session; a turn is
numbered from 1, and everything that belongs to a user's turn and to the reply to it carries that number.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal, TypeAlias, TypedDict

from .audio import Audio
from .stages import ToolCall

SOURCE_CHARS = 400

Ending: TypeAlias = Literal["finished", "interrupted", "failed", "dropped"]
"""How a reply ended: said to the end, cut by the user, cut by an engine's failure, or never begun to be heard."""


@dataclass(frozen=True)
class SpeechStarted:
    """The user began to speak; `overlap` when the agent has the floor, `audio_s` is the position in the user's sound, and
    `item` the id that these words will have on the record."""

    at_s: float
    onset_s: float
    overlap: bool
    audio_s: float = 0.0
    item: str = ""


@dataclass(frozen=True)
class PartialTranscript:
    """Words so far; the first `stable` characters were confirmed by two successive hypotheses."""

    at_s: float
    text: str
    stable: int


@dataclass(frozen=True)
class SoftEnd:
    """A pause that may be the end: the reply is being prepared, held at the gate."""

    at_s: float
    speech_end_s: float


@dataclass(frozen=True)
class TurnEnded:
    """The user's turn is over; `p_end` is the fused probability of that, None when the words had no opinion; `audio_end_s` is
    the position in the user's sound, and `item` the id of the words on the record."""

    at_s: float
    turn: int
    onset_s: float
    speech_end_s: float
    text: str
    p_end: float | None
    audio_end_s: float = 0.0
    item: str = ""


@dataclass(frozen=True)
class Ignored:
    """Speech-like sound that is no turn: a backchannel, a cough or noise, an echo of the agent's own words, over its voice a
    remark to somebody else (aside), or the rest of what the agent cut into (tail)."""

    at_s: float
    onset_s: float
    text: str
    reason: Literal["backchannel", "noise", "echo", "aside", "tail"]


@dataclass(frozen=True)
class Judged:
    """How a turn is answered: the strategy (see strategies.py), the probability of each, a reason for people, and what was
    remembered about it. `until` (ISO 8601, "" for none): nobody is answered before that moment, after repeated abuse.
    `item` is the id of the user's words on the record."""

    at_s: float
    turn: int
    strategy: str
    probabilities: dict[str, float]
    reason: str
    recalled: list[str] = field(default_factory=list[str])
    until: str = ""
    item: str = ""


class Source(TypedDict):
    """A passage that a reply is grounded on. All words in it are somebody else's."""

    number: int
    """From 1, in the order of the passages."""

    kind: Literal["document", "web"]
    title: str
    """With heading and page, for a person."""

    url: str
    """Of a web page; "" for a document."""

    file: str
    """A document's name, or its place in the folder; "" for a web page."""

    text: str
    """The passage, cut to `SOURCE_CHARS`."""

    score: float
    """From 0 to 1; see `rag.passages.Passage.score`."""

    cited: bool
    """Whether the reply quotes or cites it."""


@dataclass(frozen=True)
class Sources:
    """What the reply to this turn is grounded on. It comes again when it is known what the reply cites; the last one counts."""

    at_s: float
    turn: int
    sources: list[Source]


@dataclass(frozen=True)
class Backchannelled:
    """The agent says that it listens ("mm-hm") in a pause of a long turn. Not a reply, and not on record."""

    at_s: float
    text: str
    audio: Audio


@dataclass(frozen=True)
class Reacted:
    """An answer without words: an emoji that fits what was said, and what it is called."""

    at_s: float
    turn: int
    emoji: str
    name: str


@dataclass(frozen=True)
class MemoryChanged:
    """Something was learnt, edited or forgotten."""

    at_s: float


@dataclass(frozen=True)
class Latency:
    """Where the time of a reply went, in ms after the last speech frame of the user; None where it did not apply."""

    transcript_ms: float | None
    opinions_ms: float | None
    first_token_ms: float | None
    first_clause_ms: float | None
    first_audio_ms: float | None
    turn_end_ms: float | None
    reply_ms: float | None


@dataclass(frozen=True)
class ReplyDue:
    """A reply is on its way (by voice, or in writing), to the turn of this number or because it was asked for; it ends in
    one ReplyEnded. `item` is the id that the agent's words will have on the record."""

    at_s: float
    turn: int
    item: str
    speaks: bool = True


@dataclass(frozen=True)
class ReplyStarted:
    """The first sound of a reply goes out, or its first written word."""

    at_s: float
    turn: int
    latency: Latency


@dataclass(frozen=True)
class ReplyText:
    """A clause that is about to be spoken; of a reply in writing, the next piece of it."""

    at_s: float
    turn: int
    text: str


@dataclass(frozen=True)
class FunctionCalled:
    """The language model wants a function called; `item` is the call's id on the record."""

    at_s: float
    turn: int
    item: str
    call: ToolCall


@dataclass(frozen=True)
class ReplyAudio:
    """Sound to be played right after what came before; the client pauses, resumes and flushes when told."""

    at_s: float
    turn: int
    audio: Audio


@dataclass(frozen=True)
class Ducked:
    """The user makes a sound: pause playback at once."""

    at_s: float
    turn: int


@dataclass(frozen=True)
class Resumed:
    """It was no interruption: go on where playback stopped."""

    at_s: float
    turn: int


@dataclass(frozen=True)
class Interrupted:
    """The user took the floor: flush playback. `heard` is what reached the user, `unheard` what did not; `by` is what ended
    it, the user's voice or a request (`cancel`, a typed turn)."""

    at_s: float
    turn: int
    heard: str
    unheard: str
    by: Literal["voice", "request"] = "voice"


@dataclass(frozen=True)
class ReplyEnded:
    """Exactly once for every ReplyDue; `cut_short` when the language model reached the length that it was allowed."""

    at_s: float
    turn: int
    ending: Ending
    heard: str
    cut_short: bool = False


@dataclass(frozen=True)
class StageRan:
    """One run of an engine, for the timeline; `detail` is what came of it."""

    at_s: float
    stage: Literal["asr", "endpoint", "judge", "llm", "tts", "memory", "documents", "search"]
    started_s: float
    ended_s: float
    detail: str


@dataclass(frozen=True)
class Failed:
    """An engine failed; the session goes on listening."""

    at_s: float
    stage: str
    error: str


Event: TypeAlias = (
    SpeechStarted
    | PartialTranscript
    | SoftEnd
    | TurnEnded
    | Ignored
    | Judged
    | Sources
    | Backchannelled
    | Reacted
    | MemoryChanged
    | ReplyDue
    | ReplyStarted
    | ReplyText
    | FunctionCalled
    | ReplyAudio
    | Ducked
    | Resumed
    | Interrupted
    | ReplyEnded
    | StageRan
    | Failed
)


def as_json(event: Event) -> dict[str, Any]:
    """For the event log: the fields by name, `event` for the kind, sound replaced by its duration."""
    fields: dict[str, Any] = {"event": type(event).__name__}
    if not isinstance(event, (Backchannelled, ReplyAudio)):
        return fields | asdict(event)
    words = {"text": event.text} if isinstance(event, Backchannelled) else {"turn": event.turn}
    return fields | {"at_s": event.at_s, **words, "duration_s": round(event.audio.duration_s, 4)}
