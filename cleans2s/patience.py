"""When the agent has had enough, and when it speaks up: policies as pure functions of what happened.

Nothing is counted here. Who asks brings the past (from the conversation, or from the memory of former ones), so both are
the same after a restart, can be undone, and can be shown.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Judged:
    """What was decided on a turn of the user, and why: `kind` is the kind of reason, such as "abuse"."""

    at: datetime.datetime
    strategy: str
    kind: str = ""


@dataclass(frozen=True)
class Standing:
    """`patient`: answer as judged. `last_word`: this very turn was one too many; say so, then be silent until `until`.
    `blocked`: be silent, until then."""

    state: Literal["patient", "last_word", "blocked"] = "patient"
    until: datetime.datetime | None = None
    block: datetime.timedelta = datetime.timedelta()
    """How long the last block is, for the last word."""

    strikes: int = 0


@dataclass(frozen=True)
class Patience:
    """A block after repeated abuse: it ends by itself, and at once when it is lifted."""

    strikes: int = 3
    """Refusals for abuse (or silence after them) before the next abuse is the last; 0 never blocks."""

    within_min: float = 30.0
    """Older ones are forgotten."""

    block_min: float = 5.0
    """The first block; each further one of a day is twice as long."""

    longest_min: float = 60.0

    def standing(self, judged: Iterable[Judged], now: datetime.datetime, lifted: datetime.datetime | None = None) -> Standing:
        """Where the user stands now; `judged` is all that was decided, the turn in question last and included. What is
        before `lifted` does not count: a person undid it."""
        if self.strikes <= 0:
            return Standing()
        window, recent, blocks = datetime.timedelta(minutes=self.within_min), list[datetime.datetime](), list[Standing]()
        last: Judged | None = None
        for each in judged:
            if each.at > now or (lifted and each.at <= lifted):
                continue
            last = each
            if blocks and (end := blocks[-1].until) and each.at < end:
                continue  # what is said to a deaf ear makes nothing worse
            if each.kind != "abuse" or each.strategy not in ("refusal", "silence"):
                continue
            recent = [at for at in recent if each.at - at <= window] + [each.at]
            if len(recent) > self.strikes:
                day = [block for block in blocks if block.until and each.at - block.until < datetime.timedelta(days=1)]
                length = datetime.timedelta(minutes=min(self.block_min * 2 ** min(len(day), 20), self.longest_min))
                blocks.append(Standing("last_word", each.at + length, length, len(recent)))
                recent = []
        recent = [at for at in recent if now - at <= window]
        if blocks and (end := blocks[-1].until) and now < end:
            begun = last is not None and last.at == end - blocks[-1].block
            return blocks[-1] if begun else Standing("blocked", end, blocks[-1].block)
        return Standing(strikes=len(recent))


@dataclass(frozen=True)
class FollowUps:
    """Speaking up in a silence: seldom, ever more seldom, and soon not at all."""

    first_s: float = 15.0
    """Silence after the agent's last word before it says something unasked."""

    growth: float = 3.0
    most: int = 2
    """Follow-ups in a row without a word of the user between them; 0 never follows up."""

    def after_s(self, done: int, last_words: str = "") -> float | None:
        """Seconds of silence to wait for the next follow-up when `done` have been said since the user last spoke; None to
        say no more. `last_words` are the user's: who asked for quiet or said goodbye gets it."""
        if done >= self.most or wants_quiet(last_words):
            return None
        return self.first_s * self.growth**done


_QUIET = re.compile(
    r"(?<!can't )(?<!cannot )\b(?:wait|hold on|hang on|(?:one|just a|give me a) (?:moment|second|sec|minute)|let me think|"
    r"be quiet|shut up|stop talking|don't (?:answer|talk|say anything)|leave me (?:alone|be)|"
    r"(?:good ?)?bye|good ?night|see you|talk to you later|that's all|that will be all)\b"
    r"|等一下|等等|稍等|等会|我想想|想一想|让我想|安静|闭嘴|别说话|别回答|不要说话|别吵"
    r"|再见|拜拜|晚安|回头见|回头聊|下次聊|没别的了|就这样吧",
    re.IGNORECASE,
)


def wants_quiet(words: str) -> bool:
    """Whether somebody asked to be left in peace, for now or for today."""
    return bool(_QUIET.search(words.replace("’", "'")))
