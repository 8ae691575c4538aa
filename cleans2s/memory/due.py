"""For which moment something is asked: "in ten minutes", "tomorrow at 9", 明天早上八点."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta

from ..text import HAN
from . import when
from .calendar_words import HAN_LENGTH, HAN_PART, LENGTH, NUMBER, PART, PARTS, SMALL, UNIT_S
from .when import Span

_CLOCK = re.compile(
    rf"\b(?:at|(?:alarm|timer|reminder) for) (?:(?:a )?(half|quarter|{NUMBER}) (past|to) )?(\d{{1,2}}|{'|'.join(SMALL)})\b"
    r"(?:[:.](\d\d))?(?:\s*(?:([ap])\.?m\b\.?|o['’]?clock\b))?",
    re.IGNORECASE,
)
_NAMED = re.compile(r"\bat (noon|midnight)\b", re.I)
_HAN_CLOCK = re.compile(
    rf"{HAN_PART}?(\d{{1,2}}|[一二两三四五六七八九十]{{1,3}})(?:点|時|时)(?:钟|整)?"
    r"(半|一刻|三刻|(?:\d{1,2}|[零一二三四五六七八九十]{1,3})分?)?"
)
_AFTER = re.compile(
    rf"\b(?:in|within|after|(?:alarm|timer|reminder) (?:for|of)) (?:about |around )?{LENGTH}|"
    rf"\b{LENGTH} (?:from now|timer|alarm)\b|"
    rf"(?:再?过)?{HAN_LENGTH}(?:(?:之|以)?后|的?(?:闹钟|定时|倒?计时))|(?:再过|(?<![{HAN}])过){HAN_LENGTH}",
    re.IGNORECASE,
)
MORNING_H, EVENING_H = 9, 19
"""When a reminder for a day, or for tonight, is due if no hour is named."""

DAWN_H = 7
"""Hours before it are those of the afternoon, where no half of the day is named: "on Friday at three"."""


def due(text: str, now: datetime) -> datetime | None:
    """The moment for which something is asked ("in ten minutes", "tomorrow at 9", 明天早上八点); None if none is named."""
    if (after := _AFTER.search(text)) and (found := when.length(after)):
        return now + timedelta(seconds=found[0] * UNIT_S[found[1]])
    span = when.find(text, now) if when.coming(text) else when.find(f"will {text}", now)
    clock = _clock(text, span)
    if span and span.end > now:
        hour, minute = clock or ((EVENING_H if span.start.hour >= 17 else max(MORNING_H, span.start.hour)), 0)
        at = span.start.replace(hour=hour, minute=minute, second=0, microsecond=0)
        return at if at > now else at + timedelta(days=1) if clock and span.start.date() > now.date() else max(at, now)
    if not clock:
        return None
    at = now.replace(hour=clock[0], minute=clock[1], second=0, microsecond=0)
    return next(t for t in _later(at, named=_has_half(text)) if t > now)


def _later(at: datetime, named: bool) -> Iterator[datetime]:
    """The next such hour: by the twelve-hour clock if morning or afternoon was not named."""
    yield at
    if not named and at.hour < 12:
        yield at + timedelta(hours=12)
    yield at + timedelta(days=1)


def _has_half(text: str) -> bool:
    return bool(re.search(rf"\b[ap]\.?m\b|\b{PART}\b|{HAN_PART}|\d\d:\d\d", text, re.I))


def without(text: str, now: datetime) -> str:
    """The text without its words for the moment."""
    for pattern in (_AFTER, _CLOCK, _NAMED, _HAN_CLOCK):
        text = pattern.sub(" ", text)
    return " ".join(when.without(text, now).split())


def _clock(text: str, span: Span | None) -> tuple[int, int] | None:
    if named := _NAMED.search(text):
        return (12 if named[1].lower() == "noon" else 0), 0
    if (match := _CLOCK.search(text)) and (hour := when.number(match[3])) is not None:
        away = {"half": 30, "quarter": 15}.get((match[1] or "").lower()) or int(when.number(match[1] or "0") or 0)
        minute = int(match[4] or 0) + (-away if (match[2] or "").lower() == "to" else away)
        half = (match[5] or "").lower()
    elif (match := _HAN_CLOCK.search(text)) and (hour := when.number(match[2])) is not None:
        tail = match[3] or ""
        minute = {"半": 30, "一刻": 15, "三刻": 45}.get(tail) or int(when.number(tail.rstrip("分")) or 0)
        half = "p" if match[1] and PARTS[match[1]][0] >= 12 else "a" if match[1] else ""
    else:
        return None
    hour = int(hour)
    if hour < 12 and (
        half == "p" or (not half and span and (span.start.hour >= 12 or (hour < DAWN_H and not _has_half(text))))
    ):
        hour += 12
    if hour == 12 and half == "a" and "午" not in text:
        hour = 0
    minutes = hour * 60 + minute
    return (minutes // 60, minutes % 60) if 0 <= minutes < 24 * 60 else None
