"""Conversation items of the protocol ↔ messages on the session's record."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from ..conversation import Conversation, Message, new_id
from ..session import TEXT_LIMIT
from ..stages import Chat
from ..text import joined
from .wire import WireError

ITEM = "realtime.item"


def item(message: Message) -> dict[str, Any]:
    head = {"id": message.id, "object": ITEM}
    match message.role:
        case "call":
            call = {"name": message.name, "arguments": message.text, "call_id": message.call_id}
            return head | {"type": "function_call", "status": "completed"} | call
        case "output":
            return head | {"type": "function_call_output", "call_id": message.call_id, "output": message.text}
        case "assistant":
            part = {"type": "output_audio", "transcript": message.text} if message.spoken else output_text(message.text)
            status = "incomplete" if message.ending not in ("finished", None) else "completed"
            return head | {"type": "message", "role": "assistant", "status": status, "content": [part]}
        case role:
            part = {"type": "input_audio", "transcript": message.text} if message.spoken else input_text(message.text)
            return head | {"type": "message", "role": role, "status": "completed", "content": [part]}


def input_text(text: str) -> dict[str, str]:
    return {"type": "input_text", "text": text}


def output_text(text: str) -> dict[str, str]:
    return {"type": "output_text", "text": text}


Hear = Callable[[str], Awaitable[str]]
"""The words of base64 sound."""


async def message(item: Any, hear: Hear, at_s: float, where: str = "item") -> Message:
    """A checked item of a client as a message. Raises WireError for what is not supported or too long."""
    id = item.id or new_id()
    if not 0 < len(id) <= 64:
        raise WireError(f"{where}.id: expected 1 to 64 characters", "invalid_value", f"{where}.id")
    match item.type:
        case "function_call":
            made = Message("call", item.arguments, at_s, id=id, call_id=item.call_id or new_id(), name=item.name)
        case "function_call_output":
            made = Message("output", item.output, at_s, id=id, call_id=item.call_id)
        case "message":
            words = [await _words(part, hear, f"{where}.content.{n}") for n, part in enumerate(item.content)]
            text = joined(filter(None, words))
            ending = "finished" if item.role == "assistant" else None
            made = Message(item.role, text.strip(), at_s, ending, id=id)
        case kind:
            raise WireError(f"{where}.type: items of type {kind!r} are not supported here", "unsupported", f"{where}.type")
    if len(made.text) > TEXT_LIMIT:
        problem = f"{where}: {len(made.text)} characters of text; expected at most {TEXT_LIMIT}; shorten it"
        raise WireError(problem, "string_above_max_length", where)
    return made


async def _words(part: Any, hear: Hear, where: str) -> str:
    if part.type in ("input_text", "output_text"):
        return part.text or ""
    if part.type in ("input_audio", "output_audio"):
        return part.transcript or (await hear(part.audio) if part.audio else "")
    raise WireError(
        f"{where}.type: {part.type!r} is not supported here; expected text or audio", "unsupported", f"{where}.type"
    )


def chat(messages: list[Message]) -> Chat:
    """A prompt of its own, for a response that is not about the conversation."""
    return Conversation(messages).prompt("")[1:]
