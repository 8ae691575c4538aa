"""What is done to a shelf's index, one thing at a time in a worker's thread: a file read in, documents removed, all of it
read again. How far it is can be seen meanwhile, and it can be stopped."""

from __future__ import annotations

import contextlib
import functools
import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .errors import RAGError
from .lookup.documents import LoadedDocuments
from .rag.embeddings import Embedder, Vectors, embedder
from .rag.engine import RAG
from .rag.store import Store
from .shelves import NEW, OLD, Shelf

STEP = 8
"""Passages that are embedded at once. They are few, because a question that is asked meanwhile waits for them; more are not
done sooner."""


class StoppedError(Exception):
    """Somebody wants it no more."""


class RefusedError(RAGError):
    """It is the file that is at fault, and not the index."""


@dataclass
class Watched:
    """An embedding model that says before every step how many of how many texts are done; `step` may raise to stop it."""

    model: Embedder
    step: Callable[[int, int], None]

    @property
    def name(self) -> str:
        return self.model.name

    @property
    def languages(self) -> frozenset[str] | None:
        return getattr(self.model, "languages", None)

    def encode(self, texts: Sequence[str]) -> Vectors:
        vectors: list[Vectors] = []
        for begin in range(0, max(1, len(texts)), STEP):
            self.step(begin, len(texts))
            vectors.append(self.model.encode(texts[begin : begin + STEP]))
        return np.concatenate(vectors)


class Writer:
    """`model` is for a new index; one that is there keeps that with which it was made. `told` is called with the share that is
    done (0 to 1, None while nobody knows), and may raise StoppedError."""

    def __init__(self, shelf: Shelf, model: Embedder, told: Callable[[float | None], None]) -> None:
        self._shelf, self._model, self._told = shelf, model, told
        self._files = 0, 1
        self._batches = 0, 1
        """How many are done, and of how many."""

        self._passages: list[int] = []
        """Their number, where it is known, and how many are done."""

    def add(self, file: Path) -> str:
        """Read a file in; an older one of the same name makes room for it. What a person may want to know of it, "" for
        nothing. Raises RefusedError for what cannot be read; then the older one stays."""
        self._told(None)
        rag = self._opened(self._shelf.index)
        try:
            told = rag.add(file)
            self._told(1.0)
        except StoppedError:
            if str(file) in _sources(rag):  # it was too late
                rag.remove(str(file))
            raise
        except RAGError as error:
            kind = RefusedError if str(file) in str(error) else RAGError
            raise kind(self._worded(str(error), file)) from None
        notes = [self._worded(note, file) for note in told.notes]
        older = [name for name in _sources(rag) if name != str(file) and self._brought(name) and Path(name).name == file.name]
        if older:
            rag.remove(*older)
            for source in older:
                self._shelf.drop(source)
        (same,) = [row.sources for row in rag.documents if str(file) in row.sources]
        if others := ", ".join(Path(name).name for name in same if name != str(file)):
            notes.append(f"{file.name} has the same content as {others}; it is kept once")
        return "; ".join(notes)

    def remove(self, digests: Iterable[str]) -> None:
        """Documents, with the files that they were read from. What is gone already is gone."""
        wanted, rag = set(digests), self._opened(self._shelf.index)
        if sources := [name for row in rag.documents if row.digest in wanted for name in row.sources]:
            rag.remove(*sources)
            for source in sources:
                self._shelf.drop(source)

    def renew(self) -> list[str]:
        """Read and embed everything again; sentences on what could not be read. An index of files that were brought here is
        made beside the old one, which is searched until then, and may be damaged; of any other, the passages are embedded
        again, and those of a plain folder are what it holds now."""
        try:
            found = Store(self._shelf.index).contents()
            elsewhere = any(not self._brought(name) for row in (found.documents if found else ()) for name in row.sources)
        except RAGError:
            if not self._shelf.own:
                raise
            elsewhere = False
        if self._shelf.own and not elsewhere:
            return self._made_anew(self._shelf.brought())
        rag = self._opened(self._shelf.index)
        if self._shelf.folder:
            LoadedDocuments(rag, self._shelf.folder).refresh()
        self._passages = [max(1, len(rag)), 0]
        rag.rebuild()
        return []

    def _made_anew(self, files: list[Path]) -> list[str]:
        refused: list[str] = []
        new, old = self._shelf.beside(NEW), self._shelf.beside(OLD)
        for left_behind in (new, old):
            shutil.rmtree(left_behind, ignore_errors=True)
        rag = self._opened(new)
        for done, file in enumerate(files):
            self._files, self._batches = (done, len(files)), (0, 1)
            self._told(done / len(files))
            try:
                rag.add(file)
            except RAGError as error:
                if str(file) not in str(error):
                    raise
                refused.append(self._worded(str(error), file))
        with contextlib.suppress(FileNotFoundError):
            self._shelf.index.rename(old)
        with contextlib.suppress(FileNotFoundError):  # there was nothing that could be read
            new.rename(self._shelf.index)
        shutil.rmtree(old, ignore_errors=True)
        return refused

    def _opened(self, folder: Path) -> RAG:
        found = Store(folder).contents()
        name = found.model if found and found.probe else self._model.name
        model = self._model if name == self._model.name else _named(name)
        return RAG(folder, model=Watched(model, self._step), progress=self._batch)

    def _batch(self, what: str, done: int, of: int) -> None:
        """A file, or a batch of passages of it, is done."""
        if what.startswith("embedding"):
            self._batches = done, of

    def _step(self, begin: int, count: int) -> None:
        if self._passages:
            self._told(min(1.0, self._passages[1] / self._passages[0]))
            self._passages[1] += min(STEP, count - begin)
            return
        (file, files), (batch, batches) = self._files, self._batches
        self._told((file + (batch + begin / max(1, count)) / max(1, batches)) / files)

    def _brought(self, source: str) -> bool:
        return Path(source).parent.parent == self._shelf.files

    def _worded(self, words: str, file: Path) -> str:
        """Without places on the disk: they are nobody's business."""
        return words.replace(str(file), file.name).replace(str(self._shelf.index), "the index")


@functools.cache
def _named(name: str) -> Embedder:
    """Loaded once."""
    return embedder(name)


def _sources(rag: RAG) -> list[str]:
    return [name for row in rag.documents for name in row.sources]
