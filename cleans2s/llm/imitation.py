"""How a conversation is shown to a model that is too small to follow instructions, and how much of its answer is said.

Such a model imitates whatever stands before. Examples make it answer in two short sentences; a longer conversation makes it say
its own sentences again: of 41 everyday turns in two conversations, SmolLM2-135M answered 21 with one that it had said before
("I'm here to help you plan your trip to Italy. What's your brother's plan?", to "What is seven times eight?"). Shown the last
exchange alone, and with the penalty below, it did so with none, and could still answer "Which city should I visit first?".
"""

from __future__ import annotations

import re
from itertools import islice
from typing import Any

from ..stages import Chat
from ..text import sentence_ends

EXAMPLES = (
    ("What is the largest ocean?", "The largest ocean is the Pacific Ocean. It covers about a third of the Earth."),
    ("I am a little tired today.", "I'm sorry to hear that. Did you sleep badly?"),
    ("Thank you!", "You're welcome! What else would you like to know?"),
)
"""Exchanges shown to the model before the conversation. Without them SmolLM2-135M answers "What is the capital of France?" in
broken French, with them "The capital of France is Paris". Seven of them made its answers poorer."""

SHOWN, SAID = 2, 3
"""Sentences of its last answer that it is shown, so that answers do not grow from one to the next; and of a new one that are
said: it has little more to say, and begins to wander."""

REPEAT_PENALTY, REPEAT_TOKENS = 1.05, 256
"""By which the scores of words among the last tokens are divided: less and it repeats itself, more and it loses the thread."""

_NOTE = re.compile(r"—?\s*\([^()]*\)\s*$")
"""At the end of an answer that was interrupted: it would be said aloud, or the interruption imitated."""

_PARAGRAPH = re.compile(r"\n\s*\n")


def last_exchange(chat: Chat) -> Chat:
    """The instructions, the last question and the beginning of its answer, and what is to be answered now."""
    head = [message for message in chat[:1] if message["role"] == "system"]
    said = chat[len(head) :]
    if len(said) < 3 or [message["role"] for message in said[-3:]] != ["user", "assistant", "user"]:
        return [*head, *said[-1:]]
    asked, answered, now = said[-3:]
    begun = beginning(_NOTE.sub("", _text(answered)), SHOWN)
    return [*head, asked, answered | {"content": begun}, now] if begun else [*head, now]


def beginning(answer: str, sentences: int) -> str:
    """So many whole sentences; "" if there is none, as of an answer that was interrupted at once."""
    ends = list(sentence_ends(answer + " "))
    return answer[: ends[min(sentences, len(ends)) - 1]].strip() if ends else ""


def enough(said: str) -> int | None:
    """Where an answer that is being written ends, if it has said enough: after some sentences, or with a paragraph."""
    paragraph = _PARAGRAPH.search(said.lstrip())
    found = [len(said) - len(said.lstrip()) + paragraph.start()] if paragraph else []
    found += islice(sentence_ends(said), SAID - 1, SAID)
    return min(found, default=None)


def _text(message: dict[str, Any]) -> str:
    content = message.get("content")
    return content if isinstance(content, str) else ""
