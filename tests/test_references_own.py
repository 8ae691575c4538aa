"""Clips that users bring: under names that only we make, and not for ever."""

from __future__ import annotations

import os
import time

import anyio
import pytest

from cleans2s import references, uploads
from cleans2s.audio import Audio
from cleans2s.errors import AudioError, ConfigError
from cleans2s.stages import Transcript

CLIP = references.load()["clara"]


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("CLEANS2S_CACHE", str(tmp_path))
    return tmp_path


def taken(path=CLIP.path, text="", heard=CLIP.text):
    async def transcribe(audio):
        assert audio.rate == 16_000
        return Transcript(heard)

    async def take():
        return await uploads.take(path, text, transcribe)

    return anyio.run(take)


def test_a_clip_is_kept_with_its_text_under_a_name_that_engines_understand(cache):
    mine = taken(text=f" {CLIP.text} ")
    assert references.choose(mine.name) == mine
    assert (mine.text, mine.path.parent) == (CLIP.text, cache / "references")
    assert references.is_public(mine.name)
    assert Audio.from_file(mine.path).duration_s == pytest.approx(Audio.from_file(CLIP.path).duration_s)
    assert taken().text == CLIP.text
    assert taken().name != mine.name


def test_a_clip_of_an_extreme_rate_is_kept_at_a_usual_one(tmp_path):
    Audio.from_file(CLIP.path).resampled(96_000).save(tmp_path / "fine.wav")
    assert Audio.from_file(taken(tmp_path / "fine.wav").path).rate == 48_000


def test_a_clip_whose_text_is_not_heard_is_not_kept(cache):
    with pytest.raises(AudioError, match="does not say its text"):
        taken(text="Something quite different.")
    with pytest.raises(AudioError, match="has an empty text"):
        taken(heard="")
    assert not (cache / "references").exists()


def test_clips_go_after_a_day_and_when_there_are_many(cache):
    old, new = taken(), taken()
    yesterday_s = time.time() - uploads.KEPT_S - 1
    os.utime(old.path, (yesterday_s, yesterday_s))
    taken()
    assert not references.is_public(old.name)
    assert references.is_public(new.name)
    with pytest.raises(ConfigError, match="clips are kept for a day; upload it again"):
        references.choose(old.name)
    for number in range(uploads.MOST):
        (cache / "references" / f"own-{number:032x}.wav").touch()
    last = taken()
    assert len(list((cache / "references").glob("*.wav"))) == uploads.MOST
    assert references.is_public(last.name)


@pytest.mark.parametrize(
    "name", ["", "..", "/etc/passwd", "own-", "own-" + 31 * "0", "OWN-" + 32 * "0", "own-../../../" + 23 * "0"]
)
def test_nothing_else_is_public(name):
    assert not references.is_public(name)
