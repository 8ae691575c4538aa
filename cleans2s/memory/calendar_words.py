"""The words for times and counts that are understood, in English and Chinese."""

from __future__ import annotations

WEEKDAYS: tuple[str, ...] = tuple("monday tuesday wednesday thursday friday saturday sunday".split())
MONTHS: tuple[str, ...] = tuple("january february march april may june july august september october november december".split())
SMALL: dict[str, int] = {
    name: n for n, name in enumerate("zero one two three four five six seven eight nine ten eleven twelve".split())
}
TENS: dict[str, int] = {
    name: 10 * n for n, name in enumerate("twenty thirty forty fifty sixty seventy eighty ninety".split(), 2)
}
ONES = [*SMALL][1:10]
COUNTS: dict[str, float] = {
    **SMALL,
    "fifteen": 15,
    **TENS,
    **{f"{ten}{dash}{one}": TENS[ten] + SMALL[one] for ten in TENS for one in ONES for dash in " -"},
    **{f"{name} and a half": count + 0.5 for name, count in SMALL.items()},
    **{"a": 1, "an": 1, "a couple of": 2, "a few": 3, "half a": 0.5, "half an": 0.5},
    **{"a quarter of an": 0.25, "quarter of an": 0.25, "three quarters of an": 0.75},
}
DIGITS = {character: n for n, character in enumerate("零一二三四五六七八九")} | {"两": 2, "〇": 0}

DAY_S = 86_400
UNIT_S = {
    **{"second": 1, "minute": 60, "hour": 3600, "day": DAY_S, "week": 7 * DAY_S, "month": 30 * DAY_S, "year": 365 * DAY_S},
    **{"秒": 1, "分": 60, "刻": 900, "小时": 3600, "钟头": 3600, "天": DAY_S, "日": DAY_S, "周": 7 * DAY_S, "星期": 7 * DAY_S},
    **{"礼拜": 7 * DAY_S, "月": 30 * DAY_S, "年": 365 * DAY_S},
}

PARTS: dict[str, tuple[float, float]] = {
    **{"morning": (4, 12), "noon": (11, 14), "afternoon": (12, 18), "evening": (17, 24), "night": (18, 29)},
    **{"早": (4, 10), "早上": (4, 11), "早晨": (4, 11), "上午": (6, 12), "中午": (11, 14), "下午": (12, 18)},
    **{"傍晚": (16, 20), "晚": (17, 29), "晚上": (17, 29), "夜里": (18, 29), "夜": (18, 29), "凌晨": (0, 6)},
}
"""Hours of a day, from and until; beyond 24 they are the next day's."""

DAYS = {
    **{"yesterday": -1, "today": 0, "tomorrow": 1},
    **{"大前": -3, "前": -2, "昨": -1, "今": 0, "明": 1, "后": 2, "大后": 3},
}

NUMBER = r"\d{1,4}(?:\.\d)?|" + "|".join(sorted(COUNTS, key=len, reverse=True))
UNIT = r"(second|minute|hour|day|week|month|year)s?"
WEEKDAY = "(" + "|".join(WEEKDAYS) + ")"
MONTH = "(" + "|".join(MONTHS) + ")"
PART = r"(morning|noon|afternoon|evening|night)"
HAN_NUMBER = r"\d{1,4}|[零〇一二两三四五六七八九十百]{1,5}|半|几"
HAN_UNIT = r"(秒|分|刻|小时|钟头|天|日|周|星期|礼拜|月|年)"
HAN_PART = r"(早上|早晨|上午|中午|下午|傍晚|晚上|夜里|凌晨|早|晚|夜)"

LENGTH = rf"({NUMBER})[ -]{UNIT}( and a half)?"
HAN_LENGTH = rf"({HAN_NUMBER})\s*个?(半)?{HAN_UNIT}钟?(半)?钟?"
"""Of time: "two and a half hours", 一个半小时. Three and four groups."""
