"""From a document to passages of a size that an embedding can hold: by its headings, then its paragraphs, then sentences.

A passage never crosses a heading, because what stands under two headings is about two things. Inside a section, whole
paragraphs are put together while they fit; the next passage repeats the last sentences of the one before it, so that a
thought that was cut is whole in one of the two.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from ..errors import RAGError
from ..text import HAN, words_of


@dataclass(frozen=True)
class Block:
    """A paragraph (`level` 0) or a heading (1 is the highest) of a document."""

    text: str
    level: int = 0
    page: int | None = None


@dataclass(frozen=True)
class Chunk:
    text: str
    headings: tuple[str, ...] = ()
    page: int | None = None

    @property
    def whole(self) -> str:
        """With the headings above it: often only they say what the text is about."""
        return "\n".join([*self.headings, self.text]) if self.headings[-1:] != (self.text,) else "\n".join(self.headings)


@dataclass(frozen=True)
class Splitting:
    """Sizes are in words; a Chinese character is one. Passages of 100 found more than those of 160 (`bench rag`, development
    questions), and all-MiniLM-L6-v2 sees no more than 256 tokens: an English word has 1.3, a Chinese character one."""

    size_words: int = 100
    overlap_words: int = 20

    def __post_init__(self) -> None:
        if self.size_words < 10 or not 0 <= self.overlap_words <= self.size_words // 2:
            raise RAGError(
                f"size_words {self.size_words}, overlap_words {self.overlap_words}: expected a size of 10 or more, and an "
                "overlap of at most half of it"
            )


def split(blocks: Iterable[Block], splitting: Splitting | None = None) -> Iterator[Chunk]:
    splitting = splitting or Splitting()
    headings: list[tuple[int, str]] = []
    section: list[Block] = []
    lone = False  # a heading under which nothing has come yet

    def path() -> tuple[str, ...]:
        return tuple(text for _, text in headings)

    for block in blocks:
        if not block.text.strip():
            continue
        if not block.level:
            section.append(block)
            lone = False
            continue
        yield from _packed(section, path(), splitting)
        section = []
        if lone and headings and headings[-1][0] >= block.level:
            yield Chunk(headings[-1][1], path(), block.page)
        while headings and headings[-1][0] >= block.level:
            headings.pop()
        headings.append((block.level, " ".join(block.text.split())))
        lone = True
    yield from _packed(section, path(), splitting)
    if lone and headings:
        yield Chunk(headings[-1][1], path())


@dataclass
class _Part:
    """A sentence, and what stood between it and the one before."""

    text: str
    words: int
    glue: str
    page: int | None


@dataclass
class _Open:
    """The passage that is being put together."""

    parts: list[_Part] = field(default_factory=list[_Part])
    fresh: int = 0
    """Parts that are not repeated from the passage before."""

    @property
    def words(self) -> int:
        return sum(part.words for part in self.parts)

    def chunk(self, headings: tuple[str, ...]) -> Chunk:
        text = "".join(part.glue * bool(number) + part.text for number, part in enumerate(self.parts))
        return Chunk(text, headings, self.parts[len(self.parts) - self.fresh].page)

    def rest(self, overlap_words: int) -> _Open:
        """The end of this passage, with which the next one begins."""
        kept: list[_Part] = []
        for part in reversed(self.parts):
            if part.words > overlap_words:
                break
            overlap_words -= part.words
            kept.insert(0, part)
        return _Open(kept if len(kept) < len(self.parts) else [])


def _packed(section: list[Block], headings: tuple[str, ...], splitting: Splitting) -> Iterator[Chunk]:
    now = _Open()
    for block in section:
        parts = _parts(block, splitting.size_words)
        whole = sum(part.words for part in parts)
        begun = now.fresh and now.words >= splitting.size_words // 2
        if begun and now.words + whole > splitting.size_words >= whole:  # it fits into the next one as a whole
            yield now.chunk(headings)
            now = now.rest(splitting.overlap_words)
        for part in parts:
            if now.fresh and now.words + part.words > splitting.size_words:
                yield now.chunk(headings)
                now = now.rest(splitting.overlap_words)
            if not now.fresh and now.words + part.words > splitting.size_words:
                now = _Open()  # a long sentence leaves no room for what would be repeated
            now.parts.append(part)
            now.fresh += 1
    if now.fresh:
        yield now.chunk(headings)


def _parts(block: Block, size_words: int) -> list[_Part]:
    parts: list[_Part] = []
    for sentence in sentences(block.text):
        for piece in _pieces(sentence, size_words):
            glue = "\n\n" if not parts else "" if re.search(rf"[{HAN}。！？；…”」]$", parts[-1].text) else " "
            parts.append(_Part(piece, max(1, len(words_of(piece))), glue, block.page))
    return parts


def _pieces(sentence: str, size_words: int) -> Iterator[str]:
    """A sentence longer than a passage, cut at a mark or a space, or anywhere."""
    while len(words_of(sentence)) > size_words:
        ends = [match.end() for match in re.finditer(rf"[{HAN}]|\S+?(?=[\s{HAN}]|$)|\S{{40}}", sentence)]
        at = ends[min(size_words, len(ends)) - 1] if ends else len(sentence)
        while at > 40 and len(words_of(sentence[:at])) > size_words:  # one \S+ may hold several words
            at = at * 2 // 3
        marks = [match.end() for match in re.finditer(r"[,;:，；：、]\s*|\s+", sentence[:at])]
        at = marks[-1] if marks and marks[-1] > at // 2 else at
        yield sentence[:at].strip()
        sentence = sentence[at:].strip()
    if sentence:
        yield sentence


_END = re.compile(
    rf"(?P<latin>[.!?…]+[\"'”’)\]]*)\s+(?=[\"'“‘(\[]?[^\sa-z])|[。！？；]+[”」』）】]*|(?<=[{HAN}])[.!?]+(?=[{HAN}])|\n+(?=\s*(?:[-*•·]|\d+[.)])\s)"
)
_NO_END = re.compile(
    r"(?:\b(?:Mr|Mrs|Ms|Dr|Prof|St|vs|etc|e\.g|i\.e|approx|cf|No|Nos|Fig|Figs|Eq|Inc|Ltd|Jr|Sr|Vol|pp?)|\b[A-Z])\.$|"
    r"(?:^|\s)\d{1,3}\.$"
)


def sentences(text: str) -> Iterator[str]:
    """The sentences of a paragraph, of English or Chinese; items of a list are some of their own."""
    begin = 0
    for match in _END.finditer(text):
        if match["latin"] and _NO_END.search(text[begin : match.end("latin")]):
            continue
        if sentence := text[begin : match.end()].strip():
            yield sentence
        begin = match.end()
    if sentence := text[begin:].strip():
        yield sentence
