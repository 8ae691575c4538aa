"""LightRAG as a second engine: a graph of entities and relations that a language model reads out of the documents, searched
beside their vectors (lightrag-hku, extra `lightrag`).

It asks the language model several times for every document, and once for every question, so it wants an able one: the
embedded model cannot do it. What it finds comes as the same passages as `RAG`'s; entities and relations become one each.
Storages (files in `folder`), prompts and ranking are LightRAG's own; the models are ours.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
from collections.abc import Generator, Sequence
from concurrent.futures import CancelledError
from contextlib import aclosing
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, TypeAlias
from urllib.parse import quote, unquote

import anyio.to_thread
import numpy as np

from ..blocking import stage_items
from ..errors import Cleans2sError, RAGError
from ..stages import Chat, imported
from . import documents
from .answer import PATIENCE_S, brain_of
from .embeddings import DEFAULT, Embedder, Vectors, embedder
from .passages import Passage, question

Mode: TypeAlias = Literal["local", "global", "hybrid", "naive", "mix"]

CHUNK_CHARACTERS = 1000
OVERLAP_CHARACTERS = 100
CONTEXT_CHARACTERS = 20_000
"""What one question may bring together."""


class Characters:
    """A tokenizer whose tokens are characters. LightRAG's own would be fetched from the web; it is only used to measure."""

    def encode(self, content: str) -> list[int]:
        return [ord(character) for character in content]

    def decode(self, tokens: Sequence[int]) -> str:
        return "".join(map(chr, tokens))


class LightRAG:
    """A `Retriever` over a folder of LightRAG's. Use it in a `with` block, or `close` it: it keeps an event loop in a thread.

    `llm` is an engine's settings or a loaded one (default: the embedded model, which is too small to be of use here), `model`
    an embedding model as in `RAG`. Errors are RAGError.
    """

    def __init__(
        self,
        folder: str | Path,
        llm: Any = None,
        *,
        model: str | Embedder = DEFAULT,
        mode: Mode = "mix",
        llm_s: float = PATIENCE_S,
    ) -> None:
        """`llm_s`: seconds that the model may take for its next piece."""
        self._folder, self._llm, self._mode = Path(folder), llm, mode
        self._llm_s = llm_s
        self._embedder = embedder(model)
        self._lock = threading.RLock()
        self._closing = contextlib.ExitStack()
        self._engine: Any = None
        self._portal: Any = None

    # ── documents ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def add(self, *files: str | Path) -> tuple[str, ...]:
        """Files and folders, read as `RAG` reads them. Returns what was added."""
        found = [file for thing in map(Path, files) for file in (documents.files_in(thing) if thing.is_dir() else [thing])]
        read = [(str(file.absolute()), documents.read(file)) for file in found]
        for source, document in read:
            self.add_text("\n\n".join(block.text for block in document.blocks), source)
        return tuple(source for source, _ in read)

    def add_text(self, text: str, source: str) -> None:
        if not text.strip():
            raise RAGError(f"{source} is empty: expected some words")
        engine = self._opened()
        if self._run(lambda: engine.aget_docs_by_ids([source])):
            self.remove(source)
        name = quote(source, safe="")  # of a path LightRAG keeps the last part only
        track = self._run(lambda: engine.ainsert(text, file_paths=[name], ids=[source]))
        rows: dict[str, Any] = self._run(lambda: engine.aget_docs_by_track_id(track))
        for row in rows.values():
            if str(getattr(row.status, "value", row.status)) == "failed":
                raise RAGError(f"{source}: LightRAG could not read it ({row.error_msg}); is the language model able enough?")

    def remove(self, source: str) -> None:
        engine = self._opened()
        result = self._run(lambda: engine.adelete_by_doc_id(source))
        if result.status != "success":
            raise RAGError(f"{source} could not be removed: {result.message}")

    # ── asking ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def retrieve(self, query: str, k: int = 5) -> list[Passage]:
        """Passages of the documents first, in LightRAG's order, then entities and relations, `k` of all. LightRAG gives no
        scores; `score` falls from 1 with the rank."""
        if k < 1:
            raise RAGError(f"k = {k}: expected 1 or more passages")
        engine, wanted = self._opened(), question(query)
        param = imported("lightrag:QueryParam")(
            mode=self._mode, top_k=4 * k, chunk_top_k=k, enable_rerank=False, max_total_tokens=CONTEXT_CHARACTERS
        )
        found: dict[str, Any] = self._run(lambda: engine.aquery_data(wanted, param))
        data: dict[str, Any] = found.get("data") or {}
        passages = [*_chunks(data), *_relations(data), *_entities(data)][:k]
        return [Passage(p.text, p.source, p.title, score=1 / rank) for rank, p in enumerate(passages, 1)]

    # ── inside ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _opened(self) -> Any:
        with self._lock:
            if self._engine is None:
                try:
                    self._engine = self._open()
                except BaseException:
                    self.close()
                    raise
            return self._engine

    def _open(self) -> Any:
        # It writes a log file into the current folder, and asks pip for packages of storages that are not used here.
        os.environ.setdefault("LOG_DIR", str(self._folder))
        try:
            lightrag, utils = imported("lightrag:LightRAG"), imported("lightrag.utils")
        except ImportError as error:
            raise RAGError(f"LightRAG is not installed ({error}): pip install 'cleans2s[lightrag]'") from None
        logging.getLogger("lightrag").setLevel(logging.ERROR)
        self._folder.mkdir(parents=True, exist_ok=True)
        brain, width = brain_of(self._llm), int(self._embedder.encode(["width"]).shape[1])
        from anyio.from_thread import start_blocking_portal

        self._portal = self._closing.enter_context(start_blocking_portal())
        engine = lightrag(
            working_dir=str(self._folder),
            llm_model_func=self._asks(brain),
            llm_model_name=type(brain).__name__,
            embedding_func=utils.EmbeddingFunc(embedding_dim=width, max_token_size=8192, func=self._embeds()),
            tokenizer=utils.Tokenizer("characters", Characters()),
            chunk_token_size=CHUNK_CHARACTERS,
            chunk_overlap_token_size=OVERLAP_CHARACTERS,
            default_llm_timeout=600,
        )
        self._run(engine.initialize_storages)
        self._closing.callback(lambda: self._run(engine.finalize_storages))
        return engine

    def _embeds(self) -> Any:
        model = self._embedder

        async def embed(texts: list[str], **_: Any) -> Vectors:  # a function, because LightRAG copies what it is given
            return np.asarray(await anyio.to_thread.run_sync(model.encode, texts), np.float32)

        return embed

    def _asks(self, brain: Any) -> Any:
        async def ask(prompt: str, system_prompt: str | None = None, history_messages: Any = None, **_: Any) -> str:
            system = [{"role": "system", "content": system_prompt}] if system_prompt else []
            chat: Chat = [*system, *(history_messages or []), {"role": "user", "content": prompt}]
            async with aclosing(stage_items("llm", self._llm_s, brain.reply, chat)) as pieces:
                return "".join([str(piece) async for piece in pieces])

        return ask

    def _run(self, call: Any) -> Any:
        try:
            return self._portal.call(call)
        except Cleans2sError:
            raise
        except (ValueError, RuntimeError, OSError, KeyError, TypeError, AttributeError, CancelledError) as error:
            raise RAGError(f"LightRAG failed ({type(error).__name__}: {error}); its files are in {self._folder}") from error

    def close(self) -> None:
        with self._lock:
            self._closing.close()
            self._engine = None

    def __enter__(self) -> LightRAG:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def _chunks(data: dict[str, Any]) -> Generator[Passage]:
    for row in data.get("chunks", ()):
        yield Passage(row["content"], unquote(row["file_path"]), Path(unquote(row["file_path"])).name)


def _relations(data: dict[str, Any]) -> Generator[Passage]:
    for row in data.get("relationships", ()):
        yield Passage(row["description"], unquote(row["file_path"]), f"{row['src_id']} – {row['tgt_id']}")


def _entities(data: dict[str, Any]) -> Generator[Passage]:
    for row in data.get("entities", ()):
        yield Passage(row["description"], unquote(row["file_path"]), row["entity_name"])
