"""A language model of the session as memory asks it: in a worker thread, and the whole answer at once."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

from anyio import from_thread

from ..errors import StageError
from ..stages import LLM, Chat, TakesWishes, ToolCall, Wishes
from .extraction import FUNCTION, NAME, Ask

LENGTH = 2000
"""Tokens of an extract: sixteen turns may hold a dozen facts."""


def asking(llm: LLM) -> Ask:
    """To be called in a worker thread of anyio (`to_thread.run_sync`) if the engine is async: it then runs in the session's own
    loop, where its connections are."""

    def ask(chat: Chat) -> str:
        pieces = _pieces(llm, chat)
        if isinstance(pieces, AsyncIterator):
            return from_thread.run(_joined, pieces)
        try:
            return _answer([*pieces])
        except RuntimeError as error:  # such as a call that was cut short
            raise StageError("llm", str(error)) from None

    return ask


def _pieces(llm: LLM, chat: Chat) -> Iterator[Any] | AsyncIterator[Any]:
    if isinstance(llm, TakesWishes):
        choice = {"type": "function", "function": {"name": NAME}}
        return llm.reply_as(chat, Wishes(max_tokens=LENGTH, temperature=0.0, tools=(FUNCTION,), tool_choice=choice))
    return llm.reply(chat)


async def _joined(pieces: AsyncIterator[Any]) -> str:
    return _answer([piece async for piece in pieces])


def _answer(pieces: list[Any]) -> str:
    """What was given to the function; or what was said, where the model called none."""
    calls = [piece.arguments for piece in pieces if isinstance(piece, ToolCall)]
    return calls[0] if calls else "".join(piece for piece in pieces if isinstance(piece, str))
