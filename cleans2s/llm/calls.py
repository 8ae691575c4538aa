"""Calls of functions as chat models write them in their text: `<tool_call>{"name": …, "arguments": {…}}</tool_call>`
(Hermes, Qwen, SmolLM2), `[TOOL_CALLS] [{…}]` (Mistral), or nothing but the JSON (Llama 3, with `parameters`)."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterator
from typing import Any, cast

from ..stages import ToolCall

MARKS = ("<tool_call>", "[TOOL_CALLS]", "<|python_tag|>")

_JSON_FIRST = re.compile(r"\s*(?:```(?:json)?\s*)?(?:\[\s*)?\{")
_OPENING = re.compile(r"\{|\[(?!TOOL_CALLS\])")
_PERHAPS_JSON = re.compile(r"\s*(?:`{1,3}(?:json?|js?)?\s*)?(?:\[\s*)?")


def before_calls(text: str) -> int:
    """How many characters of a text that may still go on are no call: up to the first mark, or to what may become one.
    JSON that begins the text is a call, too."""
    if _JSON_FIRST.match(text) or _PERHAPS_JSON.fullmatch(text):
        return 0
    found = [place for mark in MARKS if (place := text.find(mark)) >= 0]
    return min(found) if found else len(text) - held_back(text, MARKS)


def held_back(text: str, marks: tuple[str, ...]) -> int:
    """How many characters at the end of a text are the beginning of one of these marks."""
    return max((n for mark in marks for n in range(1, len(mark)) if text.endswith(mark[:n])), default=0)


def calls_in(text: str) -> Iterator[ToolCall]:
    """Every call that is whole; RuntimeError if one was begun and is not JSON to its end."""
    place, decoder = 0, json.JSONDecoder()
    while (opening := _OPENING.search(text, place)) is not None:
        try:
            value, place = decoder.raw_decode(text, opening.start())
        except ValueError:
            raise RuntimeError(
                f"a function call was cut or is not JSON: {text[opening.start() :][-60:]!r}; allow it more with max_tokens"
            ) from None
        for call in cast("list[Any]", value if isinstance(value, list) else [value]):
            if isinstance(call, dict) and isinstance(name := cast("dict[str, Any]", call).get("name"), str):
                arguments = cast("dict[str, Any]", call).get("arguments", cast("dict[str, Any]", call).get("parameters", {}))
                written = arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
                yield ToolCall(f"call_{uuid.uuid4().hex}", name, written)
