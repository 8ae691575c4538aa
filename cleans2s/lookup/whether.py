"""Whether words are a question that is looked up: in documents, in the web, or not at all. English and Chinese, by patterns.

Documents are asked whatever is a question, and not plainly small talk: the index itself says whether it knows. The web is
asked only what is about the world: never what is about the two who talk, because the query leaves the machine. How well that
goes is measured in tests/test_lookup.py.
"""

from __future__ import annotations

import re
from dataclasses import replace

from ..text import HAN
from . import chinese, english
from .phrases import NOTHING, Wanted, has

_SENTENCE = re.compile(r"(?:[^.?!。？！]|\.(?=\w))+[.?!。？！]*")
_POINTS_BACK = has(
    r"(?:it|its|there|them|their|that|those|this|these|he|she|him|her|his)\b",
    "那里",
    "那儿",
    "那边",
    "它",
    "这个",
    "那个",
    "他们",
)


def wanted(text: str) -> Wanted:
    """What the words of a turn ask for. Of several sentences the last one counts that asks for anything; the one before it goes
    with it only where it is needed to understand it."""
    language = chinese if re.search(f"[{HAN}]", text) else english
    sentences = [part.strip() for part in _SENTENCE.findall(text) if re.search(r"\w", part)]
    for before, sentence in reversed([*zip(["", *sentences], sentences, strict=False)]):
        if before and language.HELP.search(sentence):  # what is the matter was said before
            return Wanted(documents=True, query=f"{before} {sentence}")
        found = language.asked(sentence)
        if not found.nothing:  # "I am going to Bergen. What is the weather like there?"
            with_before = before and _POINTS_BACK.search(found.query)
            return replace(found, query=f"{before} {found.query}") if with_before else found
    return NOTHING
