"""Whose documents they are: a visitor's shelf, its bounds and those of a server; and the documents of the server itself."""

from __future__ import annotations

import json
import os

import pytest
from rag_words import Words
from test_document_desk import GATE, NUMBER, bring, done, folders, names  # noqa: F401 (a fixture)

from cleans2s import shelves
from cleans2s.document_desk import Desk
from cleans2s.errors import RAGError
from cleans2s.rag import RAG
from cleans2s.shelves import of_server, of_visitor, safe_name

# ── whose they are, and how many ──────────────────────────────────────────────────────────────────────────────────────


def test_visitors_do_not_see_each_other():
    desk = Desk(Words())
    bring(desk, of_visitor(NUMBER), "gate.txt", GATE)
    done(desk, of_visitor(NUMBER))
    other = of_visitor("b2" * 16)
    assert names(desk.listing(other)) == []
    assert desk.reader(other).retrieve("When does the gate open?") == []


@pytest.mark.parametrize("number", ["", "A1" * 16, "a1" * 15, "../" * 12, "a1" * 16 + "\n", "a1" * 25])
def test_only_a_number_drawn_at_random_names_a_shelf(number):
    with pytest.raises(RAGError, match="hexadecimal"):
        of_visitor(number)


def test_names_of_files_are_made_safe():
    assert safe_name("../../etc/passwd") == "passwd"
    assert safe_name("C:\\Users\\me\\notes.txt") == "notes.txt"
    assert safe_name("...") == "document"
    assert safe_name("a<b>:\x00\u202egnp.txt") == "a_b____gnp.txt"
    assert safe_name("书" * 200 + ".txt") == "书" * 38 + ".txt"
    assert safe_name("文件 (1).pdf") == "文件 (1).pdf"


def test_room_is_made_for_new_visitors_by_those_who_never_came_back(monkeypatch):
    base = of_visitor(NUMBER).files.parent
    for number in range(shelves.MOST_SHELVES):
        (base / f"{number:032x}.files").mkdir(parents=True)
    with pytest.raises(RAGError, match="try again another day"):
        shelves.admit(of_visitor(NUMBER), 10)
    old = of_visitor(f"{7:032x}")
    old.index.mkdir()
    os.utime(old.files, (0, 0))
    shelves.admit(of_visitor(NUMBER), 10)
    assert not old.files.exists()
    assert not old.index.exists()


def test_bounds_of_a_shelf():
    shelf = of_visitor(NUMBER)
    with pytest.raises(RAGError, match="it has 500 MB: expected at most 50"):
        shelves.admit(shelf, 500_000_000)
    shelves.admit(shelf, 10)
    for number in range(10):
        place = shelf.source(f"{number}.txt")
        place.parent.mkdir()
        with place.open("wb") as file:
            file.truncate(48_000_000)
    with pytest.raises(RAGError, match="more than 500 MB together"):
        shelves.admit(shelf, 30_000_000)


# ── the server's own ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_index_that_the_server_was_started_with_is_shown_and_changed_but_never_thrown_away(tmp_path):
    (tmp_path / "gate.txt").write_text(GATE)
    RAG(tmp_path / "index", model=Words()).add(tmp_path / "gate.txt")
    desk, shelf = Desk(Words()), of_server(str(tmp_path / "index"))
    assert names(desk.listing(shelf)) == [["gate.txt"]]
    bring(desk, shelf, "boat.txt", "The red boat leaks, do not take it.")
    assert names(done(desk, shelf)) == [["gate.txt"], ["boat.txt"]]
    desk.renew(shelf)
    found = done(desk, shelf)
    assert (names(found), found["told"]) == ([["gate.txt"], ["boat.txt"]], [])
    desk.remove(shelf, [row["id"] for row in found["documents"]])
    assert names(done(desk, shelf)) == []
    assert (tmp_path / "gate.txt").read_text() == GATE  # it is not ours
    (tmp_path / "index" / "index.json").write_text("{")
    desk.renew(shelf)
    assert "cannot be read" in done(desk, shelf)["told"][0]["words"]
    assert json.loads(json.dumps(desk.listing(shelf)))["problem"]


def test_a_plain_folder_is_shown_by_its_own_names_and_read_again(tmp_path):
    (folder := tmp_path / "house").mkdir()
    (folder / "rooms").mkdir()
    (folder / "rooms" / "gull.txt").write_text("The room Gull looks to the sea, and has two beds.")
    shelf = of_server(str(folder))
    assert shelf.folder == folder
    RAG(shelf.index, model=Words()).add(folder)
    desk = Desk(Words())
    assert names(desk.listing(shelf)) == [["rooms/gull.txt"]]
    (folder / "gate.txt").write_text(GATE)
    (folder / "rooms" / "gull.txt").unlink()
    desk.renew(shelf)
    assert names(done(desk, shelf)) == [["gate.txt"]]
