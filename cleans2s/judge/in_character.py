"""What the networks of the small judge read once more when they have read everything: turns under whole characters.

The data's characters have a rule or two, which mostly tell why a turn is refused. Those that people write have six or more, of
which hardly any has to do with what is said; a judge that never saw the like refuses "Yes." and "I got a job!" under them. So
turns are read here under characters put together from the data's, with rules that have nothing to do with the turn around those
that have.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from . import ENDS, Situation
from .dataset import turns
from .examples import Example, Item, beginnings, ends
from .telling import telling

MOST_RULES = 7
"""Of a character that is put together."""

WHOLE = 4
"""Sentences beyond which a character of the data is whole already."""

IN_CHARACTER = {"standard": 0.16, "refusal": 0.13, "deflection": 0.13, "silence": 0.09}
"""Share of the turns of a strategy, without anything remembered, that are read under a whole character."""

AS_BEFORE = {"standard": 0.07, "refusal": 0.05, "deflection": 0.05, "silence": 0.05}
"""Share of them that are read as they are, lest they be forgotten."""

REMEMBERED, STREAMS, STREAMS_IN_CHARACTER = 0.3, 0.07, 0.4
"""Shares of the turns with something remembered, of those that go on, and of the latter that are read under a character."""

_END = re.compile(r"(?<=[.!?。！？；;])\s*")
_WHO = re.compile(r"I am|I'm|This is|我是|我叫|这里是")
_NOTHING_ELSE = re.compile(r"\bonly\b|只")


def sentences(character: str) -> list[str]:
    return [sentence for sentence in map(str.strip, _END.split(character)) if sentence]


@dataclass
class Sentences:
    """Of one language: who characters are, and what they do not do."""

    who: list[str] = field(default_factory=list[str])
    rules: list[str] = field(default_factory=list[str])

    def around(self, situation: Situation, chance: random.Random) -> Situation:
        """Under the character of the situation, or another where it has none, with more rules in any order: none that has a
        telling word in common with what is said, as it may forbid that."""
        count = chance.randint(1, MOST_RULES)
        who, *own = sentences(situation.character) or [chance.choice(self.who)]
        said = {*telling(situation.words)}
        drawn = chance.sample(self.rules, min(len(self.rules), 3 * count))
        others = [rule for rule in drawn if not said & {*telling(rule)}]
        rules = own + others[: max(0, count - len(own))]
        chance.shuffle(rules)
        blank = "" if situation.language == "zh" else " "
        return replace(situation, character=blank.join([who, *rules]))


def once_more(leave_out: frozenset[str], seed: int) -> list[Item]:
    """Every turn under a character, with its rules alone or among others; and some of all the rest, mostly under one."""
    return [*ended(leave_out, seed), *_going_on(leave_out, random.Random(seed + 1))]


def ended(leave_out: frozenset[str], seed: int) -> list[Item]:
    """Without the beginnings of turns, for a second network."""
    chance, pool = random.Random(seed), _pool(leave_out)
    found: list[Item] = []
    for item in ends(leave_out, seed):
        first = item.choices[0]
        if first.situation.character:
            found.append(_among_others(item, pool, chance))
        elif first.situation.facts:
            found.append(replace(item, share=REMEMBERED))
        else:
            name = ENDS[first.strategy]
            found += [replace(_all_around(item, pool, chance), share=IN_CHARACTER[name]), replace(item, share=AS_BEFORE[name])]
    return found


def _pool(leave_out: frozenset[str]) -> dict[str | None, Sentences]:
    """Without characters that want no small talk, and without rules that leave only one matter: under those an ordinary turn
    would not be one."""
    known = [turn for turn in turns() if turn.family not in leave_out and turn.situation.character]
    narrow = {turn.situation.character for turn in known if turn.kind == "small_talk"}
    found: dict[str | None, Sentences] = {}
    for character, language in dict.fromkeys((turn.situation.character, turn.situation.language) for turn in known):
        who, *rules = sentences(character)
        if _WHO.match(who) and (character not in narrow or len(rules) >= WHOLE):
            pool = found.setdefault(language, Sentences())
            pool.who.append(who)
            pool.rules += [rule for rule in rules if not _NOTHING_ELSE.search(rule)]
    return found


def _among_others(item: Item, pool: dict[str | None, Sentences], chance: random.Random) -> Item:
    """As it is in a third of the cases, unless it is whole."""
    if len(sentences(item.choices[0].situation.character)) > WHOLE:
        return item
    more = [choice for _ in range(2) for choice in _all_around(item, pool, chance).choices]
    return replace(item, choices=(*item.choices, *more))


def _all_around(item: Item, pool: dict[str | None, Sentences], chance: random.Random) -> Item:
    def around(example: Example) -> Example:
        situation = example.situation
        return replace(example, situation=pool[situation.language].around(situation, chance))

    return replace(item, choices=tuple(map(around, item.choices)))


def _going_on(leave_out: frozenset[str], chance: random.Random) -> Iterator[Item]:
    pool = _pool(leave_out)
    for item in beginnings(leave_out, chance):
        situation = item.choices[0].situation
        by_itself = not situation.character and not situation.facts
        also = by_itself and chance.random() < STREAMS_IN_CHARACTER
        yield replace(_all_around(item, pool, chance) if also else item, share=STREAMS)
