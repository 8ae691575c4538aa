"""The index as it is at one moment, and what it finds."""

from __future__ import annotations

import bisect
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from .chunks import Chunk
from .embeddings import Vectors
from .index import Alive, Fusion, Hit, Segment, search
from .passages import Passage, Where, matches
from .store import Contents, Indexed, Version
from .terms import terms

MIN_SIMILARITY = 0.25
"""Cosine below which a passage does not count as found, unless its words do. All of 26 questions about the Debian FAQ had one
above it, and none of 16 about cooking, football and the like (`bench rag`: development, elsewhere)."""

MIN_COVERAGE = 0.6
"""Share of the question's words, by their weight, with which a passage counts as found whatever its cosine; the most that
those 16 questions came to was 0.41."""

MIN_COVERAGE_ALONE = 0.2
"""The same where the model does not know the question's language, and its cosine says nothing: of the same questions in
Chinese, 19 of the 26 had more, and one of the 16."""

MOST_OF_SECTION = 2
"""Passages under one heading; a third would rather come from elsewhere."""

NEVER = 2.0
"""No cosine is as high."""

WORDS_FIRST = Fusion(vectors=0.2, words=1.0)
"""For a question in a language that the embedding model does not know."""


@dataclass(frozen=True)
class Limits:
    """The least with which a passage counts as found, and how the rankings are fused (None: by the question's language)."""

    similarity: float = MIN_SIMILARITY
    coverage: float = MIN_COVERAGE
    fusion: Fusion | None = None

    def told(self, known: bool) -> Limits:
        """For a question; `known`: in a language that the embedding model knows."""
        if known:
            return self
        similarity = self.similarity if self.similarity <= -1 else NEVER
        return replace(
            self, similarity=similarity, coverage=min(self.coverage, MIN_COVERAGE_ALONE), fusion=self.fusion or WORDS_FIRST
        )

    def fits(self, hit: Hit) -> bool:
        return hit.similarity >= self.similarity or hit.coverage >= self.coverage


@dataclass(eq=False)
class Snapshot:
    """Replaced, never changed, so that who searches needs no lock."""

    contents: Contents
    segments: tuple[Segment, ...] = ()
    version: Version | None = None

    def __post_init__(self) -> None:
        rows: dict[str, list[Indexed]] = {segment.name: [] for segment in self.segments}
        for document in self.contents.documents:
            rows[document.segment].append(document)
        self.rows = tuple(sorted(rows[segment.name], key=lambda row: row.first) for segment in self.segments)
        self.firsts = tuple([row.first for row in of] for of in self.rows)
        self.alive = tuple(self._alive(number) for number in range(len(self.segments)))

    def find(self, query: str, vector: Vectors, k: int, where: Where | None, limits: Limits) -> list[Passage]:
        """The best `k` passages within the limits, the best first."""
        passages: list[Passage] = []
        of_section: Counter[tuple[str, tuple[str, ...]]] = Counter()
        for hit in filter(limits.fits, search(self.segments, self.chosen(where), vector, terms(query), limits.fusion)):
            document, chunk = self.document(hit.segment, hit.row), self.segments[hit.segment].chunk(hit.row)
            of_section[section := (document.digest, chunk.headings)] += 1
            if chunk.headings and of_section[section] > MOST_OF_SECTION:
                continue
            passages.append(_passage(hit, document, chunk))
            if len(passages) == k:
                break
        return passages

    def document(self, segment: int, row: int) -> Indexed:
        return self.rows[segment][bisect.bisect_right(self.firsts[segment], row) - 1]

    def chosen(self, where: Where | None) -> tuple[Alive | None, ...]:
        """What may be found: not what belongs to removed documents, nor to those that a filter leaves out."""
        if where is None:
            return self.alive
        return tuple(self._marked(n, (row for row in self.rows[n] if matches(row.facts, where))) for n in range(len(self.rows)))

    def _alive(self, number: int) -> Alive | None:
        whole = sum(row.passages for row in self.rows[number]) == len(self.segments[number])
        return None if whole else self._marked(number, self.rows[number])

    def _marked(self, number: int, rows: Iterable[Indexed]) -> Alive:
        mask = np.zeros(len(self.segments[number]), np.bool_)
        for row in rows:
            mask[row.first : row.first + row.passages] = True
        return mask


def _passage(hit: Hit, document: Indexed, chunk: Chunk) -> Passage:
    return Passage(
        chunk.text,
        document.sources[0],
        document.title,
        chunk.headings,
        chunk.page,
        round(hit.score, 4),
        round(hit.similarity, 4),
        round(hit.bm25, 4),
        round(hit.coverage, 4),
        document.facts,
    )
