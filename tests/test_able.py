"""The profile `able`: a brain of 1.5 billion weights on this machine, by real voice."""

from __future__ import annotations

import dataclasses

import anyio
import pytest
from user_voice import spoken

from cleans2s import profiles
from cleans2s.events import Judged
from cleans2s.llm.llama import Llama
from cleans2s.memory.asking import asking
from cleans2s.stages import load
from cleans2s.talk import talk

pytestmark = pytest.mark.models

USER = [
    "I work in a school in London.",
    "What is the capital of Italy?",
    "Where do I work?",
    "Are you married, and do you have a boyfriend?",
]


def test_it_knows_things_remembers_the_conversation_and_deflects_by_its_own_lines():
    config = dataclasses.replace(profiles.load("able"), memory=":memory:", proactive=False)
    talked = anyio.run(talk, [spoken(words) for words in USER], config)
    answers = [message.text for message in talked.conversation.messages if message.role == "assistant"]
    judged = [event for event in talked.recording.events if isinstance(event, Judged)]
    assert [*dict.fromkeys(event.strategy for event in judged)] == ["standard", "deflection"]
    assert "Rome" in answers[1]
    assert "London" in answers[2]
    assert not any(word in answers[3].lower() for word in ("i am", "i'm", "married", "husband"))


def test_what_a_function_is_given_is_quoted_word_for_word():
    """Nothing keeps it from repeating here what was said, as in a conversation."""
    llm = load(Llama(model="qwen2.5-coder-1.5b", examples=(), threads=2, extracts=True, completeness="smollm2-135m"))
    assert llm.able and llm.extracts and not llm.guided
    assert llm.complete("What is the capital of France") > 0.5 > llm.complete("What is the capital of")
    words = "I never, never, never eat fish, and my fish never, never, never eat me."
    said = asking(llm)([{"role": "user", "content": f"Call remember with this summary, word for word, and no facts: {words}"}])
    assert words in said
