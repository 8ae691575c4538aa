"""One exchange over HTTP through `requests`, bounded in everything: time, size, redirects, and where it may go.

A host's name is looked up once, its addresses are checked, and the connection goes to the very address that was checked; a
name server that gives another answer the next time (DNS rebinding) is not asked a next time. Only imported when used.
"""

from __future__ import annotations

import ipaddress
import os
import socket
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urljoin

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool
from urllib3.exceptions import HTTPError, NewConnectionError
from urllib3.util import Timeout
from urllib3.util.connection import create_connection

from ..version import VERSION
from .addresses import EVERYWHERE, Network, RefusedError, Resolve, admitted, checked, resolve
from .deadline import Deadline

USER_AGENT = f"cleans2s/{VERSION} (speech-to-speech agent; reads pages that its user asked about)"

CHUNK_BYTES = 65_536
ENCODINGS = ("", "identity", "gzip", "x-gzip", "deflate")
"""Compressions that are asked for and taken, one at a time: a chain of them grows without bound."""


class FailedError(Exception):
    """A server that did not answer as it should, and how, in half a sentence whose subject is the server."""


@dataclass(frozen=True)
class Answer:
    """`kind` is the content type without its parameters, `charset` the one that its header names."""

    status: int
    kind: str
    charset: str
    body: bytes


@dataclass(frozen=True)
class Way:
    """How a connection is made: which addresses are trusted beside the public ones (None: all, and nothing is checked), and
    when it ends."""

    deadline: Deadline
    trusted: tuple[Network, ...] | None = ()
    resolve: Resolve = resolve

    def connect(self, line: Any) -> socket.socket:
        """For urllib3, in place of its own look-up."""
        host, port = str(line.host), int(line.port)
        problem = "it has no address"
        addresses = self._addresses(host, port)
        for place, address in enumerate(addresses):
            patience_s = max(1e-3, self.deadline.left_s / (len(addresses) - place))  # IPv6 that leads nowhere comes first
            try:
                opened = create_connection((address, port), patience_s, socket_options=line.socket_options)
            except OSError as error:
                problem = error.strerror or str(error)
                continue
            try:
                self.deadline.hold(opened)
            except OSError:
                opened.close()
                raise
            return opened
        raise NewConnectionError(line, problem)

    def _addresses(self, host: str, port: int) -> list[str]:
        name = host.strip("[]")
        try:
            ipaddress.ip_address(name)
            found = [name]
        except ValueError:
            try:
                found = list(self.resolve(name, port))
            except (OSError, UnicodeError):  # a label of more than 63 letters
                found = []
        return found if self.trusted is None else admitted(name, found, self.trusted)


class _Plain(HTTPConnection):
    def __init__(self, *args: Any, way: Way, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.way = way

    def _new_conn(self) -> socket.socket:
        return self.way.connect(self)


class _Secure(HTTPSConnection):
    def __init__(self, *args: Any, way: Way, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.way = way

    def _new_conn(self) -> socket.socket:
        return self.way.connect(self)


class _Adapter(HTTPAdapter):
    def __init__(self, way: Way) -> None:
        super().__init__(max_retries=0)
        self.way = way

    def get_connection_with_tls_context(self, *args: Any, **settings: Any) -> HTTPConnectionPool:
        pool = super().get_connection_with_tls_context(*args, **settings)
        if pool.proxy is None:
            connection: Any = _Secure if pool.scheme == "https" else _Plain
            pool.ConnectionCls = connection
            pool.conn_kw["way"] = self.way
        return pool


@dataclass(frozen=True)
class Wire:
    """`limit_bytes` counts what a body unpacks to. `proxied`: whether a proxy of the environment is used; never for pages,
    whose addresses a proxy would look up itself."""

    way: Way
    limit_bytes: int
    redirects: int = 0
    proxied: bool = False
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)

    def exchange(self, method: str, url: str, kinds: tuple[str, ...] = (), **sent: Any) -> Answer:
        """The answer to a request, whatever its status. With `kinds`, a good answer of another content type is refused unread.
        Raises RefusedError and FailedError."""
        with requests.Session() as session:
            session.trust_env = self.proxied
            session.verify = _certificates()
            session.headers.update({"User-Agent": USER_AGENT, "Accept-Encoding": "gzip, deflate", **self.headers})
            for scheme in ("http://", "https://"):
                session.mount(scheme, _Adapter(self.way))
            for _ in range(self.redirects + 1):
                url, _host = checked(url, EVERYWHERE if self.way.trusted is None else self.way.trusted)
                try:
                    with self._asked(session, method, url, sent) as response:
                        if not self.redirects or not (onward := session.get_redirect_target(response)):
                            return self._taken(response, kinds)
                        url = urljoin(url, onward)
                except requests.RequestException as error:
                    raise self._failure(error) from None
                except (HTTPError, OSError, zlib.error) as error:
                    raise self._failure(error) from None
            raise FailedError(f"redirects more than {self.redirects} times")

    def _asked(self, session: requests.Session, method: str, url: str, sent: Mapping[str, Any]) -> requests.Response:
        if not (left_s := self.way.deadline.left_s):
            raise TimeoutError
        # As urllib3's own type: requests hands it through, and the connection's share is cut by the deadline as well.
        patience: Any = Timeout(connect=left_s, read=left_s)
        return session.request(method, url, timeout=patience, stream=True, allow_redirects=False, **sent)

    def _taken(self, response: requests.Response, kinds: tuple[str, ...]) -> Answer:
        kind, charset = _content_type(response.headers.get("Content-Type", ""))
        if response.ok and kinds and kind not in kinds:
            raise RefusedError(f"it is {kind or 'of no declared type'}, not a page of text")
        if (packed := response.headers.get("Content-Encoding", "").strip().lower()) not in ENCODINGS:
            raise RefusedError(f"it is packed as {packed[:40]}, expected gzip or deflate")
        length = response.headers.get("Content-Length", "")
        if length.isdecimal() and len(length) < 20 and int(length) > self.limit_bytes:
            raise self._too_long()
        return Answer(response.status_code, kind, charset, self._body(response))

    def _body(self, response: requests.Response) -> bytes:
        body = bytearray()
        while chunk := response.raw.read(CHUNK_BYTES, decode_content=True):
            body += chunk
            if len(body) > self.limit_bytes:
                raise self._too_long()
        if not self.way.deadline.left_s:  # it was cut, which looks like an end
            raise TimeoutError
        return bytes(body)

    def _too_long(self) -> RefusedError:
        return RefusedError(f"it is longer than {self.limit_bytes:,} bytes")

    def _failure(self, error: Exception) -> FailedError:
        """Never the exception's own words: they may repeat what was sent."""
        if not self.way.deadline.left_s or isinstance(error, (TimeoutError, requests.Timeout)):
            return FailedError("gave no complete answer in time")
        if isinstance(error, requests.exceptions.SSLError):
            return FailedError("shows no certificate that is trusted")
        if isinstance(error, requests.exceptions.InvalidURL):
            return FailedError("is not an address of a server")
        if isinstance(error, (requests.exceptions.ProxyError, requests.ConnectionError)):
            return FailedError("cannot be reached, or broke the connection off")
        return FailedError(f"gave an answer that is broken ({type(error).__name__})")


def _certificates() -> str | bool:
    """Of a network with an authority of its own; the usual ones otherwise."""
    return os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("SSL_CERT_FILE") or True


def _content_type(header: str) -> tuple[str, str]:
    kind, *parameters = header.split(";")
    named = dict(part.strip().lower().split("=", 1) for part in parameters if "=" in part)
    return kind.strip().lower(), named.get("charset", "").strip(" \"'")
