"""Reference clips that users bring: judged, and kept in the cache for a day under names that nobody can guess.

A client has no way to a file: it gives sound, and gets a name that was made here. What it names later has to be such a name,
or one of `ref.json`.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from anyio import to_thread

from . import references
from .audio import RATE, Audio
from .errors import AudioError
from .references import OWN, Reference
from .stages import Transcript

KEPT_S = 24 * 3600.0
MOST = 200
"""Clips at a time, of 3 MB at most; the oldest ones make room."""

KEPT_RATE = 48_000
"""Hz; no voice is made of more."""


@dataclass
class _Heard:
    """A recogniser that has heard it already."""

    said: Transcript

    def transcribe(self, audio: Audio, partial: bool = False) -> Transcript:
        return self.said


async def take(recording: str | Path, text: str, transcribe: Callable[[Audio], Awaitable[Transcript]]) -> Reference:
    """Keep a recording as a reference voice; without a text, the one that is heard. Raises AudioError with a sentence for
    everything that would spoil the voice."""
    audio = await to_thread.run_sync(references.usable, recording)
    said = await transcribe(audio.resampled(RATE))
    text = text.strip() or said.text
    if problems := await to_thread.run_sync(references.check, recording, text, _Heard(said)):
        raise AudioError("; ".join(problems))
    return await to_thread.run_sync(_keep, audio, text)


def _keep(audio: Audio, text: str) -> Reference:
    folder = references.own_folder()
    folder.mkdir(parents=True, exist_ok=True)
    forget()
    name = f"own-{secrets.token_hex(16)}"
    assert OWN.fullmatch(name)
    path = folder / f"{name}.wav"
    path.with_suffix(".txt").write_text(text, "utf-8")
    (audio.resampled(KEPT_RATE) if audio.rate > KEPT_RATE else audio).save(path)
    return Reference(name, path, text)


def forget() -> None:
    """Remove the clips that are a day old, and the oldest where there are too many."""
    newest = sorted(references.own_folder().glob("own-*.wav"), key=_made_s, reverse=True)
    for place, path in enumerate(newest, 1):
        if place >= MOST or _made_s(path) < time.time() - KEPT_S:
            path.unlink(missing_ok=True)
            path.with_suffix(".txt").unlink(missing_ok=True)


def _made_s(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:  # somebody else has just removed it
        return 0.0
