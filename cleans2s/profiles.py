"""Whole agents by one word: the TOML files in `profiles/`, and a configuration as such a file."""

from __future__ import annotations

import dataclasses
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from .config import ENGINES, Config, engine_names
from .errors import ConfigError

FOLDER = Path(__file__).parent / "profiles"
DEFAULT = "embedded"

SECRET = re.compile(r"(^|_)(key|token|secret|password)($|_)")
"""In the name of a setting. Keys are read from the environment; a third party's engine may not know that."""


@dataclass(frozen=True)
class Profile:
    name: str
    about: str
    """The file's first comment, a sentence."""

    file: Path


def profiles() -> list[Profile]:
    """What comes with the package, the default one first."""
    files = sorted(FOLDER.glob("*.toml"), key=lambda file: (file.stem != DEFAULT, file.stem))
    return [Profile(file.stem, file.read_text("utf-8").partition("\n")[0].lstrip("# "), file) for file in files]


def names() -> list[str]:
    return [profile.name for profile in profiles()]


def load(name: str | Path) -> Config:
    """The configuration of a profile: its name, or the path of a TOML file. Raises ConfigError for any other, with the names
    that there are."""
    for profile in profiles():
        if profile.name == str(name):
            return Config.from_file(profile.file)
    file = Path(name).expanduser()
    if file.suffix != ".toml" and not file.is_file():
        there = ", ".join(names())
        raise ConfigError(f"no profile is called {str(name)!r}: there are {there}, or give the path of a .toml file")
    return Config.from_file(file)


# ── a configuration as TOML ───────────────────────────────────────────────────────────────────────────────────────────


def as_tree(config: Config) -> dict[str, Any]:
    """All settings as plain values, from which `Config().changed` makes an equal configuration. What cannot be written (an
    object made in a script) and what is secret is left out."""
    tree: dict[str, Any] = {}
    for name, value in _settings(config):
        if name in ENGINES:
            tree[name] = {"engine": engine_name(name, value), **cast("dict[str, Any]", _plain(value) or {})}
        elif (plain := _plain(value)) is not None:
            tree[name] = plain
    return tree


def as_toml(config: Config) -> str:
    """A file that `load` and `--config` take."""
    return "".join(_lines(as_tree(config)))


def engine_name(role: str, settings: object) -> str:
    """Its row of the registry; where it has none, its path."""
    path = f"{type(settings).__module__}:{type(settings).__qualname__}"
    return next((name for name, row in engine_names(role).items() if row == path), path)


def _settings(settings: Any) -> list[tuple[str, Any]]:
    shown = dataclasses.fields(settings) if dataclasses.is_dataclass(settings) else ()
    return [(each.name, getattr(settings, each.name)) for each in shown if not SECRET.search(each.name)]


def _plain(value: Any) -> Any:
    """None for what TOML cannot hold."""
    match value:
        case bool() | int() | float():
            return value
        case str():
            return re.sub(r"://[^/@\s]*@", "://", value)  # a password in an address
        case tuple() | list():
            items = [_plain(item) for item in cast("list[Any]", value)]
            return None if any(item is None or isinstance(item, dict) for item in items) else items
        case _ if dataclasses.is_dataclass(value):
            return {name: plain for name, each in _settings(value) if (plain := _plain(each)) is not None}
        case _:
            return None


def _lines(table: dict[str, Any], path: str = "") -> list[str]:
    lines = [f"{name} = {_literal(value)}\n" for name, value in table.items() if not isinstance(value, dict)]
    for name, value in table.items():
        if isinstance(value, dict):
            lines += [f"\n[{path}{name}]\n", *_lines(cast("dict[str, Any]", value), f"{path}{name}.")]
    return lines


def _literal(value: Any) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case float():
            return repr(value)  # inf and nan are written as TOML has them
        case list():
            return f"[{', '.join(_literal(item) for item in cast('list[Any]', value))}]"
        case str():
            # JSON's escapes are TOML's, but for half characters, which TOML has not, and DEL, which has to be one.
            text = json.dumps(value.encode("utf-8", "replace").decode(), ensure_ascii=False)
            return text.replace("\x7f", "\\u007f")
        case _:
            return str(value)
