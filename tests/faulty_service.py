"""A service that does whatever goes wrong with services, its answers, and what is asked of it."""

from __future__ import annotations

import json
import socket
import socketserver
import struct
import threading
import time
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import anyio
import numpy as np

from cleans2s.asr.openai import OpenAITranscription
from cleans2s.audio import Audio, silence
from cleans2s.errors import StageError
from cleans2s.llm.openai import OpenAIChat
from cleans2s.stages import Transcript, Wishes
from cleans2s.tts.openai import OpenAISpeech

KEY = "sk-7f3a-very-secret"
ASKED = [{"role": "user", "content": "Is it true?"}]
SECOND = Audio(silence(1.0))
PCM = (np.sin(np.arange(24_000) / 20) * 20_000).astype("<i2").tobytes()

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Get the current weather of a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


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


def for_ever(*pieces: bytes | str, media_type: str = "text/event-stream") -> Answer:
    def answer(wire: Wire) -> None:
        wire.head(200, media_type)
        while True:
            for piece in pieces:
                wire.send(piece)

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
