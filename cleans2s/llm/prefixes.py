"""What a language model has read, kept for the next prompt that begins alike: of a conversation that goes on, only the
new words have to be read."""

from __future__ import annotations

import copy
import threading
from dataclasses import dataclass
from typing import Any

from ..stages import imported


@dataclass(frozen=True)
class Read:
    """Tokens, and the keys and values that a model computed of them (a `transformers.Cache`). Nobody writes into it."""

    tokens: list[int]
    cache: Any


class Prefixes:
    """The last `places` of them. Runs that overlap in time do not meet: each continues on a copy."""

    def __init__(self, places: int) -> None:
        self._places = places
        self._kept: list[Read] = []
        self._lock = threading.Lock()

    def resume(self, tokens: list[int]) -> tuple[int, Any]:
        """How many of these tokens are read already, and a cache that ends with them; (0, None) if none are. The last
        token is never among them, because what follows it is what is asked."""
        with self._lock:
            best = max(self._kept, key=lambda read: _common(read.tokens, tokens), default=None)
        shared = min(_common(best.tokens, tokens), len(tokens) - 1) if best else 0
        if not best or shared <= 0:
            return 0, None
        too_much = len(best.tokens) - shared
        if too_much and not _can_forget(best.cache):
            return 0, None
        cache = copy.deepcopy(best.cache)
        if too_much:
            cache.crop(-too_much)
        return shared, cache

    def keep(self, tokens: list[int], cache: Any) -> None:
        """In place of those that it continues and, beyond the number of places, the oldest."""
        with self._lock:
            self._kept = [read for read in self._kept if _common(read.tokens, tokens) < len(read.tokens)]
            self._kept = [*self._kept, Read(tokens, cache)][-self._places :]


def _can_forget(cache: Any) -> bool:
    """Whether its last words can be taken out: a sliding window and a recurrent state have lost what was before them."""
    whole = imported("transformers.cache_utils:DynamicLayer")
    return all(type(layer) is whole for layer in getattr(cache, "layers", (None,)))


def _common(a: list[int], b: list[int]) -> int:
    """Length of the beginning that two sequences share."""
    return next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
