"""Fixtures of several files."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from faulty_service import Misbehaving


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
