"""The comparison as the page gets it: lines over HTTP from a real server, as they are said, and what was used of passages."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx
import pytest
from rag_words import Words
from serving_thread import address_of, listening
from starlette.applications import Starlette
from test_document_desk import GATE, NUMBER, bring, done, folders  # noqa: F401 (a fixture)

from cleans2s.comparing import compared, quote_in, used
from cleans2s.config import Config
from cleans2s.document_desk import Desk
from cleans2s.document_routes import routes
from cleans2s.errors import ModelError
from cleans2s.rag import RAG, Passage
from cleans2s.shelves import of_visitor

URL = "/cleans2s/documents/compare"
LAMP = "# Lamp\n\nThe lamp runs nine hours with one battery.\n\nThe lamp is yellow, and weighs two pounds."


@dataclass(frozen=True)
class Small:
    """Settings of a language model that is too small to read passages, or of an able one."""

    examples: tuple[str, ...] = ("one",)

    def load(self):
        return Says(self)


@dataclass
class Says:
    """`may` lets it say another piece."""

    settings: Small
    places = 2
    may: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(99))
    heard: list[list[dict[str, str]]] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)

    def reply(self, chat):
        self.heard.append(chat)
        reads = "<passage" in chat[-1]["content"]
        answer = "It runs for nine hours with one battery. [1]" if reads else "The lamp is green, I think."
        try:
            for piece in answer.split(" "):
                assert self.may.acquire(timeout=20)
                yield piece + " "
        finally:
            self.ended.set()


@pytest.fixture
def rag():
    rag = RAG(model=Words())
    rag.add_text(GATE, "house/gate.txt", "Gate")
    rag.add_text(LAMP, "https://lamps.example/manual", "Manual")
    return rag


def told(rag, question, llm):
    lines = list(compared(rag, question, llm))
    return lines, {
        side: "".join(line["text"] for line in lines if line.get("side") == side and line["type"] == "said")
        for side in ("plain", "rag")
    }


def test_a_small_model_quotes_and_the_sentence_is_marked(rag):
    lines, said = told(rag, "How many hours does the lamp run?", Says(Small()))
    first, last = lines[0], lines[-1]
    assert (first["type"], first["retrieval_ms"] > 0) == ("sources", True)
    source = first["sources"][0]
    assert (source["kind"], source["url"], source["file"]) == ("web", "https://lamps.example/manual", "")
    assert source["title"] == "Manual · Lamp"
    assert said["plain"].strip() == "The lamp is green, I think."
    assert said["rag"].startswith("The lamp runs nine hours with one battery. [1]")
    assert (last["type"], last["style"]) == ("done", "extract")
    assert {"number": 1, "text": "The lamp runs nine hours with one battery."} in last["marks"]
    for side in ("plain", "rag"):
        assert "".join(span["text"] for span in last["spans"][side]) == said[side]
        assert any(span["alone"] for span in last["spans"][side])
    over = {line["side"]: line for line in lines if line["type"] == "over"}
    assert set(over) == {"plain", "rag"}
    assert all(0 < line["first_ms"] <= line["total_ms"] and not line["error"] for line in over.values())


def test_an_able_model_puts_it_into_words_and_the_sentence_that_it_cites_is_marked(rag):
    brain = Says(Small(examples=()))
    lines, said = told(rag, "How many hours does the lamp run?", brain)
    assert said["rag"].strip() == "It runs for nine hours with one battery. [1]"
    assert (lines[-1]["style"], lines[-1]["marks"]) == (
        "synthesis", [{"number": 1, "text": "The lamp runs nine hours with one battery."}]
    )  # fmt: skip
    assert sum("<passage" in chat[-1]["content"] for chat in brain.heard) == 1


def test_a_document_shows_its_name_and_never_where_it_is(rag):
    lines, _ = told(rag, "When does the gate open?", Says(Small()))
    source = lines[0]["sources"][0]
    assert (source["kind"], source["file"], source["url"], source["title"]) == ("document", "gate.txt", "", "Gate")
    assert "house" not in json.dumps(lines)


def test_nothing_found_is_said(rag):
    lines, said = told(rag, "Quantum chromodynamics?", Says(Small()))
    assert (lines[0]["sources"], lines[-1]["marks"]) == ([], [])
    assert said["rag"] == "I found nothing about that in the documents."


PASSAGE = Passage("Yes.\nIt does run\nnine hours.\n\nThe lamp is yellow.\n\n灯可以亮九个小时。然后请换电池。", "a")


def test_what_was_used_is_given_as_it_stands_in_the_passage():
    words = Words().encode
    assert quote_in(PASSAGE.text, "Yes. It does run nine hours.") == "Yes.\nIt does run\nnine hours."
    assert quote_in(PASSAGE.text, "It does run …") == "It does run"
    assert quote_in(PASSAGE.text, "It walks (.*") == ""
    assert quote_in(PASSAGE.text, " … ") == ""
    assert used("Yes. It does run nine hours. [1]", [PASSAGE], words) == [(1, "Yes.\nIt does run\nnine hours.")]
    assert used("灯可以亮九个小时。[1]", [PASSAGE], words) == [(1, "灯可以亮九个小时。")]
    assert used("Its lamp, I read, is yellow [1, 2].", [PASSAGE], words) == [(1, "The lamp is yellow.")]
    assert used("Something else altogether [1]. And [7].", [PASSAGE], words) == []
    assert used("The lamp is yellow.", [PASSAGE], words) == []


# ── over HTTP ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Lent:
    """Settings that give an engine which the test holds."""

    brain: object

    def load(self):
        if isinstance(self.brain, Exception):
            raise self.brain
        return self.brain

    __hash__ = object.__hash__


@contextmanager
def opened(brain):
    config = Config(llm=Lent(brain))
    desk = Desk(Words())
    bring(desk, of_visitor(NUMBER), "lamp.md", LAMP)
    done(desk, of_visitor(NUMBER))
    app = Starlette(routes=routes(desk, config, lambda profile: config))
    with listening(app) as server, httpx.Client(base_url=f"http://{address_of(server)}", timeout=30) as client:
        yield client


def asking(client, question="How many hours does the lamp run?"):
    return client.stream("POST", URL, json={"question": question}, headers={"Cleans2s-Shelf": NUMBER})


def test_lines_come_while_the_model_still_speaks():
    brain = Says(Small(), may=threading.Semaphore(0))
    with opened(brain) as client, asking(client) as answer:
        assert answer.headers["content-type"].startswith("application/x-ndjson")
        lines = map(json.loads, answer.iter_lines())
        kinds = [next(lines)["type"] for _ in range(2)]
        assert kinds == ["sources", "said"]
        line = next(line for line in lines if line["type"] == "over")
        assert line["side"] == "rag"  # it quotes, and is done before the model has said a word
        for expected in ("The ", "lamp "):
            brain.may.release()
            assert next(lines) == {"type": "said", "side": "plain", "text": expected}
        for _ in range(9):
            brain.may.release()
        assert list(lines)[-1]["type"] == "done"


def test_the_model_stops_when_nobody_listens_any_more():
    brain = Says(Small(), may=threading.Semaphore(1))
    with opened(brain) as client:
        with asking(client) as answer:
            assert any("plain" in line for line in answer.iter_lines())
        for _ in range(99):
            brain.may.release()
        assert brain.ended.wait(20)
        with asking(client) as answer:  # its place is free again
            assert json.loads(list(answer.iter_lines())[-1])["type"] == "done"


def test_a_model_that_cannot_be_loaded_and_a_damaged_index_are_sentences():
    with opened(ModelError("the weights are missing; fetch them")) as client:
        with asking(client) as answer:
            assert list(map(json.loads, answer.iter_lines())) == [
                {"type": "failed", "error": "the weights are missing; fetch them"}
            ]
        (of_visitor(NUMBER).index / "index.json").write_text("{")
        with asking(client) as answer:
            (line,) = map(json.loads, answer.iter_lines())
        assert "cannot be read" in line["error"]
        assert "have all documents read again" in line["error"]
        assert str(of_visitor(NUMBER).index.parent) not in line["error"]


@dataclass
class Fails:
    settings: Small
    places = 2

    def reply(self, chat):
        yield "It "
        raise OSError("the line is dead")


def test_a_side_that_fails_says_so_and_the_other_goes_on():
    with opened(Fails(Small())) as client, asking(client) as answer:
        lines = list(map(json.loads, answer.iter_lines()))
    over = {line["side"]: line for line in lines if line["type"] == "over"}
    assert "the line is dead" in over["plain"]["error"]
    assert (over["rag"]["error"], lines[-1]["type"]) == ("", "done")


def test_who_has_no_documents_yet_is_answered_too():
    with opened(Says(Small())) as client, client.stream("POST", URL, json={"question": "How long?"}) as answer:
        lines = list(map(json.loads, answer.iter_lines()))
    assert (lines[0]["sources"], lines[-1]["type"]) == ([], "done")
