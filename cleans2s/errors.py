"""What can go wrong, as a tree. Every message says what was wrong, what was expected, and the mend.

Cleans2sError
├── AudioError      a file, frame or array that is not usable sound
├── TextError       typed text that cannot be taken
├── TurnError       something asked of the conversation that is not possible now
├── ConfigError     an unknown key or a value of the wrong type
├── MemoryFault     what is remembered cannot be read, kept or changed
├── RAGError        documents that cannot be read, an index that cannot be opened, written or asked
├── ModelError      weights that are missing, damaged or cannot be fetched
├── SearchError     a web search or pages that gave nothing
└── StageError      an engine that raised, hung or returned nothing
"""

from __future__ import annotations


class Cleans2sError(Exception):
    """Base of all errors that are meant to be read by a person; a face shows the message, never a traceback."""


class AudioError(Cleans2sError, ValueError):
    """Sound that cannot be used: not audio, empty, a wrong shape or rate."""


class TextError(Cleans2sError, ValueError):
    """Text that cannot be taken as a turn: empty or beyond the limit."""


class TurnError(Cleans2sError, RuntimeError):
    """Asked of the conversation what is not possible now: a second answer while one is under way, the end of a turn in which
    nothing was said."""


class ConfigError(Cleans2sError, ValueError):
    """A configuration with an unknown key or an impossible value."""


class MemoryFault(Cleans2sError, RuntimeError):  # noqa: N818  (MemoryError is Python's own)
    """What is remembered of a user cannot be read, kept or changed: the file is damaged, the disk full, the entry unknown."""


class RAGError(Cleans2sError, RuntimeError):
    """Documents that cannot be read, or an index of them that cannot be opened, written or asked."""


class ModelError(Cleans2sError, RuntimeError):
    """Weights that are missing, damaged or out of reach."""


class SearchError(Cleans2sError, RuntimeError):
    """No search engine answered, or none of the pages could be read."""


class StageError(Cleans2sError, RuntimeError):
    """An engine failed: `stage` is `vad`, `endpoint`, `asr`, `llm` or `tts`."""

    def __init__(self, stage: str, message: str) -> None:
        super().__init__(f"{stage}: {message}")
        self.stage = stage
        self.message = message
