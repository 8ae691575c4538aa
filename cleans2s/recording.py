"""A conversation as it was heard: both voices on one time axis, and the events."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from .audio import Audio, Samples, save_wav, silence
from .events import Ducked, Event, Interrupted, ReplyAudio, Resumed, as_json

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
        length = max(len(self.user.samples), len(self.agent.samples))
        both = [np.pad(a.samples, (0, length - len(a.samples))) for a in (self.user, self.agent)]
        save_wav(path, np.stack(both, axis=1), self.user.rate)

    def save_events(self, path: str | Path) -> None:
        """One JSON object a line."""
        lines = (json.dumps(as_json(event), ensure_ascii=False) for event in self.events)
        Path(path).write_text("".join(f"{line}\n" for line in lines), "utf-8")


def as_heard(events: list[Event], rate: int) -> Audio:
    """What a loudspeaker that does what the events say would have played, from the beginning of the session.

    Sound plays at once or behind what is playing; Ducked holds what has not been played, Resumed goes on with it,
    Interrupted throws it away.
    """
    track = silence(0)
    begins_s, pending = 0.0, silence(0)

    def play_until(at_s: float) -> None:
        nonlocal track, begins_s, pending
        count = min(len(pending), max(0, round((at_s - begins_s) * rate)))
        start = round(begins_s * rate)
        track = np.concatenate([track, silence((start - len(track)) / rate, rate), pending[:count]])
        pending, begins_s = pending[count:], begins_s + count / rate

    held = False
    for event in events:
        match event:
            case ReplyAudio(at_s, _, audio):
                if not held:
                    play_until(at_s)
                    begins_s = max(begins_s, at_s)
                pending = np.concatenate([pending, audio.resampled(rate).samples])
            case Ducked(at_s) if not held:
                play_until(at_s)
                _fade_out(track, rate)
                held = True
            case Resumed(at_s):
                begins_s, held = at_s, False
            case Interrupted(at_s):
                if not held:
                    play_until(at_s)
                    _fade_out(track, rate)
                pending, held = silence(0), False
            case _:
                pass
    if not held:
        play_until(begins_s + len(pending) / rate)
    return Audio(track, rate)


def _fade_out(track: Samples, rate: int) -> None:
    count = min(len(track), int(FADE_S * rate))
    track[len(track) - count :] *= np.linspace(1, 0, count, dtype=np.float32)
