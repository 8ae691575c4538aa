"""A conversation as it was heard: both voices on one time axis, and the events."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from math import inf
from pathlib import Path

import numpy as np

from .audio import Audio, Samples, player, save_wav, silence
from .events import Backchannelled, Ducked, Event, Interrupted, ReplyAudio, Resumed, as_json

FADE_S = 0.005
"""A cut without a fade clicks."""


@dataclass
class Recording:
    """`user` and `agent` have one rate and begin when the session began; `events` are in order."""

    user: Audio
    agent: Audio
    events: list[Event] = field(repr=False)

    def save_wav(self, path: str | Path) -> None:
        """Stereo: left the user, right the agent as it would have been heard."""
        save_wav(path, self._both(), self.user.rate)

    def save_events(self, path: str | Path) -> None:
        """One JSON object a line."""
        lines = (json.dumps(as_json(event), ensure_ascii=False) for event in self.events)
        Path(path).write_text("".join(f"{line}\n" for line in lines), "utf-8")

    def _repr_html_(self) -> str:
        return player(self._both(), self.user.rate)

    def _both(self) -> Samples:
        length = max(len(self.user.samples), len(self.agent.samples))
        return np.stack([np.pad(a.samples, (0, length - len(a.samples))) for a in (self.user, self.agent)], axis=1)


def as_heard(events: list[Event], rate: int) -> Audio:
    """What a loudspeaker that does what the events say would have played, from the beginning of the session."""
    speaker = Loudspeaker(rate)
    pieces = [piece for event in events for piece in speaker.told(event)] + list(speaker.until())
    track = np.zeros(max((first + len(samples) for first, samples in pieces), default=0), np.float32)
    for first, samples in pieces:
        track[first : first + len(samples)] = samples
    return Audio(track, rate)


@dataclass
class Loudspeaker:
    """Sound plays at once or behind what is playing; Ducked holds what has not been played, Resumed goes on with it,
    Interrupted throws it away. What comes out has its position, in samples since the session began."""

    rate: int
    _begins_s: float = 0.0
    _pending: Samples = field(default_factory=lambda: silence(0))
    _held: bool = False

    def told(self, event: Event) -> Iterator[tuple[int, Samples]]:
        """What was played before this event and can no longer be faded."""
        match event:
            case ReplyAudio(at_s, _, audio):
                if not self._held:
                    yield from self.until(at_s, FADE_S)
                    self._begins_s = self._begins_s if len(self._pending) else max(self._begins_s, at_s)
                self._pending = np.concatenate([self._pending, audio.resampled(self.rate).samples])
            case Backchannelled(at_s, _, audio):  # while no reply plays
                yield round(at_s * self.rate), audio.resampled(self.rate).samples
            case Ducked(at_s) if not self._held:
                yield from self._cut(at_s)
                self._held = True
            case Resumed(at_s):
                self._begins_s, self._held = at_s, False
            case Interrupted(at_s):
                if not self._held:
                    yield from self._cut(at_s)
                self._pending, self._held = silence(0), False
            case _:
                pass

    def until(self, at_s: float = inf, lag_s: float = 0.0) -> Iterator[tuple[int, Samples]]:
        """What has been played up to `lag_s` before this time; all of a sound that has ended by then."""
        over = self._begins_s + len(self._pending) / self.rate <= at_s
        count = len(self._pending) if over else max(0, round((at_s - lag_s - self._begins_s) * self.rate))
        if count and not self._held:
            yield round(self._begins_s * self.rate), self._pending[:count]
            self._pending, self._begins_s = self._pending[count:], self._begins_s + count / self.rate

    def _cut(self, at_s: float) -> Iterator[tuple[int, Samples]]:
        for first, samples in self.until(at_s):
            count = min(len(samples), int(FADE_S * self.rate))
            fade = np.linspace(1, 0, count, dtype=np.float32)
            yield first, np.concatenate([samples[: len(samples) - count], samples[len(samples) - count :] * fade])
