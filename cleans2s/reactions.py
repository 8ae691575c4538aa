"""Reactions without words: an emoji that fits what was said, or none.

An emoji is chosen by its description in the `emoji` package (Unicode's own names in English and Chinese, and the short names
that people type) and by occasions for it in `reactions.toml`. English is compared by meaning, with sentence embeddings; in
Chinese, which the embedded model does not know, names and occasions are looked for as they stand.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from .lines import base_language
from .models import cache_folder
from .stages import imported
from .text import HAN

FILE = Path(__file__).parent / "reactions.toml"

THRESHOLD = 0.5
"""Of similarity, from which on an emoji fits; most of what is said deserves none. Between 0.42 and 0.5 about half of them did
not fit ("she works for a car company": a hospital), above a tenth, on 255 turns of ordinary chats."""

TEXT_CHARS = 400
"""Of an utterance, its end: what was said last is what one reacts to."""

SAME = 0.98
"""Similarity of the same words by the same model; batches of other shapes differ a little."""

FEELINGS = ("faces", "hearts")

NOT = re.compile("(?:[不没未无]|(?<![特區区差告分])[別别])(?:有|太|是|很|怎么|那么)*$")
"""Before a Chinese word it turns it round; such a word is no reason for a reaction."""

Vectors = npt.NDArray[np.float32]


class Encoder(Protocol):
    def encode(self, texts: Sequence[str]) -> Vectors:
        """A row of length 1 for each text."""
        ...


@dataclass(frozen=True)
class Emoji:
    symbol: str
    group: str
    name: str
    """In English, of the `emoji` package."""

    english: tuple[str, ...]
    """What its vector rows are made of."""

    chinese: tuple[str, ...]

    at_least: float = 0.0
    """Beside the threshold of all: what would hurt where it is wrong has to be surer."""


@dataclass(frozen=True)
class Reaction:
    """`because` is the description or occasion that fitted."""

    emoji: str
    name: str
    score: float
    because: str


def emojis() -> tuple[Emoji, ...]:
    """The chosen ones, described. Reads the files of the `emoji` package for English and Chinese."""
    tomllib = imported("tomllib" if sys.version_info >= (3, 11) else "tomli")
    tree: dict[str, dict[str, dict[str, Any]]] = tomllib.loads(FILE.read_text("utf-8"))
    data: Mapping[str, Mapping[str, Any]] = imported("emoji").EMOJI_DATA
    imported("emoji").config.load_language(["en", "zh"])
    found: list[Emoji] = []
    for group, rows in tree.items():
        for symbol, occasions in rows.items():
            row = data[symbol]
            name = _words(row["en"])
            typed = [_words(alias) for alias in row.get("alias") or ()]
            english: dict[str, None] = dict.fromkeys([name, *typed, *occasions.get("en", [])])
            called: str = _words(row["zh"])  # a single character is part of too many words
            chinese: dict[str, None] = dict.fromkeys([called] * (len(called) > 1) + occasions.get("zh", []))
            found.append(Emoji(symbol, group, name, tuple(english), tuple(chinese), occasions.get("at_least", 0.0)))
    return tuple(found)


def _words(short_name: str) -> str:
    return short_name.strip(":").replace("_", " ").replace("-", " ")


class Reactions:
    """Made once and shared: holds a vector for each description."""

    def __init__(self, encoder: Encoder | None, threshold: float = THRESHOLD, cache: Path | None = None) -> None:
        """Without an encoder, only Chinese is reacted to. The descriptions' vectors are kept in the folder `cache` (that of
        the models, if it is not given), so that only the first start computes them."""
        self._encoder = encoder
        self._emojis = emojis()
        self._rows = [(emoji, text) for emoji in self._emojis for text in emoji.english]
        self._least = np.array([max(threshold, emoji.at_least) for emoji, _ in self._rows])
        self._vectors = _kept([text for _, text in self._rows], encoder, cache or cache_folder()) if encoder else None
        spoken = {word: emoji for emoji in self._emojis for word in emoji.chinese}
        self._chinese = sorted(spoken.items(), key=lambda pair: -len(pair[0]))

    def to(self, text: str, language: str | None = None) -> Reaction | None:
        """The emoji for what somebody said; None if none fits well enough. `language` is found in the writing, if not given."""
        text = text.strip()[-TEXT_CHARS:]
        if base_language(language) == "zh" or re.search(f"[{HAN}]", text):
            return self._in_chinese(text)
        if not re.search(r"\w", text) or self._encoder is None or self._vectors is None:
            return None
        scores = self._vectors @ self._encoder.encode([text])[0]
        best = int(np.argmax(np.where(scores >= self._least, scores, -1.0)))
        emoji, because = self._rows[best]
        return Reaction(emoji.symbol, emoji.name, float(scores[best]), because) if scores[best] >= self._least[best] else None

    def _in_chinese(self, text: str) -> Reaction | None:
        """What is felt before what it is about; of several, the longest word that occurs, and the last, where the point is."""
        best = (False, 0, 0)
        found: Reaction | None = None
        for word, emoji in self._chinese:
            at = text.rfind(word)
            if at < 0 or NOT.search(text[:at]):
                continue
            if (rank := (emoji.group in FEELINGS, len(word), at)) > best:
                best, found = rank, Reaction(emoji.symbol, emoji.name, 1.0, word)
        return found


def _kept(texts: list[str], encoder: Encoder, folder: Path) -> Vectors:
    """Their vectors, from the cache or computed; a cache that cannot be read or written is only slower."""
    file = folder / "reactions" / f"{hashlib.sha256(chr(10).join(texts).encode()).hexdigest()[:16]}.npy"
    with contextlib.suppress(OSError, ValueError, EOFError):
        vectors: Vectors = np.load(file, allow_pickle=False)
        first = encoder.encode(texts[:1])  # another model's vectors point elsewhere
        if vectors.shape == (len(texts), first.shape[1]) and float(vectors[0] @ first[0]) > SAME:
            return vectors.astype(np.float32)
    vectors = encoder.encode(texts).astype(np.float32)
    with contextlib.suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        handle, part = tempfile.mkstemp(dir=file.parent, suffix=".part")
        with os.fdopen(handle, "wb") as stream:
            np.save(stream, vectors)
        os.replace(part, file)
    return vectors
