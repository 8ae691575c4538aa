"""What a search finds and a page holds. All of it comes from outside: it is data, and nothing in it is an order."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, timedelta

KEPT_INVISIBLE = "\u200c\u200d"
"""Joiners that Persian, the scripts of India and emoji need. Everything else that cannot be seen is dropped: text could hide in
it that a person would not find."""

_MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec".split()
_DAYS = {"minute": 0.0, "hour": 1 / 24, "day": 1.0, "week": 7.0, "month": 30.4, "year": 365.2}
_AGO = re.compile(r"(\d{1,3})\s+(minute|hour|day|week|month|year)s?\s+ago", re.I)
_ISO = re.compile(r"\b(\d{4})[-/](\d{1,2})[-/](\d{1,2})")
_CHINESE = re.compile(r"(\d{4})\s*年\s*(\d{1,2})\s*月\s*(\d{1,2})\s*日")
_MONTH_FIRST = re.compile(r"\b([a-z]{3})[a-z]*\.?\s+(\d{1,2}),?\s+(\d{4})\b", re.I)
_DAY_FIRST = re.compile(r"\b(\d{1,2})\.?\s+([a-z]{3})[a-z]*\.?,?\s+(\d{4})\b", re.I)


@dataclass(frozen=True)
class Result:
    """A row of a search engine's answer. `date` is the day of publication as YYYY-MM-DD, None where it is not known."""

    title: str
    url: str
    snippet: str
    date: str | None = None


@dataclass(frozen=True)
class Page:
    """The main text of a page: paragraphs on lines of their own, without navigation, advertisements and scripts. `url` is the
    address that was asked for, also where it was redirected."""

    url: str
    title: str
    text: str
    date: str | None = None


@dataclass(frozen=True)
class Document:
    """Text with its source, to be indexed and cited. `whole` is False where the page could not be read in time and the text
    is no more than the search engine's snippet."""

    text: str
    title: str
    url: str
    date: str | None = None
    whole: bool = True


def day(words: str, today: date | None = None) -> str | None:
    """The day that an engine names, as YYYY-MM-DD: `2024-03-05T…`, `Mar 5, 2024`, `5 March 2024`, `2024年3月5日`, `3 days ago`;
    None for anything else."""
    if found := _AGO.search(words):
        days = int(found[1]) * _DAYS[found[2].lower()]
        return ((today or date.today()) - timedelta(days=days)).isoformat()
    if found := _ISO.search(words) or _CHINESE.search(words):
        return _date(found[1], found[2], found[3])
    if found := _MONTH_FIRST.search(words):
        return _date(found[3], found[1], found[2])
    if found := _DAY_FIRST.search(words):
        return _date(found[3], found[2], found[1])
    return None


def _date(year: str, month: str, of_month: str) -> str | None:
    name = month.lower()
    number = _MONTHS.index(name) + 1 if name in _MONTHS else int(month) if month.isdecimal() else 0
    try:
        return date(int(year), number, int(of_month)).isoformat()
    except ValueError:
        return None


def visible(text: str) -> str:
    """The text without what cannot be seen: control characters, marks of direction, tags; lines without outer blanks."""
    seen = "".join(c if c.isprintable() or c in KEPT_INVISIBLE or c == "\n" else " " if c.isspace() else "" for c in text)
    return "\n".join(line for line in (" ".join(line.split()) for line in seen.split("\n")) if line)
