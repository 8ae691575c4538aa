"""A session on the disk: both voices, what happened, and the configuration, written as it goes.

    FOLDER/2026-11-21_09-30-00/
        user.wav       the microphone at 16 kHz, where it was heard in the session's time
        user.jsonl     when each piece of it came: [seconds, first sample, samples]
        agent.wav      the agent as it was heard, in the session's time
        events.jsonl   every event, one a line; sound is left out
        config.toml    the engines and their settings; secrets are none of them

Files are written by a thread of their own, so that a slow disk does not slow the conversation, and grow piece by piece: what
a killed process leaves can be read to its last whole line, and sound to its last sample. Nothing is written unless a
folder is given.
"""

from __future__ import annotations

import contextlib
import json
import queue
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, TypeAlias, TypeVar, get_args, get_type_hints

import anyio
import numpy as np
from anyio import to_thread

from . import events as ev
from .audio import RATE, Audio, Resampler, Samples, silence
from .config import Config
from .errors import AudioError, ConfigError
from .profiles import as_toml, as_tree
from .recording import Loudspeaker, Recording

HEADER = struct.Struct("<4sI4s4sIHHIIHH4sI")
"""Of a wav file that holds nothing but 16-bit mono sound; the sizes in it lag up to a second behind the file."""

GAP_S = 0.25
"""Sound that comes so much later than it would have without a break had one; less is the network's unevenness."""

BACKLOG = 10_000
"""Pieces that a disk may lag behind: minutes."""

CLOSE_S = 5.0
"""How long the end of a session waits for the disk."""

Taken = TypeVar("Taken")
Chunk: TypeAlias = tuple[float, int, int]
"""When a piece of the user's sound came, its first sample in `user.wav`, and its length."""


class Recorder:
    """Keeps one session. Raises ConfigError where `folder` cannot be made or written; what goes wrong later ends the
    recording with a `Failed` of the stage "recorder", and not the conversation. None keeps nothing."""

    def __init__(self, folder: str | Path | None) -> None:
        self.folder: Path | None = None
        """Of this session, as soon as it has begun."""
        self._base = Path(folder).absolute() if folder is not None else None
        self._trouble: str | None = None
        self._thread: threading.Thread | None = None
        self._queue: queue.Queue[tuple[Callable[[_Files, float], None], float] | None] = queue.Queue(BACKLOG)
        if self._base:
            try:
                self._base.mkdir(parents=True, exist_ok=True)
                (probe := self._base / f".probe-{threading.get_native_id()}").mkdir()
                probe.rmdir()
            except OSError as error:
                raise ConfigError(
                    f"{self._base}: cannot record there ({_reason(error)}); choose a folder that can be written"
                ) from None

    @property
    def records(self) -> bool:
        """Whether what happens now is kept; the user has to be told."""
        return self._thread is not None and self._trouble is None

    def begin(self, config: Config, clock: Callable[[], float], note: Callable[[ev.Event], None]) -> None:
        """The session begins. `note` takes the word that the recording had to end."""
        if self._base:
            self._clock, self._note = clock, note
            self._thread = threading.Thread(target=self._run, args=(self._base, config), name="cleans2s-recorder", daemon=True)
            self._thread.start()

    def heard(self, audio: Audio) -> None:
        """Sound of the user's microphone, now."""
        self._keep(lambda files, at_s: files.hear(audio, at_s))

    def happened(self, event: ev.Event) -> None:
        self._keep(lambda files, _: files.happen(event))

    def configured(self, config: Config) -> None:
        """Other settings from now on."""
        self._keep(lambda files, at_s: files.line({"event": "Configured", "at_s": at_s, "config": as_tree(config)}))

    async def close(self) -> None:
        """The session is over."""
        if thread := self._thread:
            self._keep(lambda files, at_s: files.finish(at_s))
            with contextlib.suppress(queue.Full):
                self._queue.put_nowait(None)
            with anyio.CancelScope(shield=True):
                await to_thread.run_sync(thread.join, CLOSE_S)
            self._keep(lambda files, _: None)  # tells of what went wrong at the end
            self._thread = None

    def _keep(self, write: Callable[[_Files, float], None]) -> None:
        if self._thread is None:
            return
        if self._trouble is None:
            try:
                self._queue.put_nowait((write, self._clock()))
            except queue.Full:
                self._trouble = "the disk is too slow"
        if self._trouble is not None:
            self._thread = None
            told = f"the recording in {self._base} has ended ({self._trouble}); the conversation goes on"
            self._note(ev.Failed(self._clock(), "recorder", told))

    def _run(self, base: Path, config: Config) -> None:
        """The writing thread."""
        try:
            self.folder = _new_folder(base)
            with _Files(self.folder, config) as files:
                for write, at_s in iter(self._queue.get, None):
                    if self._trouble:  # it was given up from the other side
                        return
                    write(files, at_s)
        except OSError as error:
            self._trouble = f"{_reason(error)}: make room, or choose another folder"
        except Exception as error:  # nothing that can be said of a recording is worth a conversation
            self._trouble = f"{type(error).__name__}: {error}"


def _new_folder(base: Path) -> Path:
    """For the user's eyes only: it will hold voices."""
    stamp = datetime.now().astimezone().strftime("%Y-%m-%d_%H-%M-%S")
    for number in range(1, 10_000):
        folder = base / (stamp if number == 1 else f"{stamp}-{number}")
        with contextlib.suppress(FileExistsError):
            folder.mkdir(mode=0o700)
            return folder
    raise FileExistsError(f"too many sessions at {stamp}")


class _Files(contextlib.ExitStack):
    """The files of a session, in the writing thread."""

    def __init__(self, folder: Path, config: Config) -> None:
        super().__init__()
        self._folder = folder
        (folder / "config.toml").write_text(as_toml(config), "utf-8")
        self._events, self._chunks = self._lines("events"), self._lines("user")
        self._user, self._agent, self._loudspeaker = self._wav("user", RATE), None, None
        self._resampler = Resampler(RATE, RATE)

    def _lines(self, name: str) -> Any:
        return self.enter_context(_closing((self._folder / f"{name}.jsonl").open("xb")))

    def _wav(self, name: str, rate: int) -> _Wav:
        wav = _Wav((self._folder / f"{name}.wav").open("xb"), rate)
        self.enter_context(_closing(wav))
        return wav

    def line(self, fields: Any, chunk: bool = False) -> None:
        file = self._chunks if chunk else self._events
        # A half of a character that an engine cut is written as its escape, which JSON reads back.
        file.write(json.dumps(fields, ensure_ascii=False).encode("utf-8", "backslashreplace") + b"\n")
        file.flush()

    def hear(self, audio: Audio, at_s: float) -> None:
        samples = silence(0)
        if audio.rate != self._resampler.source:
            samples, self._resampler = self._resampler.flush(), Resampler(audio.rate, RATE)
        samples = np.concatenate([samples, self._resampler.push(audio.samples)])
        first, due = self._user.count, round((at_s - len(samples) / RATE) * RATE)
        first = due if not first or due - first > GAP_S * RATE else first
        self._user.put(max(0, first), samples)
        self.line([at_s, max(0, first), len(samples)], chunk=True)

    def happen(self, event: ev.Event) -> None:
        self.line(ev.as_json(event))
        if self._agent is None or self._loudspeaker is None:
            if not isinstance(event, (ev.ReplyAudio, ev.Backchannelled)):
                return
            self._agent, self._loudspeaker = self._wav("agent", event.audio.rate), Loudspeaker(event.audio.rate)
        for first, samples in self._loudspeaker.told(event):
            self._agent.put(first, samples)

    def finish(self, at_s: float) -> None:
        self.line({"event": "Closed", "at_s": at_s})
        if self._agent and self._loudspeaker:
            for first, samples in self._loudspeaker.until(at_s):
                self._agent.put(first, samples)


def _closing(file: Any) -> contextlib.closing[Any]:
    return contextlib.closing(file)


class _Wav:
    """16-bit mono that is written piece by piece, from the left to the right; what is left out is silence."""

    def __init__(self, file: Any, rate: int) -> None:
        self._file, self._rate = file, rate
        self.count = self._told = 0
        self._head()

    def put(self, first: int, samples: Samples) -> None:
        self._file.seek(HEADER.size + 2 * first)
        # Rounded at full range, so that 16-bit sound comes out as it came in.
        self._file.write(np.clip(np.round(samples * 32768), -32768, 32767).astype("<i2").tobytes())
        self.count = max(self.count, first + len(samples))
        if self.count - self._told > self._rate:
            self._head()
        self._file.flush()

    def _head(self) -> None:
        size, self._told = min(2 * self.count, 0xFFFF_FFFF - HEADER.size), self.count
        form = (b"fmt ", 16, 1, 1, self._rate, 2 * self._rate, 2, 16)
        self._file.seek(0)
        self._file.write(HEADER.pack(b"RIFF", HEADER.size - 8 + size, b"WAVE", *form, b"data", size))

    def close(self) -> None:
        try:
            self._head()
        finally:
            self._file.close()


def _reason(error: OSError) -> str:
    return error.strerror or str(error)


# ── reading ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Recorded:
    """A session that was recorded. Raises AudioError (`load`) for a folder that is none."""

    folder: Path
    user: Audio
    chunks: list[Chunk]
    agent: Audio
    events: list[ev.Event]
    configured: list[tuple[float, dict[str, Any]]]
    """Other settings, and since when."""

    ended_s: float

    @classmethod
    def load(cls, folder: str | Path) -> Recorded:
        folder = _the_session(Path(folder))
        user = read_wav(folder / "user.wav")
        chunks = _lines(folder / "user.jsonl", _chunk)
        agent = read_wav(folder / "agent.wav") if (folder / "agent.wav").exists() else Audio(silence(0))
        events: list[ev.Event] = []
        configured: list[tuple[float, dict[str, Any]]] = []
        ended_s = [at_s for at_s, _, _ in chunks[-1:]]

        def take(line: dict[str, Any]) -> None:
            match line["event"]:
                case "Configured":
                    configured.append((line["at_s"], line["config"]))
                case "Closed":
                    ended_s.append(line["at_s"])
                case _:
                    events.append(event_from(line, agent.rate))

        _lines(folder / "events.jsonl", take)
        return cls(folder, user, chunks, agent, events, configured, max(ended_s, default=0.0))

    @property
    def config_file(self) -> Path:
        return self.folder / "config.toml"

    @property
    def recording(self) -> Recording:
        return Recording(self.user.resampled(self.agent.rate), self.agent, self.events)


def event_from(line: dict[str, Any], rate: int = RATE) -> ev.Event:
    """What `as_json` made of an event; sound comes back as silence of its length. Raises KeyError or TypeError for
    anything else."""
    kind = {kind.__name__: kind for kind in get_args(ev.Event)}[line["event"]]
    values = {name: value for name, value in line.items() if name != "event"}
    if kind in (ev.ReplyAudio, ev.Backchannelled):
        values["audio"] = Audio(silence(values.pop("duration_s"), rate), rate)
    hints = get_type_hints(kind)
    nested = {f.name for f in fields(kind) if is_dataclass(hints[f.name])} - {"audio"}
    return kind(**values | {name: hints[name](**values[name]) for name in nested})


def read_wav(path: Path) -> Audio:
    """A file of `Recorder`, all of it, whatever its header says of its length: a killed process did not come to correct it."""
    try:
        data = path.read_bytes()
        form = HEADER.unpack_from(data)
    except (OSError, struct.error) as error:
        raise AudioError(f"{path} cannot be read ({error}); expected a wav file made by --record") from None
    riff, _, wave, _, _, coding, channels, rate, _, _, bits, _, _ = form
    if (riff, wave, coding, channels, bits) != (b"RIFF", b"WAVE", 1, 1, 16):
        raise AudioError(f"{path}: expected 16-bit mono wav as --record makes it; it was changed since")
    whole = len(data) - (len(data) - HEADER.size) % 2
    return Audio(np.frombuffer(data[HEADER.size : whole], "<i2"), rate)


def _lines(path: Path, take: Callable[[Any], Taken]) -> list[Taken]:
    """What `take` makes of each line's JSON; without the last line where it was cut in the middle."""
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise AudioError(f"{path} cannot be read ({_reason(error)}); restore it") from None
    found: list[Taken] = []
    for number, line in enumerate(lines[:-1], 1):  # behind the last line break there is nothing, or half a line
        try:
            found.append(take(json.loads(line)))
        except (ValueError, KeyError, TypeError) as error:
            problem = f"not what this version writes ({type(error).__name__}: {error})"
            raise AudioError(f"{path}, line {number}: {problem}; restore the file, or delete that line") from None
    return found


def _chunk(line: Any) -> Chunk:
    at_s, first, count = line
    return float(at_s), int(first), int(count)


def _the_session(folder: Path) -> Path:
    """`folder` itself, or the one session in it."""
    if (folder / "events.jsonl").is_file():
        return folder
    sessions = sorted(file.parent for file in folder.glob("*/events.jsonl"))
    if len(sessions) == 1:
        return sessions[0]
    found = f"which of its sessions? {', '.join(each.name for each in sessions)}" if sessions else "no recording is there"
    raise AudioError(f"{folder}: {found}; expected a folder that --record has made, with an events.jsonl in it")
