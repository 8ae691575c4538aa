"""What a memory holds, as values: what was said, what follows from it, and what is made of it for a reply."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias

from .when import Span

Role: TypeAlias = Literal["user", "assistant"]
Kind: TypeAlias = Literal["who", "what", "where", "when", "preference", "attitude", "promise"]

ROLES: tuple[Role, ...] = ("user", "assistant")
KINDS: tuple[Kind, ...] = ("who", "what", "where", "when", "preference", "attitude", "promise")


@dataclass(frozen=True)
class Episode:
    """A turn as it was heard. `about` is the time its words speak of ("yesterday I …"), if any; `score` is how well it fits
    what was asked, from 0 to about 1.5 (0 where nothing was asked)."""

    id: str
    role: Role
    text: str
    at: datetime
    about: Span | None = None
    score: float = 0.0


@dataclass(frozen=True)
class Fact:
    """One thing known: `whose` (user, assistant, or somebody's name), `key` and `value` ("home": "Berlin"), the words of the
    turn `source` that say it, and how certain it is (0 to 1). `due` is when a reminder is to be spoken; `until` is when it
    ceased to hold: newer words took its place, or a promise was kept. A fact that a person has written has no quote."""

    id: str
    kind: Kind
    whose: str
    key: str
    value: str
    quote: str
    source: str
    at: datetime
    certainty: float
    due: datetime | None = None
    until: datetime | None = None

    @property
    def text(self) -> str:
        return f"{self.key}: {self.value}" if self.whose == "user" else f"{self.whose}, {self.key}: {self.value}"


@dataclass(frozen=True)
class Contradiction:
    """A statement that a known fact speaks against; `why` is a sentence for people."""

    fact: Fact
    statement: str
    why: str


@dataclass(frozen=True)
class Recalled:
    """`lines` are for a prompt: quotations with who and when, within the budget. They are data, not instructions. `episodes`
    and `facts` are the same as values, best first."""

    lines: tuple[str, ...] = ()
    episodes: tuple[Episode, ...] = ()
    facts: tuple[Fact, ...] = ()
    took_ms: float = 0.0


@dataclass(frozen=True)
class Greeting:
    """What is known for a greeting: the name, when they last spoke, and what was left open: promises that are not yet kept and
    plans ("tomorrow I have an exam") whose time has come since. `lines` say so for a prompt."""

    name: str = ""
    last_met: datetime | None = None
    ago: str = ""
    left_open: tuple[Fact | Episode, ...] = ()
    lines: tuple[str, ...] = ()


@dataclass(frozen=True)
class Block:
    """Nobody is answered until this moment; `why` is for people."""

    since: datetime
    until: datetime
    why: str


@dataclass(frozen=True)
class Digest:
    """What a `digest` did: turns made searchable by meaning, facts that a language model found, turns that wait for the next
    call. `trouble` is what went wrong with the language model, in a sentence; patterns did its work then."""

    embedded: int = 0
    facts: int = 0
    left: int = 0
    by: Literal["patterns", "model"] = "patterns"
    trouble: str = ""


@dataclass(frozen=True)
class Taken:
    """What an import added; what was there already is left as it was."""

    turns: int
    facts: int
