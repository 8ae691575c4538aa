"""One Realtime client: its tasks, what it may cost, and how it ends.

    reader ──→ inbox ──→ session ──→ narrator ──→ outgoing ──→ writer
                  └────────── answers ───────────────┘
    watch: idle and total time, sound that stopped coming in the middle of a turn, the protocol's idle timeout

All queues are bounded: a client that does not read slows its own session, until it is given up.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import anyio
from starlette.websockets import WebSocket, WebSocketDisconnect

from .. import events as ev
from ..audio import Audio, silence
from ..config import Config
from ..engines import Engines
from ..errors import Cleans2sError, TurnError
from ..recorder import Recorder
from ..session import Session
from .inbox import Inbox
from .narrator import Narrator
from .settings import Settings
from .wire import WireError, error_event, made

OUTGOING = 256
"""Messages that may wait for a slow client."""

CLOSE_S = 3.0
TICK_S = 0.25

STALL_S = 1.0
"""Time goes by the samples heard. Where none come for so long in the middle of a turn, the client has stopped sending, and
silence is heard instead; otherwise the turn would never end."""

TIMEOUTS = 3
"""Responses in succession that the protocol's idle timeout may trigger: nobody is there."""

GOING_AWAY, NORMAL, TRY_AGAIN, UNAVAILABLE = 1001, 1000, 1013, 4001


@dataclass(frozen=True)
class Bounds:
    """What one client may do."""

    idle_s: float = 900.0
    """Without speech, replies or requests; sound alone does not count, so a forgotten page does not hold a place."""

    session_s: float = 3600.0
    messages_per_s: float = 200.0
    """On average; sound beyond it is read more slowly, other messages are answered with an error."""

    burst: int = 2000
    send_s: float = 20.0
    """A client that takes no message for so long is gone."""

    memories: int = 1000
    """People that are remembered, where they ask for it: a file each. 0 for nobody."""


@dataclass(frozen=True)
class Goodbye:
    """The end of a connection, by the server."""

    code: int
    reason: str


class Connection:
    def __init__(
        self,
        websocket: WebSocket,
        config: Config,
        engines: Engines,
        bounds: Bounds,
        note: Callable[[ev.Event | None], None],
        recorder: Recorder | None = None,
    ) -> None:
        self._websocket, self._bounds, self._note = websocket, bounds, note
        self._settings = Settings.of(config)
        self._recorder = recorder
        self._session = Session(self._settings.config(), recorder)
        self._session.request = self._settings.request()
        self._engines = engines
        self._ears = anyio.Lock()
        self._scope = anyio.CancelScope()
        self._goodbye: Goodbye | None = None
        self._out, self._outgoing = anyio.create_memory_object_stream[str](OUTGOING)

    @property
    def config(self) -> Config:
        """Of the session, as it is now."""
        return self._session.config

    def end(self, code: int, reason: str) -> None:
        """From any task of the connection's loop."""
        self._goodbye = self._goodbye or Goodbye(code, reason)
        self._scope.cancel()

    async def run(self) -> None:
        """To the end of the conversation, whoever ends it."""
        with self._out, self._outgoing:
            with self._scope:
                try:
                    async with self._session as session:
                        await self._converse(session)
                except Cleans2sError as error:  # an engine that cannot be loaded
                    self._out.send_nowait(error_event(WireError(str(error), "not_available", kind="server_error")))
                    self._goodbye = Goodbye(UNAVAILABLE, "the agent cannot be loaded")
            with anyio.move_on_after(CLOSE_S, shield=True):
                if self._goodbye:
                    await self._part(self._goodbye)

    async def _part(self, goodbye: Goodbye) -> None:
        try:
            with contextlib.suppress(anyio.WouldBlock, anyio.EndOfStream):
                while True:  # what the client has yet to be told
                    await self._websocket.send_text(self._outgoing.receive_nowait())
            if goodbye.code != UNAVAILABLE:
                code = "session_expired" if goodbye.code == NORMAL else "going_away"
                await self._websocket.send_text(error_event(WireError(goodbye.reason, code, kind="server_error")))
            await self._websocket.close(goodbye.code, goodbye.reason)
        except (WebSocketDisconnect, RuntimeError):
            pass  # it has gone already

    async def _converse(self, session: Session) -> None:
        self._active_s = anyio.current_time()
        self._sound_s = self._active_s
        narrator = Narrator(session.conversation, self._settings)
        async with anyio.create_task_group() as tasks:
            id = f"sess_{secrets.token_hex(8)}"
            inbox = Inbox(session, self._engines, narrator, id, self._out.send, self._ears, tasks, self._bounds.memories)
            await self._out.send(made("session.created", session=inbox.described()))
            if self._recorder and self._recorder.records:
                await self._out.send(made("cleans2s.recording"))
            tasks.start_soon(self._write)
            tasks.start_soon(self._narrate, session, narrator)
            tasks.start_soon(self._watch, session, narrator)
            await self._read(inbox)
            tasks.cancel_scope.cancel()

    async def _read(self, inbox: Inbox) -> None:
        bounds, allowed, at_s = self._bounds, float(self._bounds.burst), anyio.current_time()
        while True:
            message = await self._websocket.receive()
            if message["type"] == "websocket.disconnect":
                return
            text = message.get("text")
            now_s = anyio.current_time()
            allowed = min(allowed + (now_s - at_s) * bounds.messages_per_s, bounds.burst) - 1
            at_s = now_s
            self._note(None)
            if text is None:
                await self._out.send(error_event(WireError("a binary message; expected JSON text", "invalid_json")))
                continue
            sound = text.startswith(('{"type":"input_audio_buffer.append"', '{"type": "input_audio_buffer.append"'))
            if allowed < 0 and not sound:
                problem = f"more than {bounds.messages_per_s:g} messages a second; send fewer"
                await self._out.send(error_event(WireError(problem, "rate_limit_exceeded", kind="rate_limit_error")))
            else:
                if '"cleans2s.p' not in text[:40]:  # a ping or the position of playback shows nobody's presence
                    self._sound_s = now_s
                    self._active_s = self._active_s if sound else now_s
                await inbox.take(text)
            await anyio.sleep(max(0.0, -allowed / bounds.messages_per_s))

    async def _narrate(self, session: Session, narrator: Narrator) -> None:
        async with aclosing(session.events()) as events:
            async for event in events:
                self._note(event)
                if isinstance(event, (ev.SpeechStarted, ev.ReplyStarted, ev.ReplyEnded)):
                    self._active_s = anyio.current_time()
                for text in narrator.tell(event):
                    await self._out.send(text)

    async def _write(self) -> None:
        async for text in self._outgoing:
            try:
                with anyio.fail_after(self._bounds.send_s):
                    await self._websocket.send_text(text)
            except (TimeoutError, WebSocketDisconnect, RuntimeError):
                self._scope.cancel()  # the connection has broken

    async def _watch(self, session: Session, narrator: Narrator) -> None:
        began_s, timeouts, quiet_since_s = anyio.current_time(), 0, anyio.current_time()
        while True:
            await anyio.sleep(TICK_S)
            now_s = anyio.current_time()
            if now_s - began_s > self._bounds.session_s:
                return self.end(NORMAL, f"the time of a session is over ({self._bounds.session_s:g} s); start another one")
            if now_s - self._active_s > self._bounds.idle_s:
                return self.end(NORMAL, f"nothing was said for a long time ({self._bounds.idle_s:g} s); start again")
            if session.hears_speech and session.config.hands_free and now_s - self._sound_s > STALL_S:
                async with self._ears:
                    await session.hear(Audio(silence(TICK_S)))
            if session.hears_speech:
                timeouts = 0
            if not session.idle:
                quiet_since_s = now_s
            timeout_s = narrator.settings.idle_timeout_s
            if timeout_s and timeouts < TIMEOUTS and now_s - quiet_since_s > timeout_s and session.conversation.messages:
                timeouts, quiet_since_s = timeouts + 1, now_s
                start_ms = round(max(0.0, session.heard_s - timeout_s) * 1000)
                fields: dict[str, Any] = {"audio_start_ms": start_ms, "audio_end_ms": round(session.heard_s * 1000)}
                item_id = session.conversation.messages[-1].id
                await self._out.send(made("input_audio_buffer.timeout_triggered", item_id=item_id, **fields))
                with contextlib.suppress(TurnError):  # somebody else was quicker
                    await session.respond(narrator.settings.request())
