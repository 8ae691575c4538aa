"""The memory of one user. Every method is blocking and quick, may be called from any thread, and by several processes on the
same file; only `digest` takes its time, and is called when nobody waits.

    memory = Memory.open(memory_file("anna"))
    memory.note("user", "Yesterday I went hiking with my sister.", at)
    memory.digest()
    memory.recall("what did I do yesterday?", now).lines
"""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from ..errors import MemoryFault
from . import accounts, contradictions, digestion, exchange, extraction, recall, rows, view
from .digestion import Encoder
from .index import Index
from .records import ROLES, Block, Contradiction, Digest, Episode, Fact, Greeting, Recalled, Role, Taken
from .store import Store

BUDGET_CHARS = 600
TURN_CHARS = exchange.TURN_CHARS
"""A longer turn is kept to here."""

DIGESTED = 256
"""Turns that one call of `digest` reads."""

QUERY_CHARS = 2000
"""Of a longer question the end is what is asked."""

SUMMARY = "summary"


class Memory:
    """`notice` says what was set aside when the file was opened, "" if nothing was."""

    def __init__(self, store: Store, encoder: Encoder | None = None, ask: extraction.Ask | None = None) -> None:
        self.encoder = encoder
        """May be set later, when it is loaded; until then recall goes by words and time."""

        self.ask = ask
        self._store = store
        self._index = Index(store)
        self._digesting = threading.Lock()
        self._known: tuple[object, tuple[Fact, ...]] = (None, ())
        self._version = 0

    @classmethod
    def open(cls, path: str | Path | None, encoder: Encoder | None = None, ask: extraction.Ask | None = None) -> Memory:
        """None is memory that lasts as long as this object, of which nothing is written. Raises MemoryFault where the file
        cannot be used; one that is damaged or foreign is set aside, see `notice`."""
        memory = cls(Store(Path(path).expanduser().absolute() if path is not None else None), encoder, ask)
        memory._index.refresh()
        return memory

    def __enter__(self) -> Memory:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._store.close()

    @property
    def path(self) -> Path | None:
        return self._store.path

    @property
    def notice(self) -> str:
        return self._store.notice

    # ── what is said ──────────────────────────────────────────────────────────────────────────────────────────────────

    def note(self, role: Role, text: str, at: datetime, id: str = "") -> str:
        """A turn as it was heard; returns its id. What it says in set phrases is a fact
        at once. An id that is known adds nothing."""
        if role not in ROLES:
            raise MemoryFault(f"a turn of {role!r} cannot be kept: expected user or assistant")
        id, text = id or rows.new_id("turn"), text.strip()[:TURN_CHARS]
        if text:
            with self._store.writing() as db:
                rows.add_turn(db, id, role, text, _aware(at))
            self._version += 1
        return id

    def recall(self, query: str, now: datetime, budget_chars: int = BUDGET_CHARS, without: Collection[str] = ()) -> Recalled:
        """What bears on the words; `without` are ids of turns that the prompt holds anyway."""
        began, now = time.perf_counter(), _aware(now)
        if not query.strip():
            return Recalled()
        asked = recall.Query.read(query[-QUERY_CHARS:], now)
        vector = self.encoder.encode([asked.untimed])[0] if self.encoder else None
        known = self.facts
        with self._store.reading() as db:
            self._index.refresh()
            episodes = recall.episodes(asked, vector, self._index, db, without)
        facts = recall.facts(asked, known, [one.id for one in episodes])
        lines = recall.lines(episodes, facts, now, asked.chinese, budget_chars)
        return Recalled(lines, tuple(episodes), tuple(facts), round((time.perf_counter() - began) * 1000, 2))

    def contradictions(self, statement: str) -> tuple[Contradiction, ...]:
        """Facts that speak against these words, the surest first. Asked before the words are noted: a fact that they replace is
        known no longer."""
        return contradictions.find(statement, self.facts, datetime.now().astimezone())

    def digest(self, turns: int = DIGESTED) -> Digest:
        """Reads what is new: embeddings, a language model's facts, the summary. Called when nobody waits; call it again while
        `left` is not 0. One at a time: a second call meanwhile returns at once."""
        if not self._digesting.acquire(blocking=False):
            return Digest(left=digestion.unread(self._store, self.encoder))
        try:
            return digestion.digest(self._store, self.encoder, self.ask, turns)
        finally:
            self._digesting.release()
            self._version += 1

    # ── what is known ─────────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def facts(self) -> tuple[Fact, ...]:
        """What holds now, in the order in which it was said."""
        key = self._store.changed(), self._version
        if key != self._known[0]:
            with self._store.reading() as db:
                self._known = key, tuple(rows.facts(db, None))
        return self._known[1]

    @property
    def summary(self) -> str:
        """What a person has written, and what was derived since."""
        with self._store.reading() as db:
            return "\n".join(text for key in ("written", "derived") if (text := rows.get(db, key)))

    def episodes(
        self, search: str = "", since: datetime | None = None, until: datetime | None = None, limit: int = 200
    ) -> tuple[Episode, ...]:
        """Turns in order of time, the last `limit` of them. `search` finds all its words, anywhere in the turn."""
        first, last = (_aware(since).timestamp() if since else -1e18), (_aware(until).timestamp() if until else 1e18)
        words = search.split()
        escaped = ["%" + w.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%" for w in words]
        has = "".join(" AND text LIKE ? ESCAPE '\\'" for _ in words)
        with self._store.reading() as db:
            found = db.execute(
                f"SELECT {rows.TURN} FROM turns WHERE at >= ? AND at < ?{has} ORDER BY at DESC, n DESC LIMIT ?",
                (first, last, *escaped, limit),
            ).fetchall()
        return tuple(rows.episode(row, None) for row in reversed(found))

    def greeting(self, now: datetime) -> Greeting:
        """What is known for a greeting, when a conversation begins."""
        now = _aware(now)
        with self._store.reading() as db:
            last = db.execute(f"SELECT {rows.TURN} FROM turns WHERE role = 'user' ORDER BY at DESC LIMIT 1").fetchone()
            plans = rows.plans(db, now, last[3] if last else 0.0, accounts.OPEN)
        zone = now.tzinfo
        return accounts.greeting(self.facts, rows.episode(last, zone) if last else None, plans, now)

    # ── promises ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def due(self, now: datetime) -> tuple[Fact, ...]:
        """Reminders whose moment has come, the oldest first; `done` when they were spoken."""
        reached = [fact for fact in self.facts if fact.due and fact.due <= _aware(now)]
        return tuple(sorted(reached, key=lambda fact: fact.due or fact.at))

    def done(self, id: str, now: datetime) -> None:
        """A promise is kept."""
        self._fact(id)
        with self._store.writing() as db:
            db.execute("UPDATE facts SET until = ? WHERE id = ?", (_aware(now).timestamp(), id))
        self._version += 1

    # ── the block of an abuser ────────────────────────────────────────────────────────────────────────────────────────

    def block(self, until: datetime, why: str, now: datetime | None = None) -> Block:
        since, until = _aware(now or datetime.now()), _aware(until)
        if until <= since:
            raise MemoryFault(f"a block until {until:%Y-%m-%d %H:%M} would be over already: expected a later moment")
        with self._store.writing() as db:
            db.execute("INSERT INTO blocks VALUES (?, ?, ?)", (since.timestamp(), until.timestamp(), why[:1000]))
        return Block(since, until, why[:1000])

    def blocked(self, now: datetime) -> Block | None:
        with self._store.reading() as db:
            return rows.block(db, _aware(now))

    def unblock(self) -> None:
        with self._store.writing() as db:
            db.execute("DELETE FROM blocks")

    # ── in a person's hands ───────────────────────────────────────────────────────────────────────────────────────────

    def edit(self, id: str, text: str) -> None:
        """Other words for a turn, another value for a fact, or "summary". Raises MemoryFault for an unknown id."""
        text = text.strip()[:TURN_CHARS]
        if id != SUMMARY and not text:
            raise MemoryFault("an empty text cannot be kept: to remove an entry, forget it")
        with self._store.writing() as db:
            if id == SUMMARY:
                rows.put(db, "written", text)
                rows.put(db, "derived", "")
            elif turn := db.execute("SELECT n, role, at FROM turns WHERE id = ?", (id,)).fetchone():
                n, role, at = turn
                moment = datetime.fromtimestamp(at).astimezone()
                db.execute("DELETE FROM facts WHERE source = ? AND quote != ''", (id,))
                rows.write_turn(db, n, text, role, moment)
                for found in rows.patterns.facts(text, moment, role):
                    rows.add_fact(db, rows.fact_of(found, id, moment))
                rows.changed_by_hand(db)
            elif fact := rows.facts(db, None, "id = ?", (id,)):
                rows.rewrite_fact(db, fact[0], text)
            else:
                raise _unknown(id)
            if id != SUMMARY:
                digestion.summarise(db)
        self._erased()

    def forget(self, id: str) -> None:
        """A turn with the facts in it, a fact with the words that say it, or "summary": gone from the file. What was derived is
        derived again without it. Raises MemoryFault for an unknown id."""
        with self._store.writing() as db:
            if id == SUMMARY:
                rows.put(db, "written", "")
                rows.put(db, "derived", "")
            elif turn := db.execute("SELECT n FROM turns WHERE id = ?", (id,)).fetchone():
                rows.remove_turn(db, turn[0], id)
            elif fact := rows.facts(db, None, "id = ?", (id,)):
                rows.remove_fact(db, fact[0])
            else:
                raise _unknown(id)
            rows.changed_by_hand(db)
            if id != SUMMARY:
                digestion.summarise(db)
        self._erased()

    def forget_all(self) -> None:
        """Everything but a block that still runs."""
        with self._store.writing() as db:
            for table in ("turns", "vectors", "words", "facts", "notes"):
                db.execute(f"DELETE FROM {table}")
            rows.changed_by_hand(db)
        self._erased()

    def export(self, now: datetime | None = None) -> dict[str, Any]:
        """All of it, for `json.dumps`."""
        with self._store.reading() as db:
            return exchange.export(db, _aware(now or datetime.now()))

    def load(self, given: Mapping[str, Any]) -> Taken:
        """What `export` gave, added to what is here. Raises MemoryFault, and takes nothing, where it has a mistake."""
        with self._store.writing() as db:
            taken = exchange.take(db, given)
        self._version += 1
        return taken

    def _repr_html_(self) -> str:
        return view.html(self.summary, self.facts, self.episodes(limit=view.SHOWN), self.notice, datetime.now().astimezone())

    def _erased(self) -> None:
        self._version += 1
        self._store.erase_traces()
        self._index.refresh()

    def _fact(self, id: str) -> Fact:
        with self._store.reading() as db:
            found = rows.facts(db, None, "id = ?", (id,))
        if not found:
            raise _unknown(id)
        return found[0]


def _unknown(id: str) -> MemoryFault:
    return MemoryFault(f"nothing is remembered under {id!r}: expected the id of a turn or a fact, or summary")


def _aware(at: datetime) -> datetime:
    """Without a zone it is this machine's."""
    return at if at.tzinfo else at.astimezone()
