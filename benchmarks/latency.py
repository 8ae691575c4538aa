"""How fast the agent answers and how well it takes turns: real engines, real time, one conversation for each utterance.

Then sounds are played over its replies: interruptions, which should silence it at once, and backchannels, coughs and
typing, which should not. What got no answer is listed and counted, never left out.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import pickle
import platform
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import IO, Any, cast

import anyio
import numpy as np

from cleans2s import stages
from cleans2s.audio import RATE, Audio, silence
from cleans2s.config import Config
from cleans2s.errors import ConfigError
from cleans2s.events import Event
from cleans2s.recording import Recording
from cleans2s.stages import Chat, Engine
from cleans2s.talk import Moment, Talk, talk

from . import Answer, Overlap, measure_answer, measure_overlap, summary
from .utterances import ROOM, Say, Sound, Utterance, load_sounds, load_utterances, standard_set

REPLY_TOKENS = 24
"""Replies are cut here, about five seconds: the wait for the first sound is measured, not the rest."""

INTO_REPLY_S = 2.0
"""When the file of a sound over a reply begins to play, after the reply's first sound (half of it over
the language model's own replies, which may be short); it begins with some silence."""

IDLE_S = 10.0
STALLED_S = 60.0
"""A conversation in which nothing has happened for so long hangs, and is given up; longer than an engine may take."""

RECITED = (
    "Once there was an old sailor who lived in a little white house beside the harbour and counted every morning all "
    "the boats that went out to the sea."
)
"""One long sentence: a user who cuts in finds the agent speaking, not between two sentences."""


@dataclass(frozen=True)
class Reciter:
    """A language model that first recites something long, so that there is time to interrupt it; its opinions on the
    user's words are the real model's."""

    judge: Engine[Any]

    def load(self) -> LoadedReciter:
        judge = stages.load(self.judge)
        return JudgingReciter(judge) if isinstance(judge, stages.JudgesCompleteness) else LoadedReciter()


class LoadedReciter:
    async def reply(self, chat: Chat) -> AsyncIterator[str]:
        answered = any(message["role"] == "assistant" for message in chat)
        for word in ("All right." if answered else RECITED).split():
            yield f"{word} "


class JudgingReciter(LoadedReciter):
    def __init__(self, judge: stages.JudgesCompleteness) -> None:
        self.complete = judge.complete


# ── the conversations ───────────────────────────────────────────────────────────────────────────────────────────────


@dataclass
class Bench:
    """The conversations of one run, and what they cost."""

    config: Config
    say: Say
    recordings: Path | None = None
    cpu_s: float = 0.0
    lasted_s: float = 0.0

    @property
    def cpu(self) -> float:
        """CPU seconds of all engines for a second of conversation."""
        return round(self.cpu_s / max(self.lasted_s, 1e-9), 4)

    async def converse(self, name: str, sounds: list[Audio], config: Config, at: Moment | None = None) -> Talk | None:
        """One conversation; None if it hung."""
        began_s, talked = time.process_time(), None
        with anyio.CancelScope() as scope:

            def alive(_: Event) -> None:
                scope.deadline = anyio.current_time() + STALLED_S

            talked = await talk([sound.resampled(RATE) for sound in sounds], config, [at] if at else [], alive)
            self.cpu_s += time.process_time() - began_s
            self.lasted_s += talked.recording.user.duration_s
        if talked and self.recordings:
            talked.recording.save_wav(self.recordings / f"{name}.wav")
            talked.recording.save_events(self.recordings / f"{name}.jsonl")
        return talked

    async def answer(self, utterance: Utterance, name: str) -> Answer:
        """Every turn is answered, whatever the judge makes of it (prose read aloud: silence): this is about speed."""
        sound = Audio.from_file(utterance.path).resampled(RATE)
        if talked := await self.converse(name, [sound], dataclasses.replace(self.config, strategies=("standard",))):
            return measure_answer(utterance, talked.recording, talked.spoken_s[0] - sound.audible_span_s()[1])
        nothing = measure_answer(utterance, Recording(sound, Audio(silence(0)), []), 0.0)
        return dataclasses.replace(nothing, failed=[f"nothing happened for {STALLED_S:.0f} s"])

    async def overlap(self, question: Audio, sound: Sound, name: str, real: bool) -> Overlap:
        """Play a sound over the reply to a question: the language model's own, or a recited one."""
        config = self.config if real else dataclasses.replace(self.config, llm=Reciter(self.config.llm))
        moment = Moment(INTO_REPLY_S / 2 if real else INTO_REPLY_S, into_reply=True)
        # The question ends with its last word, because only a reply that begins after it counts for the moment.
        asked = Audio(question.samples[: round(question.audible_span_s()[1] * question.rate)], question.rate)
        talked = await self.converse(name, [asked, Audio.from_file(sound.path)], config, moment)
        if not talked:
            return Overlap(sound.kind, sound.text, False, False, False, None, None, "no reply to talk over")
        return measure_overlap(sound, talked.recording, talked.spoken_s[0] + 0.05)


async def idle_cpu(config: Config) -> float:
    """Share of one core that a session uses which hears a quiet room; the first conversation loads the engines."""
    room = np.random.default_rng(0).standard_normal(int(IDLE_S * RATE)).astype(np.float32) * ROOM
    for seconds in (0.5, IDLE_S):
        idle = Bench(config, say=str)
        await idle.converse("idle", [Audio(room[: int(seconds * RATE)])], config)
    return idle.cpu


async def run_all(bench: Bench, utterances: list[Utterance], sounds: list[Sound], repeat: int) -> dict[str, Any]:
    idle = await idle_cpu(bench.config)
    answers: list[Answer] = []
    for run in range(repeat):
        for number, utterance in enumerate(utterances, 1):
            answer = await bench.answer(utterance, f"{run + 1}-{number:03d}-{utterance.path.stem}")
            answers.append(answer)
            waited = answer.outcome if answer.voice_to_voice_ms is None else f"{answer.voice_to_voice_ms:.0f} ms"
            bench.say(f"{number:3}/{len(utterances)} {waited:>12}{' (pause cut)' * answer.pauses_cut}  {answer.heard}")
    cpu, overlaps = bench.cpu, list[Overlap]()
    questions = [Audio.from_file(sound.path) for sound in sounds if sound.kind == "question"]
    over = [(sound, False) for sound in sounds if sound.kind != "question"]
    over += [(sound, True) for sound, _ in over[:1]]  # once over the language model's own words
    for number, (sound, real) in enumerate(over, 1):
        overlap = await bench.overlap(questions[0], sound, f"over-{number:02d}", real)
        overlaps.append(overlap)
        bench.say(f"{number:3}/{len(over)} {_reaction(overlap):>22}  {overlap.kind}: {overlap.text} -> {overlap.heard}")
    return summary(answers, overlaps) | {"cpu": cpu, "idle_cpu": idle}


def _reaction(overlap: Overlap) -> str:
    if overlap.silent_ms is not None:
        return f"silent in {overlap.silent_ms:.0f} ms"
    went_on = "went on" if overlap.held_ms is None else f"held for {overlap.held_ms:.0f} ms"
    return went_on if overlap.over_reply else "not over a reply"


# ── this machine, fresh processes ───────────────────────────────────────────────────────────────────────────────────

READY = """
import anyio, pickle, sys
from cleans2s.session import Session
config = pickle.load(sys.stdin.buffer)
async def main():
    async with Session(config):
        sys.stdout.write("ready\\n")
        sys.stdout.flush()
anyio.run(main)
"""

IMPORT = "import sys, time; t = time.perf_counter(); import cleans2s; sys.stdout.write(str(time.perf_counter() - t))"


def ready_s(config: Config) -> float:
    """From the start of a process to a session that listens, weights in the cache."""
    began_s = time.perf_counter()
    with _fresh(READY) as child:
        stdin, stdout = cast("tuple[IO[bytes], IO[bytes]]", (child.stdin, child.stdout))
        with stdin:
            stdin.write(pickle.dumps(config))
        if stdout.readline().strip() != b"ready":
            raise ConfigError("a fresh process did not get ready to listen; its complaint stands above")
        return round(time.perf_counter() - began_s, 2)


def import_s() -> float:
    return round(float(np.median([float(_fresh(IMPORT).communicate()[0]) for _ in range(5)])), 3)


def _fresh(code: str) -> subprocess.Popen[bytes]:
    paths = [str(Path(stages.__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment, pipe = os.environ | {"PYTHONPATH": os.pathsep.join(paths)}, subprocess.PIPE
    return subprocess.Popen([sys.executable, "-c", code], stdin=pipe, stdout=pipe, env=environment)


def peak_rss_mb() -> float:
    if sys.platform == "win32":
        import psutil

        return round(psutil.Process().memory_info().peak_wset / 1e6, 1)
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6, 1)


def circumstances(config: Config) -> dict[str, Any]:
    """Where, when and with what it was measured."""
    cpu = platform.processor() or platform.machine()
    if (info := Path("/proc/cpuinfo")).exists():
        cpu = next((row.partition(":")[2].strip() for row in info.read_text().splitlines() if "model name" in row), cpu)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    git = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty"]
    try:
        commit = subprocess.run(git, capture_output=True, text=True, check=True, timeout=10).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        commit = None
    return {
        "machine": f"{cpu}, {cores} cores, {platform.system()}, Python {platform.python_version()}",
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "commit": commit,
        "models": {role: repr(getattr(config, role)) for role in ("vad", "endpoint", "asr", "llm", "tts")},
    }


# ── the report ──────────────────────────────────────────────────────────────────────────────────────────────────────


def table(result: dict[str, Any]) -> str:
    times = {"voice to voice": result["voice_to_voice_ms"]}
    times |= {f"  {name.replace('_', ' ')}": of_stage for name, of_stage in result["stages_ms"].items()}
    lines = [f"{'':24}{'p50':>10}{'p90':>10}{'max':>10}"]
    for name, values in (times | {"silent after barge-in": result["barge_in_ms"]}).items():
        shown = ("-" if value is None else f"{value:.0f} ms" for value in values.values())
        lines.append(f"{name:24}" + "".join(f"{value:>10}" for value in shown))

    def share(value: float | None) -> str:
        return "-" if value is None else f"{value:.1%}"

    total, trials = len(result["utterances"]), result["false_barge_in_trials"]
    silent = [*result["no_reply"], *result["spoken_over"]]
    facts = {
        "answered": f"{result['answered']} of {total}" + (f", not {', '.join(silent)}" if silent else ""),
        "judged not spoken to it": f"{len(result['judged_silent'])}: {', '.join(result['judged_silent'])}",
        "pauses cut": f"{share(result['pauses_cut'])} of {result['pauses']}; {result['early_ends']} other early ends",
        "word error rate": share(result["word_error_rate"]),
        "barge-ins missed": f"{len(result['barge_ins_missed'])} of {result['barge_ins']}",
        "false barge-ins": f"{result['false_barge_ins'] or 0} of {trials} ({result['ducked']} ducked)",
        "peak memory": f"{result['peak_rss_mb']:.0f} MB",
        "CPU": f"{share(result['cpu'])} of a core in conversation, {share(result['idle_cpu'])} idle",
        "ready to listen": f"{result['ready_s']:.1f} s; import cleans2s {result['import_s']:.2f} s",
        "measured": f"{result['machine']}, {result['date']}, commit {result['commit'] or 'unknown'}",
    }
    return "\n".join([*lines, *(f"{name:24}{value}" for name, value in facts.items())])


STAGE_COLOURS = {"voice": "#e6e6e6", "transcript": "#4c78a8", "opinions": "#72b7b2", "first_token": "#eeca3b"}
STAGE_COLOURS |= {"first_clause": "#f58518", "first_audio": "#e45756", "turn_end": "#b8b0ac", "reply": "#54a24b"}


def draw(result: dict[str, Any], target: Path) -> None:
    """latency.png: how long everybody waited, where that time went, and how soon the agent was silent."""
    from matplotlib.figure import Figure

    answered = [u for u in result["utterances"] if u["voice_to_voice_ms"] is not None]
    answered.sort(key=lambda u: u["voice_to_voice_ms"])
    waits = [u["voice_to_voice_ms"] for u in answered]
    heights = [4.0, 2.0 + 0.17 * len(answered)]
    figure = Figure(figsize=(13, sum(heights)), layout="constrained")
    grid = figure.add_gridspec(2, 2, height_ratios=heights, width_ratios=[2, 1])

    dots = figure.add_subplot(grid[0, 0], title="Voice to voice", ylabel="ms", xlabel="utterances, sorted")
    dots.plot(range(1, len(waits) + 1), waits, "o", color="#4c78a8", markersize=5)
    for target_ms in (250, 500, 1000):
        dots.axhline(target_ms, color="#b8b0ac", linestyle=":", zorder=0)
    for name in ("p50", "p90"):
        if (value := result["voice_to_voice_ms"][name]) is not None:
            dots.axhline(value, color="#e45756")
            dots.text(0.01, value, f"{name} {value:.0f} ms", va="bottom", transform=dots.get_yaxis_transform())
    dots.set_ylim(bottom=0)

    barge = figure.add_subplot(grid[0, 1], title="Silent after a barge-in", xlabel="ms")
    cut = [o for o in result["overlaps"] if o["kind"] == "barge-in" and o["silent_ms"] is not None and o["over_reply"]]
    barge.barh(range(len(cut)), [o["silent_ms"] for o in cut], color="#4c78a8")
    barge.set_yticks(range(len(cut)), [o["text"][:40] for o in cut], fontsize=7)
    barge.axvline(250, color="#b8b0ac", linestyle=":")
    barge.invert_yaxis()

    bars = figure.add_subplot(grid[1, :], title="Where the time goes, after the last audible sample", xlabel="ms")
    for row, utterance in enumerate(answered):
        before, detected = 0.0, utterance["speech_end_ms"]
        for stage, after_ms in sorted({"voice": 0.0, **utterance["stages_ms"]}.items(), key=lambda item: item[1]):
            until = detected + after_ms
            bars.barh(row, until - before, left=before, color=STAGE_COLOURS.get(stage, "#888888"), height=0.8)
            before = until
    bars.plot(waits, range(len(waits)), "k|", markersize=8)
    bars.set_yticks(range(len(answered)), [u["text"][:60] for u in answered], fontsize=7)
    for stage, colour in STAGE_COLOURS.items():
        bars.barh(0, 0, color=colour, label=stage.replace("_", " "))
    bars.legend(loc="lower right")
    figure.savefig(target, dpi=110)


# ── the command ─────────────────────────────────────────────────────────────────────────────────────────────────────


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--utterances", type=Path, metavar="DIR", help="your recordings, with a manifest.json")
    parser.add_argument("--out", type=Path, metavar="DIR", help="write latency.json and latency.png there")
    parser.add_argument("--repeat", type=int, default=1, metavar="N", help="say everything so many times")
    parser.add_argument("--only", type=int, metavar="N", help="only the first N utterances, for a quick look")
    parser.add_argument("--no-barge-in", action="store_true", help="do not speak over replies")
    parser.add_argument("--keep-recordings", action="store_true", help="keep every conversation in DIR/recordings")


def main(args: argparse.Namespace, config: Config | None = None, say: Say | None = None) -> int:
    """Returns 0, or 1 if no utterance was answered. Raises Cleans2sError for what a user can mend."""
    say = say or (lambda line: sys.stdout.write(f"{line}\n"))
    if args.repeat < 1 or (args.only is not None and args.only < 1):
        raise ConfigError(f"--repeat {args.repeat} --only {args.only}: expected 1 or more")
    if args.keep_recordings and not args.out:
        raise ConfigError("--keep-recordings needs --out DIR, where they are kept")
    recordings = args.out / "recordings" if args.keep_recordings else None
    if folder := recordings or args.out:
        folder.mkdir(parents=True, exist_ok=True)
    standard = None if args.utterances and args.no_barge_in else standard_set(say)
    utterances = load_utterances(args.utterances or standard)[: args.only]
    sounds = load_sounds(standard) if standard and not args.no_barge_in else []
    config = config or Config()
    if hasattr(config.llm, "max_tokens"):
        config = dataclasses.replace(config, llm=dataclasses.replace(config.llm, max_tokens=REPLY_TOKENS))
    fresh = {"ready_s": ready_s(config), "import_s": import_s()}
    result = anyio.run(run_all, Bench(config, say, recordings), utterances, sounds, args.repeat)
    result |= {"peak_rss_mb": peak_rss_mb(), **fresh, **circumstances(config)}
    say("\n" + table(result))
    if args.out:
        (args.out / "latency.json").write_text(json.dumps(result, indent=1, ensure_ascii=False), "utf-8")
        draw(result, args.out / "latency.png")
    return 0 if result["answered"] else 1
