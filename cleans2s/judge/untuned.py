"""A published encoder as training takes it: the lower layers read every example once and stay; the weights of the others are
where tuning begins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..bert import WORDS, Vectors, batches, bert, positions
from .network import layer_of, opened
from .reading import Read


@dataclass
class Untuned:
    tokenizer: Any
    below: int
    """How many layers stay as they were published."""

    weights: dict[str, Vectors]
    """All of them, named as in transformers' BertModel."""

    @classmethod
    def load(cls, files: Sequence[Path], below: int, layers: Sequence[int] | None = None) -> Untuned:
        """`layers`: an encoder of these alone, in this order."""
        weights, tokenizer = opened(files)
        return cls(tokenizer, below, weights if layers is None else _of_layers(weights, layers))

    def beside_layers(self) -> dict[str, Vectors]:
        """Their weights: the embeddings, and how far apart tokens are."""
        return {name: value for name, value in self.weights.items() if layer_of(name) < 0}

    def lower_states(self, reads: Sequence[Read], threads: int = 1) -> list[npt.NDArray[np.float16]]:
        """The hidden states of each text's tokens, below the layers that are tuned."""
        if not self.below:
            return [self._embedded(each.tokens).astype(np.float16) for each in reads]
        lower = {name: value for name, value in self.weights.items() if layer_of(name) < self.below}
        encoder = bert(lower, len(lower[WORDS]), threads, precision="int8")
        found: dict[int, npt.NDArray[np.float16]] = {}
        for rows in batches([len(each.tokens) for each in reads]):
            states = np.asarray(encoder.forward_batch([list(reads[row].tokens) for row in rows]).last_hidden_state)
            found |= {row: state[: len(reads[row].tokens)].astype(np.float16) for row, state in zip(rows, states, strict=True)}
        return [found[row] for row in range(len(reads))]

    def _embedded(self, tokens: Sequence[int]) -> Vectors:
        """What the first layer sees: CTranslate2 has no encoder without layers."""
        weights = self.weights
        seen = weights[WORDS][list(tokens)] + positions(weights)[: len(tokens)]
        seen = (seen - seen.mean(axis=1, keepdims=True)) / np.sqrt(seen.var(axis=1, keepdims=True) + 1e-12)
        return seen * weights["embeddings.LayerNorm.weight"] + weights["embeddings.LayerNorm.bias"]


def _of_layers(weights: dict[str, Vectors], layers: Sequence[int]) -> dict[str, Vectors]:
    place = {layer: str(number) for number, layer in enumerate(layers)}
    found = {name: value for name, value in weights.items() if layer_of(name) < 0}
    for name, value in weights.items():
        if (layer := layer_of(name)) in place:
            found[name.replace(str(layer), place[layer], 1)] = value
    return found
