"""Turn-taking: when the user begins, pauses and has finished. A pure state machine on frames; it does not know the time,
wait, log or send. One frame is 512 samples at 16 kHz (32 ms); all positions are samples heard since the start.

The end of a turn is never a fixed silence. At the *soft end*, a short silence, the session asks for two opinions:

- the words' (`words`: a language model's probability that they are a whole utterance), and
- the sound's (`audio`: an end-of-turn model, prosody), where it can still change the answer,

and the silence that is still required shrinks with their fused probability, from `patience_ms` (a speaker who is
thinking; pauses inside turns seldom exceed 1 s, Heldner & Edlund 2010) to `eager_ms` (a finished question).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, TypeAlias, TypedDict

from .audio import RATE

if TYPE_CHECKING:
    from typing_extensions import Unpack

FRAME = 512
"""Samples in a frame; the size that Silero VAD was trained on at 16 kHz."""

FRAME_MS = FRAME * 1000 // RATE


@dataclass(frozen=True)
class TurnTaking:
    """When the agent takes a silence for the end of a turn."""

    speech_threshold: float = 0.5
    """Speech probability of a frame at which speech begins."""

    silence_threshold: float = 0.35
    """Speech probability below which it pauses; lower than the former, so that a fading syllable is still speech."""

    onset_ms: int = 64
    """Speech in succession that counts as a beginning; shorter is a click."""

    soft_end_ms: int = 32
    """Silence after which the reply is prepared: one frame. A third of all turns have such a gap inside, and what was
    prepared for it is thrown away."""

    eager_ms: int = 160
    """Silence required when both opinions are sure that the turn is over. Silence is counted from the last frame of
    speech, which VAD sees about 76 ms after the last sound that is louder than −40 dBFS."""

    patience_ms: int = 1040
    """Silence required when they are sure that it is not: a thinking pause of 1 s is survived."""

    blind_ms: int = 704
    """Silence required where the words can have no opinion, and the sound has none or a yes. One that is still awaited
    keeps the turn open: without the words there is nothing to answer yet either."""

    max_turn_s: float = 180.0
    """A turn that is longer is taken as ended, pause or not, so that a radio cannot fill the memory."""


@dataclass(frozen=True)
class Onset:
    """Speech began at this sample; `overlap`: while the agent has the floor."""

    sample: int
    overlap: bool


@dataclass(frozen=True)
class Pause:
    """The soft end; opinions on it are given with this revision number."""

    revision: int
    onset: int
    speech_end: int


@dataclass(frozen=True)
class Resumption:
    """Speech went on: what was prepared for the pause is void."""

    sample: int


@dataclass(frozen=True)
class End:
    """The turn is over; `p_end` is the fused opinion, None if there was none."""

    onset: int
    speech_end: int
    p_end: float | None


TurnEvent: TypeAlias = Onset | Pause | Resumption | End


class Opinions(TypedDict, total=False):
    """Probabilities that the turn is over; None where there is none to be had, left out where it is awaited."""

    words: float | None
    audio: float | None


def fuse(words: float, audio: float = 0.0) -> float:
    """The probability that the turn is over. Without an opinion of the sound, the one that waits longest.

    Logistic regression, fitted on 1,456 ends and mid-sentence pauses of eight voices (five of Kokoro, one of Piper, two
    readers) and rounded. The words decide (area under the curve 0.90 alone); the sound adds hesitation ("um": 0.92 to
    0.99), and gets the smaller say because it calls a quarter of the finished turns of unusual voices unfinished.
    """
    audio = min(max(audio, 0.018), 0.982)
    z = 2.5 + 2.0 * math.log10(min(max(words, 1e-4), 1.0)) + 0.15 * math.log(audio / (1 - audio))
    return 1 / (1 + math.exp(-z))


PATIENCE = ((0.12, 1.0), (0.67, 0.62), (0.73, 0.0))
"""Share of the way from `eager_ms` to `patience_ms` that is required at a fused probability; straight lines between.
A steep edge: between 0.6 and 1.0 s a millisecond of waiting saves the same share of pauses wherever it is spent, so it
pays to answer at once or to wait. On synthetic voices 80 % of all ends are then answered at once and 90 % within 0.9 s; of
thinking pauses of 0.5 to 1.0 s, 7 % are cut after words that cannot stand alone, 34 to 41 % after words that can."""


def required_ms(p_end: float, settings: TurnTaking) -> float:
    """Silence after which a turn with this fused opinion is over."""
    share = 1.0 if p_end <= PATIENCE[0][0] else 0.0
    for (p0, share0), (p1, share1) in pairwise(PATIENCE):
        if p0 < p_end <= p1:
            share = share0 + (share1 - share0) * (p_end - p0) / (p1 - p0)
    return settings.eager_ms + share * (settings.patience_ms - settings.eager_ms)


@dataclass
class TurnDetector:
    """Feed it a speech probability per frame (`push`) and opinions as they come (`opine`); both yield what happened."""

    settings: TurnTaking = field(default_factory=TurnTaking)
    heard: int = 0
    """Samples heard since the start."""

    revision: int = 0
    """Counts soft ends; an opinion on an older one is void."""

    onset: int | None = None
    """First sample of the turn in progress, None while the user is silent."""

    _voiced: int = 0
    _speech_end: int = 0
    _paused: bool = False
    _opinions: Opinions = field(default_factory=Opinions)
    _room_ms: float = 0.0
    """Silence that the user is left in this pause, whatever the opinions."""

    def push(self, p_speech: float, *, overlap: bool = False) -> Iterator[TurnEvent]:
        """One frame; `overlap` says that the agent has the floor."""
        self.heard += FRAME
        threshold = self.settings.speech_threshold if self._voiced == 0 else self.settings.silence_threshold
        self._voiced = self._voiced + 1 if p_speech >= threshold else 0
        begins = self._voiced * FRAME_MS >= self.settings.onset_ms
        if self.onset is None:
            if begins:
                self.onset, self._speech_end = self.heard - self._voiced * FRAME, self.heard
                yield Onset(self.onset, overlap)
            return
        # Inside a turn one voiced frame already prolongs it, but only an onset's worth revokes a soft end.
        if begins or (self._voiced and not self._paused):
            if self._paused:
                self._paused = False
                yield Resumption(self.heard - self._voiced * FRAME)
            self._speech_end = self.heard
            if self.heard - self.onset >= self.settings.max_turn_s * RATE:
                yield from self._end()
            return
        if not self._paused and self.silence_ms >= self.settings.soft_end_ms:
            self._paused = True
            self._opinions, self._room_ms = Opinions(), 0.0
            self.revision += 1
            yield Pause(self.revision, self.onset, self._speech_end)
        if not self._voiced:
            yield from self._decide()

    def opine(self, revision: int, **opinions: Unpack[Opinions]) -> Iterator[TurnEvent]:
        """Opinions on the soft end with this revision, which may end the turn at once."""
        if self.pauses(revision):
            self._opinions = {**self._opinions, **opinions}
            yield from self._decide()

    def leave_room(self, revision: int, more_ms: float) -> None:
        """In the pause with this revision the turn does not end for so long: the agent has just nodded to it."""
        if self.pauses(revision):
            self._room_ms = self.silence_ms + more_ms

    def pauses(self, revision: int) -> bool:
        """Whether the pause with this revision still lasts, and the turn is not over."""
        return self._paused and revision == self.revision

    def drop(self) -> None:
        """What was heard is not a turn (a backchannel, noise): wait for the next onset."""
        self.onset, self._paused, self._voiced = None, False, 0

    @property
    def silence_ms(self) -> float:
        return (self.heard - self._speech_end) * 1000 / RATE

    @property
    def p_words(self) -> float | None:
        """What the words' opinion on this pause is, if there is one yet."""
        return self._opinions.get("words")

    @property
    def p_end(self) -> float | None:
        """The fused opinion; None as long as the words have none."""
        return None if self.p_words is None else fuse(self.p_words, self._opinions.get("audio") or 0.0)

    @property
    def undecided(self) -> bool:
        """Whether an opinion of the sound on this pause would still change anything."""
        if self._opinions.get("audio") is not None:
            return False
        never, always = (required_ms(fuse(self.p_words or 0.0, audio), self.settings) for audio in (0.0, 1.0))
        return self.p_words is None or never > always

    @property
    def required_ms(self) -> float:
        """Silence after which this turn is over, as things stand."""
        if (p_end := self.p_end) is not None:
            needed_ms = required_ms(p_end, self.settings)
        else:
            audio = self._opinions.get("audio")
            open_ended = "words" not in self._opinions or (audio is not None and audio < 0.5)
            needed_ms = self.settings.patience_ms if open_ended else self.settings.blind_ms
        return max(needed_ms, self._room_ms)

    def _decide(self) -> Iterator[TurnEvent]:
        if self._paused and self.silence_ms >= self.required_ms:
            yield from self._end()

    def _end(self) -> Iterator[TurnEvent]:
        assert self.onset is not None
        ended = End(self.onset, self._speech_end, self.p_end if self._paused else None)
        self.drop()
        yield ended
