"""Who has the floor: does what the user said over the agent's voice take it, or is it to be let pass?

A listener's "uh-huh" supports the speaker (a backchannel: Yngve 1970, Ward & Tsukahara 2000), a cough means nothing,
and a loudspeaker's echo is the agent itself; only the rest is a barge-in.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Literal, TypeAlias

from .stages import Transcript
from .text import HAN, words_of

Verdict: TypeAlias = Literal["turn", "backchannel", "noise", "echo", "aside", "tail"]

WORDS_TO_TELL = 3
"""Of a sentence that has only begun, so many words (or a command) must be there before anything can be said about it."""

BACKCHANNELS = frozenset(
    "uh huh uhhuh mm hm hmm mhm mmhm mmhmm mhmm mmm um uhm ah aha oh ooh wow yeah yep yes yup ok okay right sure really "
    "nice good great cool true exactly indeed interesting alright see i got it of course haha ha".split()
)

BACKCHANNELS_HAN = (
    "嗯 嗯哼 唔 呃 哦 噢 喔 啊 哎 诶 欸 呀 哇 哇塞 哈 呵 嘿 对 对的 对啊 对呀 对吧 好 好的 好啊 好吧 好呀 好嘞 好了 行 行吧 "
    "可以 是 是的 是啊 是呀 是吗 是吧 是嘛 是这样 这样 这样啊 这样子 这样吗 原来如此 原来是这样 原来这样 没错 不错 没问题 "
    "真的 真的吗 真的啊 真好 真棒 太好了 太棒了 挺好 很好 厉害 有道理 有意思 明白 明白了 知道了 懂了 了解 我知道 我明白 我懂 "
    "当然 确实 的确 就是 就是啊 可不是 那是 那倒是 也是 收到 "
    "對 對的 對啊 對呀 對吧 好囉 是嗎 是這樣 這樣 這樣啊 這樣子 這樣嗎 原來如此 原來是這樣 原來這樣 沒錯 不錯 沒問題 "
    "真的嗎 厲害 當然 確實 的確 瞭解"
).split()
"""The same in Chinese, where a transcript has no words but characters: phrases, and rows of them. Recognisers write either
script."""

COMMANDS = frozenset(
    "stop wait no nope hold hang pause quiet silence enough sorry but actually what who why when where how excuse please "
    "listen hey shut never cancel repeat again louder slower".split()
)
"""Words that take the floor however short and unclear they are."""

COMMANDS_HAN = re.compile(
    "停(?:下|一下|止|了|$)|暂停|暫停|打住|住[口嘴]|[闭閉]嘴|安[静靜]|[够夠]了|算了|取消|且慢|"
    "等(?:等|一下|一等|下|会|會|我)|[别別](?:再)?[说說讲講]|不(?:要|用|想|必)(?:再)?[说說讲講听聽]|不是|不[对對]|不行|不要|"
    "我(?:是|想|要)?[说說问問]|[听聽](?:我|着|著)|插一句|打[断斷]|但是|可是|不[过過]|"
    "什[么麼]|怎[么麼]|[为為]什|[谁誰]|哪[里裡儿兒个個]|[请請][问問等停你]|[对對]不起|抱歉|不好意思|再[说說讲講来來]一|重[复複]|[大小]声|[大小]聲|[慢快]一?[点點]|"
    "^(?:[嗯啊哎诶欸喂那好你先快]|那[个個])*(?:停|等|不|[别別]|喂)"
)
"""The same in Chinese; what is only part of a word elsewhere (停, 等, 不, 别) counts where it begins."""

HAN_WEIGHT = 0.6
"""Words that a Chinese character counts for: most words have one or two."""

SHORT_S, SHORT_WORDS = 1.2, 4
"""A listener's response is shorter; what is longer is meant."""

UNSURE = -0.9
"""Mean log probability below which a short transcript is a guess at a noise: "uh-huh", coughs and typing came out of Whisper
as "Wuixan", "Ho, ho" and "M.M.A.Chem" between −0.95 and −2.75, ten spoken interruptions between −0.03 and −0.75, and only
"Stop!" at −1.34."""


_IS_HAN = re.compile(f"[{HAN}]")
_ROW_OF_BACKCHANNELS = re.compile(f"(?:{'|'.join(BACKCHANNELS_HAN)})*")


def verdict(said: Transcript, voiced_s: float, agent_words: list[str]) -> Verdict:
    """`voiced_s` is how long the user has sounded, `agent_words` what the agent was heard to say in the last seconds."""
    words = words_of(said.text)
    if not words:
        return "noise"
    if _length(words) <= 4 and _is_backchannel(words):
        return "backchannel"
    if _length(words) >= WORDS_TO_TELL and _is_echo(words, agent_words):
        return "echo"
    if _is_command(words):
        return "turn"
    if voiced_s < SHORT_S and _length(words) <= SHORT_WORDS and (said.confidence or 0.0) < UNSURE:
        return "noise"
    return "turn"


def takes_the_floor(partial: Transcript, voiced_s: float, agent_words: list[str]) -> bool:
    """The same while the user still speaks: only a clear yes counts."""
    words = words_of(partial.text)
    clear = _length(words) >= WORDS_TO_TELL and (partial.confidence or 0.0) >= UNSURE
    telling = clear or (_is_command(words) and not _may_become_backchannel(words))
    return telling and verdict(partial, voiced_s, agent_words) == "turn"


def _length(words: list[str]) -> float:
    return sum(HAN_WEIGHT if _IS_HAN.match(word) else 1 for word in words)


def _han(words: list[str]) -> str:
    return "".join(word for word in words if _IS_HAN.match(word))


def _is_backchannel(words: list[str]) -> bool:
    others = (word for word in words if not _IS_HAN.match(word))
    return bool(_ROW_OF_BACKCHANNELS.fullmatch(_han(words))) and all(word in BACKCHANNELS for word in others)


def _is_command(words: list[str]) -> bool:
    return bool(COMMANDS.intersection(words) or COMMANDS_HAN.search(_han(words)))


def _may_become_backchannel(words: list[str]) -> bool:
    """不 is a no, and the beginning of 不错 (not bad)."""
    return any(phrase.startswith("".join(words)) for phrase in BACKCHANNELS_HAN)


def _is_echo(words: list[str], agent_words: list[str]) -> bool:
    """Whether most neighbouring pairs of words were just spoken by the agent in the same order."""
    spoken = set(pairwise(agent_words))
    pairs = list(pairwise(words))
    return sum(pair in spoken for pair in pairs) >= 0.7 * len(pairs)
