"""Time in words: which span of time a sentence speaks of, and how a moment is said relative to now.

    find("what did I do yesterday evening?", now)  →  Span(yesterday 18:00, today 00:00)
    said(at, now)                                  →  "3 days ago (Wednesday 18 November, 18:05)"

English and Chinese. Rules are tried in their order; the first that matches anywhere is the time that is meant. A weekday or a
date without a year is the last one, or the next where the words speak of what is to come.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeAlias

from ..text import HAN
from .calendar_words import (
    COUNTS,
    DAYS,
    DIGITS,
    HAN_LENGTH,
    HAN_PART,
    LENGTH,
    MONTH,
    MONTHS,
    PART,
    PARTS,
    UNIT_S,
    WEEKDAY,
    WEEKDAYS,
)


@dataclass(frozen=True)
class Span:
    """From `start` until before `end`."""

    start: datetime
    end: datetime

    def meets(self, other: Span) -> bool:
        return self.start < other.end and other.start < self.end


READ_CHARS = 4000
"""Of a text, at the most."""

MOST_TIMES = 12
"""That are taken out of a text."""

Rule: TypeAlias = Callable[[re.Match[str], datetime, bool], "Span | None"]
"""A match, now, and whether the words speak of what is to come."""

_COMING = re.compile(
    r"\b(?:will|going to|have to|need to|should|next|coming|plan|planning|remind|tomorrow)\b|['’]ll\b|"
    r"\b(?:I|we) have (?:my|our|an?|the)\b|\bdo (?:I|we) have\b|\b(?:I|we)(?: am| are|['’]m|['’]re) \w+ing\b|"
    r"要|会|打算|准备|计划|提醒|记得",
    re.IGNORECASE,
)


def coming(text: str) -> bool:
    return bool(_COMING.search(text))


def find(text: str, now: datetime) -> Span | None:
    """The time that is spoken of, None without any."""
    found = locate(text, now)
    return found[0] if found else None


def locate(text: str, now: datetime) -> tuple[Span, int, int] | None:
    """As `find`, and where the words for it begin and end."""
    text = text[:READ_CHARS]
    future = coming(text)
    for pattern, rule in _RULES:
        if (match := pattern.search(text)) and (span := _safely(rule, match, now, future)):
            return span, match.start(), match.end()
    return None


def without(text: str, now: datetime) -> str:
    """The text without its words for a time."""
    for _ in range(MOST_TIMES):
        if not (found := locate(text, now)):
            break
        text = f"{text[: found[1]]} {text[found[2] :]}"
    return text


def number(words: str) -> float | None:
    """A count in figures, English or Chinese; None for anything else."""
    words = words.lower().strip()
    if re.fullmatch(r"\d+(?:\.\d+)?", words):
        return float(words)
    if words in COUNTS:
        return COUNTS[words]
    if words in ("半", "几"):
        return {"半": 0.5, "几": 3}[words]
    total, digit = 0, 0
    for character in words:
        if character in DIGITS:
            digit = DIGITS[character]
        elif character in "十百":
            total, digit = total + (digit or 1) * {"十": 10, "百": 100}[character], 0
        else:
            return None
    return total + digit if words else None


def length(match: re.Match[str]) -> tuple[float, str] | None:
    """How many of which unit, of a match of a pattern with `LENGTH` or `HAN_LENGTH` in it and no other groups."""
    found = [group for group in match.groups() if group]
    units = [place for place, group in enumerate(found) if group.lower() in UNIT_S]
    if not units or (count := number(found[0])) is None:
        return None
    return count + 0.5 * (len(found) > 2), found[units[0]].lower()


def _safely(rule: Rule, match: re.Match[str], now: datetime, future: bool) -> Span | None:
    try:
        return rule(match, now, future)
    except (ValueError, OverflowError):  # the 31st of February; nine thousand years ago
        return None


def _midnight(now: datetime, days: int = 0) -> datetime:
    return (now + timedelta(days=days)).replace(hour=0, minute=0, second=0, microsecond=0)


def _day(now: datetime, days: int, part: str | None = None) -> Span:
    start = _midnight(now, days)
    first, last = PARTS[part.lower()] if part else (0, 24)
    return Span(start + timedelta(hours=first), start + timedelta(hours=last))


def _of_day(match: re.Match[str], now: datetime, future: bool) -> Span:
    return _day(now, DAYS[match[1].lower()], match[2])


def _ago(match: re.Match[str], now: datetime, future: bool) -> Span | None:
    return _around(match, now, -1)


def _ahead(match: re.Match[str], now: datetime, future: bool) -> Span | None:
    return _around(match, now, 1)


def _around(match: re.Match[str], now: datetime, sign: int) -> Span | None:
    """Days are meant to the day; of anything longer or shorter, half a unit more or less may be meant."""
    if not (found := length(match)):
        return None
    n, unit = found
    middle = now + timedelta(seconds=sign * n * UNIT_S[unit])
    if unit in ("day", "天", "日"):
        return _day(middle, 0)
    slack = timedelta(seconds=max(60, 0.6 * UNIT_S[unit]))
    return Span(middle - slack, middle + slack)


def _week(now: datetime, weeks: int) -> Span:
    monday = _midnight(now, -now.weekday() + 7 * weeks)
    return Span(monday, monday + timedelta(days=7))


def _period(match: re.Match[str], now: datetime, future: bool) -> Span:
    step = {"last": -1, "past": -1, "previous": -1, "this": 0, "next": 1}[match[1].lower()]
    return _stretch(match[2].lower(), step, now)


def _stretch(unit: str, step: int, now: datetime) -> Span:
    if unit in ("week", "周", "星期", "礼拜"):
        return _week(now, step)
    if unit in ("weekend", "周末"):
        start = _week(now, step if step or now.weekday() >= 5 else 0).end - timedelta(days=2)
        return Span(start, start + timedelta(days=2))
    if unit in ("month", "月"):
        index = now.year * 12 + now.month - 1 + step
        return Span(_month(now, index), _month(now, index + 1))
    first = _midnight(now).replace(month=1, day=1, year=now.year + step)
    return Span(first, first.replace(year=first.year + 1))


def _month(now: datetime, index: int) -> datetime:
    return _midnight(now).replace(day=1, year=index // 12, month=index % 12 + 1)


def _weekday(match: re.Match[str], now: datetime, future: bool) -> Span:
    lead, wanted, part = (match[1] or "").lower(), WEEKDAYS.index(match[2].lower()), match[3]
    forward = lead == "next" or (future and lead not in ("last", "past"))
    away = (wanted - now.weekday()) % 7 if forward else -((now.weekday() - wanted) % 7)
    if not away and lead:
        away = 7 if forward else -7
    return _day(now, away, part)


def _han_weekday(match: re.Match[str], now: datetime, future: bool) -> Span:
    lead, named, part = match[1] or "", match[2], match[3]
    wanted = "一二三四五六日".find(named) if named != "天" else 6
    if lead:
        step = {"上": -1, "上上": -2, "这": 0, "本": 0, "下": 1}[lead]
        return _day(now, -now.weekday() + 7 * step + wanted, part)
    return _day(now, (wanted - now.weekday()) % 7 if future else -((now.weekday() - wanted) % 7), part)


def _han_period(match: re.Match[str], now: datetime, future: bool) -> Span:
    lead = match[1]
    return _stretch(match[2], {"上上": -2, "上": -1, "这": 0, "本": 0, "下": 1}[lead], now)


def _date(now: datetime, year: str | None, month: int, day: str | None, future: bool) -> Span:
    """The last such date, or the next; without a day the whole month."""

    def of(chosen: int) -> Span:
        if not day:
            index = chosen * 12 + month - 1
            return Span(_month(now, index), _month(now, index + 1))
        return _day(now.replace(year=chosen, month=month, day=int(number(day) or 0)), 0)

    if year:
        return of(int(year))
    span = of(now.year)
    if span.start > now and not future:
        return of(now.year - 1)
    return of(now.year + 1) if span.end < now and future else span


def _months(name: str) -> int:
    return MONTHS.index(name.lower()) + 1


def _of_year(match: re.Match[str], now: datetime, future: bool) -> Span:
    return _stretch("year", {"前": -2, "去": -1, "今": 0, "明": 1}[match[1]], now)


def _since(hours: float) -> Rule:
    return lambda match, now, future: Span(now - timedelta(hours=hours), now)


def _rule(pattern: str, rule: Rule) -> tuple[re.Pattern[str], Rule]:
    return re.compile(pattern, re.IGNORECASE), rule


_RULES: tuple[tuple[re.Pattern[str], Rule], ...] = (
    _rule(r"\b(?:just now|a moment ago|a minute ago)\b|刚才|刚刚", _since(0.5)),
    _rule(rf"\bthe day before yesterday\b(?: {PART})?", lambda m, now, f: _day(now, -2, m[1])),
    _rule(rf"\bthe day after tomorrow\b(?: {PART})?", lambda m, now, f: _day(now, 2, m[1])),
    _rule(r"\b(\d{4})-(\d\d)-(\d\d)\b", lambda m, now, f: _date(now, m[1], int(m[2]), m[3], f)),
    _rule(rf"\b{LENGTH} ago\b", _ago),
    _rule(rf"\b(?:in|within) (?:about |around )?{LENGTH}(?: time)?\b", _ahead),
    _rule(rf"\b{LENGTH} from now\b", _ahead),
    _rule(r"\blast night\b|昨(?:天)?(?:晚上?|夜里?)", lambda m, now, f: _day(now, -1, "night")),
    _rule(r"\btonight\b", lambda m, now, f: _day(now, 0, "night")),
    _rule(rf"\bthis {PART}\b", lambda m, now, f: _day(now, 0, m[1])),
    _rule(rf"\b(yesterday|today|tomorrow)\b(?: {PART}\b)?", _of_day),
    _rule(r"\b(last|past|previous|this|next) (weekend|week|month|year)\b", _period),
    _rule(r"\b(?:on|over|at|during) the (weekend)\b", lambda m, now, f: _stretch("weekend", 0 if f else -1, now)),
    _rule(rf"\b(?:(?:on|this) )?(?:(last|past|next) )?{WEEKDAY}\b(?: {PART}\b)?", _weekday),
    _rule(
        rf"\b{MONTH} (\d{{1,2}})(?:st|nd|rd|th)?\b(?:,? (\d{{4}}))?",
        lambda m, now, f: _date(now, m[3], _months(m[1]), m[2], f),
    ),
    _rule(
        rf"\b(\d{{1,2}})(?:st|nd|rd|th)?(?: of)? {MONTH}\b(?:,? (\d{{4}}))?",
        lambda m, now, f: _date(now, m[3], _months(m[2]), m[1], f),
    ),
    _rule(rf"\b(?:in|last|during) {MONTH}\b(?: (\d{{4}}))?", lambda m, now, f: _date(now, m[2], _months(m[1]), None, f)),
    _rule(rf"{HAN_LENGTH}(?:之|以)?前", _ago),
    _rule(rf"(?:再?过)?{HAN_LENGTH}(?:之|以)?后", _ahead),
    _rule(rf"(?:再过|(?<![{HAN}])过){HAN_LENGTH}", _ahead),
    _rule(rf"(大前|前|昨|今|明|大后|后)天{HAN_PART}?", _of_day),
    _rule(rf"(昨|今|明){HAN_PART}", _of_day),
    _rule(rf"(上上|上|这|本|下)个?(?:周|星期|礼拜)([一二三四五六日天]){HAN_PART}?", _han_weekday),
    _rule(r"(上上|上|这|本|下)个?(周末|周|星期|礼拜|月)", _han_period),
    _rule(rf"()(?:周|星期|礼拜)([一二三四五六日天]){HAN_PART}?", _han_weekday),
    _rule(r"(前|去|今|明)年(?![纪龄])", _of_year),
    _rule(
        r"(?:(\d{4})\s*年)?(\d{1,2}|[一二三四五六七八九十]{1,2})月(?:(\d{1,2}|[一二三四五六七八九十]{1,3})[日号])?",
        lambda m, now, f: _date(now, m[1], int(number(m[2]) or 0), m[3], f),
    ),
    _rule(r"\b(?:recently|lately|these days|the other day)\b|最近|这几天|前几天", _since(14 * 24)),
)


# ── said ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def said(at: datetime, now: datetime, chinese: bool = False) -> str:
    """A moment, relative to now, with its date where that is not plain."""
    at = at.astimezone(now.tzinfo)
    days, ahead = (at.date() - now.date()).days, at > now
    minutes = round(abs((now - at).total_seconds()) / 60)
    clock = f"{at:%H:%M}"
    if minutes < 60:
        return _minutes(minutes, ahead, chinese)
    if chinese:
        near = {-2: "前天", -1: "昨天", 0: "今天", 1: "明天", 2: "后天"}.get(days)
        weekday = "一二三四五六日"[at.weekday()]
        year = f"{at.year}年" if at.year != now.year else ""
        return f"{near} {clock}" if near else f"{_far_han(days)}（{year}{at.month}月{at.day}日星期{weekday} {clock}）"
    if near := {-1: "yesterday", 0: "today", 1: "tomorrow"}.get(days):
        return f"{near} at {clock}"
    year = f" {at.year}" if at.year != now.year else ""
    return f"{_far(days)} ({WEEKDAYS[at.weekday()].title()} {at.day} {MONTHS[at.month - 1].title()}{year}, {clock})"


def _minutes(minutes: int, ahead: bool, chinese: bool) -> str:
    if minutes < 1:
        return ("马上" if ahead else "刚刚") if chinese else "in a moment" if ahead else "just now"
    if chinese:
        return f"{minutes}分钟{'后' if ahead else '前'}"
    span = "1 minute" if minutes == 1 else f"{minutes} minutes"
    return f"in {span}" if ahead else f"{span} ago"


def _steps(days: int) -> tuple[int, str]:
    count = abs(days)
    if count < 14:
        return count, "day"
    if count < 60:
        return round(count / 7), "week"
    return (round(count / 30.4), "month") if count < 700 else (round(count / 365.25), "year")


def _far(days: int) -> str:
    count, unit = _steps(days)
    span = f"{count} {unit}{'s' if count > 1 else ''}"
    return f"in {span}" if days > 0 else f"{span} ago"


def _far_han(days: int) -> str:
    count, unit = _steps(days)
    return f"{count}{ {'day': '天', 'week': '周', 'month': '个月', 'year': '年'}[unit] }{'后' if days > 0 else '前'}"


def said_span(span: Span, now: datetime, chinese: bool = False) -> str:
    """A day, or from when to when."""
    first, last = span.start.astimezone(now.tzinfo), (span.end - timedelta(seconds=1)).astimezone(now.tzinfo)
    if chinese:
        one, two = (f"{day.month}月{day.day}日" for day in (first, last))
        return f"{one}星期{'一二三四五六日'[first.weekday()]}" if first.date() == last.date() else f"{one}至{two}"
    one, two = (f"{day.day} {MONTHS[day.month - 1].title()}" for day in (first, last))
    return f"{WEEKDAYS[first.weekday()].title()} {one}" if (span.end - span.start).days <= 1 else f"{one} to {two}"


def chinese(text: str) -> bool:
    return bool(re.search(f"[{HAN}]", text))
