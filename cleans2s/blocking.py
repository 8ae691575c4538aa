"""A blocking engine as a cancellable async one.

Each run has a thread of its own, so that an engine that hangs can be left behind (a daemon thread does not keep the
process alive), and hops to the event loop once per item. Cancelling closes the engine's generator in the thread that
runs it, at its next item; a call that cannot be stopped midway ends unheard.
"""

from __future__ import annotations

import atexit
import contextlib
import inspect
import threading
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

import anyio
from anyio import RunFinishedError, from_thread
from anyio.lowlevel import current_token

from .errors import StageError

STEP_GRACE_S = 1.0
"""How long a cancelled run may take to notice it before it is left behind; far above the longest step of an embedded
engine (about 0.2 s), so that leaving a session normally leaves no thread."""


EXIT_GRACE_S = 5.0
"""How long the end of the process waits for runs that were left behind: native code that still computes while the libraries
below it are taken down crashes (seen: a segmentation fault of a prompt being read on a busy machine)."""

THREAD = "cleans2s-engine"


@atexit.register
def _let_finish() -> None:
    until_s = time.monotonic() + EXIT_GRACE_S
    for thread in threading.enumerate():
        if thread.name == THREAD:
            thread.join(max(0.0, until_s - time.monotonic()))


_at_work: set[threading.Event] = set()


def threads_at_work() -> int:
    """How many runs are in threads now that somebody still waits for. A virtual clock must not pass meanwhile."""
    return len(_at_work)


def _places(method: Callable[..., Any]) -> threading.Semaphore:
    """The places of a method's engine, shared by all sessions and event loops of the process. A thread holds its place
    until its run is really over, cancelled or not: two runs of one model never meet."""
    engine: Any = getattr(method, "__self__", method)
    # dict.setdefault is one atomic step, so two sessions that come first at once agree on one semaphore.
    return engine.__dict__.setdefault("_cleans2s_places", threading.Semaphore(getattr(engine, "places", 1)))


@asynccontextmanager
async def running(method: Callable[..., Any], *args: Any) -> AsyncGenerator[AsyncIterator[Any]]:
    """Run a generator method of an engine, blocking or async, and iterate over it; leaving the block ends it."""
    if inspect.isasyncgenfunction(method):
        async with aclosing(method(*args)) as items:
            yield items
    else:
        async with _in_thread(_places(method), lambda: iter(method(*args))) as items:
            yield items


async def call(method: Callable[..., Any], *args: Any) -> Any:
    """Run a method of an engine that returns one value, blocking or async."""
    if inspect.iscoroutinefunction(method):
        return await method(*args)
    async with _in_thread(_places(method), lambda: (method(*a) for a in (args,))) as values:
        return await anext(values)


@asynccontextmanager
async def _in_thread(places: threading.Semaphore, start: Callable[[], Iterator[Any]]) -> AsyncGenerator[AsyncIterator[Any]]:
    send, receive = anyio.create_memory_object_stream[Any](16)
    token = current_token()
    left = threading.Event()
    over = anyio.Event()
    failure: list[BaseException] = []

    def run() -> None:
        try:
            while not places.acquire(timeout=0.05):
                if left.is_set():
                    return
            try:
                with contextlib.closing(_closeable(start())) as items:
                    for item in items:
                        from_thread.run(send.send, item, token=token)
            finally:
                places.release()
        except (anyio.BrokenResourceError, RunFinishedError):
            pass  # nobody listens any more
        except BaseException as error:
            failure.append(error)
        finally:
            with contextlib.suppress(RunFinishedError):
                from_thread.run_sync(send.close, token=token)
                from_thread.run_sync(over.set, token=token)

    async def items() -> AsyncGenerator[Any]:
        async for item in receive:
            yield item
        if failure:
            raise failure[0]

    _at_work.add(left)
    threading.Thread(target=run, name=THREAD, daemon=True).start()
    try:
        async with aclosing(items()) as received:
            yield received
    finally:
        left.set()
        receive.close()
        with anyio.move_on_after(STEP_GRACE_S, shield=True):
            await over.wait()
        _at_work.discard(left)
        send.close()


def _closeable(items: Iterator[Any]) -> Any:
    """A generator as it is; any other iterator inside one, because only generators can be closed."""
    return items if inspect.isgenerator(items) else (item for item in items)


async def stage_items(stage: str, limit_s: float, method: Callable[..., Any], *args: Any) -> AsyncGenerator[Any]:
    """What an engine yields, each item within `limit_s`. Whatever goes wrong in it becomes a StageError: this is the
    boundary behind which an engine's faults are expected, and programming errors are not."""
    async with running(method, *args) as items:
        while True:
            try:
                with anyio.fail_after(limit_s):
                    item = await anext(items)
            except StopAsyncIteration:
                return
            except TimeoutError:
                raise StageError(stage, f"gave nothing for {limit_s:g} s (the limit)") from None
            except StageError:
                raise
            except Exception as error:
                raise StageError(stage, f"{type(error).__name__}: {error}") from error
            yield item


async def stage_value(stage: str, limit_s: float, method: Callable[..., Any], *args: Any) -> Any:
    """The same for a method that returns one value."""

    async def once() -> AsyncGenerator[Any]:
        yield await call(method, *args)

    async with aclosing(stage_items(stage, limit_s, once)) as values:
        return await anext(values)
