"""The labelled turns and streams in `data/`, and which of them are kept back: for the published figures, for choosing bars."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

from ..errors import ConfigError
from ..text import HAN
from . import DATA, ENDS, Situation

Turns: TypeAlias = tuple[tuple[str, str], ...]
"""Who spoke ("user", "agent") and what, oldest first."""

_UNIT = re.compile(rf"[{HAN}]|[^\s{HAN}，。？！、；：“”‘’（）《》…—,.?!;:\"()]+")
"""What a stream's words are counted in, in Chinese: characters; marks do not count."""


@dataclass(frozen=True)
class Turn:
    situation: Situation
    strategy: str
    kind: str
    family: str


@dataclass(frozen=True)
class Stream:
    """`interrupt_at` is the number of words (in Chinese: characters) after which a polite listener cuts in; None: never."""

    situation: Situation
    """With all the words."""

    interrupt_at: int | None
    kind: str
    family: str


@dataclass(frozen=True)
class Answered:
    """Turns of a user of the data and what a small language model answered to them, the last of them labelled `standard`."""

    turns: Turns
    family: str
    language: str


def situation(words: str, context: Iterable[Sequence[str]], language: str | None = None, partial: bool = False) -> Situation:
    """From the form of the data set: context entries are [role, words], the role one of user, agent, memory, character."""
    said: dict[str, list[str]] = {"memory": [], "character": []}
    turns: list[tuple[str, str]] = []
    for role, text in context:
        if role in said:
            said[role].append(text)
        elif role in ("user", "agent"):
            turns.append((role, text))
        else:
            raise ConfigError(f"a context entry has the role {role!r}: expected user, agent, memory or character")
    return Situation(
        words, partial, tuple(turns), tuple(said["memory"]), character=" ".join(said["character"]), language=language
    )


@cache
def turns(folder: Path = DATA) -> tuple[Turn, ...]:
    kind = {family: kind for kinds in _json(folder / "kinds.json").values() for kind, fs in kinds.items() for family in fs}
    return tuple(
        Turn(situation(row["text"], row["context"], row["lang"]), row["strategy"], _kind(row, kind), row["family"])
        for name in ENDS
        for row in _rows(folder / f"{name}.jsonl")
    )


def _kind(row: dict[str, Any], of_families: dict[str, str]) -> str:
    """That of the example itself, or else of its family; an ordinary turn has none."""
    return row.get("kind") or ("" if row["strategy"] == "standard" else of_families.get(row["family"], ""))


@cache
def streams(folder: Path = DATA) -> tuple[Stream, ...]:
    return tuple(
        Stream(situation(row["text"], row["context"], row["lang"], True), row["interrupt_at"], row["kind"], row["family"])
        for row in _rows(folder / "streams.jsonl")
    )


@cache
def answered(folder: Path = DATA) -> tuple[Answered, ...]:
    """Written by `judge.answering`."""
    return tuple(
        Answered(tuple((role, text) for role, text in row["turns"]), row["family"], row["lang"])
        for row in _rows(folder / "answered.jsonl")
    )


@cache
def held_out(folder: Path = DATA) -> dict[str, frozenset[str]]:
    """Families on which nothing is trained and nothing is chosen: the `first` were drawn from the first part of the data,
    the `later` and the `twins` (which differ from each other in who is spoken to, or what is wanted, and hardly in words)
    written when there was a judge to measure. The `chats` are whole conversations, with what the embedded model answered."""
    kept = _json(folder / "heldout.json")
    return {part: frozenset(kept[part]) for part in ("first", "later", "twins", "chats")}


@cache
def for_bars(folder: Path = DATA) -> frozenset[str]:
    """Families on which nothing is trained either, and the bars of `judge.small` are chosen: a network is too sure of what it
    was shown."""
    return frozenset(_json(folder / "heldout.json")["bars"])


@cache
def kept_back(folder: Path = DATA) -> frozenset[str]:
    """All on which nothing is trained."""
    return for_bars(folder).union(*held_out(folder).values())


def units(words: str, language: str | None) -> list[str]:
    """What `interrupt_at` counts: words, or in Chinese characters."""
    return _UNIT.findall(words) if language == "zh" else words.split()


def prefix(words: str, language: str | None, count: int) -> str:
    """The first `count` words (in Chinese: characters), with the marks between them."""
    if language != "zh":
        return " ".join(words.split()[:count])
    ends = [match.end() for match in _UNIT.finditer(words)]
    return words[: ends[count - 1]] if 0 < count <= len(ends) else words if count else ""


def _rows(file: Path) -> Iterator[Any]:
    with file.open(encoding="utf-8") as lines:
        yield from (json.loads(line) for line in lines)


def _json(file: Path) -> Any:
    return json.loads(file.read_text("utf-8"))
