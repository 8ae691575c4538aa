"""A conversation as the prompt of a model, by the model's own chat template."""

from __future__ import annotations

import functools
import json
import re
from typing import Any

from ..errors import ConfigError
from ..stages import Chat, imported


class Template:
    def __init__(self, tokenizer: Any, model: str) -> None:
        self._tokenizer, self._model = tokenizer, model
        special = [token.content for token in tokenizer.added_tokens_decoder.values() if token.special]
        self._control = re.compile("|".join(map(re.escape, special)) or r"(?!)")

    def prompt(self, chat: Chat, examples: tuple[tuple[str, str], ...] = (), tools: tuple[Any, ...] = ()) -> str:
        """The conversation up to where the model's answer begins, after the examples, which follow the instructions. What
        anybody said holds no control tokens."""
        if tools and "tools" not in json.dumps(self._tokenizer.chat_template):
            raise ConfigError(f"{self._model} has no place for functions in its chat template; choose a model that calls them")
        head = [message for message in chat[:1] if message["role"] == "system"]
        shown = [
            {"role": role, "content": text} for pair in examples for role, text in zip(("user", "assistant"), pair, strict=True)
        ]
        messages = [self._said(message) for message in (*head, *shown, *chat[len(head) :])]
        write = functools.partial(
            self._tokenizer.apply_chat_template,
            tools=list(tools) or None,
            add_generation_prompt=True,
            tokenize=False,
            enable_thinking=False,  # known to the templates of models that would think aloud first
        )
        try:
            return write(messages)
        except imported("jinja2").TemplateError:  # it knows no system message, or not two of one role in a row
            return write(_alternating(messages))

    def plain(self, text: str) -> str:
        """Text that holds no control token: what a user or a document says cannot begin a message of another role."""
        return self._control.sub(lambda found: f"{found[0][0]} {found[0][1:]}", text)

    def _said(self, message: dict[str, Any]) -> dict[str, Any]:
        said = dict(message)
        if isinstance(said.get("content"), str):
            said["content"] = self.plain(said["content"])
        if calls := said.get("tool_calls"):  # templates write the arguments as JSON themselves
            called = [call | {"function": call["function"] | _arguments(call)} for call in calls]
            said["tool_calls"] = json.loads(self.plain(json.dumps(called, ensure_ascii=False)))
        return said


def _arguments(call: dict[str, Any]) -> dict[str, Any]:
    written = call["function"].get("arguments") or "{}"
    return {"arguments": json.loads(written) if isinstance(written, str) else written}


def _alternating(messages: Chat) -> Chat:
    """Only user and assistant, in turn: what follows in the same role is joined, and the instructions open the first."""
    joined: Chat = []
    for message in messages:
        role = "assistant" if message["role"] == "assistant" else "user"
        if joined and joined[-1]["role"] == role:
            joined[-1] = {"role": role, "content": f"{joined[-1]['content']}\n\n{message['content']}"}
        else:
            joined.append({"role": role, "content": message["content"]})
    return joined
