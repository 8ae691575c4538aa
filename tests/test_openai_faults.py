"""What goes wrong with services, and what is said of it; over real connections on the loopback interface."""

from __future__ import annotations

import time
from contextlib import aclosing

import anyio
import pytest
from anyio.lowlevel import checkpoint
from faulty_service import (
    ASKED,
    KEY,
    PCM,
    WELL,
    Wire,
    chunk,
    cut,
    for_ever,
    hears,
    refuses,
    replies,
    sends,
    speaks,
    streams,
    text_of,
    then,
    well,
    words,
)

from cleans2s.asr.openai import OpenAITranscription
from cleans2s.errors import TextError
from cleans2s.llm.openai import OpenAIChat
from cleans2s.openai_client import BACK_OFF_S
from cleans2s.stages import Transcript
from cleans2s.tts.openai import OpenAISpeech

pytestmark = pytest.mark.usefixtures("no_keys")

ALL_TRIES = len(BACK_OFF_S) + 1

# ── faults that pass ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "fault",
    [
        refuses(429, "slow down"),
        refuses(429, "slow down", "Retry-After: 0.1"),
        refuses(500),
        sends("text/html", "<html>Bad gateway</html>", status=502),
        Wire.reset,
        lambda wire: None,
        then(": wait\n\n", do=Wire.reset),
        streams('data: {"error": {"message": "overloaded", "code": 503}}\n\n'),
    ],
    ids=["429", "429 after", "500", "502", "reset", "closed", "reset before the first word", "error before it"],
)
def test_a_fault_before_the_first_word_is_tried_again(service, fault):
    service.answers = [fault, fault, well("Yes.")]
    pieces, failure = replies(OpenAIChat(base_url=service.url))
    assert failure is None
    assert text_of(pieces) == "Yes."
    assert len(service.asked) == 3


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        (then(*WELL, do=Wire.reset), "broke the connection off in the middle of its answer"),
        (cut("text/event-stream", *WELL), "broke the connection off in the middle of its answer"),
        (streams(*WELL), "its stream ended before the answer did"),
        (streams(*WELL, 'data: {"error": {"message": "overloaded"}}\n\n'), "failed in the middle of its answer (over"),
        (streams(*WELL, "data: {oops\n\n"), "a form that is not the OpenAI API's in the middle of its answer (JSOND"),
        (streams(*WELL, b"data: \xff\xfe\n\n"), "in the middle of its answer (UnicodeDecodeError"),
        (streams(*WELL, 'data: {"choices": [7]}\n\n'), "in the middle of its answer (AttributeError"),
        (streams(*WELL, chunk({}, "content_filter")), "broke its answer off (content_filter)"),
    ],
)
def test_a_fault_after_the_first_word_ends_the_reply(service, fault, says):
    service.answers = [fault, well("again!")]
    pieces, failure = replies(OpenAIChat(base_url=service.url))
    assert text_of(pieces) == "Well, "
    assert says in str(failure)
    assert str(failure).startswith(f"llm: 127.0.0.1:{service.server_address[1]} ")
    assert len(service.asked) == 1


def test_transcripts_and_speech_are_tried_again_too(service):
    service.answers = [refuses(503), sends("application/json", '{"text": "Hello."}')]
    assert hears(OpenAITranscription(base_url=service.url)) == Transcript("Hello.")
    service.answers = [refuses(503), sends("audio/pcm", PCM)]
    assert len(speaks(OpenAISpeech(base_url=service.url))[0]) == 10
    assert len(service.asked) == 4


def test_a_draft_is_not_tried_again(service):
    service.answers = [refuses(503), sends("application/json", '{"text": "Hello."}')]
    assert "failed with 503" in str(hears(OpenAITranscription(base_url=service.url), partial=True))
    assert len(service.asked) == 1


# ── faults that stay ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("fault", "tries", "says"),
    [
        (refuses(500, "a bug"), ALL_TRIES, "failed with 500 (a bug); try again later"),
        (refuses(429, "slow down", "Retry-After: 60"), 1, "has had too many requests (slow down); try again later"),
        (refuses(429, "pay first", code="insufficient_quota"), 1, "has no credit left for this key (pay first); top it up"),
        (refuses(402, "Insufficient Balance"), 1, "has no credit left"),
        (refuses(401, "who?"), 1, "wants a key; set LLM_API_KEY"),
        (refuses(403, "not here"), 1, "does not allow this (not here); check the rights of the key in LLM_API_KEY"),
        (refuses(404, "The model `deepseek-chat` does not exist."), 1, "knows no model 'deepseek-chat' (The model"),
        (refuses(404, "huh", code="model_not_found"), 1, "choose another with llm.model"),
        (refuses(400, "Invalid model: x"), 1, "knows no model 'deepseek-chat'"),
        (refuses(400, "Model Not Exist"), 1, "knows no model 'deepseek-chat'"),
        (sends("text/html", "<h1>Not Found</h1>", status=404), 1, "has no such endpoint (Not Found); check llm.base_url"),
        (refuses(422, "bad temperature"), 1, "refused the request with 422 (bad temperature); check the settings of llm"),
        (refuses(400, "x" * 10_000), 1, "xxx…)"),
        (sends("text/html", "<html>Log in</html>"), 1, "a form that is not the OpenAI API's (ValueError: text/html instead of"),
        (sends("application/json", '{"choices": []}'), 1, "application/json instead of an event stream"),
        (streams("data: {oops\n\n"), 1, "not the OpenAI API's (JSONDecodeError"),
        (streams('data: "oops"\n\n'), 1, "not the OpenAI API's"),
        (streams("data: [DONE]\n\n"), 1, "its stream ended before the answer did"),
        (sends("text/event-stream"), 1, "its stream ended before the answer did"),
        (Wire.reset, ALL_TRIES, "broke the connection off ("),
    ],
)
def test_every_fault_is_named_in_one_sentence(service, fault, tries, says):
    service.answers = [fault]
    pieces, failure = replies(OpenAIChat(base_url=service.url))
    assert not pieces
    assert says in str(failure)
    assert "\n" not in str(failure) and len(str(failure)) < 450
    assert failure.stage == "llm"
    assert len(service.asked) == tries


def test_a_wrong_key_is_told_from_a_missing_one(service, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    service.answers = [refuses(401, f"Wrong: {KEY[:6]}…{KEY[-4:]}")]
    _, failure = replies(OpenAIChat(base_url=service.url))
    assert failure.message.endswith("does not accept the key; set a valid one in LLM_API_KEY")


def test_a_conversation_that_is_too_long_is_told_apart(service):
    """The server of this project answers 400 to it, and not 500."""
    service.answers = [refuses(400, "This model's maximum context length is 10 tokens.", code="context_length_exceeded")]
    _, failure = replies(OpenAIChat(base_url=service.url))
    assert "finds this too long (This model's maximum" in str(failure)
    assert isinstance(failure.__cause__, TextError)


def test_no_server_and_no_such_name(service, monkeypatch):
    monkeypatch.setenv("TTS_API_KEY", KEY)
    port = service.server_address[1]
    service.server_close()
    _, failure = replies(OpenAIChat(base_url=f"http://127.0.0.1:{port}/v1"))
    assert f"127.0.0.1:{port} cannot be reached (" in str(failure)
    assert "check the network and llm.base_url" in str(failure)
    _, failure = speaks(OpenAISpeech(base_url="https://nobody.invalid/v1"))
    assert "nobody.invalid cannot be reached (" in str(failure)


@pytest.mark.parametrize(
    ("stall", "heard", "says"),
    [
        (Wire.hang, "", "stalled: it gave nothing for 0.3 s; try again, raise llm.patience_s"),
        (then(do=Wire.hang), "", "stalled: it gave nothing"),
        (then(*words(""), do=Wire.hang), "", "stalled: it gave nothing"),
        (then(*WELL, do=Wire.hang), "Well, ", "stalled in the middle of its answer: it gave nothing for 0.3 s"),
    ],
    ids=["at once", "after the head", "after an empty word", "in the middle"],
)
def test_a_server_that_stalls_is_given_up(service, stall, heard, says):
    service.answers = [stall]
    pieces, failure = replies(OpenAIChat(base_url=service.url, patience_s=0.3))
    assert text_of(pieces) == heard
    assert says in str(failure)
    assert len(service.asked) == 1
    assert service.closed.wait(5)  # the service need not go on


@pytest.mark.parametrize("delta", [{"content": "and on "}, {"reasoning_content": "hm "}])
def test_a_reply_that_never_ends_is_cut(service, delta):
    service.answers = [for_ever(chunk(delta))]
    pieces, failure = replies(OpenAIChat(base_url=service.url, max_tokens=20))
    assert "does not end its answer after max_tokens (20)" in str(failure)
    assert len(pieces) > 20
    assert service.closed.wait(5)


def test_signs_of_life_alone_are_no_answer(service):
    def answer(wire: Wire) -> None:
        wire.head(200, "text/event-stream")
        while True:
            wire.send(": keep-alive\n\n")
            time.sleep(0.02)

    service.answers = [answer]
    assert "stalled: it gave nothing" in str(replies(OpenAIChat(base_url=service.url, patience_s=0.3))[1])


@pytest.mark.parametrize("stall", [Wire.hang, then(*WELL, do=Wire.hang), for_ever(*words("and on "))])
def test_cancelling_closes_the_connection_wherever_it_waits(service, stall):
    service.answers = [stall]
    engine = OpenAIChat(base_url=service.url, max_tokens=10**9).load()

    async def give_up() -> int:
        with anyio.move_on_after(0.4):
            async with aclosing(engine.reply(ASKED)) as answer:
                async for _ in answer:
                    await checkpoint()
        await anyio.to_thread.run_sync(service.closed.wait, 5)
        return len(anyio.get_running_tasks())

    assert anyio.run(give_up) == 1
    assert service.closed.is_set()


def test_a_generator_closed_between_two_words_closes_the_connection(service):
    service.answers = [for_ever(*words("and on "))]
    engine = OpenAIChat(base_url=service.url).load()

    async def give_up() -> None:
        async with aclosing(engine.reply(ASKED)) as answer:
            assert await anext(answer) == "and on "
        await anyio.to_thread.run_sync(service.closed.wait, 5)

    anyio.run(give_up)
    assert service.closed.is_set()


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (sends("application/json", '{"words": "Hello."}'), "not the OpenAI API's (ValueError: no `text` in"),
        (sends("text/html", "<html>Log in</html>"), "not the OpenAI API's (ValueError: no `text` in"),
        (sends("application/json", '{"text"'), "not the OpenAI API's (JSONDecodeError"),
        (sends("application/json", '{"text": 7}'), "no `text` in"),
        (refuses(400, "Unsupported audio"), "refused the request with 400 (Unsupported audio); check the settings of asr"),
        (refuses(401), "asr: 127.0.0.1"),
    ],
)
def test_transcripts_that_are_none(service, answer, says):
    service.answers = [answer]
    assert says in str(hears(OpenAITranscription(base_url=service.url)))


def test_a_recogniser_that_stalls_is_given_up_by_the_length_of_the_sound(service):
    service.answers = [Wire.hang]
    assert "asr: 127.0.0.1" in (said := str(hears(OpenAITranscription(base_url=service.url, patience_s=0.2))))
    assert "stalled: it gave nothing for 0.45 s" in said


@pytest.mark.parametrize(
    ("answer", "pieces", "says"),
    [
        (sends("audio/mpeg", b"\xff\xfb\x90" * 999), 0, "sent audio/mpeg that begins with b'\\xff\\xfb\\x90\\xff', exp"),
        (sends("audio/pcm", b"RIFF" * 999), 0, "sent audio/pcm that begins with b'RIFF', expected raw 16-bit samples (pcm)"),
        (sends("application/json", '{"error": "no"}'), 0, "sent application/json that begins"),
        (cut("audio/pcm", PCM[:4800]), 1, "broke the connection off in the middle of its answer"),
        (then(do=lambda wire: (wire.send(PCM[:4800]), wire.hang()), media_type="audio/pcm"), 1, "stalled in the middle"),
        (for_ever(PCM, media_type="audio/pcm"), 161, "does not end its speech for 'Hello.'; try again"),
        (refuses(400, "No voice 'alloy'"), 0, "refused the request with 400 (No voice 'alloy'); check the settings of tts"),
    ],
    ids=["mp3", "wav", "json", "cut", "stall", "endless", "voice"],
)
def test_speech_that_is_none(service, answer, pieces, says):
    service.answers = [answer]
    sound, failure = speaks(OpenAISpeech(base_url=service.url, patience_s=0.5))
    assert says in str(failure)
    assert failure.stage == "tts"
    assert len(sound) == pieces
