"""Scripted engines for conversations without models (see testing.py): they implement the same protocols as the real ones,
and take as long as they are told."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import anyio
import numpy as np

from .audio import Audio, Samples
from .judge import Judgement, Situation
from .stages import Chat, Transcript

VOICE_RATE = 16_000


class Scripted:
    """Settings and loaded engine in one, as small engines may be."""

    def load(self) -> Any:
        return self


class ScriptedVAD(Scripted):
    """Hears speech where there is sound."""

    def stream(self) -> Callable[[Samples], float]:
        return lambda frame: float(np.abs(frame).max() > 0.0005)


@dataclass(eq=False)
class ScriptedEndOfTurn(Scripted):
    p: float = 0.9
    seconds: float = 0.03

    async def complete(self, audio: Audio) -> float:
        await anyio.sleep(self.seconds)
        return self.p


@dataclass(eq=False)
class ScriptedASR(Scripted):
    """Knows what the scripted user says: every utterance whose sound it gets, as far as it gets it."""

    script: dict[int, str] = field(default_factory=dict[int, str])
    lengths: dict[int, int] = field(default_factory=dict[int, int])
    seconds: float = 0.08
    confidence: float = -0.1

    async def transcribe(self, audio: Audio, partial: bool = False) -> Transcript:
        await anyio.sleep(self.seconds)
        numbers = np.round(audio.samples * 1000).astype(int)
        said: list[str] = []
        for number in dict.fromkeys(n for n in numbers.tolist() if n in self.script):
            words = self.script[number].split()
            share = (numbers == number).sum() / self.lengths[number]
            said.extend(words[: round(share * len(words) + 0.02)])
        return Transcript(" ".join(said), self.confidence)


@dataclass(eq=False)
class ScriptedLLM(Scripted):
    """Says its answers one after another (the last one for ever), a word at a time; `chats` is what it was asked.

    Words that end in a mark of `complete_marks` are complete with probability `complete_p`.
    """

    answers: list[str] = field(default_factory=lambda: ["All right, here is an answer."])
    first_s: float = 0.05
    word_s: float = 0.02
    complete_marks: str = ".?!"
    complete_p: float = 0.6
    chats: list[Chat] = field(default_factory=list[Chat])

    async def reply(self, chat: Chat) -> AsyncIterator[str]:
        answer = self.answers[min(len({str(c[-1]) for c in self.chats}), len(self.answers) - 1)]
        self.chats.append(chat)
        await anyio.sleep(self.first_s)
        for word in answer.split():
            yield word + " "
            await anyio.sleep(self.word_s)

    async def complete(self, words: str) -> float:
        await anyio.sleep(self.word_s)
        return self.complete_p if words.endswith(tuple(self.complete_marks)) else 0.0005


@dataclass(eq=False)
class ScriptedTTS(Scripted):
    """A tenth of a second of tone for every character."""

    char_s: float = 0.1
    seconds: float = 0.05

    async def speak(self, text: str) -> AsyncIterator[Audio]:
        await anyio.sleep(self.seconds)
        yield Audio(np.full(int(len(text) * self.char_s * VOICE_RATE), 0.5, np.float32), VOICE_RATE)


@dataclass(eq=False)
class ScriptedJudge(Scripted):
    """Thinks of a strategy where one of its phrases is said (`{"you idiot": "refusal"}`), whose `kinds` may be told as well;
    of an interruption only while the user still speaks. `situations` is what it was asked."""

    verdicts: dict[str, str] = field(default_factory=dict[str, str])
    kinds: dict[str, str] = field(default_factory=dict[str, str])
    seconds: float = 0.01
    encoder: Any = None
    situations: list[Situation] = field(default_factory=list[Situation])

    async def judge(self, situation: Situation) -> Judgement:
        self.situations.append(situation)
        await anyio.sleep(self.seconds)
        said = situation.words.lower()
        found = [name for phrase, name in self.verdicts.items() if phrase.lower() in said]
        strategy = next((name for name in found if situation.partial or name != "interruption"), "standard")
        unheard = strategy == "silence" and self.kinds.get(strategy) != "hold"
        return Judgement(
            {"standard": 0.1, strategy: 0.9} if strategy != "standard" else {"standard": 1.0},
            0.9 if strategy == "interruption" else 0.0,
            addressed=0.05 if unheard else 0.95,
            kind=self.kinds.get(strategy, ""),
            reason=f"as the script has it: {strategy}",
        )


@dataclass(eq=False)
class ScriptedFinder(Scripted):
    """Finds what its script has for a phrase of the query (`{"museum": ["The museum opens at ten."]}`), or fails with an
    exception that stands there; given to a stage as `websearch=` together with `web=True`. `queries` is what it was asked."""

    pages: dict[str, list[str] | Exception] = field(default_factory=dict[str, "list[str] | Exception"])
    seconds: float = 0.3
    queries: list[str] = field(default_factory=list[str])

    async def find(self, query: str) -> list[Any]:
        from .rag.passages import Passage

        self.queries.append(query)
        await anyio.sleep(self.seconds)
        found = next((texts for phrase, texts in self.pages.items() if phrase.lower() in query.lower()), list[str]())
        if isinstance(found, Exception):
            raise found
        return [Passage(text, f"https://example.org/{n}", f"Page {n}", score=1 / n) for n, text in enumerate(found, 1)]

    async def quote(self, query: str, passages: list[Any]) -> list[tuple[int, str]]:
        return [(1, passages[0].text)]

    def shown(self, passage: Any) -> str:
        return passage.source
