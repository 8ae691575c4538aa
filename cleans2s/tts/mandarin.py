"""Mandarin in Kokoro's phonemes: jieba finds the words, pypinyin their readings, misaki's tables the sounds and tones."""

from __future__ import annotations

import functools
import logging
import warnings
from collections.abc import Callable
from typing import Any

from ..errors import ModelError
from ..stages import imported

MARKS = str.maketrans("，、。．！？；：～「」『』《》【】（）‘’", ",,..!?;:,“”“”“”“”()''")
"""Of the marks, Kokoro knows the western ones."""


@functools.lru_cache(maxsize=1)
def reader() -> Callable[[str], str]:
    """Gives phonemes for a run of Chinese characters: words apart, tones as arrows. Reading jieba's dictionary takes about a
    second, once."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # jieba's sources are old
        jieba, pinyin, tables = package("jieba"), package("pypinyin"), package("misaki.zh:ZHG2P")
    jieba.setLogLevel(logging.WARNING)
    jieba.initialize()

    def sound(syllable: str) -> str:
        try:
            return tables.py2ipa(syllable).replace("\N{COMBINING INVERTED BREVE BELOW}", "")
        except (KeyError, ValueError):
            return ""  # a character without a known reading

    def read(characters: str) -> str:
        words: Any = jieba.cut(characters)
        readings = (pinyin.lazy_pinyin(w, style=pinyin.Style.TONE3, neutral_tone_with_five=True) for w in words)
        return " ".join("".join(map(sound, syllables)) for syllables in readings)

    return read


def package(name: str) -> Any:
    try:
        return imported(name)
    except ImportError as error:
        raise ModelError(f"Kokoro needs a package that is not here ({error}): pip install 'cleans2s[kokoro]'") from None
