"""Fixtures of several files."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from faulty_service import Misbehaving

REAL_TIME = (
    "test_bilingual", "test_documents_real", "test_notebooks", "test_openai_client", "test_openai_conversation", "test_page",
    "test_real.", "test_replay", "test_server_faults", "test_strategies_real", "test_talk_js", "test_voice_js",
)  # fmt: skip
"""What the names of files begin with in which somebody talks in real time: to real engines, in a real browser, or beside a
flood."""


def pytest_configure(config: pytest.Config) -> None:
    config.option.loadscopereorder = False  # of xdist: the order below stays as it is


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """With `-n 2 --dist loadgroup`, what runs in real time comes last, in one process, one test after another, while the other
    process has nothing left to do: where two cores are slow, an engine that waits for a core hears and answers something else.
    The files of other tests stay whole, for their fixtures."""
    items.sort(key=_in_real_time)
    for item in items:
        item.add_marker(pytest.mark.xdist_group("in real time" if _in_real_time(item) else item.path.name))


def _in_real_time(item: pytest.Item) -> bool:
    return item.path.name.startswith(REAL_TIME)


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
