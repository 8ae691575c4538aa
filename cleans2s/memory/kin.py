"""The people and animals of somebody's life: whose name, home or wedding a sentence is about."""

from __future__ import annotations

import re
from functools import lru_cache

GROUPS = (
    *("wife", "husband", "partner", "girlfriend", "boyfriend", "fiancée fiancé fiancee fiance", "sister", "brother"),
    *("mother mom mum", "father dad", "son", "daughter", "baby", "boss", "friend", "teacher", "grandmother grandma"),
    *("grandfather grandpa", "aunt", "uncle", "cousin", "niece", "nephew", "neighbour neighbor", "roommate flatmate"),
    *("dog puppy", "cat kitten", "horse", "parrot", "rabbit", "hamster"),
    *("妻子 老婆 太太", "丈夫 老公", "男朋友", "女朋友", "姐姐", "妹妹", "哥哥", "弟弟", "妈妈 母亲", "爸爸 父亲"),
    *("儿子", "女儿", "老板", "朋友", "老师", "奶奶", "爷爷", "外婆 姥姥", "外公 姥爷", "阿姨", "叔叔", "侄子", "侄女"),
    *("邻居", "室友", "同事", "医生", "房东", "狗", "猫", "兔子", "鹦鹉"),
)
"""Words of a group mean the same."""

_GROUP = {word: group.split()[0] for group in GROUPS for word in group.split()}

ENGLISH = "|".join(("best friend", *(word for word in _GROUP if word[0] < "\u3000")))
CHINESE = "|".join(word for word in _GROUP if word[0] >= "\u3000")
"""As alternatives of an expression."""

UNIQUE = frozenset(
    "wife husband partner girlfriend boyfriend mother mom mum father dad boss "
    "妻子 老婆 太太 丈夫 老公 妈妈 母亲 爸爸 父亲 老板".split()
)
"""Of whom there is one at a time."""

_NAMED = re.compile(rf"\b(?P<en>{ENGLISH})(?:['’]?s)?\b|(?P<zh>{CHINESE})", re.IGNORECASE)


@lru_cache(maxsize=4096)
def named(text: str) -> frozenset[str]:
    """Those of whom the text speaks, each by the first word of its group."""
    words = ((match["en"] or match["zh"]).lower().removeprefix("best ") for match in _NAMED.finditer(text))
    return frozenset(_GROUP[word] for word in words)
