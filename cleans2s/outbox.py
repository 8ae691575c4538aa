"""Events on their way to the one who reads them."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Callable

import anyio

from .events import Event

ROOM = 4096
"""Events that a reader may lag behind: more than a minute of sound."""


class Outbox:
    def __init__(self, witness: Callable[[Event], None] = lambda event: None) -> None:
        self._witness = witness
        self._send, self._receive = anyio.create_memory_object_stream[Event](ROOM)

    async def put(self, event: Event) -> None:
        """At once while there is room, so that what happened and the event of it cannot come apart; otherwise it waits for
        the reader: a slow client slows its own session, and no other."""
        self._witness(event)
        try:
            self._send.send_nowait(event)
        except anyio.WouldBlock:
            await self._send.send(event)

    def note(self, event: Event) -> None:
        """What nobody should wait for: it is left out when the reader lags far behind."""
        self._witness(event)
        with contextlib.suppress(anyio.WouldBlock):
            self._send.send_nowait(event)

    async def events(self) -> AsyncGenerator[Event]:
        async with self._receive.clone() as received:
            async for event in received:
                yield event

    def close(self) -> None:
        """What was put can still be read by a reader that has begun."""
        self._send.close()
        self._receive.close()
