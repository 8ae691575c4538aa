"""LightRAG as it is installed: its real storages, real embeddings, and a language model that answers by a script."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import pytest

from cleans2s.errors import RAGError
from cleans2s.rag import Retriever
from cleans2s.rag.lightrag import Characters, LightRAG

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    pytest.importorskip("lightrag")

LAMP = "The Harbour Lamp is made in Bergen by a workshop of four people. It runs for nine hours."
GRAPH = """entity<|#|>Harbour Lamp<|#|>artifact<|#|>The Harbour Lamp is a lamp that runs for nine hours.
entity<|#|>Bergen<|#|>location<|#|>Bergen is a town with a workshop.
relation<|#|>Harbour Lamp<|#|>Bergen<|#|>origin<|#|>The Harbour Lamp is made in Bergen.
<|COMPLETE|>"""
KEYWORDS = '{"high_level_keywords": ["origin"], "low_level_keywords": ["Harbour Lamp", "Bergen"]}'


class Reader:
    """Reads the graph out of a document, and the key words out of a question."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def reply(self, chat: Any) -> Iterator[str]:
        wanted = "\n".join(message["content"] for message in chat)
        self.asked.append(wanted)
        yield KEYWORDS if "high_level_keywords" in wanted else GRAPH


@pytest.mark.models
def test_documents_are_read_found_followed_and_removed(tmp_path):
    reader = Reader()
    with LightRAG(tmp_path / "graph", reader) as engine:
        assert isinstance(engine, Retriever)
        engine.add_text(LAMP, "/docs/lamp.md")
        assert any(LAMP in prompt for prompt in reader.asked)
        passages = engine.retrieve("Where does the Harbour Lamp come from?")
        assert passages[0].text == LAMP
        assert {p.source for p in passages} == {"/docs/lamp.md"}
        assert "The Harbour Lamp is made in Bergen." in [p.text for p in passages]
        assert {"Harbour Lamp", "Bergen"} <= {p.title for p in passages}
        assert [p.score for p in passages] == sorted((p.score for p in passages), reverse=True)
    with LightRAG(tmp_path / "graph", reader, mode="naive") as again:
        assert [p.text for p in again.retrieve("Where does the lamp come from?")] == [LAMP]
        (tmp_path / "note.txt").write_text("The workshop in Bergen closes at five.", "utf-8")
        assert again.add(tmp_path / "note.txt") == (str(tmp_path / "note.txt"),)
        again.remove("/docs/lamp.md")
        assert LAMP not in [p.text for p in again.retrieve("Where does the lamp come from?")]
        with pytest.raises(RAGError, match="the question is empty"):
            again.retrieve(" ")
        with pytest.raises(RAGError, match="is empty"):
            again.add_text(" ", "nothing")
        with pytest.raises(RAGError, match="could not be removed"):
            again.remove("/docs/lamp.md")


@pytest.mark.models
def test_a_model_that_fails_is_an_error_with_a_reason(tmp_path):
    class Failing:
        def reply(self, chat: Any) -> Iterator[str]:
            raise ValueError("no mood")
            yield ""

    with LightRAG(tmp_path / "graph", Failing()) as engine, pytest.raises(RAGError, match="no mood"):
        engine.add_text(LAMP, "lamp.md")


def test_characters_come_back():
    assert Characters().decode(Characters().encode("你好, lamp")) == "你好, lamp"
