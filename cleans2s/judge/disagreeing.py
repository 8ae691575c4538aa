"""Do words disagree with what is remembered? Numbers, days and other things of which only one can be true, and denials."""

from __future__ import annotations

import re
from collections.abc import Collection
from functools import lru_cache

from ..text import HAN
from . import Situation

ONE_OF = tuple(
    tuple(row.split())
    for row in (
        "monday|周一|星期一|礼拜一 tuesday|周二|星期二|礼拜二 wednesday|周三|星期三|礼拜三 "
        "thursday|周四|星期四|礼拜四 friday|周五|星期五|礼拜五 "
        "saturday|周六|星期六|礼拜六 sunday|周日|星期天|星期日|礼拜天|周天",
        "january|一月 february|二月 march|三月 april|四月 may|五月 june|六月 july|七月 august|八月 "
        "september|九月 october|十月 november|十一月 december|十二月",
        "morning|mornings|早上|上午|清早|早晨 noon|lunchtime|中午 afternoon|下午 "
        "evening|evenings|傍晚|晚上 night|nights|夜里|半夜",
        "spring|春天 summer|夏天 autumn|fall|秋天 winter|冬天",
        "red|红 blue|蓝 green|绿 yellow|黄 black|黑 white|白 brown|棕|褐 grey|gray|灰 pink|粉 purple|紫 orange|橙",
        "son|儿子 daughter|女儿|闺女 brother|哥哥|弟弟 sister|姐姐|妹妹 mother|mum|mom|妈 father|dad|爸 wife|妻子|老婆|爱人 "
        "husband|丈夫|老公 uncle|叔叔|舅舅 aunt|姑姑|阿姨 grandson|孙子|外孙 granddaughter|孙女|外孙女",
        "left|左 right|右",
        "dog|狗 cat|猫 rabbit|兔子 parrot|鹦鹉 hamster|仓鼠 horse|马",
        "car|汽车|开车 train|火车|高铁 bus|公交|大巴 bike|bicycle|自行车|骑车 plane|flight|飞机 "
        "boat|ferry|船 tram|电车 taxi|出租车",
        "tea|茶 coffee|咖啡 beer|啤酒 wine|红酒|葡萄酒 milk|牛奶 juice|果汁 whisky|gin|vodka|白酒",
        "meat|肉 fish|鱼 chicken|鸡 beef|steak|牛 pork|bacon|ham|猪 vegetarian|vegan|吃素|素食 cheese|奶酪 "
        "nuts|peanuts|花生|坚果 prawns|shrimp|虾",
        "alone|独自|一个人 together|一起",
        "north|北 south|南 east|东 west|西",
        "single|单身 married|结婚|已婚 divorced|离婚 widowed|widow|丧偶",
        "violin|小提琴 piano|钢琴 guitar|吉他 flute|笛子 cello|大提琴 drums|鼓",
        "always|一直|总是 never|从不|从没|从来不|从来没",
    )
)  # fmt: skip
"""In each row, words of which a sentence is mostly about one; such as mean the same stand together."""

_PLACE = {
    form: (row, column) for row, forms in enumerate(ONE_OF) for column, each in enumerate(forms) for form in each.split("|")
}
_ENGLISH = frozenset(form for form in _PLACE if form.isascii())
_CHINESE = re.compile("|".join(sorted((form for form in _PLACE if not form.isascii()), key=len, reverse=True)))

_NUMBERS = {
    word: number
    for number, words in enumerate(
        "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
        "eighteen nineteen twenty".split()
    )
    for word in [words]
} | {"thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80, "ninety": 90, "hundred": 100,
     "half": 0.5, "twice": 2, "once": 1, "first": 1, "second": 2, "third": 3}  # fmt: skip
_HAN_DIGITS = {"零": 0, "一": 1, "二": 2, "两": 2, "三": 3, "四": 4, "五": 5, "六": 6, "七": 7, "八": 8, "九": 9, "十": 10}
_HAN_NUMBER = re.compile(
    r"([一二两三四五六七八九]?十[一二三四五六七八九]?|[一二两三四五六七八九])(?=[点岁个只条年月号日人块元次天斤层楼万千百米口杯])"
)
_WORD = re.compile(r"\d+(?:[.:]\d+)?|[a-z]+(?:['’][a-z]+)*")
_NO = re.compile(r"\b(?:no|not|never|none|without|hate|can't|cannot)\b|n['’]t\b|不|没|别|从未|讨厌|戒")
_CLAIMS = re.compile(
    r"\b(?:you|your|yours|you['’]\w+|we|our|us|we['’]\w+|let['’]?s|agreed?|promised?|deal|said|told|supposed|bet|rules?|owe)\b|"
    r"你|您|咱|我们|说好|约|答应|讲好|同意|保证|规定|明明|刚才|记得|欠",
    re.IGNORECASE,
)
_CLAUSE = re.compile(r"[.!?;,。！？；，]+")

TAIL = {"en": 90, "zh": 28}
"""Characters of the words said last that are held against what is remembered."""


@lru_cache(maxsize=512)
def numbers(text: str) -> frozenset[float]:
    found = {float(_NUMBERS[word]) for word in _WORD.findall(text) if word in _NUMBERS}
    for word in re.findall(r"\d+(?:[.:]\d+)?", text):
        found.add(float(word.replace(":", ".")))
    for match in _HAN_NUMBER.finditer(text):
        tens, ten, ones = match[1].partition("十")
        found.add(_HAN_DIGITS.get(tens, 1 if ten else 0) * (10 if ten else 1) + _HAN_DIGITS.get(ones, 0))
    return frozenset(found)


@lru_cache(maxsize=512)
def named(text: str) -> frozenset[tuple[int, int]]:
    found = {_PLACE[word] for word in _WORD.findall(text) if word in _ENGLISH}
    return frozenset(found | {_PLACE[form] for form in _CHINESE.findall(text)})


def disagreement(words: str, facts: Collection[str], shared: int) -> tuple[float, ...]:
    """Numbers in the words said last that stand beside others in the facts; other members of a row of `ONE_OF`; a denial on one
    side only, beside `shared` telling words; all together, where something is shared."""
    if not facts:
        return (0.0,) * 5
    lowered, known = words.lower(), " ".join(facts).lower()
    tail = lowered[-TAIL["zh" if re.search(f"[{HAN}]", words) else "en"] :]
    ours, theirs = numbers(tail), numbers(known)
    other_number = float(bool(ours - theirs)) if theirs and not ours & theirs else 0.0
    mine, yours = named(tail), named(known)
    rows = {row for row, _ in yours}
    other_name = sum(1 for row in rows & {row for row, _ in mine} if not {each for each in mine & yours if each[0] == row})
    same = float(bool(mine & yours)) + float(bool(ours & theirs))
    clause = _CLAUSE.split(tail.rstrip(".!?;,。！？；， "))[-1]
    denied = float(bool(_NO.search(clause)) != bool(_NO.search(known)))
    touching = min(shared, 3) / 3
    return other_number, min(other_name, 2) / 2, same / 2, denied * touching, touching * float(other_number or other_name > 0)


def may_contradict(situation: Situation) -> bool:
    """Whether words could be a claim against what was agreed: something is remembered, or they speak of the agent, of both, or
    of what was said. Of 306 claims in the data without anything remembered 83 % do; a network took lines of stories for claims
    ("He wanted dark green, I wanted white, so now it's going to be grey")."""
    return bool(situation.facts or situation.contradictions or situation.character or _CLAIMS.search(situation.words))
