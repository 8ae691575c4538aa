"""BERT encoders in CTranslate2, which is here for Whisper anyway: quick on one core, and without torch.

CTranslate2's converter holds the weights several times over and looks for torch, so a conversion has a process of its own,
once; what it wrote is kept in the cache, and read in a tenth of a second.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Generator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias, cast

import numpy as np
import numpy.typing as npt

from .errors import Cleans2sError, ModelError
from .models import cache_folder
from .stages import imported

Vectors: TypeAlias = npt.NDArray[np.float32]
Weights: TypeAlias = Mapping[str, npt.NDArray[Any]]

HEAD_WIDTH = 32
"""Of the attention heads of every MiniLM."""

WORDS, POSITIONS = "embeddings.word_embeddings.weight", "embeddings.position_embeddings.weight"

RELATIVE, FARTHEST = "encoder.relative_attention_bias.weight", 128
"""Of an encoder that knows how far apart two tokens are, besides where they stand (Raffel et al., arXiv 1910.10683): a column
for each head, a row for each distance, where great ones share a row; all beyond the farthest do."""

IDLE = 16
"""Width within a layer that does nothing."""

BATCH_TOKENS = 1024
"""Tokens that an encoder reads at once: with 4,096 six layers took 2.4 times as long."""

EDITION = 1
"""Of what conversions write; a higher one lets older conversions lie."""


# ── converted once ────────────────────────────────────────────────────────────────────────────────────────────────────


def converted(convert: str, sources: Sequence[Path]) -> Path:
    """The folder that the function `convert` ("package.module:name") made of these files: it is called with their paths
    and an empty folder. Raises ModelError with what it complained of."""
    stats = [(str(file.resolve()), file.stat().st_size, file.stat().st_mtime_ns) for file in sources]
    edition = EDITION, imported("ctranslate2:__version__")
    key = hashlib.sha256(repr((edition, convert, stats)).encode()).hexdigest()[:16]
    target = cache_folder().parent / "converted" / key
    if target.is_dir():
        return target
    with _alone(target):
        if not target.is_dir():
            staging = Path(tempfile.mkdtemp(prefix=".partial-", dir=target.parent))
            try:
                ready = staging / "ready"
                ready.mkdir()
                _elsewhere(convert, [*(str(file.resolve()) for file in sources), str(ready)])
                os.replace(ready, target)
            finally:
                shutil.rmtree(staging, ignore_errors=True)
    return target


@contextlib.contextmanager
def _alone(target: Path) -> Generator[None]:
    import filelock

    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        lock: Any = filelock.FileLock(target.parent / f".{target.name}.lock")
        with lock:
            yield
    except OSError as error:
        raise ModelError(
            f"{target.parent} cannot be written ({error.strerror or error}); make room there, or set CLEANS2S_CACHE to another "
            "folder"
        ) from None


def _elsewhere(function: str, arguments: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "cleans2s.bert", function, *arguments],
        cwd=Path(__file__).parents[1],  # so that it finds this package, and no other
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise ModelError(done.stderr.strip() or f"converting {arguments[0]} ended with code {done.returncode}")


def encoder(folder: Path, threads: int = 1) -> Any:
    """A CTranslate2 encoder, from what `write` wrote."""
    return imported("ctranslate2").Encoder(
        str(folder), device="cpu", compute_type="default", intra_threads=threads, inter_threads=2 if threads == 1 else 1
    )


def batches(lengths: Sequence[int]) -> Iterator[list[int]]:
    """The places of texts of these lengths, the longest first, in groups of about `BATCH_TOKENS`, padding included."""
    longest_first = sorted(range(len(lengths)), key=lambda place: -lengths[place])
    while longest_first:
        count = max(1, BATCH_TOKENS // lengths[longest_first[0]])
        yield longest_first[:count]
        longest_first = longest_first[count:]


def mean_states(encoder: Any, tokens: list[list[int]]) -> Vectors:
    """The mean of the last hidden states of each row of tokens, padding left out."""
    states = np.asarray(encoder.forward_batch(tokens).last_hidden_state)
    mask = cast("Any", np.arange(states.shape[1])[None, :, None] < np.array([len(row) for row in tokens])[:, None, None])
    return (states * mask).sum(axis=1, dtype=np.float32) / mask.sum(axis=1, dtype=np.float32)


# ── the conversion ────────────────────────────────────────────────────────────────────────────────────────────────────


def bert(weights: Weights, vocabulary: int, threads: int = 1, precision: str = "float32") -> Any:
    """An encoder with these weights, converted here and not kept."""
    with tempfile.TemporaryDirectory(prefix="cleans2s-") as folder:
        write(weights, vocabulary, Path(folder), precision)
        return encoder(Path(folder), threads)


def heads(weights: Weights) -> int:
    """How many an encoder of these weights has."""
    return weights[RELATIVE].shape[1] if RELATIVE in weights else weights[WORDS].shape[1] // HEAD_WIDTH


def write(weights: Weights, vocabulary: int, folder: Path, precision: str = "float32") -> None:
    """A CTranslate2 model of these weights, named as in transformers' BertModel. Its depth and width are those of the
    weights. The vocabulary is by number: words are turned into tokens elsewhere."""
    specs = imported("ctranslate2.specs.transformer_spec")
    depth = 1 + max((int(name.split(".")[2]) for name in weights if name.startswith("encoder.layer.")), default=-1)
    encoder = specs.TransformerEncoderSpec(
        num_layers=depth,
        num_heads=heads(weights),
        pre_norm=False,
        activation=imported("ctranslate2.specs.common_spec").Activation.GELU,
        layernorm_embedding=True,
    )
    if RELATIVE in weights:
        encoder.layer[:] = [specs.TransformerEncoderLayerSpec(relative_attention_bias=True) for _ in encoder.layer]
    encoder.scale_embeddings = False
    encoder.embeddings[0].weight = _floats(weights[WORDS])
    encoder.position_encodings.encodings = _floats(positions(weights))
    _norm(encoder.layernorm_embedding, weights, "embeddings.LayerNorm")
    for number, layer in enumerate(encoder.layer):
        name = f"encoder.layer.{number}."
        if RELATIVE in weights:
            layer.self_attention.relative_attention_bias = _floats(weights[RELATIVE])
            layer.self_attention.relative_attention_max_distance = np.int32(FARTHEST)
        parts = (f"{name}attention.self.{part}" for part in ("query", "key", "value"))
        _linear(layer.self_attention.linear[0], weights, *parts)
        _linear(layer.self_attention.linear[1], weights, f"{name}attention.output.dense")
        _norm(layer.self_attention.layer_norm, weights, f"{name}attention.output.LayerNorm")
        _linear(layer.ffn.linear_0, weights, f"{name}intermediate.dense")
        _linear(layer.ffn.linear_1, weights, f"{name}output.dense")
        _norm(layer.ffn.layer_norm, weights, f"{name}output.LayerNorm")
    if RELATIVE in weights:
        encoder.layer.insert(0, _idle_layer(specs, encoder, weights))
    spec = specs.TransformerEncoderModelSpec(encoder)
    spec.config.layer_norm_epsilon = 1e-12
    spec.register_vocabulary([str(number) for number in range(vocabulary)])
    spec.validate()
    spec.optimize(quantization=precision)
    spec.save(str(folder))


def positions(weights: Weights) -> Vectors:
    """What is added to the words by where they stand. Every text is "segment 0", whose vector, if there is one, goes to all."""
    segment = weights.get("embeddings.token_type_embeddings.weight")
    return weights[POSITIONS] if segment is None else weights[POSITIONS] + segment[0]


def _idle_layer(specs: Any, encoder: Any, weights: Weights) -> Any:
    """A first layer that adds nothing. CTranslate2 takes an encoder for one without positions where its first layer knows
    distances; MPNet has both. What follows the embeddings is normalised by its last step instead of before it."""
    layer, width = specs.TransformerEncoderLayerSpec(), weights[WORDS].shape[1]
    nothing = {"in.weight": np.zeros((3 * width, width)), "in.bias": np.zeros(3 * width)}
    nothing |= {"out.weight": np.zeros((width, width)), "out.bias": np.zeros(width)}
    nothing |= {"up.weight": np.zeros((IDLE, width)), "up.bias": np.zeros(IDLE)}
    nothing |= {"down.weight": np.zeros((width, IDLE)), "down.bias": np.zeros(width)}
    plain = {"norm.weight": np.ones(width), "norm.bias": np.zeros(width)}
    _linear(layer.self_attention.linear[0], nothing, "in")
    _linear(layer.self_attention.linear[1], nothing, "out")
    _linear(layer.ffn.linear_0, nothing, "up")
    _linear(layer.ffn.linear_1, nothing, "down")
    _norm(encoder.layernorm_embedding, plain, "norm")
    _norm(layer.self_attention.layer_norm, plain, "norm")
    _norm(layer.ffn.layer_norm, weights, "embeddings.LayerNorm")
    return layer


def _floats(values: npt.NDArray[Any]) -> Vectors:
    return np.array(values, np.float32)  # a copy: it is scaled in place when it is turned into int8


def _linear(spec: Any, weights: Weights, *names: str) -> None:
    spec.weight = _floats(np.concatenate([weights[f"{name}.weight"] for name in names]))
    spec.bias = _floats(np.concatenate([weights[f"{name}.bias"] for name in names]))


def _norm(spec: Any, weights: Weights, name: str) -> None:
    spec.gamma, spec.beta = _floats(weights[f"{name}.weight"]), _floats(weights[f"{name}.bias"])


def main(function: str, *arguments: str) -> int:
    sys.modules["torch"] = None  # type: ignore[assignment]  # the converter would import it for seconds, and not use it
    try:
        imported(function)(*arguments)
    except Cleans2sError as error:
        sys.stderr.write(str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
