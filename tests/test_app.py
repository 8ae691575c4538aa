"""The page, through its real server."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import numpy as np
import pytest

from cleans2s.audio import Audio

SOUNDS = Path(__file__).parent / "sounds"

pytestmark = [
    pytest.mark.models,
    # Gradio's own; the page's code is not concerned.
    pytest.mark.filterwarnings("ignore:::gradio"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


@pytest.fixture(scope="module")
def client():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from gradio_client import Client

        from app import build

        page = build()
        _, address, _ = page.launch(prevent_thread_lock=True, quiet=True, server_name="127.0.0.1")
        yield Client(address, verbose=False)
        page.close(verbose=False)


def test_a_question_on_the_page_is_answered(client):
    from gradio_client import handle_file

    heard, text, sound, picture, log = client.predict(handle_file(SOUNDS / "capital.flac"), api_name="/ask")
    assert heard == "What is the capital of France?"
    assert "Paris" in text
    assert Audio.from_file(sound).peak > 0.1
    assert Path(picture).stat().st_size > 10_000
    events = [json.loads(line)["event"] for line in Path(log).read_text().splitlines()]
    assert events[-1] == "ReplyEnded"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("letter.wav", b"this is no sound", "cannot be read as sound"),
        ("silent.wav", None, "heard no speech"),
    ],
)
def test_a_mistake_on_the_page_is_answered_with_a_sentence(client, tmp_path, name, content, message):
    from gradio_client import handle_file

    file = tmp_path / name
    if content is None:
        Audio(np.zeros(16_000, np.float32)).save(file)
    else:
        file.write_bytes(content)
    with pytest.raises(Exception, match=message):
        client.predict(handle_file(file), api_name="/ask")


def test_without_a_recording_the_page_says_so(client):
    with pytest.raises(Exception, match="no recording yet"):
        client.predict(None, api_name="/ask")
