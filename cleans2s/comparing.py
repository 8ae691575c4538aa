"""The same question without and with the documents, for a page: what either side says as it comes, then the times, the words
that only one of them has, and which sentences of the passages were used."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from .rag.chunks import sentences
from .rag.compare import Comparison, Side
from .rag.embeddings import Vectors
from .rag.engine import RAG
from .rag.passages import Passage

PASSAGES = 4

NEAR = 0.45
"""Cosine from which a sentence counts as the one that was meant by a citation; below, none is marked."""

_CITED = re.compile(r"(?P<said>.*?)\s*(?P<numbers>(?:\[\d{1,2}(?:\s*[,，]\s*\d{1,2})*\]\s*)+)", re.DOTALL)


def compared(rag: RAG, query: str, llm: Any) -> Generator[dict[str, Any]]:
    """Blocking. Raises RAGError, and what the language model's engine raises when it is loaded."""
    comparison = rag.compare(query, llm, k=PASSAGES)  # loads what neither side is to wait for
    began_s = time.perf_counter()
    passages = rag.retrieve(comparison.query, PASSAGES)
    retrieval_ms = _ms(time.perf_counter() - began_s)
    yield {"type": "sources", "retrieval_ms": retrieval_ms, "sources": [_source(row, n) for n, row in enumerate(passages, 1)]}
    over: set[str] = set()
    for said in comparison:
        yield {"type": "said", "side": said.side, "text": said.text}
        yield from _over(comparison, over)
    yield from _over(comparison, over)
    marks = [{"number": n, "text": text} for n, text in used(comparison.rag.text, comparison.passages, rag.encode)]
    spans = {name: [asdict(span) for span in row] for name, row in zip(("plain", "rag"), comparison.spans, strict=True)}
    yield {"type": "done", "style": comparison.style, "marks": marks, "spans": spans}


def _over(comparison: Comparison, told: set[str]) -> Iterator[dict[str, Any]]:
    """The sides that have finished meanwhile."""
    sides: dict[str, Side] = {"plain": comparison.plain, "rag": comparison.rag}
    for name, side in sides.items():
        if name not in told and (side.total_s is not None or side.error):
            told.add(name)
            yield {
                "type": "over",
                "side": name,
                "first_ms": _ms(side.first_s),
                "total_ms": _ms(side.total_s),
                "error": side.error or "",
            }


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 1)


def _source(passage: Passage, number: int) -> dict[str, Any]:
    """As the sources of a reply: no place on the disk is in it."""
    web = passage.source.startswith(("http://", "https://"))
    return {
        "number": number,
        "kind": "web" if web else "document",
        "title": passage.place if passage.title else Path(passage.source).name,
        "url": passage.source if web else "",
        "file": "" if web else Path(passage.source).name,
        "text": passage.text,
        "score": passage.score,
        "similarity": passage.similarity,
    }


def used(text: str, passages: Sequence[Passage], encode: Callable[[list[str]], Vectors]) -> list[tuple[int, str]]:
    """The sentences of the passages that an answer quotes, or means by its citations: their passage's number, from 1, and
    the sentence as it stands there."""
    found: dict[tuple[int, str], None] = {}
    for match in _CITED.finditer(text):
        for number in dict.fromkeys(int(digits) for digits in re.findall(r"\d+", match["numbers"])):
            if 0 < number <= len(passages):
                passage = passages[number - 1].text
                quoted = quote_in(passage, match["said"])
                for sentence in [quoted] if quoted else _nearest(match["said"], passage, encode):
                    found[number, sentence] = None
    return list(found)


def _nearest(said: str, passage: str, encode: Callable[[list[str]], Vectors]) -> Iterator[str]:
    """For each sentence that was said, the one of the passage that is nearest to it."""
    ours = list(sentences(said.strip()))
    theirs = [sentence for paragraph in passage.split("\n\n") for sentence in sentences(paragraph)]
    if ours and theirs:
        vectors = encode([*ours, *theirs])
        for row in range(len(ours)):
            cosines: list[float] = (vectors[len(ours) :] @ vectors[row]).tolist()
            best = max(range(len(theirs)), key=cosines.__getitem__)
            if cosines[best] >= NEAR:
                yield theirs[best]


def quote_in(passage: str, quote: str) -> str:
    """What of a passage a quotation is, whatever became of its spaces, and where it was cut; "" if it does not stand there."""
    letters = [character for character in quote.strip().removesuffix("…") if not character.isspace()]
    match = re.search(r"\s*".join(map(re.escape, letters)), passage) if letters else None
    return match[0] if match else ""
