"""Plain code that waits for a coroutine: in a script, and in a notebook, where a loop runs already."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import anyio

T = TypeVar("T")


def run(play: Callable[[], Awaitable[T]], **backend_options: Any) -> T:
    """Run a coroutine function to its end; beside a running loop, in a thread with a loop of its own. The options are those of
    `anyio.run`."""

    def begin() -> T:
        return anyio.run(play, backend_options=backend_options)

    if not _in_a_loop():
        return begin()
    outcome: list[T | BaseException] = []

    def beside() -> None:
        try:
            outcome.append(begin())
        except BaseException as error:  # raised again below, in the caller's thread
            outcome.append(error)

    thread = threading.Thread(target=beside, name="cleans2s-run")
    thread.start()
    thread.join()
    if isinstance(outcome[0], BaseException):
        raise outcome[0]
    return outcome[0]


def _in_a_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
