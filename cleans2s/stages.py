"""What the session asks of its engines. An engine is two small things:

- its *settings*: a frozen dataclass that sits in `Config`, costs nothing, and has `load()`;
- the *loaded* engine that `load()` gives, with the methods below. It is loaded once per process and shared.

Methods are blocking and run in worker threads; one that yields may also be an `async def` generator (and one that
returns, a coroutine), and then runs in the session's own loop. A generator is closed when its reply is cancelled: stop
there. An engine that several sessions may call at the same moment says so by `places: int`, the default is 1.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import sys
import threading
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Hashable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar, runtime_checkable

from .audio import Audio, Samples

T = TypeVar("T")
Loaded_co = TypeVar("Loaded_co", covariant=True)
Chat = list[dict[str, Any]]
"""Messages in the chat form: `role` (system, user, assistant, tool) and `content`, or `tool_calls`."""


class Engine(Protocol[Loaded_co]):
    """Settings of an engine."""

    def load(self) -> Loaded_co: ...


class VADStream(Protocol):
    def __call__(self, frame: Samples) -> float:
        """The probability that this frame (512 samples at 16 kHz, 32 ms) holds speech. Runs in the event loop, so it
        must take well under 1 ms."""
        ...


@runtime_checkable
class VAD(Protocol):
    def stream(self) -> VADStream:
        """The state of one microphone."""
        ...


@runtime_checkable
class EndOfTurn(Protocol):
    def complete(self, audio: Audio) -> float | Awaitable[float]:
        """The probability, by the sound alone, that the speaker has finished: `audio` is the turn so far at 16 kHz with
        the silence after it."""
        ...


@dataclass(frozen=True)
class Transcript:
    """`confidence` is the mean log probability of the words (0 is certain), `no_speech` the probability that there
    were none; None where the engine cannot tell. `alternatives` are other readings with their weights, the text's own
    among them, adding up to 1; whether an utterance is complete is asked of all of them, because a recogniser likes to
    complete a sentence that was only begun. `language` is the code of the language that was heard ("zh", "en"; None where
    the engine does not say), `tags` is what it heard beside the words: an emotion ("happy"), an event ("laughter")."""

    text: str
    confidence: float | None = None
    no_speech: float | None = None
    alternatives: tuple[tuple[str, float], ...] = ()
    language: str | None = None
    tags: tuple[str, ...] = ()


DRAFT_S = 20.0
"""Seconds of a long turn of which a draft is made by an engine that keeps nothing of the draft before."""


@runtime_checkable
class ASR(Protocol):
    def transcribe(self, audio: Audio, partial: bool = False) -> Transcript | Awaitable[Transcript]:
        """The words of `audio` (16 kHz, a turn so far, any length), "" if there are none. `partial`: the user is still
        speaking, and a quick draft will do, which comes every 0.3 to 0.6 s with all that was said so far: who would have to
        hear all of it again each time hears `DRAFT_S` at its end."""
        ...


@runtime_checkable
class LLM(Protocol):
    """A model that is too small to read notes says `able = False`: it is shown neither what is remembered nor the whole
    conversation. One that cannot be told how to answer says `guided = False` (the default is as `able`): strategies then speak
    lines of their own. One that memory may ask for facts, in JSON and beside the conversation, says `extracts = True`."""

    def reply(self, chat: Chat) -> Iterator[str] | AsyncIterator[str]:
        """The answer to the last message, piece by piece as it is generated."""
        ...


@dataclass(frozen=True)
class ToolCall:
    """A function that the model wants called; `arguments` is JSON text."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True)
class Wishes:
    """What one reply is asked for beyond the engine's own settings; None leaves the setting as it is. `tools` and
    `tool_choice` are in the form of the chat completions API."""

    max_tokens: int | None = None
    temperature: float | None = None
    stop: tuple[str, ...] = ()
    tools: tuple[Any, ...] = ()
    tool_choice: Any = "auto"


class Finish(str):
    """May be the last piece of a reply, itself empty: why it ended ("stop", "length" or "tool_calls"), and its tokens."""

    reason: str
    prompt_tokens: int
    completion_tokens: int

    def __new__(cls, reason: str, prompt_tokens: int, completion_tokens: int) -> Finish:
        finish = super().__new__(cls)
        finish.reason, finish.prompt_tokens, finish.completion_tokens = reason, prompt_tokens, completion_tokens
        return finish


@runtime_checkable
class TakesWishes(Protocol):
    """A language model whose replies can be asked for in more detail, and may be calls of functions."""

    def reply_as(self, chat: Chat, wishes: Wishes) -> Iterator[str | ToolCall] | AsyncIterator[str | ToolCall]: ...


@runtime_checkable
class JudgesCompleteness(Protocol):
    """What a language model may offer beside replies."""

    def complete(self, words: str) -> float | Awaitable[float]:
        """The probability that these words of a user are a whole utterance."""
        ...


@runtime_checkable
class ReadsAhead(Protocol):
    """Another thing that a language model may offer."""

    def read(self, chat: Chat) -> Any:
        """Read a prompt, so that the next one which begins like it is answered sooner."""
        ...


@runtime_checkable
class TTS(Protocol):
    def speak(self, text: str) -> Iterator[Audio] | AsyncIterator[Audio]:
        """Sound of one clause, in as many pieces as it likes, all of one rate."""
        ...


_loaded: dict[Any, Any] = {}
_shared: weakref.WeakValueDictionary[Any, Any] = weakref.WeakValueDictionary()
_locks: dict[Any, threading.RLock] = {}
_registry_lock = threading.Lock()


def load(engine: Engine[Loaded_co]) -> Loaded_co:
    """Load an engine, once per process for equal settings. Blocking; safe from several threads."""
    with _locked(engine):
        if engine not in _loaded:
            _loaded[engine] = engine.load()
        return _loaded[engine]


def unneeded(kept: Collection[Engine[Any]]) -> list[Engine[Any]]:
    """What is loaded and not among these."""
    return [engine for engine in tuple(_loaded) if engine not in kept]


def unload(kept: Collection[Engine[Any]]) -> None:
    """Forget every engine that is not among these. Its memory returns when no session holds it any more. Blocking."""
    if gone := unneeded(kept):
        for engine in gone:
            _loaded.pop(engine, None)
        gone.clear()
        gc.collect()  # models of C++ libraries hang in cycles
        _trim()


def _trim() -> None:
    """glibc keeps what was freed by the threads that loaded a model, until it is told."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim:
        trim(0)


def shared(key: Hashable, make: Callable[[], T]) -> T:
    """What engines of different settings have in common (weights): made once, and kept for as long as one of them is."""
    with _locked(("shared", key)):
        if (found := _shared.get(key)) is None:
            _shared[key] = found = make()
        return found


def _locked(key: Hashable) -> threading.RLock:
    with _registry_lock:
        return _locks.setdefault(key, threading.RLock())


def loaded(engine: Engine[Loaded_co]) -> Loaded_co | None:
    """What `load` would give at once; None if it would have to wait."""
    return _loaded.get(engine)


def imported(path: str) -> Any:
    """A module, or `package.module:name` of one, imported now. Engines' packages have no types: from here on it is Any."""
    module, _, name = path.partition(":")
    found: Any = importlib.import_module(module)
    return getattr(found, name) if name else found
