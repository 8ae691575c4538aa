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

from ..bert import Vectors, bert, converted, encoder, write
from ..errors import ModelError
from ..models import path
from ..stages import imported
from .e5 import LAYER, E5File
from .reading import Read, pooled

BATCH_TOKENS = 4096
BASE, TOKENIZER = "e5-small-q4", "tokenizer.json"


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
    def load(cls, file: Path) -> TunedLayers:
        """Raises ModelError for a file that `save` did not write."""
        found = _arrays(file, "encoder.", "below")
        weights = {name: value for name, value in found.items() if name.startswith("encoder.") and "/" not in name}
        for name in [name for name in found if name.endswith("/int8")]:
            plain = name.removesuffix("/int8")
            weights[plain] = found[name].astype(np.float32) * found[f"{plain}/scale"]
        return cls(weights, int(found["below"]))


def heads(file: Path) -> tuple[dict[str, Vectors], Vectors]:
    """What stands beside the tuned layers: the head of the network, and the linear model. Raises ModelError as they do."""
    found = {name: value.astype(np.float32) for name, value in _arrays(file, "head/", "linear").items()}
    return {name.removeprefix("head/"): value for name, value in found.items() if name != "linear"}, found["linear"]


def _arrays(file: Path, group: str, single: str) -> dict[str, npt.NDArray[Any]]:
    try:
        with file.open("rb") as stream, np.load(stream, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in [*(name for name in arrays.files if name.startswith(group)), single]}
    except (OSError, EOFError, ValueError, KeyError, AttributeError, BadZipFile) as error:
        raise ModelError(
            f"{file} does not hold the judge's weights ({error}); install the package again, or write them with "
            "`python -m cleans2s.judge.train`"
        ) from None


@dataclass
class Reader:
    """e5 with its tokenizer: the lower `below` layers of it, with the weights of the others, or tuned ones as a whole."""

    tokenizer: Any
    encoder: Any
    below: int
    weights: dict[str, Vectors]

    @classmethod
    def untuned(cls, threads: int, below: int, base: Path | None = None) -> Reader:
        """To be trained. `base` is another file than the catalogue's."""
        file = E5File.read(base or path(BASE) / f"{BASE}.bin")
        kept = file.kept()
        weights = file.weights(kept)
        lower = {name: value for name, value in weights.items() if _layer(name) < below}
        return cls(file.tokenizer(kept), bert(lower, len(kept), threads, "int8"), below, weights)

    @classmethod
    def tuned(cls, threads: int, tuned: Path, base: Path | None = None) -> Reader:
        """With the layers that `TunedLayers.save` wrote."""
        folder = converted("cleans2s.judge.network:convert", [base or path(BASE) / f"{BASE}.bin", tuned])
        return cls(imported("tokenizers").Tokenizer.from_file(str(folder / TOKENIZER)), encoder(folder, threads), 0, {})

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


def convert(base: str, tuned: str, target: str) -> None:
    """Both as CTranslate2 reads them, with the tokenizer."""
    file, layers = E5File.read(Path(base)), TunedLayers.load(Path(tuned))
    kept = file.kept()
    lower = {name: value for name, value in file.weights(kept).items() if _layer(name) < layers.below}
    write(lower | layers.weights, len(kept), Path(target), "int8")
    file.tokenizer(kept).save(str(Path(target) / TOKENIZER))


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
