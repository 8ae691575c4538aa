"""What retrieval gives, whichever engine looks: passages with where they stand, and how well they fit."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias, cast, runtime_checkable

from ..errors import RAGError
from . import view

Where: TypeAlias = "Mapping[str, Any] | Callable[[Mapping[str, Any]], bool]"
"""Which documents are looked at: `{"kind": "pdf", "year": [2024, 2025]}` (a value, or one of several), or a function of a
document's metadata. Every document has `source`, `title` and `kind` beside what it was added with."""


@dataclass(frozen=True)
class Passage:
    """A piece of a document. The numbers say how well it fits, and do not compare across questions except `similarity`."""

    text: str
    source: str
    """The file's path, the page's address, or the name under which a text was added."""

    title: str = ""
    headings: tuple[str, ...] = ()
    """The headings above it, the outermost first."""

    page: int | None = None
    """Of a PDF, counted from 1."""

    score: float = 0.0
    """Reciprocal rank fusion as a share of the most that is possible: 1 is the first by meaning and by words."""

    similarity: float = 0.0
    """Cosine of question and passage, from -1 to 1."""

    bm25: float = 0.0
    """Weight of the words that both have (Lucene's BM25); 0 is none."""

    coverage: float = 0.0
    """How much of the question's words the passage has, from 0 to 1, rare words counting more."""

    metadata: Mapping[str, Any] = field(default_factory=dict[str, Any])

    @property
    def place(self) -> str:
        """For a person: title, heading and page."""
        parts = [self.title or self.source, *self.headings[-1:], *([f"p. {self.page}"] if self.page else [])]
        return " · ".join(dict.fromkeys(parts))

    def _repr_html_(self) -> str:
        return view.passages([self])


@runtime_checkable
class Retriever(Protocol):
    """Any engine that finds passages. Blocking; safe from several threads."""

    def retrieve(self, query: str, k: int = 5) -> list[Passage]:
        """The best passages, the best first; empty when there is nothing that fits."""
        ...


@runtime_checkable
class WebDocument(Protocol):
    """A page that was read elsewhere, as `cleans2s.websearch` gives it."""

    @property
    def url(self) -> str: ...

    @property
    def title(self) -> str: ...

    @property
    def text(self) -> str: ...


def matches(metadata: Mapping[str, Any], where: Where | None) -> bool:
    if where is None:
        return True
    if callable(where):
        return bool(where(metadata))
    return all(name in metadata and _is(metadata[name], wanted) for name, wanted in where.items())


def _is(value: Any, wanted: Any) -> bool:
    if isinstance(wanted, Collection) and not isinstance(wanted, str):
        return value in cast("Collection[Any]", wanted)
    return value == wanted


def question(query: str) -> str:
    """The question without spaces around it; RAGError where there is none."""
    if not query.strip():
        raise RAGError("the question is empty: expected some words to look for")
    return query.strip()[:LONGEST_QUESTION]


LONGEST_QUESTION = 2000
"""Characters of a question that are looked at; the embedding model sees no more of it anyway."""
