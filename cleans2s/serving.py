"""How a server is run: where it listens, for whom, and within which bounds."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Any

from .realtime.connection import Bounds


@dataclass(frozen=True)
class Serving:
    """How the server is run."""

    host: str = "127.0.0.1"
    """This machine alone. "0.0.0.0" for everybody: then set a key."""

    port: int = 8000
    sessions: int = field(default_factory=lambda: 2 * (os.cpu_count() or 1))
    """Conversations at the same time; who comes later is told to try again."""

    origins: tuple[str, ...] = ()
    """Web pages, beside the server's own, that may connect, such as `https://example.org`; `*` for all."""

    key: str = field(default="", repr=False)
    """What clients have to know; "" for none. By default from CLEANS2S_API_KEY."""

    profiles: tuple[str, ...] = ()
    """Other agents that a client may choose with `?profile=NAME`; their engines are loaded for it, and unloaded after the last
    one. They spend your memory and your keys."""

    record: str = ""
    """A folder in which every conversation is kept; clients are told. "" for none."""

    bounds: Bounds = field(default_factory=Bounds)

    @classmethod
    def from_environment(cls, **values: Any) -> Serving:
        """With CLEANS2S_API_KEY, CLEANS2S_SESSIONS, and CLEANS2S_ORIGINS and CLEANS2S_PROFILES (separated by blanks), where
        nothing else is said."""
        environment: dict[str, Any] = {"key": os.environ.get("CLEANS2S_API_KEY", "")}
        for name in ("origins", "profiles"):
            environment[name] = tuple(os.environ.get(f"CLEANS2S_{name.upper()}", "").split())
        if (sessions := os.environ.get("CLEANS2S_SESSIONS", "")).isdigit():
            environment["sessions"] = int(sessions)
        return cls(**environment | values)
