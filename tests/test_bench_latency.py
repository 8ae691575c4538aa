"""The benchmark of latency itself: its options, its reciter, and conversations that are scripted."""

from __future__ import annotations

import argparse
import dataclasses

import anyio
import numpy as np
import pytest

from benchmarks.latency import Bench, LoadedReciter, Reciter, add_arguments, main, peak_rss_mb
from benchmarks.utterances import (
    Sound,
    Utterance,
)
from cleans2s import stages
from cleans2s.audio import Audio
from cleans2s.config import Config, Limits
from cleans2s.errors import ConfigError
from cleans2s.testing import (
    ScriptedASR,
    ScriptedEndOfTurn,
    ScriptedJudge,
    ScriptedLLM,
    ScriptedTTS,
    ScriptedVAD,
    on_virtual_clock,
)

HZ = 16_000


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
        "judge": ScriptedJudge(),
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
