"""Fixtures of several files."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from faulty_service import Misbehaving
from xdist.scheduler import LoadScopeScheduling

REAL_TIME = (
    "test_bilingual", "test_documents_real", "test_notebooks", "test_openai_client", "test_openai_conversation", "test_page",
    "test_real.", "test_replay", "test_server_faults", "test_strategies_real", "test_talk_js", "test_voice_js",
)  # fmt: skip
"""What the names of files begin with in which somebody talks in real time: to real engines, in a real browser, or beside a
flood."""


class ByFile(LoadScopeScheduling):
    """With `-n 2`, a file stays whole, for its fixtures; and what runs in real time comes last, in one process, one test after
    another, while the other process has nothing left to do: where two cores are slow, an engine that waits for a core hears and
    answers something else. (The groups of `--dist loadgroup` are none with pytest 9.2 and xdist 3.8.)"""

    def _split_scope(self, nodeid: str) -> str:
        file = Path(nodeid.split("::", 1)[0]).name
        return "in real time" if file.startswith(REAL_TIME) else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByFile:
    config.option.loadscopereorder = False  # in the order below
    return ByFile(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.path.name.startswith(REAL_TIME))


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
