"""Sentence embeddings without torch, against sentence-transformers."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from cleans2s.bert import bert, converted, encoder, mean_states
from cleans2s.embedding import MAX_TOKENS, LoadedMiniLM, MiniLM, read_safetensors
from cleans2s.errors import ModelError
from cleans2s.models import path
from cleans2s.stages import load

TEXTS = [
    "How long do I boil an egg?",
    "How many minutes does an egg need in boiling water?",
    "The tax office is closed on Fridays.",
    "木耳泡多久？",
    "hi",
    "",
    "word " * 400,
]


def little_bert(width: int = 64, layers: int = 2, seed: int = 0) -> dict[str, np.ndarray]:
    """A BERT encoder of random weights, with the names that transformers gives."""
    chance, inner = np.random.default_rng(seed), 4 * width

    def matrix(*shape: int) -> np.ndarray:
        return chance.normal(0, 0.2, shape).astype(np.float32)

    weights = {
        "embeddings.word_embeddings.weight": matrix(50, width),
        "embeddings.position_embeddings.weight": matrix(32, width),
        "embeddings.token_type_embeddings.weight": matrix(2, width),
        "embeddings.LayerNorm.weight": 1 + matrix(width),
        "embeddings.LayerNorm.bias": matrix(width),
    }
    for layer in range(layers):
        for name, shape in (
            ("attention.self.query", (width, width)),
            ("attention.self.key", (width, width)),
            ("attention.self.value", (width, width)),
            ("attention.output.dense", (width, width)),
            ("intermediate.dense", (inner, width)),
            ("output.dense", (width, inner)),
        ):
            weights[f"encoder.layer.{layer}.{name}.weight"] = matrix(*shape)
            weights[f"encoder.layer.{layer}.{name}.bias"] = matrix(shape[0])
        for name in ("attention.output.LayerNorm", "output.LayerNorm"):
            weights[f"encoder.layer.{layer}.{name}.weight"] = 1 + matrix(width)
            weights[f"encoder.layer.{layer}.{name}.bias"] = matrix(width)
    return weights


def test_the_encoder_computes_what_transformers_computes() -> None:
    torch, transformers = pytest.importorskip("torch"), pytest.importorskip("transformers")
    weights = little_bert()
    config = transformers.BertConfig(
        vocab_size=50,
        hidden_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=256,
        max_position_embeddings=32,
        layer_norm_eps=1e-12,
    )
    model = transformers.BertModel(config, add_pooling_layer=False).eval()
    model.load_state_dict({name: torch.from_numpy(value) for name, value in weights.items()}, strict=True)
    rows = [[1, 2, 3, 4, 5], [6, 7]]
    ours = mean_states(bert(weights, 50), rows)
    with torch.inference_mode():
        theirs = [model(torch.tensor([row])).last_hidden_state[0].mean(0).numpy() for row in rows]
    np.testing.assert_allclose(ours, np.stack(theirs), atol=1e-4)


def written(values: dict[str, np.ndarray], file: Path) -> Path:
    """A safetensors file."""
    header, data = {}, b""
    for name, value in values.items():
        dtype = {"float32": "F32", "int64": "I64"}[str(value.dtype)]
        header[name] = {"dtype": dtype, "shape": value.shape, "data_offsets": [len(data), len(data) + value.nbytes]}
        data += value.tobytes()
    text = json.dumps(header).encode()
    file.write_bytes(len(text).to_bytes(8, "little") + text + data)
    return file


def test_a_file_of_weights_is_read_as_it_was_written(tmp_path: Path) -> None:
    values = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.array([7, 8], np.int64)}
    file = written(values, tmp_path / "model.safetensors")
    for name, value in read_safetensors(file).items():
        np.testing.assert_array_equal(value, values[name])


@pytest.fixture
def sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    monkeypatch.setenv("CLEANS2S_CACHE", str(tmp_path / "cache"))
    tokenizers = pytest.importorskip("tokenizers")
    words = tokenizers.Tokenizer(tokenizers.models.WordLevel({f"w{n}": n for n in range(50)}, unk_token="w0"))
    words.save(str(tmp_path / "tokenizer.json"))
    return [written(little_bert(), tmp_path / "model.safetensors"), tmp_path / "tokenizer.json"]


def test_weights_are_converted_once_and_again_when_they_change(sources: list[Path]) -> None:
    first = converted("cleans2s.embedding:convert", sources)
    made = (first / "model.bin").stat().st_mtime_ns
    rows = [[1, 2, 3, 4, 5], [6, 7]]
    np.testing.assert_allclose(mean_states(encoder(first), rows), mean_states(bert(little_bert(), 50), rows), atol=1e-5)
    assert converted("cleans2s.embedding:convert", sources) == first
    assert (first / "model.bin").stat().st_mtime_ns == made
    written(little_bert(seed=1), sources[0])
    assert converted("cleans2s.embedding:convert", sources) != first


def test_what_cannot_be_converted_is_said_and_leaves_nothing(sources: list[Path], tmp_path: Path) -> None:
    written({"a": np.zeros(3, np.float32)}, sources[0])
    with pytest.raises(ModelError, match=r"model\.safetensors lacks .*expected the weights of a BERT"):
        converted("cleans2s.embedding:convert", sources)
    assert not [file for file in (tmp_path / "cache" / "converted").iterdir() if file.suffix != ".lock"]


def test_a_cache_that_cannot_be_written_is_said(sources: list[Path], tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file where a folder should be")
    with pytest.raises(ModelError, match="CLEANS2S_CACHE"):
        converted("cleans2s.embedding:convert", sources)


@pytest.mark.parametrize(
    "content",
    [b"", b"PK\x03\x04 this is an archive", (10**9).to_bytes(8, "little") + b"{}", (3).to_bytes(8, "little") + b"{]}"],
)
def test_a_file_that_holds_no_weights_is_an_error_with_its_name(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "model.safetensors"
    file.write_bytes(content)
    with pytest.raises(ModelError, match=r"model\.safetensors"):
        read_safetensors(file)


@pytest.fixture(scope="module")
def minilm() -> LoadedMiniLM:
    return load(MiniLM())


@pytest.mark.models
def test_embeddings_are_those_of_sentence_transformers(minilm: LoadedMiniLM) -> None:
    sentence_transformers = pytest.importorskip("sentence_transformers")
    theirs = sentence_transformers.SentenceTransformer(str(path("minilm-l6-v2")), device="cpu")
    wanted = theirs.encode(TEXTS, normalize_embeddings=True)
    assert ((minilm.encode(TEXTS) * wanted).sum(axis=1) >= 0.999).all()


@pytest.mark.models
def test_a_text_has_the_same_embedding_alone_and_among_others(minilm: LoadedMiniLM) -> None:
    alone = np.concatenate([minilm.encode([text]) for text in TEXTS])
    together = minilm.encode(TEXTS)
    assert together.shape == (len(TEXTS), 384)
    np.testing.assert_allclose(alone, together, atol=1e-4)
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1.0, atol=1e-5)
    egg, same, other = together[:3]
    assert egg @ same > egg @ other


@pytest.mark.models
def test_what_lies_beyond_the_limit_is_not_read(minilm: LoadedMiniLM) -> None:
    long, longer = "word " * (MAX_TOKENS + 10), "word " * (MAX_TOKENS + 10) + "and a very different end"
    np.testing.assert_allclose(minilm.encode([long]), minilm.encode([longer]), atol=1e-5)


@pytest.mark.models
def test_no_texts_give_no_rows(minilm: LoadedMiniLM) -> None:
    assert minilm.encode([]).shape == (0, 384)
