"""Events as the `openai` package's own types define them: what a client sends is checked by them, and what it gets is built
with them."""

from __future__ import annotations

import json
import re
import secrets
import typing
from collections.abc import Iterator, Mapping
from typing import Any, cast

import pydantic
import pydantic_core
from openai.types.realtime import RealtimeClientEvent, RealtimeServerEvent

from ..errors import Cleans2sError
from .memory_messages import MEMORY

OURS = "cleans2s."
CLOSE_MATCH = 0.6


class WireError(Cleans2sError, ValueError):
    """Something that a client sent and that is answered with an `error` event."""

    def __init__(
        self, message: str, code: str = "invalid_value", param: str | None = None, kind: str = "invalid_request_error"
    ) -> None:
        super().__init__(message)
        self.code, self.param, self.kind = code, param, kind


def _by_type(union: Any) -> dict[str, type[pydantic.BaseModel]]:
    """The classes of a union of events by the text that their `type` must be."""
    classes = typing.get_args(typing.get_args(union)[0])
    return {typing.get_args(cls.model_fields["type"].annotation)[0]: cls for cls in classes}


CLIENT = _by_type(RealtimeClientEvent)
SERVER = _by_type(RealtimeServerEvent)


class Playback(pydantic.BaseModel):
    item_id: str
    played_ms: float = pydantic.Field(ge=0, allow_inf_nan=False)


class Configure(pydantic.BaseModel):
    settings: dict[str, str | float | bool | list[str]]


class Ping(pydantic.BaseModel):
    id: str | int | pydantic.FiniteFloat | None = None


EXTENSIONS: dict[str, type[pydantic.BaseModel]] = {
    "cleans2s.playback": Playback,
    "cleans2s.configure": Configure,
    "cleans2s.ping": Ping,
    **MEMORY,
}


def parse(text: str | bytes) -> dict[str, Any]:
    """A message as a JSON object. Raises WireError; so does what could not be sent back as JSON: half a surrogate pair, NaN,
    hundreds of levels."""
    try:
        data = pydantic_core.from_json(text, allow_inf_nan=False)
    except ValueError:
        raise WireError("not JSON; expected one event as a JSON object in each text message", "invalid_json") from None
    if not isinstance(data, dict):
        raise WireError("expected a JSON object with a `type`", "missing_required_parameter", "type")
    return cast("dict[str, Any]", data)


def event_of(data: dict[str, Any]) -> tuple[str, Any]:
    """Type and checked event. Raises WireError; what is wrong is said without the data."""
    if not isinstance(kind := data.get("type"), str):
        raise WireError("expected a JSON object with a `type`", "missing_required_parameter", "type")
    cls = CLIENT.get(kind) or EXTENSIONS.get(kind)
    if cls is None:
        known = ", ".join(sorted((*CLIENT, *EXTENSIONS)))
        raise WireError(f"unknown event type {kind[:80]!r}; valid are {known}", "unknown_event_type", "type")
    return kind, checked(cls, data)


def event_id_of(event: Mapping[str, Any]) -> str | None:
    found = event.get("event_id")
    return found if isinstance(found, str) and len(found) <= 512 else None


def checked(cls: type[pydantic.BaseModel], data: Any, where: str = "") -> Any:
    """An instance of one of the package's types. Raises WireError that names the parameter."""
    try:
        model = cls.model_validate(data)
    except pydantic.ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        param = where + _param(first["loc"])
        code = "missing_required_parameter" if first["type"] == "missing" else "invalid_type"
        raise WireError(f"{param or 'event'}: {first['msg']}", code, param or None) from None
    except RecursionError:
        raise WireError("nested too deeply", "invalid_value") from None
    return model


def unknown_fields(model: pydantic.BaseModel, where: str) -> Iterator[str]:
    """The dotted names of what was sent and the types do not know."""
    for name in model.model_extra or {}:
        yield f"{where}.{name}"
    for name in model.model_fields_set & set(type(model).model_fields):
        value = getattr(model, name)
        for part in cast("list[Any]", value) if isinstance(value, list) else [value]:
            if isinstance(part, pydantic.BaseModel):
                yield from unknown_fields(part, f"{where}.{name}")


def _param(loc: tuple[int | str, ...]) -> str:
    """A place in the data as a dotted name, without the names of the classes that were tried."""
    parts = [str(part) for part in loc if isinstance(part, int) or re.fullmatch(r"[a-z][a-z0-9_]*", part)]
    return ".".join(parts)


def made(kind: str, **fields: Any) -> str:
    """A server event as JSON. Those of the protocol are built by the package's types, so a wrong one cannot leave."""
    event = {"type": kind, "event_id": f"event_{secrets.token_hex(8)}", **fields}
    if kind.startswith(OURS):
        return json.dumps(event, ensure_ascii=False)
    return SERVER[kind].model_validate(event).model_dump_json(exclude_unset=True, warnings="error")


def error_event(error: WireError, event_id: str | None = None) -> str:
    details = {"type": error.kind, "code": error.code, "message": str(error), "param": error.param, "event_id": event_id}
    return made("error", error=details)
