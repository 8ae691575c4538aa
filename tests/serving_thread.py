"""Real servers for tests: an application on a free port of the loopback interface, in a thread of its own."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import uvicorn
from starlette.applications import Starlette

from cleans2s.config import Config
from cleans2s.engines import Engines
from cleans2s.http import routes


@contextmanager
def listening(app: Any, **settings: Any) -> Iterator[uvicorn.Server]:
    """Answers when it is given and has ended when it is left. uvicorn's own configuration of the logs would hide them from
    `caplog`, in the tests after this one too."""
    settings = {"port": 0, "log_level": "critical", "log_config": None} | settings
    server = uvicorn.Server(uvicorn.Config(app, **settings))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive(), "the server has ended before it listened"
            thread.join(0.01)
        yield server
    finally:
        server.should_exit = True
        thread.join()


def address_of(server: uvicorn.Server) -> str:
    return f"127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"


@contextmanager
def endpoints(config: Config, asked: list[tuple[str, int]] | None = None) -> Iterator[str]:
    """This project's own OpenAI API over these engines, by its address; `asked` keeps each request's method and the port that
    it came from."""
    engines = Engines(config, time.monotonic, lambda event: None)

    @asynccontextmanager
    async def life(app: Starlette):
        await engines.load()
        yield

    app = Starlette(routes=routes(engines, config), lifespan=life)

    async def noting(scope: Any, receive: Any, send: Any) -> None:
        if asked is not None and scope["type"] == "http":
            asked.append((scope["method"], scope["client"][1]))
        await app(scope, receive, send)

    with listening(noting, ws="none") as server:
        yield f"http://{address_of(server)}/v1"
