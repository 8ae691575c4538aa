"""The benchmark's ruler, held to recordings of which the answer is known."""

from __future__ import annotations

import json

import pytest

from benchmarks import (
    Answer,
    Overlap,
    audible_s,
    measure_answer,
    measure_overlap,
    normalised,
    percentiles,
    summary,
    word_error_rate,
)
from benchmarks.latency import draw, table
from benchmarks.utterances import (
    FLOOR,
    Sound,
    Utterance,
)
from cleans2s.audio import Audio, silence
from cleans2s.events import (
    Ducked,
    Ignored,
    Interrupted,
    Latency,
    ReplyEnded,
    ReplyStarted,
    Resumed,
    TurnEnded,
)
from cleans2s.recording import Recording

HZ = 16_000


def track(*spans, until=6.0, level=0.3):
    """Sound that is audible from each start to each end, in seconds."""
    samples = silence(until, HZ)
    for start, end in spans:
        samples[round(start * HZ) : round(end * HZ)] = level
    return Audio(samples, HZ)


def turn(at_s, text="Hello.", number=1, speech_end_s=0.0):
    return TurnEnded(at_s, number, 0.0, speech_end_s, text, 0.9)


def reply(at_s, number=1, **after_ms):
    names = Latency.__dataclass_fields__
    return ReplyStarted(at_s, number, Latency(**{name: after_ms.get(name) for name in names}))


def said(tmp_path, speech_end_s, pauses=()):
    return Utterance(tmp_path / "one.wav", "Hello.", speech_end_s, tuple(pauses), "somebody")


# ── the recording of an answer ──────────────────────────────────────────────────────────────────────────────────────


def test_voice_to_voice_is_the_gap_between_audible_samples(tmp_path):
    agent = track((2.5, 4.0))
    agent.samples[round(2.4 * HZ) : round(2.5 * HZ)] = FLOOR / 2  # a breath that nobody hears
    events = [turn(2.2, speech_end_s=1.98), reply(2.4, transcript_ms=120.0, reply_ms=420.0)]
    answer = measure_answer(said(tmp_path, 1.875), Recording(track((0.1, 2.0)), agent, events), begins_s=0.125)
    assert answer.outcome == "answered"
    assert answer.voice_to_voice_ms == 500.0
    assert answer.speech_end_ms == -20.0
    assert answer.stages_ms == {"transcript": 120.0, "reply": 420.0}
    assert (answer.heard, answer.source, answer.early_ends) == ("Hello.", "somebody", 0)


def test_a_pause_that_was_answered_is_cut_and_the_last_reply_counts(tmp_path):
    utterance = said(tmp_path, 3.0, [(1.0, 1.7), (2.2, 2.7)])
    events = [turn(1.5, "I would"), reply(1.6), turn(3.2, "like tea.", 2), reply(3.25, 2)]
    agent = track((1.6, 1.9), (3.25, 5.0))
    answer = measure_answer(utterance, Recording(track((0, 1), (1.7, 2.2), (2.7, 3)), agent, events), 0.0)
    assert (answer.pauses, answer.pauses_cut, answer.early_ends) == (2, 1, 0)
    assert answer.voice_to_voice_ms == 250.0
    assert answer.heard == "I would like tea."


def test_an_end_is_a_cut_until_the_session_could_have_noticed_the_new_speech(tmp_path):
    def cut(at_s):
        recording = Recording(track(), track((4.0, 5.0)), [turn(at_s), turn(3.2, "", 2), reply(4.0, 2)])
        answer = measure_answer(said(tmp_path, 3.0, [(1.0, 1.7)]), recording, 0.0)
        return answer.pauses_cut, answer.early_ends

    assert cut(0.9) == (0, 1)  # in the middle of a word: early, but no fault of the pause
    assert cut(1.1) == (1, 0)
    assert cut(1.9) == (1, 0)
    assert cut(2.3) == (0, 1)
    assert cut(2.9) == (0, 0)  # while the last sound decays


def test_an_agent_that_is_audible_in_a_pause_has_cut_it(tmp_path):
    recording = Recording(track(), track((1.2, 1.3), (4.0, 5.0)), [turn(3.2), reply(4.0)])
    assert measure_answer(said(tmp_path, 3.0, [(1.0, 1.7)]), recording, 0.0).pauses_cut == 1


def test_no_reply_and_a_reply_before_the_end_are_told_apart(tmp_path):
    silent = measure_answer(said(tmp_path, 2.0), Recording(track(), track(), []), 0.0)
    assert (silent.outcome, silent.voice_to_voice_ms, silent.heard) == ("no_reply", None, "")
    over = measure_answer(said(tmp_path, 2.0), Recording(track(), track((1.1, 4)), [turn(1.0), reply(1.1)]), 0.0)
    assert (over.outcome, over.voice_to_voice_ms, over.early_ends) == ("spoken_over", None, 1)


# ── sounds over a reply ─────────────────────────────────────────────────────────────────────────────────────────────


def overlap(tmp_path, user, agent, events, kind="barge-in"):
    return measure_overlap(Sound(tmp_path / "stop.wav", "Stop.", kind), Recording(user, agent, events), 1.0)


def test_barge_in_is_from_the_users_first_sample_to_the_agents_last(tmp_path):
    events = [reply(1.2), Ducked(3.18, 1), Interrupted(3.6, 1, "a", "b"), ReplyEnded(3.6, 1, "interrupted", "a")]
    events += [turn(4.0, "Stop.", 2), reply(4.2, 2)]
    found = overlap(tmp_path, track((0.1, 0.9), (3.0, 3.5)), track((1.2, 3.18), (4.2, 5.0)), events)
    assert found.interrupted
    assert found.ducked
    assert found.over_reply
    assert found.silent_ms == 180.0
    assert found.heard == "Stop."


def test_an_agent_that_goes_on_before_it_gives_in_was_not_silent(tmp_path):
    events = [
        reply(1.2),
        Ducked(3.1, 1),
        Resumed(3.4, 1),
        Interrupted(3.8, 1, "a", "b"),
        ReplyEnded(3.8, 1, "interrupted", "a"),
    ]
    found = overlap(tmp_path, track((0.1, 0.9), (3.0, 4.0)), track((1.2, 3.1), (3.4, 3.8)), events)
    assert found.silent_ms == 800.0


def test_a_barge_in_between_two_clauses_needs_no_time(tmp_path):
    events = [reply(1.2), Interrupted(3.3, 1, "a", "b"), ReplyEnded(3.3, 1, "interrupted", "a")]
    assert overlap(tmp_path, track((0.1, 0.9), (3.0, 4.0)), track((1.2, 2.9)), events).silent_ms == 0.0


def test_a_backchannel_holds_the_reply_and_it_goes_on(tmp_path):
    events = [reply(1.2), Ducked(3.1, 1), Ignored(3.5, 3.0, "uh-huh", "backchannel"), Resumed(3.5, 1)]
    events += [ReplyEnded(5.5, 1, "finished", "a b")]
    found = overlap(tmp_path, track((0.1, 0.9), (3.0, 3.4)), track((1.2, 3.1), (3.5, 5.5)), events, "backchannel")
    assert (found.interrupted, found.ducked, found.held_ms, found.silent_ms) == (False, True, 400.0, None)
    assert found.heard == "uh-huh [backchannel]"


def test_a_sound_after_the_reply_is_not_counted_as_one_over_it(tmp_path):
    events = [reply(1.2), ReplyEnded(2.5, 1, "finished", "a"), turn(3.6, "Stop.", 2)]
    late = overlap(tmp_path, track((0.1, 0.9), (3.0, 3.4)), track((1.2, 2.5)), events)
    assert not late.over_reply
    assert summary([], [late])["barge_ins"] == 0


# ── numbers ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_percentiles_leave_out_what_is_missing_and_survive_nothing():
    assert percentiles([100.0, None, 300.0, 200.0]) == {"p50": 200.0, "p90": 280.0, "max": 300.0}
    assert percentiles([None]) == {"p50": None, "p90": None, "max": None}


def test_words_are_compared_as_they_sound():
    assert normalised("It's 9 + 11, Mr. Smith: OK?") == "it's nine eleven mister smith okay"
    assert normalised("347 cats, 40 dogs, 2024") == "three hundred forty seven cats forty dogs 2024"
    assert word_error_rate([("What is nine plus eleven?", "what is 9 plus 11")]) == 0.0
    assert word_error_rate([("one two three", "one three"), ("four", "")]) == 0.5
    assert word_error_rate([]) is None


def test_audible_means_louder_than_minus_40_dbfs():
    assert audible_s(track((1.0, 2.0), level=0.011), 0.5) == (1.0, 2.0)
    assert audible_s(track((1.0, 2.0), level=0.009), 0.5) is None
    assert audible_s(track((1.0, 2.0), (3.0, 4.0)), 1.5, 2.5) == (1.5, 2.0)
    assert audible_s(track((1.0, 2.0)), 9.0) is None


def example():
    answers = [
        Answer(
            "a.wav",
            "kokoro",
            "Hello.",
            "hello",
            "answered",
            400.0,
            -30.0,
            {"transcript": 200.0, "reply": 410.0},
            2,
            1,
            0,
        ),
        Answer("b.wav", "real", "Good day.", "", "no_reply", None, None, {}, 0, 0, 0, ["asr: broke"]),
    ]
    overlaps = [
        Overlap("barge-in", "Stop.", True, True, True, 180.0, None, "Stop."),
        Overlap("barge-in", "Wait.", True, True, False, None, 300.0, ""),
        Overlap("cough", "cough", True, True, False, None, 250.0, ""),
        Overlap("typing", "typing", True, False, True, 90.0, None, "What?"),
    ]
    return summary(answers, overlaps)


def test_the_summary_counts_everything_once():
    result = example()
    assert result["voice_to_voice_ms"] == {"p50": 400.0, "p90": 400.0, "max": 400.0}
    assert result["stages_ms"]["transcript"]["p50"] == 200.0
    assert result["stages_ms"]["first_token"]["p50"] is None
    assert (result["pauses_cut"], result["pauses"]) == (0.5, 2)
    assert result["word_error_rate"] == pytest.approx(2 / 3, abs=1e-4)
    assert (result["answered"], result["no_reply"], result["spoken_over"]) == (1, ["b.wav"], [])
    assert result["barge_in_ms"]["p50"] == 180.0
    assert (result["barge_ins"], result["barge_ins_missed"]) == (2, ["Wait."])
    assert (result["false_barge_ins"], result["false_barge_in_trials"], result["ducked"]) == (1, 2, 1)
    assert len(result["utterances"]) == 2


def test_the_report_is_readable_drawable_and_json(tmp_path):
    costs = {"cpu": 0.2, "idle_cpu": 0.01, "peak_rss_mb": 700.0, "ready_s": 3.0, "import_s": 0.1}
    facts = {"machine": "two cores", "date": "2026-11-21", "commit": None}
    for result in (example(), summary([], [])):
        shown = table(result | costs | facts)
        assert "voice to voice" in shown
        assert "two cores" in shown
        draw(result, tmp_path / "latency.png")
        assert (tmp_path / "latency.png").read_bytes().startswith(b"\x89PNG")
        json.dumps(result, allow_nan=False)
    assert "1 of 2, not b.wav" in table(example() | costs | facts)
