"""What was said. The assistant's words are written by what was heard, never by what was generated."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Literal

from .events import Ending

INTERRUPTED_NOTE = "(You were interrupted here and did not finish.)"

PROMPT_CHARS = 6_000
"""What of the past a prompt holds, about 1,500 tokens. When it is exceeded the older half goes at once, not message by
message: a prompt that changes at its front every turn would make the model read all of it again (prefix reuse)."""


@dataclass(frozen=True)
class Message:
    """`ending` is None for the user's messages and for a reply that is being spoken; `unheard` is what the user did
    not hear of an interrupted or failed reply."""

    role: Literal["user", "assistant"]
    text: str
    at_s: float
    ending: Ending | None = None
    unheard: str = ""


@dataclass
class Conversation:
    """The record of one session. `messages` is all there is: whether the agent is speaking, was interrupted, or owes an
    answer is asked of it, not kept beside it."""

    messages: list[Message] = field(default_factory=list[Message])
    _prompt_from: int = 0

    def user_said(self, text: str, at_s: float) -> Message:
        """A turn of the user; one of which no word was understood is not on the record."""
        message = Message("user", text, at_s)
        if text:
            self.messages.append(message)
        return message

    def agent_begins(self, at_s: float) -> None:
        """A reply has the floor; a reply that has it already (and now apologises) goes on."""
        if not any(m.role == "assistant" and m.ending is None for m in self.messages[-8:]):
            self.messages.append(Message("assistant", "", at_s))

    def agent_heard(self, text: str, unheard: str = "", ending: Ending | None = None) -> None:
        """What has been heard so far of the reply in progress; with an ending the reply is closed. A reply of which
        nothing was heard leaves no trace: for the user it did not happen."""
        for index in range(len(self.messages) - 1, -1, -1):
            message = self.messages[index]
            if message.role == "assistant" and message.ending is None:
                if ending is not None and not text:
                    del self.messages[index]
                    self._prompt_from = min(self._prompt_from, len(self.messages))
                else:
                    self.messages[index] = replace(message, text=text, unheard=unheard, ending=ending)
                return

    def prompt(self, instructions: str, words: str = "") -> list[dict[str, str]]:
        """Chat messages for a language model: the instructions, what was said, and the user's `words` that are not yet
        on the record. Successive words of the user become one message; an interrupted reply ends in a dash and says so.
        """
        turns: list[tuple[str, str]] = []
        for role, text in self._spoken(words):
            if turns and turns[-1][0] == role:
                turns[-1] = (role, f"{turns[-1][1]} {text}")
            else:
                turns.append((role, text))
        return [{"role": "system", "content": instructions}] + [{"role": r, "content": t} for r, t in turns]

    def _spoken(self, words: str) -> Iterator[tuple[str, str]]:
        if sum(len(m.text) for m in self.messages[self._prompt_from :]) > PROMPT_CHARS:
            kept = 0
            for index in range(len(self.messages) - 1, self._prompt_from, -1):
                kept += len(self.messages[index].text)
                if kept > PROMPT_CHARS // 2 and self.messages[index].role == "user":
                    self._prompt_from = index
                    break
        for message in self.messages[self._prompt_from :]:
            if message.role == "assistant" and message.ending in ("interrupted", "failed"):
                yield "assistant", f"{message.text.rstrip('.,;:!?')}— {INTERRUPTED_NOTE}"
            elif message.text:
                yield message.role, message.text
        if words:
            yield "user", words
