"""The ruler of `bench rag`, held to cases of which the answer is known."""

from __future__ import annotations

import argparse
from collections import Counter

import pytest
from rag_words import Words

from benchmarks.rag import (
    add_arguments,
    debian_faq,
    groundedness,
    growth,
    load_questions,
    measures,
    rank,
    recall,
    section,
    supported,
    table,
)
from cleans2s.errors import ConfigError
from cleans2s.rag import RAG, Passage
from cleans2s.text import HAN


def test_the_questions_are_enough_in_both_languages_and_each_asked_once():
    rows = load_questions()
    count = Counter(row["kind"] for row in rows)
    assert count["paraphrase"] >= 60
    assert count["indirect"] >= 60
    for kind in ("paraphrase", "indirect", "development"):
        sections = [row["section"] for row in rows if row["kind"] == kind]
        assert len(set(sections)) == len(sections)
    known = {row["section"] for row in rows if row["kind"] == "development"}
    assert not known & {row["section"] for row in rows if row["kind"] == "paraphrase"}
    assert all(any(character >= "㐀" for character in row["zh"]) for row in rows)
    assert not any(HAN[0] <= character <= HAN[2] for row in rows for character in row["en"])


def test_rank_and_recall_count_the_first_passage_under_the_heading():
    passages = [Passage("x", "a", headings=("Chapter 1. A", f"1.{n}. Why?")) for n in (3, 1, 1)]
    assert [section(p) for p in passages] == ["1.3", "1.1", "1.1"]
    assert (rank(passages, "1.1"), rank(passages, "1.3"), rank(passages, "1.2")) == (2, 1, None)
    assert measures([1, 2, None, 5]) == {"recall@1": 0.25, "recall@3": 0.5, "recall@5": 0.75, "mrr": 0.425}


def test_a_sentence_is_grounded_if_one_passage_has_most_of_its_words():
    passages = [Passage("The lamp runs nine hours on a full battery.", "a"), Passage("It is red and heavy.", "b")]
    assert supported("The lamp runs for nine hours.", passages)
    assert not supported("The red lamp is heavy, runs and was made in Norway.", passages)
    assert groundedness("The lamp runs nine hours [1]. It came from Norway in winter [2]. Yes.", passages) == (1, 3)
    assert groundedness("", passages) == (0, 0)


def test_recall_of_an_index_of_known_words(tmp_path):
    rag = RAG(tmp_path / "index", model=Words("minilm-l6-v2"))
    rag.add_text("# 1.1. Lamp\n\nThe lamp runs nine hours.\n\n# 1.2. Kettle\n\nThe kettle boils one litre.", "faq")
    questions = [
        {"kind": "paraphrase", "section": "1.1", "en": "How many hours does the lamp run?"},
        {"kind": "indirect", "section": "1.1", "en": "kettle"},
        {"kind": "elsewhere", "section": None, "en": "Which wine?"},
    ]
    model = Words("minilm-l6-v2")
    found = recall(tmp_path / "index", questions, "en", model)
    assert found["paraphrase"]["fused"]["recall@1"] == 1
    assert found["indirect"]["words (BM25)"] == measures([None]) | {"missed@5": ["1.1"]}
    assert (found["answered"], found["rightly refused"]) == (1, 1)
    assert "recall@5 1.000" in table({"recall": {"English": found}})


@pytest.mark.models
def test_growth_measures_as_many_passages_as_it_says(tmp_path):
    faq = RAG()
    faq.add_text("The lamp runs nine hours. " * 20, "a")
    texts = [chunk.whole for chunk in faq.chunks()]
    rows = growth(tmp_path / "large", (100, 300), faq, texts, ["How long does it run?"])
    assert [row["chunks"] for row in rows] == [100, 300]
    assert all(row["retrieve_p50_ms"] > 0 and row["reopen_s"] > 0 for row in rows)


def test_without_the_tools_of_debian_it_says_what_is_missing(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigError, match="there is none here"):
        debian_faq(tmp_path / "faq")


def test_its_options():
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    assert parser.parse_args([]).largest == 100_000
