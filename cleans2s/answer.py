"""The whole agent in one call, for scripts and notebooks."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from html import escape
from pathlib import Path

from .audio import Audio
from .config import Config
from .errors import AudioError, StageError
from .events import Event, Failed, Judged, Latency, ReplyEnded, ReplyStarted, Source, Sources, TurnEnded
from .running import run
from .talk import Talk, heard_speech, talk
from .text import joined
from .timeline import Timeline


@dataclass
class Answer:
    """What the agent said to a recorded question. In a notebook it shows itself: text, sound and timeline."""

    question: str
    """The words as they were understood."""

    text: str
    """ "" where the agent chose to say nothing; see `judged`."""

    audio: Audio = field(repr=False)
    """What was heard of the agent, without the wait before it."""

    latency: Latency
    timeline: Timeline = field(repr=False)
    events: list[Event] = field(repr=False)

    @property
    def judged(self) -> Judged | None:
        """How the (last) turn was answered, and why."""
        return next((event for event in reversed(self.events) if isinstance(event, Judged)), None)

    @property
    def sources(self) -> list[Source]:
        """What the (last) answer is grounded on; see `Config.documents` and `Config.web`."""
        return next((event.sources for event in reversed(self.events) if isinstance(event, Sources)), list[Source]())

    def _repr_html_(self) -> str:
        parts = [f"<p><b>{escape(self.question)}</b></p>", f"<p>{escape(self.text) or '<i>(silence)</i>'}</p>"]
        if self.text:
            parts.append(self.audio._repr_html_())  # pyright: ignore[reportPrivateUsage]
        if self.judged:
            parts.append(f"<p><small>{escape(self.judged.strategy)}: {escape(self.judged.reason)}</small></p>")
        for source in self.sources:
            if source["cited"]:
                place = escape(f"{source['title']} ({source['url'] or source['file']})")
                parts.append(f"<p><small>[{source['number']}] {place}</small></p>")
        return "".join([*parts, self.timeline.html()])


def ask(question: str | Path | Audio, config: Config | None = None) -> Answer:
    """Play a recording to the agent as a microphone would, in real time, and return its answer.

    Raises AudioError if there is no speech in it and StageError if an engine failed. Works inside a running event loop
    (a notebook) as well.
    """
    sound = question if isinstance(question, Audio) else Audio.from_file(question)
    return answer_of(run(lambda: talk([sound], config)), sound)


def answer_of(talked: Talk, sound: Audio) -> Answer:
    """The last answer of a talk."""
    events = talked.recording.events
    if not heard_speech(talked):
        raise AudioError(
            f"heard no speech in {sound.duration_s:.1f} s of sound (peak {sound.peak:.3f} of full scale); "
            "expected a voice: check the microphone and its level"
        )
    if failures := [event for event in events if isinstance(event, Failed) and event.stage in ("vad", "asr", "llm", "tts")]:
        raise StageError(failures[-1].stage, failures[-1].error)
    starts = [event for event in events if isinstance(event, ReplyStarted)]
    if not starts and not any(isinstance(event, Judged) for event in events):
        raise AudioError("heard a sound but no words in it, so there is nothing to answer; speak closer or louder")
    agent = talked.recording.agent
    first = starts[0].at_s if starts else agent.duration_s
    return Answer(
        joined(event.text for event in events if isinstance(event, TurnEnded)),
        joined(event.heard for event in events if isinstance(event, ReplyEnded)),
        Audio(agent.samples[int(first * agent.rate) :], agent.rate),
        starts[-1].latency if starts else Latency(*[None] * len(fields(Latency))),
        talked.timeline,
        events,
    )
