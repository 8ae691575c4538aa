"""Conversations that are written down event by event, and what is to be found in their pictures."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from cleans2s import events as ev
from cleans2s.audio import Audio, silence
from cleans2s.recording import Recording

RATE = 16_000


def latency(reply_ms: float) -> ev.Latency:
    transcript, opinions, clause, audio = (share * reply_ms for share in (0.3, 0.5, 0.8, 0.9))
    return ev.Latency(transcript, opinions, clause - 20, clause, audio, opinions, reply_ms)


class Script:
    """Writes a conversation down: events in order of time, and both voices as noise."""

    def __init__(self, duration_s: float) -> None:
        self.user, self.agent = silence(duration_s), silence(duration_s)
        self.events: list[ev.Event] = []
        self._turn = 0

    @property
    def recording(self) -> Recording:
        return Recording(Audio(self.user), Audio(self.agent), sorted(self.events, key=lambda event: event.at_s))

    def sound(self, voice: np.ndarray, start_s: float, end_s: float) -> None:
        part = voice[int(start_s * RATE) : int(end_s * RATE)]
        time_s = np.arange(len(part)) / RATE
        syllables = np.abs(np.sin(2 * np.pi * 2.1 * time_s)) * (0.6 + 0.4 * np.sin(2 * np.pi * 0.7 * time_s + start_s))
        part[:] = np.random.default_rng(0).normal(0, 0.12, len(part)) * syllables

    def starts(self, start_s: float, end_s: float, overlap: bool = False) -> None:
        self.sound(self.user, start_s, end_s)
        self.events.append(ev.SpeechStarted(start_s + 0.064, start_s, overlap))

    def pauses(self, speech_end_s: float) -> None:
        self.events.append(ev.SoftEnd(speech_end_s + 0.064, speech_end_s))

    def ran(self, stage: Any, start_s: float, end_s: float, detail: str = "") -> None:
        self.events.append(ev.StageRan(end_s, stage, start_s, end_s, detail))

    def says(self, text: str, start_s: float, end_s: float, overlap: bool = False) -> None:
        """A turn that is taken as ended 250 ms after its speech."""
        self._turn += 1
        self.starts(start_s, end_s, overlap)
        for at_s in np.arange(start_s + 0.32, end_s, 0.32).tolist():
            self.ran("asr", at_s, at_s + 0.08)
        self.pauses(end_s)
        self.ran("asr", end_s + 0.064, end_s + 0.17, text)
        self.ran("endpoint", end_s + 0.07, end_s + 0.13, "0.9")
        self.ran("llm", end_s + 0.17, end_s + 0.25, "complete 0.9")
        self.events.append(ev.TurnEnded(end_s + 0.25, self._turn, start_s, end_s, text, 0.9))

    def replies(self, text: str, speech_end_s: float, start_s: float, end_s: float) -> None:
        self.ran("llm", speech_end_s + 0.25, start_s - 0.02)
        self.ran("tts", start_s - 0.12, start_s)
        self.events.append(ev.ReplyStarted(start_s, self._turn, latency((start_s - speech_end_s) * 1000)))
        self.events.append(ev.ReplyText(start_s, self._turn, text))
        self.sound(self.agent, start_s, end_s)

    def ends(self, heard: str, at_s: float, ending: Any = "finished") -> None:
        self.events.append(ev.ReplyEnded(at_s, self._turn, ending, heard))


def everything() -> Recording:
    """An answered turn; a turn with a pause; a backchannel; an interruption; a failure."""
    s = Script(29.0)
    s.says("What is the capital of France?", 0.4, 2.1)
    s.replies("The capital of France is Paris.", 2.1, 2.56, 4.6)
    s.ends("The capital of France is Paris.", 4.6)

    s.pauses(6.4)
    s.ran("asr", 6.46, 6.6)
    s.ran("llm", 6.6, 6.75)
    s.says("And how do I … make a cup of green tea?", 5.4, 8.6)
    s.user[int(6.4 * RATE) : int(7.2 * RATE)] = 0
    green = "You heat the water until it is almost boiling, and pour it over the leaves."
    s.replies(green, 8.6, 9.12, 17.0)
    s.agent[int(11.16 * RATE) : int(11.8 * RATE)] = 0
    s.agent[int(14.56 * RATE) :] = 0
    s.starts(11.1, 11.45, overlap=True)
    s.events += [ev.Ducked(11.164, 2), ev.Resumed(11.8, 2), ev.Ignored(11.78, 11.1, "Uh-huh.", "backchannel")]
    s.pauses(11.45)

    heard, unheard = "You heat the water until it is almost boiling,", "and pour it over the leaves."
    s.events += [ev.Ducked(14.564, 2), ev.Interrupted(15.2, 2, heard, unheard)]
    s.ends(heard, 15.201, "interrupted")
    s.says("Stop, I only have a microwave.", 14.5, 16.2, overlap=True)
    s.replies("Then heat the cup for two minutes.", 16.2, 16.83, 19.0)
    s.ends("Then heat the cup for two minutes.", 19.0)

    s.says("Thanks. Who invented it?", 20.3, 21.9)
    s.events.append(ev.Failed(22.4, "llm", "no answer within 20 s; the reply is given up"))
    s.replies("Sorry, I cannot think of an answer right now.", 21.9, 22.7, 25.2)
    s.ends("Sorry, I cannot think of an answer right now.", 25.2, "failed")
    s.starts(27.6, 29.0)
    s.events.append(ev.PartialTranscript(28.6, "Never mind", 0))
    return s.recording


def chat(turns: int, period_s: float, seed: int) -> Recording:
    """Long and short turns and replies, interruptions and failures, at random."""
    draw = random.Random(seed)
    asked = ["Yes.", "What is the capital of France?", "And how do I get from there to the sea, without changing? " * 3]
    answered = [
        "Sure!",
        "你可以坐九点的火车" * 6,
        "You can take the train at nine, or the coach, which is slow. " * 5,
    ]
    s = Script(turns * period_s + 3)
    for index in range(turns):
        start_s = 0.5 + index * period_s
        end_s = start_s + draw.uniform(0.2, 0.35) * period_s
        s.says(draw.choice(asked), start_s, end_s)
        if draw.random() < 0.1:
            continue
        reply_s, text = end_s + draw.uniform(0.3, 1.1), draw.choice(answered)
        over_s = max(reply_s + 0.1, start_s + draw.uniform(0.6, 0.95) * period_s)
        s.replies(text, end_s, reply_s, over_s)
        match draw.choice(["finished", "finished", "interrupted", "failed"]):
            case "interrupted":
                half = len(text) // 2
                s.events += [ev.Ducked(over_s - 0.2, index + 1)]
                s.events += [ev.Interrupted(over_s, index + 1, text[:half], text[half:])]
                s.ends(text[:half], over_s, "interrupted")
            case "failed":
                s.events.append(ev.Failed(over_s, draw.choice(["vad", "llm", "tts"]), "RuntimeError: no memory left"))
                s.ends(text, over_s, "failed")
            case _:
                s.ends(text, over_s)
    return s.recording


# ── looking at a picture ────────────────────────────────────────────────────────────────────────────────────────────


def labelled(figure: Any, label: str) -> list[Any]:
    found = [artist for axes in figure.axes for artist in axes.get_children() if artist.get_label() == label]
    assert found, f"nothing is labelled {label!r}"
    return found


def spans(figure: Any, label: str) -> list[Any]:
    """From and to second of every box with this label, in order."""
    paths = [path for boxes in labelled(figure, label) for path in boxes.get_paths()]
    return sorted((path.vertices[:, 0].min(), path.vertices[:, 0].max()) for path in paths)


def at(*pairs: tuple[float, float]) -> Any:
    return pytest.approx(np.array(pairs), abs=1e-6)


def moments(figure: Any, label: str) -> list[float]:
    return sorted(line.get_xdata()[0] for line in labelled(figure, label))


def texts(figure: Any) -> dict[str, Any]:
    return {text.get_text(): text for axes in figure.axes for text in axes.texts}


def lane(figure: Any, name: str) -> float:
    """Where the name of a lane stands, in the first row."""
    axis = figure.axes[0].yaxis
    places = zip(axis.get_ticklabels(), axis.get_ticklocs(), strict=True)
    return next(y for label, y in places if label.get_text() == name)


def boxes(figure: Any) -> Iterator[tuple[str, Any]]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    renderer = FigureCanvasAgg(figure).get_renderer()
    for axes in figure.axes:
        for text in axes.texts:
            yield text.get_text(), text.get_window_extent(renderer)
