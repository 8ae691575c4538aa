"""What the benchmark says to an agent: anybody's folder, and the standard set."""

from __future__ import annotations

import json

import numpy as np
import pytest

from benchmarks.utterances import (
    FLOOR,
    RATE,
    SENTENCES,
    ManifestError,
    Utterance,
    cough,
    in_room,
    load_utterances,
    quiet_spans,
    quietest,
    typing,
    with_pause,
)
from cleans2s.audio import Audio, silence

# ── manifests ───────────────────────────────────────────────────────────────────────────────────────────────────────


GOOD = {"file": "one.wav", "text": "What time is it?", "speech_end_s": 1.5, "pauses": [[0.5, 1.0]]}


def folder_with(tmp_path, manifest):
    Audio(silence(2.0)).save(tmp_path / "one.wav")
    (tmp_path / "manifest.json").write_text(manifest if isinstance(manifest, str) else json.dumps(manifest), "utf-8")
    return tmp_path


def test_anybodys_folder_can_be_used(tmp_path):
    plain = {"file": "one.wav", "text": "Yes.", "speech_end_s": 2}
    first, second = load_utterances(folder_with(tmp_path, [GOOD, plain]))
    assert first == Utterance(tmp_path / "one.wav", "What time is it?", 1.5, ((0.5, 1.0),))
    assert (second.speech_end_s, second.pauses) == (2.0, ())


@pytest.mark.parametrize(
    ("manifest", "complaint"),
    [
        ("nonsense", "cannot be read"),
        ({"file": "one.wav"}, "no list of utterances"),
        ([], "no list of utterances"),
        (["one.wav"], "entry 1 is 'one.wav': expected an object"),
        ([GOOD, {k: v for k, v in GOOD.items() if k != "text"}], "entry 2: no 'text'; expected the words"),
        ([GOOD | {"file": 3}], "file = 3; expected a file name"),
        ([GOOD | {"speech_end_s": "late"}], "speech_end_s = 'late'; expected the end"),
        ([GOOD | {"speech_end_s": True}], "speech_end_s = True"),
        ([GOOD | {"speech_end_s": 2.5}], "one.wav is 2.000 s long"),
        ([GOOD | {"pauses": [[1.0, 0.5]]}], r"pause \[1.0, 0.5\]: expected \[start, end\]"),
        ([GOOD | {"pauses": [[0.8, 1.0], [0.2, 0.4]]}], r"pause \[0.2, 0.4\]"),
        ([GOOD | {"pauses": [[1.0, 1.8]]}], "before 1.5 s"),
        ([GOOD | {"pauses": 0.5}], "pause 0.5: expected"),
        ([GOOD | {"pauses": [["a", "b"]]}], "pause"),
    ],
)
def test_a_bad_manifest_says_which_entry_and_what_was_expected(tmp_path, manifest, complaint):
    with pytest.raises(ManifestError, match=complaint):
        load_utterances(folder_with(tmp_path, manifest))


def test_missing_files_are_named(tmp_path):
    with pytest.raises(ManifestError, match=r"manifest\.json cannot be read"):
        load_utterances(tmp_path)
    with pytest.raises(ValueError, match=r"two\.wav: no such file"):
        load_utterances(folder_with(tmp_path, [GOOD | {"file": "two.wav"}]))


# ── the standard set ────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_list_has_enough_of_everything():
    lists = json.loads(SENTENCES.read_text("utf-8"))
    rows = lists["utterances"]
    paused = [row for row in rows if "pause_s" in row]
    assert len(rows) >= 24
    assert 3 * len(paused) >= len(rows)
    assert all(0.5 <= row["pause_s"] <= 1.0 for row in paused)
    assert len({row["text"] for row in rows}) == len(rows)
    assert len({row["voice"] for row in rows}) == 5
    assert "joe" not in {row["voice"] for row in rows}
    kinds = [row["kind"] for row in lists["sounds"]]
    assert (kinds.count("question"), kinds.count("barge-in") >= 8, kinds.count("backchannel") >= 8) == (1, True, True)


def tone(seconds, level=0.3):
    return np.full(round(seconds * RATE), level, np.float32)


def test_a_pause_is_exactly_as_long_as_asked():
    faint = tone(0.2, FLOOR / 3)
    for left, right in ((tone(1), tone(1)), (np.concatenate([tone(1), faint]), np.concatenate([faint, tone(1)]))):
        joined = with_pause(left, right, 0.6, RATE)
        assert quiet_spans(joined, RATE) == [(1.0, 1.6)]
        assert len(joined) == round(2.6 * RATE)


def test_shorter_silences_are_no_pauses():
    assert quiet_spans(np.concatenate([tone(0.5), silence(0.4, RATE), tone(0.5)]), RATE) == []
    assert quiet_spans(silence(2.0, RATE), RATE) == []


def test_a_word_boundary_is_found_where_it_is_quietest():
    samples = tone(2.0)
    samples[round(1.04 * RATE) : round(1.08 * RATE)] = 0.02
    assert 1.04 <= quietest(samples, RATE, 1.0) / RATE <= 1.08


def test_the_room_is_heard_by_nobody_and_there_is_room_after_speech():
    audio = Audio(in_room(tone(1.0), 0.0005, 0), RATE)
    start_s, end_s = audio.audible_span_s(FLOOR)
    assert (round(start_s, 3), round(end_s, 3)) == (0.3, 1.3)
    assert audio.duration_s - end_s > 1.0
    assert audio.samples[-1] != 0


def test_noises_are_the_same_every_time_and_have_their_length():
    assert np.array_equal(cough((0.2, 0.15), 1), cough((0.2, 0.15), 1))
    begins_s, ends_s = Audio(cough((0.2,), 1), RATE).audible_span_s(FLOOR)
    assert 0.15 <= ends_s - begins_s <= 0.3
    assert np.array_equal(typing(1.5, 0), typing(1.5, 0))
    assert 0.05 < np.abs(typing(1.5, 0)).max() < 0.3
