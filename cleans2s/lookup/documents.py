"""The person's documents: which index `Config.documents` means, and that it holds what the folder holds.

    Documents("~/handbooks").load().find("How do I reset the lamp?")

A folder of files has its index in the cache; it is brought up to date whenever a session begins, by the files' content, so
that what has not changed is not read into it again. An index that was made with `cleans2s rag add` is used as it is.
"""

from __future__ import annotations

import hashlib
import itertools
import logging
import re
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import ConfigError, RAGError
from ..models import cache_folder
from ..text import HAN

if TYPE_CHECKING:
    from ..rag import RAG, Passage

PASSAGES = 4
"""That an answer is made of, as in `RAG.answer`."""

SAMPLE = 50
"""Passages by which it is known whether there is Chinese among the documents."""

WARM = ("What is it?", "这是什么？")
"""Asked once, so that nobody waits for the first answer: the second loads the Chinese dictionary."""

_log = logging.getLogger(__name__)


def shelf(number: str) -> Path:
    """The index of what a browser has brought, by the number that it has drawn. It may not be there yet."""
    from ..memory import memory_file

    return memory_file().parent.with_name("documents") / number


def index_of(setting: str) -> Path:
    """The folder of the index that `Config.documents` means: an index itself, or where that of a plain folder is kept."""
    folder = Path(setting).expanduser().absolute()
    if folder.parent == shelf("").absolute() or _is_index(folder):
        return folder
    key = hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:16]
    name = re.sub(r"[^\w.-]", "_", folder.name)[:40]
    return cache_folder().parent / "documents" / f"{name}-{key}"


def _is_index(folder: Path) -> bool:
    try:
        with (folder / "index.json").open("rb") as file:
            return file.read(11) == b'{"format": '
    except OSError:
        return False


@dataclass(frozen=True)
class Documents:
    path: str

    def check(self) -> None:
        """Raises ConfigError for a place where there can be no documents, before anything is loaded."""
        folder, index = Path(self.path).expanduser().absolute(), index_of(self.path)
        if folder != index and not folder.is_dir():
            what = "is a file" if folder.exists() else "is not there"
            raise ConfigError(
                f"documents = {self.path!r}: {folder} {what}; expected a folder of documents, or an index that `cleans2s rag "
                "add FILE … --index DIR` has made"
            )

    def load(self) -> LoadedDocuments:
        """Raises ConfigError and RAGError, with a mend, for what cannot be asked."""
        self.check()
        from ..rag import RAG

        folder, index = Path(self.path).expanduser().absolute(), index_of(self.path)
        loaded = LoadedDocuments(RAG(index), None if folder == index else folder)
        loaded.refresh()
        loaded.prepare()
        return loaded


class LoadedDocuments:
    """Shared by all sessions of the process."""

    places = 4

    def __init__(self, rag: RAG, folder: Path | None) -> None:
        self.rag, self._folder = rag, folder
        self._seen: dict[str, tuple[int, int]] = {}
        """Of each file, when it was changed and its size, as they were when it was last looked at."""
        self._lock = threading.Lock()

    # ── asking ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def find(self, query: str) -> list[Passage]:
        return self.rag.retrieve(query, PASSAGES)

    def quote(self, query: str, passages: Sequence[Passage]) -> list[tuple[int, str]]:
        from ..rag.answer import quotes

        return [(quote.number, quote.text) for quote in quotes(query, passages, self.rag.encode)]

    def shown(self, passage: Passage) -> str:
        if passage.source.startswith(("http://", "https://")):
            return passage.source
        source = Path(passage.source)
        return str(source.relative_to(self._folder)) if self._folder and self._folder in source.parents else source.name

    # ── what there is ─────────────────────────────────────────────────────────────────────────────────────────────────

    def refresh(self) -> None:
        """What the folder holds now. Only files that have been touched are read, only those that have changed embedded."""
        if self._folder is None:
            return
        from ..rag.documents import SUFFIXES, files_in

        with self._lock:
            files = {str(file): file for file in files_in(self._folder)}
            seen = {name: _touched(file) for name, file in files.items()}
            kept = {source: row.digest for row in self.rag.documents for source in row.sources}
            touched = [name for name in files if seen[name] != self._seen.get(name)]
            new = [files[name] for name in touched if _digest(files[name]) != kept.get(name)]
            try:
                if gone := [source for source in kept if source not in files]:
                    self.rag.remove(*gone)
                if new:
                    self._told(self.rag.add(*new).refused)
            except RAGError as error:
                if not len(self.rag):
                    raise
                self._told((str(error),))
            self._seen = seen
        if not len(self.rag):
            kinds = ", ".join(sorted(SUFFIXES))
            raise ConfigError(f"documents: {self._folder} holds nothing that can be read; expected files such as {kinds}")

    def _told(self, problems: Sequence[str]) -> None:
        for problem in problems:
            _log.warning("documents: %s", problem)

    def prepare(self) -> None:
        """Load what the first question would have to wait for."""
        texts = "".join(chunk.whole for chunk in itertools.islice(self.rag.chunks(), SAMPLE))
        for question in WARM if re.search(f"[{HAN}]", texts) else WARM[:1]:
            self.quote(question, self.find(question))


def _touched(file: Path) -> tuple[int, int]:
    try:
        facts = file.stat()
    except OSError:  # it has just been removed
        return 0, 0
    return facts.st_mtime_ns, facts.st_size


def _digest(file: Path) -> str:
    """As the index knows a file's content."""
    from ..rag.documents import LARGEST_BYTES

    try:
        return hashlib.sha256(file.read_bytes()).hexdigest() if file.stat().st_size <= LARGEST_BYTES else ""
    except OSError:
        return ""
