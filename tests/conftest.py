"""Fixtures of several files."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from faulty_service import Misbehaving

CHROMIUM = "test_page", "test_talk_js", "test_voice_js"
"""What the names of files begin with whose tests drive a browser."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """With `-n 2 --dist loadgroup`, what runs real engines or a real browser goes to one process, one test after another: two
    conversations in real time have too little of two cores. The files of other tests stay whole, for their fixtures."""
    for item in items:
        real = item.get_closest_marker("models") or item.path.name.startswith(CHROMIUM)
        item.add_marker(pytest.mark.xdist_group("real" if real else item.path.name))


@pytest.fixture
def no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only what a test sets."""
    for name in ("LLM_API_KEY", "ASR_API_KEY", "TTS_API_KEY", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def service() -> Iterator[Misbehaving]:
    with Misbehaving() as service:
        thread = threading.Thread(target=service.serve_forever, args=(0.02,))
        thread.start()
        yield service
        service.shutdown()
        thread.join()
