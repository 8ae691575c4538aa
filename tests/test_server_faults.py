"""Clients that flood, vanish, hang or never read, and a server that is stopped: nobody else notices, and nothing is left."""

from __future__ import annotations

import asyncio
import gc
import json
import signal
import socket
import struct
import subprocess
import sys
import threading
import tracemalloc
from pathlib import Path

import anyio
import psutil
import pytest
from realtime_server import LONG, Place, anyio_backend, no_exception_in_the_server, served  # noqa: F401 (fixtures)
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from cleans2s.realtime.connection import Bounds
from cleans2s.server import Serving
from cleans2s.testing import ScriptedLLM, ScriptedTTS, ScriptedVAD

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).parent.parent
RESET = struct.pack("ii", 1, 0)
"""SO_LINGER with which closing a socket resets the connection."""

HANDSHAKE = (
    "GET /v1/realtime HTTP/1.1\r\nHost: {}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


def tasks_of(place: Place) -> int:
    return len(asyncio.all_tasks(place.running.servers[0].get_loop()))


async def until(condition) -> None:
    with anyio.fail_after(10):
        while not condition():  # noqa: ASYNC110 (a thread serves)
            await anyio.sleep(0.01)


def reset(websocket) -> None:
    """Without a goodbye, as when a machine fails."""
    websocket.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    websocket.transport.abort()


async def closed(websocket) -> tuple[list[dict], int, str]:
    """What the server still said, and the code and reason of its end."""
    events = []
    with anyio.fail_after(10):
        async for text in websocket:  # until it is closed in good order
            events.append(json.loads(text))
    return events, websocket.close_code, websocket.close_reason


# ── bad clients beside a good one ─────────────────────────────────────────────────────────────────────────────────────


async def sends_20_mb(place: Place) -> None:
    async with place.connect() as websocket:
        await websocket.send("x" * 20_000_000)
        with pytest.raises(ConnectionClosed, match="1009"):
            await closed(websocket)


async def floods(place: Place, message: str) -> None:
    """Everything is answered: what was within the bounds as usual, what was beyond with an error."""
    async with place.connect() as websocket, anyio.create_task_group() as tasks:
        tasks.start_soon(sends_many, websocket, message)
        answers = [json.loads(await websocket.recv()) for _ in range(1 + 1_000)]
    codes = [answer["error"]["code"] for answer in answers if answer["type"] == "error"]
    assert "rate_limit_exceeded" in codes


async def sends_many(websocket, message: str) -> None:
    for _ in range(1_000):
        await websocket.send(message)


async def floods_with_pings(place: Place) -> None:
    await floods(place, '{"type":"cleans2s.ping","id":1}')


async def floods_with_rubbish(place: Place) -> None:
    await floods(place, "rubbish")


async def resets_at_once(place: Place) -> None:
    """Before the handshake, in it, and right after it."""
    host, port = place.address.split(":")
    for request in ("", HANDSHAKE.format(place.address)[:50], HANDSHAKE.format(place.address)):
        with socket.create_connection((host, int(port))) as raw:
            raw.sendall(request.encode())
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)


async def resets_in_mid_turn(place: Place) -> None:
    async with place.client() as client:
        await client.says("What is the capital of France?", then_s=0.0)
        await client.until("input_audio_buffer.speech_started")
        reset(client.connection._connection)


async def resets_during_transcription(place: Place) -> None:
    async with place.client() as client:
        await client.says("What is the capital of France?", then_s=0.1)
        reset(client.connection._connection)


async def resets_during_a_response(place: Place) -> None:
    async with place.client() as client:
        await client.asks("response.create", "response.output_audio.delta")
        reset(client.connection._connection)


async def leaves_during_a_response(place: Place) -> None:
    async with place.client() as client:
        await client.asks("response.create", "response.output_audio.delta")


async def never_answers_pings(place: Place) -> None:
    """Half open: the connection is there, and nobody at its other end."""
    reader, writer = await asyncio.open_connection(*place.address.split(":"))
    try:
        writer.write(HANDSHAKE.format(place.address).encode())
        with anyio.fail_after(10):
            while await reader.read(65_536):
                pass
    finally:
        writer.close()
        await writer.wait_closed()


async def never_reads(place: Place) -> None:
    """The server gives it up, and does not wait until it reads."""
    async with place.connect(max_queue=1, ping_interval=None, compression=None) as websocket:
        await until(lambda: place.sessions == 2)
        with anyio.move_on_after(10):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(sends_many, websocket, json.dumps({"type": "cleans2s.ping", "id": "x" * 1_000_000}))
                await until(lambda: place.sessions == 1)
                tasks.cancel_scope.cancel()
        reset(websocket)


RESETS = [resets_at_once, resets_in_mid_turn, resets_during_transcription, resets_during_a_response]
BAD = [*RESETS, leaves_during_a_response, sends_20_mb, floods_with_pings, floods_with_rubbish, never_answers_pings, never_reads]


@pytest.mark.parametrize("misbehaves", BAD, ids=lambda client: client.__name__)
async def test_others_do_not_notice_a_bad_client_and_nothing_is_left(misbehaves):
    bounds = Bounds(messages_per_s=500, burst=200, send_s=0.5)  # a slow machine floods with 1,000
    llm, tts = ScriptedLLM([LONG], 0.01, 0.0), ScriptedTTS(0.01, 0.01)
    with served(llm, tts, Serving(bounds=bounds), ws_ping_interval=0.5, ws_ping_timeout=3.0) as place:
        before = tasks_of(place)
        async with place.client() as other:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(misbehaves, place)
                await other.says("Count to twelve.")
                done = await other.until("response.done")
            assert done.response.output[0].content[0].transcript == LONG
            await until(lambda: place.sessions == 1)
        await until(lambda: tasks_of(place) == before)
        assert (await place.figures())["cleans2s_sessions"] == 0


async def test_two_hundred_clients_leave_no_memory_no_task_and_no_thread():
    with served() as place:

        async def visits(count: int) -> tuple[int, int]:
            for n in range(count):
                async with place.connect() as websocket:
                    await websocket.recv()
                    if n % 2:
                        reset(websocket)
            await until(lambda: not place.sessions)
            gc.collect()
            return tasks_of(place), threading.active_count()

        tracemalloc.start()
        try:
            before = await visits(30)
            size = tracemalloc.get_traced_memory()[0]
            await visits(200)
            await until(lambda: (tasks_of(place), threading.active_count()) == before)
            assert tracemalloc.get_traced_memory()[0] - size < 300_000
        finally:
            tracemalloc.stop()


class SlowlyLoading(ScriptedVAD):
    def __init__(self) -> None:
        self.may_go_on = threading.Event()

    def load(self):
        self.may_go_on.wait(30)
        return self


async def test_who_leaves_before_the_engines_are_loaded_holds_no_place():
    vad = SlowlyLoading()
    with served(vad=vad, serving=Serving(sessions=1)) as place:
        async with place.connect() as gone, place.connect() as patient:
            health = await place.get("/healthz")
            assert (health.status_code, health.json()["status"]) == (503, "loading")
            assert place.sessions == 0
            reset(gone)
            await asyncio.sleep(0.1)
            vad.may_go_on.set()
            assert json.loads(await patient.recv())["type"] == "session.created"
            await until(lambda: place.sessions == 1)


# ── the ends that the server makes ────────────────────────────────────────────────────────────────────────────────────


ENDS = [(Bounds(session_s=0.3), "time of a session"), (Bounds(idle_s=0.3), "nothing was said")]


@pytest.mark.parametrize(("bounds", "reason"), ENDS)
async def test_a_session_beyond_its_bounds_is_closed_with_a_reason(bounds, reason):
    with served(serving=Serving(bounds=bounds)) as place:
        async with place.connect() as websocket:
            events, code, words = await closed(websocket)
        assert code == 1000
        assert reason in words
        assert events[-1]["error"]["code"] == "session_expired"
        assert (await place.figures())["cleans2s_sessions"] == 0


async def test_clients_are_told_that_the_server_stops():
    with served() as place:
        async with place.connect() as websocket:
            await websocket.recv()
            asyncio.run_coroutine_threadsafe(place.server.goodbye(), place.running.servers[0].get_loop())
            events, code, reason = await closed(websocket)
        assert (events[-1]["error"]["code"], code, reason) == ("going_away", 1001, "the server is stopping")


SCRIPTED = """
import sys
from cleans2s.config import Config
from cleans2s.server import Serving, serve
from cleans2s.testing import ScriptedASR, ScriptedEndOfTurn, ScriptedJudge, ScriptedLLM, ScriptedTTS, ScriptedVAD
engines = ScriptedVAD(), ScriptedEndOfTurn(), ScriptedASR(), ScriptedLLM(), ScriptedTTS(), ScriptedJudge()
serve(Config(*engines), Serving(port=int(sys.argv[-1])), lambda words: None)
"""


REAL = pytest.param(["-m", "cleans2s", "serve", "--port"], id="real", marks=pytest.mark.models)


@pytest.mark.parametrize("program", [pytest.param(["-c", SCRIPTED], id="scripted"), REAL])
async def test_sigterm_ends_the_process_and_its_clients_are_told(program):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, *program, str(port)]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL) as process:  # noqa: ASYNC220
        try:
            async with await connected(port) as websocket:
                with anyio.fail_after(120):
                    assert json.loads(await websocket.recv())["type"] == "session.created"
                children = psutil.Process(process.pid).children(recursive=True)
                process.send_signal(signal.SIGTERM)
                _, code, reason = await closed(websocket)
            assert (code, reason) == (1001, "the server is stopping")
            assert process.wait(10) == 0
            assert not [child for child in children if child.is_running()]
            assert b"Traceback" not in process.stderr.read()
        finally:
            process.kill()


async def connected(port: int):
    """As soon as it listens."""
    with anyio.fail_after(60):
        while True:
            try:
                return await connect(f"ws://127.0.0.1:{port}/v1/realtime")
            except OSError:
                await anyio.sleep(0.1)
