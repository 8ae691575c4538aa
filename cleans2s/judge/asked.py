"""Whether something like it was asked before, and when: what never was cannot be asked "again".

The network has learnt that a third time is told by what stands before, and takes any chat of some turns for one now and then
("what is my dog called?", after the user had told it). And it reads the last turns only, while people ask again after ten.
"""

from __future__ import annotations

import re

from ..memory.lexical import tokens
from . import Situation

FEWEST = 2
"""Turns of the user before it: this would be the third."""

_QUESTION = re.compile(
    r"[?？]\s*$|[吗呢吧]\s*[。！]?$|什么|怎么|几|多少|多|哪|谁|是不是|有没有|能不能|可不可以|"
    r"^(?:so |and |but |well |sorry )*(?:what|who|where|when|why|how|which|do|does|did|can|could|is|are|was|were|will|would|"
    r"have|has|am|shall|should|may)\b",
    re.IGNORECASE,
)


LAST = 6
"""Turns of both that are read, the last ones."""

ALIKE = 0.2
"""Share of words in common from which on two questions are perhaps the same. The network tells whether they are."""


def turns_that_matter(situation: Situation) -> tuple[tuple[str, str], ...]:
    """The last ones; but where something like it was asked twice before, these questions and what was answered to them."""
    turns, asked = situation.turns, _askings(situation)
    if len(asked) < FEWEST:
        return turns[-LAST:]
    return tuple(turn for n in asked[-FEWEST:] for turn in turns[n : n + 2] if turn is turns[n] or turn[0] == "agent")


def asked_twice(situation: Situation) -> bool:
    """Of the turns of the data for which it holds 92 % are a third time (of 432), which is 46 % of these."""
    return len(_askings(situation)) >= FEWEST


def _askings(situation: Situation) -> list[int]:
    """Places of the turns that ask something like it."""
    if situation.partial or not _QUESTION.search(situation.words):
        return []
    words = {*tokens(situation.words)}
    return [
        place
        for place, (role, text) in enumerate(situation.turns)
        if role == "user" and _QUESTION.search(text) and _alike(words, text)
    ]


def _alike(words: set[str], other: str) -> bool:
    others = {*tokens(other)}
    return len(words & others) >= ALIKE * len(words | others) > 0


def asked_before(situation: Situation) -> bool:
    """Of 736 third times in the data 92 % are found, and 2 % of the other turns before which something was said."""
    words = {*tokens(situation.words)}
    said = [text for role, text in situation.turns if role == "user"]
    return len(said) >= FEWEST and any(words & {*tokens(text)} for text in said if _QUESTION.search(text))
