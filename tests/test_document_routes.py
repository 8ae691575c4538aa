"""The documents of the page's visitors over HTTP: a real server on loopback, whole, and clients that mean well or not."""

from __future__ import annotations

import contextlib
import json
import socket
from contextlib import contextmanager
from urllib.parse import quote

import httpx
import pytest
from rag_words import Words
from realtime_server import served
from serving_thread import address_of, listening
from starlette.applications import Starlette
from test_document_desk import GATE, NUMBER, folders  # noqa: F401 (a fixture)

from cleans2s.config import Config
from cleans2s.document_desk import Desk
from cleans2s.document_routes import routes
from cleans2s.rag import RAG
from cleans2s.server import Serving
from cleans2s.shelves import of_visitor

PATH = "/cleans2s/documents"
MINE = {"Cleans2s-Shelf": NUMBER}


class Client(httpx.Client):
    def brings(self, name, content, **headers):
        return self.post(PATH, content=content, headers=MINE | {"Cleans2s-Name": quote(name)} | headers)

    def listing(self, **headers):
        return self.get(PATH, headers=MINE | headers).json()

    def done(self):
        while (found := self.listing())["work"]:
            pass
        return found


@contextmanager
def opened(documents="", model=None):
    config = Config(documents=str(documents))
    app = Starlette(routes=routes(Desk(model or Words()), config, lambda profile: config))
    with listening(app) as server, Client(base_url=f"http://{address_of(server)}", timeout=30) as client:
        yield client


@pytest.fixture
def client():
    with opened() as client:
        yield client


def refused(answer, status, why):
    error = answer.json()["error"]
    assert (answer.status_code, why in error["message"]) == (status, True), error
    return error


def test_bringing_seeing_and_removing(client):
    assert client.get(PATH).json()["documents"] == []
    answer = client.brings("Öffnungszeiten 大门.txt", GATE.encode())
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    (row,) = client.done()["documents"]
    assert (row["names"], row["kind"], row["passages"]) == (["Öffnungszeiten 大门.txt"], "txt", 1)
    (file,) = of_visitor(NUMBER).brought()
    assert file.read_text() == GATE
    found = client.post(f"{PATH}/remove", json={"ids": [row["id"]]}, headers=MINE).json()
    assert found["work"] == [] or found["work"][0]["documents"] == [row["id"]]
    assert client.done()["documents"] == []


def test_nobody_sees_what_others_have_brought_or_where_it_is(client):
    client.brings("gate.txt", GATE.encode())
    client.done()
    assert client.listing(**{"Cleans2s-Shelf": "b2" * 16})["documents"] == []
    assert client.get(PATH).json()["documents"] == []
    assert str(of_visitor(NUMBER).index.parent) not in json.dumps(client.listing())


WRONG = [
    ("get", "", {"Cleans2s-Shelf": "anna"}, b"", 400, "hexadecimal"),
    ("get", "", {"Cleans2s-Shelf": "../" * 12}, b"", 400, "hexadecimal"),
    ("post", "", {}, b"text", 400, "whose documents?"),
    ("post", "/remove", MINE, b"{}", 400, "ids"),
    ("post", "/remove", MINE, b'{"ids": 3}', 400, "ids"),
    ("post", "/remove", MINE, b"\xff", 400, "not a JSON object"),
    ("post", "/renew", {}, b"", 400, "whose documents?"),
    ("post", "/compare", MINE, b'{"question": "  "}', 400, "the question is empty"),
    ("post", "/compare", MINE, json.dumps({"question": "x" * 2001}).encode(), 400, "question"),
]


@pytest.mark.parametrize(("method", "path", "headers", "body", "status", "why"), WRONG)
def test_wrong_requests_are_sentences(client, method, path, headers, body, status, why):
    refused(client.request(method, f"{PATH}{path}", headers=headers, content=body), status, why)


def test_a_file_that_says_it_is_huge_is_refused_before_it_is_sent(client):
    with socket.create_connection((client.base_url.host, client.base_url.port), timeout=20) as raw:
        head = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nCleans2s-Shelf: {NUMBER}\r\nCleans2s-Name: film.txt\r\n"
        raw.sendall(f"{head}Content-Length: 500000000\r\n\r\n".encode())
        answer = ""
        while "}}" not in answer and (piece := raw.recv(10_000)):
            answer += piece.decode()
    assert answer.startswith("HTTP/1.1 413")
    assert "film.txt: it has 500 MB: expected at most 50" in answer
    assert client.listing()["documents"] == []


def test_a_file_that_does_not_say_how_large_it_is_is_cut_off(client):
    def pieces():
        for _ in range(60):
            yield b"x" * 1_000_000

    with contextlib.suppress(httpx.WriteError):  # the server may hang up
        refused(client.brings("film.txt", pieces()), 413, "expected at most 50")
    assert list(of_visitor(NUMBER).files.iterdir()) == []


def test_an_upload_that_breaks_off_leaves_nothing(client):
    with socket.create_connection((client.base_url.host, client.base_url.port), timeout=20) as raw:
        head = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nCleans2s-Shelf: {NUMBER}\r\nCleans2s-Name: a.txt\r\n"
        raw.sendall(f"{head}Content-Length: 1000\r\n\r\nhalf".encode())
        while not list(of_visitor(NUMBER).files.glob("*.part")):
            pass
    while list(of_visitor(NUMBER).files.glob("*")):
        pass
    assert client.listing() | {"work": []} == client.listing()


# ── the server's own ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def house(tmp_path):
    (tmp_path / "gate.txt").write_text(GATE)
    RAG(tmp_path / "index", model=Words()).add(tmp_path / "gate.txt")
    return tmp_path / "index"


AWAY = [{"X-Forwarded-For": "192.0.2.7"}, {"Host": "house.example"}, {"Host": "127.0.0.1.example:80"}, {"Forwarded": "for=x"}]


@pytest.mark.parametrize("headers", AWAY, ids=str)
def test_documents_of_the_server_are_seen_by_everybody_and_changed_only_from_its_own_machine(house, headers):
    with opened(house) as client:
        found = client.listing(**headers)
        assert ([row["names"] for row in found["documents"]], found["shared"]) == ([["gate.txt"]], True)
        assert (found["changeable"], found["renewable"]) == (False, False)
        refused(client.brings("boat.txt", b"The boat.", **headers), 403, "the server's own")
        for path in ("remove", "again", "renew"):
            refused(client.post(f"{PATH}/{path}", json={"ids": []}, headers=headers), 403, "the server's own")
        found = client.listing()
        assert (found["changeable"], found["renewable"]) == (True, True)
        client.brings("boat.txt", b"The red boat leaks, do not take it.")
        assert len(client.done()["documents"]) == 2


def test_a_plain_folder_is_only_read_again(tmp_path):
    (folder := tmp_path / "house").mkdir()
    (folder / "gate.txt").write_text(GATE)
    with opened(folder) as client:
        found = client.listing()
        assert (found["shared"], found["changeable"], found["renewable"]) == (True, False, True)
        refused(client.brings("boat.txt", b"The boat."), 403, "those of a folder on the server, house")
        client.post(f"{PATH}/renew")
        assert [row["names"] for row in client.done()["documents"]] == [["gate.txt"]]
        assert str(tmp_path) not in json.dumps(client.listing())


# ── who may come in ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_key_guards_documents_too_and_pages_of_others_are_refused():
    with served(serving=Serving(key="open sesame")) as place, Client(base_url=f"http://{place.address}") as client:
        refused(client.get(PATH), 401, "a key is needed")
        refused(client.brings("gate.txt", b"x"), 401, "a key is needed")
        refused(client.post(f"{PATH}/compare", json={"question": "x"}), 401, "a key is needed")
        key = {"Authorization": f"Bearer {place.server.ticket()}"}
        assert client.listing(**key)["documents"] == []
        refused(client.brings("gate.txt", b"x", **key, Origin="https://elsewhere.example"), 403, "may not connect")


def test_a_list_that_is_known_is_not_sent_again(client):
    client.brings("gate.txt", GATE.encode())
    found = client.done()
    again = client.get(PATH, params={"known": found["version"]}, headers=MINE).json()
    assert (found["count"], "documents" in again, again["version"]) == (1, False, found["version"])
    client.brings("boat.txt", b"The red boat leaks, do not take it.")
    client.done()
    again = client.get(PATH, params={"known": found["version"]}, headers=MINE).json()
    assert [row["names"] for row in again["documents"]] == [["gate.txt"], ["boat.txt"]]
