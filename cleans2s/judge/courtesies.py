"""What everybody says to an agent: a greeting, thanks, "can you hear me?", "what is your name?", a goodbye.

All of that is for the agent, and is answered. It needs no model: one that has learnt what is seldom said takes "hello, …" for
the beginning of a telephone call, and "how are you?" for prying.
"""

from __future__ import annotations

import re

_GREETING = re.compile(
    r"(?:hello|hi|hey|good (?:morning|afternoon|evening))(?:(?: there| again)?(?=[,.!?;:]|$)|(?= (?!there|again)))|"
    r"(?:你好|您好|嗨|哈喽|哈啰|早上好|上午好|中午好|下午好|晚上好)(?:啊|呀|哦|哟)?(?=[\s，。！？；：,.!?;:~～…]|$)",
    re.IGNORECASE,
)
"""In Chinese only up to a mark: many words begin with 你好."""

_LEAD = r"(?:(?:and|so|oh|well|okay|ok|right|alright)[, ]+)*"

_NATURE = (
    r"are you (?:an? )?(?:robot|machine|human|real(?: person)?|person|computer|ai|bot)"
    r"(?: or (?:just )?(?:an? )?(?:robot|machine|human|(?:real )?person|computer|ai|bot))?|"
    r"你(?:到底|究竟)?是(?:机器人|人工智能|真人|人|电脑|机器)(?:吗|么|还是(?:机器人|机器|电脑|(?:真)?人))?(?:呀|啊|呢)?"
)
_QUESTION = (
    r"who are you|what are you|what(?: is|'s) your name|do you have a name|what (?:should|can|do) i call you|"
    r"who am i (?:talking|speaking) (?:to|with)|(?:please )?(?:tell me (?:something )?about|introduce) yourself|"
    r"what can you do(?: for me)?|how can you help(?: me)?|"
    r"(?:can|do) you hear me(?: now)?|are you (?:there|listening(?: to me)?|ready)|is anybody there|"
    r"testing(?:[, ]+(?:testing|one|two|three))*|"
    r"(?:请问)?你(?:是谁|是什么|有名字(?:吗|么)?|是哪位|是(?=[？?]|$))|(?:请问)?(?:你|您)(?:叫什么(?:名字)?|怎么称呼)|"
    r"(?:请问)?(?:该|应该)?怎么称呼(?:你|您)|(?:请)?(?:介绍一下(?:你)?自己|自我介绍一下)(?:吧)?|"
    r"你(?:能|会|可以)(?:做|干)(?:什么|啥|些什么)(?:呀|呢)?|"
    r"(?:喂[，, ]*)*(?:(?:你)?(?:能)?听(?:得)?(?:见|到|清)(?:我)?(?:说话|的声音|我)?(?:吗|么)|"
    r"(?:你)?(?:在|还在)(?:吗|么))|" + _NATURE
)
"""Who the agent is, what it can do, whether it hears: no character keeps that to itself."""

_COURTESY = (
    r"how are you(?: doing)?(?: today)?|how do you do|how's it going|what are you (?:up to|doing)(?: right now)?|"
    r"where are you from|who (?:made|built|created|developed) you|"
    r"(?:it's )?(?:very )?(?:nice|good|pleased|great) to meet you|"
    r"thanks?(?: you)?(?: (?:so|very) much| a lot)?(?: for (?:listening|helping(?: me)?|(?:your|the) (?:help|tips?|advice)))?|"
    r"you(?:'re| are| have been|'ve been) (?:really |very |so |a great |a big )?(?:helpful|help)|"
    r"(?:that's|that is) all(?: for (?:now|today))?|"
    r"(?:good ?bye|bye(?: bye)?|see you|good ?night|(?:talk|speak) to you)"
    r"(?: (?:later|soon|tomorrow|then|again|next (?:time|week)))*|"
    r"i(?:'d|'ve| had| have)?(?: better| got to| gotta| must| should) (?:get going|be going|be off|go|run)(?: now| then)?|"
    r"(?:have|enjoy) (?:a|your) (?:nice|good|great|lovely) (?:day|evening|night|weekend|time)|"
    r"你好吗|最近好吗|你(?:今天|最近)(?:过得|还)?(?:好吗|怎么样)|你(?:现在)?在(?:干|做)(?:什么|啥|嘛)(?:呢|呀)?|"
    r"你是哪里人|你(?:是)?从哪(?:里|儿)来(?:的)?|"
    r"(?:是)?谁(?:开发|创造|制造|做|造)(?:了|出了|的)?你(?:的|呀|呢)?|你是谁(?:开发|创造|制造|做|造)(?:的|出来的)|"
    r"(?:很|非常|真)?高兴(?:认识|见到)你|(?:谢谢|多谢|感谢)(?:你|您|啦|了)?(?:的(?:帮助|建议|陪伴))?|"
    r"再见|拜拜|回头见|明天见|下次见|晚安|今天就(?:先)?(?:到这|聊到这)(?:里|儿)?(?:吧)?|辛苦(?:你)?了"
)

_MARKS = " \t\n,.!?;:，。！？；：…~～"
_END = rf"(?=[{_MARKS.strip()}]|$)"
"""A courtesy goes to the next mark: "who are you calling?" is none."""

_PHRASE = re.compile(f"{_LEAD}(?:{_QUESTION}|{_COURTESY}){_END}", re.IGNORECASE)
_GREETED = rf"(?:{_GREETING.pattern})?[ ,.!，。！]*{_LEAD}"
_OF_IT = re.compile(f"{_GREETED}(?:{_QUESTION}){_END}", re.IGNORECASE)
_ASKS_NATURE = re.compile(f"{_GREETED}(?:{_NATURE})", re.IGNORECASE)
_CURT = re.compile(
    r"small talk|\bchat|convers|pleasantr|banter|\bonly\b|nothing (?:but|else)|\b(?:keep|stick)s? to\b|"
    r"\b(?:made|built|created) me\b|"
    r"只|除了|不陪|闲聊|闲谈|寒暄|客套|家常|聊天|(?:造|做|开发)我",
    re.IGNORECASE,
)
"""How a character says that it wants no courtesies, has one matter alone, or that nobody is to know where it comes from."""


def rest(words: str, character: str = "") -> str:
    """The words without courtesies at their beginning, and "" where they are nothing else. Under a `character` whose rules
    want none only questions of who it is are left out."""
    left = words.strip(_MARKS)
    curt = _CURT.search(character)
    while found := _OF_IT.match(left) if curt else _GREETING.match(left) or _PHRASE.match(left):
        left = left[found.end() :].lstrip(_MARKS)
    return words[words.rindex(left) :] if left else ""


def asks_for_its_nature(words: str) -> bool:
    """Whether they ask if it is a machine or a human being, and nothing else."""
    return bool(_ASKS_NATURE.fullmatch(words.strip(_MARKS)))
