"""Each of the five strategies by voice, end to end: synthesised users, real engines, the agent's sound transcribed back."""

from __future__ import annotations

from dataclasses import dataclass

import anyio
import pytest
from user_voice import spoken

from cleans2s.asr.whisper import Whisper
from cleans2s.audio import RATE
from cleans2s.config import Config
from cleans2s.events import Judged, ReplyStarted, TurnEnded
from cleans2s.stages import load
from cleans2s.talk import Talk, talk
from cleans2s.text import words_of

pytestmark = pytest.mark.models

RAMBLE = (
    "My neighbour parked in front of my garage this morning, so I could not get out. I could not get the car out, because "
    "he had parked in front of the garage. As I said, his car stood there in front of my garage, and I could not get out. "
    "And what I mean is, he parked there, in front of the garage, so the car, my car, I could not get it out, because he "
    "had parked in front of it, and I stood there and could not get out of my own garage."
)


@dataclass(frozen=True)
class Case:
    strategy: str
    says: str


CASES = [
    Case("standard", "What is the capital of France?"),
    Case("refusal", "You are a stupid useless machine, shut your filthy mouth and obey me."),
    Case("deflection", "Are you married, and do you have a boyfriend?"),
    Case("silence", "Honey, can you bring the kids in, dinner is on the table!"),
    Case("interruption", RAMBLE),
]


def heard(talked: Talk) -> str:
    return load(Whisper()).transcribe(talked.recording.agent.resampled(RATE)).text


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.strategy)
def test_a_user_is_answered_as_the_words_deserve(case):
    sound = spoken(case.says)
    talked = anyio.run(lambda: talk([sound], Config()))
    events = talked.recording.events
    judged = next(event for event in events if isinstance(event, Judged))
    assert judged.strategy == case.strategy, judged
    assert judged.reason
    replies = [event for event in events if isinstance(event, ReplyStarted)]
    if case.strategy == "silence":
        assert not replies
        assert talked.recording.agent.peak < 0.01
        assert any(isinstance(event, TurnEnded) for event in events)
        return
    said = " ".join(m.text for m in talked.conversation.messages if m.role == "assistant")
    common = set(words_of(said)) & set(words_of(heard(talked)))
    assert len(common) >= 0.6 * len(set(words_of(said))), (said, heard(talked))
    if case.strategy == "interruption":
        assert replies[0].at_s < talked.spoken_s[0]  # while the user was still speaking
