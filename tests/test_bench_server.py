"""The ruler of the server's benchmark, held to sound of which the answer is known."""

from __future__ import annotations

import argparse
import json

import numpy as np
import pytest

from benchmarks.browser import (
    GAP_S,
    LEAD_S,
    Figure,
    Loudspeaker,
    Said,
    answers_ms,
    differences,
    heard_said,
    served,
    track,
    way_ms,
)
from benchmarks.server import RATE, add_arguments, main, scripts, table
from cleans2s.audio import Audio, silence
from cleans2s.errors import ConfigError

HZ = 16_000


def audible(*spans, until_s=10.0):
    samples = silence(until_s, HZ)
    for start_s, end_s in spans:
        samples[round(start_s * HZ) : round(end_s * HZ)] = 0.3
    return Audio(samples, HZ)


def test_a_wait_is_from_the_last_audible_sample_to_the_first():
    agent = audible((1.7, 2.5), (5.25, 6.0))
    assert answers_ms(agent, [Said(0.0, 1.0), Said(3.0, 4.5)]) == [700.0, 750.0]


def test_no_answer_before_the_next_utterance_is_none():
    assert answers_ms(audible((5.0, 6.0)), [Said(0.0, 1.0), Said(3.0, 4.0)]) == [None, 1000.0]


def test_an_agent_that_speaks_on_over_the_end_has_not_answered():
    assert answers_ms(audible((0.5, 3.0)), [Said(0.2, 1.0)]) == [None]


def test_an_interrupted_reply_is_not_the_answer():
    assert answers_ms(audible((1.5, 3.3), (4.6, 6.0)), [Said(0.0, 1.0), Said(3.0, 4.0)]) == [500.0, 600.0]


def test_what_was_not_said_or_not_found_has_no_answer():
    assert answers_ms(audible((5.0, 6.0)), [Said(0.0, 1.0), None]) == [4000.0, None]


def test_a_difference_needs_both():
    assert differences([500.0, None, 700.0], [450.0, 600.0, None]) == [50.0, None, None]


def test_a_loudspeaker_plays_pieces_in_a_row():
    loudspeaker = Loudspeaker(RATE)
    for at_s, level in ((1.0, 0.0), (1.01, 0.5), (3.0, 0.5)):  # the first piece is silent: 0.1 s from when it came
        loudspeaker.play(at_s, np.full(RATE // 10, level, np.float32))
    assert loudspeaker.ends_s == pytest.approx(3.1)
    heard = loudspeaker.heard()
    loud = np.flatnonzero(heard.samples > 0.1) / RATE
    assert loud[0] == pytest.approx(1.1)
    assert ((loud > 1.21) & (loud < 2.99)).sum() == 0


def test_what_was_dropped_is_not_heard():
    loudspeaker = Loudspeaker(RATE)
    loudspeaker.play(1.0, np.full(RATE, 0.5, np.float32))
    loudspeaker.drop(1.25)
    loudspeaker.play(1.5, np.full(RATE // 10, 0.5, np.float32))
    loud = np.flatnonzero(loudspeaker.heard().samples > 0.1) / RATE
    assert loud[-1] == pytest.approx(1.6, abs=0.001)
    assert ((loud > 1.251) & (loud < 1.499)).sum() == 0


def test_the_utterances_of_a_recording_that_began_later_and_lost_some_sound():
    said = [Said(4.0, 5.5), Said(9.0, 10.0), Said(13.0, 14.0), Said(18.0, 19.0)]
    heard = heard_said(audible((2.7, 3.4), (3.7, 4.2), (7.5, 8.5), (16.6, 17.4), until_s=20.0), said)
    assert heard == [Said(2.7, 4.2), Said(7.5, 8.5), None, Said(16.6, 17.4)]
    assert heard_said(audible(), said) == [None] * 4


def test_the_track_says_everything_where_it_says_it_does():
    microphone, said = track(5)
    for one in said:
        start, end = round(one.begin_s * HZ), round(one.end_s * HZ)
        assert abs(microphone.samples[[start, end - 1]]).min() > 0.01
        assert abs(microphone.samples[end : end + HZ]).max() <= 0.01
    assert len(said) == 5
    assert said[0].begin_s == pytest.approx(LEAD_S, abs=0.1)
    assert microphone.duration_s == pytest.approx(said[-1].end_s + GAP_S, abs=0.2)


def test_one_way_is_half_a_round_trip_and_all_that_is_on_it():
    stats = {"capture_ms": {"p50": 21, "p90": 30}, "round_trip_ms": {"p50": 4, "p90": None}, "input_latency_ms": 10}
    assert way_ms(stats, "capture_ms", "input_latency_ms") == (33.0, None)


def test_a_target_is_met_by_the_median():
    assert Figure.of("page", [90.0, 95.0, 500.0], at_most=100).met
    assert Figure.of("page", [90.0, 105.0, 500.0], at_most=100).met is False
    assert Figure.of("page", [None], at_most=100).met is None
    assert Figure.of("page", [90.0]).met is None


def test_the_report_names_targets_and_what_has_no_value():
    columns = table([Figure.of("page", [90.0, None], at_most=100), Figure("CPU", None, None, unit="%", at_most=15)]).columns
    assert [list(column.cells) for column in columns] == [
        ["page", "CPU"],
        ["90 ms", "–"],
        ["90 ms", "–"],
        ["1, 1 without", ""],
        ["≤ 100 ms ✓", "≤ 15 %"],
    ]


def test_callers_say_different_things_without_pauses(tmp_path):
    rows = []
    for number in range(7):
        Audio(silence(1 + number / 10, HZ) + 0.3, HZ).save(tmp_path / f"{number}.wav")
        pauses = [[0.2, 0.5]] if number == 3 else []
        rows.append({"file": f"{number}.wav", "text": "Hello.", "speech_end_s": 1.0, "pauses": pauses})
    (tmp_path / "manifest.json").write_text(json.dumps(rows))
    lengths = [[round(sound.duration_s, 2) for sound in lines] for lines in scripts(tmp_path, 3, 2, say=str)]
    assert lengths == [[1.0, 1.1], [1.2, 1.4], [1.5, 1.6]]


def options(*words):
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return parser.parse_args(words)


@pytest.mark.parametrize("words", [["--only", "page,lunch"], ["--turns", "0"], ["--json", "/nowhere/at/all.json"]])
def test_a_mistake_is_said_before_anything_is_measured(words):
    with pytest.raises(ConfigError, match=r"expected|make it first"):
        main(options(*words))


def test_a_server_that_ends_says_its_last_words():
    with (
        pytest.raises(ConfigError, match=r"(?s)status 3.*no engines here"),
        served("-c", "import sys; sys.stderr.write('no engines here'); sys.exit(3)"),
    ):
        pass
