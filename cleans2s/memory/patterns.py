"""Facts by patterns: what people say of themselves in set phrases, in English and Chinese. Nothing is inferred; the value is
always a piece of the sentence, and a sentence that asks, supposes or reports somebody else's words says nothing.

A row of `ROWS` is a kind, a key, an expression whose group `v` is the value (and `k`, where there is one, fills the key's
braces), and how certain such words are.
"""
# ruff: noqa: E501  (a row of the table is one line, and Chinese characters count twice)

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from ..text import words_of
from . import due, kin, when
from .records import Kind, Role

VALUE_CHARS = 80
"""A longer value is a story, which the verbatim turn tells better."""


@dataclass(frozen=True)
class Found:
    """As in `Fact`, before it has a source."""

    kind: Kind
    key: str
    value: str
    quote: str
    certainty: float
    whose: str = "user"
    due: datetime | None = None


@dataclass(frozen=True)
class Row:
    kind: Kind
    key: str
    pattern: re.Pattern[str]
    certainty: float
    roles: tuple[Role, ...] = ("user",)


_I = r"(?:^|[,，:：]\s*|\b(?:and|but|because|since|so|also|well|actually|yes|no|yeah|okay|ok|hi|hello|hey|oh|now|that|by the way)\s+)"
_ADVERBS = r"(?:(?:really|also|just|still|absolutely|actually|usually|always|do|currently|now|very much|quite|totally)\s+)*"
_AM = r"I(?:\s+am|['’]m)\s+"
_V = r"(?P<v>[^.!?;,。！？；，]+)"
_NAME = r"(?P<v>[A-Z][\w'’-]+(?:\s+[A-Z][\w'’-]+){0,2})"
_YEARS = (
    r"(?:\d{1,3}|(?:(?:twen|thir|for|fif|six|seven|eigh|nine)ty[- ])?(?:one|two|three|four|five|six|seven|eight|nine)|ten|eleven|"
    r"twelve|(?:thir|four|fif|six|seven|eigh|nine)teen|(?:twen|thir|for|fif|six|seven|eigh|nine)ty)"
)
_SAID = r"by the way|you know|just so you know|to be honest|to tell you the truth|I must say|I have to say|believe it or not"
"""What a recogniser often writes without the comma that a writer would put before it."""

_ENDED = rf"$|,|and\b|so\b|but\b|now\b|already\b|{_SAID}"
_WHEN = r"(?P<v>(?:on|at|in|next|tomorrow|today|tonight|this)\b[^.!?;,]*)"
_EVENT = (
    r"(?P<k>(?:\w+[ -])?(?:exam|test|presentation|interview|appointment|meeting|wedding|flight|concert|operation|surgery|deadline|"
    r"match|race|recital|course|class|party|trip))"
)
_KIN = rf"\b(?:my|our) (?P<k>{kin.ENGLISH})"
_HAN_NUMBER = r"(?:\d{1,3}|[一二两三四五六七八九十百]{1,4})"
_HAN_DAY = r"(?P<v>(?:明|后|大后)天(?:[早下中]午|早上|晚上)?|(?:下个?|这个?)?(?:周|星期|礼拜)[一二三四五六日天末]|下个?(?:周|月)|\d{1,2}号)"
_HAN_EVENT = r"(?P<k>考试|面试|开会|出差|手术|比赛|答辩|相亲|婚礼|演出|考驾照|体检|产检|搬家|家长会)"
_HAN_JOB = (
    r"(?P<v>护士|医生|大夫|老师|教师|司机|学生|程序员|会计|律师|工程师|厨师|警察|工人|农民|设计师|记者|快递员|保安|护工|木匠|电工|"
    r"退休\w{2,4}|全职(?:妈妈|爸爸)|(?:开|做|干|搞|修|卖|教|跑)\w{1,8}的)"
)
_HAN_I = r"(?:^|[,，、]|[^\w]|你好|其实|因为|而且|但是|所以|对了|现在)\s*我"
_HAN_MUCH = r"(?:真的|一直|从小|平时|其实|也|还|挺|很|非常|特别|最|超|都|就|比较)*"


def _row(kind: Kind, key: str, pattern: str, certainty: float = 0.9, roles: tuple[Role, ...] = ("user",)) -> Row:
    flags = 0 if "[A-Z]" in pattern else re.IGNORECASE
    return Row(kind, key, re.compile(pattern, flags), certainty, roles)


# fmt: off
ROWS: tuple[Row, ...] = (
    _row("who", "name", rf"(?i:\bmy (?:\w+ )?name(?:\s+is|['’]s))\s+{_NAME}"),
    _row("who", "name", r"(?i:\bmy name(?:\s+is|['’]s))\s+(?P<v>[a-z][\w'’-]+)(?=\s*(?:$|[,.!;]|and\b))", 0.8),
    _row("who", "name", rf"(?i:\b(?:please |you can |just |people |friends |everybody )call me)\s+{_NAME}", 0.8),
    _row("who", "name", rf"(?i:^(?:hi|hello|hey)(?: there)?[, ]+(?:I['’]m|I am|this is))\s+{_NAME}(?=\s*(?:$|[,.!]|and\b|speaking\b|here\b))", 0.8),
    _row("who", "{}'s name", rf"(?i:\bmy (?P<k>{kin.ENGLISH}))(?i:['’]s name is|\s+is called|\s+is named|\s+called|\s+named)\s+{_NAME}"),
    _row("who", "{}'s name", rf"(?i:{_I}I (?:have|['’]ve got|got) an? (?:\w+ )?(?P<k>{kin.ENGLISH}) (?:called|named))\s+{_NAME}"),
    _row("who", "age", rf"{_I}{_AM}(?P<v>\d{{1,3}}|\w+(?:-\w+)?)\s+years old"),
    _row("who", "age", rf"{_I}{_AM}(?:only |just |already |nearly |almost )?(?P<v>{_YEARS})(?!,\s*(?:maybe|or|{_YEARS})\b)(?=\s*(?:{_ENDED}))", 0.7),
    _row("who", "age", rf"{_I}I(?:['’]ve| have)? (?:just )?turned (?P<v>{_YEARS})(?=\s*(?:{_ENDED}|in\b|on\b|last\b|this\b|yesterday\b|today\b))", 0.7),
    _row("who", "{}'s age", rf"{_KIN}(?:\s+is|['’]s)\s+(?:only |just |already |nearly |almost )?(?P<v>(?!one\s*(?:$|,|and\b)){_YEARS}(?:\s+(?:years?|months?|weeks?|days?) old)?)(?=\s*(?:{_ENDED}))", 0.8),
    _row("who", "is", rf"{_I}(?:{_AM}{_ADVERBS})(?P<v>retired|divorced|married|widowed|pregnant|unemployed|left-handed|diabetic|colou?r-?blind|deaf)(?=\s*(?:{_ENDED}))", 0.8),
    _row("who", "job", rf"{_I}(?:I['’]ve|I have) been an?\s+(?!bit|little|fan){_V}\s+(?:for|since)\b[^,;]*", 0.8),
    _row("who", "job", rf"{_I}I work as\s+(?:an?\s+|the\s+)?{_V}"),
    _row("who", "employer", rf"{_I}I {_ADVERBS}work (?:for|at)\s+(?!home|night|the moment|least|all){_V}"),
    _row("who", "is", rf"{_I}{_AM}{_ADVERBS}(?:an?\s+)(?!bit|little|lot|fan|big|huge|mess|great fan|wreck|fool|idiot|moment|few|couple){_V}(?=$|,)", 0.8),
    _row("who", "diet", rf"{_I}{_AM}{_ADVERBS}(?:an?\s+)?(?P<v>(?:strict )?(?:vegetarian|vegan|pescatarian|teetotal(?:ler)?))\b"),
    _row("where", "home", rf"{_I}I(?:\s+am|['’]m)?\s*{_ADVERBS}(?:live|living)\s+in\s+(?!fear|hope|peace|sin\b){_V}"),
    _row("where", "home", rf"{_I}I(?:['’]ve)?\s+{_ADVERBS}(?:have\s+)?(?:recently\s+)?moved to\s+{_V}"),
    _row("where", "from", rf"{_I}(?:I come from|{_AM}(?:originally )?from|I grew up in)\s+{_V}"),
    _row("where", "birthplace", rf"{_I}I was born in\s+(?P<v>[A-Z][\w'’-]+(?:\s+[A-Z][\w'’-]+)*)"),
    _row("when", "year of birth", rf"{_I}I was born in\s+(?P<v>(?:19|20)\d\d)\b"),
    _row("when", "birthday", rf"\bmy birthday is\s+(?:on |in )?{_V}"),
    _row("when", "{}", r"\bmy (?P<k>(?:\w+ )?(?:exam|wedding|appointment|interview|flight|meeting|deadline|concert|operation|trip|"
         r"holiday|vacation|train|class|course|surgery|party))\s+(?:is|starts|begins|leaves)\s+(?P<v>(?:on|at|in|next|tomorrow|today|this)\b[^.!?;,]*)"),
    _row("when", "{}", rf"{_I}I(?:['’]ve(?: got)?|\s+have(?: got)?|['’]ll have)\s+(?:an?|my|another)\s+(?:\w+ )?{_EVENT}\s+{_WHEN}"),
    _row("when", "{}", rf"^{_V.replace('[^.!?;,。！？；，]+', '(?:tomorrow|today|tonight|next [a-z]+|on [a-z]+day)')}(?:\s+is|['’]s)\s+my (?P<k>[a-z-]+(?: (?!(?:and|but|so)\b)[a-z-]+){{0,4}})"),
    _row("when", "{}'s wedding", rf"{_KIN}(?:\s+is|['’]s)\s+getting married\s+{_WHEN}"),
    _row("what", "is learning", rf"{_I}{_AM}{_ADVERBS}(?:learning|studying|teaching myself)\s+(?!that|how|from|a lot|so|about)(?:to play )?(?:the )?{_V}"),
    _row("what", "has joined", rf"{_I}I(?:['’]ve| have)? {_ADVERBS}joined\s+(?:an?\s+|the\s+)?(?!you|them|him|her|in\b){_V}"),
    _row("what", "has signed up for", rf"{_I}I(?:['’]ve| have)? {_ADVERBS}(?:signed up|registered) for\s+(?:an?\s+|the\s+)?(?!it\b|that\b){_V}"),
    _row("preference", "favourite {}", rf"\bmy favou?rite (?P<k>\w+(?: \w+)?)\s+(?:is|are)\s+{_V}"),
    _row("preference", "likes", rf"{_I}I {_ADVERBS}(?:like|love|enjoy|adore|prefer)\s+(?!(?:in|at|on|it|that|this|you|them|him|her|to think|how)\b){_V}"),
    _row("preference", "likes", rf"{_I}{_AM}{_ADVERBS}(?:fond of|crazy about|a (?:big |huge |great )?fan of|into)\s+{_V}", 0.8),
    _row("attitude", "dislikes", rf"{_I}I {_ADVERBS}(?:hate|dislike|detest|loathe|can(?:['’]t|not) stand|(?:do not|don['’]t) (?:really )?like)"
         rf"\s+(?!(?:it|that|this|you|them|him|her|to think|how|when)\b){_V}"),
    _row("attitude", "afraid of", rf"{_I}{_AM}{_ADVERBS}(?:afraid|scared|terrified) of\s+{_V}"),
    _row("attitude", "thinks", rf"{_I}I {_ADVERBS}(?:think|believe) that\s+(?!(?:I|you|we|it|this|that|he|she|they)\b){_V}", 0.7),
    _row("what", "allergic to", rf"{_I}{_AM}{_ADVERBS}allergic to\s+{_V}"),
    _row("what", "has no", rf"{_I}I (?:do not|don['’]t) have\s+(?:an?y?\s+)?(?P<v>(?:child(?:ren)?|kids?|dogs?|cats?|pets?|car|siblings|"
         r"brothers?|sisters?|job|bike)\b[^.!?;,]*)"),
    _row("what", "has", rf"{_I}I(?:\s+have|['’]ve got|\s+own)\s+(?P<v>(?:an?|\w+)\s+(?:\w+ )?(?:child|children|kids?|sons?|daughters?|"
         r"brothers?|sisters?|siblings|dogs?|cats?|horses?|car|bike|boat|garden|house|rabbits?|parrots?)\b)"),
    _row("what", "does not eat", rf"{_I}I (?:do not|don['’]t|never|can(?:['’]t|not)) eat\s+(?!anything|much|that|it\b){_V}"),
    _row("what", "does not drink", rf"{_I}I (?:do not|don['’]t|never|can(?:['’]t|not)) drink\s+(?!much|that|it\b){_V}"),
    _row("what", "cannot", rf"{_I}I (?:can(?:['’]t|not))\s+(?P<v>(?:swim|drive|dance|sing|cook|read|ski|skate|ride)\b[^.!?;,]*)"),
    _row("promise", "promise", rf"{_I}I promise\s+(?:you\s+)?(?:to |that )?{_V}", roles=("user", "assistant")),
    _row("promise", "agreed", rf"\bwe (?:have |had )?(?:agreed|arranged|decided)\s+(?:on |to |that )?{_V}", roles=("user", "assistant")),
    _row("who", "name", rf"(?:{_HAN_I}(?:的名字)?(?:叫做|叫|的名字是)|我姓)(?![你他她它了着不])(?P<v>[\w·]{{1,8}})"),
    _row("who", "{}的名字", rf"我(?:的|家的?)?(?P<k>{kin.CHINESE})(?:的名字)?(?:叫做?|的名字是)(?![我你他她它了着不])(?P<v>[\w·]{{1,8}})"),
    _row("who", "{}的名字", rf"{_HAN_I}(?:家)?(?:有|养了?)(?:一?[只条个位])?(?:小)?(?P<k>{kin.CHINESE})[，,]?(?:它|他|她)?(?:名字)?叫做?(?![我你他她它了着不])(?P<v>[\w·]{{1,8}})"),
    _row("who", "age", rf"{_HAN_I}(?:今年|已经)*(?P<v>\d{{1,3}}|[一二三四五六七八九十百]{{1,4}})岁(?!那|时|的时候|以前|之前)"),
    _row("who", "age", rf"{_HAN_I}(?:今年|已经|都|快)+(?P<v>{_HAN_NUMBER})(?=了|$|[，,])"),
    _row("who", "{}的年龄", rf"我(?:的|家的?|们家)?(?P<k>{kin.CHINESE}|宝宝|孩子|娃)(?:今年|已经|才|刚|都|快)*(?P<v>{_HAN_NUMBER}(?:个半?月(?=大|了|$|[，,])|岁半?(?!那|时|的时候|以前|之前)))"),
    _row("who", "school year", rf"{_HAN_I}?(?:今年|现在)?(?:上|读|念)(?P<v>(?:小学|初中|高中|大学)?[一二三四五六]年级|初[一二三]|高[一二三]|大[一二三四])(?=了|$|[，,])"),
    _row("who", "job", rf"{_HAN_I}(?:现在)?是(?:个|一个|一名)?{_HAN_JOB}(?=$|[，,])"),
    _row("who", "job", rf"{_HAN_I}(?:现在)?(?:是|当)(?:一名|一个|一位|个|名)(?P<v>\w{{2,12}})"),
    _row("who", "job", rf"{_HAN_I}(?:已经|都)*[当做]了{_HAN_NUMBER}(?:多|几)?年的?(?P<v>\w{{2,8}})"),
    _row("who", "is", rf"{_HAN_I}(?:已经|早就|早|刚|刚刚|都)*(?P<v>退休|离婚|结婚|怀孕|失业)了"),
    _row("who", "employer", rf"{_HAN_I}(?:现在)?在(?P<v>\w{{2,15}}?)(?:工作|上班)"),
    _row("who", "diet", rf"{_HAN_I}(?:是|一直)?{_HAN_MUCH}(?:个)?(?P<v>吃素|素食(?:主义)?者|吃全素)"),
    _row("where", "home", rf"{_HAN_I}(?:现在|目前|一直|就)?(?:住在|住)(?P<v>\w{{2,15}})"),
    _row("where", "home", rf"{_HAN_I}(?:刚|已经|最近)*搬(?:到|去)了?(?P<v>\w{{2,15}})"),
    _row("where", "from", rf"{_HAN_I}(?:来自|老家在|是从)(?P<v>\w{{2,15}})|{_HAN_I}是(?P<w>\w{{2,8}})人$"),
    _row("when", "birthday", r"我的?生日[，,]?(?:是|在)(?P<v>[\w月日号]{2,15})"),
    _row("when", "{}", rf"{_HAN_I}?{_HAN_DAY}(?:我)?(?:就|还)?(?:要|得|有|去)(?:去|参加)?(?:个|一个|一场|场)?{_HAN_EVENT}"),
    _row("what", "is learning", rf"{_HAN_I}(?:最近|现在|正)*(?:在|开始|刚开始)学(?![校会到习])(?P<v>\w{{1,8}})"),
    _row("preference", "最喜欢的{}", r"我最喜欢的(?P<k>\w{1,6}?)是(?P<v>\w{1,20})"),
    _row("preference", "likes", rf"{_HAN_I}{_HAN_MUCH}(?:喜欢|喜爱|热爱|爱)(?![你他她它我这那的])(?P<v>\w{{1,25}})"),
    _row("attitude", "dislikes", rf"{_HAN_I}{_HAN_MUCH}(?:不喜欢|讨厌|受不了|不爱)(?![你他她它我这那])(?P<v>\w{{1,25}})"),
    _row("attitude", "afraid of", rf"{_HAN_I}{_HAN_MUCH}(?:害怕|怕)(?![你他她它我这那])(?P<v>\w{{1,25}})"),
    _row("what", "allergic to", rf"{_HAN_I}{_HAN_MUCH}对(?P<v>\w{{1,15}}?){_HAN_MUCH}过敏"),
    _row("what", "does not eat", rf"{_HAN_I}{_HAN_MUCH}(?:从来|从)?不(?:能)?吃(?![了饭])(?P<v>\w{{1,15}})"),
    _row("what", "does not drink", rf"{_HAN_I}{_HAN_MUCH}(?:从来|从)?不(?:能)?喝(?!了)(?P<v>\w{{1,15}})"),
    _row("what", "has no", rf"{_HAN_I}{_HAN_MUCH}没有?(?P<v>孩子|小孩|兄弟姐妹|姐姐|妹妹|哥哥|弟弟|狗|猫|车|宠物)"),
    _row("what", "has", rf"{_HAN_I}(?:家)?(?:有|养了?)(?P<v>[一二两三四五六\d]+[个只条辆位](?:小)?(?:孩子|小孩|儿子|女儿|姐姐|妹妹|哥哥|弟弟|狗|猫|车))"),
    _row("promise", "promise", rf"{_HAN_I}(?:答应|保证|承诺|发誓)(?:你)?(?P<v>\w{{2,40}})", roles=("user", "assistant")),
    _row("promise", "agreed", r"我们(?:之前|上次|已经)?(?:说好|约好|约定|商量好|讲好)了?(?P<v>\w{2,40})", roles=("user", "assistant")),
)
# fmt: on

_REMIND = (
    re.compile(
        r"(?:\b(?<!will )(?<!['’]ll )(?<!always )remind me|"
        r"(?:^|\b(?:please|(?:can|could|will|would) you|and|then)\b|,)\s*(?:(?:please|just|now) )?"
        r"(?:wake me(?: up)?|(?:set|start|put on|make) (?:me )?(?:an?|the|another) (?:[\w-]+ ){0,4}?(?:reminder|timer|alarm)))\b"
        r"(?! (?:what|who|where|when|why|how|which|again)\b)(?P<v>(?:[^.!?;]|\.(?=\d))*)",
        re.IGNORECASE,
    ),
    re.compile(r"(?<![他她们])(?:提醒|叫|叫醒|记得叫|记得提醒)我(?P<v>[^。！？；.!?;]*)"),
    re.compile(
        r"(?:^|[，,]|帮我|给我|请|麻烦)(?:再)?(?:定|设|设置|设定)一?[个下](?P<v>[^。！？；.!?;]*?的?(?:闹钟|闹铃|定时器?|倒?计时器?|提醒))"
    ),
)
LEAST_TOLD = 3
"""Words (in Chinese: characters) before the asking that may be what it is about: 锅里炖着汤, and not "Hello"."""

_TIME_IS_UP = {True: "时间到了", False: "the time is up"}
"""What is said of a reminder of nothing, such as a timer, in Chinese and English."""

_DID = (
    re.compile(
        r"^(?:well |so |oh |and |but |also )*(?:(?:yesterday|last night|last week|last weekend|this morning)\b)", re.IGNORECASE
    ),
    re.compile(r"\b(?:I|we) (?:\w+ ){1,8}(?:yesterday|last night)\b", re.IGNORECASE),
    re.compile(r"^(?:我|我们)?(?:昨天|昨晚|前天|上周|上个?星期|今天早上)(?!.*[吗呢?？])"),
)
_SENTENCE = re.compile(r"(?:[^.!?;。！？；\n]|(?<=\d)\.(?=\d))+[.!?;。！？；\n]*")
_SUPPOSED = re.compile(
    r"\b(?:if|wish(?! (?:me|us)\b)|imagine|pretend|suppose|would|were to|used to|no longer|he said|she said|they said|says|wrote|as if|act like|joking)\b|"
    r"如果|要是|假如|假装|以前|曾经|不再|他说|她说|他们说|想象|开玩笑|[吗嘛][?？]?$",
    re.IGNORECASE,
)
_LEAD = re.compile(
    r"^[\s,，:：、.]*(?:(?:and|but|because|since|so|also|well|yes|no|yeah|ok(?:ay)?|oh|that)\s+)?", re.IGNORECASE
)
LISTS = ("likes", "dislikes", "allergic to", "afraid of", "does not eat", "does not drink")
"""Of these several may be named: "peanuts and shellfish"."""

PLAIN = ("home", "is", "from", "job", "employer", "has joined", "has signed up for", "is learning")
"""Whose value ends where a time begins: "Lyon last year"."""

_EPOCH = datetime(2000, 1, 1).astimezone()
_AND = re.compile(r"\s+and\s+(?=(?:I|my|we|you|he|she|it|they|then|that|this)\b).*$", re.IGNORECASE)
_TAIL_AND = re.compile(r"\s+and\b.*$", re.IGNORECASE)
_TAIL = re.compile(
    r"\s+(?:but|because|since|so|which|who|when|while|although|though|where|if|or else|as well|too|now|at the moment|right now|"
    rf"these days|very much|a lot|for now|{_SAID})\b.*$",
    re.IGNORECASE,
)
_TAIL_HAN = re.compile(r"(?:但是|但|因为|所以|而且|不过|然后|可是|的时候|的话|还有).*$|[了吧呢啊哦呀哈啦嘛]+$")


def facts(text: str, at: datetime, role: Role = "user") -> list[Found]:
    """What the turn says in set phrases, each once."""
    found: dict[tuple[str, str], Found] = {}
    for one in _facts(text, at, role):
        found.setdefault((one.key, one.value.casefold()), one)
    return list(found.values())


def reminder(text: str, at: datetime) -> Found | None:
    """What the user wants to be reminded of, and when."""
    return next((found for found in facts(text, at) if found.key == "reminder"), None)


def _facts(text: str, at: datetime, role: Role) -> Iterator[Found]:
    for match in _SENTENCE.finditer(text[: when.READ_CHARS]):
        sentence = match[0].strip()
        if role == "user":
            yield from _reminders(sentence, at)
        if sentence.endswith(("?", "？")) or _SUPPOSED.search(sentence.rstrip("。.!！")):
            continue
        for row in ROWS:
            if role in row.roles:
                yield from _by(row, sentence, "user" if role == "user" else "assistant")
        if (
            role == "user"
            and any(pattern.search(sentence) for pattern in _DID)
            and len(sentence) > 12 - 6 * when.chinese(sentence)
        ):
            told = sentence.rstrip(".。!！")[:400]
            yield Found("what", "did", told, told, 0.9)


def _by(row: Row, sentence: str, whose: str) -> Iterator[Found]:
    body = sentence.rstrip(".!;。！；\n ")
    for match in row.pattern.finditer(body):
        groups = match.groupdict()
        name = "v" if groups.get("v") else "w"
        value = clean(groups.get(name) or "", lists=row.key in LISTS)
        if row.key in PLAIN and (time := when.locate(value, _EPOCH)):
            value = value[: time[1]].rstrip(" ,")
        if not 0 < len(value) <= VALUE_CHARS:
            continue
        key = row.key.format(groups["k"].lower()) if groups.get("k") else row.key
        ends_with_value = match.end(name) == match.end()
        quote = body[match.start() : match.start(name) + len(value) if ends_with_value else match.end()]
        yield Found(row.kind, key, value, _LEAD.sub("", quote), row.certainty, whose)


def _reminders(sentence: str, at: datetime) -> Iterator[Found]:
    for pattern in _REMIND:
        match = pattern.search(sentence)
        if not match or (
            sentence.endswith(("?", "？")) and not re.search(r"\b(?:can|could|will|would) you\b|[能可][不以]?", sentence, re.I)
        ):
            continue
        moment = due.due(sentence, at)
        if pattern is _REMIND[1] and not match[0].startswith(("提醒", "记得提醒")) and not moment:
            continue  # 叫我 is also "call me"
        if match["v"].startswith(" of ") and not moment:
            continue  # "you remind me of my aunt"
        yield Found("promise", "reminder", _matter(match, sentence, at), sentence, 0.95, "assistant", moment)
        return


def _matter(asked: re.Match[str], sentence: str, at: datetime) -> str:
    """What the reminder is about: the words after asking for it, or those before."""
    ends = " ,，.。!！?？"
    after = due.without(f"timer{asked['v']}", at).removeprefix("timer").strip(ends)
    after = re.sub(r"^(?:to|that|about|of|for)\b\s*|的?(?:闹钟|闹铃|定时器?|倒?计时器?|提醒)$", "", after)
    before = due.without(sentence[: asked.start()], at)
    before = re.sub(
        r"(?:\b(?:please|(?:can|could|will|would) you|and|then)\b[\s,]*)+$|(?:请|帮我|到时候?|记得)+$", "", before, flags=re.I
    )
    told = before.strip(ends) if len(words_of(before)) >= LEAST_TOLD else ""
    return after.strip(ends) or told or _TIME_IS_UP[when.chinese(sentence)]


def clean(value: str, lists: bool = False) -> str:
    """A value without what is said after it. Of text: a piece of it."""
    value = _TAIL.sub("", (_AND if lists else _TAIL_AND).sub("", value.strip()))
    if when.chinese(value):
        value = _TAIL_HAN.sub("", value)
    return value.strip(" \"'“”,，")
