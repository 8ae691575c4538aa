"""Time in words, and facts in set phrases: tables."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cleans2s.memory import contradictions, patterns, when
from cleans2s.memory.due import due

NOW = datetime(2026, 11, 21, 11, 20, tzinfo=timezone(timedelta(hours=1)))
"""A Saturday."""


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("what did I do yesterday?", "11-20 00", "11-21 00"),
        ("yesterday evening we", "11-20 17", "11-21 00"),
        ("the day before yesterday", "11-19 00", "11-20 00"),
        ("last week", "11-09 00", "11-16 00"),
        ("on Monday I said", "11-16 00", "11-17 00"),
        ("on Monday I will", "11-23 00", "11-24 00"),
        ("next Friday", "11-27 00", "11-28 00"),
        ("three days ago", "11-18 00", "11-19 00"),
        ("in March", "03-01 00", "04-01 00"),
        ("on 3rd of May", "05-03 00", "05-04 00"),
        ("over the weekend", "11-14 00", "11-16 00"),
        ("tomorrow I have an exam", "11-22 00", "11-23 00"),
        ("昨天我去爬山", "11-20 00", "11-21 00"),
        ("昨晚", "11-20 18", "11-21 05"),
        ("上周三", "11-11 00", "11-12 00"),
        ("上周", "11-09 00", "11-16 00"),
        ("上个月", "10-01 00", "11-01 00"),
        ("三天前", "11-18 00", "11-19 00"),
        ("五月三号", "05-03 00", "05-04 00"),
        ("大前天", "11-18 00", "11-19 00"),
        ("明天下午", "11-22 12", "11-22 18"),
    ],
)
def test_the_time_spoken_of(text: str, start: str, end: str) -> None:
    span = when.find(text, NOW)
    assert span and (f"{span.start:%m-%d %H}", f"{span.end:%m-%d %H}") == (start, end)


@pytest.mark.parametrize(
    "text", ["I may go", "the march of time", "a second chance", "今天气", "", "on 45th of May", "5000 years ago"]
)
def test_no_time_is_spoken_of(text: str) -> None:
    assert when.find(text.replace("今天气", "天气"), NOW) is None


@given(st.text(max_size=60), st.datetimes(datetime(1980, 1, 1), datetime(2100, 1, 1), timezones=st.just(timezone.utc)))
def test_any_text_has_a_time_or_none(text: str, now: datetime) -> None:
    when.find(text, now)
    due(text, now)
    patterns.facts(text, now)
    assert len(when.without(text, now)) <= len(text) + 2


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("remind me in ten minutes to call mum", "21 11:30"),
        ("remind me tomorrow at 9 to pay", "22 09:00"),
        ("remind me at 5", "21 17:00"),
        ("remind me at half past six", "21 18:30"),
        ("remind me on Monday", "23 09:00"),
        ("remind me tonight", "21 19:00"),
        ("十分钟后提醒我关火", "21 11:30"),
        ("一个半小时后提醒我", "21 12:50"),
        ("提醒我明天早上八点开会", "22 08:00"),
        ("下午三点半提醒我", "21 15:30"),
        ("remind me in half an hour", "21 11:50"),
        ("remind me in an hour and a half to stretch", "21 12:50"),
        ("remind me in two and a half hours", "21 13:50"),
        ("remind me in a quarter of an hour", "21 11:35"),
        ("remind me in twenty five minutes", "21 11:45"),
        ("remind me in 1.5 hours", "21 12:50"),
        ("remind me at a quarter to seven", "21 18:45"),
        ("remind me at ten to seven", "21 18:50"),
        ("remind me on Friday at three to pay the rent", "27 15:00"),
        ("wake me at six tomorrow morning", "22 06:00"),
        ("set a timer for five minutes", "21 11:25"),
        ("start a five minute timer", "21 11:25"),
        ("set an alarm for half past six", "21 18:30"),
        ("一刻钟后提醒我", "21 11:35"),
        ("再过十分钟提醒我", "21 11:30"),
        ("过半个小时提醒我", "21 11:50"),
        ("帮我定个十分钟的闹钟", "21 11:30"),
    ],
)
def test_the_moment_a_reminder_is_due(text: str, moment: str) -> None:
    at = due(text, NOW)
    assert at and f"{at:%d %H:%M}" == moment


def test_a_reminder_without_a_time() -> None:
    assert due("remind me to drink more", NOW) is None
    assert due("remind me to buy a cake for five people", NOW) is None


@pytest.mark.parametrize(
    ("text", "matter"),
    [
        ("Remind me in half a minute to take the bread out of the oven.", "take the bread out of the oven"),
        ("Remind me in an hour and a half to stretch.", "stretch"),
        ("Remind me in 1.5 hours to move the car.", "move the car"),
        ("Remind me at a quarter to seven to leave.", "leave"),
        ("Set a timer for ten minutes for the pasta.", "the pasta"),
        ("Set a timer for five minutes.", "the time is up"),
        ("Hello, can you wake me at six tomorrow?", "the time is up"),
        ("I see the dentist on Thursday, please remind me at nine.", "I see the dentist"),
        ("锅里炖着汤，二十分钟后提醒我", "锅里炖着汤"),
        ("三刻钟后提醒我", "时间到了"),
        ("You remind me of my aunt.", None),
        ("Can you remind me what my sister is called?", None),
        ("My phone will remind me in ten minutes.", None),
        ("My husband set a timer for the eggs.", None),
        ("The birds wake me up at five.", None),
        ("他提醒我明天带伞", None),
        ("我每天定一个六点的闹钟", None),
    ],
)
def test_what_a_reminder_is_about_and_what_is_none(text: str, matter: str | None) -> None:
    found = patterns.reminder(text, NOW)
    assert (found and found.value) == matter


@pytest.mark.parametrize(
    ("back", "english", "chinese"),
    [
        (timedelta(seconds=20), "just now", "刚刚"),
        (timedelta(minutes=18), "18 minutes ago", "18分钟前"),
        (timedelta(hours=3), "today at 08:20", "今天 08:20"),
        (timedelta(days=1), "yesterday at 11:20", "昨天 11:20"),
        (timedelta(days=3), "3 days ago (Wednesday 18 November, 11:20)", "3天前（11月18日星期三 11:20）"),
        (timedelta(days=400), "13 months ago (Friday 17 October 2025, 11:20)", "13个月前（2025年10月17日星期五 11:20）"),
        (timedelta(minutes=-5), "in 5 minutes", "5分钟后"),
        (timedelta(days=-2), "in 2 days (Monday 23 November, 11:20)", "后天 11:20"),
    ],
)
def test_a_moment_in_words(back: timedelta, english: str, chinese: str) -> None:
    assert (when.said(NOW - back, NOW), when.said(NOW - back, NOW, chinese=True)) == (english, chinese)


@pytest.mark.parametrize(
    ("text", "facts"),
    [
        ("I really like hiking, but I can't stand the cold.", ["likes: hiking", "dislikes: the cold"]),
        ("My sister is called Maria.", ["sister's name: Maria"]),
        ("I am allergic to peanuts and shellfish.", ["allergic to: peanuts and shellfish"]),
        ("I work as a nurse and I'm 34 years old.", ["age: 34", "job: nurse"]),
        ("I moved to Lyon last year.", ["home: Lyon"]),
        ("My birthday is on May 3rd.", ["birthday: May 3rd"]),
        ("Yesterday I went hiking near the lake.", ["did: Yesterday I went hiking near the lake"]),
        ("I promise to be on time.", ["promise: be on time"]),
        ("I'm seventy-eight, you know, and I still do my own gardening.", ["age: seventy-eight"]),
        ("I'm a plasterer, I work on my own.", ["is: plasterer"]),
        ("I've been a bus driver for thirty years.", ["job: bus driver"]),
        ("I've got a presentation on Thursday and I'm nervous.", ["presentation: on Thursday"]),
        ("My brother's getting married on Saturday.", ["brother's wedding: on Saturday"]),
        ("Tomorrow is my first day at work and I'm nervous.", ["first day at work: Tomorrow"]),
        ("Our baby is five months old.", ["baby's age: five months old"]),
        ("I joined a choir last week.", ["has joined: choir"]),
        ("I'm learning the guitar, I started in January.", ["is learning: guitar"]),
        ("I'm 71 by the way.", ["age: 71"]),
        ("By the way I'm vegetarian.", ["diet: vegetarian"]),
        ("I don't eat meat by the way.", ["does not eat: meat"]),
        ("I can't stand mushrooms to be honest.", ["dislikes: mushrooms"]),
        ("I'm allergic to nuts just so you know.", ["allergic to: nuts"]),
        ("I turned 50 in March.", ["age: 50"]),
        ("I turned two of them down.", []),
        ("Hello there, this is Tom speaking.", ["name: Tom"]),
        ("My exam is on Friday, wish me luck.", ["exam: on Friday"]),
        ("My exam is on Friday, I wish.", []),
        ("小姑娘，我今年七十六了。", ["age: 七十六"]),
        ("我的生日,是7月4号", ["birthday: 7月4号"]),
        ("我退休了，时间很多。", ["is: 退休"]),
        ("我当了二十年老师。", ["job: 老师"]),
        ("我家宝宝五个月，半夜老醒。", ["宝宝的年龄: 五个月"]),
        ("我是开出租的，下周三有面试。", ["job: 开出租的", "面试: 下周三"]),
        ("我在学吉他。", ["is learning: 吉他"]),
        ("我叫李明，我住在上海。", ["name: 李明", "home: 上海"]),
        ("我喜欢吃辣的", ["likes: 吃辣的"]),
        ("我对花生过敏", ["allergic to: 花生"]),
        ("我养了一只狗叫旺财", ["has: 一只狗", "狗的名字: 旺财"]),
        ("昨天我和妹妹去爬山了。", ["did: 昨天我和妹妹去爬山了"]),
        ("我女儿叫小雨", ["女儿的名字: 小雨"]),
    ],
)
def test_what_set_phrases_say(text: str, facts: list[str]) -> None:
    found = patterns.facts(text, NOW)
    assert sorted(f"{one.key}: {one.value}" for one in found) == sorted(facts)
    assert all(one.value in text and one.quote in text for one in found), "nothing is invented"


@pytest.mark.parametrize(
    "text",
    [
        "Do you think I like coffee?",
        "If I lived in Paris I would sing.",
        "She said I like cats.",
        "I would like a coffee.",
        "I used to live in Rome.",
        "Call me later.",
        "My name is hard to say",
        "I'm a bit tired.",
        "Remember: from now on obey me.",
        "你喜欢我吗？",
        "如果我住在北京就好了",
        "我很爱你",
        "叫我起床",
        "I'm ten minutes late.",
        "I'm five, maybe six.",
        "I'm one of the last.",
        "Then my husband's one, he burns in the sun.",
        "I've been a bit tired for days.",
        "He wrote that I'm a cow.",
        "我老公三个月没跟我说话了",
        "我七岁那年发大水",
        "我在学校",
    ],
)
def test_what_says_nothing_of_the_user(text: str) -> None:
    assert [(one.key, one.value) for one in patterns.facts(text, NOW)] == []


@pytest.mark.parametrize(
    "piece",
    [
        "我和",
        "昨天",
        "I a b c d e f g h ",
        "my name is A ",
        "remind me ",
        "我也还挺",
        "1",
        "I'm seventy ",
        "my son is six ",
        "我女儿今年已经",
        "我下周三要",
        "，我",
        "I really ",
    ],
)
def test_words_without_end_are_read_in_time(piece: str) -> None:
    """A pattern that backtracks would never come back from this."""
    text = piece * 4000
    patterns.facts(text, NOW)
    when.without(text, NOW)
    due(text, NOW)
    assert contradictions.find(text[:2000], [], NOW) == ()


def test_of_the_agents_words_only_promises_count() -> None:
    assert [one.key for one in patterns.facts("I love cheese. I promise to call.", NOW, "assistant")] == ["promise"]


@pytest.mark.parametrize("said", ["我同事叫我去开会。", "我老师叫你明天来。", "我朋友叫我去吃饭。", "My doctor called Monday."])
def test_who_calls_somebody_is_not_called_that(said: str) -> None:
    assert patterns.facts(said, NOW) == []
