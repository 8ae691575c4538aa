"""The Realtime session object, as what it means for the agent: a Config and a Request."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, cast

from openai.types.realtime import RealtimeResponseCreateParams, RealtimeSessionCreateRequest

from ..config import Config
from ..effects import RANGES
from ..errors import ConfigError
from ..reply import Request
from ..stages import Chat, Wishes
from ..turn import TurnTaking
from . import adjusting
from .wire import WireError, checked, unknown_fields

INSTRUCTIONS_LIMIT = 16_000
"""Characters."""

OPENAI_VOICES = frozenset("alloy ash ballad coral echo fable onyx nova sage shimmer verse marin cedar".split())
"""Taken as the agent's own voice, so that a client written for another server speaks at once."""

EAGERNESS = {"low": (320, 2000), "high": (96, 640)}
"""`eager_ms` and `patience_ms` of semantic_vad; medium and auto are the configuration's own."""

UNSUPPORTED = ("include", "prompt", "reasoning", "tracing", "audio.input.noise_reduction")
"""Parameters of the session that mean nothing here; null is taken, anything else is an error."""


@dataclass(frozen=True)
class Settings:
    """A session's settings. `session` is the object of the protocol, without its id."""

    base: Config
    """The server's own configuration."""

    session: dict[str, Any] = field(default_factory=dict[str, Any])
    adjusted: dict[str, Any] = field(default_factory=dict[str, Any])
    """Settings by `cleans2s.configure`."""

    @classmethod
    def of(cls, base: Config) -> Settings:
        turns = {"type": "semantic_vad", "eagerness": "auto", "create_response": True, "interrupt_response": base.interruption}
        session = {
            "type": "realtime",
            "model": "cleans2s",
            "output_modalities": ["audio"],
            "instructions": base.instructions,
            "max_output_tokens": "inf",
            "tools": [],
            "tool_choice": "auto",
            "audio": {
                "input": {
                    "format": {"type": "audio/pcm", "rate": 24000},
                    "transcription": {"model": adjusting.engine_name(base.asr)},
                    "turn_detection": turns,
                },
                "output": {"format": {"type": "audio/pcm", "rate": 24000}, "voice": _voice(base), "speed": 1.0},
            },
        }
        return cls(base, session)

    def updated(self, changes: RealtimeSessionCreateRequest) -> Settings:
        """With what a `session.update` names; the rest stays. Raises WireError for what is not supported."""
        if unknown := sorted(unknown_fields(changes, "session")):
            raise WireError(f"unknown parameter {unknown[0]!r}", "unknown_parameter", unknown[0])
        given = changes.model_dump(exclude_unset=True)
        for name in UNSUPPORTED:
            if _at(given, name) is not None:
                raise WireError(f"session.{name} is not supported by this server", "unsupported", f"session.{name}")
        merged = cast("dict[str, Any]", _merged(self.session, given))
        checked(RealtimeSessionCreateRequest, merged, "session.")
        settings = replace(self, session=merged)
        settings.config()  # says what is wrong before anything is changed
        settings.request()
        return settings

    def adjusted_by(self, changes: Mapping[str, Any]) -> Settings:
        settings = replace(self, adjusted=self.adjusted | adjusting.adjusted(changes, self.base))
        settings.config()
        return settings

    # ── what it means ─────────────────────────────────────────────────────────────────────────────────────────────────

    def config(self) -> Config:
        """Raises WireError for a value that the agent cannot take."""
        turns = self.turn_detection
        instructions = str(self.session.get("instructions") or "")
        if len(instructions) > INSTRUCTIONS_LIMIT:
            problem = f"instructions of {len(instructions)} characters; expected at most {INSTRUCTIONS_LIMIT}"
            raise WireError(problem, "string_above_max_length", "session.instructions")
        values: dict[str, Any] = {
            "instructions": instructions,
            "hands_free": turns is not None,
            "interruption": True if turns is None else turns.get("interrupt_response") is not False,
            **self._voice(),
        }
        if instructions != self.base.instructions and "character" not in self.adjusted:
            values["character"] = ""  # the server's own would have its own instructions instead of the client's
        language = _at(self.session, "audio.input.transcription.language")
        if language and hasattr(self.base.asr, "language"):
            values["asr.language"] = language
        try:
            config = self.base.changed(values)
            config = replace(config, turn=_turn_taking(turns, config.turn))
            return config.changed(adjusting.values(self.adjusted, self.base))
        except ConfigError as error:
            raise WireError(str(error), "invalid_value") from None

    def _voice(self) -> dict[str, Any]:
        voice, speed = _at(self.session, "audio.output.voice"), _at(self.session, "audio.output.speed") or 1.0
        values: dict[str, Any] = {}
        if not 0.25 <= speed <= 1.5:
            raise WireError(f"speed {speed:g}: expected 0.25 to 1.5", "invalid_value", "session.audio.output.speed")
        if hasattr(self.base.tts, "speed"):
            values["tts.speed"] = round(getattr(self.base.tts, "speed") * speed * 20) / 20  # noqa: B009 (it may have none)
        elif speed != 1.0:  # a voice without one is made faster or slower afterwards
            own, (least, most) = self.base.effects.speed, RANGES["speed"]
            if not least <= own * speed <= most:
                problem = (
                    f"speed {speed:g}: expected {least / own:g} to {most / own:g} of this voice, which has none of its own"
                )
                raise WireError(problem, "invalid_value", "session.audio.output.speed")
            values["effects.speed"] = own * speed
        if voice not in OPENAI_VOICES and voice not in (known := voices(self.base)):
            problem = f"voice {voice!r}: this server has {', '.join(known)}"
            raise WireError(problem, "invalid_value", "session.audio.output.voice")
        if voice not in OPENAI_VOICES and hasattr(self.base.tts, "voice"):
            values["tts.voice"] = voice
        return values

    def request(self, asked: RealtimeResponseCreateParams | None = None, chat: Chat | None = None) -> Request:
        """How replies are to be; `asked` is what one `response.create` wants otherwise. Raises WireError."""
        given = asked.model_dump(exclude_unset=True) if asked else {}
        if asked and (unknown := sorted(unknown_fields(asked, "response"))):
            raise WireError(f"unknown parameter {unknown[0]!r}", "unknown_parameter", unknown[0])
        for name in ("prompt", "reasoning"):
            if given.get(name) is not None:
                raise WireError(f"response.{name} is not supported by this server", "unsupported", f"response.{name}")
        if (where := given.get("conversation", "auto")) not in ("auto", "none"):
            raise WireError(f"conversation {where!r}: expected 'auto' or 'none'", "invalid_value", "response.conversation")
        wanted = self.session | {name: value for name, value in given.items() if value is not None}
        modalities = wanted["output_modalities"]
        if modalities not in (["audio"], ["text"]):
            raise WireError(f"output_modalities {modalities}: expected ['audio'] or ['text']", param="output_modalities")
        limit = wanted["max_output_tokens"]
        if limit != "inf" and not 1 <= limit <= 4096:
            raise WireError(f"max_output_tokens {limit}: expected 1 to 4096, or 'inf'", param="max_output_tokens")
        tools = tuple(_tool(tool, n) for n, tool in enumerate(wanted["tools"] or ()))
        wishes = Wishes(None if limit == "inf" else limit, tools=tools, tool_choice=_choice(wanted["tool_choice"], tools))
        return Request(given.get("instructions"), modalities == ["audio"], wishes, chat, where == "auto")

    @property
    def turn_detection(self) -> dict[str, Any] | None:
        return _at(self.session, "audio.input.turn_detection")

    @property
    def answers(self) -> bool:
        """Whether a turn is answered without being asked for."""
        return self.turn_detection is not None and self.turn_detection.get("create_response") is not False

    @property
    def transcribes(self) -> bool:
        return _at(self.session, "audio.input.transcription") is not None

    @property
    def input_format(self) -> str:
        return _at(self.session, "audio.input.format")["type"]

    @property
    def output_format(self) -> str:
        return _at(self.session, "audio.output.format")["type"]

    @property
    def idle_timeout_s(self) -> float | None:
        timeout = (self.turn_detection or {}).get("idle_timeout_ms")
        return None if timeout is None else timeout / 1000


def voices(config: Config) -> list[str]:
    """Names of the voices that the configured engine can speak with, its current one first."""
    from ..catalogue import CATALOGUE

    current = _voice(config)
    kind = type(config.tts).__name__.lower()
    others = (row.name.removeprefix(f"{kind}-") for row in CATALOGUE if row.name.startswith(f"{kind}-"))
    return list(dict.fromkeys([current, *others]))


def _voice(config: Config) -> str:
    return str(getattr(config.tts, "voice", type(config.tts).__name__.lower()))


def _turn_taking(turns: dict[str, Any] | None, own: TurnTaking) -> TurnTaking:
    if turns is None:
        return own
    where = "session.audio.input.turn_detection"
    if turns["type"] == "semantic_vad":
        if (pace := EAGERNESS.get(turns.get("eagerness") or "auto")) is None:
            return own
        return dataclasses.replace(own, eager_ms=pace[0], patience_ms=pace[1])
    threshold, silence_ms = turns.get("threshold"), turns.get("silence_duration_ms")
    threshold, silence_ms = 0.5 if threshold is None else threshold, 500 if silence_ms is None else silence_ms
    idle_ms = turns.get("idle_timeout_ms")
    for name, value, low, high in (
        ("threshold", threshold, 0.0, 1.0),
        ("silence_duration_ms", silence_ms, 32, 10_000),
        ("idle_timeout_ms", 5_000 if idle_ms is None else idle_ms, 1_000, 600_000),
    ):
        if not low <= value <= high:
            raise WireError(f"{name} {value}: expected {low:g} to {high:g}", "invalid_value", f"{where}.{name}")
    pace = dict.fromkeys(("eager_ms", "patience_ms", "blind_ms"), silence_ms)
    hearing = {"speech_threshold": max(threshold, 0.01), "silence_threshold": min(max(threshold - 0.15, 0.01), 0.35)}
    return dataclasses.replace(own, **pace, **hearing)


def _tool(tool: dict[str, Any], index: int) -> dict[str, Any]:
    if tool.get("type") != "function" or not tool.get("name"):
        where = f"tools.{index}"
        raise WireError(f"{where}: expected a function with a name; other tools are not supported", "unsupported", where)
    function = {name: tool[name] for name in ("name", "description", "parameters") if tool.get(name) is not None}
    return {"type": "function", "function": {"parameters": {"type": "object", "properties": {}}} | function}


def _choice(choice: Any, tools: tuple[Any, ...]) -> Any:
    if isinstance(choice, str):
        return choice
    name = choice.get("name")
    if choice.get("type") != "function" or name not in [tool["function"]["name"] for tool in tools]:
        raise WireError(f"tool_choice {name!r}: expected the name of one of the tools", "invalid_value", "tool_choice")
    return {"type": "function", "function": {"name": name}}


REPLACED = frozenset({"tools", "tool_choice", "output_modalities", "format"})


def _merged(old: object, new: object) -> Any:
    """Objects are merged by name, everything else is replaced. Another kind of turn detection starts from its defaults."""
    if not isinstance(old, dict) or not isinstance(new, dict):
        return new
    before, changes = cast("dict[str, Any]", old), cast("dict[str, Any]", new)
    if changes.get("type") not in (None, before.get("type")):
        return changes
    return before | {name: value if name in REPLACED else _merged(before.get(name), value) for name, value in changes.items()}


def _at(tree: Any, path: str) -> Any:
    for name in path.split("."):
        tree = cast("dict[str, Any]", tree).get(name) if isinstance(tree, dict) else None
    return tree
