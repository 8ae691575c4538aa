"""Words: cutting a stream of tokens into clauses for the voice, making them speakable, comparing what was said."""

from __future__ import annotations

import re
from collections.abc import Iterator
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

_SENTENCE_END = re.compile(r"[.!?…]+[\"')\]]*(?=\s)|[。！？]|\n+")
_CLAUSE_END = re.compile(r"[,;:—–](?=\s)|[，；：、]")
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
        for match in _SENTENCE_END.finditer(self._text):
            before = self._text[: match.end()].rstrip()
            if not _ABBREVIATION.search(before) and not _ENUMERATION.search(before):
                return match.end()
        if not self._begun:
            for match in _CLAUSE_END.finditer(self._text):
                if len(self._text[: match.end()].split()) >= 2 or not self._text[0].isascii():
                    return match.end()
            fewest, most = FIRST_CLAUSE_WORDS
            for count, word in enumerate(re.finditer(r"\S+(?=\s)", self._text)):
                if count == most or (count >= fewest and word.group().lower() in PHRASE_OPENERS):
                    return word.start()
        if len(self._text) > CLAUSE_CHARS:
            space = self._text.rfind(" ", 0, CLAUSE_CHARS)
            return space if space > 0 else CLAUSE_CHARS
        return None


_MARKDOWN_LINK = re.compile(r"\[([^\]]*)\]\([^)]*\)")
_URL = re.compile(r"https?://(?:www\.)?([^/\s]+)\S*")
_MARKUP = re.compile(r"[*_`#>|~^<{}\[\]\\]+")
_PICTOGRAM = re.compile("[\U0001f000-\U0001faff☀-➿⬀-⯿\ufe0f\u200d\u20e3]+")


def speakable(text: str) -> str:
    """What of a text can be said aloud: no markup, pictograms or addresses."""
    text = _MARKDOWN_LINK.sub(r"\1", text)
    text = _URL.sub(r"\1", text)
    text = _PICTOGRAM.sub(" ", _MARKUP.sub(" ", text))
    return re.sub(r"\s+", " ", text).strip() if re.search(r"\w", text) else ""


def words_of(text: str) -> list[str]:
    """Words for comparison: lower case, no punctuation; a Chinese character counts as a word."""
    return re.findall(r"[㐀-鿿]|[^\W_]+(?:['’][^\W_]+)*", text.lower().replace("-", " "))


_HESITATION = re.compile(r"(?:\b(?:u+m+|u+h+|e+r+m*|h+m+)[.,…]*|\.\.\.|…|，|,)$", re.IGNORECASE)


def hesitates(text: str) -> bool:
    """Whether words end in a sound or a mark of someone who looks for the next one."""
    return bool(_HESITATION.search(text.strip()))


@dataclass
class StablePrefix:
    """What of a streaming transcript will probably not change: the words on which two successive hypotheses agree
    (LocalAgreement-2, Liu et al., Interspeech 2020)."""

    _last: list[str] = field(default_factory=list[str])

    def update(self, text: str) -> int:
        """The number of characters of `text` that are stable."""
        tokens = list(re.finditer(r"\S+", text))
        now = [" ".join(words_of(t.group())) for t in tokens]
        agreed = 0
        for new, old in zip(now, self._last, strict=False):
            if new != old:
                break
            agreed += 1
        self._last = now
        return tokens[agreed - 1].end() if agreed else 0
