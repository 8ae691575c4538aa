"""Where the documents of the page's visitors are: what each has brought, as it came, and the index that is made of it.

    <shelf>/            the index, at `lookup.documents.shelf(number)`: conversations look there
    <shelf>.files/ID/   one file each, under its own name: it can be read again, whatever becomes of the index

The number is drawn at random by a browser: whoever knows it, and nobody else, is this visitor, as with memory. Nothing else
that a client says leads to a place on the disk. A server with documents of its own shows those instead, to everybody.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import secrets
import shutil
import time
import unicodedata
from dataclasses import dataclass
from pathlib import Path

from .errors import RAGError
from .lookup import documents as lookup
from .rag.documents import LARGEST_BYTES

NUMBER = re.compile(r"[0-9a-f]{32,48}")

MOST_FILES = 500
SHELF_BYTES = 500_000_000
"""Of one visitor."""

MOST_SHELVES = 200
UNUSED_S = 7 * 24 * 3600.0
"""Where there is a shelf too many, the one that was left alone for longest makes room, but none sooner than this. So a
person's own machine keeps everything, and a public server does not fill up."""

SPARE_BYTES = 1_000_000_000
"""Of the disk, which are left to others."""

PART, NEW, OLD = ".part", ".new", ".old"
STALE_S = 600.0
"""An upload of which nothing has arrived for so long was given up."""

NAME_BYTES = 120


@dataclass(frozen=True)
class Shelf:
    index: Path
    files: Path
    """What was brought, each file in a folder of its own."""

    own: bool = True
    """A visitor's; otherwise the server's, for everybody."""

    folder: Path | None = None
    """Of the server's documents, where it is a plain one: nothing is brought to it, it is only read again."""

    def source(self, name: str) -> Path:
        """A new place for a file."""
        return self.files / secrets.token_hex(8) / name

    def brought(self) -> list[Path]:
        """The files, in the order in which they came."""
        folders = sorted((place for place in _entries(self.files) if place.is_dir()), key=_changed_s)
        return [file for folder in folders for file in _entries(folder)]

    def drop(self, source: str | Path) -> None:
        """Forget a file that was brought; of others, nothing is touched."""
        folder = Path(source).parent
        if folder.parent == self.files:
            shutil.rmtree(folder, ignore_errors=True)

    def name(self, source: str) -> str:
        """For people, without the place on the disk."""
        if source.startswith(("http://", "https://")):
            return source
        place = Path(source)
        return place.relative_to(self.folder).as_posix() if self.folder and self.folder in place.parents else place.name

    def beside(self, ending: str) -> Path:
        return self.index.with_name(self.index.name + ending)


def of_visitor(number: str) -> Shelf:
    """Raises RAGError for what is no number."""
    if not NUMBER.fullmatch(number):
        raise RAGError("whose documents? expected 32 to 48 hexadecimal digits in lower case, drawn at random by the browser")
    return Shelf(lookup.shelf(number), lookup.shelf(f"{number}.files"))


def of_server(setting: str) -> Shelf:
    """What `Config.documents` means. An index may lie anywhere: what is brought to it is kept where the shelves are."""
    folder, index = Path(setting).expanduser().absolute(), lookup.index_of(setting)
    name = hashlib.sha256(str(index).encode()).hexdigest()[:16]
    return Shelf(index, lookup.shelf(f"server-{name}.files"), own=False, folder=None if folder == index else folder)


def safe_name(name: str) -> str:
    """A file's name as every system takes it, from what a browser says."""
    name = unicodedata.normalize("NFC", name.replace("\\", "/").rpartition("/")[2])
    name = "".join("_" if character in '<>:"|?*' or not character.isprintable() else character for character in name)
    stem, suffix = os.path.splitext(name.strip(" ."))
    suffix = suffix.encode()[:20].decode(errors="ignore")
    stem = stem.encode()[: NAME_BYTES - len(suffix.encode())].decode(errors="ignore").strip()
    return (stem or "document") + suffix


def admit(shelf: Shelf, size: int) -> None:
    """Make room for a file. Raises RAGError where there is none."""
    if size > LARGEST_BYTES:
        raise RAGError(
            f"it has {size / 1e6:,.0f} MB: expected at most {LARGEST_BYTES / 1e6:,.0f}; split it, or take its text out"
        )
    files = shelf.brought()
    if len(files) >= MOST_FILES:
        raise RAGError(f"there are {len(files)} files already, the most that are kept here: remove some first")
    if sum(map(_size, files)) + size > SHELF_BYTES:
        raise RAGError(f"your files would have more than {SHELF_BYTES / 1e6:,.0f} MB together: remove some first")
    if not shelf.files.exists():
        _make_room(shelf)
    shelf.files.mkdir(parents=True, exist_ok=True)
    if shutil.disk_usage(shelf.files).free < size + SPARE_BYTES:
        raise RAGError("the disk of this server is nearly full: nothing more can be kept there")


def used(shelf: Shelf) -> None:
    with contextlib.suppress(OSError):
        os.utime(shelf.files)


def tidy(shelf: Shelf) -> None:
    """Sweep away what an upload or a new index has left behind that was never finished."""
    for ending in (NEW, OLD):
        shutil.rmtree(shelf.beside(ending), ignore_errors=True)
    for part in shelf.files.glob(f"*{PART}"):
        if _changed_s(part) < time.time() - STALE_S:
            part.unlink(missing_ok=True)


def _make_room(shelf: Shelf) -> None:
    kept = [folder for folder in shelf.files.parent.glob("*.files") if NUMBER.fullmatch(folder.stem)]
    others = sorted(kept, key=_changed_s)
    while len(others) >= MOST_SHELVES:
        oldest = others.pop(0)
        if _changed_s(oldest) > time.time() - UNUSED_S:
            raise RAGError(
                f"this server keeps the documents of {MOST_SHELVES} visitors already, and of nobody else; try again another day"
            )
        shutil.rmtree(oldest.with_suffix(""), ignore_errors=True)
        shutil.rmtree(oldest, ignore_errors=True)


def _entries(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return []


def _changed_s(place: Path) -> float:
    try:
        return place.stat().st_mtime
    except OSError:  # somebody else has just removed it
        return 0.0


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:
        return 0
