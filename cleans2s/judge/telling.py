"""How something is told: does it repeat itself, keep to the question, touch what is remembered? Plain counts that an encoder of
a few hundred numbers does not keep."""

from __future__ import annotations

import math
import re
from collections import Counter
from itertools import pairwise

import numpy as np

from ..embedding import Vectors
from ..text import HAN
from . import Situation
from .disagreeing import disagreement
from .reasons import spoken_in

COMMON = frozenset(
    "a about after all also am an and any are as at back be because been before but by can could did do does doing don't "
    "down else even ever every for from get gets getting go goes going gone got had has have having he her here hers him "
    "his how i i'd i'll i'm i've if in into is isn't it it's its just know let like look made make man many may maybe me "
    "mean might mine more most much must my never no nor not nothing now of off oh ok on one only or other our out over own "
    "put really right said same say says see she should so some something still such sure take tell than that that's the "
    "their them then there there's these they they're thing things think this those though to told too up us very want was "
    "wasn't we we're well went were what when where which while who why will with would yeah yes yet you you're your".split()
)
COMMON_HAN = frozenset(
    "一上下不个为么也了什他以们会但你再到去又可后吗吧呀呢和哦啊嗯嘛因在太她好它就很得怎我所把是有来没然的"
    "着给能被要让说跟过还这那都里"
)
"""Words that hold a sentence together in any telling."""

WANDERS = re.compile(
    r"\b(?:anyway|by the way|speaking of|that reminds me|reminds me|which reminds|where was i|come to think|funny thing|"
    r"have i told you|talking of|mind you)\b|对了|说起|话说|说到|顺便|想起来|提起|扯远"
)
AGAIN = re.compile(
    r"\b(?:again|i said|i say|i told|as i said|like i said|i'm telling you|i keep|once more|i mean it)\b|"
    r"我说|我跟你说|我就说|说了|都说|反复|又是|还是那句"
)
NO = re.compile(r"\b(?:no|not|never|don't|didn't|doesn't|isn't|wasn't|won't|can't|without|instead)\b|不|没|别|从来|哪有")

_WORD = re.compile(rf"[{HAN}]+|\d+|[a-z]+(?:['’][a-z]+)*")
RECENT = 12
"""Telling words that count as the last ones."""

NAMES = (
    "length", "repeated", "most", "second", "third", "thrice", "pairs", "runs", "recent", "asked", "kept_recent", "kept",
    "facts", "facts_recent", "fact_numbers", "other_numbers", "no_recent", "no", "wanders", "again", "han", "against",
    "asked_before", "times_asked", "other_number", "other_name", "same", "denied", "disagrees",
)  # fmt: skip


ALIKE = 0.2
"""Share of telling words in common from which on two questions are perhaps the same."""


def telling(words: str) -> list[str]:
    """The words that carry meaning: in Chinese, pairs of characters."""
    found: list[str] = []
    for word in _WORD.findall(words.lower()):
        if word[0] >= "㐀":
            found += [one + other for one, other in pairwise(word) if one not in COMMON_HAN and other not in COMMON_HAN]
        elif word not in COMMON and (len(word) > 2 or word.isdigit()):
            found.append(word[:-1] if len(word) > 3 and word.endswith("s") else word)
    return found


def features(situation: Situation) -> Vectors:
    """In the order of `NAMES`, all of the size of 1."""
    words = telling(situation.words)
    counts = Counter(words)
    top = [count for _, count in counts.most_common(3)] + [0, 0, 0]
    length = max(1, len(words))
    recent = words[-RECENT:]
    before = set(words[: -RECENT // 2])
    pairs, runs = Counter(pairwise(words)), Counter(zip(words, words[1:], words[2:], strict=False))
    question = next((text for role, text in reversed(situation.turns) if role == "agent"), "")
    known = (*situation.facts, *(text for role, text in situation.turns if role == "user"))
    asked, facts = set(telling(question)), set(telling(" ".join(known)))
    earlier = [_likeness(words, telling(text)) for role, text in situation.turns if role == "user"]
    numbers = {word for word in words if word.isdigit()}
    fact_numbers = {word for word in facts if word.isdigit()}
    tail = situation.words.lower()[-80:]
    scale = math.log(1 + length)
    values = (
        scale / 4,
        1 - len(counts) / length,
        top[0] / scale / 2,
        top[1] / scale / 2,
        top[2] / scale / 2,
        sum(count > 2 for count in counts.values()) / 4,
        sum(count - 1 for count in pairs.values()) / 4,
        sum(count - 1 for count in runs.values()) / 4,
        sum(word in before for word in recent[-RECENT // 2 :]) / 6,
        float(bool(asked)),
        sum(word in asked for word in recent) / 3,
        sum(word in asked for word in words) / 6,
        float(bool(facts)),
        sum(word in facts for word in recent) / 3,
        len(numbers & fact_numbers) / 2,
        len(numbers - fact_numbers) / 2 if fact_numbers else 0.0,
        len(NO.findall(tail)) / 2,
        len(NO.findall(situation.words.lower())) / 4,
        len(WANDERS.findall(situation.words.lower())) / 2,
        len(AGAIN.findall(situation.words.lower())) / 3,
        float(spoken_in(situation.words, situation.language) == "zh"),
        float(bool(situation.contradictions)),
        2 * max(earlier, default=0.0),
        sum(value >= ALIKE for value in earlier) / 2,
        *disagreement(situation.words, known, sum(word in facts for word in {*recent})),
    )
    return np.clip(np.array(values, np.float32), 0.0, 3.0)


def _likeness(words: list[str], others: list[str]) -> float:
    return len({*words} & {*others}) / max(1, len({*words} | {*others}))
