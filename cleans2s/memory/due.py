"""For which moment something is asked: "in ten minutes", "tomorrow at 9", 明天早上八点."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta

from . import when
from .calendar_words import HAN_NUMBER, HAN_PART, HAN_UNIT, NUMBER, PART, PARTS, UNIT, UNIT_S
from .when import Span

_CLOCK = re.compile(
    r"\bat (?:(half past|quarter past|quarter to) )?(\d{1,2}|[a-z]+)(?:[:.](\d\d))?\s*(a\.?m|p\.?m|o'?clock)?\b", re.I
)
_NAMED = re.compile(r"\bat (noon|midnight)\b", re.I)
_HAN_CLOCK = re.compile(
    rf"{HAN_PART}?(\d{{1,2}}|[一二两三四五六七八九十]{{1,3}})(?:点|時|时)(?:钟|整)?"
    r"(半|一刻|三刻|(?:\d{1,2}|[零一二三四五六七八九十]{1,3})分?)?"
)
_AFTER = re.compile(
    rf"\b(?:in|within|after) (?:about )?({NUMBER}) {UNIT}|({HAN_NUMBER})\s*(?:个)?(半)?{HAN_UNIT}(?:钟)?(?:之|以)?后|"
    rf"\b({NUMBER}) {UNIT} from now",
    re.IGNORECASE,
)
MORNING_H, EVENING_H = 9, 19
"""When a reminder for a day, or for tonight, is due if no hour is named."""


def due(text: str, now: datetime) -> datetime | None:
    """The moment for which something is asked ("in ten minutes", "tomorrow at 9", 明天早上八点); None if none is named."""
    if after := _AFTER.search(text):
        count, unit = next((after[i], after[j]) for i, j in ((1, 2), (3, 5), (6, 7)) if after[i])
        n = when.number(count)
        if n is not None:
            return now + timedelta(seconds=(n + (0.5 if after[4] else 0)) * UNIT_S[unit.lower()])
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


def _clock(text: str, span: Span | None) -> tuple[int, int] | None:
    if named := _NAMED.search(text):
        return (12 if named[1].lower() == "noon" else 0), 0
    if (match := _CLOCK.search(text)) and (hour := when.number(match[2])) is not None:
        minute = int(match[3] or 0) + {"half past": 30, "quarter past": 15, "quarter to": -15}.get((match[1] or "").lower(), 0)
        half = (match[4] or "").lower()[:1]
    elif (match := _HAN_CLOCK.search(text)) and (hour := when.number(match[2])) is not None:
        tail = match[3] or ""
        minute = {"半": 30, "一刻": 15, "三刻": 45}.get(tail) or int(when.number(tail.rstrip("分")) or 0)
        half = "p" if match[1] and PARTS[match[1]][0] >= 12 else "a" if match[1] else ""
    else:
        return None
    hour = int(hour)
    if hour < 12 and (half == "p" or (not half and span and span.start.hour >= 12)):
        hour += 12
    if hour == 12 and half == "a" and "午" not in text:
        hour = 0
    minutes = hour * 60 + minute
    return (minutes // 60, minutes % 60) if 0 <= minutes < 24 * 60 else None
