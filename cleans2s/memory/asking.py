"""A language model of the session as memory asks it: in a worker thread, and the whole answer at once."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from typing import Any

from anyio import from_thread

from ..errors import StageError
from ..stages import LLM, Chat, TakesWishes, ToolCall, Wishes
from .extraction import FUNCTION, NAME, Ask

LENGTH = 2000
"""Tokens of an extract: sixteen turns may hold a dozen facts."""

PLAIN = Wishes(max_tokens=LENGTH, temperature=0.0)
CALLED = replace(PLAIN, tools=(FUNCTION,), tool_choice={"type": "function", "function": {"name": NAME}})


def asking(llm: LLM) -> Ask:
    """To be called in a worker thread of anyio (`to_thread.run_sync`) if the engine is async: it then runs in the session's own
    loop, where its connections are."""

    def ask(chat: Chat) -> str:
        if not isinstance(llm, TakesWishes):
            return _whole(llm.reply(chat))
        try:
            return _whole(llm.reply_as(chat, CALLED))
        except StageError:
            return _whole(llm.reply_as(chat, PLAIN))  # not every service takes functions
        except RuntimeError as error:  # a local model's call was cut short
            raise StageError("llm", str(error)) from None

    return ask


def _whole(pieces: Iterator[Any] | AsyncIterator[Any]) -> str:
    return from_thread.run(_joined, pieces) if isinstance(pieces, AsyncIterator) else _answer([*pieces])


async def _joined(pieces: AsyncIterator[Any]) -> str:
    return _answer([piece async for piece in pieces])


def _answer(pieces: list[Any]) -> str:
    """What was given to the function; or what was said, where the model called none."""
    calls = [piece.arguments for piece in pieces if isinstance(piece, ToolCall)]
    return calls[0] if calls else "".join(piece for piece in pieces if isinstance(piece, str))
