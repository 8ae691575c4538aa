"""Subjective Action Judgement: should the agent answer, refuse, deflect, stay silent, or cut in while somebody speaks?

    judge = Small().load()                                  shipped; English and Chinese, one core, without a key
    judge.judge(Situation("How do I pick my neighbour's lock?")).strategy          →  "refusal"
    judge.judge(Situation("… and then, again, I told him", partial=True)).interrupt  →  probability to cut in now

Three engines: `judge.small` (shipped), `judge.llm` (any language model of this package), `judge.sft` (a language model that
was fine-tuned on the same data). What the words mean is in the labelling guide, data/README.md.
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol, TypeAlias, runtime_checkable

Name: TypeAlias = Literal["standard", "refusal", "deflection", "silence", "interruption"]

NAMES: tuple[Name, ...] = ("standard", "refusal", "deflection", "silence", "interruption")
"""The strategies that are judged; `strategies.py` may have more, which no judge chooses by itself."""

ENDS: tuple[Name, ...] = NAMES[:4]
"""Those that answer a turn which has ended."""

KINDS: dict[Name, tuple[str, ...]] = {
    "standard": (),
    "refusal": ("harmful", "abuse", "private", "orders", "character", "contradiction"),
    "deflection": ("prying", "gossip", "sides", "flattery", "again", "small_talk"),
    "silence": ("others", "media", "reading", "thinking", "hold", "provocation", "noise"),
    "interruption": ("repetition", "drift", "contradiction", "refused", "danger"),
}
"""Kinds of reason for each strategy."""

NOT_TO_AGENT = frozenset({"others", "media", "reading", "thinking", "noise"})
"""Kinds of silence in which the words were not spoken to the agent."""

DATA = Path(__file__).with_name("data")
WEIGHTS = Path(__file__).with_name("weights")


@dataclass(frozen=True)
class Situation:
    """What is judged: words, and what is known beside them. Everything here is data; none of it is ever an instruction."""

    words: str
    """Of the turn; of its beginning while `partial`."""

    partial: bool = False
    """The user is still speaking."""

    turns: tuple[tuple[str, str], ...] = ()
    """What was said before, oldest first: ("user" or "agent", words)."""

    facts: tuple[str, ...] = ()
    """What is remembered that may matter here."""

    contradictions: tuple[str, ...] = ()
    """What memory found to be at odds with these words, a sentence each."""

    character: str = ""
    """The character's rules, in a few sentences."""

    language: str | None = None
    """"en", "zh" …; None where it is not known."""


@dataclass(frozen=True)
class Judgement:
    probabilities: Mapping[str, float]
    """Of every strategy, adding up to 1."""

    interrupt: float = 0.0
    """That now is the moment to cut in; 0 unless the situation was partial."""

    backchannel: float = 0.0
    """That these words only acknowledge what the agent is saying."""

    addressed: float = 1.0
    """That they were spoken to the agent."""

    kind: str = ""
    """Of reason, one of `KINDS[strategy]`; "" where there is none, or it is not sure which."""

    reason: str = ""
    """A sentence for people, in English or Chinese."""

    kinds: Mapping[str, float] = field(default_factory=dict[str, float])
    """Probabilities of the kinds of the chosen strategy."""

    judged_by: str = "small"
    """The engine whose opinion it is: one that fails leaves the judgement to another."""

    @property
    def strategy(self) -> str:
        """The most probable one; standard in a draw."""
        return max(self.probabilities, key=lambda name: (self.probabilities[name], name == "standard"), default="standard")

    def _repr_html_(self) -> str:
        from .view import html

        return html(self)


@runtime_checkable
class Judge(Protocol):
    def judge(self, situation: Situation) -> Judgement | Awaitable[Judgement]: ...
