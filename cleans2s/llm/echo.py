"""No language model: what the user says comes back in the agent's voice (voice conversion through words)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ..stages import Chat


@dataclass(frozen=True)
class Echo:
    """Settings and loaded engine in one: there is nothing to load."""

    def load(self) -> Echo:
        return self

    def reply(self, chat: Chat) -> Iterator[str]:
        yield chat[-1]["content"]
