"""What a Realtime client asks, done to the session."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeAlias

import anyio
from anyio import to_thread
from anyio.abc import TaskGroup
from openai.types import realtime as rt

from .. import stages
from ..conversation import Message, new_id
from ..engines import Engines
from ..errors import Cleans2sError, MemoryFault, StageError, TurnError
from ..memory_desk import Desk, admit
from ..session import Session
from . import wire
from .items import chat as chat_of
from .items import item, message
from .narrator import Asked, Narrator
from .settings import Settings
from .sound import Decoder
from .wire import WireError, made

ITEMS = 1_000
"""Items that a conversation may hold."""

METADATA = 16
"""Pairs in a response's metadata, as the protocol says."""

CHANGES = 16
"""Changes of the settings that may wait for an engine to be loaded."""


Change: TypeAlias = tuple[str | None, Callable[[], Awaitable[None]]]
"""The id of the event that asked for it, and what does it."""


@dataclass
class Inbox:
    session: Session
    engines: Engines
    narrator: Narrator
    session_id: str
    send: Callable[[str], Awaitable[None]]
    ears: anyio.Lock
    """Sound is heard one piece after the other."""

    tasks: TaskGroup
    """In which engines are loaded, and memory is read, while the conversation goes on."""

    memories: int = 0
    """How many people may be remembered, each in a file."""

    _decoder: Decoder = field(init=False)
    _changes: deque[Change] = field(init=False, default_factory=deque[Change])
    """Of the settings, the first one under way."""

    _desk: Desk = field(init=False)

    def __post_init__(self) -> None:
        self._decoder = Decoder(self.settings.input_format)
        self._desk = Desk(self.session, self.send)

    @property
    def settings(self) -> Settings:
        return self.narrator.settings

    async def take(self, text: str | bytes) -> None:
        """One message of the client. Whatever is wrong with it is answered, and the session goes on."""
        try:
            data = wire.parse(text)
        except WireError as error:
            return await self.send(wire.error_event(error))
        event_id = wire.event_id_of(data)
        return await self._tried(event_id, partial(self._do, data, event_id))

    async def _tried(self, event_id: str | None, do: Callable[[], Awaitable[None]]) -> None:
        try:
            await do()
        except WireError as error:
            await self.send(wire.error_event(error, event_id))
        except StageError as error:
            await self.send(wire.error_event(WireError(str(error), f"{error.stage}_failed", kind="server_error"), event_id))
        except MemoryFault as error:
            await self.send(wire.error_event(WireError(str(error), "memory_failed"), event_id))
        except Cleans2sError as error:
            await self.send(wire.error_event(WireError(str(error)), event_id))

    async def _do(self, data: dict[str, Any], event_id: str | None) -> None:
        kind, event = wire.event_of(data)
        match event:
            case rt.InputAudioBufferAppendEvent():
                sound = self._decoder(event.audio)
                async with self.ears:
                    await self.session.hear(sound)
            case wire.Playback():
                self.session.played(event.item_id, event.played_ms / 1000)
            case wire.Ping():
                await self.send(made("cleans2s.pong", id=event.id))
            case wire.Configure() | rt.SessionUpdateEvent():
                await self._change(event, event_id)
            case rt.InputAudioBufferCommitEvent():
                await self._commit()
            case rt.InputAudioBufferClearEvent():
                await self.session.clear()
                await self.send(made("input_audio_buffer.cleared"))
            case rt.ConversationItemCreateEvent():
                await self._create(event)
            case rt.ConversationItemRetrieveEvent():
                await self.send(made("conversation.item.retrieved", item=item(self._found(event.item_id))))
            case rt.ConversationItemDeleteEvent():
                self.session.conversation.remove(self._found(event.item_id).id)
                await self.send(made("conversation.item.deleted", item_id=event.item_id))
            case rt.ConversationItemTruncateEvent():
                await self._truncate(event)
            case rt.ResponseCreateEvent():
                await self._respond(event.response or rt.RealtimeResponseCreateParams())
            case rt.ResponseCancelEvent():
                if not self.session.replying:
                    raise WireError("there is no response to cancel", "response_cancel_not_active")
                await self.session.cancel()
            case _ if kind in wire.MEMORY:
                if self._desk.busy:
                    raise WireError("too many requests wait for the memory; send fewer at a time", "too_many_items")
                self.tasks.start_soon(self._tried, event_id, partial(self._desk.do, event))
            case _:
                raise WireError(f"{kind} is not supported by this server", "unsupported", "type")

    # ── settings ──────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _change(self, event: wire.Configure | rt.SessionUpdateEvent, event_id: str | None) -> None:
        """Before the next message where all engines are there. Loading one takes seconds, in which the conversation goes on
        as it was; changes that come meanwhile wait behind it."""
        if not self._changes and all(map(stages.loaded, self._changed(event).config().engines)):
            return await self._settle(event)
        if len(self._changes) >= CHANGES:
            raise WireError(
                f"{CHANGES} changes of the settings wait for an engine already; send it again later", "too_many_items"
            )
        self._changes.append((event_id, partial(self._settle, event)))
        if len(self._changes) == 1:
            self.tasks.start_soon(self._catch_up)
        return None

    async def _catch_up(self) -> None:
        while self._changes:
            await self._tried(*self._changes[0])
            self._changes.popleft()

    def _changed(self, event: wire.Configure | rt.SessionUpdateEvent) -> Settings:
        """The settings as they would be. Raises WireError for what cannot be."""
        if isinstance(event, wire.Configure):
            return self.settings.adjusted_by(event.settings)
        if not isinstance(event.session, rt.RealtimeSessionCreateRequest):
            raise WireError("only sessions of type 'realtime' are supported", "unsupported", "session.type")
        return self.settings.updated(event.session)

    async def _settle(self, event: wire.Configure | rt.SessionUpdateEvent) -> None:
        """The new settings act from now on, or not at all."""
        settings = self._changed(event)
        config = settings.config()
        if config.memory != self.session.config.memory:
            await to_thread.run_sync(admit, config.memory, self.memories)
        await self.session.configure(config)
        self.session.request = settings.request() if settings.answers else None
        if settings.input_format != self.settings.input_format:
            self._decoder = Decoder(settings.input_format)
        self.narrator.settings = settings
        if isinstance(event, wire.Configure):
            await self.send(made("cleans2s.configured", settings=settings.adjusted))
        else:
            await self.send(made("session.updated", session=self.described()))

    def described(self) -> dict[str, Any]:
        return self.settings.session | {"id": self.session_id, "object": "realtime.session"}

    async def _commit(self) -> None:
        try:
            await self.session.commit()
        except TurnError as error:
            raise WireError(str(error), "input_audio_buffer_commit_empty") from None

    async def _create(self, event: rt.ConversationItemCreateEvent) -> None:
        conversation = self.session.conversation
        if len(conversation.messages) >= ITEMS:
            raise WireError(f"the conversation holds {ITEMS} items; delete some", "too_many_items")
        made_of = await message(event.item, self._hear, self.session.now_s)
        if conversation.find(made_of.id):
            raise WireError(f"there is an item {made_of.id!r} already", "item_already_exists", "item.id")
        before = event.previous_item_id
        if before not in (None, "root"):
            self._found(before, "previous_item_id")
        conversation.add(made_of, "" if before == "root" else before)
        for told in self.narrator.added(made_of):
            await self.send(told)

    async def _hear(self, encoded: str) -> str:
        audio = Decoder(self.settings.input_format)(encoded)
        return (await self.engines.transcribe(audio.resampled(16_000))).text

    def _found(self, id: str, param: str = "item_id") -> Message:
        if found := self.session.conversation.find(id):
            return found
        raise WireError(f"there is no item {id[:80]!r} in this conversation", "item_not_found", param)

    async def _truncate(self, event: rt.ConversationItemTruncateEvent) -> None:
        self._found(event.item_id)
        if event.content_index:
            raise WireError("content_index: an item has one part of content here; expected 0", param="content_index")
        if self.session.replying == event.item_id:
            await self.session.cancel()
        try:
            if event.audio_end_ms < 0:
                raise ValueError("its sound begins at 0 ms")
            self.session.conversation.cut(event.item_id, event.audio_end_ms / 1000)
        except KeyError:
            pass  # nothing of it had been heard, and so it is not on the record any more
        except (ValueError, OverflowError) as error:
            raise WireError(f"audio_end_ms {event.audio_end_ms}: {error}", "invalid_value", "audio_end_ms") from None
        place = {"item_id": event.item_id, "content_index": 0, "audio_end_ms": event.audio_end_ms}
        await self.send(made("conversation.item.truncated", **place))

    async def _respond(self, asked: rt.RealtimeResponseCreateParams) -> None:
        chat = None
        if asked.input is not None:
            chat = chat_of([await message(part, self._hear, 0.0, f"response.input.{n}") for n, part in enumerate(asked.input)])
        request = self.settings.request(asked, chat)
        if asked.metadata and len(asked.metadata) > METADATA:
            raise WireError(f"metadata of {len(asked.metadata)} pairs; expected at most {METADATA}", param="response.metadata")
        id = new_id()
        self.narrator.asked[id] = Asked(request, asked.metadata)
        try:
            await self.session.respond(request, id)
        except TurnError as error:
            del self.narrator.asked[id]
            raise WireError(str(error), "conversation_already_has_active_response") from None
