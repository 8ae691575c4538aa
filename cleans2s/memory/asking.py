"""A language model of the session as memory asks it: in a worker thread, and the whole answer at once."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

from anyio import from_thread

from ..stages import LLM, Chat, TakesWishes, Wishes
from .extraction import Ask

LENGTH = 2000
"""Tokens of an extract: sixteen turns may hold a dozen facts."""


def asking(llm: LLM) -> Ask:
    """To be called in a worker thread of anyio (`to_thread.run_sync`) if the engine is async: it then runs in the session's own
    loop, where its connections are."""

    def ask(chat: Chat) -> str:
        pieces = _pieces(llm, chat)
        if isinstance(pieces, AsyncIterator):
            return from_thread.run(_joined, pieces)
        return "".join(piece for piece in pieces if isinstance(piece, str))

    return ask


def _pieces(llm: LLM, chat: Chat) -> Iterator[Any] | AsyncIterator[Any]:
    if isinstance(llm, TakesWishes):
        return llm.reply_as(chat, Wishes(max_tokens=LENGTH, temperature=0.0))
    return llm.reply(chat)


async def _joined(pieces: AsyncIterator[Any]) -> str:
    return "".join([piece async for piece in pieces if isinstance(piece, str)])
