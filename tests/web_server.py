"""A real web server on loopback, with the faults of real ones."""

from __future__ import annotations

import gzip
import json
import threading
from collections import Counter
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest

HTML = "text/html; charset=utf-8"


class Web(ThreadingHTTPServer):
    """`pages` holds what is answered by path: bytes, or a function of the request. `asked` are the paths that came, in order;
    `posted` the JSON bodies. `over` ends what would never end; `silent` counts the requests that are left without an answer."""

    daemon_threads = True

    def __init__(self, host: str = "127.0.0.1", port: int = 0) -> None:
        super().__init__((host, port), _Request)
        self.pages: dict[str, bytes | Callable[[_Request], None]] = {}
        self.asked: list[str] = []
        self.connections = 0
        self.agents: Counter[str] = Counter()
        self.headers: list[dict[str, str]] = []
        self.posted: list[dict] = []
        self.over = threading.Event()
        self.silent = threading.Semaphore(0)
        self.pages["/never"] = never
        self.pages["/drip"] = drip

    @property
    def port(self) -> int:
        return self.server_address[1]

    @property
    def url(self) -> str:
        return f"http://{self.server_address[0]}:{self.port}"

    def verify_request(self, request, client_address) -> bool:
        self.connections += 1
        return True

    def handle_error(self, request, client_address) -> None:
        """A client that hangs up is no fault here."""

    def __enter__(self):
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_) -> None:
        self.over.set()
        self.shutdown()
        self.server_close()


class _Request(BaseHTTPRequestHandler):
    server: Web

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        self.server.headers.append(dict(self.headers))
        self.server.agents[self.headers["User-Agent"]] += 1
        page = self.server.pages.get(urlsplit(self.path).path)
        if page is None:
            self.answer(b"<p>There is no such page.</p>", status=404)
        elif isinstance(page, bytes):
            self.answer(page)
        else:
            page(self)

    def do_POST(self) -> None:
        self.server.posted.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.do_GET()

    @property
    def query(self) -> dict[str, list[str]]:
        return parse_qs(urlsplit(self.path).query)

    def answer(self, body: bytes, kind: str | None = HTML, status: int = 200, **headers: str) -> None:
        self.send_response(status)
        if kind:
            self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_) -> None:
        pass


def never(request: _Request) -> None:
    request.server.silent.release()
    request.server.over.wait()


def drip(request: _Request) -> None:
    """A letter every now and then, and no end."""
    request.send_response(200)
    request.send_header("Content-Type", HTML)
    request.end_headers()
    request.server.silent.release()
    while not request.server.over.wait(0.01):
        request.wfile.write(b"<p>a")


def drip_header(request: _Request) -> None:
    request.wfile.write(b"HTTP/1.1 200 OK\r\nX-Long: ")
    request.server.silent.release()
    while not request.server.over.wait(0.01):
        request.wfile.write(b"a")


def to(place: str, status: int = 302) -> Callable[[_Request], None]:
    return lambda request: request.answer(b"", status=status, Location=place)


def as_kind(body: bytes, kind: str | None, status: int = 200) -> Callable[[_Request], None]:
    return lambda request: request.answer(body, kind, status)


def as_json(body: object, status: int = 200) -> Callable[[_Request], None]:
    return as_kind(json.dumps(body).encode(), "application/json", status)


def gzipped(body: bytes, label: str = "gzip") -> Callable[[_Request], None]:
    packed = gzip.compress(body)
    return lambda request: request.answer(packed, Content_Encoding=label)


@pytest.fixture(name="web")
def a_web():
    with Web() as server:
        yield server
