"""What the small judge is trained on: every turn, now and then as a recogniser writes it, and beginnings of the streams; or
turns alone, many of them after what a small language model answered."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass, replace
from typing import TypeAlias

from ..text import HAN
from . import ENDS, KINDS, NAMES, Situation
from .dataset import Stream, Turn, Turns, answered, prefix, streams, turns, units
from .reading import SHORTEST, with_short_answers

Pool: TypeAlias = dict[str | None, list[Turns]]
"""What was said before turns, by language."""

KIND_ROWS = [(name, kind) for name in NAMES for kind in KINDS[name]]
CUTS = KINDS["interruption"]
UNKNOWN = -1.0
"""In `cuts`: whether this reason is given, nobody has said."""

COPIED = 0.3
"""Share of the turns that are also read as a recogniser might have written them."""

ALONE = 0.3
"""Share of those copies, where the label does not hang on it, from which what was said before is taken away."""

BY_CONTEXT = frozenset({"again", "provocation", "character", "contradiction", "small_talk"})
"""Kinds of reason that only what stands before the turn gives."""

BEFORE, AFTER, NOWHERE = 2, 3, 5
"""Places at which a stream is read before the moment to cut in, and from it on; and one that deserves none."""

STREAMS = 0.6
"""Share of the streams that an epoch of the network sees: they are long, and turns gain more by being seen again."""

BORROWED = 0.25
"""Share of the turns before which nothing was said that are also read after an exchange that has nothing to do with them."""

ANSWERED = 0.25
"""Share of those turns that, where there are no streams, are also read after what a small language model answered to others."""

NEAR = 3
"""Words before the marked moment that are neither: the next reader would have marked another."""

_MARKS = re.compile(r"[，。？！、；：“”‘’（）《》…—,.?!;:\"()]+")


@dataclass(frozen=True)
class Example:
    """`strategy` is a place in `ENDS`, `kind` one in `KIND_ROWS`, -1 where there is none. `cuts` says of every reason to cut in
    whether it is evident by now, and `cut` whether any is: 1, 0 or UNKNOWN."""

    situation: Situation
    family: str
    strategy: int = -1
    kind: int = -1
    cut: float = UNKNOWN
    cuts: tuple[float, ...] = (UNKNOWN,) * len(CUTS)
    weight: float = 1.0
    """Of choosing the strategy."""


@dataclass(frozen=True)
class Item:
    """In a share of the epochs, `take` of the choices are drawn."""

    choices: tuple[Example, ...]
    take: int = 1
    share: float = 1.0


def items(leave_out: frozenset[str], seed: int) -> list[Item]:
    """Turns and beginnings of streams."""
    chance = random.Random(seed)
    found = [_of_turn(turn, chance) for turn in turns() if turn.family not in leave_out]
    written = _before_ordinary(found)
    return [_after_others(item, written, chance) for item in found] + beginnings(leave_out, chance)


def everything(leave_out: frozenset[str], seed: int) -> list[Item]:
    """Turns as in `ends`, and beginnings of streams: for a language that has one network alone."""
    return ends(leave_out, seed) + beginnings(leave_out, random.Random(seed))


def ends(leave_out: frozenset[str], seed: int) -> list[Item]:
    """Turns alone. Many are read after a small language model's answers, to others or to those who say the turn: they are like
    none in the data, and a judge that has never seen the like takes the next ordinary turn for something else."""
    chance = random.Random(seed)
    chats = [chat for chat in answered() if chat.family not in leave_out]
    own = {(chat.family, chat.turns[-2][1]): chat.turns[:-2] for chat in chats}
    small: Pool = {}
    for chat in chats:
        small.setdefault(chat.language, []).extend(chat.turns[place:] for place in range(0, len(chat.turns), 2))
    found = [_of_turn(turn, chance) for turn in turns() if turn.family not in leave_out]
    pools = [(BORROWED, _before_ordinary(found)), (ANSWERED, small)]

    def also_after(item: Item) -> Item:
        first, before = item.choices[0], list[Turns]()
        if _by_itself(first.situation):
            before = [chance.choice(pool[first.situation.language]) for share, pool in pools if chance.random() < share]
        if said := own.get((first.family, first.situation.words)):
            before.append(said)
        choices = item.choices + tuple(_after(turns, each) for turns in before for each in item.choices)
        return Item(tuple(_as_read(each) for each in choices))

    return [also_after(item) for item in found]


# ── turns ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _of_turn(turn: Turn, chance: random.Random) -> Item:
    kind = KIND_ROWS.index((turn.strategy, turn.kind)) if (turn.strategy, turn.kind) in KIND_ROWS else -1  # type: ignore[arg-type]
    cuts = dict.fromkeys(CUTS, UNKNOWN)
    if turn.strategy == "standard":
        cuts |= {"refused": 0.0, "contradiction": 0.0}
    elif turn.strategy == "refusal":  # its beginning would have been a reason
        cuts |= {"refused": UNKNOWN if turn.kind in ("abuse", "contradiction") else 1.0}
        cuts |= {"contradiction": float(turn.kind == "contradiction")}
    example = Example(
        turn.situation,
        turn.family,
        ENDS.index(turn.strategy),
        kind,
        cuts=tuple(cuts[name] for name in CUTS),  # type: ignore[arg-type]
    )
    if chance.random() >= COPIED:
        return Item((example,))
    copy = as_heard(turn.situation)
    if turn.kind not in BY_CONTEXT and turn.strategy != "deflection" and chance.random() < ALONE:
        copy = replace(copy, turns=())
    return Item((example, replace(example, situation=copy)))


def _before_ordinary(found: list[Item]) -> Pool:
    before: Pool = {}
    for first in (item.choices[0] for item in found):
        one = first.situation
        if first.strategy == ENDS.index("standard") and len(one.turns) > 1 and not one.facts and not one.character:
            before.setdefault(one.language, []).append(one.turns)
    return before


def _after_others(item: Item, written: Pool, chance: random.Random) -> Item:
    """Now and then, where nothing was said before, also read after what was said before another turn."""
    one = item.choices[0].situation
    if not _by_itself(one) or chance.random() >= BORROWED:
        return item
    copies = (_after(chance.choice(written[one.language]), each) for each in item.choices)
    return replace(item, choices=(*item.choices, *copies))


def _by_itself(situation: Situation) -> bool:
    return not (situation.turns or situation.facts or situation.character)


def _after(turns: Turns, example: Example) -> Example:
    return replace(example, situation=replace(example.situation, turns=turns))


def _as_read(example: Example) -> Example:
    return replace(example, situation=with_short_answers(example.situation))


def as_heard(situation: Situation) -> Situation:
    """Without marks and capitals."""
    words = _MARKS.sub(" ", situation.words) if situation.language == "zh" else _MARKS.sub("", situation.words)
    words = re.sub(rf"(?<=[{HAN}]) +(?=[{HAN}])", "", " ".join(words.split()))
    return replace(situation, words=words.lower() or situation.words)


# ── streams ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def beginnings(leave_out: frozenset[str], chance: random.Random) -> list[Item]:
    return [item for stream in streams() if stream.family not in leave_out for item in _of_stream(stream, chance)]


def _of_stream(stream: Stream, chance: random.Random) -> list[Item]:
    total = len(units(stream.situation.words, stream.situation.language))
    standard, refusal = ENDS.index("standard"), ENDS.index("refusal")
    nothing = Example(stream.situation, stream.family, cut=0.0, cuts=(0.0,) * len(CUTS), weight=0.3)
    if stream.interrupt_at is None:
        places = [
            chance.randint(SHORTEST, total // 2),
            chance.randint(total // 2, total),
            chance.randint(total * 3 // 4, total),
            *(chance.randint(SHORTEST, total) for _ in range(NOWHERE - 3)),
        ]
        return [Item(tuple(_at(replace(nothing, strategy=standard), stream, place) for place in places), 2, STREAMS)]
    last = stream.interrupt_at - NEAR
    before = [chance.randint(max(SHORTEST, stream.interrupt_at - 30), last) for _ in range(BEFORE if last >= SHORTEST else 0)]
    begins = max(SHORTEST, stream.interrupt_at)
    after = [chance.randint(begins, total) if n else min(total, begins + chance.randint(0, 12)) for n in range(AFTER)]
    strategy = {"refused": refusal, "drift": standard, "repetition": standard}.get(stream.kind, -1)
    now = replace(nothing, cut=1.0, cuts=tuple(float(kind == stream.kind) for kind in CUTS), strategy=strategy)
    read = [(nothing, before), (now, after)]
    return [Item(tuple(_at(each, stream, place) for place in places), share=STREAMS) for each, places in read if places]


def _at(example: Example, stream: Stream, place: int) -> Example:
    return replace(example, situation=beginning(stream, place))


def beginning(stream: Stream, count: int) -> Situation:
    return replace(stream.situation, words=prefix(stream.situation.words, stream.situation.language, count))
