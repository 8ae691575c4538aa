"""What the smallest language model answers to users of the data: `python -m cleans2s.judge.answering`.

Answers in the data are short and to the point. Those of a small model are neither, and a judge that has never seen the like
takes the next ordinary turn for something else.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..config import INSTRUCTIONS
from ..errors import Cleans2sError
from ..llm.llama import Llama
from ..stages import Wishes, load
from . import DATA
from .dataset import Turn, kept_back, turns

USERS = 3
"""Turns of the user in a chat, at most: the labelled one and the last two before it."""


def chosen(language: str, count: int, seed: int = 7) -> list[Turn]:
    """Ordinary turns after something that the user said, one of a family, none that is held out."""
    found = [
        turn
        for turn in turns()
        if turn.strategy == "standard" and turn.situation.language == language and turn.family not in kept_back()
        if any(role == "user" for role, _ in turn.situation.turns) and not turn.situation.facts and not turn.situation.character
    ]
    random.Random(seed).shuffle(found)
    first: dict[str, Turn] = {}
    for turn in found:
        first.setdefault(turn.family, turn)
    return [*first.values()][:count]


def answered(turn: Turn, llm: Any) -> list[tuple[str, str]]:
    before = [text for role, text in turn.situation.turns if role == "user"]
    said = [*before[1 - USERS :], turn.situation.words]
    prompt, chat = [{"role": "system", "content": INSTRUCTIONS}], list[tuple[str, str]]()
    for words in said:
        prompt.append({"role": "user", "content": words})
        answer = " ".join("".join(llm.reply_as(prompt, Wishes())).split())
        prompt.append({"role": "assistant", "content": answer})
        chat += [("user", words), ("agent", answer)]
    return chat


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser("python -m cleans2s.judge.answering", description=(__doc__ or "").partition(":")[0])
    parser.add_argument("--out", type=Path, default=DATA / "answered.jsonl", metavar="FILE")
    parser.add_argument("--languages", nargs="+", default=["en", "zh"], metavar="LANG")
    parser.add_argument("--count", type=int, default=700, metavar="N", help="chats of a language (default: 700)")
    options = parser.parse_args(arguments)
    llm = load(Llama())
    with options.out.open("w", encoding="utf-8") as file:
        for language in options.languages:
            for turn in chosen(language, options.count):
                chat = answered(turn, llm)
                if all(words for _, words in chat):
                    row = {"lang": language, "family": turn.family, "turns": chat}
                    file.write(json.dumps(row, ensure_ascii=False) + "\n")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Cleans2sError as error:
        sys.exit(str(error))
