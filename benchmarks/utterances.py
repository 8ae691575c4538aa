"""What is said to the agent in the benchmark: a folder of recordings with a `manifest.json`, yours or the standard set.

The standard set is built once in the cache folder from `sentences.json`: Kokoro's voices (never the agent's own), the
LibriVox clips of Debian's pocketsphinx-testdata, and sentences cut from a reading of A Tale of Two Cities. Beside it
lie the sounds that are played over a reply: interruptions, backchannels, coughs and typing.

    [{"file": "one.wav", "text": "What time is it?", "speech_end_s": 1.42, "pauses": [[0.51, 1.13]]}, …]
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cleans2s.audio import Audio, Samples, silence
from cleans2s.catalogue import File, Model, Part, Wheel
from cleans2s.errors import Cleans2sError, ModelError
from cleans2s.models import cache_folder, path

Say = Callable[[str], object]
Voices = Callable[[str, str], Samples]  # text and voice to sound at RATE

RATE = 24_000
"""Hz of the standard set; Kokoro's own."""

FLOOR = 0.01
"""−40 dBFS; what is louder is audible."""

ROOM = 0.0005
"""RMS of the room in a synthesised recording, −66 dBFS."""

LEAD_S, TAIL_S = 0.3, 1.5
"""Room before and after what is said, so that neither the beginning nor the end of speech is a switch to zeros."""

PAUSE_S = 0.5
"""A silence inside a turn is a pause that counts from here on."""

REAL_PEAK = 0.2
"""Real clips are set to this peak: the noise of their rooms is then below FLOOR."""

REVISION = 2
"""Counted up when `build` makes something else of the same sentences."""

SENTENCES = Path(__file__).with_name("sentences.json")

_MOONSHINE, _MEMBER = Wheel("moonshine-voice", "0.1.5", 19_897_307), "moonshine_voice/assets/two_cities.wav"
_TWO_CITIES_SHA256 = "f3348494d77cb74a02862f5e685ed09faf3e75832c5cc5c80703282c2cd8b52e"

TWO_CITIES = Model(
    name="two-cities",
    role="asr",
    licence="MIT",
    source="moonshine-ai/moonshine",
    revision="0.1.5",
    files=(File("two_cities.wav", 4_260_326, _TWO_CITIES_SHA256, (Part(_MOONSHINE, _MEMBER),)),),
)


class ManifestError(Cleans2sError, ValueError):
    """A folder of utterances that cannot be used."""


@dataclass(frozen=True)
class Utterance:
    """One turn of a user; times are seconds of its file. `speech_end_s` is the end of the last audible sample."""

    path: Path
    text: str
    speech_end_s: float
    pauses: tuple[tuple[float, float], ...] = ()
    source: str = ""


@dataclass(frozen=True)
class Sound:
    """What is played over a reply; `kind` is question (asks for that reply), barge-in, backchannel, cough or typing."""

    path: Path
    text: str
    kind: str


# ── manifests ───────────────────────────────────────────────────────────────────────────────────────────────────────


def load_utterances(folder: str | Path) -> list[Utterance]:
    """The utterances of a folder, in the manifest's order. Raises ManifestError, which names the entry and the mend."""
    entries = _entries(Path(folder), "manifest.json")
    return [_utterance(Path(folder), entry, f"manifest.json, entry {n}") for n, entry in enumerate(entries, 1)]


def load_sounds(folder: Path) -> list[Sound]:
    return [Sound(folder / s["file"], s["text"], s["kind"]) for s in _entries(folder, "sounds.json")]


def _entries(folder: Path, name: str) -> list[Any]:
    expected = 'a list of {"file": …, "text": …, "speech_end_s": …, "pauses": [[start, end], …]}'
    try:
        entries: Any = json.loads((folder / name).read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ManifestError(f"{folder / name} cannot be read ({error}); expected {expected}") from None
    if not isinstance(entries, list) or not entries:
        raise ManifestError(f"{folder / name} holds no list of utterances; expected {expected}")
    return entries


def _utterance(folder: Path, entry: Any, where: str) -> Utterance:
    if not isinstance(entry, dict):
        raise ManifestError(f"{where} is {entry!r}: expected an object with file, text, speech_end_s and pauses")
    for key, fits, what in (
        ("file", _is_text, "a file name"),
        ("text", _is_text, "the words that are said"),
        ("speech_end_s", _is_seconds, "the end of the last audible sample, in seconds"),
    ):
        if not fits(value := entry.get(key)):
            found = f"{key} = {value!r}" if key in entry else f"no {key!r}"
            raise ManifestError(f"{where}: {found}; expected {what}")
    file, end_s = folder / entry["file"], float(entry["speech_end_s"])
    duration_s = Audio.from_file(file).duration_s
    if not 0 < end_s <= duration_s + 0.001:
        raise ManifestError(f"{where}: speech_end_s = {end_s}: {entry['file']} is {duration_s:.3f} s long")
    pauses: Any = entry.get("pauses", [])
    begin_s = 0.0
    for pause in pauses if isinstance(pauses, list) else [pauses]:
        fits = isinstance(pause, list) and len(pause) == 2 and all(map(_is_seconds, pause))
        if not (fits and begin_s <= pause[0] < pause[1] <= end_s):
            raise ManifestError(f"{where}: pause {pause!r}: expected [start, end], in order, before {end_s} s")
        begin_s = pause[1]
    spans = tuple((float(start), float(end)) for start, end in pauses)
    return Utterance(file, entry["text"], end_s, spans, str(entry.get("source", "")))


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _is_seconds(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and bool(np.isfinite(value))


# ── the standard set ────────────────────────────────────────────────────────────────────────────────────────────────


def standard_set(say: Say) -> Path:
    """The folder of the standard set, built if need be: two or three minutes, once."""
    import filelock

    version = hashlib.sha256(SENTENCES.read_bytes() + bytes([REVISION])).hexdigest()[:8]
    folder = cache_folder().parent / "bench" / f"utterances-{version}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    lock: Any = filelock.FileLock(folder.parent / f".{folder.name}.lock")
    with lock:
        if not folder.exists():
            say(f"building the standard utterances in {folder} (once, a few minutes)")
            # In a process of its own: the voices would count in the agent's peak memory.
            with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as worker:
                worker.submit(build, folder).result()
    if (lacking := folder / "lacking.txt").exists():
        say(lacking.read_text("utf-8").rstrip() + f"\n(delete {folder} to try again)")
    return folder


def build(folder: Path) -> None:
    """Write the standard set; what cannot be had of the real clips is named in `lacking.txt`."""
    sentences = json.loads(SENTENCES.read_text("utf-8"))
    staging = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        voices = _voices()
        manifest: list[dict[str, Any]] = []
        lacking: list[str] = []

        def add(name: str, samples: Samples, text: str, source: str, pauses: bool, room: float = ROOM) -> None:
            audio = Audio(in_room(samples, room, len(manifest)), RATE)
            audio.save(staging / name)
            end_s, spans = round(audio.audible_span_s(FLOOR)[1], 4), quiet_spans(audio.samples, RATE) if pauses else []
            times = {"speech_end_s": end_s, "pauses": np.round(spans, 4).tolist()}
            manifest.append({"file": name, "text": text, **times, "source": source})

        for number, row in enumerate(sentences["utterances"]):
            name = f"{number:02d}-{row['voice']}.wav"  # a silence between two sentences is no pause in one
            add(name, _said(voices, row), row["text"], row["voice"], "pause_s" in row)
        for source, clips in (("two-cities", _two_cities), ("librivox", _librivox)):
            try:
                for number, (samples, text) in enumerate(clips(sentences)):
                    add(f"{source}-{number}.wav", samples, text, source, True, _room_of(samples))
            except (ModelError, OSError, subprocess.SubprocessError) as error:
                lacking.append(f"without the {source} clips: {error}")
        sounds = _write_sounds(staging, sentences["sounds"], voices)
        for name, content in (("manifest.json", manifest), ("sounds.json", sounds)):
            (staging / name).write_text(json.dumps(content, indent=1), "utf-8")
        if lacking:
            (staging / "lacking.txt").write_text("\n".join(lacking), "utf-8")
        os.replace(staging, folder)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def in_room(samples: Samples, room: float, seed: int) -> Samples:
    """With a moment of the room before and after, and its faint noise under everything."""
    padded = np.concatenate([silence(LEAD_S, RATE), samples, silence(TAIL_S, RATE)])
    noise = np.random.default_rng(seed).standard_normal(len(padded)).astype(np.float32) * room
    if room > ROOM:  # the clip has its own
        noise[round(LEAD_S * RATE) : -round(TAIL_S * RATE)] = 0
    return padded + noise


def quiet_spans(samples: Samples, rate: int, least_s: float = PAUSE_S) -> list[tuple[float, float]]:
    """Where nothing is audible for at least so long, between two audible samples: seconds of the last and the next."""
    loud = np.flatnonzero(np.abs(samples) > FLOOR)
    gaps = np.flatnonzero(np.diff(loud) >= (least_s - 0.01) * rate)
    return [((int(loud[gap]) + 1) / rate, int(loud[gap + 1]) / rate) for gap in gaps]


def with_pause(left: Samples, right: Samples, pause_s: float, rate: int) -> Samples:
    """Two parts of a sentence with `pause_s` between the last audible sample of the one and the first of the other.
    What is fainter than that (the decay of a sound, a breath) is kept as far as it fits, and fades."""
    end, begin = Audio(left, rate).audible_span_s(FLOOR)[1], Audio(right, rate).audible_span_s(FLOOR)[0]
    cut, gap = round(end * rate), round(pause_s * rate)
    tail, head = left[cut:][: gap // 2], right[: round(begin * rate)][-(gap // 2) :]
    faded = [tail * np.linspace(1, 0, len(tail)), head * np.linspace(0, 1, len(head))]
    between = np.concatenate([faded[0], np.zeros(gap - len(tail) - len(head)), faded[1]])
    return np.concatenate([left[:cut], between, right[round(begin * rate) :]]).astype(np.float32)


def quietest(samples: Samples, rate: int, near_s: float, within_s: float = 0.08) -> int:
    """The sample at the energy minimum of 20 ms near a moment: a word boundary, where one is expected."""
    width = rate // 50
    energy = np.convolve(np.square(samples), np.ones(width), "same")
    start = max(0, round((near_s - within_s) * rate))
    return start + int(energy[start : round((near_s + within_s) * rate)].argmin())


def _voices() -> Voices:
    from kokoro_onnx import Kokoro

    from cleans2s.onnx import session

    folder = path("kokoro-v1-int8")
    kokoro = Kokoro.from_session(session(folder / "kokoro-v1.0.int8.onnx", 2), str(folder / "voices_ja.npz"))

    def speak(text: str, voice: str) -> Samples:
        samples, rate = kokoro.create(text, voice=voice, lang="en-us", trim=False)
        assert rate == RATE
        return np.asarray(samples, np.float32).ravel()

    return speak


def _said(voices: Voices, row: dict[str, Any]) -> Samples:
    """A sentence of the list, with its thinking pause: put between two halves, or into the whole at `cut_s`."""
    if "halves" in row:
        halves = [_levelled(voices(half, row["voice"])) for half in row["halves"]]
        return with_pause(*halves, row["pause_s"], RATE)
    whole = _levelled(voices(row["text"], row["voice"]))
    if "pause_s" not in row:
        return whole
    cut = quietest(whole, RATE, row["cut_s"])
    return with_pause(whole[:cut], whole[cut:], row["pause_s"], RATE)


def _levelled(samples: Samples, peak: float = 0.5) -> Samples:
    return samples * np.float32(peak / max(float(np.abs(samples).max()), 1e-6))


def _room_of(samples: Samples) -> float:
    """RMS of a real clip's own noise: that of its quietest twentieth."""
    frames = samples[: len(samples) // 240 * 240].reshape(-1, 240)
    return float(np.percentile(np.sqrt(np.square(frames).mean(axis=1)), 5))


def _two_cities(sentences: dict[str, Any]) -> Iterator[tuple[Samples, str]]:
    reading = Audio.from_file(path(TWO_CITIES) / "two_cities.wav").resampled(RATE).samples
    for row in sentences["two_cities"]:
        yield _levelled(reading[round(row["start_s"] * RATE) : round(row["end_s"] * RATE)], REAL_PEAK), row["text"]


def _librivox(sentences: dict[str, Any]) -> Iterator[tuple[Samples, str]]:
    for tool in ("apt-get", "dpkg-deb"):
        if not shutil.which(tool):
            raise OSError(f"they come from Debian's pocketsphinx-testdata, and there is no {tool} here")
    with tempfile.TemporaryDirectory() as temporary:
        for command in (["apt-get", "download", "pocketsphinx-testdata"], ["dpkg-deb", "-x", "{deb}", "."]):
            deb = next((str(file) for file in Path(temporary).glob("*.deb")), "")
            ran = [part.format(deb=deb) for part in command]
            subprocess.run(ran, cwd=temporary, check=True, capture_output=True, timeout=180)
        folder = Path(temporary, "usr/share/pocketsphinx/test/data/librivox")
        for line in (folder / "transcription").read_text("utf-8").splitlines():
            words, _, name = line.partition("</s>")
            text = words.removeprefix("<s>").strip().replace("more a amiable", "more amiable")  # a slip of the list
            clip = Audio.from_file(folder / f"{name.strip(' ()')}.wav").resampled(RATE)
            yield _levelled(clip.samples, REAL_PEAK), text


# ── sounds over a reply ─────────────────────────────────────────────────────────────────────────────────────────────


def _write_sounds(folder: Path, rows: list[dict[str, Any]], voices: Voices) -> list[dict[str, str]]:
    sounds: list[dict[str, str]] = []

    def add(kind: str, samples: Samples, text: str) -> None:
        name = f"over-{len(sounds):02d}-{kind}.wav"
        Audio(in_room(samples, ROOM, 1000 + len(sounds)), RATE).save(folder / name)
        sounds.append({"file": name, "text": text, "kind": kind})

    for row in rows:
        add(row["kind"], _levelled(voices(row["text"], row["voice"])), f"{row['text']} ({row['voice']})")
    for seed, bursts_s in enumerate(((0.15,), (0.2, 0.15), (0.3,), (0.25, 0.2))):
        add("cough", cough(bursts_s, seed), f"cough of {len(bursts_s)}")
    for seed in range(2):
        add("typing", typing(1.5, seed), f"typing {seed + 1}")
    return sounds


def cough(bursts_s: tuple[float, ...], seed: int) -> Samples:
    """Bursts of noise through a throat (400 to 3,000 Hz), sudden and then decaying; odd seeds end with some voice."""
    rng = np.random.default_rng(seed)
    parts: list[Samples] = []
    for seconds in bursts_s:
        at_s = np.arange(count := round(seconds * RATE)) / RATE
        throat = np.exp(-(np.log(np.maximum(np.fft.rfftfreq(count, 1 / RATE), 1) / 1100) ** 2))
        voice = (np.cumsum(260 - 120 * at_s / seconds) / RATE % 1 < 0.1) * 6.0 * (at_s > seconds / 3) * (seed % 2)
        noise = np.fft.irfft(np.fft.rfft(rng.standard_normal(count) + voice) * throat, count)
        burst = (noise * np.minimum(1, at_s / 0.008) * np.exp(-at_s / (0.35 * seconds))).astype(np.float32)
        parts += [_levelled(burst, 0.4), silence(0.12, RATE)]
    return np.concatenate(parts)


def typing(seconds: float, seed: int) -> Samples:
    """Keys, about eight a second: each a click of some milliseconds, down and up."""
    rng = np.random.default_rng(100 + seed)
    track = silence(seconds, RATE)
    for start_s in np.cumsum(rng.uniform(0.07, 0.2, int(seconds * 8))):
        for offset_s, peak in ((0.0, rng.uniform(0.08, 0.25)), (0.06, 0.05)):
            click = rng.standard_normal(RATE // 80) * np.exp(-np.arange(RATE // 80) / (0.002 * RATE))
            at = round((start_s + offset_s) * RATE)
            room = track[at : at + len(click)]
            room += (click * peak / np.abs(click).max())[: len(room)].astype(np.float32)
    return track
