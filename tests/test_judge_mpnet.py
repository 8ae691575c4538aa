"""MPNet as the small judge reads it: an archive of random weights, real in every other respect."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_embedding import written

from cleans2s.bert import POSITIONS, RELATIVE, WORDS, bert, converted, mean_states
from cleans2s.errors import ModelError
from cleans2s.judge import Situation
from cleans2s.judge.network import Network, Reader, TunedLayers, heads, opened
from cleans2s.judge.telling import NAMES as COUNTED
from cleans2s.judge.telling import features
from cleans2s.judge.untuned import Untuned

WIDTH, LAYERS, HEADS = 64, 2, 4
MARKS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
LETTERS = "abcdefghijklmnopqrstuvwxyz"
THEIRS = ["<s>", "<pad>", "</s>", "<unk>", *MARKS, *LETTERS, "<mask>"]
"""The vocabulary of MPNet: BERT's with four marks before it and one behind."""


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    tokenizers = pytest.importorskip("tokenizers")
    vocabulary = {word: number for number, word in enumerate([*MARKS, *LETTERS])}
    made = tokenizers.Tokenizer(tokenizers.models.WordLevel(vocabulary, unk_token="[UNK]"))
    made.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    made.save(str(file := tmp_path_factory.mktemp("mpnet") / "tokenizer.json"))
    return file


@pytest.fixture(scope="module")
def theirs() -> Any:
    torch, transformers = pytest.importorskip("torch"), pytest.importorskip("transformers")
    torch.manual_seed(3)
    config = transformers.MPNetConfig(
        vocab_size=len(THEIRS),
        hidden_size=WIDTH,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        intermediate_size=4 * WIDTH,
        initializer_range=0.3,
    )
    model = transformers.MPNetModel(config, add_pooling_layer=False).eval()
    with torch.no_grad():
        model.encoder.relative_attention_bias.weight.normal_(0, 2)
    return model


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory, theirs: Any) -> Path:
    folder = tmp_path_factory.mktemp("archive")
    values = {name: value.detach().numpy() for name, value in theirs.state_dict().items()}
    weights = written(values, folder / "model.safetensors")
    with zipfile.ZipFile(folder / "all.zip", "w") as made:
        made.write(weights, "all-mpnet-base-v2/model.safetensors")
    return folder / "all.zip"


def test_the_encoder_computes_what_transformers_computes(tokenizer: Path, archive: Path, theirs: Any) -> None:
    import torch

    weights, words = opened([tokenizer, archive])
    chance = np.random.default_rng(1)
    texts = [["[CLS]", *chance.choice(list(LETTERS), count), "[SEP]"] for count in (3, 20, 300)]
    rows = [[words.token_to_id(word) for word in text] for text in texts]
    mark = {"[CLS]": "<s>", "[SEP]": "</s>"}
    with torch.inference_mode():
        wanted = [
            theirs(torch.tensor([[THEIRS.index(mark.get(word, word)) for word in text]])).last_hidden_state[0].mean(0).numpy()
            for text in texts
        ]
    np.testing.assert_allclose(mean_states(bert(weights, len(weights[WORDS])), rows), np.stack(wanted), atol=2e-3)
    for name in (RELATIVE, POSITIONS):
        without = mean_states(bert(weights | {name: 0 * weights[name]}, len(weights[WORDS])), rows)
        assert np.abs(without - np.stack(wanted)).max() > 0.05, f"{name} makes no difference"


def test_what_is_trained_is_what_judges(tokenizer: Path, archive: Path, tmp_path: Path) -> None:
    """Scores in torch and, from the file that was written, without the archive, in CTranslate2."""
    torch = pytest.importorskip("torch")
    from cleans2s.judge.network_torch import judge_module
    from cleans2s.judge.reading import read

    base = Untuned.load([tokenizer, archive], 0)
    torch.manual_seed(5)
    module = judge_module(base.weights, 0, len(COUNTED), 16, 40, 0.1)
    with torch.no_grad():
        module.head["1"].weight.normal_(0, 0.3)
    tuned = {name: value.detach().numpy() for name, value in module.layers.state_dict().items()}
    head = {name: value.detach().numpy() for name, value in module.head.state_dict().items()}
    layers = TunedLayers.from_module(tuned, 0)
    layers.weights |= base.beside_layers()
    layers.save(tmp_path / "en.npz", head, None)
    turns = (("user", " ".join(LETTERS * 3)), ("agent", "d e"))
    situations = [Situation("x y z"), Situation(" ".join(LETTERS * 3), turns=turns), Situation("q", facts=("r s",))]
    wanted = list[np.ndarray]()
    for situation in situations:
        one = read(base.tokenizer, situation)
        states = torch.from_numpy(base.lower_states([one])[0].astype(np.float32))[None]
        counted = torch.from_numpy(features(situation))[None]
        with torch.inference_mode():
            row = module(states, torch.tensor([one.words_at]), torch.tensor([len(one.tokens)]), counted)
        wanted.append(row[0].numpy())
    reader = Reader.load([tokenizer], tmp_path / "en.npz")
    # Without AVX-512 VNNI products of 8 bits overflow where weights are as random as these; the weights stay those in 8 bits.
    folder = converted("cleans2s.judge.network:convert", [tokenizer, tmp_path / "en.npz"])
    reader.encoder = pytest.importorskip("ctranslate2").Encoder(str(folder), compute_type="float32")
    found = Network(reader, *heads(tmp_path / "en.npz")).scores(situations)
    assert np.linalg.norm(found - np.stack(wanted)) < 0.15 * np.linalg.norm(wanted), "more than what 8 bits round"


def test_an_archive_of_something_else_is_an_error_with_its_name(tokenizer: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as made:
        made.writestr("readme.txt", "nothing")
    (tmp_path / "broken.zip").write_bytes(b"PK no archive")
    for name in ("other.zip", "broken.zip", "absent.zip"):
        with pytest.raises(ModelError, match=rf"{name} does not hold all-mpnet-base-v2/model\.safetensors"):
            opened([tokenizer, tmp_path / name])
