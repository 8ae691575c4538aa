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
    r"你是(?:机器人|人工智能|真人|人|电脑|机器)(?:吗|么|还是(?:真)?人)?"
)
_QUESTION = (
    r"who are you|what are you|what(?: is|'s) your name|do you have a name|what (?:should|can|do) i call you|"
    r"who am i (?:talking|speaking) (?:to|with)|(?:please )?(?:tell me (?:something )?about|introduce) yourself|"
    r"what can you do(?: for me)?|how can you help(?: me)?|"
    r"(?:can|do) you hear me(?: now)?|are you (?:there|listening|ready)|is anybody there|"
    r"(?:请问)?你(?:是谁|是什么|有名字(?:吗|么)?|是哪位|是(?=[？?]|$))|(?:请问)?(?:你|您)(?:叫什么(?:名字)?|怎么称呼)|"
    r"(?:请问)?(?:该|应该)?怎么称呼(?:你|您)|(?:请)?(?:介绍一下(?:你)?自己|自我介绍一下)(?:吧)?|"
    r"你(?:能|会|可以)(?:做|干)(?:什么|啥|些什么)(?:呀|呢)?|"
    r"(?:你)?(?:能)?听(?:得)?(?:见|到|清)(?:我)?(?:说话|的声音|我)?(?:吗|么)|(?:你)?(?:在|还在)(?:吗|么)|" + _NATURE
)
"""Who the agent is, what it can do, whether it hears: no character keeps that to itself."""

_COURTESY = (
    r"how are you(?: doing)?(?: today)?|how do you do|how's it going|"
    r"(?:it's )?(?:very )?(?:nice|good|pleased|great) to meet you|"
    r"thanks?(?: you)?(?: (?:so|very) much| a lot)?(?: for (?:listening|helping(?: me)?|(?:your|the) (?:help|tips?|advice)))?|"
    r"you(?:'re| are| have been|'ve been) (?:really |very |so |a great |a big )?(?:helpful|help)|"
    r"(?:that's|that is) all(?: for (?:now|today))?|"
    r"(?:good ?bye|bye(?: bye)?|see you|good ?night|(?:talk|speak) to you)"
    r"(?: (?:later|soon|tomorrow|then|again|next (?:time|week)))*|"
    r"i(?:'d|'ve| had| have)?(?: better| got to| gotta| must| should) (?:get going|be going|be off|go|run)(?: now| then)?|"
    r"(?:have|enjoy) (?:a|your) (?:nice|good|great|lovely) (?:day|evening|night|weekend|time)|"
    r"你好吗|最近好吗|(?:很|非常|真)?高兴(?:认识|见到)你|(?:谢谢|多谢|感谢)(?:你|您|啦|了)?(?:的(?:帮助|建议|陪伴))?|"
    r"再见|拜拜|回头见|明天见|下次见|晚安|今天就(?:先)?(?:到这|聊到这)(?:里|儿)?(?:吧)?|辛苦(?:你)?了"
)

_PHRASE = re.compile(f"{_LEAD}(?:{_QUESTION}|{_COURTESY})", re.IGNORECASE)
_GREETED = rf"(?:{_GREETING.pattern})?[ ,.!，。！]*{_LEAD}"
_OF_IT = re.compile(f"{_GREETED}(?:{_QUESTION})", re.IGNORECASE)
_ASKS_NATURE = re.compile(f"{_GREETED}(?:{_NATURE})", re.IGNORECASE)
_MARKS = " \t\n,.!?;:，。！？；：…~～"


def rest(words: str, character: bool = False) -> str:
    """The words without courtesies at their beginning, and "" where they are nothing else. A `character` may not want them:
    then only questions of who it is are left out."""
    left = words.strip(_MARKS)
    while found := _whole(left, _OF_IT) if character else _GREETING.match(left) or _whole(left, _PHRASE):
        left = left[found.end() :].lstrip(_MARKS)
    return words[words.rindex(left) :] if left else ""


def asks_for_its_nature(words: str) -> bool:
    """Whether they ask if it is a machine or a human being, and nothing else."""
    return bool(_ASKS_NATURE.fullmatch(words.strip(_MARKS)))


def _whole(words: str, phrase: re.Pattern[str]) -> re.Match[str] | None:
    """A phrase of courtesy that goes to the next mark: "who are you calling?" is none."""
    found = phrase.match(words)
    return found if found and (found.end() == len(words) or words[found.end()] in _MARKS.strip()) else None
