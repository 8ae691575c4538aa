"""The small pure parts: sound, words, playback, the floor, the record, settings."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cleans2s.asr.whisper import without_loop
from cleans2s.audio import RATE, Audio, Resampler, save_wav
from cleans2s.config import Config, Limits
from cleans2s.conversation import INTERRUPTED_NOTE, PROMPT_CHARS, Conversation
from cleans2s.errors import AudioError, ConfigError
from cleans2s.events import Ducked, Interrupted, ReplyAudio, Resumed
from cleans2s.floor import takes_the_floor, verdict
from cleans2s.llm.llama import Llama
from cleans2s.microphone import Microphone
from cleans2s.playback import Playback
from cleans2s.recording import Recording, as_heard
from cleans2s.stages import Transcript
from cleans2s.talk import Moment
from cleans2s.text import Clauses, StablePrefix, speakable, words_of
from cleans2s.turn import FRAME

# ── sound ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_full_scale_survives_16_bits():
    assert np.frombuffer(Audio(np.array([1.0, -1.0, 7.0])).to_pcm16(), "<i2").tolist() == [32767, -32767, 32767]


def test_stereo_and_8_bit_and_96_khz_files_are_heard(tmp_path):
    import soundfile

    tone = 0.5 * np.sin(np.arange(96_000) / 96_000 * 2 * np.pi * 440)
    soundfile.write(tmp_path / "a.wav", np.stack([tone, tone], 1), 96_000, "PCM_U8")
    audio = Audio.from_file(tmp_path / "a.wav").resampled(RATE)
    assert audio.duration_s == pytest.approx(1.0, abs=0.001)
    assert audio.peak == pytest.approx(0.5, abs=0.02)
    spectrum = np.abs(np.fft.rfft(audio.samples))
    assert spectrum.argmax() == pytest.approx(440, abs=1)


@pytest.mark.parametrize("content", [b"", b"RIFF", b"this is a letter, not a sound", bytes(range(256)) * 40])
def test_what_is_no_sound_is_said_to_be_none(tmp_path, content):
    file = tmp_path / "x.wav"
    file.write_bytes(content)
    with pytest.raises(AudioError, match=r"x\.wav cannot be read as sound .* expected wav"):
        Audio.from_file(file)


def test_an_empty_and_a_missing_file_are_named(tmp_path):
    save_wav(tmp_path / "empty.wav", np.zeros(0, np.float32), RATE)
    with pytest.raises(AudioError, match="holds no sound"):
        Audio.from_file(tmp_path / "empty.wav")
    with pytest.raises(AudioError, match="no such file"):
        Audio.from_file(tmp_path / "nowhere.wav")


def test_odd_bytes_are_refused():
    with pytest.raises(AudioError, match="even number"):
        Audio.from_pcm16(b"abc", RATE)


@given(st.lists(st.integers(0, 3000), max_size=20))
def test_resampling_in_pieces_is_resampling_at_once(sizes):
    samples = np.sin(np.arange(sum(sizes)) * 0.05).astype(np.float32)
    pieces, resampler, start = [], Resampler(24_000, RATE), 0
    for size in sizes:
        pieces.append(resampler.push(samples[start : start + size]))
        start += size
    pieces.append(resampler.flush())
    at_once = Resampler(24_000, RATE)
    whole = np.concatenate([at_once.push(samples), at_once.flush()])
    assert np.allclose(np.concatenate(pieces), whole, atol=1e-5)


@given(st.lists(st.integers(1, 2000), min_size=1, max_size=30), st.integers(0, 20_000))
def test_the_microphone_loses_nothing(sizes, since):
    samples = (np.arange(sum(sizes)) % 1000 / 1000).astype(np.float32)
    microphone, start, frames = Microphone(), 0, []
    for size in sizes:
        frames += list(microphone.frames(Audio(samples[start : start + size])))
        start += size
    whole = len(samples) // FRAME * FRAME
    assert all(len(frame) == FRAME for frame in frames)
    assert np.array_equal(microphone.since(0).samples, samples[:whole])
    assert np.array_equal(microphone.since(since).samples, samples[since // FRAME * FRAME : whole])
    microphone.forget(since)
    assert np.array_equal(microphone.since(since).samples, samples[since // FRAME * FRAME : whole])


# ── words ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def clauses(text: str, size: int = 3) -> list[str]:
    splitter, out = Clauses(), []
    for start in range(0, len(text), size):
        out += splitter.push(text[start : start + size])
    return out + list(splitter.flush())


def test_the_first_clause_is_short_and_later_ones_are_sentences():
    assert clauses("Well, yes, I do think so. But then, who knows? Nobody.") == [
        "Well, yes,",
        "I do think so.",
        "But then, who knows?",
        "Nobody.",
    ]
    assert clauses("The history of bread is a very long one.")[0] == "The history of bread"
    assert clauses("Nobody ever really knows how very big they can get.")[0] == "Nobody ever really knows how very big they"


def test_abbreviations_decimals_and_numbers_do_not_end_a_sentence():
    assert clauses("Dr. Smith has 3.14 apples. He eats e.g. pie.", 1) == [
        "Dr. Smith has 3.14 apples.",
        "He eats e.g. pie.",
    ]
    assert clauses("你好，我是小明。你呢？") == ["你好，", "我是小明。", "你呢？"]


@given(st.text("ab .,!?\n1。", max_size=400), st.integers(1, 9))
def test_no_word_is_lost_between_clauses(text, size):
    assert "".join("".join(clauses(text, size)).split()) == "".join(text.split())


def test_only_what_can_be_said_is_spoken():
    assert speakable("**Yes**, see [the page](https://x.org/a) 🎉 `now`") == "Yes , see the page now"
    assert speakable("🎉 …") == ""


def test_a_stable_prefix_is_what_two_hypotheses_agree_on():
    stable = StablePrefix()
    assert stable.update("What is the cow") == 0
    text = "What is the capital of"
    assert text[: stable.update(text)] == "What is the"
    text = "What is the capital, of France?"
    assert text[: stable.update(text)] == "What is the capital, of"


@pytest.mark.parametrize(
    ("text", "seconds", "expected"),
    [
        ("How do I make tea? How do I make tea? How do", 1.5, "How do I make tea?"),
        ("How do I make tea? How do I make tea?", 4.0, "How do I make tea? How do I make tea?"),
        ("oho oho oho oho oho", 0.6, "oho"),
        ("No no, that is not it.", 1.0, "No no, that is not it."),
        ("It is what it is", 0.5, "It is what it is"),
        ("", 0.0, ""),
    ],
)
def test_a_recogniser_in_a_loop_is_cut(text, seconds, expected):
    assert without_loop(text, seconds) == expected


# ── playback and recording ────────────────────────────────────────────────────────────────────────────────────────────


def test_the_position_stands_while_ducked_and_in_gaps():
    playback = Playback()
    playback.piece("one two", 2.0)
    playback.send(1.0, at_s=10)
    assert playback.position_s(10.5) == pytest.approx(0.5)
    assert playback.position_s(12) == pytest.approx(1.0)  # it ran dry
    playback.send(1.0, at_s=13)
    assert playback.position_s(13.5) == pytest.approx(1.5)
    playback.duck(13.5)
    assert playback.position_s(20) == pytest.approx(1.5)
    playback.resume(20)
    assert playback.position_s(20.2) == pytest.approx(1.7)


def test_words_are_heard_in_proportion_and_never_half():
    playback = Playback()
    playback.piece("Here is a long sentence", 2.3)
    playback.end_clause()
    playback.send(2.3, at_s=0)
    assert playback.split(0.0) == ("", "Here is a long sentence")
    assert playback.split(1.2) == ("Here is a", "long sentence")
    assert playback.split(2.3) == ("Here is a long sentence", "")


@given(st.lists(st.tuples(st.text("ab ", min_size=1, max_size=20), st.floats(0.1, 3)), min_size=1), st.floats(0, 20))
def test_heard_and_unheard_are_the_whole_text(spoken, at_s):
    playback = Playback()
    for text, duration in spoken:
        playback.piece(text, duration)
        playback.end_clause()
        playback.send(duration, 0)
    assert " ".join(playback.split(at_s)).split() == " ".join(text for text, _ in spoken).split()


def test_a_recording_is_what_a_loudspeaker_would_have_played(tmp_path):
    def audio(value: float, seconds: float) -> Audio:
        return Audio(np.full(int(seconds * 1000 * 8), value, np.float32), 8000)

    events = [
        ReplyAudio(1.0, 1, audio(0.1, 0.5)),
        ReplyAudio(1.1, 1, audio(0.2, 0.5)),
        Ducked(1.7, 1),
        Resumed(2.0, 1),
        ReplyAudio(2.1, 1, audio(0.3, 1.0)),
        Interrupted(2.5, 1, "", ""),
    ]
    agent = as_heard(events, 8000)
    at = lambda s: float(agent.samples[int(s * 8000)])  # noqa: E731
    assert [at(0.5), at(1.2), at(1.6), at(1.8), at(2.2), at(2.4)] == pytest.approx([0, 0.1, 0.2, 0, 0.2, 0.3])
    assert agent.duration_s == pytest.approx(2.5, abs=0.001)
    recording = Recording(Audio(np.full(8000, 0.5), 8000), agent, list(events))
    recording.save_wav(tmp_path / "a.wav")
    recording.save_events(tmp_path / "a.jsonl")
    import soundfile

    both, rate = soundfile.read(tmp_path / "a.wav")
    assert rate == 8000
    assert both[4000].tolist() == pytest.approx([0.5, 0], abs=1e-3)
    assert both[int(1.2 * 8000)].tolist() == pytest.approx([0, 0.1], abs=1e-3)
    assert len((tmp_path / "a.jsonl").read_text().splitlines()) == len(events)


# ── the floor ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("text", "confidence", "seconds", "expected"),
    [
        ("Uh-huh.", -0.3, 0.4, "backchannel"),
        ("Yeah, okay.", -0.3, 0.6, "backchannel"),
        ("", None, 0.2, "noise"),
        ("Russia", -2.3, 0.4, "noise"),
        ("M.M.A.Chem", -1.17, 0.9, "noise"),
        ("Stop", -1.8, 0.4, "turn"),
        ("Wait a moment", -0.4, 0.8, "turn"),
        ("the king lived in a castle", -0.2, 2.0, "echo"),
        ("Tell me about bread", -0.2, 1.5, "turn"),
        ("Paris?", -0.4, 0.5, "turn"),
    ],
)
def test_who_takes_the_floor(text, confidence, seconds, expected):
    agent = words_of("Once the king lived in a castle with his daughters")
    assert verdict(Transcript(text, confidence), seconds, agent) == expected


def test_two_words_of_a_sentence_are_not_yet_an_interruption():
    assert not takes_the_floor(Transcript("I think", -0.2), 0.5, [])
    assert takes_the_floor(Transcript("I think that", -0.2), 0.7, [])
    assert takes_the_floor(Transcript("Stop", -1.3), 0.3, [])
    assert not takes_the_floor(Transcript("I'm a ma'am", -1.22), 0.7, [])


# ── the record ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_prompt_tells_of_an_interruption_and_joins_turns():
    said = Conversation()
    said.user_said("Tell me", 0)
    said.user_said("a story.", 1)
    said.agent_begins("reply", 2)
    said.agent_heard("reply", "Once upon a", "time", "interrupted")
    prompt = said.prompt("Be kind.", "Stop!")
    assert [m["role"] for m in prompt] == ["system", "user", "assistant", "user"]
    assert prompt[1]["content"] == "Tell me a story."
    assert prompt[2]["content"] == f"Once upon a— {INTERRUPTED_NOTE}"


def test_a_reply_nobody_heard_is_not_on_the_record():
    said = Conversation()
    said.user_said("Hello", 0)
    said.agent_begins("reply", 1)
    said.agent_heard("reply", "", "Hi there", "interrupted")
    assert [m.role for m in said.messages] == ["user"]


def test_a_prompt_is_bounded_and_keeps_its_front_for_many_turns():
    said, fronts = Conversation(), set()
    for turn in range(500):
        said.user_said(f"Question {turn} " + "x" * 100, turn)
        said.agent_begins(str(turn), turn)
        said.agent_heard(str(turn), "y" * 100, ending="finished")
        prompt = said.prompt("Be kind.", "Now?")
        assert sum(len(m["content"]) for m in prompt) < PROMPT_CHARS + 300
        assert prompt[1]["role"] == "user"
        fronts.add(prompt[1]["content"])
    assert len(fronts) < 50


# ── settings ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_configuration_has_three_views(tmp_path):
    file = tmp_path / "agent.toml"
    file.write_text('interruption = false\n[llm]\nengine = "llama"\ntemperature = 0.5\n[limits]\nasr_s = 3\n')
    config = Config.from_file(file)
    assert config == Config(interruption=False, llm=Llama(temperature=0.5), limits=Limits(asr_s=3.0))
    assert Config().changed({"interruption": "off", "llm.temperature": "0.5", "limits.asr_s": "3"}) == config


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"interuption": True}, "did you mean 'interruption'"),
        ({"llm.temprature": 1}, r"unknown setting 'llm.temprature': did you mean 'temperature'\? valid are"),
        ({"llm.temperature": "warm"}, "expected float"),
        ({"interruption": "perhaps"}, "expected bool"),
        ({"llm.engine": "gpt"}, "valid are .*llama"),
        ({"turn": 3}, "expected a table"),
        ({"turn.onset_ms": 64.5}, "expected int"),
    ],
)
def test_a_wrong_setting_lists_what_is_valid(values, message):
    with pytest.raises(ConfigError, match=message):
        Config().changed(values)


def test_a_broken_file_of_settings_is_named(tmp_path):
    (tmp_path / "a.toml").write_text("interruption = maybe")
    with pytest.raises(ConfigError, match=r"a\.toml"):
        Config.from_file(tmp_path / "a.toml")


@pytest.mark.parametrize("text", ["soon", "-1", "nan", "inf", ""])
def test_a_moment_is_a_number(text):
    with pytest.raises(ConfigError, match="expected seconds"):
        Moment.parse(text)
    assert Moment.parse("+1.5") == Moment(1.5, into_reply=True)


def test_importing_the_package_imports_no_model_library():
    heavy = "{'torch', 'onnxruntime', 'ctranslate2', 'faster_whisper', 'xllamacpp', 'piper', 'gradio', 'matplotlib', 'numpy'}"
    code = f"import sys, cleans2s; sys.exit(bool({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    code = f"import sys, cleans2s; cleans2s.Session(); sys.exit(bool(({heavy} - {{'numpy'}}) & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
