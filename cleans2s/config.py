"""One frozen, strict tree of settings; TOML files, command lines and forms are views of it.

The leaves are the engines' own settings, so a configuration is the agent:

    Config(asr=Whisper("whisper-tiny.en"), llm=Llama(temperature=0.5), tts=Piper(speed=1.2), interruption=False)

The same as TOML, where `engine` picks a row of the registry and may be left out for the default:

    interruption = false
    [llm]
    engine = "llama"
    temperature = 0.5

Secrets are not settings: engines that need a key read it from the environment.
"""

from __future__ import annotations

import dataclasses
import difflib
import importlib.metadata
import sys
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .asr.whisper import Whisper
from .effects import Effects
from .endpoint.smart_turn import SmartTurn
from .errors import ConfigError
from .judge.small import Small
from .llm.llama import Llama
from .lookup import Place
from .stages import Engine, imported
from .strategies import STRATEGIES
from .tts.piper import Piper
from .turn import TurnTaking
from .vad.silero import Silero

ENGINES: dict[str, dict[str, str]] = {
    "vad": {"silero": "cleans2s.vad.silero:Silero", "fsmn": "cleans2s.vad.fsmn:FSMN"},
    "endpoint": {"smart-turn": "cleans2s.endpoint.smart_turn:SmartTurn"},
    "asr": {
        "whisper": "cleans2s.asr.whisper:Whisper",
        "funasr": "cleans2s.asr.funasr:FunASR",
        "openai": "cleans2s.asr.openai:OpenAITranscription",
    },
    "judge": {
        "small": "cleans2s.judge.small:Small",
        "llm": "cleans2s.judge.llm:LLM",
        "sft": "cleans2s.judge.sft:SFT",
    },
    "llm": {
        "llama": "cleans2s.llm.llama:Llama",
        "openai": "cleans2s.llm.openai:OpenAIChat",
        "transformers": "cleans2s.llm.transformers:Transformers",
        "echo": "cleans2s.llm.echo:Echo",
    },
    "tts": {
        "piper": "cleans2s.tts.piper:Piper",
        "kokoro": "cleans2s.tts.kokoro:Kokoro",
        "openai": "cleans2s.tts.openai:OpenAISpeech",
        "cosyvoice": "cleans2s.tts.cosyvoice:CosyVoice",
    },
}
"""Settings class of every engine by role and name. Packages add rows with entry points in the group `cleans2s.<role>`."""

LAZY = {"websearch": "cleans2s.lookup.web:Web"}
"""Settings that are None until something of them is set, and their class, which is not imported before."""

INSTRUCTIONS = "You are a friendly and helpful assistant in a spoken conversation. You answer in one or two short sentences."


@dataclass(frozen=True)
class Limits:
    """Seconds that an engine may take before the session gives the reply up: for each result, token or piece of sound."""

    asr_s: float = 15.0
    endpoint_s: float = 3.0
    judge_s: float = 5.0
    llm_s: float = 20.0
    tts_s: float = 15.0
    documents_s: float = 3.0
    search_s: float = 6.0


@dataclass(frozen=True)
class Config:
    """Everything that an agent is made of."""

    vad: Engine[Any] = field(default_factory=Silero)
    """Is this sound speech?"""

    endpoint: Engine[Any] = field(default_factory=SmartTurn)
    """Has the speaker finished, by the sound?"""

    asr: Engine[Any] = field(default_factory=Whisper)
    llm: Engine[Any] = field(default_factory=Llama)
    tts: Engine[Any] = field(default_factory=Piper)

    judge: Engine[Any] = field(default_factory=Small)
    """How is this turn to be answered, and is it time to cut in?"""

    strategies: tuple[str, ...] = tuple(STRATEGIES)
    """How turns may be answered, see strategies.py; `standard` is always among them."""

    proactive: bool = True
    """Whether the agent speaks unasked: it cuts in, says "mm-hm" in long turns, greets whom it remembers, speaks up in a long
    silence, and reminds of what it promised."""

    reactions: bool = True
    """Whether an emoji is shown that fits what was said."""

    character: str = ""
    """Who the agent is: a name (see characters/), or the path of a Markdown file; "" for a plain assistant."""

    memory: str = ":memory:"
    """Who is remembered from one conversation to the next: a name, or the path of an .sqlite file. ":memory:" lasts as long as
    the conversation and writes nothing; "" is none at all."""

    documents: str = ""
    """What answers are grounded on: a folder of documents, or an index that `cleans2s rag add --index DIR` has made; "" for
    nothing."""

    web: bool = False
    """Whether questions about the world are looked up in the web. The words of such a question leave this machine."""

    websearch: Engine[Any] | None = None
    """How the web is searched (see `websearch.WebSearchHelper`), or another engine that finds; None for the defaults."""

    effects: Effects = field(default_factory=Effects)
    """Volume, speed and pitch of the voice, whichever engine it comes from."""

    turn: TurnTaking = field(default_factory=TurnTaking)
    limits: Limits = field(default_factory=Limits)

    interruption: bool = True
    """Whether the user can interrupt; otherwise the agent finishes first, and what was said meanwhile is the next turn."""

    hands_free: bool = True
    """Whether turns are found in the sound. Otherwise whoever drives the session ends them with `commit` (push to talk)."""

    instructions: str = INSTRUCTIONS
    """The system prompt."""

    lead_s: float = 0.2
    """How far the sound sent to a client runs ahead of what it plays: enough for a jittering network, and the most that a
    client without flushing would still say after an interruption."""

    @property
    def engines(self) -> tuple[Engine[Any], ...]:
        return self.vad, self.endpoint, self.asr, self.llm, self.tts, self.judge, *self.finders.values()

    @property
    def finders(self) -> dict[Place, Engine[Any]]:
        """Where something is looked up. Nothing of it is imported while there is none."""
        found: dict[Place, Engine[Any]] = {}
        if self.documents:
            found["documents"] = imported("cleans2s.lookup.documents:Documents")(self.documents)
        if self.web:
            found["search"] = self.websearch or imported(LAZY["websearch"])()
        return found

    @classmethod
    def from_file(cls, path: str | Path) -> Config:
        tomllib = imported("tomllib" if sys.version_info >= (3, 11) else "tomli")
        try:
            return build(cls, tomllib.loads(Path(path).read_text("utf-8")))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise ConfigError(f"{path}: {error}; expected a TOML file of settings") from None

    def changed(self, values: Mapping[str, Any]) -> Config:
        """A copy with some settings changed, by dotted names: `{"llm.temperature": 0.5, "tts.engine": "piper"}`."""
        tree: dict[str, Any] = {}
        for name, value in values.items():
            node = tree
            *parents, leaf = name.split(".")
            for parent in parents:
                node = node.setdefault(parent, {})
            node[leaf] = value
        return build(Config, tree, self)


def engine_names(role: str) -> dict[str, str]:
    """The rows of the registry for a role, those of installed packages included."""
    plugins = importlib.metadata.entry_points(group=f"cleans2s.{role}")
    return ENGINES[role] | {plugin.name: plugin.value for plugin in plugins}


def build(kind: type[Any], values: Mapping[str, Any], base: Any = None, where: str = "") -> Any:
    """An instance of a settings class from plain values, over `base`. Raises ConfigError for an unknown key or a value of
    the wrong type, and lists what is valid."""
    base = kind() if base is None else base
    hints, fields = typing.get_type_hints(kind), {f.name for f in dataclasses.fields(kind)}
    changes: dict[str, Any] = {}
    for name, value in values.items():
        if name not in fields:
            close = difflib.get_close_matches(name, fields, 1)
            hint = f"did you mean {close[0]!r}? " if close else ""
            raise ConfigError(f"unknown setting {where + name!r}: {hint}valid are {', '.join(sorted(fields))}")
        current = getattr(base, name)
        if current is None and name in LAZY and isinstance(value, Mapping):
            current = imported(LAZY[name])()
        if not dataclasses.is_dataclass(current):
            changes[name] = _converted(value, hints[name], where + name)
        elif not isinstance(value, Mapping):
            raise ConfigError(f"{where}{name} = {value!r}: expected a table of settings")
        else:
            table = dict(typing.cast("Mapping[str, Any]", value))
            if (engine := table.pop("engine", None)) is not None:
                rows = engine_names(name)
                if engine not in rows:
                    raise ConfigError(f"unknown engine {where}{name} = {engine!r}: valid are {', '.join(sorted(rows))}")
                try:
                    wanted = imported(rows[engine])
                except (ImportError, AttributeError) as error:
                    problem = f"cannot be imported from {rows[engine]} ({error}); reinstall the package that it belongs to"
                    raise ConfigError(f"{where}{name} = {engine!r} {problem}") from None
                current = current if type(current) is wanted else wanted()
            settings = typing.cast("type[Any]", type(current))
            changes[name] = build(settings, table, current, f"{where}{name}.")
    return dataclasses.replace(base, **changes)


def _converted(value: Any, hint: Any, name: str) -> Any:
    """A value from TOML (typed) or a command line (text) as the type that the field declares."""
    choices = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    for kind in choices:
        if typing.get_origin(kind) is typing.Literal and value in typing.get_args(kind):
            return value
        if typing.get_origin(kind) is tuple and (items := _items(value, typing.get_args(kind), name)) is not None:
            return items
        if kind is bool and str(value).lower() in ("true", "false", "on", "off", "yes", "no"):
            return str(value).lower() in ("true", "on", "yes")
        if kind is str and isinstance(value, str):
            return value
        if kind in (int, float) and not isinstance(value, bool):
            try:
                number = kind(value)
            except (TypeError, ValueError):
                continue
            if kind is float or float(value) == number:
                return number
    expected = " or ".join(_named(kind) for kind in choices)
    raise ConfigError(f"{name} = {value!r}: expected {expected}")


def _items(value: Any, kinds: tuple[Any, ...], name: str) -> tuple[Any, ...] | None:
    """A list as the tuple that the field declares; None if it is no list, or one of another length."""
    if not isinstance(value, (list, tuple)):
        return None
    given = typing.cast("list[Any]", value)
    kinds = kinds[:1] * len(given) if kinds[-1] is ... else kinds
    if len(kinds) != len(given):
        return None
    pairs = enumerate(zip(given, kinds, strict=True))
    return tuple(_converted(item, kind, f"{name}[{index}]") for index, (item, kind) in pairs)


def _named(kind: Any) -> str:
    match typing.get_origin(kind):
        case typing.Literal:
            return " or ".join(repr(choice) for choice in typing.get_args(kind))
        case None:
            return getattr(kind, "__name__", str(kind))
        case _:
            return f"a list ({kind})"
