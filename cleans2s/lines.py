"""What the agent says by itself, without a language model: spoken lines by kind and language, with slots.

    lines = Lines(en=("Hello {name}!", "Hello!"), zh=("{name}你好！", "你好！"))
    lines.pick("en", turn=3, slots={"name": "Ann"})      → "Hello Ann!"

Nothing is remembered between two calls: the caller counts (`turn`) and says what was said before (`avoid`), so the same
conversation is always told in the same words.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from .errors import ConfigError
from .stages import imported

FOLDER = Path(__file__).parent / "templates"

SLOTS = {
    "me": "the character's name",
    "name": "the name of the person spoken to",
    "topic": "what to talk about, a few words",
    "matter": "what the conversation set out to be about, a few words",
    "reason": "why, half a sentence",
    "rule": "a sentence of the character about itself",
    "fact": "what is remembered, a sentence or a quotation",
    "point": "what was understood, a few words",
    "when": "when it was: yesterday, on Monday",
    "ago": "how long it is since: three days ago",
    "minutes": "how long: ten minutes",
}
"""What a line may leave open."""

SLOT_CHARS = 160
"""A value is cut at a word here: it comes from memory or from a recogniser, and is to be spoken."""

SENTENCES = frozenset({"rule", "fact"})
"""Slots whose value is a sentence and keeps its full stop; of the others an end mark is taken off."""

_SLOT = re.compile(r"\{(\w*)\}")
_END = ".!?…。！？"


def base_language(language: str | None) -> str:
    """ "zh" of "zh-CN", "en" of "en_US" and of nothing."""
    return re.split(r"[-_]", (language or "en").strip().lower())[0] or "en"


@dataclass(frozen=True, init=False)
class Lines:
    """Several ways to say one thing, by language."""

    by_language: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])

    def __init__(self, by_language: Mapping[str, Collection[str]] | None = None, **languages: Collection[str]) -> None:
        """Raises ConfigError for a slot that nobody fills, and for a line that is not text."""
        given = {**(by_language or {}), **languages}
        checked = {language: tuple(_checked(line, language) for line in _listed(lines)) for language, lines in given.items()}
        object.__setattr__(self, "by_language", checked)

    def __bool__(self) -> bool:
        return any(self.by_language.values())

    def of(self, language: str | None) -> tuple[str, ...]:
        """In this language; in English, or whatever there is, if there are none."""
        found = self.by_language.get(base_language(language)) or self.by_language.get("en")
        return found or next((lines for lines in self.by_language.values() if lines), ())

    def over(self, other: Lines) -> Lines:
        """These, and for languages without any the other's."""
        return Lines({**other.by_language, **{key: lines for key, lines in self.by_language.items() if lines}})

    def beside(self, other: Lines) -> Lines:
        """These and the other's."""
        languages = {*self.by_language, *other.by_language}
        return Lines({key: (*self.by_language.get(key, ()), *other.by_language.get(key, ())) for key in sorted(languages)})

    def pick(
        self,
        language: str | None,
        turn: int = 0,
        slots: Mapping[str, str] | None = None,
        avoid: Collection[str] = (),
    ) -> str:
        """The line of this turn, filled; "" where there is none. A line is only used if all its slots have values, and the
        fullest are preferred: who knows a name says it. What is in `avoid` (the last lines said) is only said again where
        there is no other."""
        values = clean(slots or {})
        filled = [(_told(line), said) for line in self.of(language) if (said := _filled(line, values))]
        choice: list[str] = []
        for told in sorted({told for told, _ in filled}, reverse=True):
            choice += [said for each, said in filled if each == told]
            if len(choice) > 1:
                break
        others = [said for _, said in filled if said not in choice]
        start = turn % len(choice) if choice else 0
        order = [*choice[start:], *choice[:start], *others]
        return next((said for said in order if said not in avoid), order[0] if order else "")


def clean(slots: Mapping[str, str]) -> dict[str, str]:
    """Values as they can be spoken: on one line, bounded, without braces; empty ones are left out."""
    values: dict[str, str] = {}
    for name, value in slots.items():
        text = re.sub(r"[\x00-\x20\x7f\u2028\u2029]+", " ", value).replace("{", "").replace("}", "").strip()
        if len(text) > SLOT_CHARS:
            cut = text[:SLOT_CHARS]
            text = (cut[: cut.rfind(" ")] if " " in cut[SLOT_CHARS // 2 :] else cut).rstrip(",;:，；：、 ") + "…"
        if name not in SENTENCES:
            text = text.rstrip(".!?。！？ ")
        elif text and not text.rstrip("\"'”’」』）)").endswith(tuple(_END)):
            text += "。" if re.search(r"[㐀-鿿]", text) else "."
        if text:
            values[name] = text
    return values


def _filled(line: str, values: Mapping[str, str]) -> str:
    """ "" if a slot stays open."""
    if any(name not in values for name in _SLOT.findall(line)):
        return ""

    def fill(slot: re.Match[str]) -> str:
        value, before = values[slot[1]], line[: slot.start()]
        begins = not before or bool(re.search(r"[.!?]\s$", before))
        return value[:1].upper() + value[1:] if begins else value

    return _SLOT.sub(fill, line)


def _told(line: str) -> int:
    """How much of what is known a line tells; its own name is no news, and a reason is always known."""
    return len(set(_SLOT.findall(line)) - {"me", "reason"})


def _listed(lines: Collection[str] | str) -> Collection[str]:
    return (lines,) if isinstance(lines, str) else lines


def _checked(line: Any, where: str) -> str:
    if not isinstance(line, str) or not line.strip():
        raise ConfigError(f"{where}: {line!r} is no line to be spoken: expected text")
    for name in _SLOT.findall(line):
        if name not in SLOTS:
            raise ConfigError(f"{where}: {line!r} leaves {{{name}}} open, which nobody fills: valid are {', '.join(SLOTS)}")
    return line.strip()


# ── files ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Sheet:
    """A file of `templates/`: guidance for a prompt, lines for any kind, lines by kind, and reasons by kind."""

    guidance: Mapping[str, str] = field(default_factory=dict[str, str])
    templates: Lines = field(default_factory=Lines)
    kinds: Mapping[str, Lines] = field(default_factory=dict[str, Lines])
    reasons: Mapping[str, Mapping[str, str]] = field(default_factory=dict[str, Mapping[str, str]])

    @classmethod
    def from_file(cls, path: str | Path) -> Sheet:
        """Raises ConfigError for a file that is not such a sheet, and names it."""
        tomllib = imported("tomllib" if sys.version_info >= (3, 11) else "tomli")
        try:
            tree: dict[str, Any] = tomllib.loads(Path(path).read_text("utf-8"))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise ConfigError(f"{path}: {error}; expected a TOML file of spoken lines") from None
        if unknown := sorted(set(tree) - {"guidance", "templates", "kinds", "reasons"}):
            raise ConfigError(f"{path}: unknown table [{unknown[0]}]: valid are guidance, templates, kinds, reasons")
        try:
            return cls(
                _table(tree, "guidance"),
                Lines(_table(tree, "templates")),
                {kind: Lines(cast("Mapping[str, Any]", lines)) for kind, lines in _table(tree, "kinds").items()},
                _table(tree, "reasons"),
            )
        except ConfigError as error:
            raise ConfigError(f"{path}: {error}") from None

    def texts(self) -> Iterator[tuple[str, str, str]]:
        """(kind, language, line) of all lines."""
        for kind, lines in {"": self.templates, **self.kinds}.items():
            for language, each in lines.by_language.items():
                yield from ((kind, language, line) for line in each)


def _table(tree: Mapping[str, Any], name: str) -> dict[str, Any]:
    if not isinstance(found := tree.get(name, {}), dict):
        raise ConfigError(f"{name} = {found!r}: expected a table")
    return cast("dict[str, Any]", found)
