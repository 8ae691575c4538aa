"""The page, as README starts it: `python app.py` in a process of its own; a real browser with a file as its microphone, and
Gradio's own client."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cleans2s.asr.whisper import Whisper
from cleans2s.audio import Audio, silence
from cleans2s.stages import load
from cleans2s.text import words_of

ROOT = Path(__file__).parent.parent
SOUNDS = Path(__file__).parent / "sounds"
CHROMIUM = shutil.which("chromium")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
MIC_RATE = 48_000

CLIENT = """
import json, sys
from gradio_client import Client, handle_file
client = Client(sys.argv[1], verbose=False)
try:
    answer = client.predict(handle_file(sys.argv[2]) if sys.argv[2] else None, api_name="/ask")
except Exception as error:
    answer = str(error)
sys.stdout.write(json.dumps(answer))
"""

pytestmark = pytest.mark.models
in_browser = pytest.mark.skipif(not CHROMIUM, reason="Chromium is not installed")


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@contextmanager
def running(*options: str, **env: str):
    """The page's address, and its process."""
    port = free_port()
    command = [sys.executable, "-u", "app.py", "--port", str(port), *options]
    env = os.environ | {"GRADIO_ANALYTICS_ENABLED": "False"} | env
    with subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout
        assert any("Running on local URL" in line for line in server.stdout)
        address = f"http://127.0.0.1:{port}"
        try:
            while health(address)["status"] == "loading":
                pass
            yield address, server
        finally:
            server.send_signal(signal.SIGTERM)
            assert server.wait(20) == 0


def health(address: str) -> dict[str, object]:
    try:
        with urllib.request.urlopen(f"{address}/healthz", timeout=30) as response:
            return json.load(response)
    except urllib.error.HTTPError as error:
        with error:
            return json.load(error)


@pytest.fixture(scope="module")
def address():
    with running() as (address, _):
        yield address


# ── in a browser ──────────────────────────────────────────────────────────────────────────────────────────────────────


def microphone(folder: Path, *parts: float | str) -> Path:
    """A wav for the browser's microphone: seconds of silence, and sounds by their names."""
    sound = [
        silence(part, MIC_RATE)
        if isinstance(part, (int, float))
        else Audio.from_file(SOUNDS / f"{part}.flac").resampled(MIC_RATE).samples
        for part in parts
    ]
    Audio(np.concatenate(sound), MIC_RATE).save(file := folder / "microphone.wav")
    return file


@contextmanager
def page(address: str, wav: Path | None = None, **context: object):
    """The page, open and ready, in Chromium."""
    sync = pytest.importorskip("playwright.sync_api")
    flags = FLAGS
    if wav:
        fake = ["--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"]
        flags = [*FLAGS, *fake, f"--use-file-for-fake-audio-capture={wav}%noloop"]
    with sync.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
        try:
            opened = browser.new_context(**context).new_page()
            opened.goto(address)
            opened.get_by_role("button", name="Start talking").wait_for(timeout=30_000)
            yield opened
        finally:
            browser.close()


KEEP_SOUND = """() => {
  const tap = window.cleans2s.voice.tap();
  const context = new AudioContext({sampleRate: 16000});
  const script = context.createScriptProcessor(4096, 2, 1);
  window.kept = [];
  script.onaudioprocess = (event) => window.kept.push(...event.inputBuffer.getChannelData(1));
  context.createMediaStreamSource(tap).connect(script).connect(context.destination);
}"""

SAYS = ".cleans2s-talk .turn.{} .said"


def answered(opened: Any, count: int = 1) -> None:
    """Until the agent has answered so often and is silent again."""
    opened.wait_for_function(
        "(count) => document.querySelectorAll('.cleans2s-talk .turn.agent').length >= count"
        " && document.querySelector('.cleans2s-talk').dataset.state === 'listening'",
        arg=count,
        timeout=40_000,
    )


def set_checkbox(opened: Any, label: str, on: bool) -> None:
    opened.get_by_role("button", name="Settings").click()
    box = opened.get_by_label(label)
    box.wait_for()
    box.set_checked(on)


@in_browser
def test_a_person_asks_by_voice_and_hears_the_answer(address, tmp_path):
    with page(address, microphone(tmp_path, 2.0, "capital", 12.0)) as opened:
        opened.get_by_role("button", name="Start talking").click()
        opened.wait_for_function("window.cleans2s.voice.state === 'listening'")
        opened.evaluate(KEEP_SOUND)
        answered(opened)
        assert opened.locator(SAYS.format("user")).all_inner_texts() == ["What is the capital of France?"]
        words = " ".join(opened.locator(SAYS.format("agent")).all_inner_texts())
        assert "Paris" in words
        assert opened.locator(".turn.agent .took").count() == 1
        opened.wait_for_timeout(1_000)
        played = Audio(np.array(opened.evaluate("window.kept"), np.float32))
        opened.get_by_role("button", name="End conversation").click()
        opened.get_by_role("button", name="Start talking").wait_for()
    heard = words_of(load(Whisper("whisper-tiny.en")).transcribe(played).text)
    assert {"capital", "france", "paris"} <= set(heard), heard
    assert health(address)["sessions"] == 0


@in_browser
def test_an_interruption_is_seen_and_a_switch_prevents_it(address, tmp_path):
    wav = microphone(tmp_path, 3.0, "story", 3.2, "stop", 15.0)
    with page(address, wav) as opened:
        opened.get_by_role("button", name="Start talking").click()
        opened.locator(".turn.agent del").wait_for(timeout=40_000)
        answered(opened, 2)
        said = opened.locator(SAYS.format("user")).all_inner_texts()
        assert "story" in said[0]
        assert "stop" in said[1].lower()
        opened.get_by_role("button", name="End conversation").click()
    with page(address, wav) as opened:
        set_checkbox(opened, "You can interrupt", False)
        opened.evaluate("window.cleans2s.update({max_output_tokens: 24})")
        opened.get_by_role("button", name="Start talking").click()
        answered(opened, 2)
        assert opened.locator(".turn.agent del").count() == 0


@in_browser
def test_settings_and_typing_act_at_once(address, tmp_path):
    with page(address, microphone(tmp_path, 60.0)) as opened:
        opened.get_by_label("Write to the agent").fill("What is the capital of Italy?")
        opened.keyboard.press("Enter")
        answered(opened)
        assert "Rome" in opened.locator(SAYS.format("agent")).first.inner_text()
        opened.evaluate("window.updates = []; window.cleans2s.voice.addEventListener('server', (event) =>"
                        " event.detail.type === 'session.updated' && window.updates.push(event.detail.session))")  # fmt: skip
        opened.get_by_role("button", name="Settings").click()
        opened.get_by_label("Who the agent is").fill("You are a pirate.")
        opened.get_by_label("Who the agent is").blur()
        opened.wait_for_function("window.updates.at(-1)?.instructions === 'You are a pirate.'")
        opened.get_by_label("quick").check()
        opened.wait_for_function("window.updates.at(-1)?.audio.input.turn_detection.eagerness === 'high'")


@in_browser
def test_a_refused_microphone_is_explained(address):
    with page(address) as opened:
        opened.get_by_role("button", name="Start talking").click()
        alert = opened.locator(".cleans2s-talk [role=alert]")
        alert.wait_for()
        assert "icrophone" in alert.inner_text()


@in_browser
def test_the_page_speaks_chinese_where_the_browser_does(address):
    sync = pytest.importorskip("playwright.sync_api")
    with sync.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        opened = browser.new_context(locale="zh-CN", viewport={"width": 390, "height": 844}).new_page()
        opened.goto(address)
        opened.get_by_role("tab", name="对话").wait_for(timeout=30_000)
        opened.get_by_role("button", name="设置").wait_for()
        assert opened.evaluate("document.documentElement.scrollWidth <= innerWidth")
        browser.close()


@in_browser
def test_a_key_is_not_needed_on_the_servers_own_page(tmp_path):
    with running(CLEANS2S_API_KEY="open sesame") as (address, _):
        with page(address, microphone(tmp_path, 30.0)) as opened:
            opened.get_by_label("Write to the agent").fill("What is the capital of France?")
            opened.keyboard.press("Enter")
            answered(opened)
            assert "Paris" in opened.locator(SAYS.format("agent")).first.inner_text()
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(f"{address}/v1/models")
        refused.value.close()
        assert refused.value.code == 401


# ── offline ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def asked(address: str, file: Path | str) -> list[str] | str:
    """The page's answer, or what it complains of."""
    command = [sys.executable, "-W", "ignore", "-c", CLIENT, address, str(file)]
    return json.loads(subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout)


def test_a_question_on_the_page_is_answered(address):
    heard, text, sound, picture, log = asked(address, SOUNDS / "capital.flac")
    assert heard == "What is the capital of France?"
    assert "Paris" in text
    assert Audio.from_file(sound).peak > 0.1
    assert Path(picture).stat().st_size > 10_000
    events = [json.loads(line)["event"] for line in Path(log).read_text().splitlines()]
    assert "ReplyEnded" in events[-2:]


def test_a_mistake_on_the_page_is_answered_with_a_sentence(address, tmp_path):
    (tmp_path / "letter.wav").write_bytes(b"this is no sound")
    Audio(np.zeros(16_000, np.float32)).save(tmp_path / "silent.wav")
    Audio(np.zeros(16_000 * 61, np.float32)).save(tmp_path / "long.wav")
    for file, message in [
        (tmp_path / "letter.wav", "cannot be read as sound"),
        (tmp_path / "silent.wav", "heard no speech"),
        (tmp_path / "long.wav", "expected at most 60 s"),
        ("", "no recording yet"),
    ]:
        answer = asked(address, file)
        assert message in answer
        assert "Traceback" not in answer
