"""Retrieval: documents that can be asked. `RAG` is the engine; see engine.py for how it is used.

Importing this imports nothing else: the command line knows its options without numpy.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .engine import RAG, Added
    from .passages import Passage, Retriever, WebDocument

__all__ = ["RAG", "Added", "Passage", "Retriever", "WebDocument"]

_HOME = {"RAG": "engine", "Added": "engine", "Passage": "passages", "Retriever": "passages", "WebDocument": "passages"}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"cleans2s.rag has no {name!r}; it has {', '.join(__all__)}")
    return getattr(importlib.import_module(f".{_HOME[name]}", __name__), name)
