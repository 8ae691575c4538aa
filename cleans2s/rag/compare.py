"""The same model without and with the documents, side by side: what it says, from where, how fast, and which words only one
of the two has."""

from __future__ import annotations

import difflib
import queue
import re
import threading
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from ..errors import Cleans2sError
from ..text import HAN
from . import view
from .answer import Answer, answered, brain_of, pieces
from .passages import Passage, Where, question

if TYPE_CHECKING:
    from .engine import RAG

SideName: TypeAlias = Literal["plain", "rag"]


@dataclass(frozen=True)
class Said:
    side: SideName
    text: str


@dataclass(frozen=True)
class Span:
    """A run of words; `alone` where the other side does not have them."""

    text: str
    alone: bool


@dataclass
class Side:
    """One of the two answers, as far as it has come. Times are in seconds from the question."""

    text: str = ""
    first_s: float | None = None
    total_s: float | None = None
    error: str | None = None


class Comparison:
    """Iterate over it for what either side says, as it comes; both are written at the same time, so each is somewhat slower
    than it would be alone. Then `plain` and `rag` hold the answers, `passages` the sources, `spans` the words. A side that
    fails says so in its `error`, and the other goes on."""

    def __init__(self, rag: RAG, query: str, llm: Any, *, k: int, where: Where | None, style: str) -> None:
        self.query, self.brain = question(query), brain_of(llm)
        rag.prepare()  # neither side has to load its model
        self.plain, self.rag = Side(), Side()
        self.passages: tuple[Passage, ...] = ()
        self.style = ""
        self._arrived: queue.SimpleQueue[Said | Side | BaseException] = queue.SimpleQueue()
        self._left = threading.Event()
        self._retrieval = (rag, k, where, style)

    def __iter__(self) -> Generator[Said]:
        sides: tuple[tuple[Side, SideName, Any], ...] = (
            (self.plain, "plain", self._pieces_plain),
            (self.rag, "rag", self._pieces_rag),
        )
        threads = [threading.Thread(target=self._write, args=row, name="cleans2s-compare", daemon=True) for row in sides]
        for thread in threads:
            thread.start()
        try:
            waiting = len(threads)
            while waiting:
                match self._arrived.get():
                    case Side():
                        waiting -= 1
                    case Said() as said:
                        yield said
                    case BaseException() as error:
                        raise error
        finally:
            self._left.set()
            for thread in threads:
                thread.join()

    def _write(self, side: Side, name: SideName, begin: Any) -> None:
        began_s = time.perf_counter()
        try:
            with closing(begin()) as said:
                for piece in said:
                    if self._left.is_set():
                        return
                    if piece and side.first_s is None:
                        side.first_s = time.perf_counter() - began_s
                    side.text += piece
                    self._arrived.put(Said(name, piece))
            side.total_s = time.perf_counter() - began_s
        except Cleans2sError as error:
            side.error = str(error)
        except BaseException as error:  # a programming error belongs to whoever iterates
            self._arrived.put(error)
        self._arrived.put(side)

    def _pieces_plain(self) -> Generator[str]:
        from ..config import INSTRUCTIONS  # the agent's, as it talks without documents

        yield from pieces(self.brain, [{"role": "system", "content": INSTRUCTIONS}, {"role": "user", "content": self.query}])

    def _pieces_rag(self) -> Generator[str]:
        rag, k, where, style = self._retrieval
        answer: Answer = answered(rag, self.query, self.brain, k=k, where=where, style=style)
        self.passages, self.style = answer.passages, answer.style
        yield from answer

    @property
    def spans(self) -> tuple[tuple[Span, ...], tuple[Span, ...]]:
        """Both texts, cut into words that the other has and words that only this one has; put together they are the text."""
        return differences(self.plain.text, self.rag.text)

    def _repr_html_(self) -> str:
        return view.comparison(self)


def compared(rag: RAG, query: str, llm: Any, *, k: int, where: Where | None, style: str) -> Comparison:
    return Comparison(rag, query, llm, k=k, where=where, style=style)


def differences(one: str, other: str) -> tuple[tuple[Span, ...], tuple[Span, ...]]:
    """Two texts word by word, whatever their case and marks; a Chinese character is a word."""
    words = [_words(text) for text in (one, other)]
    keys = [[re.sub(r"\W+", "", word.lower()) for word in row] for row in words]
    shared: tuple[set[int], set[int]] = (set(), set())
    for block in difflib.SequenceMatcher(None, keys[0], keys[1], autojunk=False).get_matching_blocks():
        shared[0].update(range(block.a, block.a + block.size))
        shared[1].update(range(block.b, block.b + block.size))
    return tuple(_spans(words[0], shared[0])), tuple(_spans(words[1], shared[1]))


def _words(text: str) -> list[str]:
    """Words with the spaces and marks behind them, so that nothing is lost."""
    return re.findall(rf"(?:[{HAN}]|[^\s{HAN}]+)\s*|\s+", text)


def _spans(words: Sequence[str], shared: set[int]) -> Iterator[Span]:
    run, alone = "", False
    for number, word in enumerate(words):
        if run and alone != (number not in shared):
            yield Span(run, alone)
            run = ""
        run, alone = run + word, number not in shared
    if run:
        yield Span(run, alone)
