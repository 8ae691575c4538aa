"""Whether a statement contradicts a fact. Rules, each of which would rather miss one than see one that is not there:

- *another value*: "my name is Eva" after "my name is Anna", for what one has only one of;
- *the opposite*: "I hate cheese" after "I love cheese"; "I don't have a dog" after "I have a dog";
- *what a diet forbids*: "I had a steak" of a vegetarian, "I ate peanuts" of somebody allergic to them;
- *another number*, or *a denial*, in what is otherwise the same sentence: "we agreed to meet at five" after "… at seven".

Words that say that something has changed ("now", "I moved") make a statement news and not a contradiction. Some 0.1 ms for each
hundred facts, so that every partial transcript can be asked about.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from . import patterns, rows, when
from .calendar_words import COUNTS
from .foods import DIETS, FAMILIES, GENERAL
from .lexical import content, stem
from .records import Contradiction, Fact

_ATE = re.compile(
    r"\bI(?:['’](?:ve|ll|d|m))? (?:\w+ ){0,2}?(?:ate|eat|eaten|eating|had|have|having|ordered|order|want|like|love|enjoy|"
    r"cooked|grilled|drank|drink|drinking|craving|devoured)\b(?P<rest>[^.!?;]*)|"
    r"我(?:昨天|昨晚|今天|刚才|刚刚|刚|中午|晚上|早上|又|还|都|就|也|很|最|在|去|一起|经常|[和跟]\w{1,3}){0,4}(?:吃|喝|点|想吃|想喝|爱吃|喜欢吃)了?(?P<han>[^。！？，,;；]*)",
    re.IGNORECASE,
)
_CAN = re.compile(r"\bI can\b|我会|我能", re.IGNORECASE)
_NEGATION = re.compile(r"\b(?:not|never|no|none|without|cannot|neither|nor)\b|n['’]t\b|不|没|别|从未", re.IGNORECASE)
_NEWS = re.compile(
    r"\b(?:now|nowadays|moved|moving|no longer|any ?more|anymore|used to|changed|switched|new|since|started|stopped|quit|"
    r"gave up|these days|recently|was|were|instead|married|renamed|postponed|turned)\b|"
    r"现在|搬|不再|以前|改|换|最近|新|开始|推迟|已经不",
    re.IGNORECASE,
)
_MOCK = re.compile(
    r"\b(?:vegan|vegetarian|veggie|tofu|soy|oat|almond milk|plant|fake|non-alcoholic|alcohol-free|gluten-free|dairy-free|"
    r"meatless|allergic|allergy)\b|素|豆腐|植物|无酒精|无麸质|过敏",
    re.IGNORECASE,
)
_NUMERAL = re.compile(r"\d+(?:[.:]\d+)?|[零一二两三四五六七八九十百]+(?=[点岁个只条年月号日人块元次])")
_OTHERS = re.compile(
    r"\b(?:my (?:wife|husband|son|daughter|friend|brother|sister|boss|mother|father)|he|she|they) (?:\w+ )?"
    r"(?:ate|eats?|had|has|ordered)\b"
)

LEAST_SHARED = 0.8
"""Of the words of two sentences that are otherwise the same."""

AGE_SLACK = 1


@dataclass(frozen=True)
class Said:
    """A statement, read once for all facts."""

    text: str
    found: tuple[patterns.Found, ...]
    news: bool
    food: frozenset[str]
    clauses: tuple[Sentence, ...]


@dataclass(frozen=True)
class Sentence:
    words: frozenset[str]
    numbers: tuple[float, ...]
    denied: bool


def find(statement: str, known: Iterable[Fact], now: datetime) -> tuple[Contradiction, ...]:
    said = _said(statement, now)
    if said is None:
        return ()
    found: list[Contradiction] = []
    known = list(known)
    if any(fact.quote and _sentence(fact.quote) in said.clauses for fact in known):
        return ()  # it was said before, word for word
    for fact in known:
        why = next((why for rule in RULES if (why := rule(said, fact))), "")
        if why:
            found.append(Contradiction(fact, statement, why))
    return tuple(sorted(found, key=lambda one: -one.fact.certainty))


def _said(statement: str, now: datetime) -> Said | None:
    text = statement.strip()
    if not text or text.endswith(("?", "？")) or len(text) > 2000:
        return None
    found = tuple(patterns.facts(text, now))
    return Said(text, found, bool(_NEWS.search(text)), _eaten(text), tuple(_clauses(text)))


def _eaten(text: str) -> frozenset[str]:
    """Foods that the speaker says to eat, or to like or want."""
    if _MOCK.search(text) or _OTHERS.search(text):
        return frozenset()
    eaten: set[str] = set()
    for match in _ATE.finditer(text):
        rest = match["rest"] or match["han"] or ""
        before = text[: match.end() - len(rest)]
        if _NEGATION.search(re.split(r"[.!?;,。！？；，]", before)[-1]) or _NEGATION.search(rest):
            continue
        words = set(re.findall(r"[a-z]+", rest.lower()))
        eaten |= {food for family in FAMILIES for food in family if (food in rest if when.chinese(food) else food in words)}
    return frozenset(eaten)


def _clauses(text: str) -> Iterator[Sentence]:
    for clause in re.split(r"[.!?;。！？；]+\s*", text):
        if clause.strip():
            yield _sentence(clause)


@lru_cache(maxsize=4096)
def _sentence(text: str) -> Sentence:
    numbers = list(_numbers(text))
    words = frozenset(word for word in content(text) if when.number(word) is None and word not in _NUMBER_STEMS)
    return Sentence(words, tuple(numbers), bool(_NEGATION.search(text)))


_NUMBER_STEMS = frozenset(stem(word) for word in COUNTS if " " not in word)


def _numbers(text: str) -> Iterator[float]:
    for match in _NUMERAL.finditer(text):
        value = when.number(match[0].replace(":", "").replace(".", ""))
        if value is not None:
            yield value
    for word in re.findall(r"[a-z]+", text.lower()):
        if word in COUNTS and word not in ("a", "an"):
            yield COUNTS[word]


def _another_value(said: Said, fact: Fact) -> str:
    if not rows.single(fact.key) or said.news or fact.key in ("likes", "dislikes"):
        return ""
    for new in said.found:
        if new.key != fact.key or new.whose != fact.whose or new.certainty < 0.7:
            continue
        one, other = rows.plain(new.value), rows.plain(fact.value)
        if one and other and one != other and one not in other and other not in one and not _alike(fact.key, one, other):
            return f"said to be “{new.value}” now, but “{fact.value}” before ({fact.key})"
    return ""


def _alike(key: str, one: str, other: str) -> bool:
    """Ages a year apart, and names that a recogniser writes in two ways."""
    a, b = when.number(one), when.number(other)
    if a is not None and b is not None:
        return abs(a - b) <= (AGE_SLACK if key == "age" else 0)
    if key == "age":
        return True  # written in a way that cannot be compared
    if key in ("job", "is", "from", "birthday", "diet"):
        return bool(set(one.split()) & set(other.split())) or key in ("job", "is", "diet")
    return "name" in key and one[:1] == other[:1] and abs(len(one) - len(other)) <= 2 and len(set(one) ^ set(other)) <= 2


def _opposite(said: Said, fact: Fact) -> str:
    wanted = rows.opposite(fact.key)
    if not wanted or said.news:
        return ""
    kept = _things(fact.value)
    for new in said.found:
        things = _things(new.value)
        if (
            new.key == wanted
            and new.whose == fact.whose
            and things
            and kept
            and (things == kept or _same_kind(wanted, things, kept))
        ):
            return f"“{new.quote}”, but said before: “{fact.quote or fact.text}”"
    return ""


@lru_cache(maxsize=4096)
def _things(value: str) -> frozenset[str]:
    return frozenset(word for word in content(value) if word not in _NUMBER_STEMS and when.number(word) is None)


def _same_kind(key: str, one: frozenset[str], other: frozenset[str]) -> bool:
    """Who has no dog has no small dog; who hates milk may like milk chocolate."""
    return key in ("has", "has no") and bool(one & other)


def _forbidden(said: Said, fact: Fact) -> str:
    if not said.food or fact.whose != "user":
        return ""
    if fact.key == "diet":
        foods = {
            food for diet, families in DIETS.items() if diet in fact.value.lower() for family in families for food in family
        }
    elif fact.key in ("does not eat", "does not drink", "allergic to"):
        foods = _named(fact.value)
    else:
        return ""
    if (
        said.news
        and fact.key != "allergic to"
        and re.search(r"\b(?:no longer|anymore|any more|stopped|quit|used to|gave up)\b|不再", said.text)
    ):
        return ""
    eaten = sorted(said.food & foods)
    return f"speaks of {' and '.join(eaten)}, but said before: “{fact.quote or fact.text}”" if eaten else ""


@lru_cache(maxsize=1024)
def _named(value: str) -> frozenset[str]:
    words = set(re.findall(r"[a-z]+", value.lower()))
    named = {food for family in FAMILIES for food in family if (food in value if when.chinese(food) else food in words)}
    whole = {food for family in FAMILIES if named & GENERAL & set(family) for food in family}
    plurals = {f"{food}s" for food in named} | {food.removesuffix("s") for food in named}
    return frozenset(named | whole | plurals)


def _another_number_or_denial(said: Said, fact: Fact) -> str:
    """In a fact's own sentence. What somebody did once may be otherwise another time, so deeds are left out."""
    if fact.key in ("did", "reminder", "likes", "dislikes", "age") or not fact.quote or said.news:
        return ""
    kept = _sentence(fact.quote)
    if len(kept.words) < (2 if not when.chinese(fact.quote) else 3):
        return _one_word(said, fact, kept)
    for new in said.clauses:
        shared = len(new.words & kept.words) / max(1, len(new.words | kept.words))
        if shared < LEAST_SHARED:
            continue
        if _one_differs(new.numbers, kept.numbers) and new.denied == kept.denied:
            return f"the number differs from what was said before: “{fact.quote}”"
        if new.denied != kept.denied and new.numbers == kept.numbers:
            return f"denies what was said before: “{fact.quote}”"
    return ""


def _one_differs(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    """Where several differ, two different things are spoken of."""
    return len(one) == len(other) and sum(a != b for a, b in zip(one, other, strict=True)) == 1


def _one_word(said: Said, fact: Fact, kept: Sentence) -> str:
    """A short agreement ("we agreed on seven", "I have two kids") is compared by its key as well."""
    if fact.key == "cannot":
        able = any(new.words == kept.words and not new.denied for new in said.clauses) and _CAN.search(said.text)
        return f"denies what was said before: “{fact.quote}”" if able else ""
    if not kept.numbers or fact.key not in ("agreed", "has", "promise"):
        return ""
    for new in said.found:
        other = _sentence(new.quote)
        alike = new.key == fact.key and new.whose == fact.whose and other.words == kept.words
        if alike and _one_differs(other.numbers, kept.numbers):
            return f"the number differs from what was said before: “{fact.quote}”"
    return ""


RULES: tuple[Callable[[Said, Fact], str], ...] = (_another_value, _opposite, _forbidden, _another_number_or_denial)
