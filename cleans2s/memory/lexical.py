"""Words as they are searched for: English by stems, Chinese by characters and pairs of them (no segmenter is needed, and a pair
weighs more than its characters). Words that carry no matter are left out."""

from __future__ import annotations

import re

from ..text import HAN

STOP = frozenset(
    "a an the i me my mine myself you your yours he him his she her hers it its we us our ours they them their this that "
    "these those am is are was were be been being do does did doing done have has had having will would shall should can "
    "could may might must of in on at by for from to with about into as if or and but so not no nor than then too very "
    "just also there here what which who whom whose when where why how said say tell told talk talked mention mentioned "
    "remember ask asked know s t m re ve ll d don didn isn wasn doesn aren won couldn wouldn yes ok okay oh well um uh "
    "please thing things some any something anything again go went going get got one up out day time ago last ever really "
    "happen happened talking saying telling speak".split()
)
STOP_HAN = frozenset(
    "的了吗呢吧啊哦呀我你您他她它们是在有和跟与就都也很还不没这那个么什怎谁哪去说过到要会能给把被对得地着上下里又再天时候做干事情样请好慢"
)

_TOKEN = re.compile(rf"[{HAN}]+|[^\W_{HAN}]+")
_SUFFIXES = ("ingly", "edly", "ings", "ing", "ied", "ies", "ed", "es", "s", "ly")
_FORMS = (
    "bought:buy caught:catch taught:teach thought:think brought:bring fought:fight ate:eat eaten:eat drank:drink "
    "drunk:drink swam:swim ran:run sang:sing saw:see seen:see flew:fly flown:fly drove:drive driven:drive wrote:write "
    "written:write spoke:speak spoken:speak broke:break broken:break stole:steal stolen:steal lost:lose met:meet left:leave "
    "felt:feel fell:fall found:find gave:give given:give kept:keep made:make paid:pay sold:sell sent:send slept:sleep "
    "spent:spend stood:stand took:take taken:take threw:throw wore:wear won:win grew:grow knew:know built:build rode:ride "
    "rose:rise children:child kids:child kid:child feet:foot teeth:tooth men:man women:woman mice:mouse mum:mother "
    "mom:mother dad:father grandma:grandmother grandpa:grandfather"
)
_IRREGULAR = {form: base for form, _, base in (pair.partition(":") for pair in _FORMS.split())}


def stem(word: str) -> str:
    """Rough, and the same for what is kept and what is asked: that is all it must be."""
    word = _IRREGULAR.get(word, word)
    if len(word) > 4 and word.isascii():
        for suffix in _SUFFIXES:
            if word.endswith(suffix) and len(word) - len(suffix) >= 3:
                word = word[: -len(suffix)]
                break
        if len(word) > 3 and word[-1] == word[-2] and word[-1] not in "aeiouls":
            word = word[:-1]  # running, stopped
    return word[:-1] + "i" if len(word) > 3 and word.endswith("y") else word.rstrip("e") if len(word) > 3 else word


def tokens(text: str) -> list[str]:
    """What of a text can be searched for, each once, in order."""
    found: dict[str, None] = {}
    for match in _TOKEN.finditer(text.lower()):
        part = match[0]
        if re.match(f"[{HAN}]", part):
            found.update(dict.fromkeys(c for c in part if c not in STOP_HAN))
            pairs = (part[i : i + 2] for i in range(len(part) - 1))
            found.update(dict.fromkeys(pair for pair in pairs if not (pair[0] in STOP_HAN and pair[1] in STOP_HAN)))
        elif part not in STOP:
            found[stem(part)] = None
    return list(found)


def content(text: str) -> list[str]:
    """As `tokens`, but Chinese by single characters alone: for comparing two statements."""
    return [token for token in tokens(text) if len(token) == 1 or token.isascii()]
