"""From thoughts to sound, ahead of what is heard as far as small buffers reach: text → clauses → the voice."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, asynccontextmanager
from typing import TypeAlias

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from .audio import Audio
from .engines import Engines
from .errors import StageError
from .stages import ToolCall
from .text import Clauses, speakable

Clause: TypeAlias = str | ToolCall | StageError
Sound: TypeAlias = tuple[str, Audio | None] | str | ToolCall | StageError
"""A piece of a clause's sound (None when the clause is complete), or of an answer in writing, or a call of a function. A
failure travels in its place in the stream, so that what came before it is still heard."""

Mark: TypeAlias = Callable[[str], None]
"""Notes that something is there for the first time: `first_token`, `first_clause`, `first_audio`."""

AHEAD = 4
"""Clauses, and pieces of sound, that may wait."""


@asynccontextmanager
async def spoken(
    thoughts: AsyncGenerator[str | ToolCall], engines: Engines, clauses: list[str], mark: Mark
) -> AsyncGenerator[MemoryObjectReceiveStream[Sound]]:
    """The sound of what is being thought; `clauses` receives its text before the voice begins with it. Leaving the block
    ends both the thinking and the speaking."""
    clause_sink, clause_source = anyio.create_memory_object_stream[Clause](AHEAD)
    sound_sink, sound = anyio.create_memory_object_stream[Sound](AHEAD)
    with clause_sink, clause_source, sound_sink, sound:
        async with anyio.create_task_group() as ahead:
            ahead.start_soon(_think, thoughts, clause_sink, mark)
            ahead.start_soon(_speak, clause_source, sound_sink, engines, clauses, mark)
            yield sound
            ahead.cancel_scope.cancel()


@asynccontextmanager
async def written(
    thoughts: AsyncGenerator[str | ToolCall], engines: Engines, clauses: list[str], mark: Mark
) -> AsyncGenerator[MemoryObjectReceiveStream[Sound]]:
    """The same in writing: text as it comes."""
    sink, text = anyio.create_memory_object_stream[Sound](AHEAD)

    async def pass_on() -> None:
        async with sink, aclosing(thoughts):
            try:
                async for thought in thoughts:
                    if thought:  # a model that is still reading may say so
                        mark("first_token")
                        await sink.send(thought)
            except StageError as failure:
                await sink.send(failure)

    with sink, text:
        async with anyio.create_task_group() as ahead:
            ahead.start_soon(pass_on)
            yield text
            ahead.cancel_scope.cancel()


async def _think(thoughts: AsyncGenerator[str | ToolCall], clauses: MemoryObjectSendStream[Clause], mark: Mark) -> None:
    splitter = Clauses()
    async with clauses, aclosing(thoughts):
        try:
            async for thought in thoughts:
                if thought:
                    mark("first_token")
                if isinstance(thought, ToolCall):
                    await clauses.send(thought)
                    continue
                for clause in splitter.push(thought):
                    mark("first_clause")
                    await clauses.send(clause)
            for clause in splitter.flush():
                mark("first_clause")
                await clauses.send(clause)
        except StageError as failure:
            await clauses.send(failure)


async def _speak(
    source: MemoryObjectReceiveStream[Clause],
    sound: MemoryObjectSendStream[Sound],
    engines: Engines,
    clauses: list[str],
    mark: Mark,
) -> None:
    async with sound:
        async for clause in source:
            if not isinstance(clause, str):
                await sound.send(clause)
                if isinstance(clause, StageError):
                    return
                continue
            if not (text := speakable(clause)):
                continue
            clauses.append(text)
            try:
                async with aclosing(engines.voice(text)) as pieces:
                    async for audio in pieces:
                        mark("first_audio")
                        await sound.send((text, audio))
            except StageError as failure:
                await sound.send(failure)
                return
            await sound.send((text, None))
