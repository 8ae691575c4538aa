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

_PHRASE = re.compile(
    r"(?:(?:and|so|oh|well|okay|ok|right|alright)[, ]+)*(?:"
    r"how are you(?: doing)?(?: today)?|how do you do|how's it going|"
    r"(?:it's )?(?:very )?(?:nice|good|pleased|great) to meet you|"
    r"thanks?(?: you)?(?: (?:so|very) much| a lot)?(?: for (?:listening|helping(?: me)?|(?:your|the) (?:help|tips?|advice)))?|"
    r"you(?:'re| are| have been|'ve been) (?:really |very |so |a great |a big )?(?:helpful|help)|"
    r"(?:that's|that is) all(?: for (?:now|today))?|"
    r"(?:good ?bye|bye(?: bye)?|see you|good ?night|(?:talk|speak) to you)"
    r"(?: (?:later|soon|tomorrow|then|again|next (?:time|week)))*|"
    r"i(?:'d|'ve| had| have)?(?: better| got to| gotta| must| should) (?:get going|be going|be off|go|run)(?: now| then)?|"
    r"(?:have|enjoy) (?:a|your) (?:nice|good|great|lovely) (?:day|evening|night|weekend|time)|"
    r"who are you|what are you|what(?: is|'s) your name|what can you do(?: for me)?|"
    r"(?:can|do) you hear me(?: now)?|are you (?:there|listening|ready)|is anybody there|"
    r"are you (?:an? )?(?:robot|machine|human|real(?: person)?|person|computer|ai|bot)"
    r"(?: or (?:just )?(?:an? )?(?:robot|machine|human|(?:real )?person|computer|ai|bot))?|"
    r"你好吗|最近好吗|(?:很|非常|真)?高兴(?:认识|见到)你|(?:谢谢|多谢|感谢)(?:你|您|啦|了)?(?:的(?:帮助|建议|陪伴))?|"
    r"再见|拜拜|回头见|明天见|下次见|晚安|今天就(?:先)?(?:到这|聊到这)(?:里|儿)?(?:吧)?|辛苦(?:你)?了|你(?:是谁|是什么)|"
    r"(?:请问)?(?:你|您)(?:叫什么(?:名字)?|怎么称呼)|你(?:能|会|可以)(?:做|干)(?:什么|啥|些什么)(?:呀|呢)?|"
    r"(?:你)?(?:能)?听(?:得)?(?:见|到|清)(?:我)?(?:说话|的声音|我)?(?:吗|么)|(?:你)?(?:在|还在)(?:吗|么)|"
    r"你是(?:机器人|人工智能|真人|人|电脑|机器)(?:吗|么|还是(?:真)?人)?)",
    re.IGNORECASE,
)
_MARKS = " \t\n,.!?;:，。！？；：…~～"


def rest(words: str) -> str:
    """The words without courtesies at their beginning, and "" where they are nothing else."""
    left = words.strip(_MARKS)
    while found := _GREETING.match(left) or _whole(left):
        left = left[found.end() :].lstrip(_MARKS)
    return words[words.rindex(left) :] if left else ""


def _whole(words: str) -> re.Match[str] | None:
    """A phrase of courtesy that goes to the next mark: "who are you calling?" is none."""
    found = _PHRASE.match(words)
    return found if found and (found.end() == len(words) or words[found.end()] in _MARKS.strip()) else None
