"""cleans2s: a speech-to-speech agent that hears while it speaks.

    reply = cleans2s.ask("question.wav")        # plays, reads and draws in a notebook
    async with cleans2s.Session(cleans2s.Config()) as session: ...

Importing this imports no model library: names are looked up when they are used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from . import version

if TYPE_CHECKING:
    from .answer import Answer, ask
    from .audio import Audio
    from .config import Config
    from .errors import Cleans2sError
    from .memory import Memory
    from .page import app
    from .rag import RAG
    from .session import Session
    from .timeline import Timeline
    from .websearch import WebSearchHelper

__version__ = version.VERSION

__all__ = [
    "RAG",
    "Answer",
    "Audio",
    "Cleans2sError",
    "Config",
    "Memory",
    "Session",
    "Timeline",
    "WebSearchHelper",
    "__version__",
    "app",
    "ask",
]

_HOME = {
    "Answer": "answer",
    "Audio": "audio",
    "Cleans2sError": "errors",
    "Config": "config",
    "Memory": "memory",
    "RAG": "rag",
    "Session": "session",
    "Timeline": "timeline",
    "WebSearchHelper": "websearch",
    "app": "page",
    "ask": "answer",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"cleans2s has no {name!r}; it has {', '.join(__all__)}")
    return getattr(importlib.import_module(f".{_HOME[name]}", __name__), name)
