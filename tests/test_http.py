"""The OpenAI API without a conversation, through the official client and a real server on the loopback interface."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import openai
import pytest
import soundfile
from openai import OpenAI
from serving_thread import endpoints

from cleans2s.audio import RATE, Audio, silence
from cleans2s.config import Config
from cleans2s.stages import ToolCall, Transcript, Wishes
from cleans2s.testing import Scripted, ScriptedASR, ScriptedEndOfTurn, ScriptedJudge, ScriptedLLM, ScriptedTTS, ScriptedVAD
from cleans2s.text import words_of

CAPITAL = Path(__file__).parent / "sounds" / "capital.flac"

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Get the current weather of a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


def user(text: Any) -> list[Any]:
    return [{"role": "user", "content": text}]


@contextmanager
def serving(config: Config) -> Iterator[OpenAI]:
    with endpoints(config) as url, OpenAI(base_url=url, api_key="none", max_retries=0, timeout=60) as client:
        yield client


# ── scripted engines: the form of requests and answers ────────────────────────────────────────────────────────────────


@dataclass(eq=False)
class Listener(ScriptedASR):
    """Hears how long it was spoken to."""

    async def transcribe(self, audio: Audio, partial: bool = False) -> Transcript:
        return Transcript(f"{audio.duration_s:.1f} seconds")


@dataclass(eq=False)
class Writer(ScriptedLLM):
    """Writes until it is stopped when told to "go on", and fails when told to "fail"; `writing` is whether it is at it."""

    writing = False
    wishes = Wishes()

    def reply(self, chat: Any) -> Iterator[str]:
        self.writing = True
        try:
            yield "Well, "
            if chat[-1]["content"] == "fail":
                raise RuntimeError("the pen broke")
            while chat[-1]["content"] == "go on":
                yield "and "
                time.sleep(0.01)
            yield "done."
        finally:
            self.writing = False

    def reply_as(self, chat: Any, wishes: Wishes) -> Iterator[str | ToolCall]:
        self.wishes = wishes
        if wishes.tools:
            yield ToolCall("call_1", wishes.tools[0]["function"]["name"], '{"city": "Paris"}')
        else:
            yield from self.reply(chat)


@dataclass(eq=False)
class Broken(Scripted):
    def speak(self, text: str) -> Iterator[Audio]:
        yield Audio(np.full(2400, 0.5, np.float32), 24_000)
        raise RuntimeError("hoarse")


writer = Writer()


@pytest.fixture(scope="module")
def scripted() -> Iterator[OpenAI]:
    with serving(Config(ScriptedVAD(), ScriptedEndOfTurn(), Listener(), writer, ScriptedTTS(), ScriptedJudge())) as client:
        yield client


def test_models_are_listed_by_their_names(scripted):
    names = [model.id for model in scripted.models.list()]
    assert names == ["cleans2s", "listener", "scriptedtts", "writer"]
    assert scripted.models.retrieve("writer").owned_by == "cleans2s"
    assert scripted.models.retrieve("whisper-1").id == "listener"
    with pytest.raises(openai.NotFoundError, match="valid are cleans2s"):
        scripted.models.retrieve("gpt-3")


def test_a_chat_in_parts_with_developer_and_tool_messages_is_understood(scripted):
    call = {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    messages = [
        {"role": "developer", "content": "Be brief."},
        *user([{"type": "text", "text": "Hello"}, {"type": "text", "text": "you"}]),
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "a", "content": "ok"},
        *user("Now?"),
    ]
    answer = scripted.chat.completions.create(model="gpt-4o-mini", messages=messages, seed=1, user="me")
    assert answer.model == "writer"
    assert answer.choices[0].message.content == "Well, done."
    assert answer.choices[0].finish_reason == "stop"


def test_wishes_reach_the_engine(scripted):
    scripted.chat.completions.create(model="cleans2s", messages=user("Hi"), max_completion_tokens=7, temperature=0.5, stop="x")
    assert writer.wishes == Wishes(max_tokens=7, temperature=0.5, stop=("x",))


def test_a_call_of_a_function_streamed_and_whole(scripted):
    asked: Any = {"model": "cleans2s", "messages": user("Weather?"), "tools": [WEATHER], "tool_choice": "required"}
    choice = scripted.chat.completions.create(**asked).choices[0]
    assert (choice.finish_reason, choice.message.content) == ("tool_calls", None)
    assert choice.message.tool_calls[0].function.name == "get_weather"
    chunks = list(scripted.chat.completions.create(**asked, stream=True))
    assert chunks[1].choices[0].delta.tool_calls[0].function.arguments == '{"city": "Paris"}'
    assert chunks[-1].choices[0].finish_reason == "tool_calls"


def test_a_stream_ends_with_done_and_holds_the_usage_where_asked(scripted):
    body = {"model": "cleans2s", "messages": user("Hi"), "stream": True, "stream_options": {"include_usage": True}}
    lines = httpx.post(f"{scripted.base_url}chat/completions", json=body).text.strip().split("\n\n")
    assert lines[-1] == "data: [DONE]"
    assert json.loads(lines[-2].removeprefix("data: "))["usage"]["total_tokens"] == 0


def test_a_client_that_goes_away_frees_the_engine(scripted):
    with scripted.chat.completions.create(model="cleans2s", messages=user("go on"), stream=True) as stream:
        for _, _chunk in zip(range(3), stream, strict=False):
            assert writer.writing
    answer = scripted.chat.completions.create(model="cleans2s", messages=user("Hi"))  # the engine has one place
    assert answer.choices[0].message.content == "Well, done."
    with pytest.raises(openai.APITimeoutError):
        scripted.with_options(timeout=0.3).chat.completions.create(model="cleans2s", messages=user("go on"))
    assert scripted.chat.completions.create(model="cleans2s", messages=user("Hi")).choices


def test_an_engine_that_fails_is_told_of(scripted):
    with pytest.raises(openai.InternalServerError, match="the pen broke"):
        scripted.chat.completions.create(model="cleans2s", messages=user("fail"))
    with pytest.raises(openai.APIError, match="the pen broke"):
        list(scripted.chat.completions.create(model="cleans2s", messages=user("fail"), stream=True))


def test_a_voice_that_breaks_leaves_the_sound_unfinished():
    with serving(Config(ScriptedVAD(), ScriptedEndOfTurn(), ScriptedASR(), ScriptedLLM(), Broken(), ScriptedJudge())) as client:
        asked: Any = {"model": "tts-1", "voice": "alloy", "input": "Hello"}
        with pytest.raises(openai.InternalServerError, match="hoarse"):
            client.audio.speech.create(**asked, response_format="mp3")
        with pytest.raises(httpx.RemoteProtocolError, match="without sending complete"):
            httpx.post(f"{client.base_url}audio/speech", json=asked | {"response_format": "pcm"})


@pytest.mark.parametrize("form", ["pcm", "wav", "flac", "mp3", "opus"])
def test_speech_in_every_format(scripted, form):
    answer = scripted.audio.speech.create(model="tts-1", voice="nova", input="Hi. There", response_format=form).content
    audio = Audio.from_pcm16(answer, 24_000) if form == "pcm" else Audio(*soundfile.read(io.BytesIO(answer)))
    assert audio.duration_s == pytest.approx(0.8, abs=0.15)
    assert audio.rate in (24_000, 48_000)


@pytest.mark.parametrize(
    ("form", "words"), [("json", '{"text":"2.0 seconds"}'), ("text", "2.0 seconds\n"), ("verbose_json", '"duration":2.0')]
)
def test_transcripts_in_every_format(scripted, form, words):
    fields = {"model": "whisper-1", "response_format": form, "prompt": "Hm", "language": "de"}
    answer = httpx.post(f"{scripted.base_url}audio/transcriptions", data=fields, files={"file": recording(2.0)})
    assert words in answer.text


def recording(seconds: float, rate: int = RATE) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, silence(seconds, rate), rate, "PCM_16", format="FLAC")
    return file.getvalue()


CHAT: Any = {"model": "cleans2s", "messages": user("Hi")}
SPEECH: Any = {"model": "cleans2s", "input": "Hi", "voice": "alloy"}


@pytest.mark.parametrize(
    ("path", "body", "status", "says"),
    [
        ("chat/completions", b"{", 400, "not a JSON object"),
        ("chat/completions", b'{"messages": ["\\ud800"]}', 400, "not a JSON object"),
        ("chat/completions", b"[" * 100_000, 400, "not a JSON object"),
        ("chat/completions", b"[]", 400, "not a JSON object"),
        ("chat/completions", b"x" * 1_000_001, 413, "limit"),
        ("chat/completions", {"model": "cleans2s"}, 400, "messages"),
        ("chat/completions", CHAT | {"messages": []}, 400, "messages"),
        ("chat/completions", CHAT | {"messages": [{"role": "user"}]}, 400, "content"),
        ("chat/completions", CHAT | {"messages": [{"role": "king", "content": "Hi"}]}, 400, "messages.0.role"),
        ("chat/completions", CHAT | {"messages": user([{"type": "image_url", "image_url": {}}])}, 400, "not text"),
        ("chat/completions", CHAT | {"model": "gpt-9"}, 404, "smollm|writer"),
        ("chat/completions", CHAT | {"model": "listener"}, 404, "valid are"),
        ("chat/completions", CHAT | {"temperature": "hot"}, 400, "temperature"),
        ("chat/completions", CHAT | {"temperature": 3}, 400, "temperature"),
        ("chat/completions", CHAT | {"max_tokens": 0}, 400, "max_tokens"),
        ("chat/completions", CHAT | {"n": 2}, 400, "n:"),
        ("chat/completions", CHAT | {"logprobs": True}, 400, "logprobs is not supported"),
        ("chat/completions", CHAT | {"response_format": {"type": "json_object"}}, 400, "response_format"),
        ("chat/completions", CHAT | {"tool_choice": "required"}, 400, "tool_choice"),
        (
            "chat/completions",
            CHAT | {"tools": [WEATHER], "tool_choice": {"type": "function", "function": {"name": "f"}}},
            400,
            "get_weather",
        ),
        ("audio/speech", SPEECH | {"input": "x" * 4097}, 400, "4096"),
        ("audio/speech", SPEECH | {"input": "!?"}, 400, "can be said"),
        ("audio/speech", SPEECH | {"voice": "bob"}, 400, "alloy"),
        ("audio/speech", SPEECH | {"speed": 9}, 400, "speed"),
        ("audio/speech", SPEECH | {"speed": 2}, 400, "speed"),
        ("audio/speech", SPEECH | {"response_format": "aac"}, 400, "response_format"),
        ("audio/transcriptions", {"model": "whisper-1"}, 400, "no|none|form"),
        ("images/generations", {}, 404, "no POST"),
    ],
)
def test_what_is_wrong_is_said_in_the_form_of_the_api(scripted, path, body, status, says):
    sent: Any = {"content": body} if isinstance(body, bytes) else {"json": body}
    answer = httpx.post(f"{scripted.base_url}{path}", **sent)
    error = answer.json()["error"]
    assert answer.status_code == status
    assert any(part in error["message"] for part in says.split("|")), error
    assert set(error) == {"message", "type", "param", "code"}


@pytest.mark.parametrize(
    ("file", "fields", "status", "says"),
    [
        (b"no sound at all", {}, 400, "cannot be read as sound"),
        (b"", {}, 400, "cannot be read as sound"),
        (recording(0), {}, 400, "sound"),
        (recording(601, 4000), {}, 400, "longer than 600 s"),
        (recording(1, 3999), {}, 400, "3999 Hz"),
        (b"\0" * 26_000_000, {}, 413, "25 MB|26 MB"),
        (b"\0" * 30_000_000, {}, 413, "limit"),
        (recording(1), {"response_format": "srt"}, 400, "response_format"),
        (recording(1), {"timestamp_granularities[]": "word"}, 400, "not supported"),
        (recording(1), {"model": "whisper-9"}, 404, "whisper-1"),
    ],
)
def test_recordings_that_cannot_be_heard(scripted, file, fields, status, says):
    data = {"model": "whisper-1"} | fields
    answer = httpx.post(f"{scripted.base_url}audio/transcriptions", data=data, files={"file": file}, timeout=30)
    assert answer.status_code == status, answer.text
    assert any(part in answer.json()["error"]["message"] for part in says.split("|")), answer.text


def test_a_form_that_is_none(scripted):
    headers = {"content-type": "multipart/form-data"}
    answer = httpx.post(f"{scripted.base_url}audio/transcriptions", content=b"x", headers=headers)
    assert answer.status_code == 400
    assert "form" in answer.json()["error"]["message"]


# ── the embedded engines ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def real() -> Iterator[OpenAI]:
    with serving(Config()) as client:
        yield client


@pytest.mark.models
def test_a_recording_becomes_words(real):
    heard = real.audio.transcriptions.create(model="whisper-1", file=CAPITAL, response_format="verbose_json", language="en")
    assert words_of(heard.text) == words_of("What is the capital of France?")
    assert heard.language == "en"
    assert heard.duration == pytest.approx(Audio.from_file(CAPITAL).duration_s, abs=0.01)
    with pytest.raises(openai.BadRequestError, match="language"):
        real.audio.transcriptions.create(model="whisper-1", file=CAPITAL, language="xx")


@pytest.mark.models
@pytest.mark.parametrize("form", ["wav", "opus"])
def test_speech_is_understood(real, form):
    said = "The weather in London is cold today. It will be warmer tomorrow."
    sound = real.audio.speech.create(model="tts-1", voice="alloy", input=said, response_format=form, speed=0.9).content
    heard = words_of(real.audio.transcriptions.create(model="whisper-base", file=(f"speech.{form}", sound)).text)
    assert len(heard) == len(words_of(said))
    # The voice says it a little differently each time, and an "in" may then sound like "and".
    assert {"weather", "london", "cold", "today", "warmer", "tomorrow"} <= set(heard)


@pytest.mark.models
def test_a_chat_streamed_and_whole(real):
    asked: Any = {"model": "smollm2-135m", "messages": user("What is the capital of France?")}
    whole = real.chat.completions.create(**asked)
    assert "Paris" in whole.choices[0].message.content
    assert whole.choices[0].finish_reason == "stop"
    assert whole.usage.completion_tokens > 3
    chunks = list(real.chat.completions.create(**asked, stream=True, stream_options={"include_usage": True}))
    assert "Paris" in "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert chunks[-1].usage.prompt_tokens == whole.usage.prompt_tokens
    cut = real.chat.completions.create(**asked, max_tokens=3)
    assert (cut.choices[0].finish_reason, cut.usage.completion_tokens) == ("length", 3)


@pytest.mark.models
def test_a_function_that_must_be_called_is_called_and_its_result_used(real):
    asked: Any = {"model": "cleans2s", "tools": [WEATHER]}
    named = {"type": "function", "function": {"name": "get_weather"}}
    for city, choice in (("Berlin", "required"), ("Tokyo", named), ("London", "required"), ("Paris", named)):
        messages = user(f"What is the weather in {city}?")
        answer = real.chat.completions.create(**asked, messages=messages, tool_choice=choice).choices[0]
        call = answer.message.tool_calls[0]
        assert answer.finish_reason == "tool_calls"
        assert json.loads(call.function.arguments) == {"city": city}
    messages += [answer.message, {"role": "tool", "tool_call_id": call.id, "content": "sunny, 23 degrees"}]
    assert "23" in real.chat.completions.create(**asked, messages=messages).choices[0].message.content


@pytest.mark.models
def test_a_chat_that_is_too_long_is_refused(real):
    with pytest.raises(openai.BadRequestError, match="2048") as refused:
        real.chat.completions.create(model="cleans2s", messages=user("word " * 3000))
    assert refused.value.code == "context_length_exceeded"
