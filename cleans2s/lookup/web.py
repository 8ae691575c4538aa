"""The web as passages: search, read the pages, and keep what is about the question.

The pages of one search are many thousand words, and embedding them all would take seconds on one core. So the parts that
share words with the question are taken first, and only those are compared by meaning; the result has the index's own
threshold, below which nothing was found.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ..rag import RAG, Passage
from ..rag.answer import quotes
from ..rag.chunks import split
from ..rag.documents import of_text
from ..rag.embeddings import DEFAULT, Embedder, embedder
from ..rag.terms import terms
from ..web_search.found import Document
from ..websearch import WebSearchHelper

PASSAGES = 4
CANDIDATES = 12
"""Parts of all pages together that are compared by meaning, beside the beginning of each page."""


@dataclass(frozen=True)
class Web(WebSearchHelper):
    """A conversation's search: it is quicker with "I found nothing", and shared by all sessions of the process."""

    patience_s: float = 4.0
    """More is not waited for by somebody who listens."""

    places = 8

    def load(self) -> Web:
        super().load()
        page = Document("It is a page.", "A page", "http://example.org/")
        self.quote("What is it?", passages("What is it?", [page], self._model))
        return self

    @cached_property
    def _model(self) -> Embedder:
        return embedder(DEFAULT)

    def find(self, query: str) -> list[Passage]:
        return passages(query, self.gather(query), self._model)

    def quote(self, query: str, passages: Sequence[Passage]) -> list[tuple[int, str]]:
        return [(quote.number, quote.text) for quote in quotes(query, passages, lambda texts: self._model.encode(texts))]

    def shown(self, passage: Passage) -> str:
        return passage.source


def passages(query: str, pages: Sequence[Document], model: Embedder) -> list[Passage]:
    """What of the pages is about the query."""
    if not (near := _near(query, pages)):
        return []
    index = RAG(None, model=model, progress=False)
    index.add(*near)
    return index.retrieve(query, PASSAGES)


def _near(query: str, pages: Sequence[Document]) -> list[Document]:
    """The pages, cut down to their beginnings and the parts that have most of the query's words, rare words counting more."""
    parts: list[tuple[int, int, str]] = []
    for number, page in enumerate(pages):
        if any(character.isalnum() for character in page.text):
            text = page.text.replace("\n", "\n\n")  # a line of a page is a paragraph
            parts.extend((number, row, chunk.text) for row, chunk in enumerate(split(of_text(text, page.title).blocks)))
    asked = set(terms(query))
    having = [asked & set(terms(text)) for _, _, text in parts]
    weight = {term: math.log(1 + len(parts) / (1 + sum(term in each for each in having))) for term in asked}
    merit: list[Any] = [sum(weight[term] for term in each) for each in having]
    best = set(sorted(range(len(parts)), key=lambda place: -merit[place])[:CANDIDATES])
    kept: dict[int, list[str]] = {}
    for place, (number, row, text) in enumerate(parts):
        if not row or place in best:
            kept.setdefault(number, []).append(text)
    return [Document("\n\n".join(kept[n]), pages[n].title, pages[n].url, pages[n].date) for n in sorted(kept)]
