"""Reference voices: short recordings whose timbre a voice such as CosyVoice takes on, and a judge of one's own.

    ref_audio/ref.json      [{"name": …, "ref_wav_path": "anna.flac", "prompt_text": "What is said in it.", …}, …]

    python -m cleans2s.references my_voice.wav "What I said in it."

prints a sentence for everything that would spoil the voice, and how to mend it. Without the words, the recogniser is not
asked, and only the sound is looked at.
"""

from __future__ import annotations

import difflib
import importlib.util
import json
import random
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np

from . import stages
from .audio import RATE, Audio, Samples
from .errors import AudioError, Cleans2sError, ConfigError
from .models import cache_folder
from .text import words_of

RANDOM = "random"
OWN = re.compile(r"own-[0-9a-f]{32}")
"""Names of clips that users brought (see `uploads`)."""

SHORTEST_S, LONGEST_S = 3.0, 30.0
"""CosyVoice takes no longer clip; a shorter one says too little about a voice."""

LOWEST_RATE = 16_000
SILENT_DB, QUIET_DB = -55.0, -36.0
"""Level of the speech, below which there is none, or its noise will be made louder with it."""

CLEAR_DB = 20.0
"""Speech above the noise in its pauses."""

EDGE_S, PAUSE_S = 1.0, 2.0
"""Most silence at either end, and between words."""

CLIPPED_PER_S = 2.0
"""Flattened peaks a second; a peak of an unclipped voice is flat for less than three samples."""

DIFFERENT = 0.3
"""Share of words (in Chinese, of syllables) heard otherwise, from which on the text is not what was said. whisper-base errs
in up to 6 % of our own clips' words and syllables."""

DIFFERENT_CHARACTERS = 0.6
"""The same for Chinese where pypinyin is not installed to tell the syllables: of the characters that whisper-base writes, 30
to 42 % are traditional ones or sound like the right ones."""

_FRAME_S = 0.02


@dataclass(frozen=True)
class Reference:
    name: str
    path: Path
    text: str = ""
    """What is said in it, word for word."""

    voice: str = ""
    language: str = ""
    licence: str = ""


def folder() -> Path:
    """`ref_audio` where the program was started, or of the source checkout."""
    here = Path("ref_audio")
    return here if here.is_dir() else Path(__file__).resolve().parents[1] / "ref_audio"


def own_folder() -> Path:
    """Where the clips of users are, in the cache."""
    return cache_folder().parent / "references"


def names() -> list[str]:
    """What anybody may choose: at random, and the clips of `ref.json`; nothing where there are none."""
    try:
        return [RANDOM, *load()]
    except ConfigError:
        return []


def is_public(name: str) -> bool:
    """Whether a client may name it: a clip of `ref.json`, or one that a user brought and who knows its name. A path is
    neither."""
    return name in names() or (OWN.fullmatch(name) is not None and (own_folder() / f"{name}.wav").is_file())


def load(where: str | Path = "") -> dict[str, Reference]:
    """The clips that `ref.json` lists, by name. It holds a list, or a table by name, of entries with `ref_wav_path` (from
    its own folder) and `prompt_text`. Raises ConfigError where it does not, or a clip is missing."""
    listing = Path(where or folder()) / "ref.json"
    try:
        raw: Any = json.loads(listing.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"{listing} cannot be read ({error}); expected a list of clips, each with ref_wav_path and prompt_text"
        ) from None
    try:
        entries: Any = [dict(entry, name=name) for name, entry in raw.items()] if hasattr(raw, "items") else raw
        found = [_reference(entry, listing.parent) for entry in entries]
    except (TypeError, KeyError, AttributeError):
        raise ConfigError(f"{listing}: expected every entry to have ref_wav_path and prompt_text, both text") from None
    for clip in found:
        if not clip.path.is_file():
            raise ConfigError(f"{listing} lists {clip.path.name}, which is not there; add it or take the entry out")
    return {clip.name: clip for clip in found}


def _reference(entry: Any, beside: Path) -> Reference:
    path = beside / entry["ref_wav_path"]
    told = {name: str(entry.get(name, "")) for name in ("voice", "language", "licence")}
    return Reference(entry.get("name", path.stem), path, entry["prompt_text"].strip(), **told)


def choose(name: str, where: str | Path = "") -> Reference:
    """A clip by its name, any of them ("random"), one that a user brought, or a file of one's own; a text file beside that,
    `clip.txt`, says what is said in it."""
    path = own_folder() / f"{name}.wav" if OWN.fullmatch(name) else Path(name).expanduser()
    if OWN.fullmatch(name) and not path.is_file():
        raise ConfigError("this clip of yours is not here any more: clips are kept for a day; upload it again")
    if path.suffix and path.is_file():
        words = path.with_suffix(".txt")
        return Reference(path.stem, path, words.read_text("utf-8").strip() if words.is_file() else "")
    clips = load(where)
    if name == RANDOM and clips:
        return random.choice(list(clips.values()))
    if name in clips:
        return clips[name]
    close = difflib.get_close_matches(name, clips, 1)
    hint = f"did you mean {close[0]!r}? " if close else ""
    raise ConfigError(f"no reference voice {name!r}: {hint}valid are {', '.join((RANDOM, *clips))}, or a sound file")


# ── the judge ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def usable(path: str | Path) -> Audio:
    """The sound of a clip. Raises AudioError for one that no voice can be made of: not sound, too short or long, silent."""
    audio, name = Audio.from_file(path), Path(path).name
    if audio.duration_s < SHORTEST_S:
        raise AudioError(f"{name} lasts {audio.duration_s:.1f} s; expected {_length()}: record more")
    if audio.duration_s > LONGEST_S:
        raise AudioError(f"{name} lasts {audio.duration_s:.1f} s; expected {_length()}: cut it")
    if _speech_db(_levels(audio)) < SILENT_DB:
        raise AudioError(f"{name} is silent; expected clear speech: look whether the microphone was on, and record again")
    return audio


def check(path: str | Path, text: str | None = None, asr: stages.ASR | None = None) -> list[str]:
    """What would spoil a voice made of this clip, a sentence each with the mend; empty if nothing. With `text`, also whether
    that is what the recogniser hears (by default Whisper, loaded when it is needed)."""
    try:
        audio = usable(path)
    except AudioError as error:
        return [str(error)]
    problems = [f"{Path(path).name} {problem}" for problem in _sound_problems(audio)]
    if text is not None and (problem := _text_problem(audio, text, asr)):
        problems.append(f"{Path(path).name} {problem}")
    return problems


def _length() -> str:
    return f"{SHORTEST_S:g} to {LONGEST_S:g} s, best 10 to 20 s"


def _levels(audio: Audio) -> Samples:
    """Of every 20 ms, in dB below full scale; digital silence is −100."""
    size = int(_FRAME_S * audio.rate)
    frames = audio.samples[: len(audio.samples) // size * size].reshape(-1, size)
    return 10 * np.log10(np.square(frames).mean(axis=1) + 1e-10)


def _speech_db(levels: Samples) -> float:
    """The loudest twentieth is speech, if there is any."""
    return float(np.percentile(levels, 95))


def _sound_problems(audio: Audio) -> list[str]:
    levels, problems = _levels(audio), list[str]()
    speech_db = _speech_db(levels)
    if audio.rate < LOWEST_RATE:
        problems.append(f"has a rate of {audio.rate} Hz, which is telephone quality; expected 16000 or more: record it anew")
    if speech_db < QUIET_DB:
        problems.append(
            f"is too quiet (speech at {speech_db:.0f} dB, expected above {QUIET_DB:g}): speak nearer to the microphone"
        )
    if (clipped := _flat_peaks(audio.samples) / audio.duration_s) > CLIPPED_PER_S:
        problems.append(f"is clipped ({clipped:.0f} flattened peaks a second): turn the microphone down and record again")
    heard = levels[levels > -90]  # digital silence, of a gate or an editor, tells nothing about the room
    if (clear_db := speech_db - float(np.percentile(heard, 5))) < CLEAR_DB:
        problems.append(f"is noisy (speech {clear_db:.0f} dB above the noise, expected {CLEAR_DB:g}): record in a quieter room")
    voiced = np.flatnonzero(levels > speech_db - 30)
    before_s, after_s = voiced[0] * _FRAME_S, (len(levels) - 1 - voiced[-1]) * _FRAME_S
    for silent_s, where in ((before_s, "begins"), (after_s, "ends")):
        if silent_s > EDGE_S:
            problems.append(f"{where} with {silent_s:.1f} s of silence; expected less than {EDGE_S:g} s: cut it off")
    if (pause_s := float(np.diff(voiced, append=voiced[-1]).max()) * _FRAME_S) > PAUSE_S:
        problems.append(f"has a pause of {pause_s:.1f} s; expected none above {PAUSE_S:g} s: cut it out")
    return problems


def _flat_peaks(samples: Samples) -> int:
    """Runs of three samples and more within a thousandth of the highest level, or of full scale."""
    at_top = np.abs(samples) >= 0.999 * np.abs(samples).max()
    edges = np.flatnonzero(np.diff(np.concatenate([[False], at_top, [False]]).astype(np.int8)))
    return int((np.diff(edges)[::2] >= 3).sum())


def _text_problem(audio: Audio, text: str, asr: stages.ASR | None) -> str:
    if not words_of(text):
        return "has an empty text; expected what is said in it, word for word: write it down"
    if asr is None:
        from .asr.whisper import Whisper

        asr = stages.load(Whisper(language=language_of(text)))
    heard = cast("stages.Transcript", asr.transcribe(audio.resampled(RATE))).text
    by_sound = text.isascii() or importlib.util.find_spec("pypinyin")
    if (rate := error_rate(text, heard)) <= (DIFFERENT if by_sound else DIFFERENT_CHARACTERS):
        return ""
    return f"does not say its text ({rate:.0%} of the words are different; heard was {heard!r}): correct the text or the clip"


def language_of(text: str) -> str:
    """As a recogniser is told it; "" if it had better find out."""
    return "zh" if re.search("[㐀-鿿]", text) else "en" if text and text.isascii() else ""


def error_rate(said: str, heard: str) -> float:
    """Words (in Chinese, syllables, or characters without pypinyin) to change, add or take away, as a share of those said."""
    before, words = _sounds(said), _sounds(heard)
    row = list(range(len(words) + 1))
    for i, one in enumerate(before, 1):
        above, row = row, [i]
        for j, other in enumerate(words, 1):
            row.append(min(above[j] + 1, row[j - 1] + 1, above[j - 1] + (one != other)))
    return row[-1] / max(1, len(before))


def _sounds(text: str) -> list[str]:
    """Chinese without its tones, because recognisers write what sounds alike, and some in traditional characters."""
    words = words_of(text)
    if text.isascii() or not importlib.util.find_spec("pypinyin"):
        return words
    lazy_pinyin: Any = stages.imported("pypinyin:lazy_pinyin")
    return [syllable for word in words for syllable in lazy_pinyin(word)]


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status 0 for a good clip, 1 for one with problems, 2 for a mistake."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if not arguments:
        sys.stderr.write("usage: python -m cleans2s.references FILE [WORDS]\n")
        return 2
    path, *words = arguments
    try:
        clips = load() if not words and (folder() / "ref.json").is_file() else {}
        listed = next((clip.text for clip in clips.values() if clip.path.resolve() == Path(path).resolve()), None)
        problems = check(path, " ".join(words) or listed)
    except Cleans2sError as error:
        sys.stderr.write(f"cleans2s: {error}\n")
        return 2
    sys.stdout.write("\n".join(problems or [f"{Path(path).name} is good"]) + "\n")
    return 1 if problems else 0


if __name__ == "__main__":
    raise SystemExit(main())
