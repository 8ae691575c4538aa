"""From a thought to words: a line that is said as it is, sentences of what was looked up, or the language model's answer.

What was looked up is data. The embedded model does not read it: it could not put it into words of its own, so sentences that
are nearest to the question are said as they stand. An able model gets it between marks, and is told that no order in it
counts; the numbers that it cites are taken out of its words, and stand in the sources.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TYPE_CHECKING

import anyio

from . import events as ev
from .engines import Engines
from .mind import Mind
from .outbox import Outbox
from .reply import Reply, Request
from .stages import Chat, Finish, ToolCall
from .text import HAN, joined

if TYPE_CHECKING:
    from .lookup.search import Search
    from .session import Session

COVER_S = 0.8
"""So long after the user's last word something is said, if what is looked up is not there yet."""

SOON_S = 0.25
"""But not before it has been waited for so long: documents answer within that, and then a word would only delay them."""


class Thinking:
    """Of one session."""

    def __init__(self, session: Session, mind: Mind, engines: Engines, outbox: Outbox) -> None:
        self._session, self._mind, self._engines, self._outbox = session, mind, engines, outbox

    def prompt(self, words: str, request: Request | None = None) -> Chat:
        """For an answer to these words of the user (which are not on the record yet), as things are now."""
        session, request = self._session, request or self._session.request or Request()
        own = request.instructions
        instructions = self._mind.instructions(session.config) if own is None else own
        if request.chat is not None:
            return [{"role": "system", "content": instructions}, *request.chat]
        return session.conversation.prompt(instructions, words)

    async def words(self, reply: Reply, request: Request) -> AsyncGenerator[str | ToolCall]:
        """What is answered, piece by piece."""
        assert reply.said
        thought = reply.thought
        if line := request.line or (thought and thought.line):
            yield line
            return
        said = "" if reply.message else reply.said.text
        chat = self.prompt(said, request)
        if thought and self._engines.able and chat[-1]["role"] == "user":  # a small model would say the notes aloud
            chat[-1] = chat[-1] | {"content": thought.noted(chat[-1]["content"])}
        waiting = reply.message.text if reply.message and request.chat is None else ""
        search = thought.search if thought else self._mind.search(waiting)
        answer = self._grounded(reply, request, chat, search) if search else self._answered(reply, request, chat)
        async with aclosing(answer) as pieces:
            async for piece in pieces:
                yield piece

    async def _answered(self, reply: Reply, request: Request, chat: Chat) -> AsyncGenerator[str | ToolCall]:
        """By the language model."""
        async with aclosing(self._engines.think(chat, request.wishes)) as thoughts:
            async for thought in thoughts:
                if isinstance(thought, Finish):
                    reply.cut_short = thought.reason == "length"
                else:
                    yield thought

    # ── looked up ─────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _grounded(self, reply: Reply, request: Request, chat: Chat, search: Search) -> AsyncGenerator[str | ToolCall]:
        """On what was found; where nothing was, it is said, and an able model answers all the same."""
        try:
            if await self._keeps_waiting(reply, search) and request.speaks:
                yield f"{self._mind.manners.filler(reply.said, self._session.config)} "
            await search.done.wait()
        finally:
            if search.claimed:
                search.scope.cancel()  # interrupted while it was looked up; one whose turn goes on is kept
        while search.failures:  # told once, however often the user goes on
            failure = search.failures.pop(0)
            await self._outbox.put(ev.Failed(self._session.now_s, failure.stage, failure.message))
        if search.place:
            self._mind.leave_out(reply.id)
            await self._tell(reply, search, {number for number, _ in search.quotes})
            if search.quotes:
                for word in _as_they_stand(search.quotes):
                    yield word
                return
            chat = _framed(chat, search)
        elif search.looked:
            yield f"{self._mind.manners.apology('search', reply.said)} "
            if not self._engines.able:
                return
        marks = Citations(len(search.passages))
        async with aclosing(self._answered(reply, request, chat)) as pieces:
            async for piece in pieces:
                yield piece if isinstance(piece, ToolCall) else marks.push(piece)
        yield marks.flush()
        if marks.cited:
            await self._tell(reply, search, marks.cited)

    async def _keeps_waiting(self, reply: Reply, search: Search) -> bool:
        """Until it is there, or the listener has waited for too long; returns whether he still waits."""
        soon_s = self._session.now_s + SOON_S
        async with anyio.create_task_group() as tasks:

            async def lose_patience() -> None:
                await reply.gate.wait()
                await anyio.sleep(max(0.0, max(soon_s, reply.speech_end_s + COVER_S) - self._session.now_s))
                tasks.cancel_scope.cancel()

            tasks.start_soon(lose_patience)
            await search.done.wait()
            tasks.cancel_scope.cancel()
        return not search.done.is_set()

    async def _tell(self, reply: Reply, search: Search, cited: set[int]) -> None:
        """The sources, if the reply is known already; otherwise they are told with it."""
        reply.sources = [self._source(search, number, number in cited) for number in range(1, len(search.passages) + 1)]
        if "due" in reply.marks:
            await self._outbox.put(ev.Sources(self._session.now_s, reply.turn, reply.sources))

    def _source(self, search: Search, number: int, cited: bool) -> ev.Source:
        assert search.place
        passage, finder = search.passages[number - 1], self._engines.finders.get(search.place)
        place = finder.shown(passage) if finder else passage.title
        web = place.startswith(("http://", "https://"))
        return {
            "number": number,
            "kind": "web" if web else "document",
            "title": passage.place,
            "url": place if web else "",
            "file": "" if web else place,
            "text": passage.text[: ev.SOURCE_CHARS],
            "score": passage.score,
            "cited": cited,
        }


def _as_they_stand(quotes: list[tuple[int, str]]) -> list[str]:
    """Sentences of passages, to be spoken: without the numbers that they cite themselves, and word by word, so that the voice
    begins with the first clause and not with all of a long sentence."""
    from .rag.answer import uncited

    return re.findall(rf"[{HAN}]|[^\s{HAN}]+\s*", joined(uncited(text) for _, text in quotes))


def _framed(chat: Chat, search: Search) -> Chat:
    """The prompt with the passages before the question; what was said before stays."""
    from .rag.answer import prompt

    instructions, question = prompt(chat[-1]["content"], search.passages, chat[0]["content"])
    return [instructions, *chat[1:-1], question]


class Citations:
    """Takes `[1]` and `[1, 2]` out of text that comes piece by piece; `cited` are the numbers, up to `most`."""

    _MARK = re.compile(r"\s*\[(\d{1,2}(?:\s*[,，]\s*\d{1,2})*)\]")
    _BEGUN = re.compile(r"\s*\[[\d\s,，]{0,40}$|\s+$")

    def __init__(self, most: int) -> None:
        self._most = most
        self.cited: set[int] = set()
        self._held = ""

    def push(self, piece: str) -> str:
        if not self._most:
            return piece
        text = self._MARK.sub(self._taken, self._held + piece)
        begun = self._BEGUN.search(text)
        self._held = text[begun.start() :] if begun else ""
        return text[: len(text) - len(self._held)]

    def flush(self) -> str:
        held, self._held = self._held, ""
        return held.rstrip()

    def _taken(self, mark: re.Match[str]) -> str:
        self.cited |= {number for number in map(int, re.findall(r"\d+", mark[1])) if 0 < number <= self._most}
        return ""
