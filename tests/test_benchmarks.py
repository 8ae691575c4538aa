"""The benchmark's ruler, held to recordings of which the answer is known."""

from __future__ import annotations

import argparse
import dataclasses
import json

import anyio
import numpy as np
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
from benchmarks.latency import Bench, LoadedReciter, Reciter, add_arguments, draw, main, peak_rss_mb, table
from benchmarks.utterances import (
    FLOOR,
    RATE,
    SENTENCES,
    ManifestError,
    Sound,
    Utterance,
    cough,
    in_room,
    load_utterances,
    quiet_spans,
    quietest,
    typing,
    with_pause,
)
from cleans2s import stages
from cleans2s.audio import Audio, silence
from cleans2s.config import Config, Limits
from cleans2s.errors import ConfigError
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
from cleans2s.testing import ScriptedASR, ScriptedEndOfTurn, ScriptedLLM, ScriptedTTS, ScriptedVAD, on_virtual_clock

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


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        (["--repeat", "0"], "expected 1 or more"),
        (["--only", "0"], "expected 1 or more"),
        (["--keep-recordings"], "needs --out"),
    ],
)
def test_impossible_options_are_refused_before_anything_runs(given, complaint):
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    with pytest.raises(ConfigError, match=complaint):
        main(parser.parse_args(given))


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


# ── the reciter ─────────────────────────────────────────────────────────────────────────────────────────────────────


class Judge:
    def reply(self, chat):
        yield "never used"

    def complete(self, chat):
        return 0.7


class JudgeSettings:
    def load(self):
        return Judge()


def test_the_reciter_speaks_long_once_and_leaves_the_opinion_to_the_real_model():
    loaded = Reciter(JudgeSettings()).load()
    assert isinstance(loaded, stages.LLM)
    assert isinstance(loaded, stages.JudgesCompleteness)
    assert loaded.complete([]) == 0.7

    async def said(chat):
        return "".join([piece async for piece in loaded.reply(chat)])

    first = anyio.run(said, [{"role": "user", "content": "Tell me a story."}])
    assert len(first) > 120
    again = [{"role": "assistant", "content": first}, {"role": "user", "content": "Stop."}]
    assert anyio.run(said, again) == "All right. "
    assert not isinstance(LoadedReciter(), stages.JudgesCompleteness)


def test_memory_is_counted_in_megabytes():
    assert 20 < peak_rss_mb() < 20_000


# ── whole conversations, scripted and on the virtual clock ──────────────────────────────────────────────────────────


def spoken(tmp_path, name, *parts):
    """A file in which the scripted recogniser finds the words of (number, seconds); number 0 is silence."""
    samples = np.concatenate([np.full(round(seconds * HZ), number / 1000, np.float32) for number, seconds in parts])
    Audio(samples, HZ).save(tmp_path / name)
    return tmp_path / name


def bench_with(script, seconds):
    asr = ScriptedASR(script, {number: round(seconds * HZ) for number in script})
    engines = {
        "vad": ScriptedVAD(),
        "endpoint": ScriptedEndOfTurn(),
        "llm": ScriptedLLM(["Noon."]),
        "tts": ScriptedTTS(),
    }
    return Bench(Config(asr=asr, **engines), say=str)


def test_a_scripted_conversation_is_measured_as_the_session_tells_it(tmp_path):
    file = spoken(tmp_path, "one.wav", (0, 0.2), (20, 1.2), (0, 0.5))
    bench = bench_with({20: "What time is it?"}, 1.2)
    answer = on_virtual_clock(lambda: bench.answer(Utterance(file, "What time is it?", 1.4), "one"))
    assert (answer.outcome, answer.heard, answer.early_ends) == ("answered", "What time is it?", 0)
    assert answer.voice_to_voice_ms == pytest.approx(answer.stages_ms["reply"] + answer.speech_end_ms, abs=1)
    assert 0 < answer.voice_to_voice_ms < 600
    assert bench.lasted_s > 2


def overlap_with(tmp_path, kind, words, real=False):
    question = Audio.from_file(spoken(tmp_path, "question.wav", (0, 0.2), (20, 1.2), (0, 0.8)))
    sound = Sound(spoken(tmp_path, f"{kind}.wav", (0, 0.3), (30, 0.6), (0, 0.5)), words, kind)
    bench = bench_with({20: "Tell me a story.", 30: words}, 1.2)
    bench.config.asr.lengths[30] = round(0.6 * HZ)
    return on_virtual_clock(lambda: bench.overlap(question, sound, kind, real))


def test_the_recited_reply_is_long_enough_to_be_interrupted(tmp_path):
    found = overlap_with(tmp_path, "barge-in", "Stop please.")
    assert (found.over_reply, found.interrupted, found.heard) == (True, True, "Stop please.")
    assert 0 < found.silent_ms < 250


def test_a_backchannel_over_it_is_measured_too(tmp_path):
    found = overlap_with(tmp_path, "backchannel", "uh huh")
    assert (found.over_reply, found.interrupted, found.silent_ms) == (True, False, None)
    assert found.ducked
    assert found.held_ms > 0


def test_a_reply_that_is_over_before_the_sound_is_told(tmp_path):
    assert not overlap_with(tmp_path, "barge-in", "Stop please.", real=True).over_reply


def test_a_conversation_that_hangs_is_given_up_and_listed(tmp_path):
    bench = bench_with({20: "What time is it?"}, 1.2)
    bench.config.llm.first_s = 1e9
    bench = Bench(dataclasses.replace(bench.config, limits=Limits(llm_s=1e9)), say=str)
    file = spoken(tmp_path, "one.wav", (20, 1.2), (0, 0.5))
    answer = on_virtual_clock(lambda: bench.answer(Utterance(file, "What time is it?", 1.2), "one"))
    assert (answer.outcome, answer.failed) == ("no_reply", ["nothing happened for 60 s"])
