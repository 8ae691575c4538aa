"""An embedding model for tests: a text is the words it has, each in a place of its own by its hash. No weights, always the
same, and texts that share words are near to each other."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from cleans2s.rag.terms import terms

WIDTH = 64


@dataclass
class Words:
    name: str = "words"
    salt: str = ""
    calls: list[int] = field(default_factory=list[int])

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        self.calls.append(len(texts))
        rows = np.full((len(texts), WIDTH), 1e-3, np.float32)
        for row, text in zip(rows, texts, strict=True):
            for term in terms(text):
                row[zlib.crc32((self.salt + term).encode()) % WIDTH] += 1
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)
