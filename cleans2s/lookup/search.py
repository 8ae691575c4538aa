"""One look-up at a time, begun while the user still speaks.

    words so far ─→ whether.py ─┬─ documents: at once, beside the judge (they are here, and cost some 10 ms)
                                └─ the web:   when the judge has found an ordinary turn, and the documents nothing

It is kept while the words ask the same, and dropped when they ask something else. On words of which more may come, the web is
only asked what was asked twice in a row: half a question is no business of strangers, and costs a query.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol

import anyio

from ..errors import StageError
from ..text import PHRASE_OPENERS, words_of
from . import Place
from .guard import harmless
from .whether import NOTHING, Wanted, wanted

if TYPE_CHECKING:
    from ..rag.passages import Passage


GOES_ON = PHRASE_OPENERS | frozenset("the a an of my your our their his her its 的 和 在 从 到 跟 是 把 对 给".split())
"""After these words something has to follow."""


class Engines(Protocol):
    """What a look-up needs of a session's engines."""

    @property
    def able(self) -> bool: ...
    @property
    def finders(self) -> dict[Place, Any]: ...
    async def find(self, place: Place, query: str) -> list[Passage]: ...
    async def quote(self, place: Place, query: str, passages: list[Passage]) -> list[tuple[int, str]]: ...


@dataclass(eq=False)
class Search:
    """A look-up, under way or done."""

    wanted: Wanted
    asked: int = 1
    """How many times in a row the words asked for this, and might have been all."""

    allowed: anyio.Event = field(default_factory=anyio.Event)
    """Set when more than a look into the index may be done for it."""

    done: anyio.Event = field(default_factory=anyio.Event)
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    claimed: bool = False
    """By a turn that is over: later words do not drop it."""

    place: Place | None = None
    """Where something was found."""

    passages: list[Passage] = field(default_factory=list["Passage"])
    quotes: list[tuple[int, str]] = field(default_factory=list[tuple[int, str]])
    """What can be said as it stands, for a model that cannot put it into words of its own."""

    failures: list[StageError] = field(default_factory=list[StageError])
    looked: bool = False
    """Whether the web was searched, or something failed: then it has to be said that nothing came of it."""

    def allow(self, partial: bool) -> None:
        """The judge has found an ordinary turn."""
        if not partial or self.asked > 1:
            self.allowed.set()


class Lookup:
    """Of one session. `start` runs a coroutine function in the session's task group."""

    def __init__(self, engines: Engines, start: Callable[[Callable[[Search], Awaitable[None]], Search], object]) -> None:
        self._engines, self._start = engines, start
        self._running: Search | None = None
        """For the turn in progress."""
        self._last = NOTHING
        """What the turn before had looked up."""

    def begin(self, words: str) -> Search | None:
        """What these words need looked up, if anything: the search that is under way for it, or a new one."""
        asked = self._asked(words)
        running = self._running
        if running and not asked.nothing and running.wanted.content == asked.content:
            running.asked += words_of(words)[-1] not in GOES_ON
            return running
        self.drop(running)
        if asked.nothing:
            return None
        self._running = search = Search(asked)
        self._start(self._look, search)
        return search

    def _asked(self, words: str) -> Wanted:
        asked = wanted(words)
        if asked.follows:
            before = self._last if not self._last.nothing else Wanted(documents=True)
            asked = replace(before, query=f"{before.query} {asked.query}".strip())
        finders = self._engines.finders
        return replace(asked, documents=asked.documents and "documents" in finders, web=asked.web and "search" in finders)

    def drop(self, search: Search | None) -> None:
        """It is not needed any more."""
        if search and not search.claimed:
            search.scope.cancel()
        if search is self._running:
            self._running = None

    def claim(self, search: Search | None) -> None:
        """The turn is over, and this is what was looked up for it."""
        self._last = search.wanted if search else NOTHING
        if search:
            search.claimed = True
        if self._running is search:
            self._running = None
        else:
            self.drop(self._running)

    async def _look(self, search: Search) -> None:
        asked = search.wanted
        places: tuple[tuple[Place, bool], ...] = (("documents", asked.documents), ("search", asked.web))
        with search.scope:
            for place, wants in places:
                if wants and not search.place:
                    if place == "search":
                        await search.allowed.wait()
                    search.looked = search.looked or place == "search"
                    await self._look_into(place, search)
        search.done.set()

    async def _look_into(self, place: Place, search: Search) -> None:
        try:
            passages = harmless(await self._engines.find(place, search.wanted.query))
            quotes: list[tuple[int, str]] = []
            if passages and not self._engines.able:
                await search.allowed.wait()  # of half a question nobody wants to hear a sentence
                quotes = await self._engines.quote(place, search.wanted.query, passages)
        except StageError as failure:
            search.failures.append(failure)
            search.looked = True
            return
        if passages and (quotes or self._engines.able):
            search.place, search.passages, search.quotes = place, passages, quotes
