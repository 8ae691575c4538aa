"""A page with the documents' panels, for tests: the real server's routes and files, a small embedding model and a scripted
language model that go on when they may, and a scripted Voice."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from serving_thread import address_of, listening
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from test_compare import Lent, Says, Small
from test_document_desk import Gated
from test_talk_js import PAGE, WEB

from cleans2s.config import Config
from cleans2s.document_desk import Desk
from cleans2s.document_routes import routes

BOTH = (
    PAGE.replace('<div id="panel"></div>', '<div id="panel"></div><hr><div id="compare"></div>')
    .replace('"/talk.js"', '"/web/talk.js"')
    .replace(
        "class Voice",
        'import { mount as compare } from "/web/compare.js";\nimport { shelfOf } from "/web/shelf.js";\n\nclass Voice',
        1,
    )
    .replace("{ Voice }));", "{ Voice, shelf, web: false }));")
    .replace(
        "remount();",
        'window.shelf = shelfOf(location.origin + "/");\nremount();\ncompare(document.getElementById("compare"), { shelf });',
    )
)


@dataclass
class Site:
    address: str
    desk: Desk
    model: Gated
    brain: Says
    heard: list[bytes] = field(default_factory=list[bytes])
    """Recordings that were to be transcribed."""

    def may(self, files: int = 99) -> None:
        for _ in range(files):
            self.model.may.release()


@contextmanager
def site(documents: str = "", gated: bool = False) -> Iterator[Site]:
    model, brain = Gated(), Says(Small())
    desk, config = Desk(model), Config(llm=Lent(brain), documents=documents)
    heard = list[bytes]()

    async def page(request: Request) -> HTMLResponse:
        return HTMLResponse(BOTH)

    async def transcribe(request: Request) -> JSONResponse:
        async with request.form() as form:
            heard.append(await form["file"].read())
        return JSONResponse({"text": " How long does the lamp run? "})

    app = Starlette(
        routes=[
            Route("/", page),
            Route("/v1/audio/transcriptions", transcribe, methods=["POST"]),
            Mount("/web", StaticFiles(directory=WEB)),
            *routes(desk, config, lambda profile: config),
        ]
    )
    with listening(app) as server:
        found = Site(f"http://{address_of(server)}/", desk, model, brain, heard)
        if not gated:
            found.may(10_000)
        yield found
        found.may(10_000)


DROP = """([selector, files]) => {
  const data = new DataTransfer();
  for (const [name, content] of files)
    data.items.add(new File([Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0))], name));
  const target = document.querySelector(selector);
  for (const type of ["dragenter", "dragover", "drop"])
    target.dispatchEvent(new DragEvent(type, { dataTransfer: data, bubbles: true, cancelable: true }));
}"""


def dropped(page: Any, files: dict[str, bytes | str], selector: str = "#compare .cleans2s-compare, #compare") -> None:
    """As a person lets go of files over the page."""
    content = {name: data.encode() if isinstance(data, str) else data for name, data in files.items()}
    page.evaluate(DROP, [selector, [[name, base64.b64encode(data).decode()] for name, data in content.items()]])
