"""The encoder of the small judge: e5's lower layers as they were published, its upper layers as they were tuned here."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from ..embedding import Vectors, bert
from ..errors import ModelError
from ..models import path
from .e5 import LAYER, E5File
from .reading import Read, pooled

BATCH_TOKENS = 4096


@dataclass
class TunedLayers:
    """Weights above layer `below`, named as in transformers' BertModel."""

    weights: dict[str, Vectors]
    below: int

    @classmethod
    def from_module(cls, state: dict[str, Vectors], below: int) -> TunedLayers:
        found: dict[str, Vectors] = {}
        for name, value in state.items():  # such as 0.q.weight
            number, short, what = name.split(".")
            found[f"encoder.layer.{below + int(number)}.{LAYER[short]}.{what}"] = value
        return cls(found, below)

    def save(self, file: Path, head: dict[str, Vectors], linear: Vectors) -> None:
        """Matrices of the layers in 8 bits with a scale for each row, all else in 16. Written whole or not at all."""
        arrays: dict[str, npt.NDArray[Any]] = {"below": np.array(self.below)}
        for name, value in self.weights.items():
            if value.ndim == 2:
                scale = np.abs(value).max(axis=1, keepdims=True) / 127
                arrays[f"{name}/int8"] = np.round(value / scale).astype(np.int8)
                arrays[f"{name}/scale"] = scale.astype(np.float32)
            else:
                arrays[name] = value.astype(np.float32)
        arrays |= {f"head/{name}": value.astype(np.float16) for name, value in head.items()}
        arrays["linear"] = linear.astype(np.float16)
        partial = file.with_name(f".{file.name}.partial")
        with partial.open("wb") as stream:
            cast(Any, np.savez_compressed)(stream, **arrays)
        os.replace(partial, file)

    @classmethod
    def load(cls, file: Path) -> tuple[TunedLayers, dict[str, Vectors], Vectors]:
        """With the head and the linear model. Raises ModelError for a file that is not such."""
        try:
            with file.open("rb") as stream, np.load(stream, allow_pickle=False) as arrays:
                found = {name: arrays[name] for name in arrays.files}
            weights = {name: value for name, value in found.items() if name.startswith("encoder.") and "/" not in name}
            for name in [name for name in found if name.endswith("/int8")]:
                plain = name.removesuffix("/int8")
                weights[plain] = found[name].astype(np.float32) * found[f"{plain}/scale"]
            head = {n.removeprefix("head/"): v.astype(np.float32) for n, v in found.items() if n.startswith("head/")}
            return cls(weights, int(found["below"])), head, found["linear"].astype(np.float32)
        except (OSError, EOFError, ValueError, KeyError, AttributeError, BadZipFile) as error:
            raise ModelError(
                f"{file} does not hold the judge's weights ({error}); install the package again, or write them with "
                "`python -m cleans2s.judge.train`"
            ) from None


@dataclass
class Reader:
    """e5 with its tokenizer; `below` layers of it, or with `tuned` all."""

    tokenizer: Any
    encoder: Any
    below: int
    weights: dict[str, Vectors]

    @classmethod
    def load(cls, threads: int, below: int, tuned: TunedLayers | None = None, base: Path | None = None) -> Reader:
        """`base` is another file than the catalogue's."""
        file = E5File.read(base or path("e5-small-q4") / "e5-small-q4.bin")
        kept = file.kept()
        weights = file.weights(kept)
        lower = {name: value for name, value in weights.items() if _layer(name) < below}
        used = lower | tuned.weights if tuned else lower
        return cls(file.tokenizer(kept), bert(used, len(kept), threads, "int8"), below, {} if tuned else weights)

    def upper_weights(self) -> dict[str, Vectors]:
        return {name: value for name, value in self.weights.items() if _layer(name) >= self.below}

    def lower_states(self, reads: Sequence[Read]) -> list[npt.NDArray[np.float16]]:
        """The hidden states of each text's tokens."""
        found: list[npt.NDArray[np.float16]] = [np.zeros((0, 0), np.float16)] * len(reads)
        for rows in _batches(reads):
            states = self._states([reads[row] for row in rows])
            for row, state in zip(rows, states, strict=True):
                found[row] = state[: len(reads[row].tokens)].astype(np.float16)
        return found

    def pooled(self, reads: Sequence[Read]) -> Vectors:
        """What the head sees of each text."""
        parts: dict[int, Vectors] = {}
        for rows in _batches(reads):
            chosen = [reads[row] for row in rows]
            vectors = pooled(self._states(chosen), [r.words_at for r in chosen], [len(r.tokens) for r in chosen])
            parts |= dict(zip(rows, vectors, strict=True))
        return np.stack([parts[row] for row in range(len(reads))])

    def _states(self, reads: Sequence[Read]) -> Vectors:
        return np.asarray(self.encoder.forward_batch([list(r.tokens) for r in reads]).last_hidden_state)


def _batches(reads: Sequence[Read]) -> list[list[int]]:
    longest_first = sorted(range(len(reads)), key=lambda row: -len(reads[row].tokens))
    found: list[list[int]] = []
    while longest_first:
        count = max(1, BATCH_TOKENS // len(reads[longest_first[0]].tokens))
        found.append(longest_first[:count])
        longest_first = longest_first[count:]
    return found


def _layer(name: str) -> int:
    return int(name.split(".")[2]) if name.startswith("encoder.layer.") else -1
