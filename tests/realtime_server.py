"""A real server on a loopback port and clients of it, for the tests of the server."""

from __future__ import annotations

import base64
import io
from contextlib import asynccontextmanager, contextmanager

import anyio
import httpx
import numpy as np
import pytest
import soundfile
import uvicorn
from openai import AsyncOpenAI
from serving_thread import address_of, listening
from starlette.applications import Starlette
from websockets.asyncio.client import connect

from cleans2s.audio import Audio
from cleans2s.config import Config
from cleans2s.server import Server, Serving
from cleans2s.testing import ScriptedASR, ScriptedEndOfTurn, ScriptedJudge, ScriptedLLM, ScriptedTTS, ScriptedVAD

LONG = "One, two, three, four. Five, six, seven, eight. Nine, ten, eleven, twelve."
LOOK = {"type": "function", "name": "look", "description": "Looks.", "parameters": {"type": "object", "properties": {}}}


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.fixture(autouse=True)
def no_exception_in_the_server(caplog):
    yield
    raised = [record for record in caplog.get_records("call") if record.exc_info]
    assert not raised, raised


class WishfulLLM(ScriptedLLM):
    """Can be asked for more than words; `wishes` is what it was asked for, `calls` the functions that it wants called first."""

    def __init__(self, *answers, calls=()):
        super().__init__(list(answers) or ["All right."], 0.01, 0.0)
        self.wishes, self.calls = [], list(calls)

    async def reply_as(self, chat, wishes):
        self.wishes.append(wishes)
        if self.calls:
            self.chats.append(chat)
            yield self.calls.pop(0)
            return
        async for word in self.reply(chat):
            yield word


class Place:
    """A server that runs, and the engines behind it."""

    def __init__(self, server: Server, running: uvicorn.Server, asr: ScriptedASR) -> None:
        self.server, self.running, self.asr = server, running, asr
        self.address = address_of(running)

    @property
    def sessions(self):
        return self.server.metrics.sessions.collect()[0].samples[0].value

    @asynccontextmanager
    async def client(self, key="none"):
        openai = AsyncOpenAI(api_key=key, base_url=f"http://{self.address}/v1")
        async with openai, openai.realtime.connect(model="cleans2s") as connection:
            client = Client(connection, self.asr)
            await client.until("session.created")
            yield client

    def connect(self, **options):
        """The bare WebSocket."""
        return connect(f"ws://{self.address}/v1/realtime", **options)

    async def get(self, path, **headers):
        async with httpx.AsyncClient() as http:
            return await http.get(f"http://{self.address}{path}", headers=headers)

    async def figures(self):
        lines = [line.rsplit(" ", 1) for line in (await self.get("/metrics")).text.splitlines() if line[0] != "#"]
        return {name: float(value) for name, value in lines}


@contextmanager
def served(llm=None, tts=None, serving=None, vad=None, judge=None, **uvicorn_settings):
    asr = ScriptedASR(seconds=0.01)
    engines = vad or ScriptedVAD(), ScriptedEndOfTurn(seconds=0.01), asr, llm or ScriptedLLM(first_s=0.01, word_s=0.0)
    server = Server(Config(*engines, tts or ScriptedTTS(0.005, 0.01), judge or ScriptedJudge()), serving or Serving())
    server.load_in_background()
    app = Starlette(routes=server.routes())
    with listening(app, **{"log_level": "warning", "ws_max_size": 16 << 20} | uvicorn_settings) as running:
        yield Place(server, running, asr)


@asynccontextmanager
async def talking(llm=None, tts=None, **session):
    """A client of a server of its own, with the session settings that it asks for."""
    with served(llm, tts) as place:
        async with place.client() as client:
            if session:
                await client.updates(**session)
            yield client


class Client:
    """`events` is everything that the server said, in the official client's types."""

    def __init__(self, connection, asr) -> None:
        self.connection, self._asr = connection, asr
        self.events = []

    async def until(self, kind, **wanted):
        """The next event of a type (with such values)."""
        with anyio.fail_after(10):
            while True:
                event = await self.connection.recv()
                self.events.append(event)
                if event.type == kind and all(getattr(event, name) == value for name, value in wanted.items()):
                    return event

    def all(self, kind):
        return [event for event in self.events if event.type == kind]

    async def sends(self, kind, **fields):
        await self.connection.send({"type": kind, **fields})

    async def asks(self, kind, then, **fields):
        """Sends an event and waits for one."""
        await self.sends(kind, **fields)
        return await self.until(then)

    async def updates(self, **session):
        return (await self.asks("session.update", "session.updated", session={"type": "realtime"} | session)).session

    async def refused(self, kind, **fields):
        """The error that an event is answered with."""
        return (await self.asks(kind, "error", event_id="mine", **fields)).error

    async def says(self, text, seconds=1.0, then_s=1.2, format="audio/pcm"):
        """All at once: the server's time goes by the samples."""
        number = len(self._asr.script) + 1
        self._asr.script[number], self._asr.lengths[number] = text, int(seconds * 16_000)
        rate = 24_000 if format == "audio/pcm" else 8_000
        sound = np.repeat(np.float32([number / 1000, 0]), [int(seconds * rate), int(then_s * rate)])
        for start in range(0, len(sound), rate // 10):
            piece = encoded(Audio(sound[start : start + rate // 10], rate), format)
            await self.sends("input_audio_buffer.append", audio=piece)

    async def writes(self, text, role="user", **fields):
        content = [{"type": "output_text" if role == "assistant" else "input_text", "text": text}]
        item = {"type": "message", "role": role, "content": content} | fields
        return (await self.asks("conversation.item.create", "conversation.item.done", item=item)).item

    async def item(self, id):
        return (await self.asks("conversation.item.retrieve", "conversation.item.retrieved", item_id=id)).item


SUBTYPES = {"audio/pcmu": "ULAW", "audio/pcma": "ALAW"}


def encoded(audio, format):
    if format == "audio/pcm":
        return base64.b64encode(audio.to_pcm16()).decode()
    buffer = io.BytesIO()
    soundfile.write(buffer, audio.samples, audio.rate, SUBTYPES[format], format="RAW")
    return base64.b64encode(buffer.getvalue()).decode()


def runs(names):
    """Without repetitions of the same name, and without our own events."""
    names = [name for name in names if not name.startswith("cleans2s.")]
    return [name for i, name in enumerate(names) if i == 0 or name != names[i - 1]]
