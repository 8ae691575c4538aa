"""The benchmark of memory: its episodes, and what it counts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks import memory as bench
from cleans2s.embedding import Vectors


class Blind:
    """Knows no meaning: only words and times are left."""

    def encode(self, texts: list[str]) -> Vectors:
        return np.full((len(texts), 8), 8**-0.5, np.float32)


def test_a_thousand_episodes_are_distinct_and_asked_for_in_other_words() -> None:
    episodes = bench.make_episodes(1000)
    assert len({episode.text for episode in episodes}) == len(episodes) == 1000
    assert not {episode.text for episode in episodes} & {episode.question for episode in episodes}
    assert {(one.language, one.kind) for one in episodes} == {(a, b) for a in ("en", "zh") for b in ("meaning", "time")}
    assert all("{" not in one.text + one.question and one.at <= bench.NOW for one in episodes)
    assert episodes == bench.make_episodes(1000), "the same every time"


def test_what_is_counted(tmp_path: Path) -> None:
    episodes = bench.make_episodes(72)
    with bench.filled(tmp_path, episodes, Blind()) as memory:
        answers = bench.ask_all(memory, episodes)
    measured = bench.result(answers)
    right = sum(answer.rank is not None and answer.rank <= 3 for answer in answers)
    assert measured["first_three"] == pytest.approx(right / len(episodes), abs=1e-4)
    assert measured["first"] <= measured["first_three"]
    assert 0.3 < measured["first_three"] < 1, "words alone find some, not all"
    assert "right one in first three" in bench.table(measured)[0]


def test_the_large_memory(tmp_path: Path) -> None:
    measured = bench.large(tmp_path, bench.make_episodes(36), 500, Blind())
    assert measured["turns"] == 500 and measured["file_mb"] > 0
    assert all(measured[name]["p50"] > 0 for name in ("recall_ms", "note_ms"))
