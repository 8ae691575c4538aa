"""An index on the disk.

    DIR/index.json            what the index is made of: the only file that is ever replaced, in one step
    DIR/segments/NAME/        vectors.faiss, passages.jsonl, offsets.npy, bm25/: written once, never changed, mapped into memory
    DIR/.lock                 held by whoever writes

New segments are written beside the old ones and made durable; then `index.json` is replaced. A process that is killed
before that leaves the index as it was, and what it left behind is swept away by the next one that writes.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import uuid
from collections.abc import Generator, Iterable
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, TypeAlias, cast

import numpy as np

from ..errors import RAGError
from ..stages import imported
from .chunks import Splitting
from .embeddings import DEFAULT
from .index import Segment, quiet_bm25s

FORMAT = 1
INDEX, LOCK, SEGMENTS = "index.json", ".lock", "segments"
VECTORS, LINES, OFFSETS, WORDS = "vectors.faiss", "passages.jsonl", "offsets.npy", "bm25"


Version: TypeAlias = "tuple[int, int]"


@dataclass(frozen=True)
class Indexed:
    """A document of the index; its passages are rows `first` to `first + passages` of a segment."""

    digest: str
    """sha256 of its content."""

    sources: tuple[str, ...]
    """Where it was found: more than one, when the same content was added under several names."""

    title: str
    kind: str
    added: str
    """UTC, ISO 8601."""

    characters: int
    segment: str
    first: int
    passages: int
    metadata: dict[str, Any] = field(default_factory=dict[str, Any])

    @property
    def facts(self) -> dict[str, Any]:
        """What filters look at."""
        return {**self.metadata, "source": self.sources[0], "title": self.title, "kind": self.kind}


@dataclass(frozen=True)
class Contents:
    """index.json as it is read and written."""

    model: str = DEFAULT
    probe: tuple[float, ...] = ()
    """The vector of `embeddings.PROBE`, by which the model is known again; empty before the first document."""

    splitting: Splitting = field(default_factory=Splitting)
    segments: tuple[str, ...] = ()
    documents: tuple[Indexed, ...] = ()


def now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


def new_name() -> str:
    return uuid.uuid4().hex[:16]


class Store:
    """The folder. Reading needs no lock: what `index.json` names does not change."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        if folder.exists() and not folder.is_dir():
            raise RAGError(f"{folder} is a file: expected a folder for the index")
        if folder.is_dir() and not (folder / INDEX).exists() and any(not _ours(entry) for entry in folder.iterdir()):
            raise RAGError(f"{folder} holds other files, and no index: expected an index, or an empty or new folder")

    def version(self) -> Version | None:
        """Another one after every change; None before the first."""
        try:
            facts = (self.folder / INDEX).stat()
        except OSError:
            return None
        return facts.st_mtime_ns, facts.st_ino

    def contents(self) -> Contents | None:
        """None where nothing was saved yet."""
        file = self.folder / INDEX
        try:
            tree: Any = json.loads(file.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise RAGError(
                f"{file} cannot be read ({error}): restore it from a copy, or delete {self.folder} and add again"
            ) from None
        if not isinstance(tree, dict) or cast("dict[str, Any]", tree).get("format") != FORMAT:
            raise RAGError(
                f"{file} is of another version of cleans2s, or no index: expected format {FORMAT}; delete {self.folder}, "
                "and add the documents again"
            )
        rows = cast("dict[str, Any]", tree)
        try:
            documents = tuple(_indexed(row) for row in rows["documents"])
            probe, splitting = tuple(rows["probe"]), Splitting(**rows["splitting"])
            return Contents(str(rows["model"]), probe, splitting, tuple(rows["segments"]), documents)
        except (KeyError, TypeError) as error:
            raise RAGError(
                f"{file} is damaged ({error!r}): restore it from a copy, or delete {self.folder} and add again"
            ) from None

    def segment(self, name: str) -> Segment:
        """Mapped, not read."""
        faiss, bm25s, folder = imported("faiss"), quiet_bm25s(), self.folder / SEGMENTS / name
        try:
            vectors = faiss.read_index(str(folder / VECTORS), faiss.IO_FLAG_MMAP_IFC)
            words = bm25s.BM25.load(str(folder / WORDS), mmap=True, show_progress=False)
            offsets = np.load(folder / OFFSETS)
            lines = np.memmap(folder / LINES, np.uint8, "r")
        except (OSError, RuntimeError, ValueError, KeyError, EOFError) as error:
            reason = str(error).strip().split("\n")[-1][:200]
            raise RAGError(
                f"{folder} is damaged or missing ({reason}): restore it, or delete {self.folder} and add again"
            ) from None
        count = len(offsets) - 1
        if vectors.ntotal != count or words.scores["num_docs"] != count or len(lines) != offsets[-1]:
            raise RAGError(
                f"{folder} is damaged: its files do not belong together; restore it, or delete {self.folder} and add again"
            )
        return Segment(name, vectors, words, lines, offsets)

    # ── writing ───────────────────────────────────────────────────────────────────────────────────────────────────────

    @contextlib.contextmanager
    def writing(self) -> Generator[None]:
        """One writer at a time; the operating system frees the lock of a killed one. RAGError while another one writes."""
        filelock: Any = imported("filelock")
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            lock = filelock.FileLock(self.folder / LOCK)
            lock.acquire(timeout=0)
        except filelock.Timeout:
            raise RAGError(f"{self.folder} is being changed by another process: wait until it is done, and try again") from None
        except OSError as error:
            raise RAGError(f"{self.folder} cannot be written ({error.strerror or error}): choose a folder of yours") from None
        try:
            yield
        except OSError as error:
            raise RAGError(f"{self.folder} could not be saved ({error.strerror or error}); it is as it was before") from None
        finally:
            lock.release()

    def keep(self, segment: Segment) -> Segment:
        """A segment from memory, written and opened again."""
        folder = self.folder / SEGMENTS / segment.name
        folder.mkdir(parents=True)
        try:
            imported("faiss").write_index(segment.vectors, str(folder / VECTORS))
        except RuntimeError as error:  # how faiss says what went wrong with a file
            raise OSError(str(error).strip().split("\n")[-1][-200:]) from None
        segment.words.save(str(folder / WORDS), show_progress=False)
        np.save(folder / OFFSETS, segment.offsets)
        (folder / LINES).write_bytes(segment.lines)
        for place in (*folder.rglob("*"), folder, folder.parent):
            _sync(place)
        return self.segment(segment.name)

    def save(self, contents: Contents) -> None:
        """From now on this is the index."""
        tree = {"format": FORMAT, **asdict(contents)}
        file = self.folder / f"{INDEX}.new"
        with file.open("w", encoding="utf-8") as stream:
            json.dump(tree, stream, ensure_ascii=False)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(file, self.folder / INDEX)
        _sync(self.folder)

    def sweep(self, kept: Iterable[str]) -> None:
        """Remove segments that the index does not name (any more). Who has them mapped keeps them until it lets go."""
        names = set(kept)
        for place in (self.folder / SEGMENTS).glob("*"):
            if place.name not in names:
                shutil.rmtree(place, ignore_errors=True)


def _indexed(row: dict[str, Any]) -> Indexed:
    facts: dict[str, Any] = {**row, "sources": tuple(row["sources"])}
    return Indexed(**facts)


def _ours(entry: Path) -> bool:
    return entry.name in (LOCK, SEGMENTS, f"{INDEX}.new")


def _sync(place: Path) -> None:
    """Durable, before it is named anywhere."""
    if place.is_dir() and os.name != "posix":  # elsewhere a folder cannot be opened
        return
    handle = os.open(place, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
