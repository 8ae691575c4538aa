"""A conversation by voice with the official `openai` client, unchanged, against `cleans2s serve` with the real engines."""

from __future__ import annotations

import asyncio
import base64
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import anyio
import numpy as np
import pytest
from openai import AsyncOpenAI

from cleans2s.asr.whisper import Whisper
from cleans2s.audio import Audio, silence
from cleans2s.stages import load
from cleans2s.text import words_of

SOUNDS = Path(__file__).parent / "sounds"
RATE = 24_000
FRAME_S = 0.04

pytestmark = pytest.mark.models


@pytest.fixture(scope="module")
def address():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    env = os.environ | {"CLEANS2S_API_KEY": "open sesame"}
    with subprocess.Popen([sys.executable, "-m", "cleans2s", "serve", "--port", str(port)], env=env) as server:
        while not ready(port):
            assert server.poll() is None
            time.sleep(0.2)
        yield f"http://127.0.0.1:{port}/v1"
        server.send_signal(signal.SIGTERM)
        assert server.wait(15) == 0


def ready(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz") as health:
            return health.status == 200
    except urllib.error.HTTPError as error:
        error.close()
        return False
    except OSError:
        return False


class Caller:
    """Speaks into the connection in real time, silence included, and keeps what comes back."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection
        self.events: list[Any] = []
        self._to_say: list[np.ndarray] = []
        self._changed = asyncio.Event()

    def say(self, name: str) -> None:
        self._to_say.append(Audio.from_file(SOUNDS / f"{name}.flac").resampled(RATE).samples)

    async def speak(self) -> None:
        step = int(FRAME_S * RATE)
        due, left = asyncio.get_running_loop().time(), np.zeros(0, np.float32)
        while True:
            if len(left) < step and self._to_say:
                left = np.concatenate([left, self._to_say.pop(0)])
            frame, left = left[:step], left[step:]
            frame = np.concatenate([frame, silence(FRAME_S - len(frame) / RATE, RATE)])
            await self.connection.input_audio_buffer.append(audio=base64.b64encode(Audio(frame, RATE).to_pcm16()).decode())
            due += FRAME_S
            await asyncio.sleep(due - asyncio.get_running_loop().time())

    async def listen(self) -> None:
        async for event in self.connection:
            assert event.type != "error", event
            self.events.append(event)
            self._changed.set()

    async def until(self, kind: str, count: int = 1) -> Any:
        with anyio.fail_after(40):
            while len(found := [event for event in self.events if event.type == kind]) < count:
                self._changed.clear()
                await self._changed.wait()
        return found[count - 1]

    def sound(self, response: str) -> Audio:
        pieces = [
            base64.b64decode(event.delta)
            for event in self.events
            if event.type == "response.output_audio.delta" and event.response_id == response
        ]
        return Audio.from_pcm16(b"".join(pieces), RATE)


def test_the_official_client_holds_a_conversation_by_voice_and_interrupts(address):
    async def converse() -> None:
        client = AsyncOpenAI(api_key="open sesame", base_url=address)
        async with client, client.realtime.connect(model="gpt-realtime") as connection:
            caller = Caller(connection)
            tasks = [asyncio.create_task(caller.listen()), asyncio.create_task(caller.speak())]
            try:
                await caller.until("session.created")
                await connection.session.update(session={"type": "realtime", "instructions": "You are a friendly assistant."})
                caller.say("capital")
                said = await caller.until("conversation.item.input_audio_transcription.completed")
                assert said.transcript == "What is the capital of France?"
                done = (await caller.until("response.done")).response
                assert done.status == "completed"
                assert "Paris" in done.output[0].content[0].transcript
                heard = load(Whisper("whisper-tiny.en")).transcribe(caller.sound(done.id).resampled(16_000)).text
                assert {"capital", "france", "paris"} <= set(words_of(heard))

                caller.say("story")
                await caller.until("response.created", 2)
                await caller.until("response.output_audio_transcript.delta", 4)
                await asyncio.sleep(1.0)
                caller.say("stop")
                cut = (await caller.until("response.done", 2)).response
                assert (cut.status, cut.status_details.reason) == ("cancelled", "turn_detected")
                await caller.until("response.done", 3)
                await connection.conversation.item.retrieve(item_id=cut.output[0].id)
                kept = (await caller.until("conversation.item.retrieved")).item
                whole = [e for e in caller.events if e.type == "response.output_audio_transcript.done"][1].transcript
                heard = kept.content[0].transcript
                assert heard
                assert whole.startswith(heard.rstrip(".,"))
                assert len(heard) < len(whole)
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    asyncio.run(converse())
