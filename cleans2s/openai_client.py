"""What the engines behind OpenAI-compatible services share: address and key, patience, tries, faults told in sentences.

A service is asked with an async generator over the official `openai` client, in the session's own event loop: cancelling
closes the connection at once, wherever it waits, so that the service stops as well.
"""

from __future__ import annotations

import ipaddress
import os
import random
import re
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast
from urllib.parse import urlsplit

import anyio
from anyio.lowlevel import RunVar

from .errors import ConfigError, ModelError, StageError, TextError
from .stages import imported, shared

T = TypeVar("T")

BACK_OFF_S = (0.25, 0.5, 1.0)
"""Pauses before the second, third and fourth try. Each is shortened at random by up to half: those who failed together do
not come back together."""

CONNECT_S = 4.0
"""Far above three round trips around the earth."""

KEPT_S = 60.0
"""A connection is kept so long for the next turn; a new one costs two to four round trips before the first word."""

SAID = 200
"""Characters of a service's own words in an error."""

_NO_MODEL = re.compile(
    r"\bmodel\b.{0,100}\b(not exist|not found|unknown|unavailable|not supported)"
    r"|\b(no|no such|unknown|invalid|unsupported) model\b",
    re.I,
)
_TOO_LONG = re.compile(r"context.?(length|size|window)", re.I)


@dataclass(frozen=True)
class Service:
    """An address, whom to ask there for what, and the key. `stage` is the role of the engine."""

    stage: str
    base_url: str
    model: str
    patience_s: float
    """Seconds to the first piece of an answer, all tries together, and from each piece to the next."""

    key: str = field(repr=False)
    tls: Any = field(repr=False, compare=False)
    """The certificates that are trusted, the same for all services."""

    @classmethod
    def found(cls, stage: str, base_url: str, model: str, patience_s: float) -> Service:
        """With the key from the environment. Raises ConfigError for what cannot be an address, a model's name or a key, and
        where a key is missing; ModelError without the `openai` package."""
        try:  # here, not at the first turn
            for module in ("openai.resources.chat.completions", "openai.resources.audio"):
                imported(module)
            tls = shared(_trusted, _trusted)
        except ModuleNotFoundError:
            raise ModelError(f"{stage}: the package `openai` is not installed; run `pip install 'openai>=3.50'`") from None
        host = _host(stage, base_url)
        if not model:
            raise ConfigError(f"{stage}.model is empty; name the model that {host} is to run")
        if patience_s <= 0:
            raise ConfigError(f"{stage}.patience_s = {patience_s:g}: expected more than 0 seconds")
        names = f"{stage.upper()}_API_KEY", "OPENAI_API_KEY"
        name, key = next(((name, key) for name in names if (key := os.environ.get(name, "").strip())), ("", ""))
        if not key and not _is_local(host):
            raise ConfigError(f"{stage}: no key for {host}; set the environment variable {names[0]} (or {names[1]})")
        if not (key.isascii() and key.isprintable()) or " " in key:
            raise ConfigError(f"{name} is not a key: it holds blanks or characters beyond ASCII; copy it again")
        return cls(stage, base_url, model, patience_s, key, tls)

    @property
    def where(self) -> str:
        """Host and port."""
        return urlsplit(self.base_url).netloc

    # ── asking ────────────────────────────────────────────────────────────────────────────────────────────────────────

    async def pieces(
        self, ask: Callable[[Any], AsyncGenerator[T]], more_s: float = 0.0, tries: int = len(BACK_OFF_S) + 1
    ) -> AsyncGenerator[T]:
        """What `ask(client)` yields. A passing fault (no connection, 429, 5xx) before the first piece is tried again within
        the patience, one after it never: it would be heard twice. Raises StageError."""
        patience_s = self.patience_s + more_s
        give_up_s = anyio.current_time() + patience_s
        for attempt in range(tries):
            begun = False
            try:
                line = await self._line()
                async with aclosing(ask(line.client)) as pieces:
                    while True:
                        with anyio.fail_after(patience_s if begun else give_up_s - anyio.current_time()):
                            piece = await anext(pieces)
                        begun, line.used_s = True, anyio.current_time()
                        yield piece
            except StopAsyncIteration:
                return
            except faults() as error:
                pause_s = _pause_s(error, attempt)
                patient = pause_s is not None and anyio.current_time() + pause_s < give_up_s
                if begun or pause_s is None or not patient or attempt + 1 == tries:
                    raise self._failure(error, begun, patience_s) from _text_error(error)
            await anyio.sleep(pause_s)

    async def connect(self) -> None:
        """Open a connection while there is time, unless one was used lately."""
        line, now_s = await self._line(), anyio.current_time()
        if now_s - line.used_s > KEPT_S / 2:
            line.used_s = now_s
            await line.http.head(self.base_url, timeout=CONNECT_S, follow_redirects=False)  # any answer will do

    async def _line(self) -> _Line:
        """The client of this event loop. It is closed with the loop, which closes its open generators at its end."""
        lines = _lines.get(dict[tuple[str, str], _Line]())
        _lines.set(lines)
        if (who := (self.base_url, self.key)) not in lines:
            lines[who] = await anext(opened := self._opened())
            lines[who].until_end = opened
        return lines[who]

    async def _opened(self) -> AsyncGenerator[_Line]:
        openai, httpx = imported("openai"), imported("httpx2")
        local = _is_local(_host(self.stage, self.base_url))
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=20, keepalive_expiry=KEPT_S)
        http = openai.DefaultAsyncHttpxClient(
            timeout=httpx.Timeout(None, connect=CONNECT_S),
            limits=limits,
            verify=self.tls,
            # A proxy of the environment is no way to this machine or its neighbours.
            transport=httpx.AsyncHTTPTransport(verify=self.tls, limits=limits) if local else None,
        )
        async with openai.AsyncOpenAI(
            api_key=self.key or "none", base_url=self.base_url, max_retries=0, http_client=http
        ) as client:
            yield _Line(client, http)

    # ── faults ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def failed(self, message: str) -> StageError:
        """The service is the subject of the sentence. The key is cut out, whoever repeated it."""
        sentence = f"{self.where} {message}"
        return StageError(self.stage, sentence.replace(self.key, "…") if self.key else sentence)

    def _failure(self, error: Any, begun: bool, patience_s: float) -> StageError:
        openai, httpx = imported("openai"), imported("httpx2")
        if isinstance(error, openai.APIStatusError):
            return self.failed(self._refusal(error.status_code, str(error.code or error.type or ""), _said(error)))
        cause = (error.__cause__ or error) if isinstance(error, openai.APIConnectionError) else error
        middle = " in the middle of its answer" if begun else ""
        if isinstance(cause, httpx.ConnectTimeout):
            return self.failed(f"cannot be reached (no answer in {CONNECT_S:g} s); check the network and {self.stage}.base_url")
        if isinstance(cause, httpx.ConnectError):
            return self.failed(f"cannot be reached ({_short(cause)}); check the network and {self.stage}.base_url")
        if isinstance(cause, TimeoutError):
            mend = f"try again, raise {self.stage}.patience_s, or choose another server"
            return self.failed(f"stalled{middle}: it gave nothing for {patience_s:g} s; {mend}")
        if isinstance(cause, (httpx.TransportError, OSError, anyio.EndOfStream)):
            return self.failed(f"broke the connection off{middle} ({_short(cause)}); try again, or look into the server's log")
        if isinstance(error, openai.APIError):  # in an event of the stream
            return self.failed(f"failed{middle}{_bracketed(_said(error))}; try again later")
        form = f"answered in a form that is not the OpenAI API's{middle} ({type(error).__name__}: {_short(error)})"
        return self.failed(f"{form}; check {self.stage}.base_url, most end in /v1")

    def _refusal(self, status: int, code: str, said: str) -> str:
        role, told = self.stage, _bracketed(said)
        variable = f"{role.upper()}_API_KEY"
        if status == 401:  # its words may show parts of the key
            return f"does not accept the key; set a valid one in {variable}" if self.key else f"wants a key; set {variable}"
        if status == 402 or code == "insufficient_quota":
            return f"has no credit left for this key{told}; top it up, or set another one in {variable}"
        if status == 403:
            return f"does not allow this{told}; check the rights of the key in {variable}, and whether it serves your country"
        if status == 429:
            return f"has had too many requests{told}; try again later, or ask the service for a higher limit"
        if _TOO_LONG.search(f"{code} {said}"):
            return f"finds this too long{told}; shorten it, or choose a model with a larger context"
        if status < 500 and (code == "model_not_found" or _NO_MODEL.search(said)):
            return f"knows no model {self.model!r}{told}; choose another with {role}.model"
        if status in (404, 405):
            return f"has no such endpoint{told}; check {role}.base_url, most end in /v1"
        if status >= 500:
            return f"failed with {status}{told}; try again later, or choose another server"
        return f"refused the request with {status}{told}; check the settings of {role}"


@dataclass
class _Line:
    client: Any
    http: Any
    used_s: float = -KEPT_S
    until_end: Any = None


_lines: RunVar[dict[tuple[str, str], _Line]] = RunVar("cleans2s_openai_lines")


def _trusted() -> Any:
    """Reading the certificates takes 20 ms."""
    return imported("httpx2").create_ssl_context()


def _host(stage: str, base_url: str) -> str:
    """Raises ConfigError for what is no address, or more than one."""
    example = "expected one such as http://localhost:8000/v1"
    try:
        address = urlsplit(base_url)
        host = address.hostname if address.scheme in ("http", "https") and address.port != 0 else None
    except ValueError:
        host = None
    if not host:
        raise ConfigError(f"{stage}.base_url is no address; {example}")
    if "@" in base_url or "?" in base_url:  # addresses are logged
        raise ConfigError(f"{stage}.base_url holds a secret: {example}; a key belongs in the environment")
    return host


def _is_local(host: str) -> bool:
    """This machine, or one of the same network."""
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        return "." not in host or host.endswith((".localhost", ".local", ".lan", ".internal", ".home.arpa"))


def faults() -> tuple[type[Exception], ...]:
    """What a service and the way to it can do wrong; the last four come from answers of an unexpected form."""
    network = imported("openai").OpenAIError, imported("httpx2").HTTPError, OSError, anyio.EndOfStream
    return (*network, ValueError, TypeError, AttributeError, LookupError)


def _pause_s(error: Any, attempt: int) -> float | None:
    """How long to wait before another try; None where it would not help."""
    openai = imported("openai")
    own_s = BACK_OFF_S[min(attempt, len(BACK_OFF_S) - 1)] * random.uniform(0.5, 1)
    if isinstance(error, openai.APIStatusError):
        if error.code == "insufficient_quota" or (error.status_code != 429 and error.status_code < 500):
            return None
        wanted = error.response.headers.get("retry-after", "")
        return max(own_s, float(wanted)) if re.fullmatch(r"\d{1,9}(\.\d+)?", wanted) else own_s
    passing = isinstance(error, openai.APIError) and not isinstance(error, openai.APITimeoutError)
    return own_s if passing or isinstance(error, imported("httpx2").NetworkError) else None


def _text_error(error: Any) -> TextError | None:
    """Marks a failure that is the conversation's, not the service's."""
    status, said = getattr(error, "status_code", 0), _said(error)
    if status not in (400, 413, 422) or not _TOO_LONG.search(f"{error.code} {error.type} {said}"):
        return None
    return TextError(f"the conversation is too long for the model{_bracketed(said)}; shorten it")


def _said(error: Any) -> str:
    """The service's own words."""
    body: Any = getattr(error, "body", None)
    if isinstance(body, dict):
        words = cast("dict[str, Any]", body)
        body = words.get("message") or words.get("detail") or words.get("error")
    return _short(body or "")


def _short(words: object) -> str:
    """On one line."""
    text = " ".join(re.sub(r"<[^>]*>", " ", str(words)).split())
    return (text if len(text) <= SAID else text[:SAID] + "…").rstrip(".")


def _bracketed(said: str) -> str:
    return f" ({said})" if said else ""
