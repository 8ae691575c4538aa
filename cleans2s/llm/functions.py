"""What a language model has to be told to call a function.

llama.cpp takes `tool_choice` without enforcing it (xllamacpp 2026.10 answers "required" in prose), so a call that must be
made is asked for by its JSON schema. The functions are then told in the system message: llama.cpp writes them there only for
a model whose chat template has a place for them, and one that knows nothing of them, held to their schema, writes what no
question was about (SmolLM2-135M: the right arguments for 5 of 19 requests, told 15; Qwen2.5-Coder-1.5B 17 either way).
"""

from __future__ import annotations

import json
import uuid
from typing import Any

from ..stages import Chat, ToolCall, Wishes

NO_ARGUMENTS: dict[str, Any] = {"type": "object", "properties": {}, "additionalProperties": False}

FORM = 'Answer with one line of JSON: {"name": ..., "arguments": {...}}'


def schema_of_calls(wishes: Wishes) -> dict[str, Any] | None:
    """The JSON schema of the call that must be made; None where none must."""
    if not wishes.tools or wishes.tool_choice in ("auto", "none"):
        return None
    return {
        "anyOf": [
            {
                "type": "object",
                "properties": {"name": {"const": one["name"]}, "arguments": one.get("parameters") or NO_ARGUMENTS},
                "required": ["name", "arguments"],
                "additionalProperties": False,
            }
            for one in _callable(wishes)
        ]
    }


def telling(chat: Chat, wishes: Wishes) -> Chat:
    """A conversation whose system message also tells the functions, one of which must be called."""
    functions = "\n".join(json.dumps(one, ensure_ascii=False) for one in _callable(wishes))
    told = f"You call functions. These are there:\n{functions}\n{FORM}"
    head = [message["content"] for message in chat[:1] if message["role"] == "system"]
    return [{"role": "system", "content": "\n\n".join([*head, told])}, *chat[len(head) :]]


def _callable(wishes: Wishes) -> list[dict[str, Any]]:
    functions = [tool["function"] for tool in wishes.tools]
    if wishes.tool_choice == "required":
        return functions
    return [one for one in functions if one["name"] == wishes.tool_choice["function"]["name"]]


def the_call(said: str) -> ToolCall:
    """The call that was written by the schema; RuntimeError if it was cut short."""
    try:
        call = json.loads(said)
    except ValueError:
        raise RuntimeError(f"a function call was cut at {said[-40:]!r}; allow it more with max_tokens") from None
    return ToolCall(f"call_{uuid.uuid4().hex}", call["name"], json.dumps(call["arguments"]))
