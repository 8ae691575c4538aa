"""How well the agent's reactions are judged: on families of situations that no training saw (data/heldout.json).

Accuracy, macro-F1 and calibration of the shipped judge, its confusion matrix as a picture, what it does with speech that is
not addressed to it, when it cuts in on streams, and its time per decision; beside it the majority class, the embedded language
model without any training, and cutting in after a fixed share of the words.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import anyio
import numpy as np

from cleans2s import stages
from cleans2s.blocking import call
from cleans2s.config import Config
from cleans2s.errors import ConfigError
from cleans2s.judge import ENDS, Judge, Judgement, Situation
from cleans2s.judge.command import CUT_IN, engine
from cleans2s.judge.dataset import Stream, Turn, for_bars, held_out, prefix, streams, turns, units

from .latency import circumstances
from .utterances import Say

BINS = 10
"""Of confidence, for the calibration error."""

FIXED_SHARE = 0.55
"""Of a stream's words: where moments to cut in lie in the training families on average, if one must not look."""

HEARD_EVERY = {"en": 1, "zh": 2}
"""Words (characters) between two looks at a stream: about 300 ms of speech."""

LOOKS_TOGETHER = 12
"""Looks at a stream that are judged at once, which is faster; those after the moment at which it cuts in need not be."""

E = TypeVar("E", Turn, Stream)
F = TypeVar("F")
M = TypeVar("M")

INK, PAPER, BLUE = "#222222", "#FFFFFF", (0.0, 0.447, 0.698)


@dataclass(frozen=True)
class Scores:
    """Shares; `quiet` of what was not meant for the agent was met with silence, `answered` of the rest was not."""

    examples: int
    accuracy: float
    macro_f1: float
    macro_f1_en: float
    macro_f1_zh: float
    quiet: float
    answered: float
    calibration_error: float
    confusion: list[list[int]]


@dataclass(frozen=True)
class Cuts:
    """Of streams: how often it cut in before their end, by whether and why they deserve it; and by how many words after the
    moment that a reader had marked (median)."""

    deserving: int
    undeserving: int
    in_time: float
    false: float
    by_kind: dict[str, float]
    words_late: float | None


def macro_f1(wanted: Sequence[int], found: Sequence[int]) -> float:
    """The mean over the strategies that occur in either."""
    values: list[float] = []
    for name in sorted({*wanted, *found}):
        right = sum(a == b == name for a, b in zip(wanted, found, strict=True))
        total = sum(a == name for a in wanted) + sum(b == name for b in found)
        values.append(2 * right / total)
    return float(np.mean(values)) if values else 0.0


def calibration_error(sure: Sequence[float], right: Sequence[bool]) -> float:
    """Expected difference between how sure it was and how often it was right, in bins of equal width."""
    place = np.minimum((np.array(sure) * BINS).astype(int), BINS - 1)
    gaps = [
        float((place == bin_).mean()) * abs(float(np.array(sure)[place == bin_].mean() - np.array(right)[place == bin_].mean()))
        for bin_ in range(BINS)
        if (place == bin_).any()
    ]
    return float(sum(gaps))


def scored(examples: Sequence[Turn], judged: Sequence[Judgement]) -> Scores:
    wanted = [ENDS.index(example.strategy) for example in examples]  # type: ignore[arg-type]
    shares = np.array([[judgement.probabilities.get(name, 0.0) for name in ENDS] for judgement in judged])
    found = shares.argmax(axis=1).tolist()
    right = [a == b for a, b in zip(wanted, found, strict=True)]
    confusion = np.zeros((len(ENDS), len(ENDS)), int)
    np.add.at(confusion, (wanted, found), 1)
    language = [example.situation.language for example in examples]

    def of(code: str) -> float:
        rows = [row for row, each in enumerate(language) if each == code]
        return macro_f1([wanted[row] for row in rows], [found[row] for row in rows])

    silence = ENDS.index("silence")
    unheard = [b == silence for a, b in zip(wanted, found, strict=True) if a == silence]
    heard = [b != silence for a, b in zip(wanted, found, strict=True) if a != silence]
    return Scores(
        len(examples),
        float(np.mean(right)),
        macro_f1(wanted, found),
        of("en"),
        of("zh"),
        float(np.mean(unheard)) if unheard else 0.0,
        float(np.mean(heard)) if heard else 0.0,
        calibration_error((shares.max(axis=1) / shares.sum(axis=1)).tolist(), right),
        confusion.tolist(),
    )


def cut_at(judge_all: Callable[[list[Situation]], list[Judgement]], stream: Stream) -> int | None:
    """After how many words it cuts in, looking as often as a session would; None where it lets the user finish."""
    language = stream.situation.language or "en"
    total = len(units(stream.situation.words, language))
    places = list(range(HEARD_EVERY[language], total, HEARD_EVERY[language]))
    for some in (places[n : n + LOOKS_TOGETHER] for n in range(0, len(places), LOOKS_TOGETHER)):
        judged = judge_all([replace(stream.situation, words=prefix(stream.situation.words, language, count)) for count in some])
        if found := [count for count, each in zip(some, judged, strict=True) if each.interrupt >= CUT_IN]:
            return found[0]
    return None


def cuts(examples: Sequence[Stream], moments: Sequence[int | None]) -> Cuts:
    pairs = list(zip(examples, moments, strict=True))
    deserving = [(stream, at) for stream, at in pairs if stream.interrupt_at is not None]
    false = [at is not None for stream, at in pairs if stream.interrupt_at is None]
    kinds = sorted({stream.kind for stream, _ in deserving})
    late = [at - stream.interrupt_at for stream, at in deserving if at is not None and stream.interrupt_at is not None]
    return Cuts(
        len(deserving),
        len(false),
        float(np.mean([at is not None for _, at in deserving])) if deserving else 0.0,
        float(np.mean(false)) if false else 0.0,
        {kind: float(np.mean([at is not None for stream, at in deserving if stream.kind == kind])) for kind in kinds},
        float(np.median(late)) if late else None,
    )


def by_part(
    name: str, parts: Mapping[str, frozenset[str]], measure: Callable[[list[E], list[F]], M], examples: list[E], found: list[F]
) -> dict[str, M]:
    """What is measured of all examples, and where the families have several parts, of each."""
    rows = {name: measure(examples, found)}
    for part, families in parts.items() if len(parts) > 1 else ():
        pairs = [pair for pair in zip(examples, found, strict=True) if pair[0].family in families]
        if pairs:
            rows[f"{name}, {part}"] = measure([one for one, _ in pairs], [other for _, other in pairs])
    return rows


def fixed_share(examples: Sequence[Stream]) -> list[int | None]:
    """Cutting in everywhere, at the same share of the words: what a listener does who does not listen."""
    return [round(FIXED_SHARE * len(units(each.situation.words, each.situation.language))) for each in examples]


def majority(examples: Sequence[Turn]) -> list[Judgement]:
    return [Judgement({name: float(name == "standard") for name in ENDS}) for _ in examples]


def judged_by(judge: Judge, situations: Sequence[Situation]) -> list[Judgement]:
    if (many := getattr(judge, "judge_all", None)) is not None:
        return many(list(situations))

    async def all_of_them() -> list[Judgement]:
        return [await call(judge.judge, situation) for situation in situations]

    return anyio.run(all_of_them)


def milliseconds(judge: Judge, situations: Sequence[Situation]) -> dict[str, float]:
    """Of one decision at a time, as a session asks for it: wall clock, and of the processor, which other work does not
    stretch."""
    walls, cpus = list[float](), list[float]()
    for situation in situations:
        wall, cpu = time.perf_counter(), time.process_time()
        judged_by(_One(judge), [situation])
        walls.append(1000 * (time.perf_counter() - wall))
        cpus.append(1000 * (time.process_time() - cpu))
    return {
        "wall_p50": float(np.median(walls)), "wall_p95": float(np.percentile(walls, 95)),
        "cpu_p50": float(np.median(cpus)), "cpu_p95": float(np.percentile(cpus, 95)),
    }  # fmt: skip


@dataclass
class _One:
    """A judge without `judge_all`."""

    inner: Judge

    def judge(self, situation: Situation) -> Any:
        return self.inner.judge(situation)


# ── what is shown ─────────────────────────────────────────────────────────────────────────────────────────────────────


def draw(scores: Scores, title: str, file: Path) -> None:
    """The confusion matrix: rows are what a reader chose, columns what the judge chose, colours shares of the row."""
    from matplotlib.figure import Figure

    counts = np.array(scores.confusion)
    shares = counts / np.maximum(1, counts.sum(axis=1, keepdims=True))
    figure: Any = Figure(figsize=(5.6, 4.9), dpi=120, facecolor=PAPER)
    axes = figure.add_axes((0.2, 0.06, 0.76, 0.74))
    axes.imshow(1 - shares[..., None] * (1 - np.array(BLUE)), aspect="equal")
    for row in range(len(ENDS)):
        for column in range(len(ENDS)):
            colour = PAPER if shares[row, column] > 0.5 else INK
            axes.text(column, row - 0.1, f"{shares[row, column]:.0%}", ha="center", va="center", size=13, color=colour)
            axes.text(column, row + 0.24, f"{counts[row, column]}", ha="center", va="center", size=8, color=colour)
    axes.set_xticks(range(len(ENDS)), ENDS, color=INK)
    axes.set_yticks(range(len(ENDS)), ENDS, color=INK)
    axes.tick_params(length=0, labeltop=True, labelbottom=False)
    for side in axes.spines.values():
        side.set_visible(False)
    figure.text(0.03, 0.945, title, size=11, weight="bold", color=INK)
    figure.text(0.03, 0.9, "rows: as labelled · columns: as judged", size=8, color="#666666")
    figure.savefig(file)


def table(rows: dict[str, Scores]) -> str:
    head = f"{'':26}{'examples':>9}{'accuracy':>9}{'F1':>7}{'F1 en':>7}{'F1 zh':>7}{'quiet':>7}{'answ.':>7}{'ECE':>7}"
    lines = [
        f"{name:26}{s.examples:9}{s.accuracy:9.3f}{s.macro_f1:7.3f}{s.macro_f1_en:7.3f}{s.macro_f1_zh:7.3f}"
        f"{s.quiet:7.3f}{s.answered:7.3f}{s.calibration_error:7.3f}"
        for name, s in rows.items()
    ]
    return "\n".join([head, *lines])


def cut_table(rows: dict[str, Cuts]) -> str:
    lines: list[str] = []
    for name, found in rows.items():
        late = "" if found.words_late is None else f", {found.words_late:+.0f} words (median) from the marked moment"
        share = f"{found.in_time:.1%} of {found.deserving} in time, {found.false:.1%} of {found.undeserving} wrongly"
        lines.append(f"{name:26}{share}{late}")
        lines.append(f"{'':26}" + ", ".join(f"{kind} {share:.0%}" for kind, share in found.by_kind.items()))
    return "\n".join(lines)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--only", type=int, metavar="N", help="only N of the turns and N of the streams, for a quick look")
    parser.add_argument("--zero-shot", type=int, default=60, metavar="N", help="turns for the language model; 0 for none")
    parser.add_argument("--judge", nargs="+", default=["small"], metavar="NAME", help="small, llm [FILE.gguf] or sft FOLDER")
    parser.add_argument("--bars", action="store_true", help="the families by which bars are chosen, not those held out")
    parser.add_argument("--out", type=Path, metavar="DIR", help="write judge.json and judge.png there")


def main(args: argparse.Namespace, config: Config | None = None, say: Say | None = None) -> int:
    """Returns 0. Raises Cleans2sError for what a user can mend."""
    say = say or (lambda line: sys.stdout.write(f"{line}\n"))
    if args.only is not None and args.only < 1:
        raise ConfigError(f"--only {args.only}: expected 1 or more")
    parts = {"bars": for_bars()} if args.bars else held_out()
    families = frozenset[str]().union(*parts.values())
    chosen = [turn for turn in turns() if turn.family in families]
    listened = [stream for stream in streams() if stream.family in families]
    if args.only:
        chance = random.Random(1)
        chosen = chance.sample(chosen, min(args.only, len(chosen)))
        listened = chance.sample(listened, min(args.only, len(listened)))
    name = " ".join(args.judge)
    judge: Judge = stages.load(engine(args.judge))
    judged = judged_by(judge, [turn.situation for turn in chosen])
    rows = by_part(name, parts, scored, chosen, judged) | {"majority": scored(chosen, majority(chosen))}
    if args.zero_shot:
        sample = random.Random(2).sample(chosen, min(args.zero_shot, len(chosen)))
        llm: Judge = stages.load(engine(["llm"]))
        found = judged_by(llm, [turn.situation for turn in sample])
        rows["language model, untrained"] = scored(sample, found)
        say(f"the language model gave {sum(each.judged_by == 'llm' for each in found)} usable answers to {len(found)}")
        rows[f"{name}, the same turns"] = scored(sample, judged_by(judge, [turn.situation for turn in sample]))
    say(table(rows))
    moments = [cut_at(lambda heard: judged_by(judge, heard), stream) for stream in listened]
    cut_rows = by_part(name, parts, cuts, listened, moments)
    cut_rows[f"at {FIXED_SHARE:.0%} of the words"] = cuts(listened, fixed_share(listened))
    say(cut_table(cut_rows))
    took_ms = milliseconds(judge, [turn.situation for turn in random.Random(3).sample(chosen, min(200, len(chosen)))])
    say(f"{'a decision':26}" + ", ".join(f"{key.replace('_', ' ')} {value:.1f} ms" for key, value in took_ms.items()))
    where = circumstances(config or Config())
    say(f"{'measured':26}{where['machine']}, {where['date']}, commit {where['commit'] or 'unknown'}")
    if args.out:
        args.out.mkdir(parents=True, exist_ok=True)
        draw(rows[name], f"{len(chosen)} turns, macro-F1 {rows[name].macro_f1:.2f}", args.out / "judge.png")
        scores, listening = ({key: asdict(value) for key, value in each.items()} for each in (rows, cut_rows))
        result = {"turns": scores, "streams": listening, "decision_ms": took_ms, **where}
        (args.out / "judge.json").write_text(json.dumps(result, indent=1), "utf-8")
    return 0
