"""The words of a text as BM25 counts them: English ones without their endings, Chinese ones as jieba finds them."""

from __future__ import annotations

import functools
import logging
import re
import threading
import unicodedata
import warnings
from collections.abc import Iterator
from typing import Any

from ..models import cache_folder
from ..stages import imported
from ..text import HAN

STOP_WORDS = frozenset(
    "a about all also am an and any are as at be because been being but by can could did do does doing done down for from "
    "further get give had has have having he her here hers him his how i if in into is it its just let ll me my no nor not of "
    "on only or other our ours out over own re s same shall she should so some such t tell than that the their them then there "
    "these they this those to too under until up us ve very was we were what when where which while who whom whose why will "
    "with would you your yours "
    "的 了 吗 嗎 呢 吧 啊 是 在 我 你 您 他 她 它 们 們 这 這 那 有 和 与 與 或 也 都 就 还 還 把 被 对 對 从 從 到 给 給 让 "
    "讓 什么 什麼 怎么 怎麼 怎样 怎樣 如何 哪 哪个 哪些 哪儿 哪里 哪裡 为什么 為什麼 多少 几 可以 能 会 會 要 一个 一個 一些 "
    "我们 你们 他们 这个 那个 这些 那些 之 而 及 以 等 所 其 请 請 个 個".split()
)
"""What nearly every text has, and what nobody looks for."""

_TOKEN = re.compile(rf"[{HAN}]+|[^\W_{HAN}]+(?:[-._+'/][^\W_{HAN}]+)*")
_INSIDE = re.compile(r"[-._+'/]")


def terms(text: str) -> list[str]:
    """In the order of the text, the same word as often as it comes. A compound (`apt-get`, `/etc/apt/sources.list`) counts as
    itself and as its parts."""
    return [term for term in _terms(unicodedata.normalize("NFKC", text).lower()) if term not in STOP_WORDS]


def _terms(text: str) -> Iterator[str]:
    for match in _TOKEN.finditer(text):
        token = match[0]
        if re.match(f"[{HAN}]", token):
            yield from _jieba().cut_for_search(token)
        elif _INSIDE.search(token) and "'" not in token:
            yield token
            yield from map(stem, filter(None, _INSIDE.split(token)))
        else:
            yield stem(token.partition("'")[0])


@functools.lru_cache(maxsize=65_536)
def stem(word: str) -> str:
    """An English word without its plural, -ing, -ed and -ly, so that "packages", "packaging" and "packaged" are one.

    >>> [stem(word) for word in ("copies", "running", "installed", "boxes", "news", "bus")]
    ['copi', 'run', 'instal', 'box', 'new', 'bus']
    """
    if len(word) < 4 or not word.isascii() or not word.isalpha():
        return word
    if word.endswith(("sses", "xes", "ches", "shes", "zes")):
        word = word[:-2]
    elif word.endswith("ies"):
        word = word[:-3] + "y"
    elif word.endswith("s") and not word.endswith(("ss", "us", "is")):
        word = word[:-1]
    for ending in ("ingly", "edly", "ing", "ed", "ly"):
        left = word.removesuffix(ending)
        if left != word and len(left) >= 3 and re.search("[aeiouy]", left):
            word = left
            break
    if len(word) > 3 and word[-1] == word[-2] and word[-1] not in "aeious":
        word = word[:-1]
    if len(word) > 3 and word.endswith("e"):
        word = word[:-1]
    return word[:-1] + "i" if len(word) > 3 and word.endswith("y") else word


_lock = threading.Lock()


def _jieba() -> Any:
    with _lock:  # the first one reads the dictionary
        return _dictionary()


@functools.cache
def _dictionary() -> Any:
    """A dictionary of our own: jieba's shared one is cached among temporary files, where anybody may have put it."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "invalid escape sequence")  # in its source, told once when it is compiled
        warnings.filterwarnings("ignore", "pkg_resources is deprecated")
        jieba = imported("jieba")
    jieba.setLogLevel(logging.WARNING)
    cache = cache_folder().parent / "jieba"
    cache.mkdir(parents=True, exist_ok=True)
    found = jieba.Tokenizer()
    found.tmp_dir = str(cache)
    found.initialize()
    return found
