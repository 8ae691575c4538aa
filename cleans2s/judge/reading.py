"""A situation as the numbers that the small judge looks at: tokens for the encoder, hashed n-grams for the linear model."""

from __future__ import annotations

import math
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, cast

import numpy as np

from ..embedding import Vectors
from ..text import HAN
from . import Situation
from .dataset import prefix
from .reasons import spoken_in

WORDS_TOKENS, CHARACTER_TOKENS, FACTS_TOKENS, TURNS_TOKENS = 110, 110, 48, 56
"""The most that is read of each: the last words of a long turn, the rules of a character that comes with the package, the last
turns."""

PARTIAL_TOKENS, PARTIAL_CHARACTER_TOKENS = 96, 36
"""Of a turn that goes on, of which the beginning is judged again and again."""

SHORTEST = 6
"""Words (in Chinese: characters) of the beginning of a turn before which nothing is known of it."""

ANSWER = {"en": 12, "zh": 20}
"""Words (in Chinese: characters) of an answer of the agent that are read. Of those in the data 99 % have at most 13 (17), those
of a language model are three times as long: they would hide what the user said before."""

BUCKETS = 1 << 17
"""Of hashed n-grams."""

_WORD = re.compile(rf"[{HAN}]|[^\W_{HAN}]+|[?!？！]")


@dataclass(frozen=True)
class Read:
    """`tokens` are numbers of the encoder's vocabulary; the words in question begin at `words_at`."""

    tokens: tuple[int, ...]
    words_at: int


def with_short_answers(situation: Situation) -> Situation:
    """As in the data that the judge is trained on."""
    turns = tuple((role, text if role == "user" else _beginning(text)) for role, text in situation.turns)
    return replace(situation, turns=turns) if turns != situation.turns else situation


def _beginning(answer: str) -> str:
    language = spoken_in(answer, None)
    return prefix(answer, language, ANSWER[language])


def read(tokenizer: Any, situation: Situation) -> Read:
    def tokens(text: str) -> list[int]:
        return tokenizer.encode(text, add_special_tokens=False).ids if text else []

    begin, end = (_number(tokenizer, *names) for names in (("[CLS]", "<s>"), ("[SEP]", "</s>")))
    most = PARTIAL_CHARACTER_TOKENS if situation.partial else CHARACTER_TOKENS
    character = tokens(f"character: {situation.character}" if situation.character else "")[:most]
    facts = tokens(" ".join(f"memory: {fact}" for fact in (*situation.facts, *situation.contradictions)))[:FACTS_TOKENS]
    turns = tokens(" ".join(f"{role}: {words}" for role, words in situation.turns))[-TURNS_TOKENS:]
    words = tokens(situation.words)[-(PARTIAL_TOKENS if situation.partial else WORDS_TOKENS) :]
    before = [begin, *character, *facts, *turns, end]
    return Read((*before, *words, end), len(before))


def _number(tokenizer: Any, *names: str) -> int:
    """Of a mark, which encoders name differently."""
    return next(number for number in map(tokenizer.token_to_id, names) if number is not None)


def pooled(states: Vectors, begins: list[int], lengths: list[int]) -> Vectors:
    """Of each row of hidden states the first one, the mean over the words in question, and over what stands before."""
    place = cast("Any", np.arange(states.shape[1])[None, :])
    begin, end = np.array(begins)[:, None], np.array(lengths)[:, None]
    return np.concatenate([states[:, 0], _mean(states, (place >= begin) & (place < end)), _mean(states, place < begin)], axis=1)


def _mean(states: Vectors, chosen: Any) -> Vectors:
    weights = chosen[..., None].astype(np.float32)
    return (states * weights).sum(axis=1) / weights.sum(axis=1)


def n_grams(situation: Situation) -> tuple[list[int], list[float]]:
    """Buckets and weights, of length 1 together: one and two words, two to four letters of a word, with the words of the
    context and what kinds of it there are. A character is left to the networks: six rules would hide what is said."""
    counts: dict[int, float] = {}
    for feature in _features(situation):
        bucket = zlib.crc32(feature.encode()) % BUCKETS
        counts[bucket] = counts.get(bucket, 0.0) + 1.0
    values = [math.sqrt(count) for count in counts.values()]
    length = math.sqrt(sum(value * value for value in values)) or 1.0
    return list(counts), [value / length for value in values]


def _features(situation: Situation) -> Iterator[str]:
    words = _WORD.findall(situation.words.lower())
    yield from (f"w {word}" for word in words)
    yield from (f"w {one} {two}" for one, two in zip(["^", *words], [*words, "$"], strict=True))
    for word in words:
        letters = f"<{word}>"
        if len(word) > 3:
            yield from (f"l {letters[i : i + n]}" for n in (3, 4) for i in range(len(letters) - n + 1))
    han = "".join(word for word in words if word >= "㐀")
    yield from (f"h {han[i : i + 3]}" for i in range(len(han) - 2))
    said = {"memory": " ".join(situation.facts)}
    said["user"], said["agent"] = (" ".join(text for who, text in situation.turns if who == role) for role in ("user", "agent"))
    for role, text in said.items():
        if text:
            yield f"has {role}"
            yield from (f"{role} {word}" for word in _WORD.findall(text.lower()))
    yield f"length {min(6, int(math.log2(1 + len(words))))}"
    alike = [_likeness(words, _WORD.findall(text.lower())) for role, text in situation.turns if role == "user"]
    yield f"asked before {min(3, sum(value > 0.25 for value in alike))} {int(5 * max(alike, default=0))}"
    pairs = list(pairwise(words))
    yield f"repeats {int(10 * (1 - len(set(pairs)) / len(pairs))) if pairs else 0}"
    yield f"turns {min(4, len(situation.turns))}"


def _likeness(words: list[str], others: list[str]) -> float:
    """The share of words that two texts have in common."""
    return len({*words} & {*others}) / max(1, len({*words} | {*others}))
