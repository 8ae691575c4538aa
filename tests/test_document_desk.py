"""What a visitor of the page may do with documents, as the server's desk does it: real files, real indexes, a real thread; the
embedding model is a small one of the tests'."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from rag_words import Words
from test_rag_documents import pdf, word

from cleans2s import shelves
from cleans2s.document_desk import UNFINISHED, Desk
from cleans2s.errors import RAGError
from cleans2s.rag import RAG
from cleans2s.shelves import of_visitor

ROOT = Path(__file__).parent.parent
NUMBER = "a1" * 16
GATE = "The gate opens at seven in the morning.\n\nThe gate closes at nine at night."


@pytest.fixture(autouse=True)
def folders(tmp_path, monkeypatch):
    monkeypatch.setenv("CLEANS2S_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("CLEANS2S_CACHE", str(tmp_path / "cache"))


@dataclass
class Gated(Words):
    """Embeds a file when it may."""

    may: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    begun: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    def encode(self, texts):
        if len(texts) > 1:
            self.begun.release()
            assert self.may.acquire(timeout=20)
        return super().encode(texts)


def bring(desk, shelf, name, content):
    shelves.admit(shelf, len(content))
    part = shelf.files / f"{name.encode().hex()[-20:]}.part"
    part.write_bytes(content if isinstance(content, bytes) else content.encode())
    return desk.add(shelf, part, name)


def done(desk, shelf):
    """The list, when all work is done."""
    while (found := desk.listing(shelf))["work"]:
        threading.Event().wait(0.005)
    return found


def names(found):
    return [row["names"] for row in found["documents"]]


def words(found):
    return [job["words"] for job in found["told"]]


def test_files_of_every_kind_are_taken_in_and_can_be_asked():
    desk, shelf = Desk(Words()), of_visitor(NUMBER)
    html = f"<html><head><title>Lamp</title></head><body><p>{'The lamp runs nine hours. ' * 8}</p></body></html>"
    files = {"gate.txt": GATE, "lamp.html": html, "prices.csv": "name;price\nGull;84\nTern;96\n"}
    files |= {
        "boat.pdf": pdf("The red boat leaks.", title="Boats"),
        "ferry.docx": word(lambda d: d.add_paragraph("It leaves.")),
    }
    for name, content in files.items():
        bring(desk, shelf, name, content)
    found = done(desk, shelf)
    assert [(row["names"], row["kind"]) for row in found["documents"]] == [([name], name.rpartition(".")[2]) for name in files]
    assert [row["title"] for row in found["documents"]] == ["gate", "Lamp", "prices", "Boats", "ferry"]
    assert (found["told"], found["problem"]) == ([], "")
    assert found["passages"] == sum(row["passages"] for row in found["documents"]) >= 5
    (passage, *_) = desk.reader(shelf).retrieve("Which boat leaks?")
    assert (passage.title, passage.page) == ("Boats", 1)
    assert RAG(shelf.index, model=Words()).retrieve("gate closes")  # where a conversation looks


BAD = [
    ("empty.txt", b"", "empty.txt is empty"),
    ("locked.pdf", pdf("x", password="p"), "locked.pdf is encrypted"),
    ("scan.pdf", pdf("x", picture=True), "scan.pdf holds no text: its pages are pictures"),
    ("photo.txt", b"\x89PNG\r\n\x1a\n" + bytes(99), "photo.txt is no text"),
    ("half.docx", word(lambda d: d.add_paragraph("x"))[:900], "half.docx is a damaged archive"),
]


def test_what_cannot_be_read_is_a_sentence_each_and_nothing_else_is_lost():
    desk, shelf = Desk(Words()), of_visitor(NUMBER)
    for name, content, _ in BAD:
        bring(desk, shelf, name, content)
    bring(desk, shelf, "gate.txt", GATE)
    found = done(desk, shelf)
    assert names(found) == [["gate.txt"]]
    assert [(job["name"], job["state"]) for job in found["told"]] == [(name, "refused") for name, *_ in BAD]
    for said, (_, _, why) in zip(words(found), BAD, strict=True):
        assert said.startswith(why)
        assert str(shelf.files.parent) not in said
    assert [file.name for file in shelf.brought()] == ["gate.txt"]
    desk.remove(shelf, [found["told"][0]["id"]])
    assert len(desk.listing(shelf)["told"]) == len(BAD) - 1


def test_a_file_of_the_same_name_takes_the_place_of_the_old_one_unless_it_cannot_be_read():
    desk, shelf = Desk(Words()), of_visitor(NUMBER)
    bring(desk, shelf, "gate.txt", GATE)
    bring(desk, shelf, "gate.txt", b"\x00\x01 damaged")
    found = done(desk, shelf)
    assert (names(found), len(shelf.brought())) == ([["gate.txt"]], 1)
    assert "seven" in desk.reader(shelf).retrieve("When does the gate open?")[0].text
    bring(desk, shelf, "gate.txt", GATE.replace("seven", "eight"))
    found = done(desk, shelf)
    assert (names(found), len(shelf.brought())) == ([["gate.txt"]], 1)
    assert "eight" in desk.reader(shelf).retrieve("When does the gate open?")[0].text


def test_the_same_content_is_kept_once_and_said():
    desk, shelf = Desk(Words()), of_visitor(NUMBER)
    for name in ("gate.txt", "copy of gate.txt"):
        bring(desk, shelf, name, GATE)
    found = done(desk, shelf)
    assert names(found) == [["gate.txt", "copy of gate.txt"]]
    assert words(found) == ["copy of gate.txt has the same content as gate.txt; it is kept once"]
    desk.remove(shelf, [found["documents"][0]["id"]])
    assert (names(done(desk, shelf)), shelf.brought()) == ([], [])


def test_removing_documents_and_files_that_wait_or_are_being_read():
    model = Gated()
    desk, shelf = Desk(model), of_visitor(NUMBER)
    ids = [
        bring(desk, shelf, f"{name}.txt", f"{name} begins.\n\n" + f"The {name} is here. " * 300)
        for name in ("one", "two", "three")
    ]
    assert model.begun.acquire(timeout=20)
    (first, *others) = desk.listing(shelf)["work"]
    assert (first["id"], first["state"], [job["state"] for job in others]) == (ids[0], "working", ["waiting"] * 2)
    desk.remove(shelf, ids[:2])
    for _ in range(99):
        model.may.release()
    found = done(desk, shelf)
    assert (names(found), found["told"]) == ([["three.txt"]], [])
    assert [file.name for file in shelf.brought()] == ["three.txt"]
    desk.remove(shelf, [found["documents"][0]["id"], "something else"])
    assert (names(done(desk, shelf)), shelf.brought()) == ([], [])


def test_how_far_a_long_file_is_can_be_seen():
    model, seen = Gated(), list[float]()
    desk, shelf = Desk(model), of_visitor(NUMBER)
    bring(desk, shelf, "long.txt", "\n\n".join(f"Paragraph {n} tells of the gate. " * 20 for n in range(60)))
    for _ in range(3):
        assert model.begun.acquire(timeout=20)
        seen.append(desk.listing(shelf)["work"][0]["share"])
        model.may.release()
    for _ in range(99):
        model.may.release()
    done(desk, shelf)
    assert seen[0] < 0.1
    assert seen == sorted(set(seen))


# ── what may happen to a server and its disk ──────────────────────────────────────────────────────────────────────────

SERVER = """
import sys
sys.path[:0] = [{tests!r}, {root!r}]
from test_document_desk import Gated, bring
from cleans2s.document_desk import UNFINISHED, Desk
from cleans2s.shelves import of_visitor

model = Gated()
desk, shelf = Desk(model), of_visitor({number!r})
bring(desk, shelf, "first.txt", "The first.\\n\\n" + "It is here. " * 200)
bring(desk, shelf, "second.txt", "The second.\\n\\n" + "It is here too. " * 200)
assert model.begun.acquire(timeout=20)
print("reading", flush=True)
sys.stdin.readline()
"""


def test_what_had_been_brought_when_the_server_was_killed_is_read_by_the_next_one():
    script = SERVER.format(tests=str(ROOT / "tests"), root=str(ROOT), number=NUMBER)
    with subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout.readline() == "reading\n"
        server.send_signal(signal.SIGKILL)
    desk, shelf = Desk(Words()), of_visitor(NUMBER)
    assert len(desk.listing(shelf)["work"]) >= 1
    assert sorted(names(done(desk, shelf))) == [["first.txt"], ["second.txt"]]


@pytest.mark.parametrize("harm", ["index.json", "segments", "all"])
def test_a_damaged_index_is_made_again_from_the_files(harm):
    desk, shelf = Desk(Words()), of_visitor(NUMBER)
    bring(desk, shelf, "gate.txt", GATE)
    bring(desk, shelf, "boat.pdf", pdf("The red boat leaks.", title="Boats"))
    done(desk, shelf)
    if harm == "index.json":
        (shelf.index / "index.json").write_text('{"format": 1, "docum')
    else:
        shutil.rmtree(shelf.index / "segments" if harm == "segments" else shelf.index)
    desk = Desk(Words())
    if harm == "index.json":
        found = desk.listing(shelf)
        assert "index.json cannot be read" in found["problem"]
        assert str(shelf.index) not in found["problem"]
        with pytest.raises(RAGError, match="have all documents read again"):
            desk.reader(shelf)
    desk.renew(shelf)
    found = done(desk, shelf)
    assert (found["problem"], sorted(names(found))) == ("", [["boat.pdf"], ["gate.txt"]])
    assert desk.reader(shelf).retrieve("Which boat leaks?")[0].title == "Boats"
    assert not [place for place in shelf.index.parent.iterdir() if place.suffix in (".new", ".old")]


def test_an_index_of_another_embedding_model_says_so_and_is_made_again():
    desk, shelf = Desk(Words("old")), of_visitor(NUMBER)
    bring(desk, shelf, "gate.txt", GATE)
    done(desk, shelf)
    desk = Desk(Words("new"))
    assert desk.listing(shelf)["problem"] == "the index was made with another embedding model (old)"
    desk.renew(shelf)
    assert (done(desk, shelf)["problem"], RAG(shelf.index, model=Words("new")).model) == ("", "new")


def test_while_somebody_else_writes_the_file_waits_to_be_tried_again():
    desk, shelf = Desk(Words()), of_visitor(NUMBER)
    bring(desk, shelf, "gate.txt", GATE)
    done(desk, shelf)
    with RAG(shelf.index, model=Words())._store.writing():
        bring(desk, shelf, "boat.txt", "The red boat leaks, do not take it.")
        (job,) = done(desk, shelf)["told"]
        assert job["state"] == "failed"
        assert job["words"] == "boat.txt: the index is being changed by another process: wait until it is done, and try again"
    desk.again(shelf, [job["id"]])
    found = done(desk, shelf)
    assert (names(found), found["told"]) == ([["gate.txt"], ["boat.txt"]], [])


def test_an_index_that_cannot_be_written_is_a_sentence():
    desk, shelf = Desk(Words()), of_visitor(NUMBER)
    bring(desk, shelf, "gate.txt", GATE)
    done(desk, shelf)
    (shelf.index / ".lock").unlink(missing_ok=True)
    (shelf.index / ".lock").mkdir()
    bring(desk, shelf, "boat.txt", "The red boat leaks, do not take it.")
    (job,) = done(desk, shelf)["told"]
    assert (job["state"], job["words"][:36]) == ("failed", "boat.txt: the index cannot be writte")
    assert str(shelf.index) not in job["words"]


@dataclass
class Broken(Words):
    def encode(self, texts):
        if any("boat" in text for text in texts):
            raise ZeroDivisionError("a bug")
        return super().encode(texts)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_programming_error_stops_nothing_else():
    desk, shelf = Desk(Broken()), of_visitor(NUMBER)
    bring(desk, shelf, "boat.txt", "The red boat leaks, do not take it.")
    bring(desk, shelf, "gate.txt", GATE)
    found = done(desk, shelf)
    assert (names(found), words(found)) == ([["gate.txt"]], [f"boat.txt: {UNFINISHED}"])
    desk.remove(shelf, [found["told"][0]["id"]])
    assert [file.name for file in shelf.brought()] == ["gate.txt"]
