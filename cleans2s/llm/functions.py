"""What a language model has to be told to call a function.

llama.cpp takes `tool_choice` without enforcing it (xllamacpp 2026.10 answers "required" in prose), so a call that must be
made is asked for by its JSON schema.
"""

from __future__ import annotations

import json
import uuid
from typing import Any

from ..stages import ToolCall, Wishes

NO_ARGUMENTS: dict[str, Any] = {"type": "object", "properties": {}, "additionalProperties": False}


def schema_of_calls(wishes: Wishes) -> dict[str, Any] | None:
    """The JSON schema of the call that must be made; None where none must."""
    if not wishes.tools or wishes.tool_choice in ("auto", "none"):
        return None
    functions = [tool["function"] for tool in wishes.tools]
    if wishes.tool_choice != "required":
        functions = [one for one in functions if one["name"] == wishes.tool_choice["function"]["name"]]
    return {
        "anyOf": [
            {
                "type": "object",
                "properties": {"name": {"const": one["name"]}, "arguments": one.get("parameters") or NO_ARGUMENTS},
                "required": ["name", "arguments"],
                "additionalProperties": False,
            }
            for one in functions
        ]
    }


def the_call(said: str) -> ToolCall:
    """The call that was written by the schema; RuntimeError if it was cut short."""
    try:
        call = json.loads(said)
    except ValueError:
        raise RuntimeError(f"a function call was cut at {said[-40:]!r}; allow it more with max_tokens") from None
    return ToolCall(f"call_{uuid.uuid4().hex}", call["name"], json.dumps(call["arguments"]))
