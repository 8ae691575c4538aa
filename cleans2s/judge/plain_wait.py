"""A bare request for a moment of silence ("wait", "hold on", 等一下): the agent stops, and says nothing.

Two turns of the data are that, and the network takes a lone "wait" for an ordinary turn now and then, which would be answered
just when silence was asked for.
"""

from __future__ import annotations

import re

_MARKS = r"[\s,.!?;:，。！？；：…~～]*"
_A_MOMENT = r"(?:a|one|just a|just one) (?:moment|second|sec|minute|bit)"
_WAITS = re.compile(
    rf"{_MARKS}(?:(?:oh|no|hey|sorry|okay|ok|please|um|uh){_MARKS})*"
    rf"(?:(?:wait|hold on|hang on|one (?:moment|second|sec)|just (?:a|one) (?:moment|second|sec|minute)|give me {_A_MOMENT})"
    rf"(?: (?:{_A_MOMENT}|there|up))?{_MARKS}(?:please{_MARKS})?)+|"
    rf"{_MARKS}(?:(?:请|先)?(?:等(?:一下|一等|等|一会儿?|会儿?)|稍等(?:一下|片刻)?|慢着|且慢|停一下)[啊呀吧哈]?{_MARKS})+",
    re.IGNORECASE,
)


def asks_to_wait(words: str) -> bool:
    """Whether they ask for that, and for nothing else."""
    return bool(words.strip() and _WAITS.fullmatch(words))
