"""Characters that clients write: parsed, and kept in the cache under names that follow from the text alone.

A client has no way to a file: it gives a text, and gets a name that was made here. What it names later has to be such a name,
or one of `characters/`. The same text has the same name, so that nothing is kept twice.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import time
from pathlib import Path

from . import characters
from .errors import ConfigError
from .models import cache_folder

OWN = re.compile(r"own-[0-9a-f]{32}")

KEPT_S = 24 * 3600.0
"""Much longer than a conversation, which reads it again at every turn."""

MOST = 2_000
"""Texts at a time, of 32 kB at most. None makes room for another: a conversation may be using it."""


def folder() -> Path:
    return cache_folder().parent / "characters"


def check(text: str) -> None:
    """Raises ConfigError that begins with the line of the mistake."""
    try:
        characters.parse(text, "character")
    except ConfigError as error:
        raise ConfigError(re.sub(r"^character:(\d+):", r"line \1 of the character:", str(error))) from None


def keep(text: str) -> str:
    """Keep a character's text for a day; its name. Raises ConfigError for a text with a mistake."""
    check(text)
    name = f"own-{hashlib.sha256(text.encode()).hexdigest()[:32]}"
    path = folder() / f"{name}.md"
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_file():
        path.touch()
        return name
    if _forget() >= MOST:
        raise ConfigError(f"{MOST} characters are being edited on this server already; try again tomorrow, or choose one")
    unfinished = path.with_suffix(f".{os.getpid()}")
    unfinished.write_text(text, "utf-8", newline="\n")
    unfinished.replace(path)  # another conversation must never read half of it
    return name


def setting(name: str) -> str:
    """What `Config.character` is for a name that a client gave. Raises ConfigError for any other."""
    if name in ("", *characters.names()):
        return name
    if OWN.fullmatch(name) and (path := folder() / f"{name}.md").is_file():
        with contextlib.suppress(FileNotFoundError):
            path.touch()
        return str(path)
    there = ", ".join(characters.names())
    raise ConfigError(f'no character {name[:60]!r}: there are {there}, "" for a plain assistant, or send its text')


def _forget() -> int:
    """Remove what nobody has used for a day; how many are left."""
    left = 0
    for path in folder().glob("own-*.md"):
        with contextlib.suppress(FileNotFoundError):  # somebody else has just removed it
            if path.stat().st_mtime < time.time() - KEPT_S:
                path.unlink()
            else:
                left += 1
    return left
