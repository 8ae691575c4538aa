"""Effects on the voice: pitch by the spectrum, length by the samples, clicks by the slope of a tone."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cleans2s import references, stages
from cleans2s.asr.whisper import Whisper
from cleans2s.audio import RATE, Audio
from cleans2s.effects import Effects, Shaper, shaped
from cleans2s.errors import ConfigError

VOICE_RATE = 24_000
PIECE = 960
HZ = 173.0
"""No whole number of periods fits into a segment or a fade."""

SLOPE = 2 * np.pi * HZ / VOICE_RATE
"""The most that neighbouring samples of a full-scale tone differ."""


def tone(seconds=2.0, peak=0.5):
    return (peak * np.sin(2 * np.pi * HZ * np.arange(int(seconds * VOICE_RATE)) / VOICE_RATE)).astype(np.float32)


def vowel(seconds=1.0):
    """A voice of 120 Hz with overtones."""
    at = np.arange(int(seconds * VOICE_RATE)) / VOICE_RATE
    return sum(0.3 / n * np.sin(2 * np.pi * 120 * n * at + n) for n in range(1, 12)).astype(np.float32)


def chord(seconds=1.0):
    """Tones that are in step nowhere, so that no two segments fit exactly; and the most that neighbouring samples differ."""
    at = np.arange(int(seconds * VOICE_RATE)) / VOICE_RATE
    tones = (173.0, 0.3), (412.7, 0.2), (977.3, 0.1)
    sound = sum(peak * np.sin(2 * np.pi * hz * at) for hz, peak in tones)
    return sound.astype(np.float32), sum(peak * 2 * np.pi * hz / VOICE_RATE for hz, peak in tones)


def run(samples, effects, sizes=(PIECE,)):
    """In pieces of these sizes, again and again; `effects` may be a function of the number of the piece."""
    shaper, out, start, count = Shaper(VOICE_RATE), [], 0, 0
    while start < len(samples):
        now = effects(count) if callable(effects) else effects
        size = sizes[count % len(sizes)]
        out.append(shaper.push(samples[start : start + size], now))
        start, count = start + size, count + 1
    return np.concatenate([*out, shaper.flush()])


def pitch_of(samples):
    middle = samples[len(samples) // 4 : len(samples) * 3 // 4]
    return np.abs(np.fft.rfft(middle * np.hanning(len(middle)), 1 << 19)).argmax() * VOICE_RATE / (1 << 19)


def steepest(samples):
    return float(np.abs(np.diff(samples)).max())


def test_without_effects_every_sample_is_the_same():
    assert np.array_equal(run(vowel(), Effects()), vowel())


@pytest.mark.parametrize("speed", [0.5, 0.8, 1.1, 1.37, 2.0])
def test_speed_changes_the_length_to_the_sample_and_not_the_pitch(speed):
    sound = run(tone(), Effects(speed=speed))
    assert len(sound) == round(len(tone()) / speed)
    assert pitch_of(sound) == pytest.approx(HZ, rel=0.003)
    assert steepest(sound) <= 0.5 * SLOPE * 1.02
    assert np.abs(sound[: len(sound) // 2]).max() == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize("speed", [0.6, 0.9, 1.3, 1.9])
def test_segments_that_do_not_fit_are_faded_into_each_other(speed):
    sound, steep = chord()
    assert steepest(run(sound, Effects(speed=speed))) <= steep * 1.05


@pytest.mark.parametrize("pitch", [-12, -5, -0.5, 3, 7, 12])
def test_pitch_is_in_semitones_and_does_not_change_the_length(pitch):
    sound = run(tone(), Effects(pitch=pitch))
    factor = 2 ** (pitch / 12)
    assert len(sound) == len(tone())
    assert pitch_of(sound) == pytest.approx(HZ * factor, rel=0.003)
    assert steepest(sound[500:]) <= 0.5 * SLOPE * factor * 1.1  # after its sudden beginning
    assert np.abs(sound).max() == pytest.approx(0.5, abs=0.03)


def test_both_together():
    sound = run(tone(), Effects(speed=1.25, pitch=-4, volume_db=-6))
    assert len(sound) == round(len(tone()) / 1.25)
    assert pitch_of(sound) == pytest.approx(HZ * 2 ** (-4 / 12), rel=0.003)
    assert np.abs(sound).max() == pytest.approx(0.5 / 2, abs=0.02)


@settings(deadline=None)
@given(st.lists(st.integers(0, 4000), max_size=12).filter(any), st.sampled_from([0.6, 1.0, 1.7]), st.integers(-7, 7))
def test_in_pieces_it_sounds_as_at_once(sizes, speed, pitch):
    effects, sound = Effects(speed=speed, pitch=pitch), vowel(0.5)
    assert np.allclose(run(sound, effects, sizes), run(sound, effects, [len(sound)]), atol=1e-4)


def test_settings_that_change_while_it_speaks_do_not_click():
    parts = [
        Effects(),
        Effects(speed=1.5),
        Effects(speed=0.7, pitch=2),
        Effects(pitch=-3, volume_db=-10),
        Effects(pitch=4, volume_db=4),
        Effects(speed=2),
        Effects(),
    ]
    sound = run(tone(4.2), lambda piece: parts[piece // 15])
    loudest = 0.5 * 10 ** (4 / 20)
    assert steepest(sound) <= loudest * SLOPE * 2 ** (4 / 12) * 1.15
    expected = sum(PIECE * 15 / each.speed for each in parts)
    assert len(sound) == pytest.approx(expected, abs=1)
    assert len(run(tone(4.2), Effects())) - len(sound) > 1000


def test_a_jump_of_the_volume_fades():
    sound = run(tone(), lambda piece: Effects(volume_db=-40 * (piece % 2)))
    assert steepest(sound) <= 0.5 * SLOPE + 0.5 / (0.01 * VOICE_RATE) * 1.1


def test_louder_rounds_off_before_full_scale():
    quiet = run(tone(peak=0.1), Effects(volume_db=12))
    assert np.abs(quiet).max() == pytest.approx(0.1 * 10 ** (12 / 20), rel=0.01)
    loud = run(tone(peak=0.9), Effects(volume_db=20))
    assert 0.95 < np.abs(loud).max() <= 1
    assert (np.abs(loud) == np.abs(loud).max()).mean() < 0.9


def test_after_flush_a_new_clause_begins():
    shaper = Shaper(VOICE_RATE)
    fast = Effects(speed=2)
    first = np.concatenate([shaper.push(vowel(), fast), shaper.flush()])
    assert not len(shaper.flush())
    second = np.concatenate([shaper.push(vowel(), fast), shaper.flush()])
    assert np.array_equal(first, second)
    assert len(shaper.push(np.zeros(0, np.float32), fast)) == 0
    assert np.array_equal(shaper.push(vowel(), Effects()), vowel()) is False  # it stays in the path until the clause ends
    shaper.flush()
    assert np.array_equal(shaper.push(vowel(), Effects()), vowel())


def test_a_stream_of_any_engine():
    pieces = [Audio(tone(0.3), VOICE_RATE), Audio(tone(0.7), VOICE_RATE)]
    assert sum(a.duration_s for a in shaped(iter(pieces), Effects(speed=0.8))) == pytest.approx(1.25, abs=0.001)
    assert list(shaped([], Effects(speed=0.8))) == []


@pytest.mark.parametrize("settings", [{"speed": 0.1}, {"pitch": 13}, {"volume_db": math.nan}, {"volume_db": 60}])
def test_an_effect_out_of_range_is_named(settings):
    with pytest.raises(ConfigError, match=r"effects\.\w+ = .*: expected -?[\d.]+ to [\d.]+"):
        Effects(**settings)


@pytest.mark.models
def test_a_shaped_voice_is_understood():
    clip = references.load()["clara"]
    whisper = stages.load(Whisper())
    for effects in (Effects(speed=1.5), Effects(speed=0.7, pitch=-3), Effects(pitch=4, volume_db=9)):
        sound = np.concatenate([a.samples for a in shaped([Audio.from_file(clip.path)], effects)])
        heard = whisper.transcribe(Audio(sound, VOICE_RATE).resampled(RATE)).text
        assert references.error_rate(clip.text, heard) < 0.15
