"""What the agent says unasked, and the small words around an answer: greetings, follow-ups, promised reminders, fillers,
backchannels, apologies, the last word before a block.

All are pure: the same arguments give the same words. `own` is a character's way of saying it, where it has one.
"""

from __future__ import annotations

import datetime
import functools
from collections.abc import Collection, Mapping, Sequence
from typing import Literal

from .lines import FOLDER, Lines, Sheet, base_language
from .strategies import STRATEGIES

Kind = Literal[
    "greeting", "greeting_known", "follow_up", "promise", "promise_when", "reminder", "untold", "nature", "lookup",
    "backchannel", "backchannel_sad", "apology_asr", "apology_llm", "apology_search", "apology_overlap",
]  # fmt: skip

WEEKDAYS = {
    "en": "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split(),
    "zh": "星期一 星期二 星期三 星期四 星期五 星期六 星期日".split(),
}
NUMBERS = {
    "en": "no one two three four five six seven eight nine ten eleven twelve".split(),
    "zh": "零 一 两 三 四 五 六 七 八 九 十 十一 十二".split(),
}


@functools.cache
def sheet() -> Sheet:
    return Sheet.from_file(FOLDER / "openers.toml")


def say(
    kind: Kind,
    language: str | None,
    turn: int = 0,
    slots: Mapping[str, str] | None = None,
    avoid: Collection[str] = (),
    own: Lines | None = None,
) -> str:
    """A line of this kind; see `Lines.pick`."""
    common = sheet().kinds[kind]
    said = own.pick(language, turn, slots, avoid) if own and base_language(language) in own.by_language else ""
    return said or common.pick(language, turn, slots, avoid)


def greeting(
    language: str | None,
    me: str,
    turn: int = 0,
    *,
    name: str = "",
    last_met: datetime.datetime | None = None,
    now: datetime.datetime | None = None,
    left_open: str = "",
    own: Lines | None = None,
) -> str:
    """The first words of a conversation. To somebody remembered: by name, when it was (`now` is needed for that) and what
    was left open then, a few words that can follow "about"."""
    slots = {"me": me, "name": name}
    if last_met is None and not name:
        return say("greeting", language, turn, slots, own=own)
    if last_met and now:
        slots |= {"when": when(last_met, now, language), "ago": ago(last_met, now, language), "topic": left_open}
    return say("greeting_known", language, turn, slots)


def last_word(language: str | None, block: datetime.timedelta, turn: int = 0) -> str:
    """Said once, when a block begins."""
    minutes = max(1, round(block.total_seconds() / 60))
    return STRATEGIES["silence"].say(
        language, kind="last_word", turn=turn, slots={"minutes": _count(minutes, "minute", language)}
    )


def back(language: str | None, turn: int = 0) -> str:
    """The first words after a block that was lifted or has ended."""
    return STRATEGIES["silence"].say(language, kind="back", turn=turn)


def quoted(
    words: str,
    language: str | None,
    said_at: datetime.datetime | None = None,
    now: datetime.datetime | None = None,
    written: bool = False,
) -> str:
    """What somebody said (or wrote) before, as the value of {fact}: in their own words, because a paraphrase might be wrong."""
    words = words.strip().rstrip(".。")
    time = when(said_at, now, language) if said_at and now else ""
    if base_language(language) == "zh":
        return f"{time}你{'写' if written else '说'}过：“{words}”"
    return f'{time or "earlier"} you {"wrote" if written else "said"} "{words}".'


def quoted_all(told: Sequence[str], language: str | None) -> str:
    """All that is known of somebody, as `quoted`."""
    *first, last = (words.strip().rstrip(".。") for words in told)
    if base_language(language) == "zh":
        return f"你告诉过我：{'、'.join(f'“{words}”' for words in (*first, last))}。"
    listed = ", ".join(f'"{words}"' for words in first)
    return f'You told me {listed}{" and " if first else ""}"{last}".'


# ── time in words ─────────────────────────────────────────────────────────────────────────────────────────────────────


def when(then: datetime.datetime, now: datetime.datetime, language: str | None) -> str:
    """As it is said: "yesterday", "on Monday", "last week"; by the calendar of `now`'s time zone."""
    days, zh = _days(then, now), base_language(language) == "zh"
    match days:
        case 0:
            earlier = (now - _local(then, now)).total_seconds() > 3600
            return ("今天早些时候" if earlier else "刚才") if zh else ("earlier today" if earlier else "just now")
        case 1:
            return "昨天" if zh else "yesterday"
        case 2 if zh:
            return "前天"
        case _ if days < 7:
            return WEEKDAYS["zh"][_local(then, now).weekday()] if zh else f"on {WEEKDAYS['en'][_local(then, now).weekday()]}"
        case _ if days < 14:
            return "一个多星期前" if zh else "a good week ago"
        case _:
            return ago(then, now, language)


def ago(then: datetime.datetime, now: datetime.datetime, language: str | None) -> str:
    """ "three days ago", "a week ago", "four months ago"."""
    days = _days(then, now)
    if days < 2:
        return when(then, now, language)
    for length, unit in ((365, "year"), (30, "month"), (7, "week"), (1, "day")):
        if days >= length:
            return _count(round(days / length), unit, language) + ("前" if base_language(language) == "zh" else " ago")
    raise AssertionError(days)


def _local(then: datetime.datetime, now: datetime.datetime) -> datetime.datetime:
    return then.astimezone(now.tzinfo) if then.tzinfo and now.tzinfo else then


def _days(then: datetime.datetime, now: datetime.datetime) -> int:
    return max(0, (now.date() - _local(then, now).date()).days)


def _count(number: int, unit: str, language: str | None) -> str:
    if base_language(language) == "zh":
        figure = NUMBERS["zh"][number] if number < len(NUMBERS["zh"]) else str(number)
        return figure + {"year": "年", "month": "个月", "week": "个星期", "day": "天", "minute": "分钟"}[unit]
    figure = ("a" if unit != "minute" else "one") if number == 1 else NUMBERS["en"][number] if number <= 12 else str(number)
    return f"{figure} {unit}{'s' if number != 1 else ''}"
