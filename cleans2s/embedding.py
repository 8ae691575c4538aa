"""Sentence embeddings: texts that mean the same lie close together. all-MiniLM-L6-v2 in CTranslate2, without torch.

The published weights are read as they are and handed to CTranslate2, which is here for Whisper anyway; sentence-transformers
would import torch, which takes ten seconds and the memory of all other engines together.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .bert import Vectors, batches, converted, encoder, mean_states, write
from .errors import ModelError
from .models import path
from .stages import imported, shared

MAX_TOKENS = 256
"""Of a text, its two marks included; what goes beyond is not looked at (the model was trained on no more)."""

DTYPES = {"F32": np.float32, "F16": np.float16, "I64": np.int64}


@dataclass(frozen=True)
class MiniLM:
    """384 numbers for a text in English; other languages are only told apart roughly."""

    model: str = "minilm-l6-v2"
    """A name from `cleans2s models list`."""

    threads: int = 1

    def load(self) -> LoadedMiniLM:
        folder = path(self.model)
        return shared((MiniLM, folder, self.threads), lambda: _minilm(folder, self.threads))


def _minilm(folder: Path, threads: int) -> LoadedMiniLM:
    tokenizer = imported("tokenizers").Tokenizer.from_file(str(folder / "tokenizer.json"))
    sources = [folder / "model.safetensors", folder / "tokenizer.json"]
    loaded = LoadedMiniLM(encoder(converted("cleans2s.embedding:convert", sources), threads), tokenizer)
    loaded.encode(["hello"])
    return loaded


def convert(weights: str, tokenizer: str, target: str) -> None:
    """The published weights as CTranslate2 reads them. Raises ModelError where they are those of something else."""
    vocabulary = imported("tokenizers").Tokenizer.from_file(tokenizer).get_vocab_size()
    try:
        write(read_safetensors(Path(weights)), vocabulary, Path(target))
    except KeyError as error:
        raise ModelError(f"{weights} lacks {error}; expected the weights of a BERT encoder such as MiniLM") from None


@dataclass
class LoadedMiniLM:
    encoder: Any
    tokenizer: Any
    places = 2  # two replies may be prepared at a time; one run takes milliseconds

    def __post_init__(self) -> None:
        self.tokenizer.no_padding()
        self.tokenizer.enable_truncation(MAX_TOKENS)

    def encode(self, texts: Sequence[str]) -> Vectors:
        """One row of 384 for each text, of length 1, so that the product of two rows is their similarity."""
        if not texts:
            return np.zeros((0, 384), np.float32)
        tokens: list[list[int]] = [encoded.ids for encoded in self.tokenizer.encode_batch(list(texts))]
        found: dict[int, Vectors] = {}
        for rows in batches([len(row) for row in tokens]):
            means = mean_states(self.encoder, [tokens[row] for row in rows])
            found |= dict(zip(rows, means / np.linalg.norm(means, axis=1, keepdims=True), strict=True))
        return np.stack([found[row] for row in range(len(tokens))])


def read_safetensors(file: Path) -> dict[str, npt.NDArray[Any]]:
    """The arrays of a safetensors file, mapped, not copied. Layout: eight bytes with the length of the header, the header
    in JSON, the numbers."""
    with file.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        if not 2 <= length <= file.stat().st_size - 8:
            raise ModelError(f"{file} is no safetensors file; run `cleans2s models fetch` again")
        try:
            header: dict[str, Any] = json.loads(stream.read(length))
        except ValueError:
            raise ModelError(f"{file} has a damaged header; run `cleans2s models fetch` again") from None
    data = np.memmap(file, np.uint8, "r", offset=8 + length)
    return {
        name: data[row["data_offsets"][0] : row["data_offsets"][1]].view(DTYPES[row["dtype"]]).reshape(row["shape"])
        for name, row in header.items()
        if name != "__metadata__"
    }
