"""What can be answered from memory without a language model: what the user told before, in the user's own words, and that a
reminder is promised. Nothing in it is made up, as a small model would."""

from __future__ import annotations

import re
from datetime import datetime

from . import openers
from .memory import Recalled, reminder, when
from .text import HAN, language_of

SURE = 0.75
"""Score of a memory that answers the question for what was said; weaker ones may be about something else."""

_ASKS = re.compile(
    r"\b(?:what|where|when|who|which|how)\b.*\b(?:did|was|were|do|does|am|is|are|'s)\b.*\b(?:i|my|me)\b|\bdo you remember\b"
    r"|\bdo you (?:still )?know (?:(?:what|where|when|who|how|which)\b.*\b)?(?:i|my)\b|\bwho am i\b|\bwhat's my\b"
    r"|\bremember (?:what|when|where|who|how)\b|\bdid i (?:tell|say|mention)\b"
    rf"|我[{HAN}\w]*(?:什么|哪|谁|多少|几|吗)|(?:还)?记得|我说过|告诉过你",
    re.IGNORECASE,
)


def asks_memory(words: str) -> bool:
    """Whether somebody wants to hear what he told before."""
    return bool(_ASKS.search(words))


def told(words: str, recalled: Recalled, language: str | None, now: datetime) -> str:
    """What answers a question for something that the user told before; "" where nothing does."""
    if not asks_memory(words):
        return ""
    by_hand = next((fact for fact in recalled.facts[:1] if not fact.quote), None)
    if by_hand:  # it is newer than what was said
        return _sentence(openers.quoted(f"{by_hand.key}: {by_hand.value}", language, by_hand.at, now, written=True))
    best = next((episode for episode in recalled.episodes if episode.role == "user"), None)
    if best and best.score >= SURE:
        return _sentence(openers.quoted(best.text, language, best.at, now))
    alike = (fact for fact in recalled.facts if fact.whose == "user" and language_of(fact.quote) == language_of(words))
    fact = next(alike, None)
    return _sentence(openers.quoted(fact.quote, language, fact.at, now)) if fact else ""


def promised(words: str, language: str | None, now: datetime, turn: int = 0) -> str:
    """That a reminder will come, and when, as it was understood; "" where none was asked for."""
    found = reminder(words, now)
    if not found:
        return ""
    at = when.said(found.due, now, language == "zh") if found.due else ""
    kind = "promise" if found.due else "promise_when"
    return openers.say(kind, language, turn, {"topic": found.value, "when": at})


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
