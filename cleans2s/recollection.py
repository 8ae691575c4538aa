"""What can be answered from memory without a language model: what the user told before, in the user's own words; that something
was never told; and that a reminder is promised. Nothing in it is made up, as a small model would."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime

from . import openers
from .memory import Fact, Recalled, accounts, kin, reminder, when
from .text import HAN, language_of, sentence_ends

SURE = 0.75
"""Score of a memory that answers the question for what was said; weaker ones may be about something else."""

SUMMED_UP = 3
"""Quotations of which the answer to "what do you know about me?" is made."""

_ASKS = re.compile(
    r"\b(?:what|where|when|who|which|how)\b.*\b(?:did|was|were|do|does|am|is|are|has|'s)\b.*\b(?:i|my|me)\b"
    r"|\bdo you remember\b|\bam i (?:allergic|afraid)\b"
    r"|\bdo i (?:still )?(?:eat|drink|like|love|hate|have|own|live|work|play|speak)\b"
    r"|\bdo you (?:still )?know (?:(?:what|where|when|who|how|which)\b.*\b)?(?:i|my)\b|\bwho am i\b|\bwhat's my\b"
    r"|\bremember (?:what|when|where|who|how)\b|\bdid i (?:tell|say|mention)\b"
    rf"|我[{HAN}\w]*(?:什么|哪|谁|多少|几|吗)|我[{HAN}]*(?:[吃喝喜是会能爱]不|有没有)|(?:还)?记得|我说过|告诉过你",
    re.IGNORECASE,
)
_ALL = re.compile(
    r"\bwhat (?:else )?do you (?:already |still )?(?:know|remember) (?:about|of) me\b"
    r"|你(?:都|还)?(?:知道|记得|了解)(?:关于)?我(?:的)?(?:什么|些什么|哪些)",
    re.IGNORECASE,
)
_OF_NAMES = re.compile(r"\b(?:name|called|named)\b|叫|名字", re.IGNORECASE)
_OWN_NAME = re.compile(
    r"\bmy (?:own |full |first |last )?name\b|\bwho (?:am i|i am)\b|\bam i called\b|我的?(?:名字|姓)|我(?:叫|是谁)", re.I
)
_OWN_AGE = re.compile(r"\bhow old am i\b|\bmy (?:own )?age\b|我(?:的年龄|(?:今年|现在)?(?:多大|几岁))", re.IGNORECASE)
_WORK = re.compile(r"\bwhat (?:does|do|did) (?:my|our) [\w ]+ do\W*$|(?:是)?[做干](?:什么|啥)(?:的|工作)", re.IGNORECASE)
_OF_WORK = re.compile(r"\b(?:works?|job|is an?|runs?|drives?|teach(?:es)?|sells?)\b|[是当做干开教卖]|工作|上班", re.IGNORECASE)
_OWN_PLACE = re.compile(r"\bdo i (?:live|work|come from)\b|\bam i from\b|我(?:现在)?(?:住|(?:的)?老家|在哪)", re.IGNORECASE)
_OF_OWN_PLACE = re.compile(
    r"\b(?:i|we)\b[^.,;]*\b(?:live|work|moved|come|came|from|in|at)\b|我们?(?:现在|家|老家)?[住在是]", re.I
)
_OF_AGE = re.compile(r"\byears old\b|\bturn(?:ed|ing)?\b|\bborn\b|岁|出生", re.IGNORECASE)
_ONLY_TOLD = re.compile(
    r"\bwhat(?:['’]s| is| was) my (?:own |full |first |last )?"
    r"(?:name|age|job|birthday|address|(?:phone )?number|home ?town|favou?rite [\w ]+)(?: again)?\W*$"
    rf"|\bwhat(?:['’]s| is) my (?:{kin.ENGLISH})(?:['’]s name| called)|\bhow old am i\b|\bwho am i\W*$"
    r"|\b(?:where|(?:which|what) (?:city|town|village|country)) (?:do i (?:live|work|come from)|am i from)\b"
    r"|\bwhere (?:was i born|did i grow up)\b"
    r"|\bwhen(?:['’]s| is) my birthday\b"
    r"|\bwhat (?:am i (?:called|allergic to|afraid of)|do i do for (?:a living|work))\b"
    rf"|\bwhere (?:does|do|did|is) my (?:{kin.ENGLISH}) (?:live|work)|\bhow old is my (?:{kin.ENGLISH})\b"
    r"|\bwhat did i (?:do|eat|buy|say|tell you|see|cook)\b.*"
    r"\b(?:yesterday|before|last (?:night|week|month|year|time)|this morning|on \w+day|\w+ ago)\b"
    r"|\bdo you (?:still )?(?:know|remember) (?:my \w+|(?:what|where|when|who|how old) i)\b(?!.*\bjust\b)"
    rf"|我(?:的名字|的生日|的年龄|的电话|的工作)是什么|我叫什么|我是谁\W*$|我(?:今年)?(?:多大|几岁)|我的?(?:{kin.CHINESE})(?:叫什么|(?:今年|现在)?(?:多大|几岁))"
    r"|我(?:现在)?(?:住|老家|家)在?(?:哪|什么地方)|我(?:在哪里?|是做什么的?)(?:上班|工作)|我最喜欢(?:的\w+是)?什么|我对什么过敏|我害?怕什么"
    r"|我的?生日(?:是)?(?:哪|什么时候|几)|我(?:昨天|昨晚|前天|上周|今天早上)\w{0,4}(?:做|吃|买|说|去|看)了?(?:什么|哪)"
    r"|(?:记得|知道)我(?:的名字|叫什么|是谁|住哪|的生日|昨天)",
    re.IGNORECASE,
)
"""What nobody but the user can have told."""

_ME = re.compile(r"\b(?:i|my|me|we|our)\b|我", re.IGNORECASE)


def asks_memory(words: str) -> bool:
    """Whether somebody wants to hear what he told before."""
    return bool(_ASKS.search(words))


def told(words: str, recalled: Recalled, language: str | None, now: datetime) -> str:
    """What answers a question for something that the user told before; "" where nothing does."""
    if not asks_memory(words) or _ALL.search(words):
        return ""
    fitting = [fact for fact in recalled.facts if _about_the_same(words, f"{fact.key} {fact.quote or fact.value}", fact.key)]
    by_hand = next((fact for fact in fitting[:1] if not fact.quote), None)
    if by_hand:  # it is newer than what was said
        return _sentence(openers.quoted(f"{by_hand.key}: {by_hand.value}", language, by_hand.at, now, written=True))
    said = (episode for episode in recalled.episodes if episode.role == "user")
    best = next((episode for episode in said if _about_the_same(words, episode.text)), None)
    if best and best.score >= SURE:
        return _sentence(openers.quoted(best.text, language, best.at, now))
    alike = (fact for fact in fitting if fact.whose == "user" and language_of(fact.quote) == language_of(words))
    fact = next(alike, None)
    return _sentence(openers.quoted(fact.quote, language, fact.at, now)) if fact else ""


def _about_the_same(words: str, told: str, key: str = "") -> bool:
    """Whether what was told is about those about whom it was asked, and a name where a name was: recall goes by likeness, by
    which a dog's name is near a cat's, and a sister's near one's own."""
    if _OWN_NAME.search(words):
        return key == "name"
    if _OWN_AGE.search(words):
        return key == "age" or (not key and bool(_OF_AGE.search(told)) and not kin.named(told))
    if _WORK.search(words) and not _OF_WORK.search(told):
        return False
    if _OWN_PLACE.search(words) and kin.named(told) and not _OF_OWN_PLACE.search(told):
        return False
    named = key != "name" and (bool(_OF_NAMES.search(told)) or not _OF_NAMES.search(words))
    return named and kin.named(words) <= kin.named(told)


def known(words: str, facts: Iterable[Fact], language: str | None) -> str:
    """What is known of the user, said or written by hand, quoted, where that was asked; "" where it was not, or nothing is."""
    if not _ALL.search(words):
        return ""
    ordered = sorted((fact for fact in facts if fact.whose == "user" and fact.key != "did"), key=_first_what_matters)
    alike = (fact for fact in ordered if language_of(fact.quote or fact.value) == language_of(words))
    own = dict.fromkeys(fact.quote or f"{fact.key}: {fact.value}" for fact in alike)
    return openers.quoted_all([*own][:SUMMED_UP], language) if own else ""


def untold(words: str, before: str, language: str | None, turn: int = 0) -> str:
    """That it was never told, where only the user can have told it, and neither `told` nor `known` finds it; "" where it may be
    known otherwise: what the user said `before`, one turn ago, stands in the prompt of the smallest model."""
    words = words.strip()
    alone = all(end == len(words) for end in sentence_ends(words))  # what stands beside the question may answer it
    asked = alone and (_ONLY_TOLD.search(words) or _ALL.search(words))
    of_oneself = _ME.search(before) and not before.rstrip().endswith(("?", "？"))
    return openers.say("untold", language, turn) if asked and not of_oneself else ""


def _first_what_matters(fact: Fact) -> tuple[int, float]:
    return accounts.weight(fact), -fact.at.timestamp()


def promised(words: str, language: str | None, now: datetime, turn: int = 0) -> str:
    """That a reminder will come, and when, as it was understood; "" where none was asked for."""
    found = reminder(words, now)
    if not found:
        return ""
    at = when.said(found.due, now, language == "zh") if found.due else ""
    kind = "promise" if found.due else "promise_when"
    return openers.say(kind, language, turn, {"topic": found.value, "when": at})


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
