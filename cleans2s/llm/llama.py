"""A small language model in llama.cpp (xllamacpp: wheels, no compiler), inside this process.

llama.cpp keeps what it has read (`cache_prompt`), so the first token of a reply costs only the words that are new. Replies
of several conversations are written side by side, each in a slot of its own. Whether words are complete is asked of a
second, small context over the same weights: both answers are wanted at the same moment, one context would give them one
after the other, and there are two cores.
"""

from __future__ import annotations

import json
import math
import queue
import threading
import urllib.request
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from ..errors import TextError
from ..models import path
from ..stages import Chat, Finish, ToolCall, Wishes, imported
from .functions import schema_of_calls, telling, the_call
from .imitation import EXAMPLES, REPEAT_PENALTY, REPEAT_TOKENS, enough, last_exchange

CLOSING = ".?!。？！"
MARKS = CLOSING + "…,;:—-\"'”) "

ABLE_BYTES = 700_000_000
"""A file that is smaller holds a model of less than about a billion weights, which says the notes aloud that it is given."""

GUIDED_BYTES = 2_000_000_000
"""A file that is smaller holds a model which cannot be told how to answer: Qwen2.5-Coder-1.5B, guided to deflect, says "I am 30
years old" to whoever pries, and the like to 5 of 9 turns; it refuses as it is told to. Between that and the large models behind
a service nothing was measured."""

JUDGE_CONTEXT = 1024
"""Tokens of the context in which words are judged: far more than a turn of a minute."""

SLOT_SIMILARITY = 0.8
"""The share of a prompt that a slot must have read already for the prompt to go there; any other goes to the slot that was
left alone longest. Prompts of different conversations begin alike (instructions and examples): at llama.cpp's own 0.1
they drive each other out of one slot."""

KEPT_MIB = 256
"""Memory for what was read in slots that another conversation has taken since; llama.cpp's own limit is 8 GiB."""

JUDGED_UNDER = "You are a friendly voice assistant. Answer in one or two short spoken sentences."
"""The system message under which words are judged. The examples below would make the judgement worse (area under the
curve 0.893 against 0.907 on 1,456 ends and mid-sentence pauses), and so does what was said before."""


@dataclass(frozen=True)
class Llama:
    """SmolLM2-135M-Instruct by default; `model` may also be the path of any GGUF file with a chat template."""

    model: str = "smollm2-135m"
    """A name from `cleans2s models list`, or a GGUF file."""

    completeness: str = ""
    """Another one, which judges whether words are complete; "" for the same. SmolLM2-135M does it in 21 ms instead
    of Qwen2.5-Coder-1.5B's 134 (two threads), for every reading of them, and in less memory."""

    max_tokens: int = 120
    """Length of a reply at the most; a spoken answer that is longer is not listened to."""

    temperature: float = 0.0
    """At 0 the most probable words: small models begin to invent at once above it. Repetition is held off by DRY
    (sequences of four words and more that were said before are made unlikely)."""

    examples: tuple[tuple[str, str], ...] = EXAMPLES
    """Pairs of question and answer to imitate; none for a model that follows instructions. Left out where functions are
    offered: the examples do not call any."""

    threads: int = 1
    """With two, the first token comes 10 ms sooner while nothing else runs; but the voice wants the other core."""

    context: int = 2048
    """Tokens for one conversation."""

    side_by_side: int = 4
    """Replies that are written at the same time; more wait. Each takes memory for a context."""

    extracts: bool = False
    """Whether memory asks an able model for facts and a summary when nobody speaks; otherwise it goes by patterns."""

    @property
    def file(self) -> str:
        return _file(self.model)

    def load(self) -> LoadedLlama:
        replies = self._server(self.file, self.context, self.side_by_side, KEPT_MIB)
        loaded = LoadedLlama(replies, self._server(_file(self.completeness or self.model), JUDGE_CONTEXT), self)
        loaded.complete("Hello")
        return loaded

    def _server(self, file: str, context: int, slots: int = 1, kept_mib: int = 0) -> Any:
        xllamacpp = imported("xllamacpp")
        params = xllamacpp.CommonParams()
        params.model.path = file
        params.n_parallel = slots
        params.n_ctx = context * slots
        params.slot_prompt_similarity = SLOT_SIMILARITY
        params.cache_ram_mib = kept_mib
        params.cpuparams.n_threads = params.cpuparams_batch.n_threads = self.threads
        params.verbosity = -1
        params.warmup = True
        return xllamacpp.Server(params)


def _file(model: str) -> str:
    return model if model.endswith(".gguf") else str(next(path(model).glob("*.gguf")))


@dataclass
class LoadedLlama:
    server: Any
    judge: Any
    settings: Llama

    def __post_init__(self) -> None:
        judged = [{"role": "system", "content": JUDGED_UNDER}, {"role": "user", "content": "WORDS"}]
        self._before_words = template(self.judge, judged).partition("WORDS")[0]
        size = Path(self.settings.file).stat().st_size
        self.able, self.guided = size > ABLE_BYTES, size > GUIDED_BYTES
        self.extracts = self.able and self.settings.extracts
        self.places = 2 * self.settings.side_by_side  # of each conversation a reply, and words to judge

    def reply(self, chat: Chat) -> Iterator[str]:
        return cast("Iterator[str]", self.reply_as(chat, Wishes()))  # without functions there are no calls of them

    def reply_as(self, chat: Chat, wishes: Wishes) -> Generator[str | ToolCall]:
        """Text as it is generated, calls when they are complete, and a `Finish`. A call that must be made is written by the
        schema of the functions; whether to make one (`"auto"`) is up to the model, and only one whose chat template has a
        place for functions knows of them."""
        schema, brief = schema_of_calls(wishes), self._brief(wishes)
        said, calls, reason, counts = "", dict[int, ToolCall](), "stop", dict[str, int]()
        with closing(self._chunks(self._request(chat, wishes, schema))) as chunks:
            for chunk in chunks:
                counts = chunk.get("timings") or counts
                for choice in chunk.get("choices", ()):
                    reason, delta = choice["finish_reason"] or reason, choice["delta"]
                    for part in delta.get("tool_calls") or ():
                        call = calls.get(part["index"]) or ToolCall(part["id"], part["function"]["name"], "")
                        more = part["function"].get("arguments") or ""
                        calls[part["index"]] = replace(call, arguments=call.arguments + more)
                    text = delta.get("content") or ""
                    said, before = said + text, len(said)
                    if text and not schema:
                        yield said[before : enough(said)] if brief else text
                if brief and enough(said) is not None:
                    break
        if schema and not calls:
            calls[0] = the_call(said)
        yield from calls.values()
        read = counts.get("cache_n", 0) + counts.get("prompt_n", 0)
        yield Finish("tool_calls" if calls else reason, read, counts.get("predicted_n", 0))

    def _chunks(self, request: dict[str, Any]) -> Generator[dict[str, Any]]:
        """Runs llama.cpp's own loop in a thread; closing this generator stops it at its next token."""
        arrived: queue.SimpleQueue[dict[str, Any] | Exception | None] = queue.SimpleQueue()
        stop = threading.Event()

        def receive(chunk: Any) -> bool:
            chunk = json.loads(chunk) if isinstance(chunk, (str, bytes)) else chunk
            arrived.put(_fault(chunk["error"]) if "error" in chunk else chunk)
            return stop.is_set()

        def generate() -> None:
            try:
                self.server.handle_chat_completions(request, receive)
                arrived.put(None)
            except Exception as error:  # handed to the reader, who raises it
                arrived.put(error)

        thread = threading.Thread(target=generate, name="cleans2s-llama", daemon=True)
        thread.start()
        try:
            while (chunk := arrived.get()) is not None:
                if isinstance(chunk, Exception):
                    raise chunk
                yield chunk
        finally:
            stop.set()
            thread.join()

    def read(self, chat: Chat) -> None:
        self.server.handle_chat_completions(self._request(chat, Wishes()) | {"stream": False, "max_tokens": 1})

    def complete(self, words: str) -> float:
        """The probability that a sentence end or the end of the message follows these words of a user.

        The transcript's own final mark is left out: a recogniser writes one after anything.
        """
        answer = self.judge.handle_completions(
            {
                "prompt": self._before_words + _plain(words).rstrip(MARKS)[-JUDGE_CONTEXT:],
                "n_predict": 1,
                "n_probs": 40,
                "temperature": 0,
                "cache_prompt": True,
            }
        )
        if not (written := answer["choices"][0]["logprobs"]):
            return 0.0  # a part of a character, which has no text yet: the words go on
        choices = written["content"][0]["top_logprobs"]
        return min(1.0, sum(math.exp(c["logprob"]) for c in choices if _closes(c["token"])))

    def _brief(self, wishes: Wishes) -> bool:
        """Whether a small model talks. Calls of functions are as long as they have to be, and go by what was said before."""
        return not self.able and not wishes.tools

    def _messages(self, chat: Chat, wishes: Wishes) -> Chat:
        """The examples follow the instructions; what anybody said holds no control tokens."""
        chat = last_exchange(chat) if self._brief(wishes) else chat
        head = [message for message in chat[:1] if message["role"] == "system"]
        shown = [
            {"role": role, "content": text}
            for pair in (() if wishes.tools else self.settings.examples)
            for role, text in zip(("user", "assistant"), pair, strict=True)
        ]
        return json.loads(_plain(json.dumps([*head, *shown, *chat[len(head) :]])))

    def _request(self, chat: Chat, wishes: Wishes, schema: Any = None) -> dict[str, Any]:
        settings = self.settings
        messages = self._messages(chat, wishes)
        request: dict[str, Any] = {
            "messages": telling(messages, wishes) if schema else messages,
            "stream": True,
            "timings_per_token": True,
            "max_tokens": min(wishes.max_tokens or settings.max_tokens, settings.context),
            "temperature": settings.temperature if wishes.temperature is None else wishes.temperature,
            "stop": wishes.stop,
            "cache_prompt": True,
        }
        if schema:
            return request | {"response_format": {"type": "json_schema", "json_schema": {"schema": schema}}}
        if wishes.tools:
            request |= {"tools": wishes.tools, "tool_choice": "none" if wishes.tool_choice == "none" else "auto"}
        if self._brief(wishes):
            request |= {"repeat_penalty": REPEAT_PENALTY, "repeat_last_n": REPEAT_TOKENS}
        return request | {"dry_multiplier": 0.8, "dry_allowed_length": 3}


def template(server: Any, messages: Chat) -> str:
    """A model's own chat template, through the server that xllamacpp opens on the loopback interface."""
    request = urllib.request.Request(
        f"{server.listening_address}/apply-template",
        json.dumps({"messages": messages}).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=10) as response:
        return json.load(response)["prompt"]


def _plain(text: str) -> str:
    """Text that holds no control token: what a user or a document says cannot begin a message of another role."""
    return text.replace("<|", "< |")


def _fault(error: dict[str, Any]) -> Exception:
    if error.get("type") == "exceed_context_size_error":
        size, limit = error.get("n_prompt_tokens"), error.get("n_ctx")
        return TextError(f"the conversation has {size} tokens: expected at most {limit}; shorten it, or raise llm.context")
    return RuntimeError(error.get("message", str(error)))


def _closes(token: str) -> bool:
    """A token that ends a sentence or (empty, a control token) the message."""
    return not token or token.strip()[:1] in tuple(CLOSING)
