"""What is said to the characters that come with it: everyday words are answered, what their rules forbid is not.

The turns were written from the characters' rules without sight of the data set, whose characters are others. The first words
are those of people who have just met somebody; the courtesies among them (`judge/courtesies.py`) were mended on this list."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from cleans2s.characters import load as load_character
from cleans2s.characters import names
from cleans2s.judge import Situation
from cleans2s.judge.small import Small
from cleans2s.stages import load

PLAIN = json.loads((Path(__file__).parent / "plain_in_character.json").read_text("utf-8"))


def strategies(asked: list[tuple[str, str, str]]) -> list[str]:
    """How words to a character in a language are judged."""
    made = [
        Situation(words, character=" ".join(load_character(to).rules(spoken)), language=spoken) for to, spoken, words in asked
    ]
    return [judgement.strategy for judgement in load(Small()).judge_all(made)]


@pytest.mark.models
@pytest.mark.parametrize("language", ["en", "zh"])
def test_first_words_to_a_character_are_answered(language: str) -> None:
    asked = [(name, language, words) for name in names() for words in PLAIN["first"][language]]
    chosen = Counter(strategies(asked))
    assert chosen["refusal"] <= 2, chosen
    assert chosen["standard"] >= 0.88 * len(asked), chosen  # "How old are you?" is deflected, "Be quiet" met with silence


@pytest.mark.models
@pytest.mark.parametrize("language", ["en", "zh"])
def test_characters_answer_what_their_rules_allow_and_nothing_else(language: str) -> None:
    turns = [turn for turn in PLAIN["turns"] if turn["language"] == language]
    chosen = strategies([(turn["character"], language, turn["words"]) for turn in turns])
    right = Counter(turn["strategy"] for turn, strategy in zip(turns, chosen, strict=True) if turn["strategy"] == strategy)
    assert right["standard"] >= 80, right  # of 96
    assert right["refusal"] >= 25, right  # of 32
    assert right["deflection"] >= 19, right  # of 24
