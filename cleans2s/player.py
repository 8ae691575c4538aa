"""A reply on its way out: paced, so that the client holds no more than a small lead and an interruption is exact."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from anyio.streams.memory import MemoryObjectReceiveStream

from . import events as ev
from .audio import Audio, Samples
from .conversation import Conversation, Message
from .effects import Effects, Shaper
from .errors import StageError
from .outbox import Outbox
from .reply import Reply
from .speech import Sound
from .stages import ToolCall

CHUNK_S = 0.04
"""Length of a ReplyAudio, before it is made faster or slower: the step in which the effects are read."""


async def play(
    reply: Reply,
    sound: MemoryObjectReceiveStream[Sound],
    conversation: Conversation,
    outbox: Outbox,
    clock: Callable[[], float],
    lead_s: float,
    effects: Callable[[], Effects],
) -> StageError | None:
    """To the end of the reply, as it is heard; returns what cut it short. On the record is at any moment what was heard.
    `effects` are those of now: they act on all that has not been sent."""
    return await _Player(reply, conversation, outbox, clock, lead_s, effects).play(sound)


@dataclass
class _Player:
    reply: Reply
    conversation: Conversation
    outbox: Outbox
    clock: Callable[[], float]
    lead_s: float
    effects: Callable[[], Effects]
    _shaper: Shaper | None = None
    _speed: float = 1.0
    """At which the sound that is still to come was reckoned."""

    async def play(self, sound: MemoryObjectReceiveStream[Sound]) -> StageError | None:
        reply, failure = self.reply, None
        if reply.request and reply.request.on_record:
            playback = reply.playback if reply.request.speaks else None
            self.conversation.agent_begins(reply.id, self.clock(), playback)
        async for item in sound:
            if reply.over.is_set():  # cut while this was on its way
                return None
            match item:
                case StageError():
                    failure = item
                case ToolCall():
                    await self._call(item)
                case str():
                    await self._begin()
                    reply.written += item
                    await self.outbox.put(ev.ReplyText(self.clock(), reply.turn, item))
                    self.conversation.agent_heard(reply.id, reply.written)
                case (_, None):
                    if self._shaper:
                        await self._send(self._shaper.flush(), self._shaper.rate)
                    reply.playback.end_clause()
                case (text, audio):
                    self._speed = self.effects().speed
                    if reply.playback.piece(text, audio.duration_s / self._speed):
                        await self.outbox.put(ev.ReplyText(self.clock(), reply.turn, text))
                    await self._piece(audio)
        await reply.caught_up(self.clock, lead_s=0.0)
        return failure

    async def _piece(self, audio: Audio) -> None:
        if self._shaper is None or self._shaper.rate != audio.rate:
            self._shaper = Shaper(audio.rate)
        step = math.ceil(audio.rate * CHUNK_S)
        for start in range(0, len(audio.samples), step):
            await self.reply.caught_up(self.clock, self.lead_s)
            effects, left_s = self.effects(), (len(audio.samples) - start) / audio.rate
            self.reply.playback.clauses[-1].duration_s += left_s / effects.speed - left_s / self._speed
            self._speed = effects.speed
            await self._send(self._shaper.push(audio.samples[start : start + step], effects), audio.rate)

    async def _send(self, samples: Samples, rate: int) -> None:
        if not len(samples):  # a few milliseconds are held back to be shaped
            return
        await self._begin()
        chunk = Audio(samples, rate)
        self.reply.playback.send(chunk.duration_s, self.clock())
        await self.outbox.put(ev.ReplyAudio(self.clock(), self.reply.turn, chunk))
        self.conversation.agent_heard(self.reply.id, self.reply.heard(self.clock())[0])

    async def _begin(self) -> None:
        if "reply" not in self.reply.marks:
            self.reply.mark("reply", self.clock())
            await self.outbox.put(ev.ReplyStarted(self.clock(), self.reply.turn, self.reply.latency()))

    async def _call(self, call: ToolCall) -> None:
        """The language model wants a function called: that is up to the client, which gives back what came of it."""
        self.reply.calls.append(call)
        message = Message("call", call.arguments, self.clock(), call_id=call.id, name=call.name)
        if self.reply.request and self.reply.request.on_record:
            self.conversation.add(message)
        await self.outbox.put(ev.FunctionCalled(self.clock(), self.reply.turn, message.id, call))
