"""What a small model is shown of a conversation, and where its answer ends."""

from __future__ import annotations

import re

import pytest

from cleans2s.config import INSTRUCTIONS
from cleans2s.conversation import Conversation
from cleans2s.llm.imitation import beginning, enough, last_exchange
from cleans2s.llm.llama import Llama
from cleans2s.stages import Wishes, load

CHATTED = [
    "Hello!",
    "I'm planning a trip to Italy next summer.",
    "Which city should I visit first?",
    "My brother wants to come along but he is always late.",
    "Who painted the Mona Lisa?",
    "I had a terrible day at work.",
    "Can you help me relax?",
    "Do you know any songs?",
    "What is the capital of France?",
    "I want to learn how to play the guitar.",
    "Tell me a short story.",
    "Thank you, that was helpful.",
]


def chat(*said: str) -> list[dict[str, str]]:
    roles = ("user", "assistant")
    return [
        {"role": "system", "content": "Be kind."},
        *({"role": roles[n % 2], "content": text} for n, text in enumerate(said)),
    ]


def test_the_last_exchange_with_the_beginning_of_its_answer():
    said = chat("Hello.", "Hi!", "Tell me a story.", "There was a fox. It was red. It ran.", "And then?")
    assert [message["content"] for message in last_exchange(said)] == [
        *("Be kind.", "Tell me a story.", "There was a fox. It was red.", "And then?"),
    ]
    assert last_exchange(chat("Hello.")) == chat("Hello.")
    assert last_exchange(chat("Hello.")[1:]) == chat("Hello.")[1:]
    assert last_exchange([]) == []


@pytest.mark.parametrize(("heard", "shown"), [("That is", None), ("That is nice. And how", "That is nice.")])
def test_of_an_answer_that_was_interrupted_whole_sentences_are_shown(heard, shown):
    record = Conversation()
    record.user_said("I have a dog.", 0.0, "1", True)
    record.agent_begins("2", 1.0)
    record.agent_heard("2", heard, "are you?", "interrupted")
    shown_now = last_exchange(record.prompt("Be kind.", "He is called Rex."))
    assert [m["content"] for m in shown_now if m["role"] == "assistant"] == ([shown] if shown else [])


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("One. Two. Three.", "One. Two."),
        ('He said "no!" It costs 3.50 euros. Well.', 'He said "no!" It costs 3.50 euros.'),
        ("你好！我很好。你呢？", "你好！我很好。"),
        ("It was J. K. Rowling. She met Dr. Who. Well.", "It was J. K. Rowling. She met Dr. Who."),
        ("no end", ""),
        ("", ""),
    ],
)
def test_whole_sentences(text, kept):
    assert beginning(text, 2) == kept


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("One. Two. Three. Four", "One. Two. Three."),
        ("One. Two. Three", None),
        ("One. Two. Three.", None),  # it may be a number that goes on
        ("Dear friend,\n\nBest wishes", "Dear friend,"),
        ("\n\nHello", None),
        ("一。二。三。", "一。二。三。"),
    ],
)
def test_an_answer_ends_when_enough_is_said(said, kept):
    end = enough(said)
    assert (None if end is None else said[:end]) == kept


@pytest.mark.models
def test_the_embedded_model_does_not_say_its_own_sentences_again():
    model, said = load(Llama()), list[str]()
    conversation = [{"role": "system", "content": INSTRUCTIONS}]
    for words in CHATTED:
        conversation.append({"role": "user", "content": words})
        *pieces, finish = model.reply_as(conversation, Wishes())
        answer = "".join(pieces)
        assert finish.reason in ("stop", "length") and finish.prompt_tokens > 100 and finish.completion_tokens > 1
        conversation.append({"role": "assistant", "content": answer})
        sentences = [each.strip() for each in re.findall(r"[^.!?]+[.!?]+", answer) if len(each.split()) > 3]
        assert len(sentences) <= 3 and not set(sentences) & set(said), answer
        said += sentences
    assert "Paris" in " ".join(said)
