"""Effects that are changed while a clause is spoken: they act on what has not been sent, and nothing clicks."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest

from cleans2s.audio import Audio
from cleans2s.effects import Effects
from cleans2s.events import Interrupted, ReplyAudio, ReplyEnded
from cleans2s.testing import VOICE_RATE, Scripted, ScriptedLLM, Stage, on_virtual_clock

HZ, PEAK, LONG_S = 173.0, 0.5, 6.0
SLOPE = PEAK * 2 * np.pi * HZ / VOICE_RATE
"""The most that neighbouring samples of the tone differ."""

ANSWER = "One two three four five six seven eight."
AT_S = 2.0
"""After the beginning of the reply."""


@dataclass(eq=False)
class Tone(Scripted):
    """A whole clause in one piece."""

    seconds: float = LONG_S

    async def speak(self, text):
        at = np.arange(int(self.seconds * VOICE_RATE)) / VOICE_RATE
        yield Audio((PEAK * np.sin(2 * np.pi * HZ * at)).astype(np.float32), VOICE_RATE)


def spoken(*changes: Effects, stop_s: float | None = None):
    """The reply's sound before and after these effects came into force, one at every tenth of a second; and its stage."""

    async def play():
        async with Stage(llm=ScriptedLLM([ANSWER]), tts=Tone()) as stage:
            await stage.user.says("Count to twelve.")
            await stage.until(ReplyAudio)
            await stage.wait(AT_S)
            count = len(stage.all(ReplyAudio))
            for effects in changes:
                await stage.session.configure(replace(stage.session.config, effects=effects))
                await stage.wait(0.1)
            if stop_s is not None:
                await stage.wait(stop_s)
                await stage.user.says("No, stop it, please.")
                await stage.until(Interrupted)
            else:
                await stage.until(ReplyEnded)
        sound = [event.audio.samples for event in stage.all(ReplyAudio)]
        return np.concatenate(sound[:count]), np.concatenate(sound[count:]), stage

    return on_virtual_clock(play)


def steepest(samples) -> float:
    return float(np.abs(np.diff(samples)).max())


def pitch_of(samples) -> float:
    return np.abs(np.fft.rfft(samples * np.hanning(len(samples)), 1 << 19)).argmax() * VOICE_RATE / (1 << 19)


def test_the_volume_acts_within_a_tenth_of_a_second():
    before, after, _ = spoken(Effects(volume_db=-20))
    tenth = VOICE_RATE // 10
    assert np.abs(before).max() == pytest.approx(PEAK, abs=0.01)
    assert np.abs(after[tenth:]).max() == pytest.approx(PEAK / 10, abs=0.005)
    assert len(before) + len(after) == LONG_S * VOICE_RATE
    assert steepest(np.concatenate([before, after])) <= SLOPE + PEAK / (0.01 * VOICE_RATE)


@pytest.mark.parametrize("effects", [Effects(speed=1.5), Effects(speed=0.6), Effects(pitch=5), Effects(pitch=-7, speed=1.2)])
def test_pace_and_pitch_act_within_a_tenth_of_a_second_and_without_a_click(effects):
    before, after, stage = spoken(effects)
    factor, tenth = 2 ** (effects.pitch / 12), VOICE_RATE // 10
    assert pitch_of(after[tenth : 6 * tenth]) == pytest.approx(HZ * factor, rel=0.01)
    left = LONG_S * VOICE_RATE - len(before)
    assert len(after) == pytest.approx(left / effects.speed, abs=tenth)
    assert steepest(np.concatenate([before, after])) <= SLOPE * max(1, factor) * 1.15
    assert stage.all(ReplyEnded)[0].heard == ANSWER


def test_a_slider_that_is_dragged_does_not_click():
    dragged = [Effects(volume_db=step % 5 - 2, speed=1 + 0.05 * step, pitch=step / 2) for step in range(-4, 8)]
    before, after, _ = spoken(*dragged)
    loudest, highest = 10 ** (2 / 20), 2 ** (7 / 2 / 12)
    assert steepest(np.concatenate([before, after])) <= SLOPE * loudest * highest * 1.15


def test_what_was_heard_is_known_at_any_pace():
    _, _, stage = spoken(Effects(speed=2.0), stop_s=0.4)
    (cut,) = stage.all(Interrupted)
    heard_s = sum(event.audio.duration_s for event in stage.all(ReplyAudio)) - stage.session.config.lead_s
    assert cut.heard
    assert cut.unheard
    share = len(cut.heard) / len(ANSWER)
    full_s = AT_S + 0.2 + (LONG_S - AT_S - 0.2) / 2
    assert 0 <= heard_s / full_s - share < 0.2  # a word that was cut counts as not heard
