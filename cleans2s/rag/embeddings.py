"""Which model turns texts into vectors.

The default, all-MiniLM-L6-v2, runs in CTranslate2 (`cleans2s.embedding`): its vectors are those of sentence-transformers to a
cosine of 0.997 or better, it embeds 25 passages of 200 words a second where sentence-transformers does 13, and a question
in 2 ms where that takes 9 (two shared cores, 2026-11-21, one run); and torch stays out of the conversation. Any other model
runs in sentence-transformers, by its name or from a folder.
"""

from __future__ import annotations

import math
import re
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from ..errors import RAGError
from ..stages import imported, load

Vectors: TypeAlias = npt.NDArray[np.float32]

DEFAULT = "minilm-l6-v2"
SAME_AS_DEFAULT = frozenset({DEFAULT, "all-MiniLM-L6-v2", "sentence-transformers/all-MiniLM-L6-v2"})

PROBE = "The quick brown fox reads the documents. 你好，世界。"
"""Embedded once for every index: a model under the same name that gives another vector for it is another model."""

PROBE_SIMILARITY = 0.98
"""The least that the probe's vectors may agree. The same model in another precision stays above 0.99."""

BATCH = 32


class Embedder(Protocol):
    """A model of sentence embeddings. Bring your own: an object with these two is enough."""

    @property
    def name(self) -> str:
        """Kept with the index."""
        ...

    def encode(self, texts: Sequence[str]) -> Vectors:
        """One row for each text, of length 1. Blocking; called from several threads."""
        ...


def knows(model: Embedder, text: str) -> bool:
    """Whether a model can compare texts of this one's language. A model that does not name its `languages` is trusted with
    all."""
    languages = getattr(model, "languages", None)
    letters = re.findall(r"[^\W\d_]", text)
    latin = sum(letter < "\u0250" for letter in letters)
    return languages is None or latin * 2 >= len(letters) or not languages <= {"en"}


def embedder(model: str | Embedder) -> Embedder:
    """What a name stands for. Nothing is loaded before the first text is embedded."""
    if not isinstance(model, str):
        return model
    return Small() if model in SAME_AS_DEFAULT else Named(model)


@dataclass
class Small:
    """all-MiniLM-L6-v2 without torch."""

    name: str = DEFAULT
    languages: frozenset[str] = frozenset({"en"})

    def encode(self, texts: Sequence[str]) -> Vectors:
        model: Any = load(imported("cleans2s.embedding:MiniLM")())
        if len(texts) <= 2:
            return model.encode(texts)
        halves = [texts[::2], texts[1::2]]  # the model runs two batches at a time, each on one core
        with ThreadPoolExecutor(len(halves)) as pool:
            even, odd = pool.map(model.encode, halves)
        vectors = np.empty((len(texts), even.shape[1]), np.float32)
        vectors[::2], vectors[1::2] = even, odd
        return vectors


class Named:
    """Any model that sentence-transformers can load; it brings torch."""

    def __init__(self, name: str) -> None:
        self._name, self._lock = name, threading.Lock()
        self._model: Any = None

    @property
    def name(self) -> str:
        return str(Path(self._name).absolute()) if Path(self._name).is_dir() else self._name

    def encode(self, texts: Sequence[str]) -> Vectors:
        with self._lock:  # its tokenizer may not be used by two threads
            if self._model is None:
                self._model = self._loaded()
            found = self._model.encode(list(texts), batch_size=BATCH, normalize_embeddings=True, show_progress_bar=False)
        return np.asarray(found, np.float32)

    def _loaded(self) -> Any:
        try:
            transformer = imported("sentence_transformers:SentenceTransformer")
        except ImportError:
            raise RAGError(
                f"the embedding model {self._name!r} needs sentence-transformers: pip install 'cleans2s[embeddings]', or take "
                f"the default, {DEFAULT}"
            ) from None
        try:
            return transformer(self._name, device="cpu")
        except (OSError, ValueError, KeyError, RuntimeError, ImportError) as error:
            reason = str(error).strip().split("\n")[0]
            raise RAGError(
                f"the embedding model {self._name!r} cannot be loaded ({reason}): expected {DEFAULT}, a folder that "
                "sentence-transformers has saved, or a name of its model hub"
            ) from None


def probed(model: Embedder) -> tuple[float, ...]:
    """The probe's vector, short enough to be kept in a file."""
    numbers: list[float] = model.encode([PROBE])[0].tolist()
    return tuple(round(number, 4) for number in numbers)


def same(one: Sequence[float], other: Sequence[float]) -> bool:
    if len(one) != len(other):
        return False
    product = sum(a * b for a, b in zip(one, other, strict=True))
    return product >= PROBE_SIMILARITY * math.hypot(*one) * math.hypot(*other)
