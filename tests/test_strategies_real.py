"""Each of the five strategies by voice, end to end: synthesised users, real engines, the agent's sound transcribed back."""

from __future__ import annotations

from dataclasses import dataclass

import anyio
import numpy as np
import pytest
from user_voice import spoken

from cleans2s.asr.whisper import Whisper
from cleans2s.audio import RATE, Audio, Samples, silence
from cleans2s.config import Config
from cleans2s.events import Backchannelled, Judged, ReplyStarted, TurnEnded
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


STORY = (
    "I have to tell you about last weekend, because we went to see my sister, who has just moved to a little house by the "
    "river, and",
    "when we got there on Saturday morning, the whole kitchen was full of boxes.",
)
PAUSE_S = 0.95


def audible(says: str) -> Samples:
    sound = spoken(says)
    first_s, last_s = sound.audible_span_s()
    return sound.samples[int(first_s * RATE) : int(last_s * RATE)]


def test_whoever_pauses_in_a_long_story_is_nodded_to_and_goes_on():
    began, rest = (audible(says) for says in STORY)
    pause = len(began) / RATE, len(began) / RATE + PAUSE_S
    talked = anyio.run(lambda: talk([Audio(np.concatenate([began, silence(PAUSE_S), rest]))], Config()))
    (nod,) = (event for event in talked.recording.events if isinstance(event, Backchannelled))
    (turn,) = (event for event in talked.recording.events if isinstance(event, TurnEnded))
    assert pause[0] < nod.at_s < pause[1] + 0.1
    assert "sister" in turn.text and "boxes" in turn.text
    agent = talked.recording.agent
    assert np.abs(agent.samples[int(nod.at_s * agent.rate) :][: len(nod.audio.samples)]).max() > 0.1
    assert nod.text not in [message.text for message in talked.conversation.messages]
