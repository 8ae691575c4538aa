"""Writing to speech in Mandarin: figures as they are read aloud. Voices spell characters, so "2024年" must say 二零二四年 and
"2024 人" 两千零二十四人 before they get it.

`spoken` is a list of rules, tried in their order; what one has read holds no figures any more and is safe from the next. The
cardinal numbers themselves are cn2an's.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator
from typing import TypeAlias

from .stages import imported
from .text import HAN

Read: TypeAlias = Callable[[re.Match[str]], str]

DIGITS = str.maketrans("0123456789", "零一二三四五六七八九")

LONGEST = 16
"""Digits of a number that is read as one; cn2an's limit. Longer ones are read digit by digit."""

CURRENCIES = {
    "HK$": "港元",
    "US$": "美元",
    "NT$": "新台币",
    "$": "美元",
    "¥": "元",
    "￥": "元",
    "€": "欧元",
    "£": "英镑",
    "₩": "韩元",
    "₽": "卢布",
    "₹": "卢比",
    "USD": "美元",
    "RMB": "元",
    "CNY": "元",
    "EUR": "欧元",
}

UNITS = {
    "km/h": "公里每小时",
    "m/s": "米每秒",
    "kWh": "千瓦时",
    "kW·h": "千瓦时",
    "km²": "平方公里",
    "cm²": "平方厘米",
    "m²": "平方米",
    "m³": "立方米",
    "km": "公里",
    "cm": "厘米",
    "mm": "毫米",
    "nm": "纳米",
    "kg": "公斤",
    "mg": "毫克",
    "mL": "毫升",
    "ml": "毫升",
    "min": "分钟",
    "ms": "毫秒",
    "kW": "千瓦",
    "kHz": "千赫",
    "MHz": "兆赫",
    "GHz": "吉赫",
    "Hz": "赫兹",
    "mAh": "毫安时",
    "dB": "分贝",
    "kPa": "千帕",
    "kcal": "千卡",
    "°C": "摄氏度",
    "°F": "华氏度",
    "°": "度",
    "m": "米",
    "g": "克",
    "t": "吨",
    "L": "升",
    "W": "瓦",
    "h": "小时",
    "s": "秒",
}

MEASURES = tuple(
    (
        "个 個 只 隻 条 條 本 张 張 件 次 天 年 周 週 小时 小時 分 秒 点 點 块 塊 元 米 公里 厘米 毫米 公斤 千克 克 "
        "吨 斤 岁 歲 人 位 名 家 种 種 台 臺 辆 輛 倍 杯 瓶 碗 双 雙 对 對 副 遍 门 門 句 段 行 页 頁 步 口 座 篇 封 "
        "支 场 場 套 颗 顆 头 頭 匹 架 间 間 层 層 份 片 滴 束 群 排 根 顿 幅 盒 箱 包 袋 部 节 節 项 項 首 朵 棵 "
        "美元 欧元 英镑 港元 升 平方 立方 公顷 亩 平米 万 亿 千 億 萬 刻"
    ).split()
)
"""Before these a lone 2 is 两, not 二."""

_N = r"\d+(?:\.\d+)?"
_TO = r"\s*(?:[-–—~～]|至|到)\s*"
_ALONE = r"(?<![\d.])"
_CALLED = (
    r"(?:拨打|撥打|致电|致電|电话|電話|热线|熱線|号码|號碼|手机|手機|密码|密碼|验证码|驗證碼|房间|房間|邮编|郵編|"
    r"编号|編號|尾号|学号|卡号|航班|拨|打|QQ|微信)(?:号码?|號碼?)?(?:[是为為：:]|号|號)?\s*"
)


def spoken(text: str) -> str:
    """The text with every figure written as it is read; the rest is left as it is.

    >>> spoken("2024年3月5日14:30，气温-5℃，涨了3.5%。")
    '二零二四年三月五日十四点三十分，气温零下五摄氏度，涨了百分之三点五。'
    """
    text = _plain(text)
    for pattern, read in _RULES:
        text = pattern.sub(read, text)
    return text


def cardinal(number: str) -> str:
    """A number without a sign, as its value: 105 → 一百零五, 2.50 → 二点五零; one with needless zeros in front, or too long,
    digit by digit."""
    whole, point, fraction = number.partition(".")
    if len(whole) > LONGEST or (len(whole) > 1 and whole[0] == "0"):
        read = digits(whole)
    else:
        read = str(imported("cn2an").an2cn(whole, "low"))
    if read[0] == "二" and read[1:2] in ("千", "万", "亿") and not point:
        read = "两" + read[1:]
    return f"{read}点{digits(fraction)}" if point else read


def digits(number: str, one: str = "一") -> str:
    """Digit by digit; `one` is 幺 in telephone numbers."""
    return number.translate(DIGITS).replace("一", one)


def _plain(text: str) -> str:
    """Without full-width figures, separators of thousands, and spaces between figures and characters."""
    text = re.sub(r"[０-９Ａ-Ｚａ-ｚ％＋－／＄．]|[①-⑳℃℉㎡㎏㎞㎝㎜㏄½⅓⅔¼¾⅕⅛]", lambda m: _compatible(m[0]), text)
    text = re.sub(r"(?<=\d)：(?=\d)", ":", text)
    text = re.sub(r"(?<![\d.,])(\d{1,3}(?:,\d{3})+)(?![\d,])", lambda m: m[0].replace(",", ""), text)
    return re.sub(rf"(?<=[{HAN}])[ \t]+(?=[\d¥￥$-])|(?<=[\d%])[ \t]+(?=[{HAN}])", "", text)


def _compatible(character: str) -> str:
    if character in "½⅓⅔¼¾⅕⅛":
        return unicodedata.normalize("NFKC", character).replace("⁄", "/")
    return unicodedata.normalize("NFKC", character).replace("m2", "m²")


def _signed(number: str, minus: str = "负") -> str:
    return minus + cardinal(number[1:]) if number[0] in "-−" else cardinal(number.lstrip("+"))


def _counted(number: str, unit: str = "") -> str:
    few = number == "2" and unit.startswith(MEASURES) and not unit.startswith(("年级", "年級"))
    return "两" if few else cardinal(number)


def _year(number: str) -> str:
    return digits(number)


def _day(month: str, day: str, word: str = "日") -> str:
    return f"{cardinal(str(int(month)))}月{cardinal(str(int(day)))}{word}"


def _clock(match: re.Match[str]) -> str:
    hour, minute, second = match["h"], match["m"], match["s"]
    read = f"{_counted(str(int(hour)), '点')}点"
    if int(minute) or second:
        read += ("零" if 0 < int(minute) < 10 else "") + f"{cardinal(str(int(minute)))}分"
    return read + (f"{cardinal(str(int(second)))}秒" if second else "")


def _money(match: re.Match[str]) -> str:
    number, scale, unit = match["n"], match["scale"] or "", CURRENCIES[match["sign"]]
    if "." in number:
        number = number.rstrip("0").rstrip(".")
    return ("负" if match["minus"] else "") + _counted(number, scale or unit) + scale + unit


def _measure(match: re.Match[str]) -> str:
    unit = UNITS[match["unit"]]
    degrees = unit.endswith("度")
    minus = "" if not match["minus"] else "零下" if degrees else "负"
    low = f"{_counted(match['low'])}到" if match["low"] else ""
    return minus + low + _counted(match["n"], unit) + unit


def _percent(match: re.Match[str]) -> str:
    name = "百分之" if match["sign"] == "%" else "千分之"
    low = f"{name}{_signed(match['low'])}到" if match["low"] else ""
    minus = {"-": "负", "−": "负", "+": "正"}.get(match["minus"] or "", "")
    return f"{low}{minus}{name}{'百' if match['n'] == '100' and name[0] == '百' else cardinal(match['n'])}"


def _phone(match: re.Match[str]) -> str:
    """In groups: 138 0013 8000 whether written so or not."""
    parts = re.findall(r"1[3-9]\d(?=\d{8}$)|\d{4}(?=\d{4}$)|\d+", match[0])
    return "，".join(digits(part, "幺") for part in parts)


def _short(part: str) -> str:
    """A part of a version (by its value) or of an address (figure by figure)."""
    return cardinal(part) if len(part) < 3 else digits(part)


def _sum(match: re.Match[str]) -> str:
    names = {"+": "加", "-": "减", "−": "减", "×": "乘以", "*": "乘以", "÷": "除以", "/": "除以", "=": "等于"}
    parts = re.findall(rf"{_N}|[-−+×*÷/=]", match[0])
    return "".join(names.get(part) or cardinal(part) for part in parts)


def _range(match: re.Match[str]) -> str:
    low, high, unit = match["low"], match["high"], match["unit"]
    return f"{_counted(low, unit if low == '2' else '')}到{_counted(high, unit)}"


def _number(match: re.Match[str]) -> str:
    number, unit = match["n"], match["unit"]
    read = cardinal(number) if match["before"] else _counted(number, unit)
    minus = "" if not match["minus"] else "零下" if unit.startswith("度") else "负"
    return (match["before"] or "") + minus + read


def _rules() -> Iterator[tuple[str, Read]]:
    # Dates. A year of four figures is read figure by figure, unless it is round and counts years.
    yield rf"{_ALONE}(\d{{4}})([-/.])(\d{{1,2}})\2(\d{{1,2}})(?!\d)", lambda m: f"{_year(m[1])}年{_day(m[3], m[4])}"
    yield (
        rf"{_ALONE}([12]\d{{3}})年?{_TO}([12]\d{{3}})(?=年)",
        lambda m: f"{_year(m[1])}{'年' if '年' in m[0] else ''}到{_year(m[2])}",
    )
    yield rf"{_ALONE}([12]\d{{3}})-(0[1-9]|1[0-2])(?![\d-])", lambda m: f"{_year(m[1])}年{cardinal(str(int(m[2])))}月"
    yield rf"{_ALONE}([1-9]0{{2,3}})(?=年(?:[前后後来來间間]|以[前上来來]|多|的?[历歷]史))", lambda m: cardinal(m[1])
    yield rf"{_ALONE}([12]\d{{3}}|0\d|\d\d(?=年\d{{1,2}}月))(?=年)", lambda m: _year(m[1])
    yield rf"{_ALONE}(\d{{1,2}})月(\d{{1,2}})([日号號])", lambda m: _day(m[1], m[2], m[3])
    yield rf"{_ALONE}((?:[5-9][05]|0[05]|10))(?=[后後](?!天))", lambda m: digits(m[1])
    # Figures that name something: telephones, rooms, trains, passwords.
    yield (
        rf"(?<![\d.])(?:\+?86[-\s]?)?1[3-9]\d[-\s]?\d{{4}}[-\s]?\d{{4}}(?!\d)"
        rf"|{_ALONE}0\d{{2,3}}[-\s]?\d{{7,8}}(?!\d)|{_ALONE}[48]00[-\s]?\d{{3,4}}[-\s]?\d{{3,4}}(?!\d)",
        _phone,
    )
    yield rf"({_CALLED})(\d[\d-]{{2,}})(?![\d.%]|[{HAN}]?[个位次元])", lambda m: m[1] + digits(m[2].replace("-", ""), "幺")
    yield rf"{_ALONE}(\d{{3,4}})(?=[号號]?(?:房|室|教室)|路(?:公交|车|車|公共))", lambda m: digits(m[1], "幺")
    yield rf"{_ALONE}(1[12]\d|1\d{{4}}|9[56]\d{{3}})(?=热线|熱線|电话|電話|报警|報警|急救|客服)", lambda m: digits(m[1], "幺")
    yield r"(?<=[A-Za-z])(?<!RMB|USD|CNY|EUR)(\d{3,})(?![\d.])", lambda m: digits(m[1], "幺")
    # Clock times, then ratios and scores.
    clock = r"(?P<h>[01]?\d|2[0-4]):(?P<m>[0-5]\d)(?::(?P<s>[0-5]\d))?(?![\d:])"
    yield r"(?<=[分比以])(\d+)\s*[:-]\s*(\d+)(?!\d|[月:])", lambda m: f"{cardinal(m[1])}比{cardinal(m[2])}"
    yield rf"(?<=\d)\s*[-–—~～]\s*(?={clock})", lambda m: "到"
    yield rf"(?<![\d.:]){clock}分?", _clock
    yield rf"{_ALONE}(\d+):(\d+)(?![\d:])", lambda m: f"{cardinal(m[1])}比{cardinal(m[2])}"
    # Amounts with a sign or a unit.
    sign = "|".join(re.escape(sign) for sign in CURRENCIES)
    yield rf"(?P<minus>-)?(?P<sign>{sign})\s?(?P<n>{_N})(?P<scale>[千万亿萬億]+)?(?:元|美元)?", _money
    yield rf"(?P<minus>-)?{_ALONE}(?P<n>{_N})(?P<scale>[千万亿萬億]+)?\s?(?P<sign>{sign})(?![A-Za-z])", _money
    yield rf"(?:(?<!\d)(?P<low>-?{_N})%?{_TO})?(?P<minus>(?<![\d%])[-−+])?(?P<n>{_N})\s*(?P<sign>[%‰])", _percent
    units = "|".join(re.escape(unit) for unit in sorted(UNITS, key=len, reverse=True))
    yield (
        rf"(?P<minus>(?<![\dA-Za-z])[-−])?{_ALONE}(?:(?P<low>{_N}){_TO})?(?P<n>{_N})\s?(?P<unit>{units})(?![A-Za-z²³])",
        _measure,
    )
    # Arithmetic, fractions, ranges.
    yield rf"{_ALONE}{_N}(?:\s*[-−+×*÷/]\s*{_N})*\s*=\s*{_N}|{_ALONE}{_N}\s*[×÷]\s*{_N}", _sum
    yield rf"{_ALONE}(\d+)又(\d+)/(\d+)", lambda m: f"{cardinal(m[1])}又{cardinal(m[3])}分之{cardinal(m[2])}"
    yield rf"{_ALONE}(\d+)/(\d+)(?![\d/])", lambda m: f"{cardinal(m[2])}分之{cardinal(m[1])}"
    yield rf"(?<![\d.A-Za-z-])(?P<low>{_N}){_TO}(?P<high>{_N})(?![\d-])(?=(?P<unit>[{HAN}]{{0,2}}))", _range
    # What is left: ordinals and names of days (二), counts (两), plain numbers, long rows of figures.
    yield r"\d+(?:[·•]\d+)+|\d\d(?=折)", lambda m: digits(re.sub(r"\D", "", m[0]))
    yield r"(?<!\d)\d{1,3}(?:\.\d{1,3}){2,}", lambda m: "点".join(map(_short, m[0].split(".")))
    yield (
        rf"(?P<before>[第周初]|星期|[A-Za-z])?(?P<minus>(?<![\dA-Za-z])[-−])?(?P<n>{_N})(?=(?P<unit>[{HAN}]{{0,2}}))",
        _number,
    )


_RULES = [(re.compile(pattern), read) for pattern, read in _rules()]
