"""Whole characters, put together from the data's, to train the small judge with."""

from __future__ import annotations

import random

import pytest

from cleans2s.judge import Situation
from cleans2s.judge.dataset import kept_back, turns
from cleans2s.judge.examples import Item
from cleans2s.judge.in_character import MOST_RULES, WHOLE, Sentences, ended, once_more, sentences
from cleans2s.judge.telling import telling

KENNEL = Sentences(
    ["I am Rex, a kennel's voice."],
    [
        "I sell no dogs.",
        "I never lend the van.",
        "I keep off politics.",
        "I do not talk about my wages.",
        "I give no medicine.",
    ],
)


@pytest.fixture(scope="module")
def practice() -> list[Item]:
    return once_more(kept_back(), 1)


def test_sentences_of_a_character() -> None:
    assert sentences("I am Ada, a clock. I do not tell the time; I never did!") == [
        "I am Ada, a clock.",
        "I do not tell the time;",
        "I never did!",
    ]
    assert sentences("我是老魏。我不谈工钱；也不谈岁数。") == ["我是老魏。", "我不谈工钱；", "也不谈岁数。"]
    assert sentences("") == []


def test_rules_around_a_turn_forbid_nothing_that_it_speaks_of() -> None:
    chance = random.Random(3)
    seen: set[str] = set()
    for _ in range(200):
        put = KENNEL.around(Situation("Could I borrow the van? My dogs are ill.", language="en"), chance)
        who, *rules = sentences(put.character)
        assert who == KENNEL.who[0]
        assert len(rules) <= MOST_RULES
        seen |= {*rules}
    assert seen == {"I keep off politics.", "I do not talk about my wages.", "I give no medicine."}


def test_a_character_keeps_who_it_is_and_its_own_rule_among_others() -> None:
    situation = Situation("What is in the soup?", character="I am Mo, a cook. I do not tell what is in my soup.", language="en")
    places: set[int] = set()
    for seed in range(40):
        who, *rules = sentences(KENNEL.around(situation, random.Random(seed)).character)
        assert who == "I am Mo, a cook."
        places.add(rules.index("I do not tell what is in my soup."))
    assert len(places) > 2  # not always the first one


def test_the_practice_leaves_out_what_is_measured_with_and_keeps_every_label(practice: list[Item]) -> None:
    kept = kept_back()
    labels = {(turn.family, turn.strategy) for turn in turns()}
    names = ("standard", "refusal", "deflection", "silence")
    for item in practice:
        for one in item.choices:
            assert one.family not in kept
            if not one.situation.partial:
                assert (one.family, names[one.strategy]) in labels


@pytest.mark.parametrize("language", ["en", "zh"])
def test_ordinary_turns_under_whole_characters_are_common_in_the_practice(practice: list[Item], language: str) -> None:
    under: dict[int, float] = {}
    for item in practice:
        first = item.choices[-1]
        if first.situation.language == language and not first.situation.partial and first.situation.character:
            under[first.strategy] = under.get(first.strategy, 0.0) + item.share
    assert under[0] > 0.45 * sum(under.values())
    whole = [item for item in practice if len(sentences(item.choices[-1].situation.character)) > WHOLE]
    assert len(whole) > 1000


def test_no_rule_around_a_turn_has_a_telling_word_of_it(practice: list[Item]) -> None:
    checked = 0
    for item in practice:
        first, *_ = item.choices
        if first.situation.partial or item.share == 1.0 or not first.situation.character:
            continue
        said = {*telling(first.situation.words)}
        assert not any(said & {*telling(rule)} for rule in sentences(first.situation.character)[1:])
        checked += 1
    assert checked > 1000


def test_ends_alone_have_no_beginnings() -> None:
    assert not any(one.situation.partial for item in ended(kept_back(), 1) for one in item.choices)
