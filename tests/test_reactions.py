"""Reactions: which emoji fits what was said."""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence

import emoji as library
import numpy as np
import pytest

from cleans2s.reactions import Reactions, emojis


class Words:
    """An encoder for tests: a text is the bag of its words, each on an axis of its own."""

    def __init__(self, seed: int = 0) -> None:
        self.texts, self._seed = 0, seed

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        self.texts += len(texts)
        rows = np.zeros((len(texts), 4096), np.float32)
        for row, text in zip(rows, texts, strict=True):
            for word in re.findall(r"\w+", text.lower()):
                row[zlib.crc32(word.encode(), self._seed) % 4096] += 1
            row /= max(np.linalg.norm(row), 1e-6)
        return rows


def test_every_emoji_is_one_of_the_library_and_described_in_both_languages():
    every = emojis()
    assert len(every) > 120 and len({each.symbol for each in every}) == len(every)
    for each in every:
        assert library.is_emoji(each.symbol) and each.english[0] == each.name
        assert each.name == library.EMOJI_DATA[each.symbol]["en"].strip(":").replace("_", " ").replace("-", " ")
        assert each.chinese and all(re.search(r"[㐀-鿿]", word) for word in each.chinese), each
        assert not re.search(r"flag|keycap|arrow|button|middle finger|pistol|knife", each.name)


def test_the_nearest_description_above_the_threshold(tmp_path):
    reactions = Reactions(Words(), threshold=0.5, cache=tmp_path)
    guitar = reactions.to("A guitar!")
    assert guitar and guitar.emoji == "🎸" and guitar.because == "guitar" and guitar.score > 0.5
    assert reactions.to("xylem phloem") is None
    assert reactions.to("") is None and reactions.to("... !?") is None
    assert Reactions(Words(), threshold=0.99, cache=tmp_path).to("A guitar!") is None


def test_what_would_hurt_has_to_be_surer(tmp_path):
    candle = next(each for each in emojis() if each.symbol == "🕯️")
    assert candle.at_least > 0.5
    reactions = Reactions(Words(), threshold=0.1, cache=tmp_path)
    assert (sure := reactions.to("My grandmother died last week")) and sure.emoji == "🕯️"
    assert (unsure := reactions.to("grandmother")) is None or unsure.emoji != "🕯️"


@pytest.mark.parametrize(
    ("said", "symbol"),
    [
        ("我今天考上大学了！", "🥳"),
        ("早上吃了一个苹果。", "🍎"),
        ("动物园的大熊猫真可爱", "🥰"),
        ("妈妈包的饺子", "🥟"),
        ("我不高兴。", "😞"),
        ("没有紧张，也没有不开心", None),
        ("我不是很开心", None),
        ("我今天特别开心", "😀"),
        ("澳大利亚的首都是哪里？", None),
        ("今天别下雨就好", None),
    ],
)
def test_chinese_goes_by_names_and_occasions(said, symbol):
    reaction = Reactions(None).to(said)
    assert (reaction and reaction.emoji) == symbol


def test_without_an_encoder_english_is_left_alone():
    assert Reactions(None).to("I play the guitar") is None


def test_descriptions_are_embedded_once(tmp_path):
    first = Words()
    Reactions(first, cache=tmp_path)
    assert first.texts > 300
    second = Words()
    reactions = Reactions(second, cache=tmp_path)
    assert second.texts == 1  # to see whether it is the same model
    (kept,) = (tmp_path / "reactions").iterdir()
    kept.write_bytes(b"\x93NUMPY damaged")
    third = Words()
    assert Reactions(third, cache=tmp_path).to("a guitar") and third.texts == first.texts + 1
    other = Words(seed=7)
    assert Reactions(other, cache=tmp_path).to("a guitar") and other.texts > first.texts
    assert reactions.to("") is None


def test_a_cache_that_cannot_be_written_is_no_fault(tmp_path):
    (tmp_path / "reactions").write_text("a file where the folder should be", "utf-8")
    assert Reactions(Words(), cache=tmp_path).to("a guitar")


@pytest.mark.models
@pytest.mark.parametrize(
    ("said", "fitting"),
    [
        ("My grandmother died last night.", "🕯️😢😭"),
        ("I finally got the job!", "🥳🎉👏🙌"),
        ("It's been raining for three days.", "🌧️"),
        ("He broke up with me by text message.", "😢💔😭"),
        ("We adopted a puppy from the shelter.", "🐶"),
        ("Our team lost in the last minute.", "😞😔"),
        ("Yesterday I got the new job at the bakery, I am so happy!", "🥳😀🎉"),
        ("I had a terrible day at work.", "😞😔"),
        ("I feel better now.", "😌😊"),
        ("She works for a car company.", ""),
        ("Do you remember what I did yesterday?", ""),
        ("What's a good film for tonight?", ""),
        ("What's the capital of Australia?", ""),
        ("Who wrote Hamlet?", ""),
    ],
)
def test_meaning_is_what_counts(said, fitting):
    from cleans2s.embedding import MiniLM

    reaction = Reactions(MiniLM().load()).to(said)
    assert reaction.emoji in fitting if reaction else not fitting
