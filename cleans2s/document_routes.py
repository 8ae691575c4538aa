"""The documents of the page's visitors over HTTP, beside the conversation: a file is too large for its messages, and has to
arrive while there is no conversation.

    GET  /cleans2s/documents             what is there, and how far it is
    POST /cleans2s/documents             a file: its bytes, and its name in `Cleans2s-Name` (percent-encoded)
    POST /cleans2s/documents/remove      {"ids": […]}: documents, files that are waiting, sentences
    POST /cleans2s/documents/again       {"ids": […]}: try again what failed
    POST /cleans2s/documents/renew       read all of it again
    POST /cleans2s/documents/compare     {"question": "…"}: lines of JSON, as they come

Whose they are is said by `Cleans2s-Shelf`, the number that the browser has drawn. All is answered with the list, but the
comparison; with `?known=VERSION` without the documents, as long as they are those of this version. Errors are of the form of
the API's.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import unquote

import anyio
from anyio import to_thread
from pydantic import BaseModel, Field
from starlette.requests import ClientDisconnect, HTTPConnection, Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Send

from . import shelves
from .blocking import running
from .comparing import compared
from .config import Config
from .document_desk import LIMITS, Desk
from .errors import Cleans2sError, RAGError, StageError
from .http_requests import RefusedError, from_json, read_body
from .rag.engine import RAG
from .shelves import PART, Shelf

UPLOADS = 16
"""Files that may be arriving at the same moment, of all visitors."""

STALL_S = 60.0
"""An upload of which nothing arrives for so long is given up."""

COMPARISONS = 4
LONGEST_QUESTION = 2000

LOCAL = ("127.0.0.1", "::1", "localhost")
FORWARDED = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip")

NOBODY: dict[str, Any] = {"version": "", "documents": [], "count": 0, "passages": 0, "work": [], "told": [], "problem": ""}

Answer = Callable[[Request], Awaitable[Response]]


class _Ids(BaseModel):
    ids: list[Annotated[str, Field(max_length=80)]] = Field(max_length=2 * shelves.MOST_FILES)


class _Question(BaseModel):
    question: str = Field(max_length=LONGEST_QUESTION)


def routes(desk: Desk, config: Config, chosen: Callable[[str | None], Config]) -> list[Route]:
    """`chosen` gives the settings of the profile that a client names. Whoever mounts these decides who may come in."""
    api = _Api(desk, config, chosen)
    base = "/cleans2s/documents"
    return [
        Route(base, _answering(api.list)),
        Route(base, _answering(api.upload), methods=["POST"]),
        *(Route(f"{base}/{name}", _answering(getattr(api, name)), methods=["POST"]) for name in ("remove", "again", "renew")),
        Route(f"{base}/compare", _answering(api.compare), methods=["POST"]),
    ]


class _Api:
    def __init__(self, desk: Desk, config: Config, chosen: Callable[[str | None], Config]) -> None:
        self._desk, self._chosen = desk, chosen
        self._server = shelves.of_server(config.documents) if config.documents else None
        self._arriving, self._comparing = 0, 0

    # ── whose ─────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _shelf(self, request: Request) -> Shelf | None:
        """None for a visitor who has brought nothing yet."""
        if self._server:
            return self._server
        number = request.headers.get("cleans2s-shelf", "")
        return shelves.of_visitor(number) if number else None

    def _changes(self, request: Request) -> Shelf:
        """A shelf that this visitor may change."""
        if not (shelf := self._shelf(request)):
            raise RefusedError(400, "whose documents? expected the header Cleans2s-Shelf with the browser's number")
        if not shelf.own and not is_local(request):
            raise RefusedError(403, "these documents are the server's own: they are changed on the machine where it runs")
        return shelf

    def _brings(self, request: Request) -> Shelf:
        """The same, where files may come and go."""
        if (shelf := self._changes(request)).folder:
            where = f"these documents are those of a folder on the server, {shelf.folder.name}"
            raise RefusedError(403, f"{where}: put files into it, or take some out, and have all read again")
        return shelf

    # ── looking and changing ──────────────────────────────────────────────────────────────────────────────────────────

    async def list(self, request: Request) -> Response:
        return await self._listed(request, self._shelf(request))

    async def _listed(self, request: Request, shelf: Shelf | None) -> Response:
        known = request.query_params.get("known", "")
        found = await to_thread.run_sync(self._desk.listing, shelf, known) if shelf else NOBODY
        shared = self._server is not None
        here = not shared or is_local(request)
        changeable = here and not (shelf and shelf.folder)
        rights = {"shared": shared, "changeable": changeable, "renewable": here, "limits": LIMITS}
        return JSONResponse(found | rights, headers={"Cache-Control": "no-store"})

    async def upload(self, request: Request) -> Response:
        shelf, name = self._brings(request), unquote(request.headers.get("cleans2s-name", ""), errors="replace")
        if self._arriving >= UPLOADS:
            raise RefusedError(503, "the server takes in too many files at this moment; try again", code="server_busy")
        self._arriving += 1
        try:
            part = await _received(request, shelf, shelves.safe_name(name))
        finally:
            self._arriving -= 1
        await to_thread.run_sync(self._desk.add, shelf, part, name)
        return await self._listed(request, shelf)

    async def remove(self, request: Request) -> Response:
        return await self._done(request, self._desk.remove)

    async def again(self, request: Request) -> Response:
        return await self._done(request, self._desk.again)

    async def _done(self, request: Request, do: Callable[[Shelf, list[str]], None]) -> Response:
        shelf = self._brings(request)
        wanted: _Ids = from_json(_Ids, await read_body(request))
        await to_thread.run_sync(do, shelf, wanted.ids)
        return await self._listed(request, shelf)

    async def renew(self, request: Request) -> Response:
        shelf = self._changes(request)
        await to_thread.run_sync(self._desk.renew, shelf)
        return await self._listed(request, shelf)

    # ── asking ────────────────────────────────────────────────────────────────────────────────────────────────────────

    async def compare(self, request: Request) -> Response:
        shelf = self._shelf(request)
        wanted: _Question = from_json(_Question, await read_body(request))
        if not wanted.question.strip():
            raise RefusedError(400, "the question is empty: expected some words")
        if self._comparing >= COMPARISONS:
            raise RefusedError(503, "the server compares too many answers at this moment; try again", code="server_busy")
        llm = self._chosen(request.query_params.get("profile")).llm
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}  # or a proxy would keep it until it is whole
        return _Lines(self._lines(shelf, wanted.question, llm), headers)

    async def _lines(self, shelf: Shelf | None, question: str, llm: Any) -> AsyncGenerator[str]:
        def told() -> Any:
            rag = self._desk.reader(shelf) if shelf else RAG(progress=False)
            yield from compared(rag, question, llm)

        self._comparing += 1
        try:
            async with running(told) as events:
                async for event in events:
                    yield json.dumps(event, ensure_ascii=False) + "\n"
        except Cleans2sError as error:
            words = str(error).replace(str(shelf.index), "the index") if shelf else str(error)
            yield json.dumps({"type": "failed", "error": words}, ensure_ascii=False) + "\n"
        finally:
            self._comparing -= 1


class _Lines(StreamingResponse):
    """Ends what goes on with the response: nobody would read it."""

    def __init__(self, lines: AsyncGenerator[str], headers: dict[str, str]) -> None:
        super().__init__(lines, media_type="application/x-ndjson", headers=headers)
        self._lines = lines

    async def stream_response(self, send: Send) -> None:
        async with aclosing(self._lines):
            await super().stream_response(send)


async def _received(request: Request, shelf: Shelf, name: str) -> Path:
    """A file on the disk, whole. Raises RefusedError for one that is too large, at once where its size is said before."""
    part = shelf.files / f"{secrets.token_hex(8)}{PART}"
    await to_thread.run_sync(_admit, shelf, _size_said(request), name)
    try:
        async with await anyio.open_file(part, "wb") as file, aclosing(request.stream()) as pieces:
            size = 0
            while True:
                with anyio.fail_after(STALL_S):
                    piece = await anext(pieces, None)
                if piece is None:
                    return part
                if (size := size + len(piece)) > LIMITS["file_bytes"]:
                    await to_thread.run_sync(_admit, shelf, size, name)
                await file.write(piece)
    except TimeoutError:
        await _unlink(part)
        raise RefusedError(408, f"{name} has not arrived: nothing came for {STALL_S:.0f} s; try again") from None
    except BaseException:
        await _unlink(part)
        raise


async def _unlink(part: Path) -> None:
    with anyio.CancelScope(shield=True):
        await anyio.Path(part).unlink(missing_ok=True)


def _admit(shelf: Shelf, size: int, name: str) -> None:
    try:
        shelves.admit(shelf, size)
    except RAGError as error:
        raise RefusedError(413, f"{name}: {error}", code="too_large") from None


def _size_said(request: Request) -> int:
    said = request.headers.get("content-length", "")
    return int(said) if said.isdecimal() and len(said) < 16 else 0


def is_local(request: HTTPConnection) -> bool:
    """Whether somebody sits at this machine: neither a tunnel nor a proxy may stand between."""
    host = (request.headers.get("host") or "").rpartition("@")[2]
    name = host.partition("]")[0].removeprefix("[") if host.startswith("[") else host.partition(":")[0]
    there = request.client.host if request.client else ""
    return there in LOCAL and name in LOCAL and not any(header in request.headers for header in FORWARDED)


def _answering(answer: Answer) -> Answer:
    """Errors in the API's form, as sentences."""

    async def endpoint(request: Request) -> Response:
        try:
            return await answer(request)
        except ClientDisconnect:
            return Response()  # for nobody
        except Cleans2sError as error:
            status = error.status if isinstance(error, RefusedError) else 500 if isinstance(error, StageError) else 400
            code = error.code if isinstance(error, RefusedError) else "invalid_value"
            kind = "server_error" if status >= 500 else "invalid_request_error"
            details = {"message": str(error), "type": kind, "code": code, "param": None}
            return JSONResponse({"error": details}, status)

    return endpoint
