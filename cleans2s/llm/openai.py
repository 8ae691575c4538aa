"""Any server of OpenAI's chat completions: DeepSeek, OpenAI, SiliconFlow, vLLM, Ollama, llama.cpp …"""

from __future__ import annotations

import json
import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing, suppress
from dataclasses import dataclass, field, replace
from typing import Any, cast

import anyio

from ..errors import ConfigError
from ..openai_client import Service, faults
from ..stages import Chat, Finish, ToolCall, Wishes

TOKEN_CHARS = 12
"""Characters of a token at the most, on average; English has 4 to 5. What is longer than `max_tokens` of these does not end."""

EVENTS = "text/event-stream"
USAGE_S = 0.5
"""Waited for the count of tokens when the answer is complete."""


@dataclass(frozen=True)
class OpenAIChat:
    """DeepSeek by default. The key comes from LLM_API_KEY, or else OPENAI_API_KEY; a server on this machine or its network
    needs none."""

    model: str = "deepseek-chat"
    """As the server calls it; one that thinks before it speaks keeps the user waiting."""

    base_url: str = "https://api.deepseek.com"
    """For example http://localhost:11434/v1 (Ollama) or http://localhost:8080/v1 (llama.cpp)."""

    max_tokens: int = 300
    """Length of a reply at the most."""

    temperature: float | None = None
    """Left to the server by default; some models take no other."""

    extra: str = ""
    """More of the request, as JSON: `{"enable_thinking": false}`."""

    patience_s: float = 10.0
    """Seconds to the first word, and from each to the next, after which the server is given up."""

    def load(self) -> LoadedOpenAIChat:
        """Does not ask the server: whether it answers shows when there is something to answer."""
        try:
            extra = json.loads(self.extra or "{}")
        except ValueError:
            extra = None
        if not isinstance(extra, dict):
            raise ConfigError(f"llm.extra = {self.extra!r}: expected a JSON object")
        service = Service.found("llm", self.base_url, self.model, self.patience_s)
        return LoadedOpenAIChat(service, self, cast("dict[str, Any]", extra))


@dataclass
class LoadedOpenAIChat:
    service: Service
    settings: OpenAIChat
    extra: dict[str, Any]
    extracts = True

    async def reply(self, chat: Chat) -> AsyncIterator[str]:
        async with aclosing(self.reply_as(chat, Wishes())) as pieces:
            async for piece in pieces:
                yield cast("str", piece)  # without functions there are no calls of them

    async def reply_as(self, chat: Chat, wishes: Wishes) -> AsyncGenerator[str | ToolCall]:
        """Text as it comes, calls when they are complete, and a `Finish`. Empty pieces are signs of life: the model thinks, or
        writes a call."""
        limit = wishes.max_tokens or self.settings.max_tokens
        request = self._request(chat, wishes, limit)
        async with aclosing(self.service.pieces(lambda client: self._answer(client, request, limit))) as pieces:
            async for piece in pieces:
                yield piece

    async def read(self, chat: Chat) -> None:
        """While the user still speaks; the server itself is asked for nothing."""
        await self.service.connect()

    async def _answer(self, client: Any, request: dict[str, Any], limit: int) -> AsyncGenerator[str | ToolCall]:
        service, answer = self.service, Answer()
        async with await client.chat.completions.create(**request) as stream:
            media_type = stream.response.headers.get("content-type", EVENTS)
            if not media_type.startswith(EVENTS):
                raise ValueError(f"{media_type} instead of an event stream")
            while not answer.reason:
                if (chunk := await anext(stream, None)) is None:
                    raise ValueError("its stream ended before the answer did")
                for text in answer.read(chunk):
                    yield text
                if answer.chars > (limit + 10) * TOKEN_CHARS:
                    raise service.failed(f"does not end its answer after max_tokens ({limit}); choose a server that does")
            with suppress(*faults()), anyio.move_on_after(USAGE_S):
                while chunk := await anext(stream, None):
                    answer.usage = chunk.usage or answer.usage
        if answer.reason in ("content_filter", "insufficient_system_resource"):
            raise service.failed(f"broke its answer off ({answer.reason}); ask differently, or try again later")
        if answer.reason == "length" and answer.chars and not answer.said and not answer.calls:
            raise service.failed(f"thought for all of its {limit} tokens; raise llm.max_tokens, or choose another model")
        for _, call in sorted(answer.calls.items()):
            yield call
        yield answer.finish()

    def _request(self, chat: Chat, wishes: Wishes, limit: int) -> dict[str, Any]:
        settings, own = self.settings, "api.openai.com" in self.service.where
        temperature = settings.temperature if wishes.temperature is None else wishes.temperature
        request: dict[str, Any] = {
            "model": settings.model,
            "messages": chat,
            "stream": True,
            "stream_options": {"include_usage": True},
            "max_completion_tokens" if own else "max_tokens": limit,  # OpenAI's later models refuse the old name
            "extra_body": self.extra,
        }
        if temperature is not None:
            request["temperature"] = temperature
        if wishes.stop:
            request["stop"] = list(wishes.stop)
        if wishes.tools:
            request |= {"tools": list(wishes.tools), "tool_choice": wishes.tool_choice}
        return request


@dataclass
class Answer:
    """What came so far. `chars` counts thoughts and calls as well, `said` is whether there were words."""

    calls: dict[int, ToolCall] = field(default_factory=dict[int, ToolCall])
    reason: str = ""
    usage: Any = None
    said: bool = False
    chars: int = 0

    def read(self, chunk: Any) -> Iterator[str]:
        """The words in it; an empty one where there is something else."""
        self.usage = getattr(chunk, "usage", None) or self.usage
        for choice in chunk.choices[:1]:
            delta, self.reason = choice.delta, choice.finish_reason or ""
            text = delta.content or ""
            signs = text or getattr(delta, "reasoning_content", None) or getattr(delta, "reasoning", None) or ""
            for part in delta.tool_calls or ():
                call = self.calls.get(part.index) or ToolCall(part.id or f"call_{secrets.token_hex(8)}", "", "")
                name, more = part.function.name or "", part.function.arguments or ""
                self.calls[part.index] = replace(call, name=call.name or name, arguments=call.arguments + more)
                signs += name + more
            self.said, self.chars = self.said or bool(text.strip()), self.chars + len(signs)
            if signs:
                yield text

    def finish(self) -> Finish:
        reason = "tool_calls" if self.calls else "length" if self.reason == "length" else "stop"
        prompt, completion = (getattr(self.usage, f"{kind}_tokens", None) or 0 for kind in ("prompt", "completion"))
        return Finish(reason, prompt, completion)
