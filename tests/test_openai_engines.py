"""Engines behind OpenAI-compatible services, over real connections on the loopback interface: this project's own server,
llama.cpp's, and one that does whatever goes wrong with services."""

from __future__ import annotations

import json
import logging
import socket
import socketserver
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import aclosing, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import anyio
import numpy as np
import pytest
import uvicorn
from anyio.lowlevel import checkpoint
from starlette.applications import Starlette

from cleans2s.asr.openai import OpenAITranscription
from cleans2s.audio import Audio, silence
from cleans2s.config import Config, Limits
from cleans2s.engines import Engines
from cleans2s.errors import ConfigError, StageError, TextError
from cleans2s.events import Failed, ReplyEnded, ReplyStarted, TurnEnded
from cleans2s.http import routes
from cleans2s.llm.openai import OpenAIChat
from cleans2s.openai_client import BACK_OFF_S
from cleans2s.session import APOLOGIES
from cleans2s.stages import Finish, TakesWishes, ToolCall, Transcript, Wishes
from cleans2s.testing import (
    ScriptedASR,
    ScriptedEndOfTurn,
    ScriptedLLM,
    ScriptedTTS,
    ScriptedVAD,
    Stage,
    User,
)
from cleans2s.tts.openai import OpenAISpeech

KEY = "sk-7f3a-very-secret"
ASKED = [{"role": "user", "content": "Is it true?"}]
SECOND = Audio(silence(1.0))
ALL_TRIES = len(BACK_OFF_S) + 1

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Get the current weather of a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


@pytest.fixture(autouse=True)
def keys(monkeypatch):
    """Only what a test sets."""
    for name in ("LLM_API_KEY", "ASR_API_KEY", "TTS_API_KEY", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)


# ── a server that misbehaves ──────────────────────────────────────────────────────────────────────────────────────────


@dataclass
class Asked:
    line: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


Answer = Callable[["Wire"], None]


@dataclass
class Wire:
    """One request's way back; what is done with it is the test's."""

    connection: socket.socket
    closed: threading.Event

    def send(self, data: bytes | str) -> None:
        self.connection.sendall(data.encode() if isinstance(data, str) else data)

    def head(self, status: int, media_type: str, *headers: str) -> None:
        lines = f"HTTP/1.1 {status} Whatever", f"Content-Type: {media_type}", "Connection: close", *headers, "", ""
        self.send("\r\n".join(lines))

    def chunk(self, data: bytes | str) -> None:
        """Of a body with `Transfer-Encoding: chunked`, which is seen to be cut when no empty one ends it."""
        data = data.encode() if isinstance(data, str) else data
        self.send(f"{len(data):x}\r\n".encode() + data + b"\r\n")

    def hang(self) -> None:
        """Until the client goes away."""
        self.connection.settimeout(20)
        while self.connection.recv(4096):
            pass
        self.closed.set()

    def reset(self) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()


class Misbehaving(socketserver.ThreadingTCPServer):
    """Gives its answers one after another, the last one for ever; `asked` is what it was asked."""

    daemon_threads = True
    request_queue_size = 50

    def __init__(self) -> None:
        self.answers: list[Answer] = []
        self.asked: list[Asked] = []
        self.closed = threading.Event()
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}/v1"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away in the middle is what these tests are about."""
        self.closed.set()


class Handler(socketserver.StreamRequestHandler):
    server: Misbehaving

    def handle(self) -> None:
        line = self.rfile.readline().decode().strip()
        headers = {}
        while header := self.rfile.readline().decode().strip():
            name, _, value = header.partition(": ")
            headers[name.lower()] = value
        body = self.rfile.read(int(headers.get("content-length", 0)))
        if line.startswith("HEAD"):
            self.request.sendall(b"HTTP/1.1 404 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            return
        self.server.asked.append(Asked(line, headers, body))
        answers = self.server.answers
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        answer(Wire(self.request, self.server.closed))


@pytest.fixture
def server() -> Iterator[Misbehaving]:
    with Misbehaving() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def refuses(status: int, message: str = "", *headers: str, code: str | None = None) -> Answer:
    def answer(wire: Wire) -> None:
        wire.head(status, "application/json", *headers)
        wire.send(json.dumps({"error": {"message": message, "code": code}}))

    return answer


def sends(media_type: str, *pieces: bytes | str, status: int = 200) -> Answer:
    def answer(wire: Wire) -> None:
        wire.head(status, media_type)
        for piece in pieces:
            wire.send(piece)

    return answer


def chunk(delta: dict[str, Any] | None = None, reason: str | None = None, **more: Any) -> str:
    choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": reason}]
    data = {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": choices} | more
    return f"data: {json.dumps(data)}\n\n"


def words(*texts: str) -> list[str]:
    return [chunk({"role": "assistant", "content": text}) for text in texts]


WELL = words("Well, ")
END = [chunk({}, "stop"), chunk(usage={"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}), "data: [DONE]\n\n"]


def streams(*pieces: bytes | str) -> Answer:
    return sends("text/event-stream; charset=utf-8", *pieces)


def well(*texts: str) -> Answer:
    return streams(*words(*texts), *END)


def then(*pieces: str, do: Callable[[Wire], None], media_type: str = "text/event-stream") -> Answer:
    """Begins well, and then …"""

    def answer(wire: Wire) -> None:
        wire.head(200, media_type)
        for piece in pieces:
            wire.send(piece)
        time.sleep(0.1)  # so that it is read before a reset throws it away
        do(wire)

    return answer


def cut(media_type: str, *pieces: bytes | str) -> Answer:
    """Closes the connection in good order, but before the end that it announced."""

    def answer(wire: Wire) -> None:
        wire.head(200, media_type, "Transfer-Encoding: chunked")
        for piece in pieces:
            wire.chunk(piece)

    return answer


# ── asking ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def replies(settings: OpenAIChat, wishes: Wishes | None = None) -> tuple[list[Any], StageError | None]:
    """What came, and how it failed."""
    engine, pieces = settings.load(), list[Any]()

    async def ask() -> StageError | None:
        try:
            run = engine.reply(ASKED) if wishes is None else engine.reply_as(ASKED, wishes)
            async with aclosing(run) as answer:
                async for piece in answer:
                    pieces.append(piece)
        except StageError as failure:
            return failure
        return None

    return pieces, anyio.run(ask)


def speaks(settings: OpenAISpeech, text: str = "Hello.") -> tuple[list[Audio], StageError | None]:
    engine, pieces = settings.load(), list[Audio]()

    async def ask() -> StageError | None:
        try:
            async with aclosing(engine.speak(text)) as sound:
                async for audio in sound:
                    pieces.append(audio)
        except StageError as failure:
            return failure
        return None

    return pieces, anyio.run(ask)


def hears(settings: OpenAITranscription, partial: bool = False) -> Transcript | StageError:
    engine = settings.load()

    async def ask() -> Transcript | StageError:
        try:
            return await engine.transcribe(SECOND, partial)
        except StageError as failure:
            return failure

    return anyio.run(ask)


def text_of(pieces: list[Any]) -> str:
    return "".join(piece for piece in pieces if isinstance(piece, str))


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


def test_each_role_has_its_own_key_and_falls_back_to_the_common_one(server, monkeypatch):
    server.answers = [well("Yes.")]
    monkeypatch.setenv("OPENAI_API_KEY", " common \n")
    replies(OpenAIChat(base_url=server.url))
    monkeypatch.setenv("ASR_API_KEY", "ears")
    replies(OpenAIChat(base_url=server.url))
    monkeypatch.setenv("LLM_API_KEY", "brain")
    replies(OpenAIChat(base_url=server.url))
    assert [asked.headers["authorization"] for asked in server.asked] == ["Bearer common", "Bearer common", "Bearer brain"]


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "192.168.1.7", "[::1]", "ollama", "gpu.local"])
def test_a_server_nearby_needs_no_key(host):
    assert OpenAIChat(base_url=f"http://{host}:8080/v1").load()


@pytest.mark.parametrize("status", [400, 401, 403, 404, 418, 429, 500])
def test_a_key_is_never_shown(server, monkeypatch, caplog, status):
    """Not even where the service repeats it."""
    monkeypatch.setenv("LLM_API_KEY", KEY)
    server.answers = [refuses(status, f"Incorrect API key provided: {KEY}.", "Retry-After: 60")]
    settings = OpenAIChat(base_url=server.url)
    with caplog.at_level(logging.DEBUG):
        _, failure = replies(settings)
        logging.getLogger("test").error("it failed", exc_info=failure)
    assert server.asked[0].headers["authorization"] == f"Bearer {KEY}"
    assert KEY not in caplog.text + str(failure) + repr(failure) + repr(settings.load())


# ── what is asked, and what becomes of the answer ─────────────────────────────────────────────────────────────────────


def test_a_reply_is_streamed_with_its_end_and_its_tokens(server):
    server.answers = [well("It ", "is ", "true.")]
    pieces, failure = replies(OpenAIChat(base_url=server.url))
    assert failure is None
    assert pieces == ["It ", "is ", "true.", ""]
    finish = pieces[-1]
    assert (finish.reason, finish.prompt_tokens, finish.completion_tokens) == ("stop", 7, 3)
    asked = server.asked[0]
    assert asked.line == "POST /v1/chat/completions HTTP/1.1"
    assert asked.json == {
        "model": "deepseek-chat",
        "messages": ASKED,
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_tokens": 300,
    }


def test_settings_and_wishes_reach_the_service(server):
    server.answers = [streams(*words("Yes"), chunk({}, "length"), "data: [DONE]\n\n")]
    settings = OpenAIChat("qwen3", server.url, 50, temperature=0.7, extra='{"enable_thinking": false}')
    assert isinstance(settings.load(), TakesWishes)
    pieces, failure = replies(settings, Wishes(max_tokens=9, stop=("x",), tools=(WEATHER,), tool_choice="required"))
    assert failure is None
    assert pieces[-1].reason == "length"
    sent = server.asked[0].json
    assert (sent["max_tokens"], sent["temperature"], sent["stop"]) == (9, 0.7, ["x"])
    assert (sent["tools"], sent["tool_choice"], sent["enable_thinking"]) == ([WEATHER], "required", False)
    replies(settings, Wishes(temperature=0.0))
    assert (server.asked[1].json["temperature"], server.asked[1].json["max_tokens"]) == (0.0, 50)


def test_calls_of_functions_are_put_together(server):
    def part(index: int, arguments: str, **more: Any) -> str:
        function = {"arguments": arguments} | ({"name": more.pop("name")} if "name" in more else {})
        return chunk({"tool_calls": [{"index": index, "function": function} | more]})

    parts = [
        part(0, "", id="a", type="function", name="get_weather"),
        part(0, '{"city": '),
        part(1, "{}", id="b", type="function", name="get_time"),
        part(0, '"Paris"}'),
    ]
    server.answers = [streams(*parts, chunk({}, "tool_calls"), "data: [DONE]\n\n")]
    pieces, failure = replies(OpenAIChat(base_url=server.url), Wishes(tools=(WEATHER,)))
    assert failure is None
    calls = [piece for piece in pieces if isinstance(piece, ToolCall)]
    assert calls == [ToolCall("a", "get_weather", '{"city": "Paris"}'), ToolCall("b", "get_time", "{}")]
    assert pieces[-1].reason == "tool_calls"
    assert text_of(pieces) == ""


def test_thoughts_are_not_spoken_but_show_that_the_model_lives(server):
    thoughts = [chunk({"role": "assistant", "content": None, "reasoning_content": "Hm."}) for _ in range(3)]
    server.answers = [streams(": keep-alive\n\n", *thoughts, *words("Yes."), *END)]
    pieces, failure = replies(OpenAIChat(base_url=server.url))
    assert failure is None
    assert pieces == ["", "", "", "Yes.", ""]
    server.answers = [streams(*thoughts, chunk({}, "length"), "data: [DONE]\n\n")]
    assert "thought for all of its 300 tokens; raise llm.max_tokens" in str(replies(OpenAIChat(base_url=server.url))[1])


def test_an_answer_is_complete_although_the_connection_stays_open_or_breaks(server):
    for ending in (Wire.hang, Wire.reset):
        server.answers = [then(*words("Yes."), chunk({}, "stop"), do=ending)]
        pieces, failure = replies(OpenAIChat(base_url=server.url))
        assert failure is None
        assert (text_of(pieces), pieces[-1].reason) == ("Yes.", "stop")


def test_a_recording_is_sent_whole(server):
    server.answers = [sends("application/json", '{"text": " Hello. "}')]
    settings = OpenAITranscription("whisper-1", server.url, language="de", prompt="CleanS2S")
    assert hears(settings) == Transcript("Hello.")
    asked = server.asked[0]
    assert asked.line == "POST /v1/audio/transcriptions HTTP/1.1"
    for part in (b"whisper-1", b'filename="turn.wav"', b"RIFF", b'"language"\r\n\r\nde', b"CleanS2S"):
        assert part in asked.body
    assert len(asked.body) > 2 * len(SECOND.samples)
    hears(OpenAITranscription("whisper-1", server.url))
    assert b'"language"' not in server.asked[1].body


def test_drafts_may_be_left_out(server):
    server.answers = [sends("application/json", '{"text": "Hello."}')]
    assert hears(OpenAITranscription(base_url=server.url, partials=False), partial=True) == Transcript("")
    assert not server.asked
    assert hears(OpenAITranscription(base_url=server.url), partial=True) == Transcript("Hello.")


PCM = (np.sin(np.arange(24_000) / 20) * 20_000).astype("<i2").tobytes()


def test_speech_comes_in_pieces(server):
    server.answers = [sends("audio/pcm", *(PCM[i : i + 999] for i in range(0, len(PCM), 999)))]
    settings = OpenAISpeech("tts-1", server.url, "nova", speed=1.2, instructions="cheerful")
    pieces, failure = speaks(settings)
    assert failure is None
    assert len(pieces) == 10
    assert b"".join(piece.to_pcm16() for piece in pieces)[:40] == Audio.from_pcm16(PCM, 24_000).to_pcm16()[:40]
    assert sum(piece.duration_s for piece in pieces) == pytest.approx(1.0)
    asked = {"model": "tts-1", "voice": "nova", "input": "Hello.", "response_format": "pcm"}
    assert server.asked[0].json == asked | {"speed": 1.2, "instructions": "cheerful"}


@pytest.mark.parametrize(
    ("media_type", "rate"),
    [("audio/L16; rate=16000", 16_000), ("audio/pcm;rate=8000;channels=1", 8_000), ("application/octet-stream", 44_100)],
)
def test_the_rate_is_the_servers_word_or_the_setting(server, media_type, rate):
    server.answers = [sends(media_type, PCM + b"\0")]  # and half a sample
    pieces, failure = speaks(OpenAISpeech(base_url=server.url, rate=44_100))
    assert failure is None
    assert {piece.rate for piece in pieces} == {rate}
    assert sum(len(piece.samples) for piece in pieces) == 24_000


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
def test_a_fault_before_the_first_word_is_tried_again(server, fault):
    server.answers = [fault, fault, well("Yes.")]
    pieces, failure = replies(OpenAIChat(base_url=server.url))
    assert failure is None
    assert text_of(pieces) == "Yes."
    assert len(server.asked) == 3


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
def test_a_fault_after_the_first_word_ends_the_reply(server, fault, says):
    server.answers = [fault, well("again!")]
    pieces, failure = replies(OpenAIChat(base_url=server.url))
    assert text_of(pieces) == "Well, "
    assert says in str(failure)
    assert str(failure).startswith(f"llm: 127.0.0.1:{server.server_address[1]} ")
    assert len(server.asked) == 1


def test_transcripts_and_speech_are_tried_again_too(server):
    server.answers = [refuses(503), sends("application/json", '{"text": "Hello."}')]
    assert hears(OpenAITranscription(base_url=server.url)) == Transcript("Hello.")
    server.answers = [refuses(503), sends("audio/pcm", PCM)]
    assert len(speaks(OpenAISpeech(base_url=server.url))[0]) == 10
    assert len(server.asked) == 4


def test_a_draft_is_not_tried_again(server):
    server.answers = [refuses(503), sends("application/json", '{"text": "Hello."}')]
    assert "failed with 503" in str(hears(OpenAITranscription(base_url=server.url), partial=True))
    assert len(server.asked) == 1


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
def test_every_fault_is_named_in_one_sentence(server, fault, tries, says):
    server.answers = [fault]
    pieces, failure = replies(OpenAIChat(base_url=server.url))
    assert not pieces
    assert says in str(failure)
    assert "\n" not in str(failure) and len(str(failure)) < 450
    assert failure.stage == "llm"
    assert len(server.asked) == tries


def test_a_wrong_key_is_told_from_a_missing_one(server, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    server.answers = [refuses(401, f"Wrong: {KEY[:6]}…{KEY[-4:]}")]
    _, failure = replies(OpenAIChat(base_url=server.url))
    assert failure.message.endswith("does not accept the key; set a valid one in LLM_API_KEY")


def test_a_conversation_that_is_too_long_is_told_apart(server):
    """The server of this project answers 400 to it, and not 500."""
    server.answers = [refuses(400, "This model's maximum context length is 10 tokens.", code="context_length_exceeded")]
    _, failure = replies(OpenAIChat(base_url=server.url))
    assert "finds this too long (This model's maximum" in str(failure)
    assert isinstance(failure.__cause__, TextError)


def test_no_server_and_no_such_name(server, monkeypatch):
    monkeypatch.setenv("TTS_API_KEY", KEY)
    port = server.server_address[1]
    server.server_close()
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
def test_a_server_that_stalls_is_given_up(server, stall, heard, says):
    server.answers = [stall]
    pieces, failure = replies(OpenAIChat(base_url=server.url, patience_s=0.3))
    assert text_of(pieces) == heard
    assert says in str(failure)
    assert len(server.asked) == 1
    assert server.closed.wait(5)  # the service need not go on


def for_ever(*pieces: bytes | str, media_type: str = "text/event-stream") -> Answer:
    def answer(wire: Wire) -> None:
        wire.head(200, media_type)
        while True:
            for piece in pieces:
                wire.send(piece)

    return answer


@pytest.mark.parametrize("delta", [{"content": "and on "}, {"reasoning_content": "hm "}])
def test_a_reply_that_never_ends_is_cut(server, delta):
    server.answers = [for_ever(chunk(delta))]
    pieces, failure = replies(OpenAIChat(base_url=server.url, max_tokens=20))
    assert "does not end its answer after max_tokens (20)" in str(failure)
    assert len(pieces) > 20
    assert server.closed.wait(5)


def test_signs_of_life_alone_are_no_answer(server):
    def answer(wire: Wire) -> None:
        wire.head(200, "text/event-stream")
        while True:
            wire.send(": keep-alive\n\n")
            time.sleep(0.02)

    server.answers = [answer]
    assert "stalled: it gave nothing" in str(replies(OpenAIChat(base_url=server.url, patience_s=0.3))[1])


@pytest.mark.parametrize("stall", [Wire.hang, then(*WELL, do=Wire.hang), for_ever(*words("and on "))])
def test_cancelling_closes_the_connection_wherever_it_waits(server, stall):
    server.answers = [stall]
    engine = OpenAIChat(base_url=server.url, max_tokens=10**9).load()

    async def give_up() -> int:
        with anyio.move_on_after(0.4):
            async with aclosing(engine.reply(ASKED)) as answer:
                async for _ in answer:
                    await checkpoint()
        await anyio.to_thread.run_sync(server.closed.wait, 5)
        return len(anyio.get_running_tasks())

    assert anyio.run(give_up) == 1
    assert server.closed.is_set()


def test_a_generator_closed_between_two_words_closes_the_connection(server):
    server.answers = [for_ever(*words("and on "))]
    engine = OpenAIChat(base_url=server.url).load()

    async def give_up() -> None:
        async with aclosing(engine.reply(ASKED)) as answer:
            assert await anext(answer) == "and on "
        await anyio.to_thread.run_sync(server.closed.wait, 5)

    anyio.run(give_up)
    assert server.closed.is_set()


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
def test_transcripts_that_are_none(server, answer, says):
    server.answers = [answer]
    assert says in str(hears(OpenAITranscription(base_url=server.url)))


def test_a_recogniser_that_stalls_is_given_up_by_the_length_of_the_sound(server):
    server.answers = [Wire.hang]
    assert "asr: 127.0.0.1" in (said := str(hears(OpenAITranscription(base_url=server.url, patience_s=0.2))))
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
def test_speech_that_is_none(server, answer, pieces, says):
    server.answers = [answer]
    sound, failure = speaks(OpenAISpeech(base_url=server.url, patience_s=0.5))
    assert says in str(failure)
    assert failure.stage == "tts"
    assert len(sound) == pieces


# ── in a conversation ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_session_apologises_and_keeps_listening(server):
    """One question for every fault, and then one that is answered."""
    stall = then(*words("That is true, and "), do=Wire.hang)
    server.answers = [refuses(401), streams("data: {oops\n\n"), stall, well("Yes, ", "it is.")]
    llm, voice = OpenAIChat(base_url=server.url, patience_s=0.5), ScriptedTTS(char_s=0.004)

    async def play() -> Stage:
        async with Stage(llm=llm, tts=voice, limits=Limits(llm_s=5)) as stage:
            for number in range(1, 5):
                await stage.user.says("Is it true?", seconds=0.6)
                await stage.until(ReplyEnded, number, 20)
        return stage

    stage = anyio.run(play)
    faults = ["wants a key", "a form that is not the OpenAI API's", "stalled in the middle of its answer"]
    assert all(fault in failed.error for fault, failed in zip(faults, stage.all(Failed), strict=True))
    assert [ended.ending for ended in stage.all(ReplyEnded)] == ["failed", "failed", "failed", "finished"]
    assert stage.all(ReplyEnded)[2].heard == f"That is true, {APOLOGIES['llm']}"
    assert stage.transcript[-2:] == [("user", "Is it true?"), ("assistant", "Yes, it is.")]
    assert server.closed.is_set()


@contextmanager
def serving(config: Config, asked: list[tuple[str, int]] | None = None) -> Iterator[str]:
    """This project's own endpoints; `asked` keeps each request's method and the port that it came from."""
    engines = Engines(config, time.monotonic, lambda event: None)

    @asynccontextmanager
    async def life(app: Starlette):
        await engines.load()
        yield

    app = Starlette(routes=routes(engines, config), lifespan=life)

    async def noting(scope: Any, receive: Any, send: Any) -> None:
        if asked is not None and scope["type"] == "http":
            asked.append((scope["method"], scope["client"][1]))
        await app(scope, receive, send)

    server = uvicorn.Server(uvicorn.Config(noting, port=0, log_level="critical", ws="none"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.01)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/v1"
    finally:
        server.should_exit = True
        thread.join()


@dataclass(eq=False)
class Brain(ScriptedLLM):
    """Counts until it is stopped when told to count; calls what it is offered."""

    stopped: threading.Event = field(default_factory=threading.Event)

    async def reply_as(self, chat: Any, wishes: Wishes):
        if wishes.tools:
            yield ToolCall("call_1", wishes.tools[0]["function"]["name"], '{"city": "Paris"}')
            return
        try:
            for number in count(1):
                if "Count" not in chat[-1]["content"]:
                    break
                yield f"{number}, "
                await anyio.sleep(0.02)
            yield "It is true."
        finally:
            self.stopped.set()


class Ears(ScriptedASR):
    """A scripted user's words, through real requests."""


def test_a_whole_conversation_through_this_projects_own_endpoints():
    ears, brain = Ears(), Brain()
    with serving(Config(ScriptedVAD(), ScriptedEndOfTurn(), ears, brain, ScriptedTTS(char_s=0.03))) as url:
        engines: dict[str, Any] = {
            "asr": OpenAITranscription("whisper-1", url),
            "llm": OpenAIChat("cleans2s", url),
            "tts": OpenAISpeech("tts-1", url),
        }

        async def play() -> Stage:
            async with Stage(**engines) as stage:
                stage.user = User(ears)
                await stage.user.says("Is it true?", seconds=0.8)
                await stage.until(ReplyEnded)
                await stage.user.says("Count for me please.", seconds=0.8)
                await stage.until(ReplyStarted, 2)
                await stage.wait(0.3)
                await stage.user.says("Stop that now.", seconds=0.8)
                await stage.until(ReplyEnded, 3)
            return stage

        stage = anyio.run(play)
        assert brain.stopped.wait(5)
    assert not stage.all(Failed)
    assert [turn.text for turn in stage.all(TurnEnded)] == ["Is it true?", "Count for me please.", "Stop that now."]
    assert [ended.ending for ended in stage.all(ReplyEnded)] == ["finished", "interrupted", "finished"]
    assert stage.all(ReplyEnded)[0].heard == "It is true."
    assert stage.all(ReplyEnded)[1].heard.startswith("1, 2,")
    assert stage.agent_sound.peak == pytest.approx(0.5, abs=0.05)


def test_one_engine_serves_one_event_loop_after_another_and_calls_functions():
    """As when a server's loop and a script's use the same loaded engine; connections are closed with their loop."""
    with serving(Config(ScriptedVAD(), ScriptedEndOfTurn(), Ears(), Brain(), ScriptedTTS())) as url:
        engine = OpenAIChat("cleans2s", url).load()

        async def ask() -> list[Any]:
            return [piece async for piece in engine.reply_as(ASKED, Wishes(tools=(WEATHER,)))]

        for _ in range(2):
            _, call, finish = anyio.run(ask)
            assert call == ToolCall("call_1", "get_weather", '{"city": "Paris"}')
            assert isinstance(finish, Finish) and finish.reason == "tool_calls"


def test_a_connection_is_opened_ahead_and_kept():
    asked: list[tuple[str, int]] = []
    with serving(Config(ScriptedVAD(), ScriptedEndOfTurn(), Ears(), Brain(), ScriptedTTS()), asked) as url:
        engine, other = OpenAIChat("cleans2s", url).load(), OpenAIChat("cleans2s", url, temperature=0.5).load()

        async def ask() -> None:
            await engine.read([])
            await other.read([])  # the same address and key
            for brain in (engine, engine, other):
                async for _ in brain.reply(ASKED):
                    pass

        anyio.run(ask)
    assert [method for method, _ in asked] == ["HEAD", "POST", "POST", "POST"]
    assert len({port for _, port in asked}) == 1


def test_connections_are_closed_with_their_event_loop(server):
    """Nobody tells an engine that its session is over."""
    body = '{"text": "Hello."}'

    def kept(wire: Wire) -> None:
        wire.send(f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}")
        wire.hang()

    server.answers = [kept]
    engine = OpenAITranscription(base_url=server.url).load()

    async def ask() -> bool:
        assert (await engine.transcribe(SECOND)).text == "Hello."
        return server.closed.is_set()

    assert not anyio.run(ask)
    assert server.closed.wait(5)


def test_what_the_own_server_refuses_is_told():
    with serving(Config(ScriptedVAD(), ScriptedEndOfTurn(), Ears(), Brain(), ScriptedTTS())) as url:
        assert "knows no model 'gpt-9' (no model 'gpt-9' for this; valid are" in str(replies(OpenAIChat("gpt-9", url))[1])
        said = str(hears(OpenAITranscription("whisper-9", url)))
        assert "knows no model 'whisper-9'" in said and "choose another with asr.model" in said
        assert "no voice 'bob'; valid are" in str(speaks(OpenAISpeech("tts-1", url, "bob"))[1])
        assert "has no such endpoint (there is no POST /v1/v1/" in str(replies(OpenAIChat("cleans2s", f"{url}/v1"))[1])


@pytest.mark.models
def test_llama_cpps_own_server():
    from cleans2s.llm.llama import Llama
    from cleans2s.stages import load

    url = f"{load(Llama()).server.listening_address}/v1"
    chat = [
        {"role": "user", "content": "What is the largest ocean?"},
        {"role": "assistant", "content": "The largest ocean is the Pacific Ocean."},
        {"role": "user", "content": "What is the capital of France?"},
    ]

    async def ask(settings: OpenAIChat, wishes: Wishes) -> list[Any]:
        return [piece async for piece in settings.load().reply_as(chat, wishes)]

    pieces = anyio.run(ask, OpenAIChat("smollm2", url, temperature=0.0), Wishes())
    assert "Paris" in text_of(pieces)
    assert len(pieces) > 3
    assert (pieces[-1].reason, pieces[-1].prompt_tokens > 10) == ("stop", True)
    pieces = anyio.run(ask, OpenAIChat("smollm2", url, temperature=0.0), Wishes(max_tokens=3))
    assert (pieces[-1].reason, pieces[-1].completion_tokens) == ("length", 3)
    chat = [{"role": "user", "content": "word " * 9000}]
    with pytest.raises(StageError, match="finds this too long") as error:
        anyio.run(ask, OpenAIChat("smollm2", url), Wishes())
    assert isinstance(error.value.__cause__, TextError)
