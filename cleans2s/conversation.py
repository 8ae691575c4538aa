"""What was said. The assistant's words are written by what was heard, never by what was generated."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from .events import Ending
from .playback import Playback
from .stages import Chat
from .text import joined

SILENT_NOTE = "(The user is silent.)"
"""Where the agent speaks without being asked: a language model would go on with its own last sentence."""

INTERRUPTED_NOTE = "(You were interrupted here and did not finish.)"

PROMPT_CHARS = 6_000
"""What of the past a prompt holds, about 1,500 tokens. When it is exceeded the older half goes at once, not message by
message: a prompt that changes at its front every turn would make the model read all of it again (prefix reuse)."""


SOUNDS = 16
"""Replies whose sound is remembered, so that a client can still say how much of them was heard."""


def new_id() -> str:
    return f"item_{secrets.token_hex(8)}"


@dataclass(frozen=True)
class Message:
    """`ending` is None for what is not a reply, and for a reply that is being spoken; `unheard` is what the user did not
    hear of an interrupted or failed reply. A `call` is a function that the model wants called (its arguments are the
    text), an `output` what came of it."""

    role: Literal["user", "assistant", "system", "call", "output"]
    text: str
    at_s: float = 0.0
    ending: Ending | None = None
    unheard: str = ""
    id: str = field(default_factory=new_id)
    call_id: str = ""
    name: str = ""
    """Of the function, in a call."""

    spoken: bool = False
    """By voice, not in writing."""


@dataclass
class Conversation:
    """The record of one session. `messages` is all there is: whether the agent is speaking, was interrupted, or owes an
    answer is asked of it, not kept beside it."""

    messages: list[Message] = field(default_factory=list[Message])
    sounds: dict[str, Playback] = field(default_factory=dict[str, Playback])
    """Of the last replies, by their ids: which word is where."""

    _prompt_from: str = ""
    """The first message that prompts still hold; "" for all."""

    def find(self, id: str) -> Message | None:
        return next((message for message in reversed(self.messages) if message.id == id), None)

    def add(self, message: Message, after: str | None = None) -> None:
        """At the end; or behind the message `after`, "" for the beginning. Raises KeyError if there is no such message."""
        self.messages.insert(len(self.messages) if after is None else self._index(after) + 1, message)

    def remove(self, id: str) -> None:
        del self.messages[self._index(id)]

    def _index(self, id: str) -> int:
        if not id:
            return -1
        return next(index for index in reversed(range(len(self.messages))) if self.messages[index].id == id)

    @property
    def unanswered(self) -> Message | None:
        """The user's words, where nothing came after them."""
        last = self.messages[-1:]
        return last[0] if last and last[0].role == "user" else None

    def user_said(self, text: str, at_s: float, id: str = "", spoken: bool = True) -> Message:
        """A turn of the user; one of which no word was understood is not on the record."""
        message = Message("user", text, at_s, id=id or new_id(), spoken=spoken)
        if text:
            self.messages.append(message)
        return message

    def agent_begins(self, id: str, at_s: float, playback: Playback | None = None) -> None:
        """A reply has the floor; one that has it already (and now apologises) goes on."""
        if self.find(id):
            return
        self.messages.append(Message("assistant", "", at_s, id=id, spoken=playback is not None))
        if playback:
            self.sounds[id] = playback
            for oldest in list(self.sounds)[:-SOUNDS]:
                del self.sounds[oldest]

    def agent_heard(self, id: str, text: str, unheard: str = "", ending: Ending | None = None) -> None:
        """What has been heard so far of a reply; with an ending the reply is closed. A reply of which nothing was heard
        leaves no trace: for the user it did not happen."""
        if not (message := self.find(id)):
            return
        if ending is not None and not text:
            self.remove(id)
        else:
            self.messages[self._index(id)] = replace(message, text=text, unheard=unheard, ending=ending or message.ending)

    def cut(self, id: str, position_s: float) -> Message:
        """Only so much of a spoken reply's sound was heard. Returns the message as it now is. Raises KeyError for an unknown
        id and ValueError where the sound is shorter, or there is none (any more)."""
        if not (message := self.find(id)):
            raise KeyError(id)
        sound = self.sounds.get(id)
        if not sound or position_s > sound.sent_s + 0.001:
            raise ValueError(f"its sound is {sound.sent_s * 1000 if sound else 0:.0f} ms long")
        heard, unheard = sound.split(position_s)
        self.messages[self._index(id)] = message = replace(message, text=heard, unheard=unheard, ending="interrupted")
        return message

    def was_heard(self, id: str, position_s: float) -> None:
        """A client's last word on how much of an interrupted reply it has played; of others it says nothing new."""
        message, sound = self.find(id), self.sounds.get(id)
        if message and sound and message.ending == "interrupted":
            self.cut(id, min(position_s, sound.sent_s))

    def prompt(self, instructions: str, words: str = "") -> Chat:
        """Chat messages for a language model: the instructions, what was said, and the user's `words` that are not yet
        on the record. Successive words of one role become one message; an interrupted reply ends in a dash and says so.
        """
        chat: Chat = [{"role": "system", "content": instructions}]
        for message in self._spoken(words):
            mergeable = message["role"] in ("user", "assistant") and "tool_calls" not in message | chat[-1]
            if mergeable and chat[-1]["role"] == message["role"]:
                chat[-1] = message | {"content": joined([chat[-1]["content"], message["content"]])}
            else:
                chat.append(message)
        if chat[-1]["role"] in ("system", "assistant"):
            chat.append({"role": "user", "content": SILENT_NOTE})
        return chat

    def _spoken(self, words: str) -> Iterator[dict[str, Any]]:
        for message in self._remembered():
            match message.role:
                case "call":
                    function = {"name": message.name, "arguments": message.text}
                    call = {"id": message.call_id, "type": "function", "function": function}
                    yield {"role": "assistant", "content": "", "tool_calls": [call]}
                case "output":
                    yield {"role": "tool", "tool_call_id": message.call_id, "content": message.text}
                case "assistant" if message.ending in ("interrupted", "failed"):
                    yield {"role": "assistant", "content": f"{message.text.rstrip('.,;:!?，。；：！？、')}— {INTERRUPTED_NOTE}"}
                case role if message.text:
                    yield {"role": role, "content": message.text}
                case _:
                    pass
        if words:
            yield {"role": "user", "content": words}

    def _remembered(self) -> list[Message]:
        first = next((i for i, message in enumerate(self.messages) if message.id == self._prompt_from), 0)
        if sum(len(m.text) for m in self.messages[first:]) > PROMPT_CHARS:
            kept = 0
            for index in range(len(self.messages) - 1, first, -1):
                kept += len(self.messages[index].text)
                if kept > PROMPT_CHARS // 2 and self.messages[index].role == "user":
                    first, self._prompt_from = index, self.messages[index].id
                    break
        return self.messages[first:]
