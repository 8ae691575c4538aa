"""The page, as README starts it: `python app.py` in a process of its own, and Gradio's own client in another."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from cleans2s.audio import Audio

ROOT = Path(__file__).parent.parent
SOUNDS = Path(__file__).parent / "sounds"

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


@pytest.fixture(scope="module")
def address():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-u", "app.py"]
    env = os.environ | {"GRADIO_SERVER_PORT": str(port), "GRADIO_ANALYTICS_ENABLED": "False"}
    with subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout
        assert any("Running on local URL" in line for line in server.stdout)
        yield f"http://127.0.0.1:{port}"
        server.terminate()


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
    assert events[-1] == "ReplyEnded"


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
