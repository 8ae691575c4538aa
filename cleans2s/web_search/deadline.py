"""Work of several threads that is over when the time is up, whatever the servers do."""

from __future__ import annotations

import contextlib
import queue
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Generic, TypeVar

T = TypeVar("T")


class Deadline:
    """A moment, and the connections that end with it. Leaving the block cuts them, so that a thread which waits for a server
    that never answers, or drips, wakes and ends.

    It cannot cut a look-up of a name (the system's own patience bounds it): such a thread is left behind."""

    def __init__(self, patience_s: float) -> None:
        self._until_s = time.monotonic() + patience_s
        self._sockets: list[socket.socket] = []
        self._over = False
        self._lock = threading.Lock()

    @property
    def left_s(self) -> float:
        return 0.0 if self._over else max(0.0, self._until_s - time.monotonic())

    def hold(self, connection: socket.socket) -> None:
        """Raises TimeoutError where it comes too late."""
        with self._lock:
            if self._over:
                raise TimeoutError("the time is up")
            # A duplicate: TLS takes the socket itself over, and whoever closes that one closes another number.
            self._sockets.append(connection.dup())

    def cut(self) -> None:
        with self._lock:
            self._over = True
            for connection in self._sockets:
                with contextlib.suppress(OSError):  # it ended already
                    connection.shutdown(socket.SHUT_RDWR)
                connection.close()
            self._sockets.clear()

    def __enter__(self) -> Deadline:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.cut()


@dataclass(frozen=True)
class _Ended:
    error: BaseException | None = None


@dataclass(frozen=True)
class _Came(Generic[T]):
    item: T


def merged(lanes: Sequence[Iterator[T]], deadline: Deadline) -> Iterator[T]:
    """What the lanes yield, as it comes: each is drawn by a thread of its own, until all have ended or the time is up. What a
    lane raises is raised here."""
    arrived: queue.SimpleQueue[_Came[T] | _Ended] = queue.SimpleQueue()

    def draw(lane: Iterator[T]) -> None:
        try:
            for item in lane:
                arrived.put(_Came(item))
            arrived.put(_Ended())
        except BaseException as error:  # handed over, not swallowed
            arrived.put(_Ended(error))

    for lane in lanes:
        threading.Thread(target=draw, args=(lane,), name="cleans2s-web", daemon=True).start()
    running = len(lanes)
    while running:
        try:  # what lies there already is taken even when the time is up
            found = arrived.get(timeout=deadline.left_s) if deadline.left_s else arrived.get_nowait()
        except queue.Empty:
            return
        if isinstance(found, _Came):
            yield found.item
        elif found.error is not None:
            raise found.error
        else:
            running -= 1
