"""Whether the Chinese voice can be understood: Kokoro says 30 sentences full of figures, Whisper writes down what it hears.
And how soon the agent of the profile `embedded-zh` answers, but for its language model (chinese_talk.py).

The error rate counts characters, after both sides are brought to one form: figures as they are read aloud, simplified
characters, no marks. What should be heard was written by hand (`said` in chinese.json), so that a figure read wrongly is
an error too.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import re
import sys
import time
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cleans2s import stages
from cleans2s.asr.whisper import Whisper
from cleans2s.audio import RATE, Audio, silence
from cleans2s.chinese import spoken
from cleans2s.config import Config
from cleans2s.errors import ConfigError, ModelError
from cleans2s.profiles import load
from cleans2s.tts.kokoro import Kokoro

from . import chinese_talk
from .latency import circumstances
from .utterances import LEAD_S, Say

SENTENCES = Path(__file__).with_name("chinese.json")

SAME_SOUND = str.maketrans("两幺她它", "二一他他")
"""Two ways to read 2 and 1, and three to write tā: nobody can hear which."""


@dataclass(frozen=True)
class Heard:
    """One sentence: as it was given to the voice, as it should sound, as it was understood."""

    text: str
    said: str
    heard: str
    cer: float
    first_sound_ms: float
    """Until the first piece of sound was there."""

    real_time: float
    """Seconds of work for a second of sound."""


def load_sentences(file: Path = SENTENCES) -> list[dict[str, str]]:
    return json.loads(file.read_text("utf-8"))


def one_form(text: str) -> str:
    """Figures read, simplified, without marks: what is left is what can be heard."""
    try:
        opencc = stages.imported("opencc")
    except ImportError:
        raise ModelError("comparing Chinese needs OpenCC: pip install opencc") from None
    text = re.sub(r"(?<=\d)\.(?=[0-5]\d分)", ":", opencc.OpenCC("t2s").convert(text))  # how Whisper writes 两点三十分
    plain = spoken(text).translate(SAME_SOUND).lower()
    return "".join(c for c in plain if unicodedata.category(c)[0] in "LN")


def character_error_rate(said: list[str], heard: list[str]) -> float:
    return float(stages.imported("jiwer").cer([one_form(s) for s in said], [one_form(h) for h in heard]))


def say_and_hear(sentence: dict[str, str], voice: Any, ear: Any) -> Heard:
    began_s, sounds, first_s = time.perf_counter(), list[Audio](), 0.0
    for sound in voice.speak(sentence["text"]):
        first_s = first_s or time.perf_counter() - began_s
        sounds.append(sound)
    took_s = time.perf_counter() - began_s
    rate = sounds[0].rate
    audio = Audio(np.concatenate([silence(LEAD_S, rate), *(sound.samples for sound in sounds)]), rate)
    heard = ear.transcribe(audio.resampled(RATE)).text
    cer = character_error_rate([sentence["said"]], [heard])
    return Heard(sentence["text"], sentence["said"], heard, cer, first_s * 1000, took_s / (audio.duration_s - LEAD_S))


def table(rows: list[Heard]) -> str:
    total = character_error_rate([row.said for row in rows], [row.heard for row in rows])
    first_ms, real_time = (np.median([getattr(row, name) for row in rows]) for name in ("first_sound_ms", "real_time"))
    lines = [f"{row.cer:7.1%}  {row.text}\n{'':9}{row.heard}" for row in sorted(rows, key=lambda row: -row.cer)]
    perfect = sum(not row.cer for row in rows)
    return "\n".join(
        [
            *lines,
            "",
            f"{'character error rate':24}{total:.1%} of {len(rows)} sentences, {perfect} without an error",
            f"{'first sound':24}{first_ms:.0f} ms (median)",
            f"{'work per second':24}{real_time:.2f} s (median)",
        ]
    )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--only", type=int, metavar="N", help="only the first N sentences and questions, for a quick look")
    parser.add_argument("--voice", metavar="NAME", help="another of Kokoro's voices, or a blend")
    parser.add_argument("--no-talk", action="store_true", help="only whether it is understood, not how soon it answers")
    parser.add_argument("--out", type=Path, metavar="DIR", help="write chinese.json there")


def main(args: argparse.Namespace, config: Config | None = None, say: Say | None = None) -> int:
    """Returns 0. Raises Cleans2sError for what a user can mend. Engines of `config` that speak and hear Chinese are taken
    from it."""
    say = say or (lambda line: sys.stdout.write(f"{line}\n"))
    if args.only is not None and args.only < 1:
        raise ConfigError(f"--only {args.only}: expected 1 or more")
    tts = config.tts if config and isinstance(config.tts, Kokoro) else Kokoro(language="zh")
    if args.voice:
        tts = dataclasses.replace(tts, voice=args.voice)
    config = dataclasses.replace(config or Config(), tts=tts, asr=Whisper(language="zh"))
    voice, ear = stages.load(config.tts), stages.load(config.asr)
    rows = [say_and_hear(sentence, voice, ear) for sentence in load_sentences()[: args.only]]
    say(table(rows))
    agent = dataclasses.replace(config, asr=load("embedded-zh").asr)
    talked = None if args.no_talk else chinese_talk.talk(agent, args.only, say)
    if talked:
        say("\n" + chinese_talk.table(talked))
    where = circumstances(config)
    say(f"{'measured':24}{where['machine']}, {where['date']}, commit {where['commit'] or 'unknown'}")
    if args.out:
        args.out.mkdir(parents=True, exist_ok=True)
        result = {"sentences": [dataclasses.asdict(row) for row in rows], "talk": talked, **where}
        (args.out / "chinese.json").write_text(json.dumps(result, indent=1, ensure_ascii=False), "utf-8")
    return 0
