"""What a Chinese sentence asks for."""

from __future__ import annotations

import re
from dataclasses import replace

from .phrases import NOTHING, Wanted, content, has, starts

# ── what stands around a question ─────────────────────────────────────────────────────────────────────────────────────

OPENING = starts(
    r"(?:嗯+|呃+|啊|哦|那个|那么|喂|请问(?:一下)?|你好|您好|好的?|对了|不好意思|麻烦问一下|话说)[，,、 ]*",
)
FRAME = starts(
    r"(?:请|麻烦)?(?:你|您)?(?:知不知道|知道|晓得|清楚)(?!吗|了)",
    r"(?:请|麻烦)?(?:你|您)?(?:能不能|可不可以|可以|能)?(?:请)?(?:告诉|跟|给|和)(?:我|我们)(?:说说|讲讲|说一下|讲一下|说|"
    r"讲|介绍一下|介绍|"
    r"解释一下)?(?!个|一个|点别的)",
    r"(?:你|您)?(?:能不能|可不可以|可以|能)(?=解释|介绍|说明|讲讲|说说)",
    r"(?:我|我们)(?:想|要|需要|很想)(?:要)?(?:知道|了解|问(?:一下|问)?|请教)(?:一下)?",
)

# ── to have something looked up ───────────────────────────────────────────────────────────────────────────────────────

EXPLICIT = re.compile(
    r"^(?:你|您|能不能|可不可以|可以|能|麻烦|请|帮忙|帮我|给我|替我|帮|再|去|快|现在|上网|(?:在|到)?网上|(?:在|"
    r"到).{1,8}(?:里面|里|上|中))*"
    r"(?:搜索?(?:一下|一搜|搜)?|查(?:一下|一查|查看|查|找|询)?|百度(?:一下)?|谷歌(?:一下)?|找(?:一下|一找|找看|"
    r"找))(?![了过到完])(?:看)?"
)
ONLINE = has("上网", "网上", "互联网", "百度", "谷歌", "网页", "网站")
OWN_PAPERS = has("说明书", "手册", "文件", "文档", "笔记", "合同", "资料", "纪要", "那一?段", "章")
TELL = starts(
    r"(?:给我|跟我|为我)?(?:讲讲|说说|介绍(?:一下)?|解释(?:一下)?|讲解(?:一下)?|说明(?:一下)?)",
)

# ── what is no question, or none for a search ─────────────────────────────────────────────────────────────────────────

ORDER = re.compile(
    r"笑话|(?:讲|说).{0,6}故事|唱|玩(?:个|会|一)|写(?:一)?(?:首|篇|段|封|个)|提醒(?:我|一下)|闹钟|(?:声音|"
    r"音量).{0,4}(?:点|些)|别说|再说|"
    r"^重复|(?:重复|再.)一遍|说慢|聊(?:聊|点|会|别|个|一)|翻译|用.{1,4}[语文]怎么说|怎么拼|^猜|谜语|[加减乘除].{0,6}等于|"
    r"闭嘴|^停(?:下|止|一下)?[吧。！!]*$|停下|"
    r"^继续|打电话给"
)
NOW = starts(
    r"(?:现在|这会儿)?(?:是)?几点(?:钟)?(?:了)?[？?。]*$",
    r"(?:今天|明天)?(?:是)?(?:星期几|周几|礼拜几|几号|几月几号|什么日子)",
)
CHAT = starts(
    r"(?:什么|真的(?:吗)?|是吗|然后呢|后来呢|所以呢|为什么(?:不行|不能|不|呢|啊)?|为啥|是?这样(?:吗|啊)?|怎么(?:了|会|"
    r"可能|办)|好吗|可以吗|行吗|"
    r"对吗|是不是|不知道|不晓得|我不知道|能?听(?:得|不)?(?:见|到|清)(?:楚)?(?:吗|不)|没什么|怎么样|最近怎么样|还好吗|"
    r"那怎么办|谁知道)"
    r"(?:呀|啊|呢|吗)?[？?。！!，,]*$",
    r"(?:我)?不知道",
    r"(?:没|不)[^，,？?]*[。！!]*$",
)
INDEFINITE = re.compile(r"没什么|不怎么|谁都|什么都|什么也|怎么都|怎么也|哪儿都|哪里都|无论|不管|多少有|几乎|好几")
HELP = re.compile(r"^(?:那|现在)?(?:我|我们)?(?:该)?(?:怎么办|怎么弄|怎么做)(?:呢|啊|呀)?[？?。]*$")

# ── whom a question is about ──────────────────────────────────────────────────────────────────────────────────────────

ASKS = re.compile(
    r"什么|啥|谁|哪|几|多少|多(?:大|高|远|长|久|深|重|宽|快|厚)|怎么|怎样|如何|为何|吗[？?]?$|呢[？?]?$|是不是|有没有|"
    r"能不能|可不可以|会不会|"
    r"好不好|要不要|用不用|[？?]$"
)
ANYBODY = re.compile(
    r"我(?:们)?(?:要|应该|可以|能)?(?:怎么|如何|怎样|去哪)(?!办$|看|想|说|劝|讲)|我(?:们)?需要(?:什么|哪些|多少)"
)
OURS = re.compile(
    r"我.{0,6}(?:说过|说到|说了|刚才|讲到|放(?:在)?哪|叫(?:什么|啥)|几岁|多大|生日|名字|记得)|我是不是|我们(?:继续|开始|"
    r"走|玩|可以|能)|我该给|"
    r"我能(?:跟|和|问|说)|我穿|穿什么|我.{0,3}(?:爱|喜欢)"
)
SERVICE = has("你们", "您们", "贵公司", "贵店")
VAGUE = starts(r"(?:他|她|它|这|那)(?:们)?(?:是|在|会|有|为什么|怎么)")
TOPIC_ALONE = starts(r".{0,8}(?:天气(?:预报)?|新闻|油价|汇率|股价|比分|路况)[。？?]?$")
ELLIPSIS = re.compile(r"^(?:那|那么)?(?P<rest>.{1,12}?)呢[？?]?$")


def asked(sentence: str) -> Wanted:
    text = OPENING.sub("", sentence)
    if (follows := ELLIPSIS.search(text)) and not re.search("[你我他她您]|什么|怎么|谁|哪|然后|后来|所以|为", text):
        return Wanted(query=follows["rest"], follows=True)
    if found := EXPLICIT.search(text):
        query = text[found.end() :].strip(" ，,。.")
        online = bool(ONLINE.search(text))
        return Wanted(not online, online or not OWN_PAPERS.search(text), query) if content(query) else NOTHING
    question = FRAME.sub("", text)
    if any(pattern.search(question) for pattern in (NOW, CHAT, ORDER, INDEFINITE)) or not content(question):
        return NOTHING
    framed = question != text and not question.startswith(("吗", "，", "个"))
    if not framed and not any(pattern.search(question) for pattern in (ASKS, TELL, TOPIC_ALONE)):
        return NOTHING
    return replace(_about(question), query=question.strip())


def _about(question: str) -> Wanted:
    """Of the world, of what documents may say, or of the two who talk."""
    if SERVICE.search(question):
        return Wanted(documents=True)
    if re.search("[你您]", question) or ("我" in question and OURS.search(question)):
        return NOTHING
    if "我" in question:
        return Wanted(True, bool(ANYBODY.search(question) and "我的" not in question))
    return Wanted(documents=True) if VAGUE.search(question) else Wanted(True, True)
