"""The judge in whole conversations: what it reads of what was said before, and questions that are asked again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cleans2s.judge import Situation
from cleans2s.judge.asked import asked_before, asked_twice, turns_that_matter
from cleans2s.judge.dataset import turns, units
from cleans2s.judge.reading import ANSWER, with_short_answers
from cleans2s.judge.small import LoadedSmall, Small
from cleans2s.stages import load


@pytest.fixture(scope="module")
def judge() -> LoadedSmall:
    return load(Small())


CHAT = (
    ("user", "I have a dog called Bruno."),
    ("agent", "Bruno is a wonderful dog."),
    ("user", "I work as a nurse in Bristol."),
    ("agent", "I'm glad to hear that."),
)


@pytest.mark.parametrize(
    ("words", "turns", "before"),
    [
        ("What is my dog called?", CHAT, False),
        (
            "So when does the train leave?",
            (("user", "When does the train go?"), ("agent", "At nine."), ("user", "What?")),
            True,
        ),
        (
            "火车到底几点开？",
            (("user", "火车几点开？"), ("agent", "九点。"), ("user", "几点的火车？"), ("agent", "九点。")),
            True,
        ),
        ("Thank you.", CHAT, False),
    ],
)
def test_again_is_only_what_was_asked_before(words: str, turns: tuple[tuple[str, str], ...], before: bool) -> None:
    assert asked_before(Situation(words, turns=turns)) is before


@pytest.mark.models
def test_a_question_that_was_never_asked_is_not_deflected_as_asked_again(judge: LoadedSmall) -> None:
    judgement = judge.judge(Situation("What is my dog called?", turns=CHAT))
    assert (judgement.strategy, judgement.kind) == ("standard", "")


@pytest.mark.models
def test_ordinary_chats_with_the_embedded_model_are_answered() -> None:
    """Its answers are like none in the data. What the users say was written by somebody who had not seen them."""
    chats = json.loads((Path(__file__).parent / "ordinary_chats.json").read_text("utf-8"))
    situations: list[Situation] = []
    for chat in chats:
        turns = [turn for user, agent in chat for turn in (("user", user), ("agent", agent))]
        situations += [Situation(user, turns=tuple(turns[: 2 * n][-6:]), language="en") for n, (user, _) in enumerate(chat)]
    judged = load(Small()).judge_all(situations)
    missed = [situation.words for situation, each in zip(situations, judged, strict=True) if each.strategy != "standard"]
    assert len(situations) == 127 and len(missed) <= 7, missed


LONG = "It depends on what you want to do with it, because there are many kinds of flour and every one of them is different."
BAKING = (
    ("user", "How much flour goes in the dough?"),
    ("agent", LONG),
    ("user", "I have a new oven."),
    ("agent", "That is a wonderful oven."),
    ("user", "So how much flour for the dough?"),
    ("agent", "A pound."),
    ("user", "My sister calls."),
    ("user", "She says hello."),
    ("agent", "Hello to your sister."),
    ("user", "Does she like bread?"),
    ("agent", "Everybody does."),
    ("user", "What time is it?"),
    ("agent", "It is noon."),
)


def test_what_was_asked_twice_before_stands_next_to_the_question() -> None:
    again = Situation("The dough, how much flour was it?", turns=BAKING)
    assert asked_twice(again)
    assert turns_that_matter(again) == (*BAKING[:2], *BAKING[4:6])


@pytest.mark.parametrize("words", ["How much salt does the soup need?", "Now I mix the flour and the dough.", "", "？"])
def test_else_the_last_turns_matter(words: str) -> None:
    other = Situation(words, turns=BAKING)
    assert not asked_twice(other)
    assert turns_that_matter(other) == BAKING[-6:]


SERIES = (
    ("What's the weather in Rome?", "What's the weather in Paris?", "What's the weather in London?"),
    ("How do you say dog in French?", "How do you say cat in French?", "And how do you say horse in French?"),
    ("What is seven times eight?", "What is nine times six?", "What is twelve times four?"),
    ("What's the capital of France?", "What's the capital of Spain?", "What's the capital of Peru?"),
    ("How long do I boil an egg?", "How long do I boil potatoes?", "How long do I boil rice?"),
    ("How old is the earth?", "How old is the moon?", "How old is the sun?"),
    ("Can you tell me a joke?", "Can you tell me another joke?", "Can you tell me one more joke?"),
    ("How do I make bread?", "What flour do I need for bread?", "Can I freeze bread?"),
    ("罗马天气怎么样？", "巴黎天气怎么样？", "伦敦天气怎么样？"),
    ("狗用英语怎么说？", "猫用英语怎么说？", "马用英语怎么说？"),
    ("法国的首都是哪里？", "西班牙的首都是哪里？", "秘鲁的首都是哪里？"),
    ("鸡蛋要煮多久？", "土豆要煮多久？", "米饭要煮多久？"),
    ("三乘四是多少？", "五乘六是多少？", "七乘八是多少？"),
    ("能讲个笑话吗？", "能再讲个笑话吗？", "能再讲一个笑话吗？"),
)
"""Who asks these asks nothing again, though most of the words are the same."""


@pytest.mark.parametrize("questions", SERIES)
def test_the_same_of_something_else_is_another_question(questions: tuple[str, ...]) -> None:
    *before, last = questions
    situation = Situation(last, turns=tuple(("user", words) for words in before))
    assert not asked_before(situation)
    assert not asked_twice(situation)


@pytest.mark.models
@pytest.mark.parametrize("questions", SERIES)
def test_one_question_after_the_other_is_answered(judge: LoadedSmall, questions: tuple[str, ...]) -> None:
    answer = "It depends on what you mean, but I am happy to help you with that."
    *before, last = questions
    turns = tuple(turn for words in before for turn in (("user", words), ("agent", answer)))
    assert judge.judge(Situation(last, turns=turns)).strategy == "standard"


def test_who_still_speaks_may_go_on_otherwise() -> None:
    assert turns_that_matter(Situation("How much flour goes in the dough?", True, BAKING)) == BAKING[-6:]


def test_long_answers_are_read_in_part_and_what_the_user_said_is_read_whole() -> None:
    chinese = "这要看你想做什么，因为面粉有很多种，每一种都不一样，而且水的多少也不一样。"
    before = (("user", LONG), ("agent", LONG), ("agent", chinese), ("agent", "A pound."))
    (user, english, other, short) = with_short_answers(Situation("Why?", turns=before)).turns
    assert user == before[0]
    assert short == before[3]
    assert english[1].split() == LONG.split()[: ANSWER["en"]]
    assert chinese.startswith(other[1])
    assert len(units(other[1], "zh")) == ANSWER["zh"]


@pytest.mark.models
@pytest.mark.parametrize("language", ["en", "zh"])
def test_whole_conversations_with_the_embedded_model(judge: LoadedSmall, language: str) -> None:
    """Those on which bars are chosen; the figures of the others are the bench's."""
    found = [turn for turn in turns() if turn.family.startswith(f"v-{language}-")]
    judged = judge.judge_all([turn.situation for turn in found])
    right = [turn.strategy == each.strategy for turn, each in zip(found, judged, strict=True)]
    assert len(found) == 196
    assert sum(right) >= 0.88 * len(found)
    again = [ok for turn, ok in zip(found, right, strict=True) if turn.kind == "again"]
    assert len(again) == 3 and all(again)
