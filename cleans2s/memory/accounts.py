"""What is said of a user in sum: the running summary where no language model writes one, and what a greeting can go by."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from . import when
from .calendar_words import MONTHS
from .lexical import tokens
from .recall import episode_line, fact_line, quoted
from .records import Episode, Fact, Greeting

SUMMARY_FACTS = 12
TALES = 3
TELLING_WORDS = 4
"""Words with matter in them, at least, of a turn that the summary quotes."""

OPEN = 4

_ORDER = ("name", "home", "from", "job", "is", "employer", "age", "birthday", "diet", "allergic to", "likes", "dislikes", "has")


def summary(facts: Sequence[Fact], tales: Sequence[Episode], talks: int, first: datetime | None) -> str:
    """Of facts and quotations only: nothing in it was not said. `tales` are the turns that told most of late."""
    chinese = sum(map(when.chinese, (tale.text for tale in tales))) * 2 > len(tales)
    parts: list[str] = []
    if first is not None and talks:
        day = (
            f"{first.year}年{first.month}月{first.day}日"
            if chinese
            else f"{first.day} {MONTHS[first.month - 1].title()} {first.year}"
        )
        parts.append(f"自{day}起谈过{talks}天。" if chinese else f"Talked on {talks} day{'s' * (talks > 1)} since {day}.")
    known = [fact for fact in facts if fact.key not in ("did", "reminder") and fact.whose == "user"]
    known.sort(key=weight)
    if known:
        listed = "; ".join(f"{fact.key}: {quoted(fact.value, chinese)}" for fact in known[:SUMMARY_FACTS])
        parts.append(f"用户——{listed}。" if chinese else f"The user: {listed}.")
    if tales:
        told = " ".join(quoted(tale.text, chinese) for tale in tales[:TALES])
        parts.append(f"最近说过：{told}" if chinese else f"Said lately: {told}")
    return " ".join(parts)


def weight(fact: Fact) -> int:
    """By which facts are told first: the lowest."""
    return _ORDER.index(fact.key) if fact.key in _ORDER else len(_ORDER)


def greeting(facts: Iterable[Fact], last: Episode | None, plans: Iterable[Episode], now: datetime) -> Greeting:
    """`last` is the user's last turn before this conversation, `plans` are turns that spoke of a time that has come since."""
    if last is None:
        return Greeting()
    facts = list(facts)
    name = next((fact.value for fact in reversed(facts) if fact.key == "name" and fact.whose == "user"), "")
    chinese, ago = when.chinese(last.text), when.said(last.at, now, when.chinese(last.text))
    promises = [f for f in facts if f.kind == "promise" and (f.due is None or f.due <= now)]
    left_open = (*promises[-OPEN:], *list(plans)[:OPEN])
    lines = [f"用户的名字：{quoted(name, True)}" if chinese else f"The user's name: {quoted(name, False)}"] if name else []
    lines.append(f"上次谈话：{ago}" if chinese else f"Last talked: {ago}")
    for one in left_open:
        line = fact_line(one, now, chinese) if isinstance(one, Fact) else episode_line(one, now, chinese)
        lines.append(f"未了的事：{line}" if chinese else f"Left open: {line}")
    return Greeting(name, last.at, ago, left_open, tuple(lines))


def telling(turns: Iterable[Episode], facts: Iterable[Fact]) -> list[Episode]:
    """Those that tell something, the richest first: no questions, no greetings, no reminders."""
    asked = {fact.source for fact in facts if fact.key == "reminder"}
    statements = (turn for turn in turns if turn.id not in asked and not turn.text.rstrip().endswith(("?", "？")))
    worth = [(len(tokens(turn.text)), turn) for turn in statements]
    ranked = sorted(worth, key=lambda pair: (-pair[0], -pair[1].at.timestamp()))
    return [turn for count, turn in ranked if count >= TELLING_WORDS]
