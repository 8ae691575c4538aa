"""The figures of `cleans2s bench judge` are what they say they are."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from benchmarks.judge import by_part, calibration_error, cut_at, cuts, draw, fixed_share, macro_f1, majority, scored
from cleans2s.judge import Judgement, Situation
from cleans2s.judge.dataset import Stream, Turn


def turn(words: str, strategy: str, language: str = "en") -> Turn:
    return Turn(Situation(words, language=language), strategy, "", "f")


def sure(strategy: str, share: float = 1.0) -> Judgement:
    return Judgement({strategy: share, "standard" if strategy != "standard" else "silence": 1 - share})


TURNS = [turn("a", "standard"), turn("b", "standard"), turn("c", "silence"), turn("丁", "silence", "zh"), turn("e", "refusal")]


def test_macro_f1_is_the_mean_over_the_classes() -> None:
    assert macro_f1([0, 0, 1, 1], [0, 0, 1, 0]) == pytest.approx((4 / 5 + 2 / 3) / 2)
    assert macro_f1([0, 1], [0, 1]) == 1.0
    assert macro_f1([], []) == 0.0


def test_calibration_error_is_the_gap_between_sureness_and_truth() -> None:
    assert calibration_error([0.75] * 4, [True, True, True, False]) == pytest.approx(0.0)
    assert calibration_error([1.0] * 4, [True, False, False, False]) == pytest.approx(0.75)


def test_the_scores_of_a_handful() -> None:
    found = [sure("standard"), sure("silence"), sure("silence"), sure("silence"), sure("refusal")]
    scores = scored(TURNS, found)
    assert scores.accuracy == pytest.approx(0.8)
    assert (scores.quiet, scores.answered) == (1.0, pytest.approx(2 / 3))
    assert scores.macro_f1_zh == 1.0
    assert scores.confusion == [[1, 0, 0, 1], [0, 1, 0, 0], [0, 0, 0, 0], [0, 0, 0, 2]]
    assert scored(TURNS, majority(TURNS)).accuracy == pytest.approx(0.4)


def test_every_part_of_the_families_is_measured_by_itself() -> None:
    examples = [replace(each, family=family) for each, family in zip(TURNS[:4], "aabb", strict=True)]
    parts = {"one": frozenset("a"), "two": frozenset("b"), "none": frozenset("c")}
    rows = by_part("judge", parts, scored, examples, [sure("standard")] * 4)
    assert {name: (row.examples, row.accuracy) for name, row in rows.items()} == {
        "judge": (4, 0.5), "judge, one": (2, 1.0), "judge, two": (2, 0.0),
    }  # fmt: skip
    assert set(by_part("judge", {"one": frozenset("ab")}, scored, examples, [sure("standard")] * 4)) == {"judge"}


def stream(words: str, at: int | None, kind: str) -> Stream:
    return Stream(Situation(words, True, language="en"), at, kind, "f")


STREAMS = [stream("a b c d fire e f", 5, "danger"), stream("a b c d e f", None, "none"), stream("a b c d e f g h", 4, "drift")]


@dataclass
class AtFire:
    def judge_all(self, heard: list[Situation]) -> list[Judgement]:
        return [Judgement({}, interrupt=float("fire" in each.words)) for each in heard]


def test_cutting_in_counts_before_the_end_only() -> None:
    moments = [cut_at(AtFire().judge_all, each) for each in STREAMS]
    assert moments == [5, None, None]
    assert cut_at(AtFire().judge_all, stream("a b fire", 2, "danger")) is None  # heard when there was nothing left to cut
    found = cuts(STREAMS, moments)
    assert (found.deserving, found.undeserving, found.in_time, found.false) == (2, 1, 0.5, 0.0)
    assert found.by_kind == {"danger": 1.0, "drift": 0.0}
    assert found.words_late == 0.0


def test_a_fixed_share_cuts_in_everywhere() -> None:
    found = cuts(STREAMS, fixed_share(STREAMS))
    assert (found.in_time, found.false) == (1.0, 1.0)


def test_the_matrix_is_drawn(tmp_path: Path) -> None:
    draw(scored(TURNS, [sure("standard")] * 5), "five turns", tmp_path / "judge.png")
    assert (tmp_path / "judge.png").read_bytes().startswith(b"\x89PNG")
