"""Chinese: figures read aloud, clauses, who has the floor, and whether the voice is understood."""

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

# ── figures ───────────────────────────────────────────────────────────────────────────────────────────────────────────

READINGS = """
2024年3月5日 二零二四年三月五日
2024-03-05 二零二四年三月五日
2024/3/5 二零二四年三月五日
2024-03那期 二零二四年三月那期
2000年 二零零零年
2000年前 两千年前
5000年历史 五千年历史
100年前 一百年前
1990年代 一九九零年代
20世纪90年代 二十世纪九十年代
90后 九零后
08年 零八年
98年6月 九八年六月
2019-2023年 二零一九到二零二三年
2018年到2020年 二零一八年到二零二零年
2月14号 二月十四号
14:30 十四点三十分
14:30分 十四点三十分
14:30:15 十四点三十分十五秒
8:05 八点零五分
9:00-17:00 九点到十七点
2:00 两点
12点30分 十二点三十分
比分3:2 比分三比二
以3-1获胜 以三比一获胜
16:9的屏幕 十六比九的屏幕
0 零
10 十
15个 十五个
110 一百一十
1001 一千零一
100001 十万零一
2000 两千
20000 两万
222 二百二十二
1,234,567 一百二十三万四千五百六十七
14亿 十四亿
2.5万 二点五万
3.14 三点一四
0.05 零点零五
气温-5度 气温零下五度
是-3 是负三
007 零零七
12345678901234567890 一二三四五六七八九零一二三四五六七八九零
50% 百分之五十
100% 百分之百
3.5% 百分之三点五
-2.5% 负百分之二点五
3%-5% 百分之三到百分之五
3-5% 百分之三到百分之五
2‰ 千分之二
12.5个百分点 十二点五个百分点
¥12.50 十二点五元
￥2 两元
2元 两元
$1,234.56 一千二百三十四点五六美元
€3.5万 三点五万欧元
-$5 负五美元
100USD 一百美元
25℃ 二十五摄氏度
-5℃ 零下五摄氏度
25~30℃ 二十五到三十摄氏度
120km/h 一百二十公里每小时
3.5kg 三点五公斤
2kg 两公斤
100㎡ 一百平方米
500mL 五百毫升
2.4GHz 二点四吉赫
1/2 二分之一
2/3的人 三分之二的人
3又1/2 三又二分之一
½杯 二分之一杯
3-5天 三到五天
2-3个 两到三个
10到20人 十到二十人
第3-5页 第三到五页
3+5=8 三加五等于八
12×3=36 十二乘以三等于三十六
1024×768 一千零二十四乘以七百六十八
第2名 第二名
第1,000名 第一千名
2个苹果和3个梨 两个苹果和三个梨
2岁 两岁
2位 两位
2楼 二楼
2年级 二年级
2年 两年
2月 二月
星期2 星期二
1或第2个 一或第二个
打8折 打八折
打85折 打八五折
打100个电话 打一百个电话
13800138000 幺三八，零零幺三，八零零零
138-0013-8000 幺三八，零零幺三，八零零零
010-62345678 零幺零，六二三四，五六七八
400-820-8820 四零零，八二零，八八二零
拨打110 拨打幺幺零
12345热线 幺二三四五热线
密码是1234 密码是幺二三四
302室 三零二室
302路公交 三零二路公交
G1234次 G幺二三四次
COVID-19 COVID-十九
A4纸 A四纸
9·11 九一一
1.2.3 一点二点三
192.168.1.1 一九二点一六八点一点一
１２３ 一百二十三
①首先 一首先
""".split()


@pytest.mark.parametrize(("written", "read"), list(zip(READINGS[::2], READINGS[1::2], strict=True)))
def test_figures_are_read_as_a_speaker_would(written, read):
    pytest.importorskip("cn2an")
    from cleans2s.chinese import spoken

    assert spoken(written) == read
    assert spoken(f"他说{written}。") == f"他说{read}。"


def test_spaces_around_figures_make_no_difference_and_other_text_stays():
    pytest.importorskip("cn2an")
    from cleans2s.chinese import spoken

    assert spoken("2024 年 3 月 5 日 14:30") == "二零二四年三月五日十四点三十分"
    assert spoken("我喜欢用 Python，你呢？") == "我喜欢用 Python，你呢？"
    assert spoken("iPhone 15 有 2 个颜色") == "iPhone 十五有两个颜色"


@given(st.text("0123456789.,:-/%年月日第个点℃¥$ +=×A", max_size=20))
def test_no_figure_is_left_whatever_is_written(text):
    pytest.importorskip("cn2an")
    from cleans2s.chinese import spoken

    assert not re.search(r"\d", spoken(text))


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
