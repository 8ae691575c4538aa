"""What `cleans2s.configure` may change, and to what: nothing that opens a file, loads weights of the client's choice or lets
a turn fill the memory."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

from .. import own_characters, references
from ..config import Config
from ..errors import ConfigError
from ..lookup.documents import shelf
from ..strategies import STRATEGIES
from .wire import WireError

NUMBERS: dict[str, tuple[float, float]] = {
    "turn.eager_ms": (32, 3_000),
    "turn.patience_ms": (32, 10_000),
    "turn.blind_ms": (32, 10_000),
    "turn.speech_threshold": (0.05, 0.95),
    "lead_s": (0.05, 1.0),
    "effects.volume_db": (-40, 20),
    "effects.speed": (0.5, 2),
    "effects.pitch": (-12, 12),
}
"""And between which values."""

MEMORY = re.compile(r"[0-9a-f]{32,48}")
"""A number that a client has drawn, of 128 bits at least: whoever knows it, and nobody else, is this user."""

REMEMBERED = "browser-{}"
"""Name of the memory of such a number, which cannot be one that the owner of the server has given."""


OF_BROWSER = re.compile(r"[0-9a-f]{32,48}")
"""The same for the documents that a browser has brought."""


def adjusted(changes: Mapping[str, Any], base: Config) -> dict[str, Any]:
    """The changes, as they are kept: a character's text has become a name. Raises WireError for what cannot be."""
    taken: dict[str, Any] = {}
    for name, value in changes.items():
        if bounds := NUMBERS.get(name):
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not bounds[0] <= value <= bounds[1]:
                raise _wrong(name, value, f"expected {bounds[0]:g} to {bounds[1]:g}")
        elif name in CHECKS:
            CHECKS[name](name, value, base)
        else:
            valid = ", ".join(ADJUSTABLE)
            problem = f"settings.{name[:80]}: cannot be changed by a client; valid are {valid}"
            raise WireError(problem, "unknown_parameter", f"settings.{name[:80]}")
        if name == "character_text":
            taken["character"] = _kept(str(value))
        else:
            taken[name] = value
    return taken


def values(adjusted: Mapping[str, Any], base: Config) -> dict[str, Any]:
    """Settings of a Config, from what a client has adjusted. Raises ConfigError where a character is here no longer."""
    values: dict[str, Any] = {"proactive": False} | dict(adjusted)
    # A client that has not heard of it expects no response that it did not ask for.
    if values.pop("tts.reference", "") not in ("", getattr(base.tts, "reference", "")):
        values["tts.reference"] = adjusted["tts.reference"]
        if hasattr(base.tts, "reference_text"):
            values["tts.reference_text"] = ""  # it is what is said in the configured clip
    if "character" in adjusted:
        configured = adjusted["character"] == character_name(base)
        values["character"] = base.character if configured else own_characters.setting(adjusted["character"])
    if number := values.pop("memory", ""):
        values["memory"] = REMEMBERED.format(number)
    if "documents" in values:
        values["documents"] = _documents(values["documents"], base)
    return values


def _documents(value: str | bool, base: Config) -> str:
    """A browser's own by their number, those of the server, or none."""
    if isinstance(value, bool) or not value:
        return base.documents if value else ""
    return str(shelf(value))


def character_name(config: Config) -> str:
    """What a client calls the configured character: where it is a file, the client learns no path."""
    return Path(config.character).stem if config.character.endswith(".md") else config.character


def _kept(text: str) -> str:
    try:
        return own_characters.keep(text)
    except ConfigError as error:
        raise WireError(str(error), "invalid_value", "settings.character_text") from None


def _wrong(name: str, value: Any, expected: str) -> WireError:
    return WireError(f"settings.{name} {str(value)[:60]!r}: {expected}", "invalid_value", f"settings.{name}")


def _check_recogniser(name: str, value: Any, base: Config) -> None:
    if value not in (known := recognisers(base)):
        raise _wrong(name, value, f"expected one of {', '.join(known)}")


def _check_language(name: str, value: Any, base: Config) -> None:
    """The engine says which there are."""


def _check_reference(name: str, value: Any, base: Config) -> None:
    """A client names a clip and never a file; "" is the configured one."""
    if not hasattr(base.tts, "reference"):
        kind = type(base.tts).__name__
        problem = f"this voice ({kind}) cannot speak like a reference; choose engines that can, such as CosyVoice"
        raise WireError(problem, "unsupported", f"settings.{name}")
    if value and not (isinstance(value, str) and references.is_public(value)):
        known = ", ".join(references.names())
        problem = f"no reference voice {str(value)[:60]!r}: expected one of {known}, or a clip uploaded within the last day"
        raise WireError(problem, "invalid_value", f"settings.{name}")


def _check_switch(name: str, value: Any, base: Config) -> None:
    if not isinstance(value, bool):
        raise _wrong(name, value, "expected true or false")


def _check_strategies(name: str, value: Any, base: Config) -> None:
    valid = ", ".join(STRATEGIES)
    if not isinstance(value, list):
        raise _wrong(name, value, f"expected a list of some of {valid}")
    for each in cast("list[str]", value):
        if each not in STRATEGIES:
            raise _wrong(name, each, f"no strategy is called so; valid are {valid}")


def _check_character(name: str, value: Any, base: Config) -> None:
    if not isinstance(value, str):
        raise _wrong(name, value, "expected a name")
    if value != character_name(base):
        try:
            own_characters.setting(value)
        except ConfigError as error:
            raise WireError(str(error), "invalid_value", f"settings.{name}") from None


def _check_text(name: str, value: Any, base: Config) -> None:
    if not isinstance(value, str):
        raise _wrong(name, value, "expected the text of a character, in Markdown")


def _check_memory(name: str, value: Any, base: Config) -> None:
    """A number and never a path; "" is the configured one."""
    if value and not (isinstance(value, str) and MEMORY.fullmatch(value)):
        problem = f"settings.{name}: expected 32 to 48 hexadecimal digits in lower case, drawn at random, or an empty text"
        raise WireError(problem, "invalid_value", f"settings.{name}")


def _check_documents(name: str, value: Any, base: Config) -> None:
    """A number and never a path."""
    if value is True and not base.documents:
        problem = "this server has no documents of its own; send the number of yours, or false"
        raise WireError(problem, "unsupported", f"settings.{name}")
    if not isinstance(value, bool) and value and not (isinstance(value, str) and OF_BROWSER.fullmatch(value)):
        problem = f"settings.{name}: expected true, false, or 32 to 48 hexadecimal digits in lower case, drawn at random"
        raise WireError(problem, "invalid_value", f"settings.{name}")


CHECKS: dict[str, Callable[[str, Any, Config], None]] = {
    "asr.model": _check_recogniser,
    "asr.language": _check_language,
    "tts.reference": _check_reference,
    "proactive": _check_switch,
    "strategies": _check_strategies,
    "character": _check_character,
    "character_text": _check_text,
    "memory": _check_memory,
    "documents": _check_documents,
    "web": _check_switch,
}
"""What else, and how a value is looked at before."""

ADJUSTABLE = (*NUMBERS, *CHECKS)


def recognisers(config: Config) -> list[str]:
    """Names of the models that the configured recogniser can be switched to, its current one first."""
    from ..catalogue import CATALOGUE

    kind = type(config.asr).__name__.lower()
    others = (row.name for row in CATALOGUE if row.name.startswith(f"{kind}-"))
    return list(dict.fromkeys([engine_name(config.asr), *others]))


def engine_name(engine: Any) -> str:
    return str(getattr(engine, "model", type(engine).__name__.lower()))
