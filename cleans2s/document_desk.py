"""What the page's visitors may do with documents: bring some, see what is there and how far it is, remove, read again, ask.

Whatever changes an index waits its turn: one thread does it, of each visitor one thing at a time, so that nobody waits until
all of somebody else's files are read. What was brought is on the disk before anybody is told so; after a crash it is read then.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from . import shelves
from .errors import Cleans2sError, RAGError
from .indexing import RefusedError, StoppedError, Writer
from .rag.documents import LARGEST_BYTES
from .rag.embeddings import DEFAULT, Embedder, embedder
from .rag.engine import RAG
from .rag.store import Contents, Store
from .shelves import Shelf

MOST_SHOWN = 1000
"""Documents; a server's own may be more."""

MOST_TOLD = 100
"""Sentences on files that were refused, for each visitor; the oldest go."""

OPEN = 16
"""Indexes that are held open to be asked."""

KNOWN = 500
"""Visitors whose sentences are kept; who comes back later finds the documents."""

UNFINISHED = "this was not finished, by a fault of the program: the server's log says more"


@dataclass
class Job:
    kind: Literal["add", "remove", "renew"]
    name: str = ""
    file: Path | None = None
    digests: tuple[str, ...] = ()
    state: Literal["waiting", "working", "refused", "noted", "failed"] = "waiting"
    """The last three are over, and have `words`: the file is not kept; there is something to know; it can be tried again."""

    words: str = ""
    share: float | None = None
    id: str = field(default_factory=lambda: secrets.token_hex(8))
    stopped: bool = False

    def shown(self) -> dict[str, Any]:
        return {"id": self.id, "kind": self.kind, "name": self.name, "state": self.state, "words": self.words} | {
            "share": None if self.share is None else round(self.share, 3),
            "documents": list(self.digests),
        }

    def tell(self, share: float | None) -> None:
        if self.stopped:
            raise StoppedError
        self.share = share


@dataclass
class _Place:
    """A visitor, or the server's own documents, since the server was started."""

    shelf: Shelf
    jobs: list[Job] = field(default_factory=list[Job])
    """To be done; the first one may be under way."""

    told: list[Job] = field(default_factory=list[Job])
    version: tuple[int, int] | None = None
    contents: Contents | None = None
    used_s: float = 0.0


class Desk:
    """For all visitors of a server. All methods block for a moment, and may be called from several threads. `model` embeds what
    they bring."""

    def __init__(self, model: str | Embedder = DEFAULT) -> None:
        self._model = embedder(model)
        self._places: OrderedDict[Shelf, _Place] = OrderedDict()
        self._readers: OrderedDict[Path, RAG] = OrderedDict()
        self._lock = threading.RLock()
        self._worker: threading.Thread | None = None

    # ── looking ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def listing(self, shelf: Shelf, known: str = "") -> dict[str, Any]:
        """What is there, what is being done, what went wrong, as JSON takes it. The documents are left out where they are still
        those of the version that is `known`."""
        with self._lock:
            place = self._at(shelf)
            problem, contents = self._read(place)
            work, told = [job.shown() for job in place.jobs], [job.shown() for job in place.told]
        rows = contents.documents if contents else ()
        version = "-".join(map(str, place.version or ()))
        found = {"version": version, "work": work, "told": told, "problem": problem}
        if known and known == version:
            return found
        documents = [_row(shelf, row) for row in rows[:MOST_SHOWN]]
        return found | {"documents": documents, "count": len(rows), "passages": sum(row.passages for row in rows)}

    def reader(self, shelf: Shelf) -> RAG:
        """The index to be asked; it follows what is changed. Raises RAGError."""
        with self._lock:
            problem, _ = self._read(self._at(shelf))
            if problem:
                raise RAGError(f"{problem}: have all documents read again")
            if not shelf.index.is_dir():
                return RAG(model=self._model, progress=False)
            if (rag := self._readers.pop(shelf.index, None)) is None:
                rag = RAG(shelf.index, model=self._model if shelf.own else None, progress=False)
            self._readers[shelf.index] = rag
            while len(self._readers) > OPEN:
                self._readers.popitem(last=False)
        return rag

    # ── changing ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def add(self, shelf: Shelf, part: Path, name: str) -> str:
        """Take in a file that has arrived; the name of what is done with it now."""
        file = shelf.source(shelves.safe_name(name))
        with self._lock:
            self._at(shelf)  # before the file is there, or it would be taken for one that was never read
            file.parent.mkdir(parents=True)
            part.replace(file)
        return self._enqueue(shelf, Job("add", file.name, file))

    def remove(self, shelf: Shelf, ids: Iterable[str]) -> None:
        """Documents; files that are still waiting, or being read; sentences that were read, with what they are about."""
        wanted = set(ids)
        with self._lock:
            place = self._at(shelf)
            for job in [job for job in place.told if job.id in wanted]:
                place.told.remove(job)
                if job.state == "failed":
                    self._forget(place, job)
            for job in [job for job in place.jobs if job.id in wanted and job.kind == "add"]:
                job.stopped = True
                if job.state == "waiting":
                    place.jobs.remove(job)
                    self._forget(place, job)
            digests = tuple(wanted & {row.digest for row in (place.contents.documents if place.contents else ())})
            if digests:
                self._enqueue(shelf, Job("remove", digests=digests), first=True)

    def again(self, shelf: Shelf, ids: Iterable[str]) -> None:
        """Try once more what failed for reasons that may have passed."""
        wanted = set(ids)
        with self._lock:
            place = self._at(shelf)
            for job in [job for job in place.told if job.id in wanted and job.state == "failed"]:
                place.told.remove(job)
                self._enqueue(shelf, replace(job, state="waiting", words="", share=None))

    def renew(self, shelf: Shelf) -> None:
        """Read everything again."""
        with self._lock:
            place = self._at(shelf)
            if not any(job.kind == "renew" for job in place.jobs):
                self._enqueue(shelf, Job("renew"))

    def _enqueue(self, shelf: Shelf, job: Job, first: bool = False) -> str:
        with self._lock:
            place = self._at(shelf)
            begun = next((number for number, other in enumerate(place.jobs) if other.state == "waiting"), len(place.jobs))
            place.jobs.insert(begun if first else len(place.jobs), job)
            self._start()
        return job.id

    def _at(self, shelf: Shelf) -> _Place:
        """Whoever comes for the first time since the server was started: what had been brought and not read yet is read."""
        if place := self._places.get(shelf):
            if time.monotonic() - place.used_s > 3600:
                place.used_s = time.monotonic()
                shelves.used(shelf)
            return place
        for other in [other for other, place in self._places.items() if not place.jobs][: max(0, len(self._places) - KNOWN)]:
            del self._places[other]
        place = self._places[shelf] = _Place(shelf, used_s=time.monotonic())
        shelves.used(shelf)
        shelves.tidy(shelf)
        problem, contents = self._read(place)
        known = {source for row in (contents.documents if contents else ()) for source in row.sources}
        if not problem:
            place.jobs = [Job("add", file.name, file) for file in shelf.brought() if str(file) not in known]
            self._start()
        return place

    def _read(self, place: _Place) -> tuple[str, Contents | None]:
        """What is wrong with the index ("" for nothing), and what is in it."""
        shelf = place.shelf
        try:
            store = Store(shelf.index)
            if (version := store.version()) != place.version or version is None:
                place.contents, place.version = store.contents(), version
        except RAGError as error:
            place.version, place.contents = None, None
            return str(error).replace(str(shelf.index), "the index"), None
        contents = place.contents
        if contents and contents.probe and shelf.own and contents.model != self._model.name:
            return f"the index was made with another embedding model ({Path(contents.model).name})", contents
        return "", contents

    # ── the worker ────────────────────────────────────────────────────────────────────────────────────────────────────

    def _start(self) -> None:
        if not self._worker and any(place.jobs for place in self._places.values()):
            self._worker = threading.Thread(target=self._work, name="cleans2s-documents", daemon=True)
            self._worker.start()

    def _work(self) -> None:
        while found := self._next():
            place, job = found
            try:
                self._do(place, job)
            finally:
                if job.state == "working":  # a programming error: its traceback goes to the log, and others' files go on
                    job.state, job.words = "failed", f"{job.name}: {UNFINISHED}".removeprefix(": ")
                    self._end(place, job)
                    with self._lock:
                        self._worker = None
                        self._start()

    def _next(self) -> tuple[_Place, Job] | None:
        with self._lock:
            for shelf, place in self._places.items():
                if place.jobs:
                    self._places.move_to_end(shelf)
                    place.jobs[0].state = "working"
                    return place, place.jobs[0]
            self._worker = None
            return None

    def _do(self, place: _Place, job: Job) -> None:
        writer, words, state = Writer(place.shelf, self._model, job.tell), "", "noted"
        try:
            if job.file:
                words = writer.add(job.file)
            elif job.kind == "remove":
                writer.remove(job.digests)
            else:
                words = "\n".join(writer.renew())
        except StoppedError:
            state = "refused"
        except RefusedError as error:
            words, state = str(error), "refused"
        except Cleans2sError as error:
            words, state = str(error).replace(str(place.shelf.index), "the index"), "failed"
        except OSError as error:
            reason = error.strerror or type(error).__name__
            words, state = f"nothing could be written ({reason}): look after the disk of this server", "failed"
        job.words = f"{job.name}: {words}" if words and job.name and job.name not in words else words
        job.state = state
        self._end(place, job)

    def _end(self, place: _Place, job: Job) -> None:
        with self._lock:
            place.jobs.remove(job)
            if job.kind == "renew":
                self._readers.pop(place.shelf.index, None)
            if job.state == "refused":
                self._forget(place, job)
            if job.words:
                place.told = [*place.told, job][-MOST_TOLD:]

    def _forget(self, place: _Place, job: Job) -> None:
        if job.file:
            place.shelf.drop(job.file)


def _row(shelf: Shelf, row: Any) -> dict[str, Any]:
    web = row.sources[0] if row.sources[0].startswith(("http://", "https://")) else ""
    return {
        "id": row.digest,
        "names": list(dict.fromkeys(shelf.name(source) for source in row.sources)),
        "title": row.title,
        "kind": row.kind,
        "url": web,
        "passages": row.passages,
        "characters": row.characters,
        "added": row.added,
    }


LIMITS = {"file_bytes": LARGEST_BYTES, "files": shelves.MOST_FILES}
