"""Documents in, passages out: adding, renewing, removing, filtering, finding nothing, and the index on the disk."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from dataclasses import dataclass

import numpy as np
import pytest
from rag_words import Words

from cleans2s.errors import RAGError
from cleans2s.rag import RAG, Passage, Retriever, WebDocument
from cleans2s.rag.chunks import Block, Splitting, sentences, split
from cleans2s.rag.index import Fusion
from cleans2s.rag.terms import stem, terms
from cleans2s.text import words_of

LAMP = "# The lamp\n\nThe lamp runs nine hours.\n\n## Reset\n\nHold both buttons for five seconds until it blinks twice."
KETTLE = "# The kettle\n\nThe kettle boils one litre in three minutes. It switches itself off."


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "lamp.md").write_text(LAMP, "utf-8")
    (tmp_path / "docs" / "kettle.md").write_text(KETTLE, "utf-8")
    return tmp_path / "docs"


def found(rag, query, **more):
    return [passage.text for passage in rag.retrieve(query, **more)]


# ── splitting, words ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_passages_keep_to_headings_and_sizes_and_overlap():
    long = " ".join(f"Sentence number {n} says something about the subject." for n in range(60))
    blocks = [
        Block("One", 1),
        Block(long),
        Block("Two", 2),
        Block("Short."),
        Block("Three", 1),
        Block("Four", 1),
        Block("End."),
    ]
    chunks = list(split(blocks, Splitting(50, 15)))
    assert [chunk.headings for chunk in chunks if "Sentence" not in chunk.text] == [("One", "Two"), ("Three",), ("Four",)]
    body = [chunk for chunk in chunks if "Sentence" in chunk.text]
    assert all(chunk.headings == ("One",) and len(words_of(chunk.text)) <= 50 for chunk in body)
    ends = [list(sentences(chunk.text))[-1] for chunk in body]
    assert all(end in after.text for end, after in zip(ends, body[1:], strict=False))
    said = " ".join(chunk.text for chunk in body)
    assert all(f"number {n} says" in said for n in range(60))


@pytest.mark.parametrize("text", ["字" * 1000, "a" * 5000, "word " * 900, "，".join(["短句"] * 300), "x.y-z/" * 300])
def test_what_has_no_sentences_is_cut_all_the_same(text):
    chunks = list(split([Block(text)], Splitting(40, 10)))
    assert all(0 < len(words_of(chunk.text)) <= 40 for chunk in chunks)
    kept = "".join(words_of("".join(chunk.text for chunk in chunks)))
    assert kept.count("a") == text.count("a")
    assert kept.count("字") == text.count("字")


def test_sentences_of_english_and_chinese():
    assert list(sentences("Dr. Who left at 5 p.m. today. Was it late? “Yes.” He said 3.5 is fine.")) == [
        "Dr. Who left at 5 p.m. today.",
        "Was it late?",
        "“Yes.”",
        "He said 3.5 is fine.",
    ]
    assert list(sentences("他说：“好。”然后走了。你呢？我很好！")) == ["他说：“好。”", "然后走了。", "你呢？", "我很好！"]


def test_words_of_both_languages_for_bm25():
    assert terms("How do I edit /etc/apt/sources.list?") == ["edit", "etc/apt/sources.list", "etc", "apt", "sourc", "list"]
    assert {"电脑", "光盘", "启动"} <= set(terms("我的电脑不能从光盘启动"))
    assert stem("packages") == stem("packaging") == stem("packaged")
    assert terms("ＡＰＴ") == ["apt"]


def test_splitting_that_cannot_work_is_refused():
    with pytest.raises(RAGError, match="overlap of at most half"):
        Splitting(20, 15)


# ── adding and asking ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_folder_is_added_asked_and_says_where_it_knows_it_from(folder, tmp_path):
    rag = RAG(tmp_path / "index", model=Words())
    told = rag.add(folder)
    assert len(told.added) == 2
    assert told.passages == len(rag) == 3
    best = rag.retrieve("how is the lamp reset with both buttons")[0]
    assert best.text == "Hold both buttons for five seconds until it blinks twice."
    assert best.headings == ("The lamp", "Reset")
    assert best.source == str(folder / "lamp.md")
    assert best.place == "The lamp · Reset"
    assert best.score == pytest.approx(1)
    assert best.similarity > 0.5
    assert best.bm25 > 0
    assert best.metadata["kind"] == "md"
    assert isinstance(rag, Retriever)


def test_reopened_it_is_the_same_without_embedding_again(folder, tmp_path):
    first = RAG(tmp_path / "index", model=Words())
    first.add(folder)
    model = Words()
    again = RAG(tmp_path / "index", model=model)
    assert model.calls == []
    assert again.retrieve("lamp hours") == first.retrieve("lamp hours")
    assert again.documents == first.documents


def test_added_again_only_what_changed_is_embedded(folder, tmp_path):
    model = Words()
    rag = RAG(tmp_path / "index", model=model)
    rag.add(folder)
    model.calls.clear()
    assert len(rag.add(folder).unchanged) == 2
    assert model.calls == []
    (folder / "lamp.md").write_text(LAMP.replace("nine", "eleven"), "utf-8")
    told = rag.add(folder)
    assert told.updated == (str(folder / "lamp.md"),)
    assert model.calls == [2]
    assert "The lamp runs eleven hours." in found(rag, "lamp hours")
    assert "The lamp runs nine hours." not in found(rag, "lamp hours")


def test_removed_documents_are_not_found_again(folder, tmp_path):
    rag = RAG(tmp_path / "index", model=Words(), similarity=-1)
    rag.add(folder)
    assert rag.remove(str(folder / "lamp.md")) == (str(folder / "lamp.md"),)
    assert found(rag, "lamp hours", k=10) == ["The kettle boils one litre in three minutes. It switches itself off."]
    with pytest.raises(RAGError, match="not in the index"):
        rag.remove("nothing.md")
    assert rag.remove(str(folder)) == (str(folder / "kettle.md"),)
    assert rag.retrieve("kettle") == []
    assert len(RAG(tmp_path / "index", model=Words("another"))) == 0  # an empty index takes any model


def test_the_same_content_is_kept_once_until_its_last_name_goes(folder, tmp_path):
    (folder / "copy.md").write_text(LAMP, "utf-8")
    rag = RAG(tmp_path / "index", model=Words())
    told = rag.add(folder)
    assert len(told.duplicates) == 1
    assert found(rag, "lamp hours").count("The lamp runs nine hours.") == 1
    rag.remove(str(folder / "copy.md"))
    assert "The lamp runs nine hours." in found(rag, "lamp hours")
    assert rag.documents[0].sources == (str(folder / "lamp.md"),)
    (folder / "kettle.md").write_text(LAMP, "utf-8")  # what was something else becomes a copy
    assert rag.add(folder / "kettle.md").duplicates == (str(folder / "kettle.md"),)
    assert len(rag.documents) == 1
    assert found(rag, "kettle boils litre") == []


def test_filters_by_what_a_document_is_and_was_given(folder, tmp_path):
    rag = RAG(model=Words(), similarity=-1)
    rag.add(folder / "lamp.md", metadata={"year": 2024})
    rag.add(folder / "kettle.md", metadata={"year": 2025})
    assert {p.metadata["year"] for p in rag.retrieve("hours minutes", k=10, where={"year": 2025})} == {2025}
    assert len(rag.retrieve("hours minutes", k=10, where={"year": [2024, 2025], "kind": "md"})) == 3
    assert rag.retrieve("hours", where=lambda facts: facts["title"] == "The kettle")[0].title == "The kettle"
    assert rag.retrieve("hours", where={"author": "nobody"}) == []


def test_it_says_that_it_found_nothing(folder):
    rag = RAG(model=Words())
    rag.add(folder)
    assert rag.retrieve("quantum chromodynamics lattice") == []
    for query in ("", "  \n"):
        with pytest.raises(RAGError, match="the question is empty"):
            rag.retrieve(query)
    with pytest.raises(RAGError, match="expected 1 or more"):
        rag.retrieve("lamp", k=0)
    assert RAG(model=Words()).retrieve("anything") == []


def test_pages_from_the_web_and_texts():
    @dataclass(frozen=True)
    class Page:
        url: str = "https://example.org/tides"
        title: str = "Tides"
        text: str = "High tide comes twice a day."

    assert isinstance(Page(), WebDocument)
    rag = RAG(model=Words())
    rag.add(Page())
    rag.add_text("## Meals\n\nLunch is at noon.", "notes", "My notes")
    assert rag.retrieve("high tide")[0].source == "https://example.org/tides"
    assert rag.retrieve("when is lunch")[0].headings == ("Meals",)
    assert [row.kind for row in rag.documents] == ["web", "text"]
    with pytest.raises(RAGError, match="expected some words"):
        rag.add_text(" ", "empty")


def test_progress_is_told():
    steps: list[tuple[str, int, int]] = []
    rag = RAG(model=Words(), progress=lambda what, done, total: steps.append((what, done, total)))
    rag.add_text("Something to say.", "a")
    assert steps[0][1:] == (0, 1)
    assert steps[-1][1:] == (1, 1)


# ── ranking ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_name_is_found_by_words_though_vectors_do_not_know_it():
    class Blind(Words):
        def encode(self, texts):
            return np.tile(np.eye(1, 8, dtype=np.float32), (len(texts), 1))

    texts = [f"Valve tk{number:03} hangs in drawer {number % 7}." for number in range(80)]
    rag, by_vectors = RAG(model=Blind()), RAG(model=Blind(), fusion=Fusion(1, 0))
    for one in (rag, by_vectors):
        one.add_text("\n\n".join(f"# {number}\n\n{text}" for number, text in enumerate(texts)), "valves")
    assert found(rag, "tk042")[0] == texts[42]
    assert texts[42] not in found(by_vectors, "tk042")


def test_many_segments_answer_as_one(tmp_path):
    """Weights of words are those of the whole index, wherever a passage lies."""
    texts = [f"Fact {n}: the {'rare zebra' if n % 50 == 7 else 'common horse'} number {n} eats grass." for n in range(200)]
    whole = RAG(model=Words(), similarity=-1)
    parts = RAG(tmp_path / "index", model=Words(), similarity=-1, largest_segment=64)
    whole.add_text("\n\n".join(f"# Part {n}\n\n{text}" for n, text in enumerate(texts)), "all")
    for n, text in enumerate(texts):
        parts.add_text(text, f"text-{n}", f"Part {n}")
    names = os.listdir(tmp_path / "index" / "segments")
    assert 4 <= len(names) <= 12
    for query in ("zebra", "horse number 17", "common grass"):
        one, other = whole.retrieve(query, k=20), parts.retrieve(query, k=20)
        assert one[0].bm25 == pytest.approx(other[0].bm25, rel=0.15)
        assert {("zebra" in p.text) for p in one[:4]} == {("zebra" in p.text) for p in other[:4]}
    parts.remove(*(f"text-{n}" for n in range(150)))
    assert len(parts) == 50
    assert all(int(p.source.removeprefix("text-")) >= 150 for p in parts.retrieve("zebra grass", k=50))
    assert len(RAG(tmp_path / "index", model=Words())) == 50


def test_one_section_does_not_fill_the_answer():
    rag = RAG(model=Words(), splitting=Splitting(20, 5))
    rag.add_text("# Tide\n\n" + " ".join(f"The tide rises {n} times in the harbour of town {n}." for n in range(30)), "a")
    rag.add_text("# Boats\n\nBoats leave the harbour when the tide rises.", "b")
    sections = [p.headings[0] for p in rag.retrieve("when does the tide rise in the harbour", k=5)]
    assert sections.count("Tide") == 2
    assert "Boats" in sections


def test_asked_while_it_grows(tmp_path):
    rag = RAG(tmp_path / "index", model=Words(), similarity=-1)
    rag.add_text("The first fact.", "first")
    failures: list[BaseException] = []
    done = threading.Event()

    def ask():
        try:
            while not done.is_set():
                assert rag.retrieve("first fact")
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for number in range(20):
        rag.add_text(f"Fact number {number}.", f"fact-{number}")
    done.set()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(rag) == 21


def test_another_process_changes_it_and_this_one_follows(tmp_path):
    here, there = (RAG(tmp_path / "index", model=Words(), similarity=-1) for _ in range(2))
    there.add_text("The gate opens at seven.", "gate")
    assert found(here, "gate opens") == ["The gate opens at seven."]
    here.add_text("The shop opens at nine.", "shop")
    assert len(there) == 2
    there.remove("gate")
    assert found(here, "gate opens at seven") == ["The shop opens at nine."]


def test_nothing_heavy_is_imported_before_it_is_needed(tmp_path):
    RAG(tmp_path / "index", model=Words("minilm-l6-v2")).add_text("The gate opens at seven.", "gate")
    script = (
        "import sys; from cleans2s.rag import RAG; a = set(sys.modules);"
        "assert not a & {'torch', 'faiss', 'bm25s', 'jieba', 'pypdf', 'docx', 'trafilatura', 'gradio'}, a;"
        f"rag = RAG({str(tmp_path / 'index')!r}); assert len(rag) == 1;"
        "assert not set(sys.modules) & {'torch', 'sentence_transformers', 'ctranslate2'}"
    )
    subprocess.run([sys.executable, "-c", script], check=True, cwd=os.path.dirname(os.path.dirname(__file__)))


def test_a_passage_says_where_it_stands():
    assert Passage("t", "a.pdf", "A", ("One", "Two"), 3).place == "A · Two · p. 3"
    assert Passage("t", "a.pdf").place == "a.pdf"
