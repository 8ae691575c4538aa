"""Sentence embeddings: texts that mean the same lie close together. all-MiniLM-L6-v2 in CTranslate2, without torch.

The published weights are read as they are and handed to CTranslate2, which is here for Whisper anyway; sentence-transformers
would import torch, which takes ten seconds and the memory of all other engines together.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias, cast

import numpy as np
import numpy.typing as npt

from .errors import ModelError
from .models import path
from .stages import imported, shared

Vectors: TypeAlias = npt.NDArray[np.float32]
Weights: TypeAlias = Mapping[str, npt.NDArray[Any]]

MAX_TOKENS = 256
"""Of a text, its two marks included; what goes beyond is not looked at (the model was trained on no more)."""

BATCH_TOKENS = 4096
"""Tokens that are embedded at once, padding included."""

HEAD_WIDTH = 32
"""Of the attention heads of every MiniLM."""

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
    try:
        tokenizer = imported("tokenizers").Tokenizer.from_file(str(folder / "tokenizer.json"))
        weights = read_safetensors(folder / "model.safetensors")
        encoder = bert(weights, tokenizer.get_vocab_size(), threads)
    except KeyError as error:
        raise ModelError(f"{folder}: the weights lack {error}; expected those of a BERT encoder such as MiniLM") from None
    loaded = LoadedMiniLM(encoder, tokenizer)
    loaded.encode(["hello"])
    return loaded


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
        longest_first = sorted(range(len(tokens)), key=lambda row: -len(tokens[row]))
        vectors: Vectors | None = None
        while longest_first:
            count = max(1, BATCH_TOKENS // len(tokens[longest_first[0]]))
            rows, longest_first = longest_first[:count], longest_first[count:]
            means = mean_states(self.encoder, [tokens[row] for row in rows])
            if vectors is None:
                vectors = np.zeros((len(tokens), means.shape[1]), np.float32)
            vectors[rows] = means / np.linalg.norm(means, axis=1, keepdims=True)
        assert vectors is not None
        return vectors


def mean_states(encoder: Any, tokens: list[list[int]]) -> Vectors:
    """The mean of the last hidden states of each row of tokens, padding left out."""
    states = np.asarray(encoder.forward_batch(tokens).last_hidden_state)
    mask = cast("Any", np.arange(states.shape[1])[None, :, None] < np.array([len(row) for row in tokens])[:, None, None])
    return (states * mask).sum(axis=1, dtype=np.float32) / mask.sum(axis=1, dtype=np.float32)


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


def bert(weights: Weights, vocabulary: int, threads: int = 1, precision: str = "float32") -> Any:
    """A CTranslate2 encoder with these weights, named as in transformers' BertModel. Its depth and width are those of the
    weights. The vocabulary is by number: words are turned into tokens elsewhere."""
    ctranslate2, specs = imported("ctranslate2"), imported("ctranslate2.specs")
    depth = 1 + max(int(name.split(".")[2]) for name in weights if name.startswith("encoder.layer."))
    words = weights["embeddings.word_embeddings.weight"]
    encoder = specs.TransformerEncoderSpec(
        num_layers=depth,
        num_heads=words.shape[1] // HEAD_WIDTH,
        pre_norm=False,
        activation=imported("ctranslate2.specs.common_spec").Activation.GELU,
        layernorm_embedding=True,
    )
    encoder.scale_embeddings = False
    # Every text is "segment 0": its vector is added to all positions instead of being looked up.
    positions = weights["embeddings.position_embeddings.weight"] + weights["embeddings.token_type_embeddings.weight"][0]
    encoder.embeddings[0].weight = _floats(words)
    encoder.position_encodings.encodings = _floats(positions)
    _norm(encoder.layernorm_embedding, weights, "embeddings.LayerNorm")
    for number, layer in enumerate(encoder.layer):
        name = f"encoder.layer.{number}."
        parts = (f"{name}attention.self.{part}" for part in ("query", "key", "value"))
        _linear(layer.self_attention.linear[0], weights, *parts)
        _linear(layer.self_attention.linear[1], weights, f"{name}attention.output.dense")
        _norm(layer.self_attention.layer_norm, weights, f"{name}attention.output.LayerNorm")
        _linear(layer.ffn.linear_0, weights, f"{name}intermediate.dense")
        _linear(layer.ffn.linear_1, weights, f"{name}output.dense")
        _norm(layer.ffn.layer_norm, weights, f"{name}output.LayerNorm")
    spec = specs.TransformerEncoderModelSpec(encoder)
    spec.config.layer_norm_epsilon = 1e-12
    spec.register_vocabulary([str(number) for number in range(vocabulary)])
    spec.validate()
    spec.optimize(quantization=precision)
    with tempfile.TemporaryDirectory(prefix="cleans2s-") as folder:
        spec.save(folder)
        return ctranslate2.Encoder(
            folder, device="cpu", compute_type=precision, intra_threads=threads, inter_threads=2 if threads == 1 else 1
        )


def _floats(values: npt.NDArray[Any]) -> Vectors:
    return np.array(values, np.float32)  # a copy: it is scaled in place when it is turned into int8


def _linear(spec: Any, weights: Weights, *names: str) -> None:
    spec.weight = _floats(np.concatenate([weights[f"{name}.weight"] for name in names]))
    spec.bias = _floats(np.concatenate([weights[f"{name}.bias"] for name in names]))


def _norm(spec: Any, weights: Weights, name: str) -> None:
    spec.gamma, spec.beta = _floats(weights[f"{name}.weight"]), _floats(weights[f"{name}.bias"])
