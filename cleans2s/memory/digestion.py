"""What is made of new turns when nobody waits: embeddings, a language model's facts, and the summary.

The file is held only to read and to write; while a model works, others may write, and what was edited or forgotten meanwhile is
left alone.
"""

from __future__ import annotations

import sqlite3
from datetime import datetime
from typing import Protocol

from ..embedding import Vectors
from ..errors import Cleans2sError
from . import accounts, extraction, rows
from .extraction import Ask, Extract
from .index import packed
from .records import Digest
from .store import Store

TOGETHER = 32
"""Turns that are embedded between two looks at the file."""

RECENT = 100
"""Turns of the user from which the summary chooses."""


class Encoder(Protocol):
    """What turns texts into vectors of length 1: `MiniLM().load()`, or another. One with a `name` other than the last one's has
    all turns embedded again."""

    def encode(self, texts: list[str], /) -> Vectors: ...


def digest(store: Store, encoder: Encoder | None, ask: Ask | None, turns: int) -> Digest:
    embedded = embed(store, encoder, turns) if encoder else 0
    found, extract, trouble = read(store, ask, turns)
    return Digest(embedded, found, unread(store, encoder), "model" if extract else "patterns", trouble)


def embed(store: Store, encoder: Encoder, turns: int) -> int:
    """The latest first: they are asked for most."""
    _of_this(store, encoder)
    done = 0
    while done < turns:
        with store.reading() as db:
            waiting = db.execute(
                "SELECT n, text FROM turns WHERE n NOT IN (SELECT turn FROM vectors) ORDER BY n DESC LIMIT ?",
                (min(TOGETHER, turns - done),),
            ).fetchall()
        if not waiting:
            break
        vectors = encoder.encode([text for _, text in waiting])
        with store.writing() as db:
            for (n, text), vector in zip(waiting, vectors, strict=True):
                if _unchanged(db, n, text):
                    db.execute("INSERT OR IGNORE INTO vectors (turn, vector) VALUES (?, ?)", (n, packed(vector)))
        done += len(waiting)
    return done


def _of_this(store: Store, encoder: Encoder) -> None:
    """Vectors of another model are of no use to this one."""
    name = str(getattr(encoder, "name", type(encoder).__name__))
    with store.reading() as db:
        if rows.get(db, "encoder") == name:
            return
    with store.writing() as db:
        db.execute("DELETE FROM vectors")
        rows.put(db, "encoder", name)
        rows.changed_by_hand(db)


def read(store: Store, ask: Ask | None, turns: int) -> tuple[int, Extract | None, str]:
    """Facts that the language model found, what it answered, and what went wrong, in a sentence. Patterns have read the turns
    when they were noted."""
    with store.reading() as db:
        size = min(turns, extraction.TURNS_AT_ONCE) if ask else turns
        new = db.execute(f"SELECT n, {rows.TURN} FROM turns WHERE read = 0 ORDER BY n LIMIT ?", (size,)).fetchall()
        summary = rows.get(db, "derived")
    if not new:
        return 0, None, ""
    extract, trouble = None, ""
    if ask:
        try:
            extract = extraction.extract(ask, [rows.episode(row[1:], None) for row in new], summary)
        except (Cleans2sError, OSError) as error:
            trouble = f"facts are found by patterns, because {error}"
    with store.writing() as db:
        still = {row[1]: row[0] for row in new if _unchanged(db, row[0], row[3])}
        found = sum(rows.add_fact(db, fact) for fact in (extract.facts if extract else ()) if fact.source in still)
        db.executemany("UPDATE turns SET read = 1 WHERE n = ?", ((n,) for n in still.values()))
        if extract and extract.summary and len(still) == len(new):
            rows.put(db, "derived", extract.summary)
        elif not ask or not summary:
            summarise(db)
    return found, extract, trouble


def _unchanged(db: sqlite3.Connection, n: int, text: str) -> bool:
    row = db.execute("SELECT text FROM turns WHERE n = ?", (n,)).fetchone()
    return row is not None and row[0] == text


def summarise(db: sqlite3.Connection) -> None:
    """The derived summary anew, of facts and quotations that are there: a model's may tell what was forgotten since."""
    recent = db.execute(f"SELECT {rows.TURN} FROM turns WHERE role = 'user' ORDER BY n DESC LIMIT ?", (RECENT,)).fetchall()
    first, days = db.execute("SELECT min(at), count(DISTINCT CAST(at / 86400 AS INTEGER)) FROM turns").fetchone()
    known = rows.facts(db, None)
    tales = accounts.telling((rows.episode(row, None) for row in recent), known)
    began = datetime.fromtimestamp(first).astimezone() if first is not None else None
    rows.put(db, "derived", accounts.summary(known, tales, days, began))


def unread(store: Store, encoder: Encoder | None) -> int:
    """Turns that wait."""
    with store.reading() as db:
        (read,) = db.execute("SELECT count(*) FROM turns WHERE read = 0").fetchone()
        if not encoder:
            return int(read)
        (there,), (made,) = (db.execute(f"SELECT count(*) FROM {table}").fetchone() for table in ("turns", "vectors"))
        return max(int(read), int(there) - int(made))
