"""A memory as JSON, and back. An import is checked as a whole before anything of it is kept; embeddings are not part of it,
they are made again."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from ..errors import MemoryFault
from . import rows
from .records import Fact, Kind, Role, Taken

FORMAT = "cleans2s-memory"
VERSION = 1
TURN_CHARS = 20_000
MOST = 1_000_000
"""Turns, and facts, of one import."""


def export(db: sqlite3.Connection, now: datetime) -> dict[str, Any]:
    zone = now.tzinfo
    turns = (rows.episode(row, zone) for row in db.execute(f"SELECT {rows.TURN} FROM turns ORDER BY n"))
    blocked = rows.block(db, now)
    return {
        "format": FORMAT,
        "version": VERSION,
        "exported": now.isoformat(),
        "summary": {"written": rows.get(db, "written"), "derived": rows.get(db, "derived")},
        "turns": [{"id": turn.id, "role": turn.role, "text": turn.text, "at": turn.at.isoformat()} for turn in turns],
        "facts": [_fact(fact) for fact in rows.facts(db, zone, "1")],
        "block": {"since": blocked.since.isoformat(), "until": blocked.until.isoformat(), "why": blocked.why}
        if blocked
        else None,
    }


def _fact(fact: Fact) -> dict[str, Any]:
    named = {name: getattr(fact, name) for name in ("id", "kind", "whose", "key", "value", "quote", "source", "certainty")}
    return named | {name: moment and moment.isoformat() for name in ("at", "due", "until") for moment in [getattr(fact, name)]}


def take(db: sqlite3.Connection, given: Mapping[str, Any]) -> Taken:
    """Adds what is not there. Raises MemoryFault that names the place of the first mistake."""
    from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

    class Strict(BaseModel):
        model_config = ConfigDict(extra="forbid")

    class Turn(Strict):
        id: str = Field(min_length=1, max_length=100)
        role: Role
        text: str = Field(min_length=1, max_length=TURN_CHARS)
        at: AwareDatetime

    class Known(Strict):
        id: str = Field(min_length=1, max_length=100)
        kind: Kind
        whose: str = Field(max_length=100)
        key: str = Field(max_length=100)
        value: str = Field(max_length=TURN_CHARS)
        quote: str = Field(max_length=TURN_CHARS)
        source: str = Field(max_length=100)
        certainty: float = Field(ge=0, le=1)
        at: AwareDatetime
        due: AwareDatetime | None = None
        until: AwareDatetime | None = None

    class Summary(Strict):
        written: str = Field("", max_length=TURN_CHARS)
        derived: str = Field("", max_length=TURN_CHARS)

    class Blocked(Strict):
        since: AwareDatetime
        until: AwareDatetime
        why: str = Field(max_length=1000)

    class File(Strict):
        format: str
        version: int
        exported: str = ""
        summary: Summary = Summary(written="", derived="")
        turns: list[Turn] = Field([], max_length=MOST)
        facts: list[Known] = Field([], max_length=MOST)
        block: Blocked | None = None

    if given.get("format") != FORMAT or given.get("version") != VERSION:
        raise MemoryFault(f'this is no exported memory: expected "format": "{FORMAT}" and "version": {VERSION}')
    try:
        file = File.model_validate(dict(given))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise MemoryFault(f"the memory to import has a mistake at {place}: {first['msg']}; nothing of it was taken") from None
    turns = sum(rows.add_turn(db, turn.id, turn.role, turn.text, turn.at, with_facts=False) for turn in file.turns)
    facts = sum(rows.put_fact(db, Fact(**one.model_dump())) for one in file.facts)
    for key, value in file.summary:
        if value and not rows.get(db, key):
            rows.put(db, key, value)
    if file.block:
        db.execute(
            "INSERT INTO blocks VALUES (?, ?, ?)", (file.block.since.timestamp(), file.block.until.timestamp(), file.block.why)
        )
    return Taken(turns, facts)
