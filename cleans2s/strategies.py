"""How a turn can be answered: a row each, which of them are switched on, and which one is chosen.

    STRATEGIES["refusal"].say("en", kind="harmful", turn=2)       a spoken line, where the model is small
    STRATEGIES["refusal"].prompt("en", reason="it does harm")     a paragraph for the system prompt, where it is able
    Strategies(on=("standard", "refusal")).choose({"standard": 0.2, "refusal": 0.7, "silence": 0.1})

A strategy of one's own is a row:

    add(Strategy("riddle", guidance={"en": "Answer with a riddle."}, templates={"en": ["What has keys and no door?"]}))

or, in a package, an entry point in the group `cleans2s.strategy` that names such a row.
"""

from __future__ import annotations

import difflib
import functools
import importlib.metadata
import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from .errors import ConfigError
from .lines import FOLDER, Lines, Sheet, base_language, clean
from .stages import imported

NOTES = {
    "en": {
        "reason": "Your reason: {}",
        "fact": "What you remember: {}",
        "topic": "You could turn to: {}",
        "rule": "Your rule: {}",
    },
    "zh": {"reason": "你的理由：{}", "fact": "你记得的是：{}", "topic": "可以转到：{}", "rule": "你的规矩：{}"},
}
"""What is added to the guidance of a prompt where it is known."""

TO_THE_POINT = frozenset({"harmful", "self_harm", "abuse", "contradiction", "danger", "last_word", "back"})
"""Kinds of reason where what is said matters more than the manner: a character's own lines, which may be
playful, keep out."""


@dataclass(frozen=True)
class Strategy:
    name: str

    guidance: Mapping[str, str] = field(default_factory=dict[str, str])
    """By language: a paragraph for the system prompt of a model that can follow it."""

    speaks: bool = True
    may_barge_in: bool = False
    """Whether it is chosen while the user still speaks, and then only."""

    templates: Lines | Mapping[str, Collection[str]] = field(default_factory=Lines)
    """Spoken lines by language; without any, the language model speaks."""

    kinds: Mapping[str, Lines] = field(default_factory=dict[str, Lines])
    """Lines for one kind of reason, which come before `templates`."""

    reasons: Mapping[str, Mapping[str, str]] = field(default_factory=dict[str, Mapping[str, str]])
    """By language and kind: half a sentence that fills {reason} where the caller gives none."""

    def __post_init__(self) -> None:
        if not self.name.isidentifier():
            raise ConfigError(f"a strategy called {self.name!r}: expected a name of letters, digits and underscores")
        if not isinstance(self.templates, Lines):
            object.__setattr__(self, "templates", Lines(self.templates))

    @property
    def lines(self) -> Lines:
        return self.templates if isinstance(self.templates, Lines) else Lines(self.templates)

    def say(
        self,
        language: str | None,
        *,
        kind: str = "",
        turn: int = 0,
        slots: Mapping[str, str] | None = None,
        avoid: Collection[str] = (),
        own: Lines | None = None,
    ) -> str:
        """What is said without a language model; "" where there is nothing to say (or nothing but the model could). `own` are
        a character's lines, which take the place of the common ones and stand beside those of a kind. See `Lines.pick` for
        the rest."""
        reasons = self.reasons.get(base_language(language), self.reasons.get("en", {}))
        filled = {"reason": reasons.get(kind, ""), **{name: value for name, value in (slots or {}).items() if value}}
        own = Lines() if own is None or kind in TO_THE_POINT else own
        lines = own.beside(self.kinds[kind]) if kind in self.kinds else own.over(self.lines)
        return lines.pick(language, turn, filled, avoid)

    def prompt(self, language: str | None, **known: str) -> str:
        """The guidance, and what is known of `reason`, `fact`, `rule` and `topic` as data beneath it."""
        code = base_language(language) if base_language(language) in self.guidance else "en"
        if not (guidance := self.guidance.get(code) or next(iter(self.guidance.values()), "")):
            return ""
        values, notes = clean(known), NOTES.get(code, NOTES["en"])
        return "\n".join([guidance.strip(), *(notes[name].format(values[name]) for name in notes if name in values)])


def _from_sheet(name: str, speaks: bool = True, may_barge_in: bool = False) -> Strategy:
    sheet = Sheet.from_file(FOLDER / f"{name}.toml")
    return Strategy(name, sheet.guidance, speaks, may_barge_in, sheet.templates, sheet.kinds, sheet.reasons)


STANDARD = "standard"

STRATEGIES: dict[str, Strategy] = {
    "standard": _from_sheet("standard"),
    "refusal": _from_sheet("refusal"),
    "deflection": _from_sheet("deflection"),
    "silence": _from_sheet("silence", speaks=False),
    "interruption": _from_sheet("interruption", may_barge_in=True),
}
"""By name; packages add rows with entry points in the group `cleans2s.strategy`, scripts with `add`."""


def add(strategy: Strategy) -> Strategy:
    """Make a strategy known to every session from now on, in place of one of the same name."""
    STRATEGIES[strategy.name] = strategy
    return strategy


def known() -> dict[str, Strategy]:
    """All rows, those of installed packages included; a row of the same name here comes first."""
    return _plugins() | STRATEGIES


@functools.cache
def _plugins() -> dict[str, Strategy]:
    return plugins(importlib.metadata.entry_points(group="cleans2s.strategy"))


def plugins(points: Iterable[importlib.metadata.EntryPoint]) -> dict[str, Strategy]:
    """The rows that entry points name. Raises ConfigError for one that is none."""
    rows: dict[str, Strategy] = {}
    for point in points:
        try:
            row = imported(point.value)
        except (ImportError, AttributeError) as error:
            mend = "reinstall the package that it belongs to"
            raise ConfigError(f"strategy {point.name!r} cannot be imported from {point.value} ({error}); {mend}") from None
        if not isinstance(row, Strategy):
            raise ConfigError(f"strategy {point.name!r}: {point.value} is {type(row).__name__}, expected a Strategy")
        rows[row.name] = row
    return rows


# ── which are on, and which is chosen ─────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Strategies:
    """Those that are switched on. A conversation may go on with another set at any moment: `strategies.off("silence")`."""

    on: tuple[str, ...] = tuple(STRATEGIES)

    def __post_init__(self) -> None:
        object.__setattr__(self, "on", tuple(dict.fromkeys((STANDARD, *(checked(name) for name in self.on)))))

    def __contains__(self, name: object) -> bool:
        return name in self.on

    def switched(self, name: str, on: bool) -> Strategies:
        """With one of them on or off. Raises ConfigError for `standard`, which has to stay."""
        if checked(name) == STANDARD and not on:
            raise ConfigError(f"{STANDARD} cannot be switched off: it is what remains when the others are; leave it on")
        others = tuple(each for each in self.on if each != name)
        return Strategies((*others, name) if on else others)

    def choose(self, probabilities: Mapping[str, float]) -> Strategy:
        """How to answer a turn that has ended: the most probable strategy. The share of what is switched off, not known, or
        only for cutting in falls to standard, which is also what remains of a draw and of nothing."""
        rows = known()
        shares = dict.fromkeys((name for name in self.on if not rows[name].may_barge_in), 0.0)
        for name, share in probabilities.items():
            if math.isfinite(share) and share > 0:
                shares[name if name in shares else STANDARD] += share
        return rows[max(shares, key=lambda name: (shares[name], name == STANDARD))]

    def cuts_in(self, probabilities: Mapping[str, float], at_least: float = 0.5) -> Strategy | None:
        """What to cut in with while the user still speaks: the most probable of those that may, if it is probable enough."""
        rows = known()
        shares = {name: probabilities.get(name, 0.0) for name in self.on if rows[name].may_barge_in}
        best = max(shares, key=lambda name: shares[name] if math.isfinite(shares[name]) else -1.0, default=None)
        return rows[best] if best is not None and shares[best] >= at_least else None


def checked(name: str) -> str:
    """The name of a strategy. Raises ConfigError for any other, with the names that there are."""
    if name not in (rows := known()):
        close = difflib.get_close_matches(name, rows, 1)
        hint = f"did you mean {close[0]!r}? " if close else ""
        raise ConfigError(f"unknown strategy {name!r}: {hint}valid are {', '.join(rows)}")
    return name
