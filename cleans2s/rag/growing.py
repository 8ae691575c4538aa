"""An index while it is changed: documents come and go, and at the end there is a new set of segments.

Segments do not change, so new passages go into a new one, and passages of documents that went are only marked. Small
segments are put together as the digits of a binary counter are, so that there are few, and each passage is copied a few
times at most; one of which more than half is gone is written again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

import numpy as np

from .chunks import Chunk, Splitting
from .embeddings import Vectors
from .index import Segment, built, embedded_text
from .store import Contents, Indexed, Store, new_name

LARGEST_SEGMENT = 10_000
"""Passages. What is new is kept in memory up to so many (15 MB of vectors), then written."""

BATCH = 256
"""Passages that are embedded between two steps of the progress bar."""

Bar: TypeAlias = Callable[[list[Any], str, str], Iterable[Any]]
Place: TypeAlias = Literal["new", "known", "unchanged", "duplicate"]


@dataclass
class Growing:
    contents: Contents
    segments: tuple[Segment, ...]
    store: Store | None
    encode: Callable[[list[str]], Vectors]
    bar: Bar
    largest: int = LARGEST_SEGMENT

    def __post_init__(self) -> None:
        self._documents = {document.digest: document for document in self.contents.documents}
        self.sources = {name: document.digest for document in self.contents.documents for name in document.sources}
        self._segments = {segment.name: segment for segment in self.segments}
        self._waiting: list[tuple[Indexed, list[Chunk]]] = []

    def place(self, source: str, digest: str) -> Place:
        """What is known of a document already."""
        if self.sources.get(source) == digest:
            return "unchanged"
        if digest in self._documents:
            return "duplicate"
        return "known" if source in self.sources else "new"

    def add(self, row: Indexed, chunks: list[Chunk]) -> None:
        for source in row.sources:
            self.sources[source] = row.digest
        self._documents[row.digest] = row
        self._waiting.append((row, chunks))
        if sum(len(waiting) for _, waiting in self._waiting) >= self.largest:
            self.write()

    def note(self, source: str, digest: str, metadata: dict[str, Any]) -> None:
        """The content of `source` is here already."""
        if self.sources.get(source, digest) != digest:
            self.forget(source)
        self.sources[source] = digest
        sources = tuple(dict.fromkeys([*self._documents[digest].sources, source]))
        self._change(digest, sources=sources, metadata=metadata or self._documents[digest].metadata)

    def forget(self, source: str) -> None:
        digest = self.sources.pop(source)
        left = tuple(name for name in self._documents[digest].sources if name != source)
        if left:  # the same content has another name
            self._change(digest, sources=left)
            return
        del self._documents[digest]
        self._waiting = [(row, chunks) for row, chunks in self._waiting if row.digest != digest]

    def embed_again(self) -> None:
        for name in list(self._segments):
            for row in self._rows(name):
                segment = self._segments[name]
                self._waiting.append((row, [segment.chunk(row.first + number) for number in range(row.passages)]))
            del self._segments[name]
            self.write()

    def finished(self, model: str, probe: tuple[float, ...], splitting: Splitting) -> tuple[Contents, tuple[Segment, ...]]:
        """To be called after `write`."""
        self._tidy()
        documents = tuple(self._documents.values())
        contents = Contents(model, probe if documents else (), splitting, tuple(self._segments), documents)
        return contents, tuple(self._segments.values())

    def _change(self, digest: str, **facts: Any) -> None:
        self._documents[digest] = replace(self._documents[digest], **facts)
        self._waiting = [(self._documents[row.digest], chunks) for row, chunks in self._waiting]

    def _rows(self, name: str) -> list[Indexed]:
        """The documents of a segment."""
        return [row for row in self._documents.values() if row.segment == name]

    def write(self) -> None:
        """Embed what is waiting, into a new segment."""
        if not self._waiting:
            return
        texts = [embedded_text(chunk, row.title) for row, chunks in self._waiting for chunk in chunks]
        parts = [texts[begin : begin + BATCH] for begin in range(0, len(texts), BATCH)]
        vectors = np.concatenate([self.encode(part) for part in self.bar(parts, f"embedding {len(texts)} passages", "batch")])
        self._put(self._waiting, vectors)
        self._waiting = []

    def _put(self, rows: list[tuple[Indexed, list[Chunk]]], vectors: Vectors) -> None:
        name, first = new_name(), 0
        for row, chunks in rows:
            self._documents[row.digest] = replace(row, segment=name, first=first, passages=len(chunks))
            first += len(chunks)
        titles = [row.title for row, chunks in rows for _ in chunks]
        segment = built(name, [chunk for _, chunks in rows for chunk in chunks], vectors, titles)
        self._segments[name] = self.store.keep(segment) if self.store else segment

    def _tidy(self) -> None:
        alive = dict.fromkeys(self._segments, 0)
        for row in self._documents.values():
            alive[row.segment] += row.passages
        for name, count in alive.items():
            if not count:
                del self._segments[name]
        for name, count in alive.items():
            if 0 < count * 2 < len(self._segments[name]):
                self._merge([name])
        while len(names := list(self._segments)) > 1:
            before, last = (sum(row.passages for row in self._rows(name)) for name in names[-2:])
            if before + last > self.largest or last * 2 < before:
                return
            self._merge(names[-2:])

    def _merge(self, names: list[str]) -> None:
        rows: list[tuple[Indexed, list[Chunk]]] = []
        vectors: list[Vectors] = []
        for name in names:
            segment = self._segments.pop(name)
            for row in self._rows(name):
                rows.append((row, [segment.chunk(row.first + number) for number in range(row.passages)]))
                vectors.append(segment.vectors.reconstruct_n(row.first, row.passages))
        self._put(rows, np.concatenate(vectors))
