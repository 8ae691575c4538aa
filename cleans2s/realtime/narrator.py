"""What the session does, told to a Realtime client: one event of the session becomes a few of the protocol, in its order."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from .. import events as ev
from ..conversation import Conversation, Message
from ..reply import Request
from ..strategies import STRATEGIES
from .items import item
from .settings import Settings
from .sound import Encoder
from .wire import made

TURNS = 64
"""The user's last ones, to which something may still be said."""


@dataclass
class Response:
    """A reply in the protocol's form, as far as it has come."""

    turn: int
    item: str
    request: Request
    metadata: Any = None
    id: str = field(default_factory=lambda: f"resp_{secrets.token_hex(8)}")
    text: str = ""
    index: int | None = None
    """Of the item with its words; None as long as there are none."""

    items: int = 0
    output: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    sound: Encoder | None = None
    cancelled: bool = False
    """By the client."""

    failure: ev.Failed | None = None
    sources: ev.Sources | None = None
    """To be told when it begins."""

    @property
    def place(self) -> dict[str, Any]:
        """Where in the response its words are."""
        return {"response_id": self.id, "item_id": self.item, "output_index": self.index or 0, "content_index": 0}


@dataclass
class Asked:
    """By a `response.create`."""

    request: Request
    metadata: Any = None


@dataclass
class Narrator:
    conversation: Conversation
    settings: Settings
    conversation_id: str = field(default_factory=lambda: f"conv_{secrets.token_hex(8)}")
    asked: dict[str, Asked] = field(default_factory=dict[str, Asked])
    """What `response.create` wanted, by the id of the answer's item."""

    _responses: dict[int, Response] = field(default_factory=dict[int, Response])
    _held: list[Response] = field(default_factory=list[Response])
    """To turns that ended while another response was on its way: the protocol knows one at a time."""

    _speech: ev.SpeechStarted | None = None
    """Speech that goes on, or has ended without a word on what it was."""

    _announced: bool = False
    """Whether the client knows of it: over the agent's voice it is told when it has turned out to be a barge-in."""

    _items: dict[int, str] = field(default_factory=dict[int, str])
    """The user's last turns, and their items."""

    def tell(self, event: ev.Event) -> Iterator[str]:
        match event:
            case ev.SpeechStarted():
                self._speech, self._announced = event, False
                if not event.overlap:
                    yield from self._announce()
            case ev.PartialTranscript(_, text, stable):
                yield made("cleans2s.partial", text=text, stable=stable)
            case ev.SoftEnd():
                pass
            case ev.Ignored(_, _, text, reason):
                yield from self._speech_over(None)
                yield made("cleans2s.ignored", text=text, reason=reason)
            case ev.TurnEnded():
                yield from self._turn(event)
            case ev.Judged(_, turn, strategy, probabilities, reason, recalled, until, item):
                self._belongs(turn, item)
                row = STRATEGIES.get(strategy)
                does = {"speaks": row is None or row.speaks, "cuts_in": row is not None and row.may_barge_in}
                said = {"strategy": strategy, "probabilities": probabilities, "reason": reason, **does}
                yield made("cleans2s.judged", item_id=item, **said, recalled=list(recalled), until=until)
            case ev.Sources():
                yield from self._grounds(event)
            case ev.Backchannelled(_, text, audio):
                yield made("cleans2s.backchannel", text=text, audio=Encoder(self.settings.output_format).whole(audio))
            case ev.Reacted(_, turn, emoji, name):
                yield made("cleans2s.reaction", item_id=self._item_of(turn), emoji=emoji, name=name)
            case ev.MemoryChanged():
                yield made("cleans2s.memory.changed")
            case ev.ReplyDue(_, turn, id, speaks):
                # A reply that was prepared before a change of settings is as it was meant then.
                asked = self.asked.pop(id, None) or Asked(replace(self.settings.request(), speaks=speaks))
                yield from self._begun(Response(turn, id, asked.request, asked.metadata))
            case ev.ReplyStarted(_, turn, latency):
                yield made("cleans2s.latency", response_id=self._responses[turn].id, latency=asdict(latency))
            case ev.ReplyText(_, turn, text):
                yield from self._words(self._responses[turn], text)
            case ev.ReplyAudio(_, turn, audio):
                response = self._responses[turn]
                response.sound = response.sound or Encoder(self.settings.output_format)
                if delta := response.sound(audio):
                    yield made("response.output_audio.delta", **response.place, delta=delta)
            case ev.FunctionCalled(_, turn, id, call):
                called = Message("call", call.arguments, id=id, call_id=call.id, name=call.name)
                yield from self._call(self._responses[turn], called)
            case ev.Ducked(_, turn):
                yield from self._paused("cleans2s.ducked", turn)
            case ev.Resumed(_, turn):
                yield from self._paused("cleans2s.resumed", turn)
            case ev.Interrupted():
                yield from self._interrupted(event)
            case ev.ReplyEnded():
                yield from self._ended(event)
            case ev.StageRan(_, stage, started_s, ended_s, detail):
                times = {"started_ms": _ms(started_s), "ended_ms": _ms(ended_s)}
                yield made("cleans2s.stage", stage=stage, **times, detail=detail[:200])
            case ev.Failed(_, stage, error):
                for response in self._responses.values():
                    response.failure = event
                yield made("cleans2s.failed", stage=stage, error=error)

    # ── the user's turn ───────────────────────────────────────────────────────────────────────────────────────────────

    def _announce(self) -> Iterator[str]:
        if self._speech and not self._announced:
            self._announced = True
            start_ms = _ms(self._speech.audio_s)
            yield made("input_audio_buffer.speech_started", audio_start_ms=start_ms, item_id=self._speech.item)

    def _speech_over(self, end_s: float | None) -> Iterator[str]:
        if self._speech and self._announced:
            end_ms = _ms(self._speech.audio_s if end_s is None else end_s)
            yield made("input_audio_buffer.speech_stopped", audio_end_ms=end_ms, item_id=self._speech.item)
        self._speech = None

    def _belongs(self, turn: int, item: str) -> None:
        self._items[turn] = item
        while len(self._items) > TURNS:
            del self._items[next(iter(self._items))]

    def _item_of(self, turn: int) -> str | None:
        """None where there are no words of the user (or they are no matter, as where a client gives its own instructions)."""
        return self._items.get(turn)

    def _turn(self, event: ev.TurnEnded) -> Iterator[str]:
        self._belongs(event.turn, event.item)
        if self._speech and self._speech.item == event.item:
            yield from self._announce()
            yield from self._speech_over(event.audio_end_s)
        before = self._before(event.item)
        yield made("input_audio_buffer.committed", item_id=event.item, previous_item_id=before)
        yield from self.added(Message("user", event.text, id=event.item, spoken=True))
        if not self.settings.transcribes:
            return
        kind, place = "conversation.item.input_audio_transcription", {"item_id": event.item, "content_index": 0}
        if not event.text:
            problem = {"type": "server_error", "code": "no_words", "message": "no words were recognised in this turn"}
            yield made(f"{kind}.failed", **place, error=problem)
            return
        usage = {"type": "duration", "seconds": round(event.speech_end_s - event.onset_s, 3)}
        yield made(f"{kind}.delta", **place, delta=event.text)
        yield made(f"{kind}.completed", **place, transcript=event.text, usage=usage)

    def added(self, message: Message) -> Iterator[str]:
        """A whole item that is on the record now."""
        fields = {"item": item(message), "previous_item_id": self._before(message.id)}
        yield made("conversation.item.added", **fields)
        yield made("conversation.item.done", **fields)

    def _before(self, id: str) -> str | None:
        ids = [message.id for message in self.conversation.messages]
        return next(iter(reversed(ids[: ids.index(id)] if id in ids else ids)), None)

    # ── the agent's reply ─────────────────────────────────────────────────────────────────────────────────────────────

    def _begun(self, response: Response) -> Iterator[str]:
        if response.request.aside or all(other.request.aside for other in self._responses.values()):
            self._responses[response.turn] = response
            yield made("response.created", response=self._response(response))
            if response.sources:
                yield from self._grounds(response.sources)
        else:
            self._held.append(response)

    def _grounds(self, event: ev.Sources) -> Iterator[str]:
        for held in self._held:
            if held.turn == event.turn:
                held.sources = event
        if response := self._responses.get(event.turn):
            items = {"item_id": self._item_of(event.turn), "reply_item_id": response.item}
            yield made("cleans2s.sources", response_id=response.id, **items, sources=list(event.sources))

    def _words(self, response: Response, text: str) -> Iterator[str]:
        spoken = response.request.speaks
        if response.index is None:
            response.index, response.items = response.items, response.items + 1
            started = {"id": response.item, "object": "realtime.item", "type": "message", "role": "assistant"}
            started |= {"status": "in_progress", "content": []}
            place = {"response_id": response.id, "output_index": response.index}
            yield made("response.output_item.added", **place, item=started)
            if response.request.on_record:
                yield made("conversation.item.added", item=started, previous_item_id=self._before(response.item))
            part = {"type": "audio", "transcript": ""} if spoken else {"type": "text", "text": ""}
            yield made("response.content_part.added", **response.place, part=part)
        if spoken:
            text = f" {text}" if response.text else text
        response.text += text
        kind = "response.output_audio_transcript.delta" if spoken else "response.output_text.delta"
        yield made(kind, **response.place, delta=text)

    def _call(self, response: Response, called: Message) -> Iterator[str]:
        done = item(called)
        place = {"response_id": response.id, "output_index": response.items}
        response.items += 1
        yield made("response.output_item.added", **place, item=done | {"status": "in_progress", "arguments": ""})
        if response.request.on_record:
            yield made("conversation.item.added", item=done, previous_item_id=self._before(called.id))
        where = place | {"item_id": called.id, "call_id": called.call_id}
        yield made("response.function_call_arguments.delta", **where, delta=called.text)
        yield made("response.function_call_arguments.done", **where, arguments=called.text, name=called.name)
        yield made("response.output_item.done", **place, item=done)
        if response.request.on_record:
            yield made("conversation.item.done", item=done, previous_item_id=self._before(called.id))
        response.output.append(done)

    def _paused(self, kind: str, turn: int) -> Iterator[str]:
        if response := self._responses.get(turn):  # as long as the user's words are not known, there is none
            yield made(kind, response_id=response.id)

    def _interrupted(self, event: ev.Interrupted) -> Iterator[str]:
        if event.by == "voice":
            yield from self._announce()
        response = self._responses[event.turn]
        words = {"heard": event.heard, "unheard": event.unheard, "by": event.by}
        yield made("cleans2s.interrupted", response_id=response.id, item_id=response.item, **words)
        response.cancelled = event.by == "request"

    def _ended(self, event: ev.ReplyEnded) -> Iterator[str]:
        held, self._held = [response for response in self._held if response.turn != event.turn], []
        if response := self._responses.pop(event.turn, None):
            if response.index is not None:
                yield from self._message_done(response, event)
            yield made("response.done", response=self._response(response, event.ending, event.cut_short))
        for response in held:
            yield from self._begun(response)

    def _message_done(self, response: Response, event: ev.ReplyEnded) -> Iterator[str]:
        finished = event.ending == "finished"
        if response.sound and finished and (rest := response.sound.flush()):
            yield made("response.output_audio.delta", **response.place, delta=rest)
        if response.request.speaks:
            yield made("response.output_audio.done", **response.place)
            yield made("response.output_audio_transcript.done", **response.place, transcript=response.text)
            part = {"type": "audio", "transcript": event.heard}
        else:
            yield made("response.output_text.done", **response.place, text=response.text)
            part = {"type": "text", "text": event.heard}
        yield made("response.content_part.done", **response.place, part=part)
        spoken = response.request.speaks
        done = item(Message("assistant", event.heard, id=response.item, ending=event.ending, spoken=spoken))
        yield made("response.output_item.done", response_id=response.id, output_index=response.index, item=done)
        if response.request.on_record:
            yield made("conversation.item.done", item=done, previous_item_id=self._before(response.item))
            if not event.heard:  # a reply of which nothing was heard is not on the record
                yield made("conversation.item.deleted", item_id=response.item)
        response.output.insert(response.index or 0, done)

    def _response(self, response: Response, ending: ev.Ending | None = None, cut_short: bool = False) -> dict[str, Any]:
        request = response.request
        output: dict[str, Any] = {"format": {"type": self.settings.output_format}}
        fields: dict[str, Any] = {
            "id": response.id,
            "object": "realtime.response",
            "output": response.output,
            "output_modalities": ["audio"] if request.speaks else ["text"],
            "max_output_tokens": request.wishes.max_tokens or "inf",
            "audio": {"output": output},
            "metadata": response.metadata,
            "conversation_id": self.conversation_id if request.on_record else None,
        }
        match ending:
            case None:
                return fields | {"status": "in_progress"}
            case "finished" if cut_short:
                details = {"type": "incomplete", "reason": "max_output_tokens"}
                return fields | {"status": "incomplete", "status_details": details}
            case "finished":
                return fields | {"status": "completed", "status_details": {"type": "completed"}}
            case "failed":
                failure = response.failure
                what = {"type": "server_error", "code": f"{failure.stage}_failed", "message": failure.error} if failure else {}
                return fields | {"status": "failed", "status_details": {"type": "failed", "error": what}}
            case "interrupted" | "dropped":
                reason = "client_cancelled" if response.cancelled else "turn_detected"
                return fields | {"status": "cancelled", "status_details": {"type": "cancelled", "reason": reason}}


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
