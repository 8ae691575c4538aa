"""The page in a real Chromium, with a recording as its microphone; and what every measurement of the server needs: a server
in a process of its own, the ruler for waits, the rows of the report.

A wait is taken as a listener takes it: from the last audible sample that a user said to the first audible one of the agent.
What got no answer is counted, never left out.
"""

from __future__ import annotations

import argparse
import base64
import dataclasses
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import numpy as np

from cleans2s.audio import RATE, Audio, Samples, silence
from cleans2s.config import Config
from cleans2s.errors import ConfigError
from cleans2s.talk import talk

from . import audible_s, percentiles
from .latency import REPLY_TOKENS
from .utterances import FLOOR, Say

ROOT = Path(__file__).parent.parent
SOUNDS = ROOT / "tests" / "sounds"

READY_S = 300.0
"""Engines that are not loaded after so long never will be."""

SPOKEN_OVER_S = 0.05
"""An agent that is audible so shortly before the user's last sample did not wait for it."""

LOADS, PATIENCE_MS = 5, 60_000.0
LEAD_S = 4.0
"""Silence at first: a microphone runs before the page has its connection."""

GAP_S, INTO_REPLY_S = 6.0, 3.0
"""After an utterance: time for the answer, which is REPLY_TOKENS long; less after the story, which is interrupted."""

CYCLE = {"capital": GAP_S, "moon": GAP_S, "story": INTO_REPLY_S, "stop": GAP_S}

PAUSE_S = 1.0
"""Longer than any pause in an utterance, shorter than those between two."""

DRIFT_S = 1.5
"""A microphone of a busy machine may lose so much sound from one utterance to the next."""


@dataclass(frozen=True)
class Figure:
    """One row of the report. `at_most` is the target of p50, `missed` how often there was nothing to measure."""

    what: str
    p50: float | None
    p90: float | None
    n: int | None = None
    unit: str = "ms"
    at_most: float | None = None
    missed: int = 0

    @classmethod
    def of(cls, what: str, values: Sequence[float | None], unit: str = "ms", at_most: float | None = None) -> Figure:
        shares, known = percentiles(values), sum(value is not None for value in values)
        return cls(what, shares["p50"], shares["p90"], known, unit, at_most, len(values) - known)

    @property
    def met(self) -> bool | None:
        """Whether the target was; None where there is none, or nothing was measured."""
        return None if self.at_most is None or self.p50 is None else self.p50 <= self.at_most


Found = tuple[list[Figure], dict[str, Any]]
"""What a part measured: the rows, and what they were made of."""


# ── the ruler ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Said:
    """The first and the last audible sample of an utterance, in seconds."""

    begin_s: float
    end_s: float


def answers_ms(agent: Audio, said: Sequence[Said | None]) -> list[float | None]:
    """Voice to voice for each utterance; None where the agent spoke over its end, or said nothing before the next one."""
    answers: list[float | None] = []
    for number, one in enumerate(said):
        next_s = next((later.begin_s for later in said[number + 1 :] if later), float("inf"))
        heard = None
        if one and not audible_s(agent, one.end_s - SPOKEN_OVER_S, one.end_s):
            heard = audible_s(agent, one.end_s, next_s)
        answers.append(round((heard[0] - one.end_s) * 1000, 1) if one and heard else None)
    return answers


def differences(later: Sequence[float | None], sooner: Sequence[float | None]) -> list[float | None]:
    """Of the same utterances; None where one of them has no answer."""
    return [None if a is None or b is None else round(a - b, 1) for a, b in zip(later, sooner, strict=True)]


class Loudspeaker:
    """Sound that comes in pieces: each is heard when it arrives, or behind the one before it."""

    def __init__(self, rate: int) -> None:
        self.rate, self.ends_s = rate, 0.0
        self._pieces: list[tuple[float, Samples]] = []

    def play(self, at_s: float, samples: Samples) -> None:
        begins_s = max(at_s, self.ends_s)
        self._pieces.append((begins_s, samples))
        self.ends_s = begins_s + len(samples) / self.rate

    def drop(self, at_s: float) -> None:
        """What was not heard by then never will be."""
        self._pieces = [(begins_s, sound[: max(0, round((at_s - begins_s) * self.rate))]) for begins_s, sound in self._pieces]
        self.ends_s = min(self.ends_s, at_s)

    def heard(self) -> Audio:
        track = silence(self.ends_s + 1, self.rate)
        for begins_s, samples in self._pieces:
            start = round(begins_s * self.rate)
            track[start : start + len(samples)] = samples
        return Audio(track, self.rate)


# ── servers ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@contextmanager
def served(*command: str) -> Iterator[tuple[str, int]]:
    """Address and process of a server that is ready. Raises ConfigError with its last words if it never is."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    ours = ("CLEANS2S_API_KEY", "CLEANS2S_ORIGINS", "CLEANS2S_SESSIONS", "GRADIO_ROOT_PATH", "GRADIO_SHARE")
    env = {name: value for name, value in os.environ.items() if name not in ours} | {"GRADIO_ANALYTICS_ENABLED": "False"}
    with tempfile.TemporaryFile() as log:
        full = [sys.executable, *command, "--host", "127.0.0.1", "--port", str(port)]
        process = subprocess.Popen(full, cwd=ROOT, env=env, stdout=log, stderr=subprocess.STDOUT)
        try:
            if problem := _not_ready(process, f"http://127.0.0.1:{port}/healthz"):
                log.seek(0)
                words = log.read().decode(errors="replace")[-2000:]
                raise ConfigError(f"`{' '.join(command)}` did not get ready: {problem}\n{words}")
            yield f"http://127.0.0.1:{port}", process.pid
        finally:
            process.terminate()
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _not_ready(process: subprocess.Popen[bytes], health: str) -> str:
    """Waits; "" as soon as the server is ready, otherwise what is wrong with it."""
    ask = urllib.request.build_opener(urllib.request.ProxyHandler({})).open
    until_s = time.perf_counter() + READY_S
    while time.perf_counter() < until_s:
        if process.poll() is not None:
            return f"it ended with status {process.returncode}"
        try:
            with ask(health, timeout=5):
                return ""
        except urllib.error.HTTPError as error:
            if error.code == 500:
                return str(json.load(error).get("detail"))
        except OSError:
            pass  # it does not listen yet
        time.sleep(0.02)
    return f"it was not after {READY_S:.0f} s"


# ── what the microphone hears ─────────────────────────────────────────────────────────────────────────────────────────


def track(turns: int) -> tuple[Audio, list[Said]]:
    """What is said in one conversation, in one piece."""
    pieces, said = [silence(LEAD_S)], list[Said]()
    for number in range(turns):
        name = list(CYCLE)[number % len(CYCLE)]
        sound, at_s = Audio.from_file(SOUNDS / f"{name}.flac").resampled(RATE), sum(map(len, pieces)) / RATE
        said.append(Said(*(at_s + edge_s for edge_s in sound.audible_span_s(FLOOR))))
        pieces += [sound.samples, silence(GAP_S if number == turns - 1 else CYCLE[name])]
    return Audio(np.concatenate(pieces)), said


def spans(heard: Audio) -> list[Said]:
    """Everything audible between two pauses."""
    loud = np.flatnonzero(np.abs(heard.samples) > FLOOR)
    parts = np.split(loud, np.flatnonzero(np.diff(loud) > PAUSE_S * heard.rate) + 1)
    return [Said(int(part[0]) / heard.rate, (int(part[-1]) + 1) / heard.rate) for part in parts if part.size]


def heard_said(heard: Audio, said: Sequence[Said]) -> list[Said | None]:
    """Where in a recording that began later, and may have lost something, a track's utterances are; None if nowhere."""
    there = spans(heard)
    later_s = there[0].begin_s - said[0].begin_s if there else 0.0
    found: list[Said | None] = []
    for one in said:
        nearest = min(there, key=lambda part: abs(part.begin_s - one.begin_s - later_s), default=None)
        if nearest and abs(nearest.begin_s - one.begin_s - later_s) < DRIFT_S:
            later_s = nearest.begin_s - one.begin_s
            found.append(nearest)
        else:
            found.append(None)
    return found


# ── the page ──────────────────────────────────────────────────────────────────────────────────────────────────────────

START = "#cleans2s-talk button.start"

RECORD = """async (rate) => {
  const context = new AudioContext({ sampleRate: rate });
  const code = `registerProcessor("both", class extends AudioWorkletProcessor {
    process([[user, agent]]) {
      if (!agent) return true;
      const both = Float32Array.from({ length: 2 * user.length }, (_, i) => (i % 2 ? agent : user)[i >> 1]);
      this.port.postMessage(both, [both.buffer]);
      return true;
    }
  });`;
  await context.audioWorklet.addModule(URL.createObjectURL(new Blob([code], { type: "text/javascript" })));
  const recorder = new AudioWorkletNode(context, "both", { channelCount: 2, channelCountMode: "explicit" });
  recorder.port.onmessage = ({ data }) => (window.recorded ??= []).push(data);
  new MediaStreamAudioSourceNode(context, { mediaStream: window.cleans2s.voice.tap() }).connect(recorder);
  recorder.connect(context.destination); // it writes nothing there
}"""
"""Both voices as they sound, left and right; MediaRecorder would compress them."""

RECORDED = """() => new Promise((resolve) => {
  const reader = new FileReader();
  reader.onload = () => resolve(reader.result.split(",")[1]);
  reader.readAsDataURL(new Blob(window.recorded));
})"""


@contextmanager
def chromium(microphone: Path) -> Iterator[Any]:
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        raise ConfigError("the page's measurement needs playwright: pip install playwright") from None
    if not (executable := shutil.which("chromium")):
        raise ConfigError("the page's measurement needs Chromium: apt-get install chromium, or leave it out with --only")
    arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--use-fake-ui-for-media-stream"]
    arguments += ["--use-fake-device-for-media-stream", f"--use-file-for-fake-audio-capture={microphone}%noloop"]
    arguments += ["--autoplay-policy=no-user-gesture-required"]
    with sync_playwright() as runner, runner.chromium.launch(executable_path=executable, args=arguments) as browser:
        yield browser


def interactive_ms(browser: Any, address: str) -> float:
    """From asking for the page, with nothing in the cache, until its button can be clicked."""
    with browser.new_context() as context:
        page, began_s = context.new_page(), time.perf_counter()
        page.goto(address, wait_until="commit")
        page.locator(START).click(trial=True, timeout=PATIENCE_MS)
        return round((time.perf_counter() - began_s) * 1000, 1)


def converse(browser: Any, address: str, lasts_s: float) -> tuple[Audio, Audio, dict[str, Any]]:
    """One conversation of the page: the microphone, the agent, and the page's own figures."""
    with browser.new_page() as page:
        page.goto(address)
        page.locator(START).click(trial=True, timeout=PATIENCE_MS)
        page.evaluate("(count) => window.cleans2s.update({ max_output_tokens: count })", REPLY_TOKENS)
        page.locator(START).click()
        page.wait_for_function("window.cleans2s.voice.state === 'listening'", timeout=PATIENCE_MS)
        page.evaluate(RECORD, RATE)
        page.wait_for_timeout(lasts_s * 1000)
        stats = page.evaluate("window.cleans2s.voice.stats()")
        both = np.frombuffer(base64.b64decode(page.evaluate(RECORDED)), "<f4").reshape(-1, 2)
    return Audio(both[:, 0]), Audio(both[:, 1]), stats


async def talked(microphone: Audio, said: Sequence[Said]) -> list[float | None]:
    """The waits of `cleans2s talk` with the same microphone, in this process."""
    config = Config()
    config = dataclasses.replace(config, llm=dataclasses.replace(config.llm, max_tokens=REPLY_TOKENS))
    with anyio.fail_after(microphone.duration_s + READY_S):
        heard = await talk([microphone], config)
    later_s = heard.spoken_s[0] - microphone.audible_span_s()[1]
    return answers_ms(heard.recording.agent, [Said(one.begin_s + later_s, one.end_s + later_s) for one in said])


def way_ms(stats: dict[str, Any], measured: str, device: str) -> tuple[float | None, float | None]:
    """p50 and p90 of one way of the sound, as the page measured it: inside it, half of the round trip, and its device."""
    parts = [(stats[measured][share], stats["round_trip_ms"][share]) for share in ("p50", "p90")]
    p50, p90 = (None if None in part else round(part[0] + part[1] / 2 + (stats[device] or 0.0), 1) for part in parts)
    return p50, p90


def page(args: argparse.Namespace, say: Say) -> Found:
    microphone, said = track(args.turns)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "microphone.wav")
        microphone.resampled(48_000).save(file)
        with chromium(file) as browser, served("app.py") as (address, _):
            loads = [interactive_ms(browser, address) for _ in range(LOADS)]
            say(f"a conversation on the page ({microphone.duration_s:.0f} s) …")
            user, agent, stats = converse(browser, address, microphone.duration_s)
    there = answers_ms(agent, heard_said(user, said))
    say(f"the same with `cleans2s talk` ({microphone.duration_s:.0f} s) …")
    alone = anyio.run(partial(talked, microphone, said))
    figures = [
        Figure.of("page interactive", loads, at_most=3000),
        Figure("microphone to server", *way_ms(stats, "capture_ms", "input_latency_ms"), at_most=60),
        Figure("server to loudspeaker", *way_ms(stats, "receive_to_render_ms", "output_latency_ms"), at_most=80),
        Figure("server's word to silence", *stats["duck_ms"].values(), at_most=100),
        Figure("gaps in the agent's voice", stats["underruns"], None, unit="times"),
        Figure.of("page: voice to voice", there),
        Figure.of("talk: voice to voice", alone),
        Figure.of("page later than talk", differences(there, alone), at_most=150),
    ]
    return figures, {"interactive_ms": loads, "page_ms": there, "talk_ms": alone, "stats": stats}
