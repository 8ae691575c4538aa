"""Measurements of the whole agent (`cleans2s bench latency`), and here: what the recording of a conversation shows.

All times are taken as a listener would take them: from the user's last audible sample to the agent's first (voice to
voice), from the user's first audible sample over a reply to the agent's last (barge-in). Only the stages come from the
session's own events.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from cleans2s.audio import Audio
from cleans2s.events import (
    Ducked,
    Failed,
    Ignored,
    Interrupted,
    Judged,
    Latency,
    ReplyEnded,
    ReplyStarted,
    Resumed,
    TurnEnded,
)
from cleans2s.recording import Recording
from cleans2s.strategies import Strategies
from cleans2s.text import words_of

from .utterances import FLOOR, Sound, Utterance

EARLY_S = 0.15
"""A turn that ends so little before the last audible sample was not cut: a sound's decay is audible after its end."""

GRACE_S = 0.3
"""An end so soon after a pause is an answer to the pause: the new speech had not been noticed."""


@dataclass(frozen=True)
class Answer:
    """How one utterance was answered; `pauses_cut` of `pauses` were taken for the end, and `early_ends` more turns
    ended before the user's last word. `speech_end_ms` is where the session saw that word end, after it really did."""

    file: str
    source: str
    text: str
    heard: str
    outcome: Literal["answered", "no_reply", "spoken_over"]
    voice_to_voice_ms: float | None
    speech_end_ms: float | None
    stages_ms: dict[str, float]
    pauses: int
    pauses_cut: int
    early_ends: int
    failed: list[str] = field(default_factory=list[str])
    judged: str = ""
    """The strategy that the judge would have chosen for the last of it, where every turn is answered all the same."""


@dataclass(frozen=True)
class Overlap:
    """What a sound over a reply did: `silent_ms` after its first audible sample the agent was silent, `held_ms` is how
    long the reply was held before it went on."""

    kind: str
    text: str
    over_reply: bool
    ducked: bool
    interrupted: bool
    silent_ms: float | None
    held_ms: float | None
    heard: str


def audible_s(audio: Audio, from_s: float, until_s: float = float("inf")) -> tuple[float, float] | None:
    """When the first audible sample after a moment begins and the last one before another ends; None without any."""
    start = max(0, round(from_s * audio.rate))
    end = len(audio.samples) if until_s == float("inf") else max(start, round(until_s * audio.rate))
    loud = np.flatnonzero(np.abs(audio.samples[start:end]) > FLOOR)
    return ((start + int(loud[0])) / audio.rate, (start + int(loud[-1]) + 1) / audio.rate) if loud.size else None


def measure_answer(utterance: Utterance, recording: Recording, begins_s: float) -> Answer:
    """`begins_s` is when the utterance's file began to play, in seconds of the recording."""
    end_s = begins_s + utterance.speech_end_s
    pauses = [(begins_s + start, begins_s + stop) for start, stop in utterance.pauses]
    ended = [event for event in recording.events if isinstance(event, TurnEnded)]
    started = {event.turn: event for event in recording.events if isinstance(event, ReplyStarted)}
    final = next((turn for turn in ended if turn.at_s >= end_s - EARLY_S and turn.turn in started), None)
    reply = started[final.turn] if final else None
    first = audible_s(recording.agent, reply.at_s) if reply else None
    latency = dataclasses.asdict(reply.latency) if reply else {}
    early = [turn.at_s for turn in ended if turn.at_s < end_s - EARLY_S]
    cut = [
        any(start <= at_s <= stop + GRACE_S for at_s in early) or audible_s(recording.agent, start, stop) is not None
        for start, stop in pauses
    ]
    in_pauses = [at_s for at_s in early if any(start <= at_s <= stop + GRACE_S for start, stop in pauses)]
    return Answer(
        utterance.path.name,
        utterance.source,
        utterance.text,
        " ".join(turn.text for turn in ended if turn.text),
        "answered" if first else "spoken_over" if started else "no_reply",
        _ms(first[0] - end_s) if first else None,
        _ms(final.speech_end_s - end_s) if final else None,
        {name.removesuffix("_ms"): value for name, value in latency.items() if value is not None},
        len(pauses),
        sum(cut),
        len(early) - len(in_pauses),
        [f"{event.stage}: {event.error}" for event in recording.events if isinstance(event, Failed)],
        next((Strategies().choose(e.probabilities).name for e in reversed(recording.events) if isinstance(e, Judged)), ""),
    )


def measure_overlap(sound: Sound, recording: Recording, after_s: float) -> Overlap:
    """`after_s` lies between the user's question and the sound over the reply to it."""
    onset = audible_s(recording.user, after_s)
    onset_s = onset[0] if onset else after_s
    later = [event for event in recording.events if event.at_s >= onset_s]
    interrupted = next((event.at_s for event in later if isinstance(event, Interrupted)), None)
    spoken = audible_s(recording.agent, onset_s, interrupted + 0.01) if interrupted is not None else None
    ducks = [event.at_s for event in later if isinstance(event, Ducked)]
    resumes = [event.at_s for event in later if isinstance(event, Resumed)]
    taken = [e.text for e in later if isinstance(e, TurnEnded)] + [
        f"{e.text} [{e.reason}]" for e in later if isinstance(e, Ignored)
    ]
    over = next((event.at_s for event in recording.events if isinstance(event, ReplyEnded)), 0.0)
    return Overlap(
        sound.kind,
        sound.text,
        over >= onset_s,
        bool(ducks),
        interrupted is not None,
        None if interrupted is None else _ms(spoken[1] - onset_s) if spoken else 0.0,
        _ms(sum(back - duck for duck, back in zip(ducks, resumes, strict=False))) if resumes else None,
        " / ".join(taken),
    )


def percentiles(values: Sequence[float | None]) -> dict[str, float | None]:
    """p50, p90 and max of what there is, in its unit; all None of nothing."""
    known = [value for value in values if value is not None]
    if not known:
        return {"p50": None, "p90": None, "max": None}
    p50, p90 = np.percentile(known, [50, 90])
    return {"p50": round(float(p50), 1), "p90": round(float(p90), 1), "max": round(max(known), 1)}


ONES = words_of(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen"
)
TENS = words_of("zero ten twenty thirty forty fifty sixty seventy eighty ninety")
SPELLINGS = {"mr": "mister", "mrs": "missus", "dr": "doctor", "ok": "okay"}


def normalised(text: str) -> str:
    """For the word error rate: lower case, no punctuation, whole numbers below a thousand in words."""
    return " ".join(_in_words(int(w)) if w.isdecimal() and len(w) <= 3 else SPELLINGS.get(w, w) for w in words_of(text))


def _in_words(number: int) -> str:
    if number < 20:
        return ONES[number]
    if number < 100:
        return TENS[number // 10] + (f" {ONES[number % 10]}" if number % 10 else "")
    return f"{ONES[number // 100]} hundred" + (f" {_in_words(number % 100)}" if number % 100 else "")


def word_error_rate(pairs: Sequence[tuple[str, str]]) -> float | None:
    """Of (said, heard), errors of all by words of all; None where nothing was said."""
    import jiwer

    said, heard = [normalised(a) for a, _ in pairs], [normalised(b) for _, b in pairs]
    return round(float(jiwer.wer(said, heard)), 4) if said else None


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 1)


def summary(answers: list[Answer], overlaps: list[Overlap]) -> dict[str, Any]:
    """The numbers of a run. Null where nothing was measured."""
    names = [field.name.removesuffix("_ms") for field in dataclasses.fields(Latency)]
    tried = [overlap for overlap in overlaps if overlap.over_reply]
    barge_ins = [overlap for overlap in tried if overlap.kind == "barge-in"]
    others = [overlap for overlap in tried if overlap.kind != "barge-in"]
    pauses = sum(answer.pauses for answer in answers)
    barge_in = percentiles([overlap.silent_ms for overlap in barge_ins])
    return {
        "voice_to_voice_ms": percentiles([answer.voice_to_voice_ms for answer in answers]),
        "stages_ms": {name: percentiles([answer.stages_ms.get(name) for answer in answers]) for name in names},
        "pauses_cut": round(sum(answer.pauses_cut for answer in answers) / pauses, 4) if pauses else None,
        "pauses": pauses,
        "early_ends": sum(answer.early_ends for answer in answers),
        "word_error_rate": word_error_rate([(answer.text, answer.heard) for answer in answers]),
        "answered": sum(answer.outcome == "answered" for answer in answers),
        "no_reply": [answer.file for answer in answers if answer.outcome == "no_reply"],
        "spoken_over": [answer.file for answer in answers if answer.outcome == "spoken_over"],
        "judged_silent": [answer.file for answer in answers if answer.judged == "silence"],
        "barge_in_ms": barge_in,
        "barge_ins": len(barge_ins),
        "barge_ins_missed": [overlap.text for overlap in barge_ins if not overlap.interrupted],
        "false_barge_ins": sum(overlap.interrupted for overlap in others) if others else None,
        "false_barge_in_trials": len(others),
        "ducked": sum(overlap.ducked for overlap in others),
        "by_source": {
            source: {
                "voice_to_voice_ms": percentiles([a.voice_to_voice_ms for a in answers if a.source == source]),
                "word_error_rate": word_error_rate([(a.text, a.heard) for a in answers if a.source == source]),
            }
            for source in sorted({answer.source for answer in answers})
        },
        "utterances": [dataclasses.asdict(answer) for answer in answers],
        "overlaps": [dataclasses.asdict(overlap) for overlap in overlaps],
    }
