"""The file: one SQLite database for each user, which two processes may use at once and a killed one does not harm.

    <data>/memory/NAME.sqlite        $CLEANS2S_DATA, or the user's data folder

A file that is damaged, or is something else, is set aside under a name that says so, and a new one is begun; nothing is ever
written over it. Every change is one transaction on the disk (write-ahead log, synced), so what a full disk or a kill leaves is
the state after some change. What is deleted is overwritten (`secure_delete`), in the log too once it is emptied.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import sqlite3
import threading
from collections.abc import Generator
from datetime import datetime
from pathlib import Path
from typing import Any

from ..errors import MemoryFault

_log = logging.getLogger(__name__)

APPLICATION = 0x43325332
"""In the file's header ("C2S2"): whose database it is."""

VERSION = 1
BUSY_S = 10.0
"""How long a change waits for another process's."""

SCHEMA = """
CREATE TABLE turns (n INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, role TEXT NOT NULL, text TEXT NOT NULL,
    at REAL NOT NULL, about_from REAL, about_until REAL, read INTEGER NOT NULL DEFAULT 0);
CREATE TABLE vectors (seq INTEGER PRIMARY KEY AUTOINCREMENT, turn INTEGER NOT NULL UNIQUE, vector BLOB NOT NULL);
CREATE TABLE words (word TEXT NOT NULL, turn INTEGER NOT NULL, PRIMARY KEY (word, turn)) WITHOUT ROWID;
CREATE TABLE facts (id TEXT PRIMARY KEY, kind TEXT NOT NULL, whose TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL,
    quote TEXT NOT NULL, source TEXT NOT NULL, at REAL NOT NULL, certainty REAL NOT NULL, due REAL, until REAL);
CREATE TABLE blocks (since REAL NOT NULL, until REAL NOT NULL, why TEXT NOT NULL);
CREATE TABLE notes (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE INDEX turns_by_time ON turns (at);
CREATE INDEX turns_unread ON turns (read) WHERE read = 0;
CREATE INDEX facts_by_source ON facts (source);
"""


def memory_file(user: str = "me") -> Path:
    """Where a user's memory is kept unless another file is named: below $CLEANS2S_DATA or the user's data folder. Raises
    MemoryFault for a name that cannot be a file's."""
    import platformdirs

    if not re.fullmatch(r"\w[\w.@-]{0,63}", user):
        raise MemoryFault(f"the user {user!r} cannot name a file: expected up to 64 letters, digits or . _ @ -")
    chosen = os.environ.get("CLEANS2S_DATA")
    base = Path(chosen).expanduser() if chosen else Path(platformdirs.user_data_dir("cleans2s", appauthor=False))
    return base.absolute() / "memory" / f"{user}.sqlite"


class Store:
    """A connection, for any thread. `path` None is memory that is never written. `notice` says what was set aside, if
    anything was; `opened` counts how often a new file was begun, so that what is held of the old one is dropped."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.notice = ""
        self.opened = 0
        self._lock = threading.RLock()
        self._db = self._open()

    def close(self) -> None:
        with self._lock, contextlib.suppress(sqlite3.Error):
            self._db.close()

    @contextlib.contextmanager
    def reading(self) -> Generator[sqlite3.Connection]:
        with self._lock, self._told("read"):
            yield self._db

    @contextlib.contextmanager
    def writing(self) -> Generator[sqlite3.Connection]:
        """One transaction: all of it is kept, or nothing."""
        with self._lock, self._told("kept"):
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
                self._db.execute("COMMIT")
            except BaseException:
                with contextlib.suppress(sqlite3.Error):  # a full disk has rolled it back already
                    self._db.execute("ROLLBACK")
                raise

    def changed(self) -> tuple[int, int]:
        """Another value when another process has written, or a new file was begun."""
        with self.reading() as db:
            return self.opened, int(db.execute("PRAGMA data_version").fetchone()[0])

    def erase_traces(self) -> bool:
        """After a deletion: no page and no log holds what is gone. False where another process reads just now; its words were
        overwritten in the file all the same, and the log goes when that process closes."""
        with self._lock:
            try:
                self._db.execute("VACUUM")
                busy = self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
            except sqlite3.Error as error:
                _log.warning(
                    "%s: what was forgotten is overwritten, but the file could not be compacted (%s)", self.path, error
                )
                return False
            return not busy

    def _open(self) -> sqlite3.Connection:
        if self.path is None:
            return self._made(self._connected(":memory:"))
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with self._alone(self.path):
                if not self.path.exists():
                    os.close(os.open(self.path, os.O_CREAT | os.O_WRONLY, 0o600))  # nobody else's business
                return self._checked(self.path)
        except OSError as error:
            raise MemoryFault(
                f"{self.path} cannot be opened ({error.strerror or error}): choose a file that can be written, or switch "
                "memory off"
            ) from None
        except sqlite3.OperationalError as error:
            raise MemoryFault(self._sentence(error, "opened")) from None

    def _checked(self, path: Path) -> sqlite3.Connection:
        """The file if it is one of ours and sound, else a new one in its place."""
        db = self._connected(str(path))
        try:
            trouble = _trouble(db)
            if not trouble:
                return self._made(db)
        except sqlite3.DatabaseError as error:
            if not _damage(error):
                db.close()
                raise
            trouble = f"is damaged or no database ({error})"
        except MemoryFault:
            db.close()
            raise
        db.close()
        self._set_aside(path, trouble)
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        return self._made(self._connected(str(path)))

    def _connected(self, name: str) -> sqlite3.Connection:
        db = sqlite3.connect(name, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
        db.execute("PRAGMA temp_store = MEMORY")  # VACUUM's copy would lie in the folder of temporary files
        db.execute("PRAGMA secure_delete = ON")
        return db

    def _made(self, db: sqlite3.Connection) -> sqlite3.Connection:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        db.execute("BEGIN IMMEDIATE")
        if not db.execute("PRAGMA user_version").fetchone()[0]:
            for statement in SCHEMA.split(";"):
                db.execute(statement)
            db.execute(f"PRAGMA application_id = {APPLICATION}")
            db.execute(f"PRAGMA user_version = {VERSION}")
        db.execute("COMMIT")
        self.opened += 1
        return db

    def _set_aside(self, path: Path, trouble: str) -> None:
        """Raises OSError where it cannot be renamed."""
        stem = f"{path.name}.set-aside-{datetime.now():%Y-%m-%d}"
        numbers = (f"{stem}-{n}" if n else stem for n in range(10_000))
        aside = next(place for place in (path.with_name(name) for name in numbers) if not place.exists())
        for end in ("-wal", "-shm", ""):
            with contextlib.suppress(FileNotFoundError):
                os.rename(f"{path}{end}", f"{aside}{end}")
        self.notice = f"{path} {trouble}; it was set aside as {aside}, and a new memory was begun"
        _log.warning("%s", self.notice)

    @contextlib.contextmanager
    def _alone(self, path: Path) -> Generator[None]:
        """Two processes that open the same file do so one after the other."""
        import filelock

        lock: Any = filelock.FileLock(path.with_name(f".{path.name}.lock"))
        try:
            lock.acquire(timeout=BUSY_S)
        except filelock.Timeout:
            raise MemoryFault(
                f"{path} has been held by another process for {BUSY_S:.0f} s; close it, then open it again"
            ) from None
        try:
            yield
        finally:
            lock.release()

    @contextlib.contextmanager
    def _told(self, done: str) -> Generator[None]:
        try:
            yield
        except sqlite3.DatabaseError as error:
            if _damage(error) and self.path is not None:
                self._db.close()
                self._db = self._open()  # which looks at the file, and sets it aside
                raise MemoryFault(self.notice or f"{self.path} could not be {done} ({error}); try again") from None
            raise MemoryFault(self._sentence(error, done)) from None

    def _sentence(self, error: sqlite3.Error, done: str) -> str:
        said = str(error)
        if "full" in said:
            return f"the disk of {self.path} is full: this was not kept, what was kept before is whole; make room there"
        if "locked" in said or "busy" in said:
            return f"{self.path} is held by another process, and could not be {done} within {BUSY_S:.0f} s; try again"
        if "readonly" in said:
            return f"{self.path} may only be read: give yourself the right to write it, or choose another file"
        if "closed" in said:
            return f"the memory {self.path or ''} is closed; open it again"
        return (
            f"{self.path} could not be {done} ({said}); what was kept before is whole. Is the disk in order, and has it room?"
        )


def _trouble(db: sqlite3.Connection) -> str:
    """Why this file is not to be touched; "" for ours and for an empty one. Raises MemoryFault for one that is too new."""
    application, version = (int(db.execute(f"PRAGMA {name}").fetchone()[0]) for name in ("application_id", "user_version"))
    if not application and not version and not db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
        return ""
    if application != APPLICATION:
        return "is a database of something else"
    if version > VERSION:
        raise MemoryFault(
            f"this memory was written by a later cleans2s (format {version}, this one reads {VERSION}): update it"
        )
    check = db.execute("PRAGMA quick_check(1)").fetchone()[0]
    return "" if check == "ok" else f"is damaged ({check})"


def _damage(error: sqlite3.Error) -> bool:
    said = str(error)
    return "malformed" in said or "not a database" in said or "disk image" in said
