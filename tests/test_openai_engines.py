"""Engines behind OpenAI-compatible services: their settings, what they ask for, and what becomes of the answer."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from faulty_service import (
    ASKED,
    END,
    KEY,
    PCM,
    SECOND,
    WEATHER,
    Wire,
    chunk,
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
from cleans2s.audio import Audio
from cleans2s.errors import ConfigError
from cleans2s.llm.openai import OpenAIChat
from cleans2s.stages import TakesWishes, ToolCall, Transcript, Wishes
from cleans2s.tts.openai import OpenAISpeech

pytestmark = pytest.mark.usefixtures("no_keys")

# ── keys and addresses ────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        (OpenAIChat(), "llm: no key for api.deepseek.com; set the environment variable LLM_API_KEY"),
        (OpenAITranscription(), "asr: no key for api.openai.com; set the environment variable ASR_API_KEY"),
        (OpenAISpeech(), "tts: no key for api.openai.com; set the environment variable TTS_API_KEY"),
        (OpenAIChat(base_url="localhost:8080"), "llm.base_url is no address; expected one such as http"),
        (OpenAIChat(base_url="http://[::1"), "llm.base_url is no address"),
        (OpenAIChat(base_url="http://localhost:99999"), "llm.base_url is no address"),
        (OpenAIChat(base_url="http://me:pass@localhost:1"), "llm.base_url holds a secret: expected one such as http"),
        (OpenAIChat(base_url="http://localhost:1/?key=pass"), "llm.base_url holds a secret"),
        (OpenAIChat("", "http://localhost:1"), "llm.model is empty"),
        (OpenAIChat(base_url="http://localhost:1", patience_s=0), "llm.patience_s = 0: expected more than 0"),
        (OpenAIChat(base_url="http://localhost:1", extra="{"), "llm.extra = '{': expected a JSON object"),
        (OpenAIChat(base_url="http://localhost:1", extra="[1]"), "expected a JSON object"),
        (OpenAISpeech(base_url="http://localhost:1", rate=1), "tts.rate = 1: expected 4000 to 384000 Hz"),
    ],
)
def test_settings_that_cannot_work_are_named(settings, says):
    with pytest.raises(ConfigError) as error:
        settings.load()
    assert says in str(error.value) and "pass" not in str(error.value)


@pytest.mark.parametrize("key", ["sk-\nX", "two words", "schlüssel"])
def test_what_is_no_key_is_not_sent_and_not_shown(monkeypatch, key):
    monkeypatch.setenv("LLM_API_KEY", key)
    with pytest.raises(ConfigError, match="LLM_API_KEY is not a key") as error:
        OpenAIChat().load()
    assert key not in str(error.value)


def test_each_role_has_its_own_key_and_falls_back_to_the_common_one(service, monkeypatch):
    service.answers = [well("Yes.")]
    monkeypatch.setenv("OPENAI_API_KEY", " common \n")
    replies(OpenAIChat(base_url=service.url))
    monkeypatch.setenv("ASR_API_KEY", "ears")
    replies(OpenAIChat(base_url=service.url))
    monkeypatch.setenv("LLM_API_KEY", "brain")
    replies(OpenAIChat(base_url=service.url))
    assert [asked.headers["authorization"] for asked in service.asked] == ["Bearer common", "Bearer common", "Bearer brain"]


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "192.168.1.7", "[::1]", "ollama", "gpu.local"])
def test_a_server_nearby_needs_no_key(host):
    assert OpenAIChat(base_url=f"http://{host}:8080/v1").load()


@pytest.mark.parametrize("status", [400, 401, 403, 404, 418, 429, 500])
def test_a_key_is_never_shown(service, monkeypatch, caplog, status):
    """Not even where the service repeats it."""
    monkeypatch.setenv("LLM_API_KEY", KEY)
    service.answers = [refuses(status, f"Incorrect API key provided: {KEY}.", "Retry-After: 60")]
    settings = OpenAIChat(base_url=service.url)
    with caplog.at_level(logging.DEBUG):
        _, failure = replies(settings)
        logging.getLogger("test").error("it failed", exc_info=failure)
    assert service.asked[0].headers["authorization"] == f"Bearer {KEY}"
    assert KEY not in caplog.text + str(failure) + repr(failure) + repr(settings.load())


# ── what is asked, and what becomes of the answer ─────────────────────────────────────────────────────────────────────


def test_a_reply_is_streamed_with_its_end_and_its_tokens(service):
    service.answers = [well("It ", "is ", "true.")]
    pieces, failure = replies(OpenAIChat(base_url=service.url))
    assert failure is None
    assert pieces == ["It ", "is ", "true.", ""]
    finish = pieces[-1]
    assert (finish.reason, finish.prompt_tokens, finish.completion_tokens) == ("stop", 7, 3)
    asked = service.asked[0]
    assert asked.line == "POST /v1/chat/completions HTTP/1.1"
    assert asked.json == {
        "model": "deepseek-chat",
        "messages": ASKED,
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_tokens": 300,
    }


def test_settings_and_wishes_reach_the_service(service):
    service.answers = [streams(*words("Yes"), chunk({}, "length"), "data: [DONE]\n\n")]
    settings = OpenAIChat("qwen3", service.url, 50, temperature=0.7, extra='{"enable_thinking": false}')
    assert isinstance(settings.load(), TakesWishes)
    pieces, failure = replies(settings, Wishes(max_tokens=9, stop=("x",), tools=(WEATHER,), tool_choice="required"))
    assert failure is None
    assert pieces[-1].reason == "length"
    sent = service.asked[0].json
    assert (sent["max_tokens"], sent["temperature"], sent["stop"]) == (9, 0.7, ["x"])
    assert (sent["tools"], sent["tool_choice"], sent["enable_thinking"]) == ([WEATHER], "required", False)
    replies(settings, Wishes(temperature=0.0))
    assert (service.asked[1].json["temperature"], service.asked[1].json["max_tokens"]) == (0.0, 50)


def test_calls_of_functions_are_put_together(service):
    def part(index: int, arguments: str, **more: Any) -> str:
        function = {"arguments": arguments} | ({"name": more.pop("name")} if "name" in more else {})
        return chunk({"tool_calls": [{"index": index, "function": function} | more]})

    parts = [
        part(0, "", id="a", type="function", name="get_weather"),
        part(0, '{"city": '),
        part(1, "{}", id="b", type="function", name="get_time"),
        part(0, '"Paris"}'),
    ]
    service.answers = [streams(*parts, chunk({}, "tool_calls"), "data: [DONE]\n\n")]
    pieces, failure = replies(OpenAIChat(base_url=service.url), Wishes(tools=(WEATHER,)))
    assert failure is None
    calls = [piece for piece in pieces if isinstance(piece, ToolCall)]
    assert calls == [ToolCall("a", "get_weather", '{"city": "Paris"}'), ToolCall("b", "get_time", "{}")]
    assert pieces[-1].reason == "tool_calls"
    assert text_of(pieces) == ""


def test_thoughts_are_not_spoken_but_show_that_the_model_lives(service):
    thoughts = [chunk({"role": "assistant", "content": None, "reasoning_content": "Hm."}) for _ in range(3)]
    service.answers = [streams(": keep-alive\n\n", *thoughts, *words("Yes."), *END)]
    pieces, failure = replies(OpenAIChat(base_url=service.url))
    assert failure is None
    assert pieces == ["", "", "", "Yes.", ""]
    service.answers = [streams(*thoughts, chunk({}, "length"), "data: [DONE]\n\n")]
    assert "thought for all of its 300 tokens; raise llm.max_tokens" in str(replies(OpenAIChat(base_url=service.url))[1])


def test_an_answer_is_complete_although_the_connection_stays_open_or_breaks(service):
    for ending in (Wire.hang, Wire.reset):
        service.answers = [then(*words("Yes."), chunk({}, "stop"), do=ending)]
        pieces, failure = replies(OpenAIChat(base_url=service.url))
        assert failure is None
        assert (text_of(pieces), pieces[-1].reason) == ("Yes.", "stop")


def test_a_recording_is_sent_whole(service):
    service.answers = [sends("application/json", '{"text": " Hello. "}')]
    settings = OpenAITranscription("whisper-1", service.url, language="de", prompt="CleanS2S")
    assert hears(settings) == Transcript("Hello.")
    asked = service.asked[0]
    assert asked.line == "POST /v1/audio/transcriptions HTTP/1.1"
    for part in (b"whisper-1", b'filename="turn.wav"', b"RIFF", b'"language"\r\n\r\nde', b"CleanS2S"):
        assert part in asked.body
    assert len(asked.body) > 2 * len(SECOND.samples)
    hears(OpenAITranscription("whisper-1", service.url))
    assert b'"language"' not in service.asked[1].body


def test_drafts_may_be_left_out(service):
    service.answers = [sends("application/json", '{"text": "Hello."}')]
    assert hears(OpenAITranscription(base_url=service.url, partials=False), partial=True) == Transcript("")
    assert not service.asked
    assert hears(OpenAITranscription(base_url=service.url), partial=True) == Transcript("Hello.")


def test_speech_comes_in_pieces(service):
    service.answers = [sends("audio/pcm", *(PCM[i : i + 999] for i in range(0, len(PCM), 999)))]
    settings = OpenAISpeech("tts-1", service.url, "nova", speed=1.2, instructions="cheerful")
    pieces, failure = speaks(settings)
    assert failure is None
    assert len(pieces) == 10
    assert b"".join(piece.to_pcm16() for piece in pieces)[:40] == Audio.from_pcm16(PCM, 24_000).to_pcm16()[:40]
    assert sum(piece.duration_s for piece in pieces) == pytest.approx(1.0)
    asked = {"model": "tts-1", "voice": "nova", "input": "Hello.", "response_format": "pcm"}
    assert service.asked[0].json == asked | {"speed": 1.2, "instructions": "cheerful"}


@pytest.mark.parametrize(
    ("media_type", "rate"),
    [("audio/L16; rate=16000", 16_000), ("audio/pcm;rate=8000;channels=1", 8_000), ("application/octet-stream", 44_100)],
)
def test_the_rate_is_the_servers_word_or_the_setting(service, media_type, rate):
    service.answers = [sends(media_type, PCM + b"\0")]  # and half a sample
    pieces, failure = speaks(OpenAISpeech(base_url=service.url, rate=44_100))
    assert failure is None
    assert {piece.rate for piece in pieces} == {rate}
    assert sum(len(piece.samples) for piece in pieces) == 24_000
