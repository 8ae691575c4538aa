"""RAG: documents in, passages out. What is on the disk is store.py, how it is searched index.py, answers are answer.py.

rag = RAG("my-index")
rag.add("handbook.pdf", "notes/")
for passage in rag.retrieve("How do I reset it?"):
    print(passage.place, passage.text)
for piece in rag.answer("How do I reset it?"):
    print(piece, end="")
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from ..errors import RAGError
from ..stages import imported
from . import documents, view
from .chunks import Chunk, Splitting, split
from .documents import Document
from .embeddings import DEFAULT, Embedder, Vectors, embedder, knows, probed, same
from .growing import LARGEST_SEGMENT, Growing
from .index import Fusion
from .passages import Passage, WebDocument, Where, question
from .snapshot import MIN_COVERAGE, MIN_SIMILARITY, Limits, Snapshot
from .store import Contents, Indexed, Store, Version, now

if TYPE_CHECKING:
    from .answer import Answer
    from .compare import Comparison


Progress: TypeAlias = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Added:
    """What `add` did, by sources."""

    added: tuple[str, ...] = ()
    updated: tuple[str, ...] = ()
    unchanged: tuple[str, ...] = ()
    duplicates: tuple[str, ...] = ()
    """The same content is there under another name; it is kept once."""

    refused: tuple[str, ...] = ()
    """Why something could not be read, a sentence each."""

    notes: tuple[str, ...] = ()
    passages: int = 0
    """New ones."""


@dataclass
class _Tally:
    added: list[str] = field(default_factory=list[str])
    updated: list[str] = field(default_factory=list[str])
    unchanged: list[str] = field(default_factory=list[str])
    duplicates: list[str] = field(default_factory=list[str])
    refused: list[str] = field(default_factory=list[str])
    notes: list[str] = field(default_factory=list[str])
    passages: int = 0

    def told(self) -> Added:
        sources = (tuple(self.added), tuple(self.updated), tuple(self.unchanged), tuple(self.duplicates))
        return Added(*sources, tuple(self.refused), tuple(self.notes), self.passages)


class RAG:
    """Documents that can be asked. `folder` is where the index is kept (None: in memory); one that is there is opened, and
    followed when another process changes it.

    `model` is an embedding model: `minilm-l6-v2` (the default), a name or folder for sentence-transformers, or an object
    of yours (`embeddings.Embedder`). `similarity` and `coverage` are the least with which a passage counts as found;
    with a similarity of -1 everything does.
    All methods block, and may be called from several threads. Errors are RAGError, and ModelError where weights lack.
    """

    def __init__(
        self,
        folder: str | Path | None = None,
        *,
        model: str | Embedder | None = None,
        splitting: Splitting | None = None,
        similarity: float = MIN_SIMILARITY,
        coverage: float = MIN_COVERAGE,
        fusion: Fusion | None = None,
        largest_bytes: int = documents.LARGEST_BYTES,
        largest_segment: int = LARGEST_SEGMENT,
        progress: bool | Progress | None = None,
    ) -> None:
        """`progress`: bars over long work, by default where somebody can see them (a terminal, a notebook); or a function that
        is told what is done, how much of it, and of how much. `largest_segment`: passages that are written at once."""
        self._store = None if folder is None else Store(Path(folder))
        version, found = self._read_index()
        self._embedder = embedder(model if model is not None else found.model if found else DEFAULT)
        self._check_name(found)
        self._splitting = splitting or (found.splitting if found else Splitting())
        self._limits = Limits(similarity, coverage, fusion)
        self._largest_bytes, self._largest_segment = largest_bytes, largest_segment
        seen = sys.stderr.isatty() or "ipykernel" in sys.modules
        self._progress: bool | Progress = seen if progress is None else progress
        self._writing = threading.Lock()
        self._probe: tuple[float, ...] | None = None
        self._state = Snapshot(Contents(self._embedder.name, splitting=self._splitting))
        if found:
            self._state = self._opened(found, version)

    # ── asking ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def retrieve(self, query: str, k: int = 5, where: Where | None = None) -> list[Passage]:
        """The best `k` passages, the best first; none when no passage fits (see `similarity` and `coverage`)."""
        if k < 1:
            raise RAGError(f"k = {k}: expected 1 or more passages")
        query, state = question(query), self._current()
        if not state.segments:
            return []
        vector = self._embedded([query], state.contents)[0]
        return state.find(query, vector, k, where, self._limits.told(knows(self._embedder, query)))

    def answer(self, query: str, llm: Any = None, *, k: int = 4, where: Where | None = None, style: str = "auto") -> Answer:
        """An answer from the documents, streamed: iterate over it. See `answer.Answer`; `llm` is an engine's settings or a
        loaded one (default: the embedded model)."""
        from .answer import answered

        return answered(self, query, llm, k=k, where=where, style=style)

    def compare(
        self, query: str, llm: Any = None, *, k: int = 4, where: Where | None = None, style: str = "auto"
    ) -> Comparison:
        """The model's answer without the documents beside the one with them, both streamed. See `compare.Comparison`."""
        from .compare import compared

        return compared(self, query, llm, k=k, where=where, style=style)

    def encode(self, texts: list[str]) -> Vectors:
        """Texts as the index embeds them: rows of length 1."""
        return self._embedder.encode(texts)

    def chunks(self) -> Iterator[Chunk]:
        """All passages, document by document."""
        state = self._current()
        numbers = {segment.name: segment for segment in state.segments}
        for row in state.contents.documents:
            yield from (numbers[row.segment].chunk(row.first + number) for number in range(row.passages))

    def prepare(self, sample: str = "hello") -> None:
        """Load what the first question would have to wait for. `sample` is some words in the language that will be asked in."""
        self.retrieve(sample)

    @property
    def documents(self) -> tuple[Indexed, ...]:
        return self._current().contents.documents

    @property
    def model(self) -> str:
        return self._embedder.name

    def __len__(self) -> int:
        """How many passages there are."""
        return sum(document.passages for document in self.documents)

    def _repr_html_(self) -> str:
        return view.index(self)

    # ── changing ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def add(self, *things: str | Path | WebDocument, metadata: Mapping[str, Any] | None = None) -> Added:
        """Files, folders (with all that is in them) and pages that were read from the web. What was there under the same
        name is replaced if its content has changed. Saved when all of it is done, in one step.

        RAGError when nothing of it could be read; what else was refused is in the result.
        """
        tally = _Tally()
        self._take(self._read(things, tally), tally, dict(metadata or {}))
        told = tally.told()
        if told.refused and not (told.added or told.updated or told.unchanged or told.duplicates):
            raise RAGError("\n".join(told.refused))
        return told

    def add_text(self, text: str, source: str, title: str = "", metadata: Mapping[str, Any] | None = None) -> Added:
        """A text under a name of yours; Markdown headings in it are headings."""
        tally = _Tally()
        document = documents.of_text(text, title)
        document = document if document.title else replace(document, title=source)
        self._take(iter([(source, document)]), tally, dict(metadata or {}))
        return tally.told()

    def remove(self, *sources: str) -> tuple[str, ...]:
        """Forget documents by their sources (as `documents` lists them; a folder's name removes all below it). Returns
        what was removed; RAGError for a name that is not there."""
        with self._changing() as growing:
            gone: list[str] = []
            for source in sources:
                found = [name for name in growing.sources if name == source or _below(name, source)]
                if not found:
                    raise RAGError(f"{source} is not in the index: `list` shows what is")
                gone.extend(found)
                for name in found:
                    growing.forget(name)
        return tuple(gone)

    def rebuild(self, model: str | Embedder | None = None) -> None:
        """Embed all passages again, with another model: the mend for an index that was made with one that is not here."""
        chosen = embedder(model) if model is not None else self._embedder
        before, self._embedder, self._probe = self._embedder, chosen, None
        try:
            with self._changing(rebuild=True) as growing:
                growing.embed_again()
        except BaseException:
            self._embedder, self._probe = before, None
            raise

    # ── inside ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _read(self, things: Iterable[str | Path | WebDocument], tally: _Tally) -> Iterator[tuple[str, Document]]:
        for thing in self._bar(list(self._spread(things, tally)), "reading and embedding", "file"):
            try:
                if isinstance(thing, Path):
                    document = documents.read(thing, self._largest_bytes)
                    tally.notes.extend(document.notes)
                    yield str(thing.absolute()), document
                else:
                    yield thing.url, documents.of_text(thing.text, thing.title, "web")
            except RAGError as error:
                tally.refused.append(str(error))

    def _spread(self, things: Iterable[str | Path | WebDocument], tally: _Tally) -> Iterator[Path | WebDocument]:
        for thing in things:
            if not isinstance(thing, (str, Path)):
                yield thing
                continue
            path = Path(thing).expanduser()
            if not path.is_dir():
                yield path
                continue
            files = list(documents.files_in(path))
            if not files:
                tally.refused.append(f"{path} holds no documents: expected {', '.join(sorted(documents.SUFFIXES))}")
            yield from files

    def _take(self, read: Iterator[tuple[str, Document]], tally: _Tally, metadata: dict[str, Any]) -> None:
        with self._changing() as growing:
            for source, document in read:
                place = growing.place(source, document.digest)
                if place == "unchanged" or place == "duplicate":
                    getattr(tally, "unchanged" if place == "unchanged" else "duplicates").append(source)
                    growing.note(source, document.digest, metadata)
                    continue
                chunks = list(split(document.blocks, self._splitting))
                if place == "known":
                    growing.forget(source)
                (tally.updated if place == "known" else tally.added).append(source)
                tally.passages += len(chunks)
                characters = sum(len(block.text) for block in document.blocks)
                row = Indexed(document.digest, (source,), document.title, document.kind, now(), characters, "", 0, 0, metadata)
                growing.add(row, chunks)

    @contextmanager
    def _changing(self, rebuild: bool = False) -> Generator[Growing]:
        """The index to be changed; what was done is saved at the end, or not at all."""
        with self._writing, self._store.writing() if self._store else nullcontext():
            version, found = self._read_index()
            if found:
                if not rebuild:
                    self._check_name(found)
                self._state = self._opened(found, version)
            state = self._state
            contents = replace(state.contents, probe=()) if rebuild else state.contents

            def encode(texts: list[str]) -> Vectors:
                return self._embedded(texts, contents)

            growing = Growing(contents, state.segments, self._store, encode, self._bar, self._largest_segment)
            yield growing
            growing.write()
            finished, segments = growing.finished(self._embedder.name, self._probe or contents.probe, self._splitting)
            if self._store:
                self._store.save(finished)
                self._store.sweep(finished.segments)
            self._state = Snapshot(finished, segments, self._store.version() if self._store else None)

    def _embedded(self, texts: list[str], contents: Contents) -> Vectors:
        """Vectors by the model that made the others."""
        if self._probe is None:
            self._probe = probed(self._embedder)
        if contents.probe and not same(self._probe, contents.probe):
            raise RAGError(
                f"the index was made with other weights of {contents.model!r}: the vectors do not agree. `rebuild` embeds all "
                "passages again"
            )
        return self._embedder.encode(texts)

    def _check_name(self, found: Contents | None) -> None:
        if found and found.probe and found.model != self._embedder.name:
            raise RAGError(
                f"the index was made with the embedding model {found.model!r}, and {self._embedder.name!r} was asked for: open "
                f"it with the former, or embed all passages again (RAG(folder).rebuild(model), `cleans2s rag rebuild`)"
            )

    def _current(self) -> Snapshot:
        """The index; opened again if another process has changed it."""
        state = self._state
        if self._store is None or self._store.version() == state.version:
            return state
        with self._writing:
            version, found = self._read_index()
            if found and version != self._state.version:
                self._check_name(found)
                self._state = self._opened(found, version)
            return self._state

    def _read_index(self) -> tuple[Version | None, Contents | None]:
        """The version is taken first: at worst it is older than the contents, and they are read once more."""
        return (self._store.version(), self._store.contents()) if self._store else (None, None)

    def _opened(self, found: Contents, version: Version | None) -> Snapshot:
        assert self._store is not None
        here = {segment.name: segment for segment in self._state.segments}
        try:
            segments = tuple(here[name] if name in here else self._store.segment(name) for name in found.segments)
        except RAGError:
            newer, found_now = self._read_index()
            if found_now is None or newer == version:
                raise
            return self._opened(found_now, newer)  # it was changed, and swept, while we opened it
        return Snapshot(found, segments, version)

    def _bar(self, items: list[Any], what: str, unit: str) -> Iterable[Any]:
        if callable(self._progress):
            return _told(items, what, self._progress)
        return imported("tqdm:tqdm")(items, desc=what, unit=unit, disable=not self._progress or len(items) < 2, leave=False)


def _told(items: list[Any], what: str, tell: Progress) -> Iterator[Any]:
    for done, item in enumerate(items):
        tell(what, done, len(items))
        yield item
    tell(what, len(items), len(items))


def _below(name: str, folder: str) -> bool:
    """Whether a source is this file, or in this folder."""
    place = Path(folder).expanduser().absolute()
    return Path(name) == place or place in Path(name).parents
