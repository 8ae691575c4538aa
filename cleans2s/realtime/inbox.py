"""What a Realtime client asks, done to the session."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import anyio
from openai.types import realtime as rt

from ..conversation import Message, new_id
from ..engines import Engines
from ..errors import Cleans2sError, StageError, TurnError
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


@dataclass
class Inbox:
    session: Session
    engines: Engines
    narrator: Narrator
    session_id: str
    send: Callable[[str], Awaitable[None]]
    ears: anyio.Lock
    """Sound is heard one piece after the other."""

    _decoder: Decoder = field(init=False)

    def __post_init__(self) -> None:
        self._decoder = Decoder(self.settings.input_format)

    @property
    def settings(self) -> Settings:
        return self.narrator.settings

    async def take(self, text: str | bytes) -> None:
        """One message of the client. Whatever is wrong with it is answered, and the session goes on."""
        event_id = None
        try:
            data = wire.parse(text)
            event_id = wire.event_id_of(data)
            await self._do(*wire.event_of(data))
        except WireError as error:
            await self.send(wire.error_event(error, event_id))
        except StageError as error:
            await self.send(wire.error_event(WireError(str(error), f"{error.stage}_failed", kind="server_error"), event_id))
        except Cleans2sError as error:
            await self.send(wire.error_event(WireError(str(error)), event_id))

    async def _do(self, kind: str, event: Any) -> None:
        match event:
            case rt.InputAudioBufferAppendEvent():
                sound = self._decoder(event.audio)
                async with self.ears:
                    await self.session.hear(sound)
            case wire.Playback():
                self.session.played(event.item_id, event.played_ms / 1000)
            case wire.Ping():
                await self.send(made("cleans2s.pong", id=event.id))
            case wire.Configure():
                await self._settle(self.settings.adjusted_by(event.settings))
                await self.send(made("cleans2s.configured", settings=self.settings.adjusted))
            case rt.SessionUpdateEvent():
                await self._update(event)
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
            case _:
                raise WireError(f"{kind} is not supported by this server", "unsupported", "type")

    async def _update(self, event: rt.SessionUpdateEvent) -> None:
        if not isinstance(event.session, rt.RealtimeSessionCreateRequest):
            raise WireError("only sessions of type 'realtime' are supported", "unsupported", "session.type")
        await self._settle(self.settings.updated(event.session))
        await self.send(made("session.updated", session=self.described()))

    async def _settle(self, settings: Settings) -> None:
        """The new settings act from now on, or not at all."""
        await self.session.configure(settings.config())
        self.session.request = settings.request() if settings.answers else None
        if settings.input_format != self.settings.input_format:
            self._decoder = Decoder(settings.input_format)
        self.narrator.settings = settings

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
