"""Looking something up while somebody speaks: in documents, and in the web.

    whether.py      is this a question that is looked up, and where?
    documents.py    the person's own documents: an index, kept up to date
    web.py          pages, as passages
    search.py       one look-up at a time, begun while the user still speaks
    guard.py        what was found is data: without what talks to the machine

Whoever finds something is a `Finder`. Importing this imports no index, no search engine and no network library.
"""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias, runtime_checkable

if TYPE_CHECKING:
    from ..rag.passages import Passage

Place: TypeAlias = Literal["documents", "search"]
"""Where something is looked up, by the stage that it is: `search` is the web's."""


class Finder(Protocol):
    """What a session asks, blocking or async. An engine's settings have a `load()` that gives one."""

    def find(self, query: str) -> list[Passage] | Awaitable[list[Passage]]:
        """The best passages, the best first; none where nothing fits."""
        ...

    def quote(self, query: str, passages: Sequence[Passage]) -> list[tuple[int, str]] | Awaitable[list[tuple[int, str]]]:
        """What of them can be said as it stands: sentences, each with the number of its passage, from 1."""
        ...

    def shown(self, passage: Passage) -> str:
        """Where a passage is from, as anybody may see it: the address of a page, or a document's name."""
        ...


@runtime_checkable
class Refreshed(Protocol):
    """A finder whose things may have changed since it was loaded."""

    def refresh(self) -> None:
        """Look what there is now. Blocking; called when a session begins."""
        ...
