"""The agent's "mm-hm", and a turn that it answers by silence, in a real browser with a scripted server."""

# ruff: noqa: F811 (fixtures of another file)

from __future__ import annotations

import base64
from typing import Any

import numpy as np
import pytest
from test_voice_js import RATE, browser, chromium, page, pitch, realtime, sounding, tone, until  # noqa: F401 (fixtures)
from test_voice_js import pytestmark as pytestmark


def mutters(realtime: Any, samples: np.ndarray) -> None:
    pcm = np.round(samples * 32_767).astype("<i2").tobytes()
    realtime.say("cleans2s.backchannel", text="mm-hm", audio=base64.b64encode(pcm).decode())


def test_it_sounds_and_is_no_part_of_a_reply(page: Any, realtime: Any) -> None:
    rate = page.evaluate("record()")
    mutters(realtime, tone(600, 0.3))
    page.wait_for_function("sides[1].some((sample) => Math.abs(sample) > 0.1)")
    page.wait_for_function(f"sides[1].slice(-{rate // 5}).every((sample) => Math.abs(sample) < 1e-4)")
    (heard,) = sounding(page.evaluate("sides[1]"), rate)
    assert len(heard) / rate == pytest.approx(0.3, abs=0.005)
    assert pitch(heard, rate) == pytest.approx(600, abs=4)
    assert page.evaluate("states") == ["connecting", "listening"]
    assert realtime.played_ms() == []


def test_beside_a_reply_it_moves_no_position(page: Any, realtime: Any) -> None:
    rate = page.evaluate("record()")
    realtime.speak(tone(600, 1.0))
    until(lambda: realtime.played_ms()[-1:] > [250])
    mutters(realtime, 0.5 * tone(1500, 0.3))
    realtime.say("response.done", response={"id": "response_1", "status": "completed"})
    page.wait_for_function("voice.state === 'listening'")
    assert realtime.played_ms()[-1] == 1000
    assert {event["item_id"] for event in realtime.all("cleans2s.playback")} == {"item_1"}
    (heard,) = sounding(page.evaluate("sides[1]"), rate)
    assert len(heard) / rate == pytest.approx(1.0, abs=0.003)
    spectrum = np.abs(np.fft.rfft(heard))
    loudest, beside = (spectrum[int(len(heard) / rate * hz) - 9 :][:19].max() for hz in (600, 1500))
    assert loudest > beside > 0.02 * loudest


@pytest.mark.parametrize(("speaks", "then"), [(False, "listening"), (True, "thinking")])
def test_nobody_waits_for_an_answer_that_will_not_come(page: Any, realtime: Any, speaks: bool, then: str) -> None:
    page.evaluate("voice.start({ microphone: false })")
    realtime.say("input_audio_buffer.committed", item_id="item_0")
    page.wait_for_function("voice.state === 'thinking'")
    realtime.say("cleans2s.judged", item_id="item_0", strategy="silence", speaks=speaks, probabilities={"silence": 1})
    realtime.say("cleans2s.reaction", item_id="item_0", emoji="🙂", name="smile")
    page.evaluate("new Promise((done) => voice.addEventListener('server', done, { once: true }))")
    assert page.evaluate("voice.state") == then


def test_questions_about_memory_are_named_and_their_errors_are_no_problem_of_the_conversation(page: Any, realtime: Any) -> None:
    page.evaluate("voice.configure({ proactive: true }); voice.start({ microphone: false })")
    page.wait_for_function("voice.state === 'listening'")
    until(lambda: {"proactive": True} in [event["settings"] for event in realtime.all("cleans2s.configure")])
    page.evaluate("voice.remember('forget', { id: 'turn_1' })")
    until(lambda: realtime.all("cleans2s.memory.forget"))
    (asked,) = realtime.all("cleans2s.memory.forget")
    assert asked == {"type": "cleans2s.memory.forget", "event_id": "memory_1", "id": "turn_1"}
    realtime.say("input_audio_buffer.committed", item_id="item_0")
    realtime.say("error", error={"code": "memory_failed", "message": "Unknown.", "event_id": "memory_1"})
    realtime.say("error", error={"code": "invalid_value", "message": "Wrong.", "event_id": None})
    page.wait_for_function("problems.length")
    assert page.evaluate("problems") == [{"code": "server", "message": "Wrong."}]
