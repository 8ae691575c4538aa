"""Patterns put together of phrases, one alternative a line; and what a sentence turns out to ask for."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..text import words_of


@dataclass(frozen=True)
class Wanted:
    """Where to look, and for what."""

    documents: bool = False
    web: bool = False
    query: str = ""
    """The words without what only asks politely."""

    follows: bool = False
    """What is asked, the question before says ("and in Paris?"); `documents` and `web` are as they were then."""

    @property
    def nothing(self) -> bool:
        return not (self.documents or self.web or self.follows)

    @property
    def content(self) -> frozenset[str]:
        """The words that a search goes by: while they are the same, the same is asked."""
        return frozenset(content(self.query))


NOTHING = Wanted()

EMPTY = frozenset(
    "a an the of in on at to for from by with is are was were be been do does did has have had will would can could should may "
    "might shall am i me my we us our you your he she it they them this that these those there here what who when where which "
    "why how whose and or but if so as than then s re ll ve d m please just now about tell say know find out up look search "
    "any some um uh er okay well "
    "的 了 吗 呢 吧 啊 呀 是 在 我 你 您 他 她 它 们 这 那 和 与 就 也 都 还 把 给 请 问 下 一 个 想 要 帮 查 搜".split()
)
"""Words that say nothing of what is asked."""


def content(text: str) -> list[str]:
    return [word for word in words_of(text) if word not in EMPTY]


def has(*phrases: str) -> re.Pattern[str]:
    """Anywhere, as whole words where they are letters."""
    return re.compile("|".join(rf"\b(?:{each})" if each[0].isascii() else each for each in phrases), re.IGNORECASE)


def starts(*phrases: str) -> re.Pattern[str]:
    return re.compile(f"^(?:{'|'.join(phrases)})", re.IGNORECASE)
