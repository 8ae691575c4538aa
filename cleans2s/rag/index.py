"""Looking: by meaning (faiss) and by words (BM25), and the two fused.

An index is made of segments that never change. Each holds up to ten thousand passages: their vectors, searched one by one
(exact; 100,000 of them take a core some 10 ms, and are read from the file as they are needed), and the words of all of them.
BM25 weighs a word by how rare it is; a segment knows that of itself only, so its weights are brought to those of the whole
index when a question is asked. (The mean length of passages stays the segment's own, which is nearly the same everywhere.)
"""

from __future__ import annotations

import json
import logging
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

import numpy as np
import numpy.typing as npt

from ..stages import imported
from .chunks import Chunk
from .embeddings import Vectors
from .terms import terms

DEPTH = 50
"""Of each ranking, so many passages take part in the fusion."""

RANK_CONSTANT = 10
"""Of reciprocal rank fusion: a passage gets 1 / (10 + rank) from each ranking that has it (Cormack and others, 2009, who take
60, which is for longer rankings: it found less on the development questions of `bench rag`)."""

Alive: TypeAlias = npt.NDArray[np.bool_]
"""Which passages of a segment may be found."""


@dataclass(frozen=True)
class Hit:
    """A passage by its segment's number and its row there."""

    segment: int
    row: int
    score: float
    similarity: float
    bm25: float
    coverage: float


class Segment:
    """`vectors` is a faiss index, `words` a BM25 of bm25s, `lines` one JSON line for each passage, whose bounds are
    `offsets`."""

    def __init__(self, name: str, vectors: Any, words: Any, lines: Any, offsets: npt.NDArray[np.int64]) -> None:
        self.name, self.vectors, self.words, self.lines, self.offsets = name, vectors, words, lines, offsets

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def chunk(self, row: int) -> Chunk:
        line = json.loads(bytes(self.lines[int(self.offsets[row]) : int(self.offsets[row + 1])]))
        return Chunk(line["text"], tuple(line["headings"]), line["page"])

    def nearest(self, vector: Vectors, count: int, alive: Alive | None) -> list[tuple[float, int]]:
        """Cosines and rows, the best first."""
        faiss = imported("faiss")
        params = None
        if alive is not None:
            bits = np.packbits(alive, bitorder="little")
            params = faiss.SearchParameters(sel=faiss.IDSelectorBitmap(len(alive), faiss.swig_ptr(bits)))
        found, rows = self.vectors.search(vector[None], min(count, len(self)), params=params)
        return [(float(similarity), int(row)) for similarity, row in zip(found[0], rows[0], strict=True) if row >= 0]

    def vector(self, row: int) -> Vectors:
        return cast("Vectors", self.vectors.reconstruct(row))

    def column(self, term: str) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float32]]:
        """Rows that have a word, in order, and its BM25 weight in each."""
        number = self.words.vocab_dict.get(term)
        scores = self.words.scores
        if number is None:
            return np.empty(0, np.int32), np.empty(0, np.float32)
        begin, end = scores["indptr"][number], scores["indptr"][number + 1]
        return np.asarray(scores["indices"][begin:end]), np.asarray(scores["data"][begin:end])


def built(name: str, chunks: Sequence[Chunk], vectors: Vectors, titles: Sequence[str]) -> Segment:
    """A segment in memory."""
    faiss, bm25s = imported("faiss"), quiet_bm25s()
    flat = faiss.IndexFlatIP(vectors.shape[1])
    flat.add(vectors)
    words = bm25s.BM25(method="lucene")
    words.index([terms(f"{title}\n{chunk.whole}") for chunk, title in zip(chunks, titles, strict=True)], show_progress=False)
    lines = [
        json.dumps({"text": c.text, "headings": c.headings, "page": c.page}, ensure_ascii=False).encode(errors="replace")
        + b"\n"
        for c in chunks
    ]
    offsets = np.cumsum([0, *map(len, lines)], dtype=np.int64)
    return Segment(name, flat, words, b"".join(lines), offsets)


def quiet_bm25s() -> Any:
    """It tells every step to whoever listens to logs."""
    module = imported("bm25s")
    logging.getLogger("bm25s").setLevel(logging.WARNING)
    return module


def embedded_text(chunk: Chunk, title: str) -> str:
    """What the embedding of a passage is made of: the heading that it stands under, or the document's title, and the text.
    With all the headings above it, it is less like a question that it answers; BM25 has them all."""
    heading = chunk.headings[-1] if chunk.headings else title
    return heading if heading == chunk.text else f"{heading}\n{chunk.text}".lstrip()


@dataclass(frozen=True)
class Fusion:
    """How much each ranking counts; 0 leaves it out."""

    vectors: float = 1.0

    words: float | None = None
    """None: as much as the words can be trusted, which is the square of the share of the question's words that the first
    passage of their ranking has. Who asks by name ("What does tasksel do?") is looked up by name; who does not know how the
    thing is called is understood by meaning."""

    rank_constant: float = RANK_CONSTANT


def search(
    segments: Sequence[Segment],
    alive: Sequence[Alive | None],
    vector: Vectors,
    query_terms: Sequence[str],
    fusion: Fusion | None = None,
    depth: int = DEPTH,
) -> Iterator[Hit]:
    """Passages of both rankings, the best of the fusion first; measured as they are asked for."""
    fusion, words = fusion or Fusion(), _Words(segments, query_terms)
    by_words = words.ranking(alive, depth)
    nearest = (
        (similarity, number, row)
        for number, segment in enumerate(segments)
        for similarity, row in segment.nearest(vector, depth, alive[number])
    )
    by_meaning = sorted(nearest, key=lambda hit: (-hit[0], hit[1], hit[2]))[:depth]
    trust = fusion.words
    if trust is None:
        trust = words.measured(*by_words[0][1:])[1] ** 2 if by_words else 0.0
    fused: dict[tuple[int, int], float] = {}
    for weight, ranking in ((fusion.vectors, by_meaning), (trust, by_words)):
        for rank, (_, number, row) in enumerate(ranking if weight else (), 1):
            fused[number, row] = fused.get((number, row), 0.0) + weight / (fusion.rank_constant + rank)
    most = (fusion.vectors + trust) / (fusion.rank_constant + 1)
    cosine = {(number, row): similarity for similarity, number, row in by_meaning}
    for (number, row), score in sorted(fused.items(), key=lambda item: (-item[1], item[0])):
        similarity = cosine.get((number, row))
        if similarity is None:
            similarity = float(segments[number].vector(row) @ vector)
        yield Hit(number, row, score / most, similarity, *words.measured(number, row))


class _Words:
    """The words of a question in all segments."""

    def __init__(self, segments: Sequence[Segment], query_terms: Sequence[str]) -> None:
        self._counts = Counter(query_terms)
        self._sizes = [len(segment) for segment in segments]
        self._columns = [{term: segment.column(term) for term in self._counts} for segment in segments]
        total = sum(self._sizes)
        self._idf = {term: _idf(sum(len(of[term][0]) for of in self._columns), total) for term in self._counts}

    def ranking(self, alive: Sequence[Alive | None], depth: int) -> list[tuple[float, int, int]]:
        """By BM25: score, segment and row."""
        found: list[tuple[float, int, int]] = []
        for number, size in enumerate(self._sizes):
            scores = np.zeros(size, np.float32)
            for term, (rows, values) in self._columns[number].items():
                if len(rows):
                    scores[rows] += values * np.float32(self._weight(number, term))
            if (mask := alive[number]) is not None:
                scores[~mask] = 0
            best = np.argpartition(-scores, depth)[:depth] if size > depth else np.arange(size)
            found.extend((float(scores[row]), number, int(row)) for row in best if scores[row] > 0)
        return sorted(found, key=lambda hit: (-hit[0], hit[1], hit[2]))[:depth]

    def measured(self, number: int, row: int) -> tuple[float, float]:
        """Of a passage, its BM25 and its coverage: the share of the question's words that it has, by their weight."""
        score = had = 0.0
        for term, (rows, values) in self._columns[number].items():
            at = int(rows.searchsorted(row))
            if at < len(rows) and rows[at] == row:
                score += float(values[at]) * self._weight(number, term)
                had += self._idf[term]
        whole = sum(self._idf.values())
        return score, had / whole if whole else 0.0

    def _weight(self, number: int, term: str) -> float:
        """From the segment's own weight of a word to the whole index's."""
        having = len(self._columns[number][term][0])
        return self._counts[term] * self._idf[term] / _idf(having, self._sizes[number])


def _idf(having: int, total: int) -> float:
    """As Lucene and bm25s weigh a word that so many of all passages have."""
    return math.log(1 + (total - having + 0.5) / (having + 0.5))
