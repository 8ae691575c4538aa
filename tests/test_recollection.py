"""What is answered from memory alone: the user's own words, what was written by hand, and promises of reminders."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone

import pytest

from cleans2s.embedding import MiniLM
from cleans2s.memory import Memory
from cleans2s.recollection import known, promised, told, untold
from cleans2s.stages import load
from cleans2s.text import language_of

NOW = datetime(2026, 11, 21, 11, 20, tzinfo=timezone(timedelta(hours=1)))
SAID = [
    "My name is Clara and I have a dog called Bruno.",
    "I work as a nurse in Bristol.",
    "My sister lives in Leeds.",
    "我女儿叫王芳。",
    "我对花生过敏。",
    "I'm seventy-one, by the way.",
    "My son is six.",
    "My brother's getting married on Saturday.",
    "我女儿五岁了。",
]


@pytest.fixture
def memory() -> Iterator[Memory]:
    with Memory.open(None, load(MiniLM())) as memory:
        for ago, text in enumerate(reversed(SAID), 2):
            memory.note("user", text, NOW - timedelta(hours=ago))
        memory.note("assistant", "Bruno is a wonderful dog, and I am a nurse too.", NOW - timedelta(minutes=5))
        memory.digest()
        yield memory


def answer(memory: Memory, question: str) -> str:
    return told(question, memory.recall(question, NOW), language_of(question), NOW)


@pytest.mark.parametrize(
    ("question", "words"),
    [
        ("What is my dog called?", SAID[0]),
        ("Do you know my name?", "My name is Clara"),
        ("Where do I work?", SAID[1]),
        ("What do I do for a living?", SAID[1]),
        ("Where does my sister live?", SAID[2]),
        ("我女儿叫什么名字？", "我女儿叫王芳"),
        ("我对什么过敏？", "我对花生过敏"),
        ("How old am I?", "I'm seventy-one"),
        ("How old is my son?", "My son is six"),
        ("When is my brother getting married?", "on Saturday"),
        ("我女儿几岁了？", "我女儿五岁"),
    ],
)
def test_what_was_told_is_quoted(memory: Memory, question: str, words: str) -> None:
    assert words.rstrip(".。") in answer(memory, question)


@pytest.mark.parametrize(
    "question", ["What is the capital of France?", "How do I boil an egg?", "Where is my phone?", "我的车在哪？"]
)
def test_what_was_not_told_is_not_answered_from_memory(memory: Memory, question: str) -> None:
    assert answer(memory, question) == ""


def test_what_was_mended_by_hand_is_newer_than_what_was_said(memory: Memory) -> None:
    (name,) = (fact for fact in memory.facts if fact.key == "dog's name")
    memory.edit(name.id, "Balu")
    assert answer(memory, "What is my dog called?").endswith('you wrote "dog\'s name: Balu".')


@pytest.mark.parametrize(
    ("asked", "parts"),
    [
        ("Remind me in one minute to take the bread out of the oven.", ("in 1 minute", "take the bread out of the oven")),
        ("Can you remind me at half past six about the match?", ("today at 18:30", "the match")),
        ("十分钟后提醒我关火。", ("10分钟后", "关火")),
    ],
)
def test_a_reminder_is_promised_as_it_was_understood(asked: str, parts: tuple[str, ...]) -> None:
    for turn in range(3):
        assert all(part in promised(asked, language_of(asked), NOW, turn) for part in parts)


@pytest.mark.parametrize("asked", ["Please remind me to call my mother.", "提醒我买牛奶"])
def test_without_a_moment_it_asks_for_one(asked: str) -> None:
    said = [promised(asked, language_of(asked), NOW, turn) for turn in range(2)]
    assert all(any(word in line for word in ("when", "time", "什么时候", "时间")) for line in said)


@pytest.mark.parametrize("said", ["That reminds me of my mother.", "I remember it well.", "记得小时候下雪"])
def test_who_remembers_something_is_promised_nothing(said: str) -> None:
    assert promised(said, language_of(said), NOW) == ""


@pytest.mark.parametrize(
    ("question", "words"),
    [
        ("What's my cat called?", ""),
        ("What is my sister's name?", ""),
        ("What is my name?", "My name is Clara"),
        ("What does my brother do?", ""),
        ("Where do I live?", ""),
        ("我叫什么名字？", ""),
        ("我儿子叫什么？", ""),
    ],
)
def test_nobody_is_taken_for_another(memory: Memory, question: str, words: str) -> None:
    assert words in answer(memory, question) and bool(words) == bool(answer(memory, question))


@pytest.mark.parametrize(
    "question",
    [
        "What's my cat called?",
        "How old am I?",
        "Where does my sister work?",
        "What did I cook last week?",
        "我叫什么名字？",
        "我多大了？",
    ],
)
def test_what_only_the_user_can_tell_is_not_made_up(question: str) -> None:
    said = {untold(question, "", language_of(question), turn) for turn in range(3)}
    assert len(said) == 3 and all(said)


@pytest.mark.parametrize(
    "question",
    ["What is my best chance?", "What did I do wrong?", "Where am I?", "Do you know what I just said?", "How old is the earth?",
     "I'm Ann. What's my name?", "我该怎么办？", "我家附近哪里有超市？"],
)  # fmt: skip
def test_what_may_be_known_otherwise_is_left_to_the_language_model(question: str) -> None:
    assert untold(question, "", language_of(question)) == ""


def test_what_is_known_of_the_user_is_quoted_with_the_name_first(memory: Memory) -> None:
    said = known("What do you know about me?", memory.facts, "en")
    assert said.startswith('You told me "My name is Clara"') and '"I work as a nurse' in said
    assert "我对花生过敏" in known("你知道我什么？", memory.facts, "zh")
    assert not known("What do you remember about me?", (), "en") and untold("What do you remember about me?", "", "en")


def test_what_was_corrected_by_hand_is_known_as_well() -> None:
    with Memory.open(None, load(MiniLM())) as memory:
        memory.note("user", "My name is Clara. I live in Lyon.", NOW)
        memory.digest()
        (home,) = (fact for fact in memory.facts if fact.key == "home")
        memory.edit(home.id, "Porto")
        said = known("What do you know about me?", memory.facts, "en")
    assert said == 'You told me "My name is Clara" and "home: Porto".'


def test_who_told_something_of_himself_a_turn_ago_is_left_to_the_language_model() -> None:
    assert untold("How old am I?", "Could I ask you something?", "en")
    assert not untold("How old am I?", "I turned thirty in May.", "en")
    assert not untold("我多大了？", "我上个月刚满三十。", "zh")
