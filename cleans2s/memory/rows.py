"""Between values and rows: everything that is read from or written to the tables, inside a transaction of the caller's."""

from __future__ import annotations

import re
import secrets
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, tzinfo
from typing import Any

from . import kin, patterns, when
from .lexical import tokens
from .records import Block, Episode, Fact, Role
from .when import Span

TURN = "id, role, text, at, about_from, about_until"
FACT = "id, kind, whose, key, value, quote, source, at, certainty, due, until"
SINGLE = ("name", "age", "home", "birthday", "year of birth", "birthplace", "job", "employer", "diet", "from")
"""Of these there is one at a time: a newer one takes the place of the older, which is kept with its end."""

ECHO_S = 24 * 3600
GONE = "[…]"
"""Stands where words of a turn were forgotten."""


def new_id(kind: str) -> str:
    return f"{kind}_{secrets.token_hex(8)}"


def single(key: str) -> bool:
    return key in SINGLE or key.startswith(("favourite ", "最喜欢的")) or _kin(key) in kin.UNIQUE


def _kin(key: str) -> str:
    return key.removesuffix("'s name").removesuffix("的名字")


def opposite(key: str) -> str | None:
    return {"likes": "dislikes", "dislikes": "likes", "has": "has no", "has no": "has"}.get(key)


# ── turns ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def episode(row: Sequence[Any], zone: tzinfo | None, score: float = 0.0) -> Episode:
    id, role, text, at, start, end = row
    about = Span(_moment(start, zone), _moment(end, zone)) if start is not None else None
    return Episode(id, role, text, _moment(at, zone), about, score)


def add_turn(db: sqlite3.Connection, id: str, role: Role, text: str, at: datetime, with_facts: bool = True) -> bool:
    """False if a turn of this id is there already, as after a restart."""
    about = when.find(text, at) if role == "user" else None
    bounds = (about.start.timestamp(), about.end.timestamp()) if about else (None, None)
    added = db.execute(
        "INSERT OR IGNORE INTO turns (id, role, text, at, about_from, about_until) VALUES (?, ?, ?, ?, ?, ?)",
        (id, role, text, at.timestamp(), *bounds),
    )
    if not added.rowcount:
        return False
    n = added.lastrowid
    db.executemany("INSERT OR IGNORE INTO words VALUES (?, ?)", ((word, n) for word in tokens(text)))
    if with_facts:
        for found in patterns.facts(text, at, role):
            add_fact(db, fact_of(found, id, at))
    return True


def write_turn(db: sqlite3.Connection, n: int, text: str, role: Role, at: datetime) -> None:
    """Other words for a turn; its facts are the caller's affair."""
    about = when.find(text, at) if role == "user" else None
    bounds = (about.start.timestamp(), about.end.timestamp()) if about else (None, None)
    _unindex(db, n)
    db.execute("UPDATE turns SET text = ?, about_from = ?, about_until = ?, read = 0 WHERE n = ?", (text, *bounds, n))
    db.executemany("INSERT OR IGNORE INTO words VALUES (?, ?)", ((word, n) for word in tokens(text)))


def plans(db: sqlite3.Connection, now: datetime, since: float, most: int) -> list[Episode]:
    """Turns of the user that spoke of what was to come, and has come since; the latest first. Reminders are facts."""
    found = db.execute(
        f"SELECT {TURN} FROM turns WHERE role = 'user' AND about_from > at AND about_from <= ? AND about_until > ? "
        "AND text NOT LIKE '%remind%' AND text NOT LIKE '%提醒%' ORDER BY about_from DESC LIMIT ?",
        (now.timestamp(), since, most),
    )
    return [episode(row, now.tzinfo) for row in found]


def remove_turn(db: sqlite3.Connection, n: int, id: str) -> None:
    _unindex(db, n)
    db.execute("DELETE FROM facts WHERE source = ?", (id,))
    db.execute("DELETE FROM turns WHERE n = ?", (n,))


def _unindex(db: sqlite3.Connection, n: int) -> None:
    text = db.execute("SELECT text FROM turns WHERE n = ?", (n,)).fetchone()[0]
    db.executemany("DELETE FROM words WHERE word = ? AND turn = ?", ((word, n) for word in tokens(text)))
    db.execute("DELETE FROM vectors WHERE turn = ?", (n,))


# ── facts ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def fact_of(found: patterns.Found, source: str, at: datetime) -> Fact:
    return Fact(
        new_id("fact"), found.kind, found.whose, found.key, found.value, found.quote, source, at, found.certainty, found.due
    )


def fact(row: Sequence[Any], zone: tzinfo | None) -> Fact:
    id, kind, whose, key, value, quote, source, at, certainty, *ends = row
    due, until = (_moment(end, zone) if end is not None else None for end in ends)
    return Fact(id, kind, whose, key, value, quote, source, _moment(at, zone), certainty, due, until)


def facts(db: sqlite3.Connection, zone: tzinfo | None, where: str = "until IS NULL", values: Sequence[Any] = ()) -> list[Fact]:
    return [fact(row, zone) for row in db.execute(f"SELECT {FACT} FROM facts WHERE {where} ORDER BY at, rowid", values)]


def add_fact(db: sqlite3.Connection, new: Fact) -> bool:
    """False if it is known. What it takes the place of ends with it."""
    known = facts(db, None, "whose = ? AND key IN (?, ?) AND until IS NULL", (new.whose, new.key, opposite(new.key) or ""))
    if new.key not in ("did", "reminder") and any(f.key == new.key and same(f.value, new.value) for f in known):
        return False
    ended = [f.id for f in known if (f.key == new.key and single(f.key)) or (f.key != new.key and same(f.value, new.value))]
    db.executemany("UPDATE facts SET until = ? WHERE id = ?", ((new.at.timestamp(), id) for id in ended))
    put_fact(db, new)
    return True


def put_fact(db: sqlite3.Connection, new: Fact) -> bool:
    """As it is, unless its id is there."""
    bounds = (t.timestamp() if t else None for t in (new.due, new.until))
    values = (
        new.id,
        new.kind,
        new.whose,
        new.key,
        new.value,
        new.quote,
        new.source,
        new.at.timestamp(),
        new.certainty,
        *bounds,
    )
    marks = ", ".join("?" * len(values))
    return db.execute(f"INSERT OR IGNORE INTO facts ({FACT}) VALUES ({marks})", values).rowcount > 0


def remove_fact(db: sqlite3.Connection, gone: Fact) -> None:
    """With the words that say it: in its turn they are struck out, and other facts that quote them go too; and the value is
    struck out of what the agent said in the day that followed ("Nice to meet you, Anna!")."""
    values = (gone.at.timestamp(), gone.at.timestamp() + ECHO_S, f"%{_like(gone.value)}%")
    echoes = db.execute(
        "SELECT n, text, at FROM turns WHERE role = 'assistant' AND at BETWEEN ? AND ? AND text LIKE ? ESCAPE '\\'", values
    ).fetchall()
    for n, text, at in echoes:
        write_turn(db, n, re.sub(re.escape(gone.value), GONE, text, flags=re.IGNORECASE), "assistant", _moment(at, None))
    row = db.execute("SELECT n, text, role, at FROM turns WHERE id = ?", (gone.source,)).fetchone()
    if row and gone.quote:
        n, text, role, at = row
        parts = re.split(re.escape(gone.quote), text, flags=re.IGNORECASE)
        write_turn(db, n, GONE.join(parts), role, _moment(at, None))
        for other in facts(db, None, "source = ?", (gone.source,)):
            if gone.quote.casefold() in other.quote.casefold() or other.quote.casefold() in gone.quote.casefold():
                db.execute("DELETE FROM facts WHERE id = ?", (other.id,))
    db.execute("DELETE FROM facts WHERE id = ?", (gone.id,))


def rewrite_fact(db: sqlite3.Connection, old: Fact, value: str) -> None:
    """By a person's hand: certain, and no longer what the turn says."""
    new = replace(old, value=value, quote="", certainty=1.0)
    db.execute("UPDATE facts SET value = ?, quote = '', certainty = 1 WHERE id = ?", (new.value, new.id))


def _like(text: str) -> str:
    return re.sub(r"([\\%_])", r"\\\1", text)


def same(one: str, other: str) -> bool:
    """Whether two values are the same but for case, articles and marks."""
    return plain(one) == plain(other)


def plain(value: str) -> str:
    return re.sub(r"^(?:a|an|the|my)\s+", "", re.sub(r"[\W_]+", " ", value.casefold()).strip())


# ── the rest ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def block(db: sqlite3.Connection, now: datetime) -> Block | None:
    row = db.execute("SELECT since, until, why FROM blocks WHERE until > ? ORDER BY until DESC", (now.timestamp(),)).fetchone()
    return Block(_moment(row[0], now.tzinfo), _moment(row[1], now.tzinfo), row[2]) if row else None


def get(db: sqlite3.Connection, key: str) -> str:
    row = db.execute("SELECT value FROM notes WHERE key = ?", (key,)).fetchone()
    return row[0] if row else ""


def put(db: sqlite3.Connection, key: str, value: str) -> None:
    db.execute("INSERT INTO notes VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value", (key, value))


def changed_by_hand(db: sqlite3.Connection) -> None:
    """Tells every process that what it holds of the turns is out of date: by a name that was never there before, as a count
    would begin again once all is forgotten."""
    put(db, "edits", new_id("edit"))


def _moment(seconds: float, zone: tzinfo | None) -> datetime:
    return datetime.fromtimestamp(seconds, zone) if zone else datetime.fromtimestamp(seconds).astimezone()


def marks(values: Iterable[Any]) -> str:
    return ", ".join("?" for _ in values)
