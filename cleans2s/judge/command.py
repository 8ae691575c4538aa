"""`cleans2s judge`: JSON lines in, a judgement in JSON for each.

{"text": "How do I boil an egg?", "context": [["user", "…"], ["agent", "…"], ["memory", "…"]], "lang": "en"}
→  {"strategy": "standard", "probabilities": {…}, "reason": "…"}
→  with --stream: {"interrupt_at": 31, "words": 60, "reason": "…"}
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, TextIO, cast

import anyio

from ..blocking import call
from ..errors import ConfigError, TextError
from ..stages import load
from . import Judge, Judgement, Situation
from .dataset import prefix, situation, units

CUT_IN = 0.5
"""Probability from which on it cuts in."""

LONGEST_LINE = 100_000
LONGEST_CONTEXT = 200
ENGINES = ("small", "llm", "sft")


def add_parser(commands: Any) -> None:
    parser: argparse.ArgumentParser = commands.add_parser(
        "judge",
        help="how the agent would react to words: answer, refuse, deflect, stay silent, cut in",
        epilog='A line: {"text": "…", "context": [["user", "…"], ["agent", "…"], ["memory", "…"], ["character", "…"]], '
        '"lang": "en"}; all but the text may be left out.',
    )
    parser.add_argument("file", nargs="?", default="-", metavar="FILE.jsonl", help="default: standard input")
    parser.add_argument("--stream", action="store_true", help="hear the text word by word, and tell when it would cut in")
    parser.add_argument(
        "--judge", nargs="+", default=["small"], metavar=("small|llm|sft", "PATH"),
        help="who judges: the shipped one, a language model (PATH: a GGUF file), a fine-tuned one (PATH: its folder)",
    )  # fmt: skip
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Exit status 0; 1 when a line could not be judged."""
    judge = load(engine(options.judge))
    try:
        with _opened(options.file) as lines:
            return answer(lines, judge, options.stream, sys.stdout, sys.stderr)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{options.file} cannot be read ({error}); expected JSON lines in UTF-8") from None


def engine(choice: list[str]) -> Any:
    """The settings of the judge that was chosen."""
    name, *rest = choice
    where = rest[0] if rest else ""
    if name not in ENGINES or len(rest) > 1 or (name == "small" and where) or (name == "sft" and not where):
        raise ConfigError(f"--judge {' '.join(choice)}: expected small, llm, llm FILE.gguf or sft FOLDER")
    if name == "small":
        from .small import Small

        return Small()
    if name == "llm":
        from ..llm.llama import Llama
        from .llm import LLM

        return LLM(Llama(model=where) if where else Llama(), limit_s=60.0)
    from .sft import SFT

    return SFT(where)


def answer(lines: Iterable[str], judge: Judge, stream: bool, out: TextIO, errors: TextIO) -> int:
    """A line for every line. One that cannot be judged is named on `errors`, and the others go on."""
    bad = 0
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            words = parsed(line)
        except (ConfigError, TextError) as error:
            errors.write(f"line {number}: {error}\n")
            bad += 1
            continue
        found = cut_in(judge, words) if stream else told(judged(judge, words))
        out.write(json.dumps(found, ensure_ascii=False) + "\n")
        out.flush()
    return int(bad > 0)


def parsed(line: str) -> Situation:
    """Raises ConfigError or TextError for a line that is none."""
    if len(line) > LONGEST_LINE:
        raise TextError(f"{len(line):,} characters; expected at most {LONGEST_LINE:,}")
    try:
        row: Any = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"is not JSON ({error}); expected an object with text") from None
    if not isinstance(row, dict):
        raise ConfigError(f"is {type(row).__name__}, expected an object with text")
    values = cast("dict[str, Any]", row)
    text, context, language = values.get("text"), values.get("context", []), values.get("lang")
    if not isinstance(text, str) or not text.strip():
        raise TextError(f"text is {text!r:.60}, expected words")
    if not (language is None or isinstance(language, str)):
        raise ConfigError(f'lang is {language!r:.60}, expected a code such as "en"')
    return situation(text, _entries(context), language)


def _entries(context: Any) -> Iterator[tuple[str, str]]:
    wanted = 'expected pairs such as ["user", "Hello"]'
    if not isinstance(context, list) or len(cast("list[Any]", context)) > LONGEST_CONTEXT:
        raise ConfigError(f"context is no list of at most {LONGEST_CONTEXT} entries; {wanted}")
    for entry in cast("list[Any]", context):
        if not isinstance(entry, list) or len(cast("list[Any]", entry)) != 2:
            raise ConfigError(f"a context entry is {entry!r:.60}; {wanted}")
        role, words = cast("list[Any]", entry)
        if not isinstance(role, str) or not isinstance(words, str):
            raise ConfigError(f"a context entry is {entry!r:.60}; {wanted}")
        yield role, words


def judged(judge: Judge, words: Situation) -> Judgement:
    return anyio.run(call, judge.judge, words)


def told(judgement: Judgement) -> dict[str, Any]:
    probabilities = {name: round(share, 4) for name, share in judgement.probabilities.items()}
    return {
        "strategy": judgement.strategy,
        "probabilities": probabilities,
        "kind": judgement.kind,
        "backchannel": round(judgement.backchannel, 4),
        "addressed": round(judgement.addressed, 4),
        "reason": judgement.reason,
    }


def cut_in(judge: Judge, words: Situation) -> dict[str, Any]:
    """Heard word by word (in Chinese, character by character): after how many it would cut in, and why."""
    language = words.language or ("zh" if _is_chinese(words.words) else "en")
    total = len(units(words.words, language))
    for count in range(1, total + 1):
        heard = replace(words, words=prefix(words.words, language, count), language=language, partial=True)
        judgement = judged(judge, heard)
        if judgement.interrupt >= CUT_IN:
            return {"interrupt_at": count, "words": total, "kind": judgement.kind, "reason": judgement.reason}
    return {"interrupt_at": None, "words": total, "kind": "", "reason": ""}


def _is_chinese(words: str) -> bool:
    from ..text import language_of

    return language_of(words) == "zh"


def _opened(name: str) -> Any:
    import contextlib

    return contextlib.nullcontext(sys.stdin) if name == "-" else Path(name).open(encoding="utf-8")
