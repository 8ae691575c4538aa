"""What the shipped judge is trained on, and what is held against what is remembered."""

from __future__ import annotations

import pytest

from cleans2s.judge import ENDS, Situation
from cleans2s.judge.answering import chosen
from cleans2s.judge.dataset import answered, kept_back, streams, turns, units
from cleans2s.judge.disagreeing import disagreement, named, numbers
from cleans2s.judge.examples import CUTS, NEAR, UNKNOWN, as_heard, ends, items
from cleans2s.judge.reading import with_short_answers

KEPT_BACK = kept_back()
ITEMS = items(KEPT_BACK, seed=1)


def test_nothing_kept_back_is_trained_on_and_nothing_else_is_left_out() -> None:
    families = {example.family for item in ITEMS for example in item.choices}
    assert families == {each.family for each in (*turns(), *streams())} - KEPT_BACK


def test_the_same_seed_gives_the_same_examples() -> None:
    assert items(KEPT_BACK, seed=1) == ITEMS
    assert items(KEPT_BACK, seed=2) != ITEMS


def test_a_second_network_sees_turns_alone_and_many_after_what_a_small_model_answered() -> None:
    found = ends(KEPT_BACK, seed=1)
    assert {example.family for item in found for example in item.choices} == {turn.family for turn in turns()} - KEPT_BACK
    assert {example.cut for item in found for example in item.choices} == {UNKNOWN}
    assert ends(KEPT_BACK, seed=1) == found
    answers = {text for chat in answered() for role, text in with_short_answers(Situation("", turns=chat.turns)).turns}
    after = [each for item in found for each in item.choices if any(text in answers for _, text in each.situation.turns)]
    assert {each.strategy for each in after} == {*range(len(ENDS))}
    assert 0.1 < len({each.situation.words for each in after}) / len({turn.situation.words for turn in turns()}) < 0.4


def test_the_chats_with_a_small_model_are_those_that_would_be_chosen_again() -> None:
    for language, count in (("en", 700), ("zh", 495)):
        families = [chat.family for chat in answered() if chat.language == language]
        assert len(families) == count
        assert {*families} <= {turn.family for turn in chosen(language, 700)}


def test_no_chat_with_a_small_model_is_with_a_user_who_is_kept_back() -> None:
    assert not {chat.family for chat in answered()} & KEPT_BACK
    assert all([role for role, _ in chat.turns] == ["user", "agent"] * (len(chat.turns) // 2) for chat in answered())


def test_every_item_has_enough_to_draw_from() -> None:
    for item in ITEMS:
        assert 1 <= item.take <= len(item.choices)
        assert len({example.family for example in item.choices}) == 1


def test_a_reason_is_evident_from_the_moment_on_and_not_before() -> None:
    by_beginning = [each for item in ITEMS for each in item.choices if each.cut != UNKNOWN]
    assert {each.cut for each in by_beginning} == {0.0, 1.0}
    of_family: dict[str, list[tuple[str, int | None, str]]] = {}
    for stream in streams():
        of_family.setdefault(stream.family, []).append((stream.situation.words, stream.interrupt_at, stream.kind))
    for example in by_beginning:
        words, language = example.situation.words, example.situation.language
        count = len(units(words, language))
        found = [(at, kind) for text, at, kind in of_family[example.family] if " ".join(text.split()).startswith(words)]
        assert found
        assert example.situation.partial
        if example.cut:
            assert any(at is not None and count >= at for at, _ in found)
            (name,) = (name for name, share in zip(CUTS, example.cuts, strict=True) if share)
            assert name in {kind for _, kind in found}
        else:
            assert any(at is None or count <= max(6, at - NEAR) for at, _ in found)
            assert example.cuts == (0.0,) * len(CUTS)


def test_a_refused_turn_teaches_that_its_beginning_is_a_reason() -> None:
    firsts = [item.choices[0] for item in ITEMS if item.choices[0].cut == UNKNOWN]
    refused = CUTS.index("refused")
    for example in firsts:
        if example.strategy == ENDS.index("standard"):
            assert example.cuts[refused] == 0.0
        elif example.strategy != ENDS.index("refusal"):
            assert example.cuts[refused] == UNKNOWN
    assert any(example.cuts[refused] == 1.0 for example in firsts)


@pytest.mark.parametrize(
    ("words", "language", "wanted"),
    [
        ("Well, it's Monday: no!", "en", "well it's monday no"),
        ("你好，我是小王。好吗？", "zh", "你好我是小王好吗"),
        ("?!", "en", "?!"),
    ],
)
def test_words_as_a_recogniser_may_write_them(words: str, language: str, wanted: str) -> None:
    assert as_heard(Situation(words, language=language)).words == wanted


def test_numbers_are_read_in_words_and_digits() -> None:
    assert numbers("seven people at 8:30") == {7.0, 8.3}
    assert numbers("下午三点，二十五个人") == {3.0, 25.0}
    assert named("on tuesday with my mum") == named("星期二跟妈一起") - named("一起")


@pytest.mark.parametrize(
    ("words", "fact"),
    [
        ("So we agreed on seven percent", "The user and the agent agreed on ten percent."),
        ("I will be there on Friday", "The user comes on Thursday."),
        ("礼拜三我去接她", "用户说礼拜四接女儿。"),
    ],
)
def test_another_number_or_day_than_the_remembered_one_disagrees(words: str, fact: str) -> None:
    number, name, *_ = disagreement(words, (fact,), shared=1)
    assert number or name
    number, name, same, *_ = disagreement(fact, (fact,), shared=1)
    assert (number, name) == (0.0, 0.0)
    assert same > 0
    assert not any(disagreement(words, (), shared=1))
