"""A small language model in llama.cpp (xllamacpp: wheels, no compiler), inside this process.

llama.cpp keeps what it has read (`cache_prompt`), so the first token of a reply costs only the words that are new. Whether
words are complete is asked of a second, small context over the same weights: both answers are wanted at the same moment,
one context would give them one after the other, and there are two cores.
"""

from __future__ import annotations

import json
import math
import queue
import threading
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ..models import path
from ..stages import Chat, imported

CLOSING = ".?!。？！"
MARKS = CLOSING + "…,;:—-\"'”) "

JUDGE_CONTEXT = 1024
"""Tokens of the context in which words are judged: far more than a turn of a minute."""

JUDGED_UNDER = "You are a friendly voice assistant. Answer in one or two short spoken sentences."
"""The system message under which words are judged. The examples below would make the judgement worse (area under the
curve 0.893 against 0.907 on 1,456 ends and mid-sentence pauses), and so does what was said before."""

EXAMPLES = (
    ("What is the largest ocean?", "The largest ocean is the Pacific Ocean. It covers about a third of the Earth."),
    ("I am a little tired today.", "I'm sorry to hear that. Did you sleep badly?"),
    ("Thank you!", "You're welcome! What else would you like to know?"),
)
"""Exchanges shown to the model before the conversation. A model of this size does not follow instructions, it imitates:
without them SmolLM2-135M answers "What is the capital of France?" in broken French, with them "The capital of France is
Paris"."""


@dataclass(frozen=True)
class Llama:
    """SmolLM2-135M-Instruct by default; `model` may also be the path of any GGUF file with a chat template."""

    model: str = "smollm2-135m"
    """A name from `cleans2s models list`, or a GGUF file."""

    max_tokens: int = 120
    """Length of a reply at the most; a spoken answer that is longer is not listened to."""

    temperature: float = 0.0
    """At 0 the most probable words: small models begin to invent at once above it. Repetition is held off by DRY
    (sequences of four words and more that were said before are made unlikely)."""

    examples: tuple[tuple[str, str], ...] = EXAMPLES
    """Pairs of question and answer to imitate; none for a model that follows instructions."""

    threads: int = 1
    """With two, the first token comes 10 ms sooner while nothing else runs; but the voice wants the other core."""

    context: int = 2048
    """Tokens for one conversation."""

    def load(self) -> LoadedLlama:
        file = self.model if self.model.endswith(".gguf") else str(next(path(self.model).glob("*.gguf")))
        loaded = LoadedLlama(self._server(file, self.context), self._server(file, JUDGE_CONTEXT), self)
        loaded.complete("Hello")
        return loaded

    def _server(self, file: str, context: int) -> Any:
        xllamacpp = imported("xllamacpp")
        params = xllamacpp.CommonParams()
        params.model.path = file
        params.n_parallel = 1
        params.n_ctx = context
        params.cpuparams.n_threads = params.cpuparams_batch.n_threads = self.threads
        params.verbosity = -1
        params.warmup = True
        return xllamacpp.Server(params)


@dataclass
class LoadedLlama:
    server: Any
    judge: Any
    settings: Llama
    places = 4

    def __post_init__(self) -> None:
        judged = [{"role": "system", "content": JUDGED_UNDER}, {"role": "user", "content": "WORDS"}]
        self._before_words = self._template(judged).partition("WORDS")[0]

    def reply(self, chat: Chat) -> Iterator[str]:
        """Runs llama.cpp's own loop in a thread; closing this generator stops it at its next token."""
        pieces: queue.SimpleQueue[str | Exception | None] = queue.SimpleQueue()
        stop = threading.Event()

        def receive(chunk: Any) -> bool:
            chunk = json.loads(chunk) if isinstance(chunk, (str, bytes)) else chunk
            if "error" in chunk:
                pieces.put(RuntimeError(chunk["error"].get("message", str(chunk["error"]))))
            elif chunk.get("choices") and (text := chunk["choices"][0]["delta"].get("content")):
                pieces.put(text)
            return stop.is_set()

        def generate() -> None:
            try:
                self.server.handle_chat_completions(self._request(chat), receive)
                pieces.put(None)
            except Exception as error:  # handed to the reader, who raises it
                pieces.put(error)

        thread = threading.Thread(target=generate, name="cleans2s-llama", daemon=True)
        thread.start()
        try:
            while (piece := pieces.get()) is not None:
                if isinstance(piece, Exception):
                    raise piece
                yield piece
        finally:
            stop.set()
            thread.join()

    def read(self, chat: Chat) -> None:
        self.server.handle_chat_completions(self._request(chat) | {"stream": False, "max_tokens": 1})

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
        choices = answer["choices"][0]["logprobs"]["content"][0]["top_logprobs"]
        return min(1.0, sum(math.exp(c["logprob"]) for c in choices if _closes(c["token"])))

    def _messages(self, chat: Chat) -> Chat:
        """The examples follow the instructions; what anybody said holds no control tokens."""
        head = [message for message in chat[:1] if message["role"] == "system"]
        shown = [
            {"role": role, "content": text}
            for pair in self.settings.examples
            for role, text in zip(("user", "assistant"), pair, strict=True)
        ]
        return [m | {"content": _plain(m["content"])} for m in [*head, *shown, *chat[len(head) :]]]

    def _request(self, chat: Chat) -> dict[str, Any]:
        return {
            "messages": self._messages(chat),
            "stream": True,
            "max_tokens": self.settings.max_tokens,
            "temperature": self.settings.temperature,
            "dry_multiplier": 0.8,
            "dry_allowed_length": 3,
            "cache_prompt": True,
        }

    def _template(self, messages: Chat) -> str:
        """The model's own chat template, through the server that xllamacpp opens on the loopback interface."""
        request = urllib.request.Request(
            f"{self.server.listening_address}/apply-template",
            json.dumps({"messages": messages}).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=10) as response:
            return json.load(response)["prompt"]


def _plain(text: str) -> str:
    """Text that holds no control token: what a user or a document says cannot begin a message of another role."""
    return text.replace("<|", "< |")


def _closes(token: str) -> bool:
    """A token that ends a sentence or (empty, a control token) the message."""
    return not token or token.strip()[:1] in tuple(CLOSING)
