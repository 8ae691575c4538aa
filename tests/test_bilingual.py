"""Two languages in one conversation: texts of both scripts as one, and a conversation by voice in English and Chinese."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import anyio
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cleans2s import profiles, stages
from cleans2s.asr.whisper import Whisper, simplified, without_loop
from cleans2s.audio import RATE, Audio, silence
from cleans2s.config import Config
from cleans2s.conversation import Conversation
from cleans2s.errors import ConfigError
from cleans2s.events import ReplyEnded, ReplyStarted
from cleans2s.floor import takes_the_floor, verdict
from cleans2s.playback import CHARS_PER_S, SYLLABLES_PER_S, Playback
from cleans2s.reply import Reply
from cleans2s.stages import Chat, Transcript
from cleans2s.talk import talk
from cleans2s.text import HAN, hesitates, joined, words_of
from cleans2s.tts.kokoro import Kokoro
from cleans2s.tts.piper import Piper


def language_of(text: str) -> str:
    return "zh" if re.search(f"[{HAN}]", text) else "en"


# ── parts of a text as one ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        (["Here is", "a song."], "Here is a song."),
        (["你好，", "我是小明。", "你呢？"], "你好，我是小明。你呢？"),
        (["从前有一位", "国王"], "从前有一位国王"),
        (["他说：", "“你好。”", "“再见。”", "然后走了。"], "他说：“你好。”“再见。”然后走了。"),
        (["“Hello.”", "He went."], "“Hello.” He went."),
        (["我喜欢用", "Python", "写程序，", "Java 不行。"], "我喜欢用 Python 写程序，Java 不行。"),
        (["All right.", "好的。", "Fine."], "All right. 好的。Fine."),
        (["一百二十年2024", "年了"], "一百二十年2024年了"),
        (["Room 5", "10 people"], "Room 5 10 people"),
        (["你好,", "我很好"], "你好, 我很好"),
        (["", " ", "嗯……", "我想想", ""], "嗯……我想想"),
        ([], ""),
    ],
)
def test_successive_parts_have_a_space_only_where_the_script_has_one(parts, expected):
    assert joined(parts) == expected


@given(st.lists(st.text("天地。，a b.1“”", max_size=8), max_size=8))
def test_nothing_but_spaces_comes_or_goes_between_parts(parts):
    assert "".join(joined(parts).split()) == "".join("".join(parts).split())


@pytest.mark.parametrize(
    ("text", "seconds", "expected"),
    [
        ("我不知道，我不知道，我不知道，我不", 1.5, "我不知道，"),
        ("谢谢大家谢谢大家谢谢大家谢谢大家", 1.0, "谢谢大家"),
        ("好的。谢谢谢谢谢谢谢谢谢谢谢谢", 1.0, "好的。谢"),
        ("我不知道，我不知道。", 2.5, "我不知道，我不知道。"),
        ("今天天气真好，我们出去走走吧", 1.0, "今天天气真好，我们出去走走吧"),
        ("《三体》《三体》《三体》《三体》《三体》", 1.0, "《三体》"),
        ("用 OK 用 OK 用 OK 用 OK 用 OK", 1.0, "用 OK"),
    ],
)
def test_a_loop_in_chinese_is_cut_where_it_is_too_long_to_have_been_said(text, seconds, expected):
    assert without_loop(text, seconds) == expected


# ── what was heard ────────────────────────────────────────────────────────────────────────────────────────────────────


def played(*clauses: tuple[str, float]) -> Playback:
    playback = Playback()
    for text, duration_s in clauses:
        playback.piece(text, duration_s)
        playback.end_clause()
        playback.send(duration_s, at_s=0)
    return playback


def test_of_a_reply_in_chinese_the_characters_that_were_heard_are_on_record_without_spaces():
    playback = played(("你好，", 0.8), ("我是小明。", 1.0), ("你叫什么？", 1.0))
    assert playback.split(1.8) == ("你好，我是小明。", "你叫什么？")
    heard, unheard = playback.split(1.3)
    assert heard.startswith("你好，我")
    assert heard + unheard == "你好，我是小明。你叫什么？"


def test_a_foreign_word_in_a_chinese_sentence_is_heard_whole_or_not():
    playback = played(("我用Python写。", 2.0))
    cuts = {playback.split(at_s / 50)[0] for at_s in range(101)}
    assert cuts == {"", "我", "我用", "我用Python", "我用Python写", "我用Python写。"}


def test_accents_do_not_make_a_word_chinese():
    playback = played(("une idée géniale", 1.6))
    assert {playback.split(at_s / 50)[0] for at_s in range(81)} == {"", "une", "une idée", "une idée géniale"}


def test_a_clause_that_is_still_being_made_is_as_long_as_its_script_is_read():
    playback = Playback()
    playback.piece("今天北京的天气很好", 0.1)
    assert playback.clauses[0].length_s == pytest.approx(9 / SYLLABLES_PER_S)
    playback.end_clause()
    playback.piece("The weather is good", 0.1)
    assert playback.clauses[1].length_s == pytest.approx(19 / CHARS_PER_S)


def test_what_waits_to_be_spoken_is_unheard_as_one_text():
    async def heard() -> tuple[str, str]:
        reply = Reply(0, 0.0, 0.0, playback=played(("你好，", 0.8)))
        reply.clauses = ["你好，", "我是小明。", "你呢？"]
        return reply.heard(0.5)

    assert anyio.run(heard) == ("你", "好，我是小明。你呢？")


def test_a_prompt_joins_chinese_turns_without_spaces_and_english_ones_with():
    record = Conversation()
    record.user_said("今天北京", 0)
    assert record.prompt("请用中文。", "天气怎么样？")[-1]["content"] == "今天北京天气怎么样？"
    assert record.prompt("", "Thanks.")[-1]["content"] == "今天北京 Thanks."
    record.agent_begins("a", 1, played(("今天晴天，", 1.0), ("不会下雨。", 1.0)))
    record.cut("a", 1.0)
    assert record.messages[-1].text == "今天晴天，"
    assert record.prompt("", "好")[-2]["content"].startswith("今天晴天—")


# ── the floor ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("text", "嗯 对 好的 是的 哦 嗯嗯，好的 Okay，好的 yeah 对对".replace("，", ",").split())
def test_a_listeners_response_in_either_language_is_let_pass(text):
    assert verdict(Transcript(text, -0.4), 0.6, []) == "backchannel"


@pytest.mark.parametrize("text", ["等一下", "停", "停一停", "wait", "等一下 please", "嗯，等一下", "OK停"])
def test_whoever_asks_for_the_floor_in_either_language_gets_it(text):
    assert takes_the_floor(Transcript(text, -1.2), 0.6, [])


@pytest.mark.parametrize("text", ["那个", "我觉得那个", "um", "嗯，那个，um", "然后"])
def test_somebody_who_looks_for_a_word_has_not_finished(text):
    assert hesitates(text)


# ── the ears ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_traditional_characters_become_simplified_ones_and_names_of_works_stay():
    pytest.importorskip("opencc")
    assert simplified("晚上睡不著怎麼辦？著名的圖書館 OK") == "晚上睡不着怎么办？著名的图书馆 OK"


@pytest.mark.models
def test_a_language_that_whisper_does_not_know_is_named():
    with pytest.raises(ConfigError, match=r"asr\.language = 'en,xx': Whisper does not know 'xx'; expected codes such as en,zh"):
        Whisper(language="en,xx").load()


def said(engine: Kokoro | Piper, text: str, times: int = 1) -> Audio:
    sounds = list(stages.load(engine).speak(text))
    parts = [silence(0.3, sounds[0].rate), *(sound.samples for sound in sounds)] * times
    return Audio(np.concatenate(parts), sounds[0].rate).resampled(RATE)


@pytest.fixture(scope="module")
def chinese():
    for package in ("kokoro_onnx", "misaki", "opencc"):
        pytest.importorskip(package)
    return Kokoro(language="zh", voice="jm_kumo")


@pytest.mark.models
def test_the_language_of_every_turn_is_found_among_those_of_the_conversation(chinese):
    ear = stages.load(Whisper(language="en,zh"))
    for language, sound in [
        ("zh", said(chinese, "北京有什么好吃的？")),
        ("en", said(Piper(variation=0), "What is the capital of France?")),
    ]:
        heard = ear.transcribe(sound)
        assert heard.language == language
        assert language_of(heard.text) == language
    assert stages.load(Whisper()).transcribe(Audio(silence(1.0))).language == "en"
    assert stages.load(Whisper("whisper-tiny.en", language="zh")).transcribe(sound).language == "en"
    # One that the other languages would be better for is one of these two all the same.
    assert ear.transcribe(said(Kokoro(language="en-us", voice="jf_alpha"), "What time is it?")).language == "en"


@pytest.mark.models
def test_a_long_turn_in_chinese_is_one_text_in_one_script(chinese):
    sentence = "今天天气很好，我们一起去公园散步。"
    sound = said(chinese, sentence, times=5)
    assert sound.duration_s > 15  # two windows
    heard = stages.load(Whisper(language="en,zh")).transcribe(sound)
    assert heard.language == "zh"
    assert not re.search(rf"[{HAN}] +[{HAN}]", heard.text.replace("。 ", "。"))
    assert simplified(heard.text) == heard.text
    assert 3 <= heard.text.count("公园") <= 5


# ── a conversation by voice ───────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Answering:
    """A language model that answers in the language that it was asked in."""

    english: tuple[str, ...]
    chinese: tuple[str, ...]

    def load(self) -> Answering:
        return self

    def reply(self, chat: Chat) -> Iterator[str]:
        asked = [str(message["content"]) for message in chat if message["role"] == "user"]
        same = [text for text in asked if language_of(text) == language_of(asked[-1])]
        answers = self.chinese if language_of(asked[-1]) == "zh" else self.english
        yield from answers[min(len(same), len(answers)) - 1]


@pytest.mark.models
def test_english_chinese_and_english_again_are_heard_and_answered_in_their_language(chinese):
    answers = Answering(
        ("The capital of France is Paris.", "There are seven days in a week."),
        ("今天天气很好，我们可以去公园。",),
    )
    config = profiles.load("embedded-zh")
    config = Config(asr=config.asr, llm=answers, tts=config.tts)
    sounds = [
        said(Piper(variation=0), "What is the capital of France?"),
        said(chinese, "今天天气怎么样？"),
        said(Piper(variation=0), "How many days are in a week?"),
    ]
    talked = anyio.run(talk, sounds, config)
    turns = [message.text for message in talked.conversation.messages]
    assert [language_of(text) for text in turns] == ["en", "en", "zh", "zh", "en", "en"]
    assert words_of(turns[0]) == words_of("What is the capital of France?")
    assert "天气" in turns[2]
    assert turns[1::2] == [answers.english[0], answers.chinese[0], answers.english[1]]

    events, agent = talked.recording.events, talked.recording.agent
    starts = [event.at_s for event in events if isinstance(event, ReplyStarted)]
    ends = [event.at_s for event in events if isinstance(event, ReplyEnded)]
    ear = stages.load(config.asr)
    spoken = [
        ear.transcribe(Audio(agent.samples[int(start * agent.rate) : int(end * agent.rate)], agent.rate).resampled(RATE))
        for start, end in zip(starts, ends, strict=True)
    ]
    assert [heard.language for heard in spoken] == ["en", "zh", "en"]
    for heard, expected in zip(spoken, ("Paris", "公园", "seven"), strict=True):
        assert set(words_of(expected)) <= set(words_of(heard.text.replace("7", "seven")))
