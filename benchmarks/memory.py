"""How well and how fast memory recalls (`cleans2s bench memory`).

A thousand episodes of a made-up life: 36 situations, English and Chinese, each with 25 friends and five things, over 120 days,
so that every episode has two dozen that differ from it in a name and a word. Each is asked for once, in other words than it was
told in, by what happened and with whom, or by what happened and when ("what did I cook last Tuesday?"). One in five was told a
day later ("yesterday I …"). Counted is whether the right episode is among the first three.

Then a memory of 100,000 turns (the thousand, and small talk made of the same words, with random embeddings): how long it takes
to open, and a recall takes, the question's embedding included.
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cleans2s.embedding import MiniLM
from cleans2s.errors import ConfigError
from cleans2s.memory import Memory
from cleans2s.memory.calendar_words import MONTHS, WEEKDAYS

from . import percentiles

if TYPE_CHECKING:
    from cleans2s.config import Config

    from .utterances import Say

SITUATIONS = Path(__file__).with_name("memory.json")
NOW = datetime(2026, 11, 20, 20, 0, tzinfo=timezone.utc)
DAYS = 120
FIRST = 3
"""Among so many the right episode has to be."""

LATER = 5
"""Every so many-th episode is told on the day after."""

BY_TIME = 3
"""Every so many-th is asked for by when it was."""


@dataclass(frozen=True)
class Episode:
    id: str
    language: str
    situation: int
    text: str
    at: datetime
    question: str
    kind: str
    """What the question goes by: "meaning" or "time"."""


def make_episodes(count: int, seed: int = 0, file: Path = SITUATIONS) -> list[Episode]:
    """As many of each situation as possible, in random order of time, no text twice."""
    rng = random.Random(seed)
    worlds: dict[str, Any] = json.loads(file.read_text("utf-8"))
    situations = [
        (language, i, situation) for language, world in worlds.items() for i, situation in enumerate(world["situations"])
    ]
    made: list[Episode] = []
    texts: set[str] = set()
    combinations = {
        (language, i): iter(
            rng.sample(list(itertools.product(worlds[language]["people"], s["things"])), k=len(worlds[language]["people"]) * 5)
        )
        for language, i, s in situations
    }
    for number, (language, i, situation) in enumerate(itertools.islice(itertools.cycle(situations), count)):
        who, thing = next(combinations[language, i])
        happened = NOW - timedelta(days=rng.randrange(1, DAYS), minutes=rng.randrange(600))
        later = number % LATER == 0
        day = {"en": "yesterday ", "zh": "昨天"}[language] if later else ""
        said = rng.choice([form for form in situation["said"] if not later or "{day" in form])
        end = f" {day.strip()}" if later and "{day}" not in said else ""
        text = said.format(day=day, day_end=end, x=thing[0], who=who)
        text = text[0].upper() + text[1:]
        by_time = number % BY_TIME == 0
        asked = situation["then"] if by_time else rng.choice(situation["asked"])
        question = asked.format(y=thing[1], who=who, when=in_words(happened, language, rng))
        question = question[0].upper() + question[1:]
        if text in texts:
            continue
        texts.add(text)
        at = happened + timedelta(days=1) if later else happened
        made.append(Episode(f"e{number}", language, i, text, at, question, "time" if by_time else "meaning"))
    return sorted(made, key=lambda one: one.at)


def in_words(day: datetime, language: str, rng: random.Random) -> str:
    """How somebody would name that day now."""
    ago = (NOW.date() - day.date()).days
    ways: list[str] = []
    if language == "zh":
        ways.append(f"{day.month}月{day.day}号")
        ways += [f"{ago}天前"] if ago <= 10 else [f"{round(ago / 7)}周前"] if ago < 40 and ago % 7 == 0 else []
        if day.isocalendar().week == NOW.isocalendar().week - 1:
            ways.append(f"上周{'一二三四五六日'[day.weekday()]}")
        return rng.choice({1: ["昨天"], 2: ["前天"]}.get(ago, ways))
    ways.append(f"on {MONTHS[day.month - 1].title()} {day.day}")
    ways += [f"{ago} days ago"] if ago <= 10 else [f"{round(ago / 7)} weeks ago"] if ago < 40 and ago % 7 == 0 else []
    if 2 <= ago <= 6:
        ways.append(f"on {WEEKDAYS[day.weekday()].title()}")
    return rng.choice({1: ["yesterday"], 2: ["the day before yesterday"]}.get(ago, ways))


@dataclass(frozen=True)
class Answer:
    episode: Episode
    rank: int | None
    """Of the right episode, from 1; None where it was not recalled."""

    took_ms: float
    first: str
    """What was recalled before all else."""


def ask_all(memory: Memory, episodes: Sequence[Episode]) -> list[Answer]:
    answers: list[Answer] = []
    for episode in episodes:
        began_s = time.perf_counter()
        recalled = memory.recall(episode.question, NOW).episodes
        took_ms = (time.perf_counter() - began_s) * 1000
        rank = next((n for n, one in enumerate(recalled, 1) if one.id == episode.id), None)
        answers.append(Answer(episode, rank, took_ms, recalled[0].text if recalled else ""))
    return answers


def filled(folder: Path, episodes: Sequence[Episode], encoder: Any) -> Memory:
    memory = Memory.open(folder / "thousand.sqlite", encoder)
    for episode in episodes:
        memory.note("user", episode.text, episode.at, episode.id)
    while memory.digest().left:
        pass
    return memory


@dataclass(frozen=True)
class Random:
    """Embeddings for turns that only have to be many; questions are embedded by the real encoder."""

    rng: np.random.Generator

    def encode(self, texts: list[str]) -> Any:
        vectors = self.rng.standard_normal((len(texts), 384)).astype(np.float32)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def chatter(episodes: Sequence[Episode], rng: random.Random) -> Iterator[str]:
    """Turns without sense, of the words (in Chinese: the characters) of the episodes."""
    words = [word for e in episodes if e.language == "en" for word in e.text.strip(".").split()] or ["so"]
    characters = [c for e in episodes if e.language == "zh" for c in e.text.strip("。")] or ["嗯"]
    while True:
        yield " ".join(rng.choices(words, k=rng.randrange(3, 16)))
        yield "".join(rng.choices(characters, k=rng.randrange(4, 20)))


def large(folder: Path, episodes: Sequence[Episode], count: int, encoder: Any) -> dict[str, Any]:
    """Of a memory with `count` turns: its size, how long it takes to open, to recall and to take note."""
    path, rng = folder / "large.sqlite", random.Random(1)
    small_talk = chatter(episodes, rng)
    with Memory.open(path, Random(np.random.default_rng(1))) as memory:
        turns = [
            {
                "id": f"t{n}",
                "role": "assistant" if n % 2 else "user",
                "text": next(small_talk),
                "at": (NOW - timedelta(minutes=3 * (count - n))).isoformat(),
            }
            for n in range(count - len(episodes))
        ]
        turns += [{"id": e.id, "role": "user", "text": e.text, "at": e.at.isoformat()} for e in episodes]
        memory.load({"format": "cleans2s-memory", "version": 1, "turns": turns})
        while memory.digest(10_000).left:
            pass
    began_s = time.perf_counter()
    memory = Memory.open(path, encoder)
    opened_s = time.perf_counter() - began_s
    with memory:
        asked = random.Random(2).sample(list(episodes), min(100, len(episodes)))
        times = [answer.took_ms for answer in ask_all(memory, asked)]
        noted: list[float] = []
        for n in range(50):
            began_s = time.perf_counter()
            memory.note("user", f"{episodes[n % len(episodes)].text} {n}", NOW)
            noted.append((time.perf_counter() - began_s) * 1000)
    return {
        "turns": count,
        "file_mb": round(path.stat().st_size / 1e6, 1),
        "open_s": round(opened_s, 3),
        "recall_ms": percentiles(times),
        "note_ms": percentiles(noted),
    }


def result(answers: Sequence[Answer]) -> dict[str, Any]:
    def share(wanted: Callable[[Answer], bool]) -> float | None:
        chosen = [answer for answer in answers if wanted(answer)]
        return round(sum((a.rank or 99) <= FIRST for a in chosen) / len(chosen), 4) if chosen else None

    return {
        "episodes": len(answers),
        "first_three": share(lambda a: True),
        "first": round(sum(answer.rank == 1 for answer in answers) / len(answers), 4),
        "by": {
            f"{language}, {kind}": share(lambda a, lang=language, k=kind: (a.episode.language, a.episode.kind) == (lang, k))
            for language in ("en", "zh")
            for kind in ("meaning", "time")
        },
        "even_situations": share(lambda a: a.episode.situation % 2 == 0),
        "odd_situations": share(lambda a: a.episode.situation % 2 == 1),
        "recall_ms": percentiles([answer.took_ms for answer in answers]),
    }


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--episodes", type=int, default=1000, metavar="N", help="of which one is asked for (default: 1000)")
    parser.add_argument("--turns", type=int, default=100_000, metavar="N", help="of the large memory; 0 leaves it out")
    parser.add_argument("--misses", action="store_true", help="show what was not found")
    parser.add_argument("--out", type=Path, metavar="DIR", help="write memory.json there")


def main(args: argparse.Namespace, config: Config | None = None, say: Say | None = None) -> int:
    """Returns 0. Raises Cleans2sError for what a user can mend."""
    say = say or (lambda line: sys.stdout.write(f"{line}\n"))
    if not 1 <= args.episodes <= 4000:
        raise ConfigError(f"--episodes {args.episodes}: expected 1 to 4000")
    episodes, encoder = make_episodes(args.episodes), MiniLM().load()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with filled(folder, episodes, encoder) as memory:
            answers = ask_all(memory, episodes)
        measured = result(answers)
        if args.turns:
            measured["large"] = large(folder, episodes, max(args.turns, len(episodes) + 1), encoder)
    if args.misses:
        for answer in answers:
            if (answer.rank or 99) > FIRST:
                say(f"{answer.rank or '–'}  {answer.episode.question}\n   {answer.episode.text}\n   {answer.first}")
    for line in table(measured):
        say(line)
    from cleans2s.config import Config  # the whole agent, of which only its settings are named

    from .latency import circumstances

    where = circumstances(config or Config())
    say(f"{'measured':26}{where['machine']}, {where['date']}, commit {where['commit'] or 'unknown'}")
    if args.out:
        args.out.mkdir(parents=True, exist_ok=True)
        text = json.dumps(where | measured, ensure_ascii=False, indent=1)
        (args.out / "memory.json").write_text(f"{text}\n", "utf-8")
    return 0


def table(measured: dict[str, Any]) -> list[str]:
    recall = measured["recall_ms"]
    lines = [
        f"{'right one in first three':26}{measured['first_three']:.1%} of {measured['episodes']}; first {measured['first']:.1%}"
    ]
    lines += [f"{'  ' + name:26}{share:.1%}" for name, share in measured["by"].items() if share is not None]
    lines.append(f"{'recall':26}{recall['p50']} ms (p90 {recall['p90']}, most {recall['max']})")
    if big := measured.get("large"):
        recall, note = big["recall_ms"], big["note_ms"]
        lines.append(f"{'memory of ' + format(big['turns'], ','):26}{big['file_mb']} MB, opens in {big['open_s']} s")
        lines.append(f"{'  recall':26}{recall['p50']} ms (p90 {recall['p90']}, most {recall['max']})")
        lines.append(f"{'  taking note':26}{note['p50']} ms (p90 {note['p90']}, most {note['max']})")
    return lines
