"""The networks of the small judge: for each language a published encoder whose upper layers were tuned here, a head, and
beside them a linear model of n-grams. English is read by the lower half of MPNet, all of which is tuned and comes with the
package; Chinese by e5, whose lower layers and words are those that were published."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from ..bert import RELATIVE, WORDS, Vectors, batches, converted, encoder, write
from ..errors import ModelError
from ..models import path
from ..stages import imported
from . import Situation, mpnet
from .e5 import LAYER, E5File
from .reading import n_grams, pooled, read
from .telling import features

TOKENIZER = "tokenizer.json"

LANGUAGES = {"en": ("minilm-l6-v2", TOKENIZER), "zh": ("e5-small-q4", "e5-small-q4.bin")}
"""What of the catalogue is needed to read a language: BERT's words, which MPNet shares with MiniLM; all of e5."""

TRAINED_FROM = {"en": (LANGUAGES["en"], ("mpnet-base-v2", "all-mpnet-base-v2.zip")), "zh": (LANGUAGES["zh"],)}
"""What training needs."""

NETWORKS = {"en": ("en",), "zh": ("zh", "zh-ends")}
"""The names of the weights of a language. The first network judges everything; a second one, trained apart from it, ends of
turns alone, where the mean of both counts."""


# ── the encoder ───────────────────────────────────────────────────────────────────────────────────────────────────────


def published(language: str) -> list[Path]:
    """The files of the catalogue with which its networks read, fetched where they are missing."""
    name, file = LANGUAGES[language]
    return [path(name) / file]


def opened(files: Sequence[Path]) -> tuple[dict[str, Vectors], Any]:
    """Weights, named as in transformers' BertModel, and the tokenizer: of e5's one file, of a tokenizer's alone, or of that and
    MPNet's archive."""
    if files[0].suffix == ".bin":
        file = E5File.read(files[0])
        kept = file.kept()
        return file.weights(kept), file.tokenizer(kept)
    tokenizer = imported("tokenizers").Tokenizer.from_file(str(files[0]))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return (mpnet.weights(files[1], tokenizer) if files[1:] else {}), tokenizer


# ── what was tuned ────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass
class TunedLayers:
    """Weights above layer `below`, named as in transformers' BertModel; with those beside the layers, such as the embeddings of
    words, where no file of the catalogue has them."""

    weights: dict[str, Vectors]
    below: int

    @classmethod
    def from_module(cls, state: dict[str, Vectors], below: int) -> TunedLayers:
        found: dict[str, Vectors] = {}
        for name, value in state.items():  # such as 0.q.weight
            number, short, what = name.split(".")
            found[f"encoder.layer.{below + int(number)}.{LAYER[short]}.{what}"] = value
        return cls(found, below)

    def save(self, file: Path, head: dict[str, Vectors], linear: Vectors | None) -> None:
        """Matrices, words included, in 8 bits with a scale for each row, the head in 16. Written whole or not at all."""
        arrays: dict[str, npt.NDArray[Any]] = {"below": np.array(self.below)}
        for name, value in self.weights.items():
            if value.ndim == 2 and name != RELATIVE:
                scale = np.abs(value).max(axis=1, keepdims=True) / 127
                arrays[f"{name}/int8"] = np.round(value / np.where(scale, scale, 1)).astype(np.int8)
                arrays[f"{name}/scale"] = scale.astype(np.float32)
            else:
                arrays[name] = value.astype(np.float32)
        arrays |= {f"head/{name}": value.astype(np.float16) for name, value in head.items()}
        if linear is not None:
            arrays["linear"] = linear.astype(np.float16)
        partial = file.with_name(f".{file.name}.partial")
        with partial.open("wb") as stream:
            cast(Any, np.savez_compressed)(stream, **arrays)
        os.replace(partial, file)

    @classmethod
    def load(cls, file: Path) -> TunedLayers:
        """Raises ModelError for a file that `save` did not write."""
        found = _arrays(file, "encoder.", "embeddings.", "below")
        if "below" not in found:
            raise _none_here(file, "no layers")
        weights = {name: value for name, value in found.items() if name != "below" and "/" not in name}
        for name in [name for name in found if name.endswith("/int8")]:
            plain = name.removesuffix("/int8")
            weights[plain] = found[name].astype(np.float32) * found[f"{plain}/scale"]
        return cls(weights, int(found["below"]))


def heads(file: Path) -> tuple[dict[str, Vectors], Vectors | None]:
    """What stands beside the tuned layers: the head of the network, and the linear model where it is there. Raises ModelError
    as they do."""
    found = {name: value.astype(np.float32) for name, value in _arrays(file, "head/", "linear").items()}
    linear = found.pop("linear", None)
    if not found:
        raise _none_here(file, "no head")
    return {name.removeprefix("head/"): value for name, value in found.items()}, linear


def _arrays(file: Path, *begin: str) -> dict[str, npt.NDArray[Any]]:
    try:
        with file.open("rb") as stream, np.load(stream, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files if name.startswith(begin)}
    except (OSError, EOFError, ValueError, AttributeError, BadZipFile) as error:
        raise _none_here(file, error) from None


def _none_here(file: Path, why: object) -> ModelError:
    return ModelError(
        f"{file} does not hold the judge's weights ({why}); install the package again, or write them with "
        "`python -m cleans2s.judge.train`"
    )


@dataclass
class Reader:
    """A tokenizer, and an encoder whose upper layers were tuned."""

    tokenizer: Any
    encoder: Any

    @classmethod
    def load(cls, files: Sequence[Path], tuned: Path, threads: int = 1) -> Reader:
        """A published encoder's files with the layers that `TunedLayers.save` wrote."""
        folder = converted("cleans2s.judge.network:convert", [*files, tuned])
        return cls(imported("tokenizers").Tokenizer.from_file(str(folder / TOKENIZER)), encoder(folder, threads))

    def pooled(self, situations: Sequence[Situation]) -> Vectors:
        """What the head sees of each situation."""
        reads = [read(self.tokenizer, situation) for situation in situations]
        found: dict[int, Vectors] = {}
        for rows in batches([len(each.tokens) for each in reads]):
            chosen = [reads[row] for row in rows]
            states = np.asarray(self.encoder.forward_batch([list(each.tokens) for each in chosen]).last_hidden_state)
            vectors = pooled(states, [each.words_at for each in chosen], [len(each.tokens) for each in chosen])
            found |= dict(zip(rows, vectors, strict=True))
        return np.stack([found[row] for row in range(len(reads))])


def convert(*files: str) -> None:
    """A published encoder's files with the tuned layers, as CTranslate2 reads them, and the tokenizer: into the last one,
    a folder."""
    *base, tuned, target = map(Path, files)
    weights, tokenizer = opened(base)
    layers = TunedLayers.load(tuned)
    whole = {name: value for name, value in weights.items() if layer_of(name) < layers.below} | layers.weights
    write(whole, len(whole[WORDS]), target, "int8")
    tokenizer.save(str(target / TOKENIZER))


def layer_of(name: str) -> int:
    """The number of the layer to which weights of this name belong; -1 for those below all layers."""
    return int(name.split(".")[2]) if name.startswith("encoder.layer.") else -1


# ── the whole ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass
class Network:
    reader: Reader
    head: dict[str, Vectors]
    linear: Vectors | None = None
    """Of the first network of a language."""

    @classmethod
    def load(cls, language: str, file: Path, threads: int = 1) -> Network:
        """Raises ModelError for a file that training did not write."""
        head, linear = heads(file)
        return cls(Reader.load(published(language), file, threads), head, linear)

    def scores(self, situations: Sequence[Situation]) -> Vectors:
        """A row for each: of the strategies in the order of `ENDS`, of cutting in, of every kind of reason."""
        states = self.reader.pooled(situations)
        counted = np.stack([features(situation) for situation in situations])
        inner = gelu(_dense(np.concatenate([states, counted], axis=1), self.head["1.weight"], self.head["1.bias"]))
        return _dense(inner, self.head["4.weight"], self.head["4.bias"])

    def linear_scores(self, situations: Sequence[Situation]) -> Vectors:
        """The same of the linear model, without the kinds of those strategies that answer a turn which has ended."""
        linear = cast("Vectors", self.linear)
        return np.stack([linear[-1] + np.array(values, np.float32) @ linear[rows] for rows, values in map(n_grams, situations)])


def _dense(x: Vectors, weight: Vectors, bias: Vectors) -> Vectors:
    return np.asarray(cast("Any", x) @ weight.T + bias, np.float32)


def gelu(x: Vectors) -> Vectors:
    """x times the normal distribution function of x; the latter by Abramowitz and Stegun 7.1.26, off by less than 1.5e-7."""
    z: Any = np.abs(x) / np.float32(np.sqrt(2.0))
    t = 1 / (1 + 0.3275911 * z)
    series = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))))
    return (0.5 * x * (1 + np.sign(x) * (1 - series * np.exp(-z * z)))).astype(np.float32)
