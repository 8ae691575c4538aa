"""How the server and its page hold up: real engines, a real browser, real sockets, real time, on this machine.

    page    the page in Chromium: until it can be used, its sound's way to and fro, its waits beside those of `talk`
    three   three people who talk at once, beside one alone
    idle    fifty sessions that send nothing, then fifty quiet microphones
    fair    one who talks beside a client that floods the server and one that never reads

Every part starts a server of its own, and ends it.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import dataclasses
import itertools
import json
import signal
import socket
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import numpy as np
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from cleans2s.audio import Audio, Samples, silence
from cleans2s.config import Config
from cleans2s.errors import Cleans2sError, ConfigError

from .browser import SOUNDS, Figure, Found, Loudspeaker, Said, answers_ms, differences, page, served
from .latency import REPLY_TOKENS, circumstances
from .utterances import FLOOR, ROOM, Say, load_utterances, standard_set

RATE, FRAME = 24_000, 480
"""Hz of the protocol's sound, and 20 ms of it, a usual microphone frame."""

SERVE = ("-m", "cleans2s", "serve", "--sessions", "64")
LONGEST_S = 6.0  # of an utterance
STAGGER_S, QUIET_S = 2.5, 0.5
PATIENCE_S, ANSWER_S = 12.0, 20.0
"""After an utterance: how long any answer is waited for, and how long it is listened to."""

IDLE, SETTLE_S, WINDOWS, WINDOW_S = 50, 3.0, 12, 2.0
FLOOD_PER_S, BATCH, STUCK_S = 1000, 20, 30.0


def connected(address: str, **options: Any) -> Any:
    """A session; what the server sends is taken at once, whether anybody looks at it or not."""
    settled = {"proxy": None, "max_size": None, "max_queue": None, "open_timeout": 30, "close_timeout": 2}
    return connect(f"ws{address.removeprefix('http')}/v1/realtime", **settled | options)


def append(samples: Samples) -> str:
    pcm = Audio(samples, RATE).to_pcm16()
    return json.dumps({"type": "input_audio_buffer.append", "audio": base64.b64encode(pcm).decode()})


def update(**session: Any) -> str:
    return json.dumps({"type": "session.update", "session": {"type": "realtime"} | session})


# ── people who talk ───────────────────────────────────────────────────────────────────────────────────────────────────


class Caller:
    """A user with a headset, in real time: says one thing after another, each when the agent has answered."""

    def __init__(self, connection: Any) -> None:
        self._connection, self._origin_s, self._replying = connection, anyio.current_time(), False
        self.said_s = 0.0  # of sound; frames are sent when their last sample was spoken, so this is also the time
        self.loudspeaker = Loudspeaker(RATE)
        self.problems: list[str] = []

    async def converse(self, sounds: Sequence[Audio]) -> list[float | None]:
        """How long each utterance waited for its answer, in ms; None where there was none."""
        said: list[Said] = []
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._listen, tasks.cancel_scope)
            for sound in sounds:
                said.append(Said(*(self.said_s + edge_s for edge_s in sound.audible_span_s(FLOOR))))
                await self._say(sound.samples)
                await self._hear_out(said[-1].end_s)
            tasks.cancel_scope.cancel()
        return answers_ms(self.loudspeaker.heard(), [*said, *[None] * (len(sounds) - len(said))])

    async def _say(self, samples: Samples) -> None:
        for start in range(0, len(samples), FRAME):
            frame = samples[start : start + FRAME]
            self.said_s += len(frame) / RATE
            await anyio.sleep_until(self._origin_s + self.said_s)
            with contextlib.suppress(ConnectionClosed):  # whoever listens notices, and ends the conversation
                await self._connection.send(append(frame))

    async def _hear_out(self, end_s: float) -> None:
        """Says nothing, until the agent has answered what ended then."""
        quiet_from_s = self.said_s
        while self.said_s - quiet_from_s < QUIET_S and self.said_s < end_s + ANSWER_S:
            await self._say(silence(FRAME / RATE, RATE))
            answered = self.loudspeaker.ends_s > end_s or self.said_s > end_s + PATIENCE_S
            if self._replying or self.loudspeaker.ends_s > self.said_s or not answered:
                quiet_from_s = self.said_s

    async def _listen(self, conversation: anyio.CancelScope) -> None:
        with contextlib.suppress(ConnectionClosed):
            async for text in self._connection:
                event, at_s = json.loads(text), anyio.current_time() - self._origin_s
                match event["type"]:
                    case "response.created" | "response.done":
                        self._replying = event["type"] == "response.created"
                    case "response.output_audio.delta":
                        self.loudspeaker.play(at_s, Audio.from_pcm16(base64.b64decode(event["delta"]), RATE).samples)
                    case "cleans2s.interrupted":
                        self.loudspeaker.drop(at_s)
                    case "error" | "cleans2s.failed":
                        self.problems.append(json.dumps(event["error"]))
        self.problems.append(f"the server ended the conversation: {self._connection.close_reason or 'without a word'}")
        conversation.cancel()


async def conversations(
    address: str, scripts: Sequence[Sequence[Audio]], *beside: Callable[[str], Coroutine[Any, Any, None]]
) -> tuple[list[list[float | None]], list[str]]:
    """Several people at once, each with a script, beside other clients: the waits of each, and what went wrong."""
    waits, problems = [list[float | None]() for _ in scripts], list[str]()

    async def one(number: int) -> None:
        await anyio.sleep(number * STAGGER_S)
        async with connected(address) as connection:
            await connection.recv()  # session.created
            await connection.send(update(max_output_tokens=REPLY_TOKENS))
            caller = Caller(connection)
            waits[number] = await caller.converse(scripts[number])
            problems.extend(caller.problems)

    async with anyio.create_task_group() as others:
        for client in beside:
            others.start_soon(client, address)
        await anyio.sleep(SETTLE_S)
        async with anyio.create_task_group() as callers:
            for number in range(len(scripts)):
                callers.start_soon(one, number)
        others.cancel_scope.cancel()
    return waits, problems


def scripts(folder: Path | None, callers: int, turns: int, say: Say) -> list[list[Audio]]:
    """Something different for each of them to say: yours, the standard set, or without its voices the tests' sounds."""
    paths = [SOUNDS / f"{name}.flac" for name in ("capital", "moon", "story")]
    try:
        utterances = load_utterances(folder or standard_set(say))
        paths = [one.path for one in utterances if not one.pauses and one.speech_end_s < LONGEST_S] or paths
    except (Cleans2sError, ImportError, OSError) as error:
        if folder:
            raise
        say(f"the tests' sounds instead of the standard utterances ({error})")
    sounds = [Audio.from_file(path).resampled(RATE) for path in paths]
    return [[sounds[(caller * turns + turn) % len(sounds)] for turn in range(turns)] for caller in range(callers)]


def three(args: argparse.Namespace, say: Say) -> Found:
    lines = scripts(args.utterances, 3, args.turns, say)
    with served(*SERVE) as (address, _):
        say("one conversation …")
        [alone], problems = anyio.run(conversations, address, lines[:1])
        say("three conversations …")
        together, more = anyio.run(conversations, address, lines)
    return [
        Figure.of("one talks: voice to voice", alone),
        Figure.of("three talk: voice to voice", [*itertools.chain(*together)], at_most=1200),
    ], {"alone_ms": alone, "together_ms": together, "problems": problems + more}


# ── people who do not ─────────────────────────────────────────────────────────────────────────────────────────────────


async def murmur(connection: Any, number: int, frames: Sequence[str], sent: Counter[str]) -> None:
    """A microphone in a quiet room, until cancelled; each begins at its own moment and place."""
    origin_s = anyio.current_time() + number / IDLE * FRAME / RATE
    for count in itertools.count():
        await anyio.sleep_until(origin_s + count * FRAME / RATE)
        await connection.send(frames[(count + number) % len(frames)])
        sent["frames"] += 1


async def cpu_percent(server: Any) -> list[float]:
    """Of one core, in one window after another."""
    server.cpu_percent()  # from here on
    shares: list[float] = []
    for _ in range(WINDOWS):
        await anyio.sleep(WINDOW_S)
        shares.append(server.cpu_percent())
    return shares


async def fifty(address: str, pid: int, say: Say) -> Found:
    import psutil

    server, sent, memory_mb = psutil.Process(pid), Counter[str](), dict[str, float]()
    room = np.random.default_rng(0).standard_normal(RATE).astype(np.float32) * ROOM
    frames = [append(room[start : start + FRAME]) for start in range(0, RATE, FRAME)]

    async with connected(address) as first, anyio.create_task_group() as tasks:
        tasks.start_soon(murmur, first, 0, frames, sent)  # the first session pays for what all share
        await anyio.sleep(SETTLE_S)
        tasks.cancel_scope.cancel()
    memory_mb["before"] = server.memory_info().rss / 1e6
    async with AsyncExitStack() as sessions:
        connections = [await sessions.enter_async_context(connected(address)) for _ in range(IDLE)]
        await anyio.sleep(SETTLE_S)
        say(f"{IDLE} who send nothing …")
        quiet = await cpu_percent(server)
        memory_mb["quiet"] = server.memory_info().rss / 1e6
        async with anyio.create_task_group() as tasks:
            for number, connection in enumerate(connections):
                tasks.start_soon(murmur, connection, number, frames, sent)
            await anyio.sleep(SETTLE_S)
            say(f"{IDLE} quiet microphones …")
            sent.clear()
            streaming = await cpu_percent(server)
            frames_per_s = round(sent["frames"] / (WINDOWS * WINDOW_S))
            tasks.cancel_scope.cancel()
        memory_mb["streaming"] = server.memory_info().rss / 1e6
    await anyio.sleep(SETTLE_S)
    memory_mb["after"] = server.memory_info().rss / 1e6
    return [
        Figure.of(f"{IDLE} send nothing: CPU of a core", quiet, "%", at_most=15),
        Figure.of(f"{IDLE} quiet microphones: CPU of a core", streaming, "%"),
        Figure.of("memory of a silent session", [(memory_mb["quiet"] - memory_mb["before"]) / IDLE], "MB"),
        Figure.of("memory of one with a microphone", [(memory_mb["streaming"] - memory_mb["before"]) / IDLE], "MB"),
    ], {"quiet_cpu": quiet, "streaming_cpu": streaming, "memory_mb": memory_mb, "frames_per_s": frames_per_s}


def idle(args: argparse.Namespace, say: Say) -> Found:
    with served(*SERVE) as (address, pid):
        return anyio.run(fifty, address, pid, say)


async def flood(sent: Counter[str], address: str) -> None:
    """Tiny pieces of sound and nonsense by turns, faster than anybody may; from the beginning again when thrown out."""
    messages = [append(silence(1 / RATE, RATE)), json.dumps({"type": "no.such.event"})] * (BATCH // 2)
    while True:
        with contextlib.suppress(ConnectionClosed):
            async with connected(address, ping_interval=None) as connection:
                origin_s = anyio.current_time()
                for batch in itertools.count():
                    await anyio.sleep_until(origin_s + batch * BATCH / FLOOD_PER_S)
                    for message in messages:
                        await connection.send(message)
                    sent["flooded"] += BATCH
        await anyio.sleep(1)


async def never_read(sent: Counter[str], address: str) -> None:
    """Asks for long answers and takes none of them. It would not notice its end: after some time it connects anew."""
    host, _, port = address.rpartition("/")[2].partition(":")
    while True:
        deaf = socket.create_connection((host, int(port)))
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)  # or the kernel would read for it
        connection = await connected(address, sock=deaf, max_queue=1, ping_interval=None, compression=None)
        try:
            with contextlib.suppress(ConnectionClosed), anyio.move_on_after(STUCK_S):
                while True:
                    await connection.send(update(instructions="Be kind. " * 1700))
                    sent["unread"] += 1
                    await anyio.sleep(0.01)
        finally:
            connection.transport.abort()
        await anyio.sleep(1)


def fair(args: argparse.Namespace, say: Say) -> Found:
    lines, sent = scripts(args.utterances, 1, args.turns, say), Counter[str]()
    with served(*SERVE) as (address, _):
        say("one conversation …")
        [alone], problems = anyio.run(conversations, address, lines)
        say("the same beside a flood and a client that never reads …")
        began_s = time.perf_counter()
        [beside], more = anyio.run(conversations, address, lines, partial(flood, sent), partial(never_read, sent))
        flooded_per_s = round(sent["flooded"] / (time.perf_counter() - began_s))
    return [
        Figure.of("alone: voice to voice", alone),
        Figure.of("beside bad clients: voice to voice", beside),
        Figure.of("beside bad clients later", differences(beside, alone)),
    ], {"alone_ms": alone, "beside_ms": beside, "problems": problems + more, "flooded_per_s": flooded_per_s, **sent}


# ── the command ───────────────────────────────────────────────────────────────────────────────────────────────────────

PARTS: dict[str, Callable[[argparse.Namespace, Say], Found]] = {"page": page, "three": three, "idle": idle, "fair": fair}


def table(figures: Sequence[Figure]) -> Any:
    from rich.table import Table

    def shown(value: float | None, unit: str) -> str:
        return "–" if value is None else f"{value:.0f} ms" if unit == "ms" else f"{value:.3g} {unit}"

    made = Table()
    for column in ("", "p50", "p90", "of", "asked of p50"):
        made.add_column(column, justify="right" if column else "left")
    for figure in figures:
        met = {True: " ✓", False: " ✗", None: ""}[figure.met]
        asked = "" if figure.at_most is None else f"≤ {shown(figure.at_most, figure.unit)}{met}"
        of = "" if figure.n is None else f"{figure.n}" + (f", {figure.missed} without" if figure.missed else "")
        made.add_row(figure.what, shown(figure.p50, figure.unit), shown(figure.p90, figure.unit), of, asked)
    return made


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--only", metavar="PARTS", default=",".join(PARTS), help=f"some of {','.join(PARTS)}")
    parser.add_argument("--turns", type=int, default=8, metavar="N", help="utterances in a conversation")
    parser.add_argument("--utterances", type=Path, metavar="DIR", help="your recordings with a manifest.json; not on the page")
    parser.add_argument("--json", type=Path, metavar="FILE.json", help="write the figures there")


def main(args: argparse.Namespace) -> int:
    """Returns 0, or 1 if something could not be measured. What was measured is reported even when a later part fails."""
    from rich.console import Console

    if args.turns < 1:
        raise ConfigError(f"--turns {args.turns}: expected 1 or more")
    if unknown := set(args.only.split(",")) - set(PARTS):
        raise ConfigError(f"--only {args.only}: there is no part {min(unknown)!r}; expected some of {','.join(PARTS)}")
    if args.json and not args.json.parent.is_dir():
        raise ConfigError(f"{args.json}: there is no folder {args.json.parent}; make it first")
    console, figures = Console(highlight=False, markup=False, soft_wrap=True), list[Figure]()
    result = circumstances(Config())
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # told to stop, it ends its servers as on Ctrl-C
    try:
        for name in args.only.split(","):
            console.print(f"── {name}")
            found, details = PARTS[name](args, console.print)
            figures += found
            rows = [dataclasses.asdict(figure) | {"met": figure.met} for figure in found]
            result[name] = {"figures": rows, **details}
    finally:
        if figures:
            console.print(table(figures))
        console.print(f"measured: {result['machine']}, {result['date']}, commit {result['commit'] or 'unknown'}")
        if figures and args.json:
            args.json.write_text(json.dumps(result, indent=1, ensure_ascii=False), "utf-8")
    return 0 if all(figure.p50 is not None for figure in figures) else 1
