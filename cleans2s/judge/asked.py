"""Whether something like it was asked before, and when: what never was cannot be asked "again".

The network has learnt that a third time is told by what stands before, and takes any chat of some turns for one now and then
("what is my dog called?", after the user had told it). And it reads the last turns only, while people ask again after ten.
"""

from __future__ import annotations

import re
from itertools import takewhile

from ..memory.lexical import tokens
from ..text import HAN
from . import Situation
from .reasons import spoken_in

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

COMMON = {"en": 2, "zh": 4}
"""Words (in Chinese: characters and pairs of them) that two questions which ask the same have in common, or all of a shorter
one: "can I freeze bread?" after "how do I make bread?" goes on, and asks nothing again."""

_MORE = re.compile(r"\b(?:another|more|next|other|else|different)\b|再|另|别的|下一?[个首条]|换", re.IGNORECASE)
_STRESS = re.compile(r"所以|到底|究竟|[你我]说|[啊呀嘛呢吧哦]")
"""What is said with a question that is asked again, and is no part of what it asks. English words like that are no tokens."""

_ASKED_FOR = re.compile(r"\b(?:how (?:long|much|many|old|far|often|big|tall|late)|when|where|whose?|why|which)\b", re.I)
_NUMBER = re.compile(r"\d+|[二三四五六七八九十百千两]")
_PIECE = re.compile(rf"[{HAN}]|[^\W_{HAN}]+")


def turns_that_matter(situation: Situation) -> tuple[tuple[str, str], ...]:
    """The last ones; but where the same was asked twice before, these questions and what was answered to them."""
    turns, asked = situation.turns, _askings(situation)
    if len(asked) < FEWEST:
        return turns[-LAST:]
    return tuple(turn for n in asked[-FEWEST:] for turn in turns[n : n + 2] if turn is turns[n] or turn[0] == "agent")


def asked_twice(situation: Situation) -> bool:
    """Of 214 turns of the data for which it holds 212 are a third time, of which there are 880."""
    return len(_askings(situation)) >= FEWEST


def asked_before(situation: Situation) -> bool:
    """Of 880 third times in the data 69 % are found, and 0.7 % of the other turns before which something was said. The rest is
    given up for the sake of what people do in a first minute: ask for the weather in one town after the other."""
    said = [text for role, text in situation.turns if role == "user"]
    return len(said) >= FEWEST and any(_QUESTION.search(text) and _akin(situation.words, text) for text in said)


def _askings(situation: Situation) -> list[int]:
    """Places of the turns that ask the same."""
    if situation.partial or not _QUESTION.search(situation.words):
        return []
    return [
        place
        for place, (role, text) in enumerate(situation.turns)
        if role == "user" and _QUESTION.search(text) and _same(situation.words, text)
    ]


def _same(one: str, other: str) -> bool:
    """The same words, most of them."""
    words, common = _words_and_common(one, other)
    return _akin(one, other) and common >= words / 2


def _akin(one: str, other: str) -> bool:
    words, common = _words_and_common(one, other)
    return common >= min(COMMON[spoken_in(one, None)], words) > 0 and not _of_another(one, other)


def _words_and_common(one: str, other: str) -> tuple[int, int]:
    words, others = (
        {*tokens(_STRESS.sub(" ", text)), *(found.lower() for found in _ASKED_FOR.findall(text))} for text in (one, other)
    )
    return len(words), len(words & others)


def _of_another(one: str, other: str) -> bool:
    """Whether it is the same question about something else ("what's the capital of Peru?" after "what's the capital of Spain?",
    "seven times eight?" after "six times nine?"), or about more of the same."""
    if _MORE.search(one) or ({*_NUMBER.findall(one)} and {*_NUMBER.findall(one)} != {*_NUMBER.findall(other)}):
        return True
    new, old = (_PIECE.findall(text.lower()) for text in (one, other))
    before = _alike_from_the_start(new, old)
    new, old = new[before:], old[before:]
    after = _alike_from_the_start(new[::-1], old[::-1])
    new, old = new[: len(new) - after], old[: len(old) - after]
    about, formerly = {*tokens(_joined(new))}, {*tokens(_joined(old))}
    return before + after >= max(len(new), len(old)) and bool(about and formerly) and not about & formerly


def _alike_from_the_start(new: list[str], old: list[str]) -> int:
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(new, old, strict=False)))


def _joined(pieces: list[str]) -> str:
    return re.sub(rf"(?<=[{HAN}]) (?=[{HAN}])", "", " ".join(pieces))
