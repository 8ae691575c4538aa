"""What a client may ask over HTTP: bodies of requests, read within limits and checked; the fields are the OpenAI API's."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal, cast

from pydantic import BaseModel, BeforeValidator, Field, model_validator
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import Message

from .realtime.wire import WireError, checked
from .stages import Chat, Wishes

FILE_LIMIT, JSON_LIMIT = 25_000_000, 1_000_000
"""Bytes of a recording (OpenAI's own limit) and of any other request."""

REFUSED = "logprobs audio functions function_call timestamp_granularities[] include[]".split()
"""Parameters that would change the answer, and that no engine here knows."""

VOICES = "alloy ash ballad cedar coral echo fable marin nova onyx sage shimmer verse".split()
"""OpenAI's, which all stand for the one voice there is."""

Number = Annotated[float, Field(allow_inf_nan=False)]


class RefusedError(WireError):
    """A request that is answered with an error of this status."""

    def __init__(self, status: int, message: str, param: str | None = None, code: str = "invalid_value") -> None:
        super().__init__(message, code, param)
        self.status = status


# ── the requests ──────────────────────────────────────────────────────────────────────────────────────────────────────


def _text(content: Any) -> Any:
    """A message's text, also where it comes in parts."""
    if not isinstance(content, list):
        return content
    parts = cast("list[Any]", content)
    for part in parts:
        if not isinstance(part, dict) or not isinstance(cast("dict[str, Any]", part).get("text"), str):
            raise ValueError("a part of it is not text; expected text, or parts of type text")
    return "\n".join(part["text"] for part in parts)


class _Function(BaseModel):
    name: str = Field(min_length=1)
    arguments: str = ""


class _Call(BaseModel):
    id: str
    type: Literal["function"] = "function"
    function: _Function


class _Said(BaseModel):
    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: Annotated[str | None, BeforeValidator(_text)] = None
    tool_calls: list[_Call] | None = None
    tool_call_id: str | None = None

    @model_validator(mode="after")
    def says_something(self) -> _Said:
        if self.content is None and not self.tool_calls:
            raise ValueError("it has no content; expected text, or tool_calls")
        return self

    def message(self) -> dict[str, Any]:
        role = "system" if self.role == "developer" else self.role
        return {"content": None} | self.model_dump(exclude_none=True) | {"role": role}


class _Offered(BaseModel, extra="allow"):
    name: str = Field(min_length=1)
    parameters: dict[str, Any] | None = None


class _Tool(BaseModel):
    type: Literal["function"]
    function: _Offered


class _Chosen(BaseModel):
    type: Literal["function"]
    function: _Function


class _StreamOptions(BaseModel):
    include_usage: bool = False


class _PlainText(BaseModel):
    type: Literal["text"]


class ChatRequest(BaseModel):
    model: str
    messages: list[_Said] = Field(min_length=1)
    stream: bool | None = False
    stream_options: _StreamOptions | None = None
    max_tokens: int | None = Field(None, ge=1)
    max_completion_tokens: int | None = Field(None, ge=1)
    temperature: Number | None = Field(None, ge=0, le=2)
    stop: str | Annotated[list[str], Field(max_length=4)] | None = None
    tools: list[_Tool] | None = None
    tool_choice: Literal["none", "auto", "required"] | _Chosen | None = None
    n: Literal[1] | None = 1
    response_format: _PlainText | None = None

    def chat(self) -> Chat:
        return [said.message() for said in self.messages]

    def wishes(self) -> Wishes:
        """Raises RefusedError for a choice of functions that are not there."""
        choice, names = self.tool_choice or "auto", [tool.function.name for tool in self.tools or ()]
        chosen = choice.function.name if isinstance(choice, _Chosen) else None
        if (chosen and chosen not in names) or (choice == "required" and not names):
            there = ", ".join(names) or "there are none"
            raise RefusedError(
                400, f"tool_choice: {chosen or 'a call'} is asked for, but not among the tools ({there}); add it", "tool_choice"
            )
        return Wishes(
            max_tokens=self.max_completion_tokens or self.max_tokens,
            temperature=self.temperature,
            stop=(self.stop,) if isinstance(self.stop, str) else tuple(self.stop or ()),
            tools=tuple(tool.model_dump(exclude_none=True) for tool in self.tools or ()),
            tool_choice={"type": "function", "function": {"name": chosen}} if chosen else choice if names else "auto",
        )


class SpeechRequest(BaseModel):
    model: str
    input: str = Field(min_length=1, max_length=4096)
    voice: str = VOICES[0]
    response_format: Literal["pcm", "wav", "flac", "mp3", "opus"] = "mp3"
    speed: Number = Field(1.0, ge=0.25, le=4)
    stream_format: Literal["audio"] = "audio"


class TranscriptionRequest(BaseModel):
    model: str
    language: Annotated[str, Field(pattern="^[a-z]{2,3}$")] | None = None
    response_format: Literal["json", "text", "verbose_json"] = "json"
    stream: Literal["false", "False"] = "false"


# ── reading them ──────────────────────────────────────────────────────────────────────────────────────────────────────


async def read_body(request: Request) -> bytes:
    """Raises RefusedError (413) beyond the limit, but reads on for a while: a client that is still sending would not see
    the answer."""
    multipart = request.headers.get("content-type", "").startswith("multipart/")
    limit = FILE_LIMIT + JSON_LIMIT if multipart else JSON_LIMIT
    body, size = bytearray(), 0
    async for chunk in request.stream():
        size += len(chunk)
        if size <= limit:
            body += chunk
        elif size > 4 * limit:
            break
    if size > limit:
        raise RefusedError(413, f"the request is larger than {limit / 1e6:.0f} MB, the limit; shorten it", code="too_large")
    return bytes(body)


def from_json(kind: type[BaseModel], body: bytes) -> Any:
    """A request of that kind. Raises WireError."""
    try:
        data: Any = json.loads(body)
        json.dumps(data, ensure_ascii=False).encode()  # half a surrogate pair is JSON, and no text
    except (ValueError, RecursionError):
        data = None
    if not isinstance(data, dict):
        raise RefusedError(400, "the body is not a JSON object in UTF-8; expected one", code="invalid_json")
    return _checked(kind, cast("dict[str, Any]", data))


async def from_form(kind: type[BaseModel], request: Request, body: bytes) -> tuple[bytes, Any]:
    """The bytes of `file` in a multipart form, and the request in its other fields. Raises WireError."""

    async def replay() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    try:
        async with Request(request.scope, replay).form(max_files=1) as form:
            upload = form.get("file")
            fields = {name: value for name, value in form.items() if isinstance(value, str)}
            file = await upload.read() if isinstance(upload, UploadFile) else None
    except HTTPException as error:
        raise RefusedError(400, f"the form cannot be read ({error.detail}); expected multipart/form-data") from None
    if file is None:
        missing = "missing_required_parameter"
        raise RefusedError(400, "file: there is none; expected a recording in a multipart form", "file", missing)
    if len(file) > FILE_LIMIT:
        size = f"{len(file) / 1e6:.1f} MB: expected at most {FILE_LIMIT / 1e6:.0f} MB"
        raise RefusedError(413, f"file: {size}; compress or cut it", "file", "too_large")
    return file, _checked(kind, fields)


def _checked(kind: type[BaseModel], data: dict[str, Any]) -> Any:
    if found := [name for name in REFUSED if data.get(name)]:
        raise RefusedError(400, f"{found[0]} is not supported; leave it out", found[0], "unsupported_parameter")
    return checked(kind, data)
