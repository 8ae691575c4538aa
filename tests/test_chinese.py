"""Chinese: clauses, who has the floor, and whether the voice is understood."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cleans2s import stages
from cleans2s.audio import RATE, Audio
from cleans2s.errors import ConfigError, ModelError
from cleans2s.floor import takes_the_floor, verdict
from cleans2s.stages import Transcript
from cleans2s.text import CLAUSE_HAN, HAN, Clauses, StablePrefix, hesitates, speakable, words_of
from cleans2s.tts.kokoro import Kokoro, blend, pieces

# ── clauses and words ─────────────────────────────────────────────────────────────────────────────────────────────────


def clauses(text: str, size: int = 1) -> list[str]:
    splitter, out = Clauses(), []
    for start in range(0, len(text), size):
        out += splitter.push(text[start : start + size])
    return out + list(splitter.flush())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("你好，我是小明。你呢？", ["你好，", "我是小明。", "你呢？"]),
        ("好，我来告诉你。北京很大，也很美。", ["好，我来告诉你。", "北京很大，也很美。"]),
        ("他说：“你好。我很好。”然后走了。", ["他说：", "“你好。我很好。”", "然后走了。"]),
        ("苹果、香蕉、橘子都很好吃。", ["苹果、香蕉、", "橘子都很好吃。"]),
        ("《三体》、《流浪地球》是小说。", ["《三体》、《流浪地球》是小说。"]),
        ("总共有1，234个人。", ["总共有1，234个人。"]),
        ("现在是10：30，我们走吧。", ["现在是10：30，", "我们走吧。"]),
        ("1、首先打开门。2、然后关上。", ["1、首先打开门。", "2、然后关上。"]),
        ("你好,我是小明.你呢?我很好!", ["你好,", "我是小明.", "你呢?", "我很好!"]),
        ("嗯……我想想。这个问题有点难。", ["嗯……", "我想想。", "这个问题有点难。"]),
        ("今天的最高温度是三十五度所以要多喝水", ["今天的最高温度是三十五度", "所以要多喝水"]),
        ("我们今天晚上说的是北京的历史", ["我们今天晚上说的", "是北京的历史"]),
        ("我觉得这一台机器可以用一百二十年2024年也", ["我觉得这一台机器可以用一百二十年2024年", "也"]),
        ("用 Python 写程序，很简单。", ["用 Python 写程序，", "很简单。"]),
    ],
)
def test_a_first_clause_is_short_and_nothing_is_cut_in_a_number_or_a_quotation(text, expected):
    assert clauses(text) == expected


def test_a_long_sentence_is_cut_at_its_last_mark_and_one_without_marks_anyway():
    said = clauses("好的。" + "这是一个很长的句子，" * 12 + "完了。")
    assert said[1].endswith("，")
    assert all(len(clause) <= CLAUSE_HAN * 1.3 for clause in said)
    assert max(map(len, clauses("天" * 500))) <= CLAUSE_HAN * 1.3


@given(st.text("天地。，、？…“”《》1 a.,", max_size=300), st.integers(1, 9))
def test_no_character_is_lost_between_clauses(text, size):
    assert "".join("".join(clauses(text, size)).split()) == "".join(text.split())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("这是**重点**内容。", "这是重点内容。"),
        ("看[这里](http://a.b)，**很好** 。", "看这里，很好。"),
        ("访问https://www.x.org/a/b，然后点击。", "访问x.org，然后点击。"),
        ("大约3~5天 🎉", "大约3～5天"),
        ("《三体》的作者是“刘慈欣”。", "《三体》的作者是“刘慈欣”。"),
        ("🎉……", ""),
    ],
)
def test_what_is_spoken_keeps_what_chinese_needs(text, expected):
    assert speakable(text) == expected


@pytest.mark.parametrize("text", "嗯… 我想嗯 那个 我觉得那个 就是 我们可以，然后 因为 比如说 北京、 如果下雨的话 呃".split())
def test_somebody_looks_for_a_word(text):
    assert hesitates(text)


@pytest.mark.parametrize("text", "嗯 好的 我要那个 这个多少钱 我知道 你好。 那个。 北京 我喜欢这个".split())
def test_somebody_does_not(text):
    assert not hesitates(text)


def test_a_stable_prefix_of_chinese_grows_by_characters():
    stable = StablePrefix()
    assert stable.update("今天天汽") == 0
    assert stable.update("今天天气怎么") == 3
    assert stable.update("今天天气怎么样") == 6


def test_words_are_characters_and_foreign_words():
    assert words_of("OK好的，用Python吧") == ["ok", "好", "的", "用", "python", "吧"]
    assert words_of("二〇二四") == ["二", "〇", "二", "四"]


# ── the floor ─────────────────────────────────────────────────────────────────────────────────────────────────────────

NODS = (
    "嗯嗯 对对 对对对 好的 是啊 哦 这样啊 没错 嗯，好的 對對 沒錯 這樣啊 是嗎 "
    "真的吗 原来如此 嗯对 不错 OK好的 明白了 我知道 啊，是吗"
).split()
ORDERS = (
    "停 别说了 等一下 等等 打住 不是 我是说 不对 停一下 別說了 等會 "
    "够了 什么 为什么 再说一遍 慢一点 请问 不要说了 听我说 不，我是说"
).split()


@pytest.mark.parametrize("text", NODS)
def test_a_nod_in_chinese_does_not_take_the_floor(text):
    assert verdict(Transcript(text, -0.4), 0.8, []) == "backchannel"
    assert not takes_the_floor(Transcript(text, -0.4), 0.8, [])


@pytest.mark.parametrize("text", ORDERS)
def test_an_order_in_chinese_takes_it_however_unclear(text):
    assert verdict(Transcript(text, -1.5), 0.5, []) == "turn"
    assert takes_the_floor(Transcript(text, -1.5), 0.5, [])


@pytest.mark.parametrize(
    ("text", "confidence", "seconds", "expected"),
    [
        ("我想问一个问题", -0.3, 1.5, "turn"),
        ("北京呢", -0.3, 0.7, "turn"),
        ("平等", -1.3, 0.6, "noise"),
        ("一项们", -1.6, 0.7, "noise"),
        ("好但是我有问题", -0.3, 1.4, "turn"),
        ("国王住在一座城堡里", -0.3, 2.0, "echo"),
        ("一座城堡", -0.3, 0.9, "turn"),
    ],
)
def test_who_takes_the_floor_in_chinese(text, confidence, seconds, expected):
    agent = words_of("从前有一位国王住在一座城堡里，他有三个女儿。")
    assert verdict(Transcript(text, confidence), seconds, agent) == expected


def test_the_beginning_of_a_nod_is_waited_for():
    assert not takes_the_floor(Transcript("不", -0.3), 0.3, [])  # 不错 would be one
    assert verdict(Transcript("不", -0.3), 0.3, []) == "turn"
    assert not takes_the_floor(Transcript("我觉得", -0.2), 0.5, [])
    assert takes_the_floor(Transcript("我觉得应该", -0.2), 0.9, [])


# ── the voice ─────────────────────────────────────────────────────────────────────────────────────────────────────────

VOICES = {"a": np.full((2, 1, 3), 1.0), "b": np.full((2, 1, 3), 3.0)}


def test_voices_blend_by_their_weights():
    assert blend("b", VOICES).max() == pytest.approx(3)
    assert blend("a:0.5+b:0.5", VOICES).max() == pytest.approx(2)
    assert blend("a:3 + b", VOICES).max() == pytest.approx(1.5)


@pytest.mark.parametrize("voice", ["c", "", "a:0", "a:x", "a+", "a:-1+b", "a:0.5+c:0.5"])
def test_a_voice_that_is_not_there_lists_those_that_are(voice):
    with pytest.raises(ConfigError, match="expected one of a, b, or a blend"):
        blend(voice, VOICES)


@pytest.mark.parametrize(
    ("settings", "message"),
    [(Kokoro(language="fr"), "en-us, en-gb, zh"), (Kokoro(speed=3), "expected 0.5 to 2")],
)
def test_a_wrong_setting_of_the_voice_is_named(settings, message):
    with pytest.raises(ConfigError, match=message):
        settings.load()


def test_a_file_of_voices_that_is_not_there_is_named(tmp_path):
    pytest.importorskip("kokoro_onnx")
    with pytest.raises(ModelError, match=r"no such file; expected one such as kokoro-onnx's voices-v1\.0\.bin"):
        Kokoro(voices=str(tmp_path / "none.bin")).load()


@given(st.text("abc ,.", max_size=400))
def test_pieces_are_short_and_lose_nothing(phonemes):
    cut = list(pieces(phonemes))
    assert all(len(piece) <= 100 for piece in cut)
    assert "".join(re.findall(r"\w", "".join(cut))) == "".join(re.findall(r"\w", phonemes))


@pytest.fixture(scope="module")
def kokoro():
    pytest.importorskip("kokoro_onnx")
    pytest.importorskip("misaki")
    return stages.load(Kokoro(language="zh"))


@pytest.mark.models
def test_chinese_is_understood_by_the_recogniser(kokoro):
    pytest.importorskip("jiwer")
    pytest.importorskip("opencc")
    from benchmarks.chinese import character_error_rate, load_sentences, say_and_hear
    from cleans2s.asr.whisper import Whisper

    sentences, ear = load_sentences(), stages.load(Whisper(language="zh"))
    rows = [say_and_hear(sentences[number], kokoro, ear) for number in (0, 16, 17)]
    assert character_error_rate([row.said for row in rows], [row.heard for row in rows]) <= 0.1


@pytest.mark.models
def test_each_language_is_spoken_in_its_own_sounds(kokoro):
    assert re.search("[→↗↘↓]", kokoro.phonemes("你好"))
    assert not re.search("[→↗↘↓]", kokoro.phonemes("Hello 25"))
    mixed = kokoro.phonemes("我喜欢用 Python 写程序。")
    assert "pˈaɪθən" in mixed
    assert re.search("[→↗↘↓]", mixed)
    assert kokoro.phonemes("25") == kokoro.phonemes("二十五")


@pytest.mark.models
def test_the_voice_speaks_english_too_and_stops_between_pieces(kokoro):
    from cleans2s.asr.whisper import Whisper

    text = "The weather in London is cold today, and it will rain tomorrow."
    sounds = list(kokoro.speak(text))
    assert len(sounds) >= 1
    audio = Audio(np.concatenate([sound.samples for sound in sounds]), sounds[0].rate)
    assert words_of(stages.load(Whisper()).transcribe(audio.resampled(RATE)).text) == words_of(text)
    long = kokoro.speak("今天天气很好，" * 20)
    first = next(long)
    long.close()
    assert first.duration_s < 6
    with pytest.raises(StopIteration):
        next(long)


@pytest.mark.models
def test_the_voice_begins_at_once_and_remembers_how_answers_begin(kokoro):
    first = list(kokoro.speak("好的，"))
    assert first[0].audible_span_s()[0] < 0.03
    assert next(iter(kokoro.speak("好的，"))) is first[0]
    long = "今天天气很好我们去公园散步，"
    assert next(kokoro.speak(long)) is not next(kokoro.speak(long))


@pytest.mark.models
def test_settings_of_one_file_share_its_weights(kokoro):
    other = stages.load(Kokoro(language="zh", voice="jf_nezumi:0.6+jm_kumo:0.4", speed=1.2))
    assert other.kokoro is kokoro.kokoro
    assert not np.array_equal(other.style, kokoro.style)


def test_all_sentences_of_the_benchmark_are_written_as_they_are_read():
    pytest.importorskip("cn2an")
    pytest.importorskip("opencc")
    from benchmarks.chinese import load_sentences, one_form

    sentences = load_sentences()
    assert len(sentences) == 30
    assert all(re.search(f"[{HAN}]", sentence["text"]) for sentence in sentences)
    for sentence in sentences:
        assert one_form(sentence["text"]) == one_form(sentence["said"])
