"""Words: cutting a stream of tokens into clauses for the voice, making them speakable, comparing what was said."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

FIRST_CLAUSE_WORDS = (4, 8)
"""A first clause without punctuation is cut before a word that begins a new phrase once it has the former number of words,
and anywhere at the latter: the voice can begin while the sentence is being written (a word costs it 10 ms, and the language
model 5 ms, on one core)."""

PHRASE_OPENERS = frozenset(
    "in on at by for from with without about into over under between through during before after since until and or but "
    "because so that which who where when while if as than to is are was were".split()
)

CLAUSE_CHARS = 240
"""No clause is longer; a voice needs time in proportion."""

HAN = "㐀-鿿〇"
"""Chinese characters, for a class of a regular expression."""

FIRST_CLAUSE_HAN = (6, 16)
"""The same in Chinese characters, of which a second of speech has four or five: cut before a connective or after a particle
from the former number on, and anywhere but in a number or a foreign word at the latter."""

FIRST_MARK_HAN = {"、": 4}
"""Characters that a first clause has before it may end at this mark; two before any other."""

CLAUSE_HAN = 60
"""No clause has more Chinese characters: as many seconds as `CLAUSE_CHARS` of English."""

_SENTENCE_END = re.compile(
    rf"[.!?…]+[\"')\]]*(?=\s)|\n+|(?P<han>[。！？]+[”」』）】]*|(?<=[{HAN}])(?:…+[”」』）】]*|[.!?]+)(?=[{HAN}]))"
)
_CLAUSE_END = re.compile(rf"[,;:—–](?=\s)|(?P<han>[，；：、]|(?<=[{HAN}])(?:[,;:](?=[{HAN}])|——))")
_PAIRS = ("“”", "「」", "『』", "（）", "《》", "【】")
_CONNECTIVES = tuple(
    "因为 所以 但是 可是 不过 而且 并且 或者 如果 虽然 然后 以及 因此 于是 只要 只有 除了 还是 就是 "
    "因為 所以 並且 雖然 然後 還是 於是 為了 为了".split()
)
_AFTER_PARTICLE = re.compile(r"(?:的(?![确確士话話])|(?<![为為除])了(?![解不])|[呢吧吗嗎])(?=.)")
_ABBREVIATION = re.compile(r"(?:\b(?:Mr|Mrs|Ms|Dr|Prof|St|vs|etc|e\.g|i\.e|approx|No|Inc|Jr|Sr)|\b[A-Z])\.$")
_ENUMERATION = re.compile(r"(?:^|\s)\d{1,3}\.$")


@dataclass
class Clauses:
    """Cuts text that arrives piece by piece into clauses to be spoken.

    The first clause is short (any punctuation after two words, or `FIRST_CLAUSE_WORDS` words), because the listener
    waits for it; later ones are whole sentences, because a voice intones sentences better than scraps.
    """

    _text: str = ""
    _begun: bool = False

    def push(self, piece: str) -> Iterator[str]:
        self._text += piece
        while (cut := self._cut()) is not None:
            clause, self._text = self._text[:cut].strip(), self._text[cut:].lstrip()
            if clause:
                self._begun = True
                yield clause

    def flush(self) -> Iterator[str]:
        """What is left when the text has ended."""
        rest, self._text = self._text.strip(), ""
        if rest:
            self._begun = True
            yield rest

    def _cut(self) -> int | None:
        if (end := next(sentence_ends(self._text), None)) is not None:
            return end
        if not self._begun:
            for match in _CLAUSE_END.finditer(self._text):
                if match["han"]:
                    if self._may_end_first_clause(match):
                        return match.end()
                elif len(self._text[: match.end()].split()) >= 2 or not self._text[0].isascii():
                    return match.end()
            fewest, most = FIRST_CLAUSE_WORDS
            for count, word in enumerate(re.finditer(r"\S+(?=\s)", self._text)):
                if count == most or (count >= fewest and word.group().lower() in PHRASE_OPENERS):
                    return word.start()
            if (cut := self._phrase(*FIRST_CLAUSE_HAN)) is not None and not _open(self._text[:cut]):
                return cut
        if (limit := _after_han(self._text, CLAUSE_HAN)) is not None:
            marks = [match.end() for match in _CLAUSE_END.finditer(self._text, 0, limit) if match["han"]]
            return marks[-1] if marks else self._phrase(CLAUSE_HAN // 2, CLAUSE_HAN)
        if len(self._text) > CLAUSE_CHARS:
            space = self._text.rfind(" ", 0, CLAUSE_CHARS)
            return space if space > 0 else CLAUSE_CHARS
        return None

    def _may_end_first_clause(self, mark: re.Match[str]) -> bool:
        before, after = self._text[: mark.start()], self._text[mark.end() :]
        if _open(before) or (before[-1:].isdigit() and (not after or after[0].isdigit())):
            return False  # in a quotation or a number, or perhaps in a number
        return len(before.split()) >= 2 or len(re.findall(f"[{HAN}]", before)) >= FIRST_MARK_HAN.get(mark[0], 2)

    def _phrase(self, fewest: int, most: int) -> int | None:
        """Where to cut Chinese without marks."""
        if (start := _after_han(self._text, fewest)) is None:
            return None
        end = _after_han(self._text, most) or len(self._text)
        for cut in range(start, end):
            if self._text.startswith(_CONNECTIVES, cut) or _AFTER_PARTICLE.match(self._text, cut - 1):
                return cut
        if end == len(self._text):
            return None
        while end < len(self._text) and _joined(self._text[end - 1], self._text[end]):
            end += 1
        return end if end < len(self._text) else None


def sentence_ends(text: str) -> Iterator[int]:
    """Behind every sentence that is certainly over, because something follows: an abbreviation ends none."""
    for match in _SENTENCE_END.finditer(text):
        before = text[: match.end()].rstrip()
        if not (match["han"] and _open(before)) and not _ABBREVIATION.search(before) and not _ENUMERATION.search(before):
            yield match.end()


def _open(text: str) -> bool:
    """Whether a quotation or bracket has begun and not ended."""
    return any(text.count(left) > text.count(right) for left, right in _PAIRS)


def _after_han(text: str, count: int) -> int | None:
    """Behind so many Chinese characters, if there are more."""
    for number, character in enumerate(re.finditer(f"[{HAN}]", text)):
        if number == count:
            return character.start()
    return None


def _joined(left: str, right: str) -> bool:
    """Whether two characters belong together: of a number, a foreign word, a number and its unit."""
    return left.isdigit() or (left.isascii() and left.isalnum() and right.isascii())


_MARKDOWN_LINK = re.compile(r"\[([^\]]*)\]\([^)]*\)")
_URL = re.compile(rf"https?://(?:www\.)?([^/\s{HAN}，。！？；、]+)[^\s{HAN}，。！？；、]*")
_MARKUP = re.compile(r"[*_`#>|~^<{}\[\]\\]+")
_EMPHASIS = re.compile(rf"(?<=[{HAN}])[*_`]+(?=[{HAN}])")
_RANGE = re.compile(r"(?<=\d)\s*~\s*(?=\d)")
_LOOSE_MARK = re.compile(r" ?([，。！？；：、）》]) ?")
_PICTOGRAM = re.compile("[\U0001f000-\U0001faff☀-➿⬀-⯿\ufe0f\u200d\u20e3]+")


def speakable(text: str) -> str:
    """What of a text can be said aloud: no markup, pictograms or addresses."""
    text = _MARKDOWN_LINK.sub(r"\1", text)
    text = _URL.sub(r"\1", text)
    if chinese := bool(re.search(f"[{HAN}]", text)):
        text = _RANGE.sub("～", _EMPHASIS.sub("", text))
    text = _PICTOGRAM.sub(" ", _MARKUP.sub(" ", text))
    text = re.sub(r"\s+", " ", text).strip() if re.search(r"\w", text) else ""
    return _LOOSE_MARK.sub(r"\1", text) if chinese else text


_EITHER = "“”‘’\"'…—()"
"""Marks that both scripts use: what stands before or behind them tells which one it is."""

_WIDE = re.compile("[\u3000-\u3006\u3008-\u303f\uff00-\uffef]")
_HAN_OR_DIGIT = re.compile(rf"[{HAN}\d]")


def joined(parts: Iterable[str]) -> str:
    """Successive parts of a text as one: with a space between them, but none inside Chinese.

    >>> joined(["你好，", "我是小明。", "Nice to meet you.", "OK"])
    '你好，我是小明。Nice to meet you. OK'
    """
    whole = ""
    for part in filter(None, (part.strip() for part in parts)):
        left, right = whole.rstrip(_EITHER)[-1:], part.lstrip(_EITHER)[:1]
        chinese = _HAN_OR_DIGIT.match(left) and _HAN_OR_DIGIT.match(right) and not (left + right).isdigit()
        spaced = whole and not (chinese or _WIDE.match(left) or _WIDE.match(right))
        whole = f"{whole} {part}" if spaced else whole + part
    return whole


def language_of(text: str) -> str:
    """By the script, where nobody says: "zh" where a Chinese character stands, else "en"."""
    return "zh" if re.search(f"[{HAN}]", text) else "en"


def words_of(text: str) -> list[str]:
    """Words for comparison: lower case, no punctuation; a Chinese character counts as a word."""
    return re.findall(rf"[{HAN}]|[^\W_{HAN}]+(?:['’][^\W_{HAN}]+)*", text.lower().replace("-", " "))


_HESITATION = re.compile(r"(?:\b(?:u+m+|u+h+|e+r+m*|h+m+)[.,…]*|\.\.\.|…|，|,)$", re.IGNORECASE)
_HESITATION_HAN = re.compile(
    r"(?:(?<=.)嗯|[呃额額]|(?<![要是买買看吃用选選拿给給欢歡])[那这這][个個]|就是(?:说|說)?|然[后後]|[还還]有|因[为為]|但是|可是|而且|"
    r"或者|如果|比如(?:说|說)?|所以|的[话話]|怎么说呢|怎麼說呢|[我让讓]+想想|、)$"
)


def hesitates(text: str) -> bool:
    """Whether words end in a sound or a mark of someone who looks for the next one."""
    text = text.strip()
    return bool(_HESITATION.search(text) or _HESITATION_HAN.search(text))


@dataclass
class StablePrefix:
    """What of a streaming transcript will probably not change: the words on which two successive hypotheses agree
    (LocalAgreement-2, Liu et al., Interspeech 2020)."""

    _last: list[str] = field(default_factory=list[str])

    def update(self, text: str) -> int:
        """The number of characters of `text` that are stable."""
        tokens = list(re.finditer(rf"[{HAN}]|[^\s{HAN}]+", text))
        now = [" ".join(words_of(t.group())) for t in tokens]
        agreed = 0
        for new, old in zip(now, self._last, strict=False):
            if new != old:
                break
            agreed += 1
        self._last = now
        return tokens[agreed - 1].end() if agreed else 0
