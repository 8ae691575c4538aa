"""The server: the Realtime protocol, the other OpenAI endpoints, health and metrics, over engines that are loaded once.

`Server(config).routes()` fits into any Starlette or Gradio app; `serve()` runs it alone.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import os
import secrets
import signal
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import anyio
from anyio import to_thread
from starlette.requests import HTTPConnection, Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket

from . import document_routes, http, profiles, stages
from .config import Config
from .document_desk import Desk
from .engines import Engines
from .errors import Cleans2sError, ConfigError
from .metrics import Metrics
from .models import watched_by
from .realtime.connection import CLOSE_S, GOING_AWAY, TRY_AGAIN, Connection
from .realtime.wire import WireError, error_event
from .recorder import Recorder
from .serving import Serving

_log = logging.getLogger(__name__)

WEB = Path(__file__).parent / "web"
KEY_PROTOCOL = "openai-insecure-api-key."
"""Browsers cannot set headers on a WebSocket; the protocol has them name the key as a subprotocol."""

TICKET_S = 12 * 3600.0

WAITING = 64
"""Clients that may wait until the engines are loaded."""

MESSAGE_BYTES = 16 << 20
"""Of one message; the protocol allows 15 MiB of sound in one."""

GRACE_S = 1.0
"""A place may become free in this time: who loads the page again comes before the old connection has ended."""

UNSENT_S = 30
"""After so long, the system gives up a connection whose peer takes nothing of what was sent (Linux)."""


@dataclass
class Loading:
    """How far the engines are; `what` is for people."""

    state: Literal["loading", "ready", "failed"] = "loading"
    what: str = "loading the engines"
    share: float | None = None
    """Of the download under way, None where there is none."""


class Server:
    """Shared by all its clients: the loaded engines, the places, the counters."""

    def __init__(self, config: Config | None = None, serving: Serving | None = None) -> None:
        self.config = config or Config()
        self.serving = serving or Serving.from_environment()
        self.metrics = Metrics()
        self.loading = Loading()
        self._connections: set[Connection] = set()
        self._ready = threading.Event()
        self._waiting = 0
        self._secret = secrets.token_bytes(32)
        self._engines = Engines(self.config, time.monotonic, self.metrics.note)

    # ── engines ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def load(self) -> None:
        """Fetch what is missing and load the engines, telling `loading`. Blocking; an error is kept there for people."""

        def progress(name: str, done: int, total: int) -> None:
            share = done / total if total else None
            self.loading = Loading("loading", f"fetching {name} ({done / 1e6:.0f} of {total / 1e6:.0f} MB)", share)

        config = self.config
        try:
            with watched_by(progress):
                for engine in config.engines:
                    stages.load(engine)
                    self.loading = Loading()
            anyio.run(self._engines.load)
            self.loading = Loading("ready", "ready")
        except Cleans2sError as error:
            self.loading = Loading("failed", str(error))
        except Exception as error:  # whatever an engine's package raises: the page has to say that it will not come
            self.loading = Loading("failed", f"{type(error).__name__}: {error}")
            _log.exception("the engines could not be loaded")
        finally:
            self._ready.set()

    def load_in_background(self) -> None:
        threading.Thread(target=self.load, name="cleans2s-load", daemon=True).start()

    # ── who may come in ───────────────────────────────────────────────────────────────────────────────────────────────

    def ticket(self) -> str:
        """What the server's own page shows instead of the key, for some hours; "" where there is no key."""
        if not self.serving.key:
            return ""
        until = str(int(time.time() + TICKET_S))
        return f"ticket-{until}-{self._signed(until)}"

    def _signed(self, text: str) -> str:
        return hmac.new(self._secret, text.encode(), hashlib.sha256).hexdigest()

    def _knows_key(self, request: HTTPConnection) -> bool:
        offered = [request.headers.get("authorization", "").removeprefix("Bearer ")]
        offered += [name.removeprefix(KEY_PROTOCOL) for name in _protocols(request)]
        for word in offered:
            if secrets.compare_digest(word.encode(), self.serving.key.encode()):
                return True
            kind, _, rest = word.partition("-")
            until, _, signature = rest.partition("-")
            valid = kind == "ticket" and until.isdigit() and int(until) > time.time()
            if valid and secrets.compare_digest(signature.encode(), self._signed(until).encode()):
                return True
        return False

    def _own_page(self, request: HTTPConnection) -> bool:
        """Whether a browser's page that asks is this server's own, or one that may."""
        if not (origin := request.headers.get("origin")):
            return True  # not a browser
        own = {request.headers.get("host"), request.headers.get("x-forwarded-host"), os.environ.get("SPACE_HOST")}
        return "*" in self.serving.origins or origin in self.serving.origins or urlsplit(origin).netloc in own

    def _refusal(self, request: HTTPConnection) -> tuple[int, str, str] | None:
        """Status, code and words, for who may not come in."""
        if not self._own_page(request):
            return 403, "origin_not_allowed", "this page may not connect; allow it with CLEANS2S_ORIGINS"
        if self.serving.key and not self._knows_key(request):
            return (
                401,
                "invalid_api_key",
                "a key is needed: send `Authorization: Bearer KEY` with the server's CLEANS2S_API_KEY",
            )
        return None

    # ── clients ───────────────────────────────────────────────────────────────────────────────────────────────────────

    async def realtime(self, websocket: WebSocket) -> None:
        if refusal := self._refusal(websocket):
            status, code, words = refusal
            self.metrics.refused.labels(code).inc()
            await websocket.send_denial_response(_error(status, code, words))
            return
        try:
            config = self._chosen(websocket.query_params.get("profile"))
        except ConfigError as error:
            await websocket.send_denial_response(_error(400, "unknown_profile", str(error)))
            return
        await websocket.accept("realtime" if "realtime" in _protocols(websocket) else None)
        if not await self._admitted():
            self.metrics.refused.labels("busy").inc()
            words = f"busy: all {self.serving.sessions} places are taken; try again in a moment"
            await websocket.send_text(error_event(WireError(words, "server_busy", kind="server_error")))
            await websocket.close(TRY_AGAIN, words)
            return
        await self._converse(websocket, config)
        in_use = [self.config, *(other.config for other in self._connections)]
        kept = [engine for config in in_use for engine in config.engines]
        if stages.unneeded(kept):
            await to_thread.run_sync(stages.unload, kept)

    async def _converse(self, websocket: WebSocket, config: Config) -> None:
        """Nothing outlives this that still holds an engine."""
        recorder = Recorder(self.serving.record or None)
        connection = Connection(websocket, config, self._engines, self.serving.bounds, self._note, recorder)
        self._connections.add(connection)
        self.metrics.begun.inc()
        self.metrics.sessions.set(len(self._connections))
        try:
            await connection.run()
        finally:
            self._connections.discard(connection)
            self.metrics.sessions.set(len(self._connections))

    def _chosen(self, profile: str | None) -> Config:
        """The agent that a client asks for. Raises ConfigError where it may not have it."""
        if not profile:
            return self.config
        if profile not in self.serving.profiles:
            there = ", ".join(self.serving.profiles) or "none but the server's own"
            raise ConfigError(f"profile {profile[:80]!r}: this server offers {there}")
        return profiles.load(profile)

    async def _admitted(self) -> bool:
        """Whether there is a place, when the engines are there. Who waits for them takes none: a page that is loaded again
        and again meanwhile would fill them all."""
        if self._waiting < WAITING:
            self._waiting += 1
            try:
                while not self._ready.is_set():  # noqa: ASYNC110 (a thread loads the engines)
                    await anyio.sleep(0.1)
            finally:
                self._waiting -= 1
        with anyio.move_on_after(GRACE_S):
            while len(self._connections) >= self.serving.sessions:  # noqa: ASYNC110 (each has an end of its own)
                await anyio.sleep(0.05)
        return self._ready.is_set() and len(self._connections) < self.serving.sessions

    def _note(self, event: Any) -> None:
        if event is None:
            self.metrics.messages.inc()
        else:
            self.metrics.note(event)

    async def goodbye(self) -> None:
        """To all clients, before the server stops; from its loop. Returns when they know."""
        for connection in tuple(self._connections):
            connection.end(GOING_AWAY, "the server is stopping")
        with anyio.move_on_after(CLOSE_S):
            while self._connections:  # noqa: ASYNC110 (each has an end of its own)
                await anyio.sleep(0.05)

    async def _about(self, request: Request) -> Response:
        """What a browser learns that could not open the WebSocket: a refusal there has no words."""
        if refusal := self._refusal(request):
            return _error(*refusal)
        try:
            self._chosen(request.query_params.get("profile"))
        except ConfigError as error:
            return _error(400, "unknown_profile", str(error))
        if len(self._connections) >= self.serving.sessions:
            return _error(503, "server_busy", f"busy: all {self.serving.sessions} places are taken; try again in a moment")
        return _error(426, "upgrade_required", "connect with a WebSocket: this is the OpenAI Realtime protocol")

    async def _health(self, request: Request) -> Response:
        loading = self.loading
        status = {"ready": 200, "loading": 503, "failed": 500}[loading.state]
        places = {"sessions": len(self._connections), "limit": self.serving.sessions}
        return JSONResponse({"status": loading.state, "detail": loading.what, "share": loading.share} | places, status)

    async def _metrics(self, request: Request) -> Response:
        if refusal := self._refusal(request):
            return _error(*refusal)
        return Response(self.metrics.text(), media_type=Metrics.CONTENT_TYPE)

    def routes(self) -> list[BaseRoute]:
        return [
            WebSocketRoute("/v1/realtime", self.realtime),
            Route("/v1/realtime", self._about),
            Route("/healthz", self._health),
            Route("/metrics", self._metrics),
            Route("/cleans2s/web/{name}", _web),
            *(self._guarded(route, waits=False) for route in document_routes.routes(Desk(), self.config, self._chosen)),
            *(self._guarded(route) for route in http.routes(self._engines, self.config)),
        ]

    def _guarded(self, route: Route, waits: bool = True) -> Route:
        """The same, for those who may come in; where it `waits`, only when the engines are there."""

        async def guarded(request: Request) -> Response:
            if refusal := self._refusal(request):
                return _error(*refusal)
            if waits and self.loading.state != "ready":
                return _error(503, "not_ready", f"not ready: {self.loading.what}")
            return await route.endpoint(request)

        return Route(route.path, guarded, methods=list(route.methods or ()))


async def _web(request: Request) -> Response:
    """A file of the browser's part. (Starlette's StaticFiles finds none behind a proxy that takes a prefix off the path.)"""
    name = request.path_params["name"]
    if name not in {file.name for file in WEB.iterdir()}:
        return _error(404, "not_found", f"there is no {name[:80]!r} here")
    return FileResponse(WEB / name, headers={"Cache-Control": "no-cache"})


def _protocols(request: HTTPConnection) -> list[str]:
    return [name.strip() for name in request.headers.get("sec-websocket-protocol", "").split(",")]


def _error(status: int, code: str, words: str) -> JSONResponse:
    error = {"message": words, "type": "invalid_request_error", "code": code, "param": None}
    return JSONResponse({"error": error}, status, {"Retry-After": "5"} if status == 503 else None)


def _stopped(number: int, frame: object) -> None:
    """Being told to stop, and having done so, is no failure."""


def serve(config: Config, serving: Serving, say: Callable[[str], None]) -> None:
    """Until SIGTERM or Ctrl-C. Raises ConfigError where the address cannot be had."""
    import uvicorn
    from starlette.applications import Starlette

    listening = _listening(serving)
    server = Server(config, serving)

    class Uvicorn(uvicorn.Server):
        async def shutdown(self, sockets: Any = None) -> None:
            await server.goodbye()
            await super().shutdown(sockets)

    app = Starlette(routes=server.routes())
    server.load_in_background()
    say(f"listening on ws://{serving.host}:{serving.port}/v1/realtime (loading the engines …)")
    settings = uvicorn.Config(
        app, serving.host, serving.port, log_level="warning", timeout_graceful_shutdown=5, ws_max_size=MESSAGE_BYTES
    )
    signal.signal(signal.SIGTERM, _stopped)  # uvicorn takes it over, and raises it again when it has stopped
    with listening:
        Uvicorn(settings).run(sockets=[listening])


def _listening(serving: Serving) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in serving.host else socket.AF_INET
        listening = socket.create_server((serving.host, serving.port), family=family)
    except (OSError, OverflowError) as error:
        where = f"{serving.host}:{serving.port}"
        raise ConfigError(f"cannot listen on {where} ({error}); choose another --port or --host") from None
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNSENT_S * 1000)
    return listening
