"""The same engines for clients of the OpenAI API that do not hold a conversation by voice.

    POST /v1/audio/transcriptions   a recording → its words
    POST /v1/audio/speech           text → its sound, clause by clause where the format allows (pcm, wav)
    POST /v1/chat/completions       messages → the next one, whole or as it is written
    GET  /v1/models, /v1/models/{name}

A model is named "cleans2s", or as the engine's own model, or as OpenAI's usual model for that purpose (`ALIASES`); the
answer names the one that was used. What is not supported and would change the answer is refused; what only tunes OpenAI's
own models (`seed`, `top_p`, `prompt` …) is passed over.
"""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import replace
from typing import Any

import anyio
from anyio import to_thread
from openai.types import CompletionUsage, Model
from openai.types.audio import Transcription, TranscriptionVerbose
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from pydantic import BaseModel
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Send

from .audio import Audio, Resampler
from .config import Config
from .engines import Engines
from .errors import AudioError, Cleans2sError, ConfigError, StageError, TextError
from .http_requests import (
    VOICES,
    ChatRequest,
    RefusedError,
    SpeechRequest,
    TranscriptionRequest,
    from_form,
    from_json,
    read_body,
)
from .http_sound import FORMATS, SPEECH_RATE, decoded, encoded, wav_header
from .realtime.wire import WireError
from .stages import Finish, ToolCall
from .text import Clauses, speakable

ALIASES = {
    "asr": ("whisper-1", "gpt-4o-transcribe", "gpt-4o-mini-transcribe"),
    "tts": ("tts-1", "tts-1-hd", "gpt-4o-mini-tts"),
    "llm": ("gpt-4o", "gpt-4o-mini", "gpt-4.1", "gpt-4.1-mini", "gpt-4.1-nano", "gpt-5", "gpt-5-mini", "gpt-5-nano"),
}
"""OpenAI's names by the role of the engine that answers to them."""

SPEED_STEP = 0.05
"""Engines of all settings ever used are kept, so there are not endlessly many speeds."""

_log = logging.getLogger(__name__)


def routes(engines: Engines, config: Config) -> list[Route]:
    """For loaded engines. The last route answers whatever else begins with /v1/, so these come after others' routes."""
    api = _Api(engines, config)
    return [
        Route("/v1/audio/transcriptions", _answering(api.transcribe), methods=["POST"]),
        Route("/v1/audio/speech", _answering(api.speak), methods=["POST"]),
        Route("/v1/chat/completions", _answering(api.chat), methods=["POST"]),
        Route("/v1/models", _answering(api.models)),
        Route("/v1/models/{name:path}", _answering(api.model)),
        Route("/v1/{path:path}", _answering(api.nothing), methods=["GET", "POST", "PUT", "PATCH", "DELETE"]),
    ]


class _Api:
    def __init__(self, engines: Engines, config: Config) -> None:
        self._engines, self._config = engines, config
        self._names = {role: _model_name(getattr(config, role)) for role in ALIASES}
        self._created = int(time.time())

    # ── sound → words ─────────────────────────────────────────────────────────────────────────────────────────────────

    async def transcribe(self, request: Request, body: bytes) -> Response:
        wanted: TranscriptionRequest
        file, wanted = await from_form(TranscriptionRequest, request, body)
        self._model("asr", wanted.model)
        audio = await to_thread.run_sync(decoded, file)
        config = self._config
        if wanted.language and hasattr(config.asr, "language"):
            config = config.changed({"asr.language": wanted.language})
        # The limit is meant for a turn of a conversation; a recording may take as much longer as it lasts.
        limits = replace(config.limits, asr_s=config.limits.asr_s + audio.duration_s)
        try:
            engines = await self._engines.changed(replace(config, limits=limits))
        except ValueError as error:
            raise RefusedError(400, f"language: {error}", "language") from None
        said = await engines.transcribe(audio)
        if wanted.response_format == "text":
            return PlainTextResponse(said.text + "\n")
        if wanted.response_format == "json":
            return _as_json(Transcription(text=said.text))
        length_s, language = round(audio.duration_s, 3), said.language or "und"
        return _as_json(TranscriptionVerbose(duration=length_s, language=language, text=said.text))

    # ── words → sound ─────────────────────────────────────────────────────────────────────────────────────────────────

    async def speak(self, request: Request, body: bytes) -> Response:
        wanted: SpeechRequest = from_json(SpeechRequest, body)
        self._model("tts", wanted.model)
        voices = [*filter(None, [getattr(self._config.tts, "voice", "")]), *VOICES]
        if wanted.voice not in voices:
            raise RefusedError(400, f"no voice {wanted.voice[:60]!r}; valid are {', '.join(voices)}", "voice")
        splitter = Clauses()
        clauses = [speakable(clause) for clause in (*splitter.push(wanted.input), *splitter.flush())]
        if not any(clauses):
            raise RefusedError(400, "input: nothing in it can be said; expected words", "input")
        engines = self._engines
        if (speed := round(wanted.speed / SPEED_STEP) * SPEED_STEP) != 1:
            own: float = getattr(self._config.tts, "speed", 1.0)
            engines = await engines.changed(self._config.changed({"tts.speed": round(own * speed, 3)}))
        sound = _pcm(engines, [clause for clause in clauses if clause])
        first = await anext(sound)
        media_type, container, coding = FORMATS[wanted.response_format]
        if not container:
            return _Stream((wav_header() if wanted.response_format == "wav" else b"") + first, sound, media_type)
        async with aclosing(sound):
            pcm = first + b"".join([piece async for piece in sound])
        return Response(await to_thread.run_sync(encoded, pcm, container, coding), media_type=media_type)

    # ── words → words ─────────────────────────────────────────────────────────────────────────────────────────────────

    async def chat(self, request: Request, body: bytes) -> Response:
        wanted: ChatRequest = from_json(ChatRequest, body)
        common = {"id": f"chatcmpl-{uuid.uuid4().hex}", "created": int(time.time()), "model": self._model("llm", wanted.model)}
        thoughts = self._engines.think(wanted.chat(), wanted.wishes())
        if wanted.stream:
            events = _events(thoughts, common, bool(wanted.stream_options and wanted.stream_options.include_usage))
            return _Stream(await anext(events), events, "text/event-stream")
        text, calls, finish = "", list[ToolCall](), Finish("stop", 0, 0)
        async with aclosing(thoughts):
            async for thought in thoughts:
                match thought:
                    case ToolCall():
                        calls.append(thought)
                    case Finish():
                        finish = thought
                    case str():
                        text += thought
        message: dict[str, Any] = {"role": "assistant", "content": text if text or not calls else None, "refusal": None}
        if calls:
            message["tool_calls"] = [_call(call) for call in calls]
        choice = {"index": 0, "finish_reason": "tool_calls" if calls else finish.reason, "logprobs": None, "message": message}
        answer = common | {"object": "chat.completion", "choices": [choice], "usage": _usage(finish)}
        return _as_json(ChatCompletion.model_validate(answer))

    # ── names ─────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _model(self, role: str, name: str) -> str:
        """The model that is used. Raises RefusedError where the name is not known in this role."""
        valid = ("cleans2s", self._names[role], *ALIASES[role])
        if name not in valid:
            message = f"no model {name[:60]!r} for this; valid are {', '.join(valid)}"
            raise RefusedError(404, message, "model", "model_not_found")
        return self._names[role]

    def _listed(self, name: str) -> Model:
        return Model(id=name, created=self._created, object="model", owned_by="cleans2s")

    async def models(self, request: Request, body: bytes) -> Response:
        listed = [self._listed(name).model_dump(exclude_unset=True) for name in ("cleans2s", *self._names.values())]
        return JSONResponse({"object": "list", "data": listed})

    async def model(self, request: Request, body: bytes) -> Response:
        """An alias gives the model that it stands for."""
        name: str = request.path_params["name"]
        known = {"cleans2s": "cleans2s"} | {own: own for own in self._names.values()}
        known |= {alias: self._names[role] for role, aliases in ALIASES.items() for alias in aliases}
        if name not in known:
            raise RefusedError(404, f"no model {name[:60]!r}; valid are {', '.join(known)}", "model", "model_not_found")
        return _as_json(self._listed(known[name]))

    async def nothing(self, request: Request, body: bytes) -> Response:
        raise RefusedError(404, f"there is no {request.method} {request.url.path[:80]} here", code="unknown_url")


def _model_name(engine: Any) -> str:
    """As in the catalogue, or the name of the file."""
    model: str = getattr(engine, "model", "") or getattr(engine, "voice", "")
    if model.endswith((".gguf", ".onnx")):
        return model.replace("\\", "/").rpartition("/")[2].rpartition(".")[0]
    kind = type(engine).__name__.lower()
    return model if hasattr(engine, "model") else f"{kind}-{model}".removesuffix("-")


# ── answers ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def _answering(answer: Callable[[Request, bytes], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
    """An endpoint: reads the body, gives the answer up when the client goes away, and tells errors in the API's form."""

    async def endpoint(request: Request) -> Response:
        response = Response()  # for nobody, where the client has gone

        async def watch() -> None:
            while (await request.receive())["type"] != "http.disconnect":
                pass
            tasks.cancel_scope.cancel()

        async with anyio.create_task_group() as tasks:
            try:
                body = await read_body(request)
                tasks.start_soon(watch)
                response = await answer(request, body)
            except Cleans2sError as error:
                response = _error(error)
            except ClientDisconnect:
                pass
            tasks.cancel_scope.cancel()
        return response

    return endpoint


def _error(error: Cleans2sError) -> JSONResponse:
    """4xx where the request is at fault, 503 where an engine was too slow, 500 where it failed."""
    details = {"message": str(error), "type": "invalid_request_error", "param": None, "code": "invalid_value"}
    status = 400
    if isinstance(error, WireError):
        status = error.status if isinstance(error, RefusedError) else 400
        details |= {"param": error.param, "code": error.code}
    elif isinstance(error, StageError) and isinstance(error.__cause__, TextError):
        details |= {"message": str(error.__cause__), "param": "messages", "code": "context_length_exceeded"}
    elif not isinstance(error, (AudioError, TextError, ConfigError)):
        status = 503 if isinstance(error.__context__, TimeoutError) else 500
        details |= {"type": "server_error", "code": "engine_failed"}
        _log.warning("%s", error)
    return JSONResponse({"error": details}, status)


class _Stream(StreamingResponse):
    """Ends the engine's run with the response. What fails in the middle leaves it visibly unfinished."""

    def __init__(self, first: bytes, rest: AsyncGenerator[bytes], media_type: str) -> None:
        super().__init__(rest, media_type=media_type)
        self._first, self._rest = first, rest

    async def stream_response(self, send: Send) -> None:
        async with aclosing(self._rest):
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            await send({"type": "http.response.body", "body": self._first, "more_body": True})
            try:
                async for piece in self._rest:
                    await send({"type": "http.response.body", "body": piece, "more_body": True})
            except StageError as failure:
                _log.warning("a streamed answer was cut: %s", failure)
                return
            await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _pcm(engines: Engines, clauses: list[str]) -> AsyncGenerator[bytes]:
    """16-bit samples at 24 kHz."""
    resampler = None
    for clause in clauses:
        async with aclosing(engines.speak(clause)) as pieces:
            async for audio in pieces:
                resampler = resampler or Resampler(audio.rate, SPEECH_RATE)
                yield Audio(resampler.push(audio.samples), SPEECH_RATE).to_pcm16()
    if resampler:
        yield Audio(resampler.flush(), SPEECH_RATE).to_pcm16()


async def _events(thoughts: AsyncGenerator[str | ToolCall], common: dict[str, Any], with_usage: bool) -> AsyncGenerator[bytes]:
    """Server-sent events. What fails before the first is raised, what fails later is told in an event."""

    def event(delta: dict[str, Any] | None, reason: str | None = None, **more: Any) -> bytes:
        choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": reason}]
        chunk = common | {"object": "chat.completion.chunk", "choices": choices} | more
        return _sse(ChatCompletionChunk.model_validate(chunk).model_dump_json(exclude_unset=True))

    begun, calls, finish = False, 0, Finish("stop", 0, 0)
    try:
        async with aclosing(thoughts):
            async for thought in thoughts:
                if not begun:
                    begun = True
                    yield event({"role": "assistant", "content": ""})
                match thought:
                    case ToolCall():
                        yield event({"tool_calls": [_call(thought) | {"index": calls}]})
                        calls += 1
                    case Finish():
                        finish = thought
                    case str():
                        yield event({"content": thought})
    except StageError as failure:
        if not begun:
            raise
        yield _sse(bytes(_error(failure).body).decode())
        return
    yield event({}, "tool_calls" if calls else finish.reason)
    if with_usage:
        yield event(None, usage=_usage(finish))
    yield _sse("[DONE]")


def _sse(data: str) -> bytes:
    return f"data: {data}\n\n".encode()


def _call(call: ToolCall) -> dict[str, Any]:
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}


def _usage(finish: Finish) -> CompletionUsage:
    prompt, completion = finish.prompt_tokens, finish.completion_tokens
    return CompletionUsage(prompt_tokens=prompt, completion_tokens=completion, total_tokens=prompt + completion)


def _as_json(model: BaseModel) -> Response:
    return Response(model.model_dump_json(exclude_unset=True), media_type="application/json")
