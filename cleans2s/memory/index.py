"""All turns of a user in arrays: when they were said, what time they speak of, and their embeddings as bytes.

100,000 turns take 40 MB here and are compared in one pass. The arrays follow the file: turns of this and of other processes
are appended when the next recall asks; after something was edited or forgotten they are read anew.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from ..embedding import Vectors
from . import rows
from .store import Store
from .when import Span

Codes: TypeAlias = npt.NDArray[np.int8]
Floats: TypeAlias = npt.NDArray[np.float64]
Mask: TypeAlias = npt.NDArray[np.bool_]

LEVELS = 127
CHUNK = 1024
"""Rows that become floats at a time. More would not stay in the processor's cache, and BLAS would divide the work among its
threads, which on a busy machine wait for each other: 100,000 turns took 6 ms like this, 10 to 130 with 4096."""


def packed(vector: Vectors) -> bytes:
    """A scale and a byte for each number: a quarter of the room; similarities change by about 0.002."""
    scale = np.float32(max(float(np.abs(vector).max()), 1e-12) / LEVELS)
    return scale.tobytes() + np.round(vector / scale).astype(np.int8).tobytes()


class Index:
    """Used while the store is being read, by one thread at a time."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._clear()

    def _clear(self) -> None:
        self._edits = ""
        self._opened = -1
        self._last_vector = 0
        self.count = 0
        self.numbers = np.zeros(0, np.int64)
        self.user = np.zeros(0, np.bool_)
        self.times: Floats = np.zeros((0, 3))
        self._codes: Codes = np.zeros((0, 0), np.int8)
        self._scales: Vectors = np.zeros(0, np.float32)

    def refresh(self) -> None:
        """Take over what was written since, by anybody."""
        with self._store.reading() as db:
            db.execute("BEGIN")  # one state for all that is read
            try:
                edits, opened = rows.get(db, "edits"), self._store.opened
                if (edits, opened) != (self._edits, self._opened):
                    self._clear()
                    self._edits, self._opened = edits, opened
                last = int(self.numbers[self.count - 1]) if self.count else 0
                turns = db.execute(
                    "SELECT n, role = 'user', at, about_from, about_until FROM turns WHERE n > ? ORDER BY n", (last,)
                ).fetchall()
                vectors = db.execute(
                    "SELECT seq, turn, vector FROM vectors WHERE seq > ? ORDER BY seq", (self._last_vector,)
                ).fetchall()
            finally:
                db.execute("COMMIT")
            if turns:
                self._append(turns)
            if vectors:
                self._fill(vectors)

    def _append(self, turns: list[Any]) -> None:
        end = self.count + len(turns)
        if end > len(self.numbers):
            room = max(end, 2 * len(self.numbers), 256)
            grown = self.numbers, self.user, self.times, self._codes, self._scales
            self.numbers, self.user, self.times, self._codes, self._scales = (_grown(array, room) for array in grown)
        new: Floats = np.array(turns, np.float64)  # None becomes NaN
        self.numbers[self.count : end] = new[:, 0].astype(np.int64)
        self.user[self.count : end] = new[:, 1] > 0
        self.times[self.count : end] = new[:, 2:]
        self.count = end

    def _fill(self, vectors: list[Any]) -> None:
        self._last_vector = vectors[-1][0]
        width = len(vectors[-1][2])
        usable = [(turn, vector) for _, turn, vector in vectors if len(vector) == width]
        if self._codes.shape[1] != width - 4:
            self._codes = np.zeros((len(self.numbers), width - 4), np.int8)
            self._scales = np.zeros(len(self.numbers), np.float32)
        at, there = self.positions(np.array([turn for turn, _ in usable], np.int64))
        packs = np.frombuffer(b"".join(vector for _, vector in usable), np.int8).reshape(-1, width)[there]
        self._codes[at[there]] = packs[:, 4:]
        self._scales[at[there]] = packs[:, :4].copy().view(np.float32)[:, 0]

    def positions(self, numbers: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.intp], Mask]:
        """Where these turns are, and which of them are there at all."""
        known = self.numbers[: self.count]
        at = np.searchsorted(known, numbers)
        return at, (at < self.count) & (known[np.minimum(at, self.count - 1)] == numbers) if self.count else at < 0

    def similarities(self, vector: Vectors | None) -> Vectors:
        """Of every turn, from -1 to 1; 0 for those that have no embedding yet."""
        alike = np.zeros(self.count, np.float32)
        if vector is None or self._codes.shape[1] != len(vector):
            return alike
        for start in range(0, self.count, CHUNK):
            stop = min(self.count, start + CHUNK)
            alike[start:stop] = self._codes[start:stop].astype(np.float32) @ vector
        return alike * self._scales[: self.count]

    def said_in(self, span: Span) -> Mask:
        at = self.times[: self.count, 0]
        return (at >= span.start.timestamp()) & (at < span.end.timestamp())

    def about(self, span: Span) -> Mask:
        """Turns that speak of that time: by their words, or, without any, by when they were said."""
        start, end = self.times[: self.count, 1], self.times[: self.count, 2]
        named = ~np.isnan(start)
        meets = named & (start < span.end.timestamp()) & (end > span.start.timestamp())
        return meets | (~named & self.said_in(span))

    def at(self, numbers: Collection[int]) -> npt.NDArray[np.intp]:
        where, there = self.positions(np.fromiter(numbers, np.int64, len(numbers)))
        return where[there]


def _grown(array: Any, room: int) -> Any:
    new = np.zeros((room, *array.shape[1:]), array.dtype)
    new[: len(array)] = array
    return new
