"""What was found lately, so that asking again costs nothing and bothers nobody."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

T = TypeVar("T")


class Cache(Generic[T]):
    """Holds at most `places` values for `fresh_s` seconds each, and drops the one that was not asked for the longest. Safe from
    several threads."""

    def __init__(self, places: int, fresh_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._places, self._fresh_s, self._clock = places, fresh_s, clock
        self._held: OrderedDict[Hashable, tuple[float, T]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable) -> T | None:
        with self._lock:
            if (held := self._held.get(key)) is None:
                return None
            if self._clock() - held[0] >= self._fresh_s:
                del self._held[key]
                return None
            self._held.move_to_end(key)
            return held[1]

    def put(self, key: Hashable, value: T) -> None:
        with self._lock:
            self._held[key] = self._clock(), value
            self._held.move_to_end(key)
            while len(self._held) > self._places:
                self._held.popitem(last=False)
