"""The real embedding model: what it finds, and that its two runtimes agree."""

from __future__ import annotations

import numpy as np
import pytest

from cleans2s.models import path
from cleans2s.rag import RAG
from cleans2s.rag.embeddings import PROBE_SIMILARITY, embedder, knows, probed, same

pytestmark = pytest.mark.models

FACTS = {
    "lamp": "The lamp works for nine hours before it has to be charged.",
    "tide": "High tide in the harbour comes twice a day.",
    "bread": "Bake the bread for forty minutes in a hot oven.",
    "printer": "打印机每分钟可以打印三十页，墨粉用完以后请更换墨盒。",
    "train": "早上第一班火车六点从北京出发，中午到达上海。",
}


@pytest.fixture(scope="module")
def rag():
    found = RAG()
    for name, text in FACTS.items():
        found.add_text(text, name)
    return found


@pytest.mark.parametrize(
    ("question", "source"),
    [
        ("What is the battery life of the light?", "lamp"),
        ("When does the sea rise at the port?", "tide"),
        ("How long must a loaf stay in the stove?", "bread"),
        ("打印机的墨粉用完了怎么办？", "printer"),
        ("第一班去上海的火车几点出发？", "train"),
    ],
)
def test_it_finds_what_is_meant(rag, question, source):
    assert rag.retrieve(question)[0].source == source


@pytest.mark.parametrize("question", ["Who composed The Magic Flute?", "莫扎特写过哪些歌剧？"])
def test_it_finds_nothing_where_there_is_nothing(rag, question):
    assert rag.retrieve(question) == []


def test_the_default_model_in_sentence_transformers_is_the_same_model(tmp_path):
    pytest.importorskip("sentence_transformers")
    small, named = embedder("minilm-l6-v2"), embedder(str(path("minilm-l6-v2")))
    texts = list(FACTS.values())[:3]
    cosines = (small.encode(texts) * named.encode(texts)).sum(axis=1)
    assert cosines.min() > PROBE_SIMILARITY
    assert same(probed(small), probed(named))
    assert not same(probed(small), probed(small)[:10])
    index = RAG(tmp_path / "index", model=named)
    index.add_text(FACTS["lamp"], "lamp")
    assert RAG(tmp_path / "index").model == str(path("minilm-l6-v2"))
    assert index.retrieve("battery life of the light")


def test_rows_are_of_length_one_and_in_order():
    model = embedder("all-MiniLM-L6-v2")
    texts = [f"{name}: {text}" for name, text in FACTS.items()] * 3
    together = model.encode(texts)
    assert np.linalg.norm(together, axis=1) == pytest.approx(np.ones(len(texts)), abs=1e-3)
    alone = np.concatenate([model.encode([text]) for text in texts])
    assert (together * alone).sum(axis=1).min() > 0.99
    assert knows(model, "What?")
    assert not knows(model, "什么？")
