"""What clients may do with the memory of their own conversation: look, search, correct, forget, take away, bring along.

A client reaches no memory but that of its session, and only as long as the session lasts: there is no name or path in any of
these messages. All of it is bounded, and done in a thread while the conversation goes on, one thing after the other.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import anyio
from anyio import to_thread

from .errors import MemoryFault
from .memory import Block, Episode, Fact, Memory, memory_file
from .realtime import memory_messages as asked
from .realtime.adjusting import REMEMBERED
from .realtime.wire import made
from .session import Session

MOST_FACTS = 500
SHOWN_CHARS = 2_000
"""Of one entry; a longer one is shown shortened, and cannot be edited here."""

MOST_TURNS_IN = 20_000
MOST_FACTS_IN = 5_000
"""Of one import."""

FILE_BYTES = 64 << 20
"""Of a memory, beyond which nothing is imported into it."""

EXPORT_TURNS = 50_000
"""More are exported in Python only; a browser would stand still over them."""

WAITING = 16
"""Requests that may wait for one another."""


class Desk:
    def __init__(self, session: Session, send: Callable[[str], Awaitable[None]]) -> None:
        self._session, self._send = session, send
        self._turn = anyio.Lock()

    @property
    def busy(self) -> bool:
        return self._turn.statistics().tasks_waiting >= WAITING

    async def do(self, request: asked.Asked) -> None:
        """Done, and answered. Raises MemoryFault with a sentence where it cannot be."""
        async with self._turn:
            if not (memory := self._session.memory):
                raise MemoryFault("nothing is remembered in this conversation: memory is switched off on this server")
            try:
                answer = await self._done(memory, request)
            except MemoryFault as error:  # clients learn no path
                raise MemoryFault(str(error).replace(str(memory.path), "the memory's file")) from None
        await self._send(answer)

    async def _done(self, memory: Memory, request: asked.Asked) -> str:
        match request:
            case asked.List(search=search, limit=limit):
                return made("cleans2s.memory.items", **await to_thread.run_sync(listed, memory, search, limit))
            case asked.Export():
                return made("cleans2s.memory.exported", memory=await to_thread.run_sync(_exported, memory))
            case asked.Import(memory=given):
                taken = await to_thread.run_sync(_imported, memory, given)
                return made("cleans2s.memory.imported", turns=taken.turns, facts=taken.facts)
            case asked.Edit(id=id, text=text):
                await to_thread.run_sync(memory.edit, id, text)
            case asked.Forget(id=id):
                await to_thread.run_sync(memory.forget, id)
            case asked.ForgetAll():
                await to_thread.run_sync(memory.forget_all)
            case asked.Unblock():
                await self._session.unblock()
        return made("cleans2s.memory.changed")


def listed(memory: Memory, search: str = "", limit: int = 100) -> dict[str, Any]:
    """The summary, the facts and the last turns, with all words of `search` in them, as JSON takes them."""
    words = search.lower().split()
    facts = [fact for fact in memory.facts if all(word in f"{fact.text} {fact.quote}".lower() for word in words)]
    episodes = memory.episodes(search, limit=limit + 1)
    block = memory.blocked(datetime.now().astimezone())
    return {
        "search": search,
        "kept": memory.path is not None,
        "set_aside": bool(memory.notice),
        "summary": memory.summary[:SHOWN_CHARS],
        "facts": [_fact(fact) for fact in facts[-MOST_FACTS:]],
        "episodes": [_episode(episode) for episode in episodes[-limit:]],
        "more": len(episodes) > limit or len(facts) > MOST_FACTS,
        "block": _block(block) if block else None,
    }


def _fact(fact: Fact) -> dict[str, Any]:
    shown = {name: getattr(fact, name)[:SHOWN_CHARS] for name in ("id", "kind", "whose", "key", "value", "quote")}
    moments = {"at": fact.at.isoformat(), "due": fact.due.isoformat() if fact.due else ""}
    return shown | moments | {"certainty": fact.certainty, "clipped": len(fact.value) > SHOWN_CHARS}


def _episode(turn: Episode) -> dict[str, Any]:
    text = turn.text[:SHOWN_CHARS]
    return {"id": turn.id, "role": turn.role, "text": text, "at": turn.at.isoformat(), "clipped": text != turn.text}


def _block(block: Block) -> dict[str, str]:
    return {"since": block.since.isoformat(), "until": block.until.isoformat(), "why": block.why}


def _exported(memory: Memory) -> dict[str, Any]:
    if len(memory.episodes(limit=EXPORT_TURNS + 1)) > EXPORT_TURNS:
        raise MemoryFault(f"more than {EXPORT_TURNS} turns: too many for a page; export them with Memory.export in Python")
    return memory.export()


def _imported(memory: Memory, given: dict[str, Any]) -> Any:
    for name, most in (("turns", MOST_TURNS_IN), ("facts", MOST_FACTS_IN)):
        if isinstance(entries := given.get(name), list) and len(entries) > most:  # pyright: ignore[reportUnknownArgumentType]
            raise MemoryFault(f"the memory to import has more than {most} {name}: import fewer at a time; nothing was taken")
    if memory.path and memory.path.exists() and memory.path.stat().st_size > FILE_BYTES:
        raise MemoryFault(f"the memory is larger than {FILE_BYTES >> 20} MB: forget something before you import more")
    return memory.load(given)


def admit(name: str, most: int) -> None:
    """Raises MemoryFault where a memory of this name would be one file too many. What is there already stays open."""
    if not name.startswith(REMEMBERED.format("")):
        return
    file: Path = memory_file(name)
    if not file.exists() and sum(1 for _ in file.parent.glob(REMEMBERED.format("*.sqlite"))) >= most:
        raise MemoryFault(f"this server remembers {most} people already, and nobody else; talk without being remembered")
