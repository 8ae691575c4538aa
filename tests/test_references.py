"""Reference voices: our own are good, and what is wrong with another is said in one sentence."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
import soundfile

from cleans2s import references
from cleans2s.audio import Audio, save_wav, silence
from cleans2s.errors import AudioError, ConfigError
from cleans2s.references import check, choose, error_rate, load, main, usable
from cleans2s.stages import Transcript

OURS = Path(references.__file__).resolve().parents[1] / "ref_audio"


class Hears:
    def __init__(self, text):
        self.text = text

    def transcribe(self, audio, partial=False):
        assert audio.rate == 16_000
        return Transcript(self.text)


@pytest.fixture
def clip():
    return Audio.from_file(load(OURS)["clara"].path)


def saved(tmp_path, samples, rate=24_000):
    save_wav(tmp_path / "mine.wav", samples, rate)
    return tmp_path / "mine.wav"


# ── our own ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_our_clips_are_good_and_documented():
    clips, readme = load(OURS), (OURS / "README.md").read_text("utf-8")
    assert 6 <= len(clips) <= 8
    assert {clip.language for clip in clips.values()} == {"en", "zh"}
    for clip in clips.values():
        info = soundfile.info(clip.path)
        assert (info.samplerate, info.channels, info.format) == (24_000, 1, "FLAC")
        assert 10 <= info.duration <= 20
        assert check(clip.path) == []
        assert clip.text
        assert clip.licence == "CC0-1.0"
        assert f"| {clip.name} |" in readme
        assert f"| {info.duration:.1f} |" in readme
    assert {file.stem for file in OURS.glob("*.flac")} == set(clips)


@pytest.mark.models
def test_the_recogniser_hears_the_text_of_our_clips_and_no_other():
    clips = load(OURS)
    for clip in clips.values():
        assert check(clip.path, clip.text) == []
    (english,) = check(clips["clara"].path, clips["henry"].text)
    (chinese,) = check(clips["lan"].path, clips["wei"].text)
    for problem in (english, chinese):
        assert "does not say its text" in problem
    half = clips["joe"].text[: len(clips["joe"].text) // 2]
    assert "does not say its text" in check(clips["joe"].path, half)[0]


# ── ref.json ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def listing(tmp_path, content):
    save_wav(tmp_path / "a.wav", silence(4), 16_000)
    (tmp_path / "ref.json").write_text(content if isinstance(content, str) else json.dumps(content), "utf-8")
    return tmp_path


def test_the_known_form_is_read_as_a_list_and_as_a_table(tmp_path):
    entry = {"ref_wav_path": "a.wav", "prompt_text": " 你好。 "}
    listed = load(listing(tmp_path, [entry]))
    assert listed["a"].text == "你好。"
    assert listed["a"].path == tmp_path / "a.wav"
    table = load(listing(tmp_path, {"anna": {**entry, "language": "zh"}}))
    assert (table["anna"].path, table["anna"].language) == (tmp_path / "a.wav", "zh")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("not json", r"ref\.json cannot be read .*; expected a list of clips"),
        ([{"ref_wav_path": "a.wav"}], "expected every entry to have ref_wav_path and prompt_text"),
        ([{"ref_wav_path": 3, "prompt_text": "x"}], "expected every entry to have ref_wav_path and prompt_text"),
        (["a.wav"], "expected every entry to have ref_wav_path and prompt_text"),
        ("7", "expected every entry to have ref_wav_path and prompt_text"),
        ([{"ref_wav_path": "b.wav", "prompt_text": "x"}], r"lists b\.wav, which is not there"),
    ],
)
def test_a_listing_that_cannot_be_used_is_said_to_be_so(tmp_path, content, message):
    with pytest.raises(ConfigError, match=message):
        load(listing(tmp_path, content))


def test_a_folder_without_a_listing_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"ref\.json cannot be read"):
        load(tmp_path)


def test_a_voice_is_chosen_by_name_at_random_or_as_a_file(tmp_path):
    assert choose("wei", OURS).language == "zh"
    assert len({choose("random", OURS).name for _ in range(200)}) == len(load(OURS))
    file = saved(tmp_path, silence(4))
    assert choose(str(file), OURS) == references.Reference("mine", file)
    file.with_suffix(".txt").write_text("What I said.\n", "utf-8")
    assert choose(str(file), OURS).text == "What I said."
    with pytest.raises(ConfigError, match=r"no reference voice 'henri': did you mean 'henry'\? valid are random, clara,"):
        choose("henri", OURS)
    with pytest.raises(ConfigError, match=r"no reference voice 'gone\.wav'"):
        choose("gone.wav", OURS)


# ── the judge ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def noisy(samples):
    return samples + np.random.default_rng(1).standard_normal(len(samples)).astype(np.float32) * 0.01


def with_pause(samples):
    middle = len(samples) // 2
    return np.concatenate([samples[:middle], silence(2.5, 24_000), samples[middle:]])


SPOILT = {
    r"lasts 2\.0 s; expected 3 to 30 s, best 10 to 20 s: record more": lambda s: s[:48_000],
    r"lasts 35\.\d s; expected 3 to 30 s, best 10 to 20 s: cut it": lambda s: np.tile(s, 3),
    r"is silent; expected clear speech: .*microphone": lambda s: s * 1e-4,
    r"is silent": np.zeros_like,
    r"is noisy \(speech 1\d dB above the noise, expected 20\): record in a quieter room": noisy,
    r"is clipped \(\d+ flattened peaks a second\): turn the microphone down": lambda s: np.clip(s * 12, -1, 1),
    r"is clipped": lambda s: np.clip(s, -0.1, 0.1) * 5,
    r"is too quiet \(speech at -4\d dB, expected above -36\): speak nearer": lambda s: s * 0.1,
    r"begins with 2\.\d s of silence; expected less than 1 s: cut it off": lambda s: np.concatenate([silence(2, 24_000), s]),
    r"ends with 3\.\d s of silence": lambda s: np.concatenate([s, silence(3, 24_000)]),
    r"has a pause of 2\.\d s; expected none above 2 s: cut it out": with_pause,
}


@pytest.mark.parametrize("message", SPOILT)
def test_what_is_wrong_with_a_clip_is_one_sentence(tmp_path, clip, message):
    (problem,) = check(saved(tmp_path, SPOILT[message](clip.samples)))
    assert problem.startswith("mine.wav ")
    assert re.search(message, problem)


def test_telephone_quality_is_named(tmp_path, clip):
    (problem,) = check(saved(tmp_path, clip.resampled(8_000).samples, 8_000))
    assert "has a rate of 8000 Hz" in problem


def test_several_faults_are_several_sentences(tmp_path, clip):
    assert len(check(saved(tmp_path, np.concatenate([silence(2, 24_000), np.clip(clip.samples * 12, -1, 1)])))) == 2


def test_what_is_no_sound_is_said_to_be_none(tmp_path):
    letter = tmp_path / "letter.wav"
    letter.write_text("Dear reader, this is not a recording." * 100, "utf-8")
    (problem,) = check(letter)
    assert "cannot be read as sound" in problem
    assert "no such file" in check(tmp_path / "gone.wav")[0]
    with pytest.raises(AudioError, match="cannot be read as sound"):
        usable(letter)


def test_the_text_has_to_be_what_is_heard():
    clip = load(OURS)["clara"]
    assert check(clip.path, clip.text, Hears(clip.text.upper())) == []
    (problem,) = check(clip.path, clip.text, Hears("something quite different"))
    assert "does not say its text (" in problem
    assert "heard was 'something quite different'" in problem
    assert "has an empty text" in check(clip.path, " …", Hears(clip.text))[0]


def test_chinese_is_compared_by_its_sound():
    pytest.importorskip("pypinyin")
    assert error_rate("今天下雨，我们喝热茶。", "今天下魚我們喝熱茶") == 0
    assert error_rate("今天下雨", "明天下雪") == pytest.approx(0.5)


def test_words_are_counted():
    assert error_rate("one two three four", "one too three") == pytest.approx(0.5)
    assert error_rate("", "") == 0
    assert error_rate("Stop!", "stop") == 0


# ── the command ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_command_prints_the_problems(tmp_path, clip, capsys):
    file = saved(tmp_path, clip.samples)
    assert main([str(file)]) == 0
    assert capsys.readouterr().out == "mine.wav is good\n"
    assert main([str(saved(tmp_path, clip.samples[:24_000]))]) == 1
    assert "lasts 1.0 s" in capsys.readouterr().out
    assert main([]) == 2
    assert "python -m cleans2s.references FILE" in capsys.readouterr().err
