"""What of a reply has been heard: arithmetic on seconds, no clock of its own.

The agent's words count as said when they were played, and an interruption can fall anywhere: the position in the sound
gives the position in the text, clause by clause (a voice's clause has one duration and one text; inside it, characters
of a script are taken as equally long, which is within a word of the truth for clauses of a few seconds).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from .text import HAN, joined

CHARS_PER_S = 16.0
"""Pace of speech, for a clause of which not all sound is there yet."""

SYLLABLES_PER_S = 3.6
"""The same of what is read one by one: Chinese characters, figures. The reference voices in `ref_audio/` read 3.5 to 3.9
characters a second, pauses included."""

_SYLLABLE = re.compile(rf"[{HAN}\d]")
_IN_WORD = re.compile(rf"[^\W_{HAN}]|['’-]")


@dataclass
class Clause:
    text: str
    duration_s: float = 0.0
    """Of the sound that the voice has made of it so far."""

    complete: bool = False
    """Whether that is all."""

    @property
    def length_s(self) -> float:
        return self.duration_s if self.complete else max(self.duration_s, sum(_paces_s(self.text)))


@dataclass
class Playback:
    """The loudspeaker of one reply. What is sent plays at once, behind what was sent before; `duck` stops it, `resume`
    goes on where it stopped."""

    clauses: list[Clause] = field(default_factory=list[Clause])
    ducked: bool = False
    sent_s: float = 0.0
    """Seconds of sound given to the client."""

    _played_s: float = 0.0
    _running_since_s: float | None = None

    def piece(self, text: str, duration_s: float) -> bool:
        """The voice has made sound of this clause; returns whether it is a new clause."""
        if new := not self.clauses or self.clauses[-1].complete:
            self.clauses.append(Clause(text))
        self.clauses[-1].duration_s += duration_s
        return new

    def end_clause(self) -> None:
        self.clauses[-1].complete = True

    def send(self, duration_s: float, at_s: float) -> None:
        if self.ducked:
            pass
        elif self._running_since_s is None:
            self._running_since_s = at_s
        elif self.position_s(at_s) >= self.sent_s:  # it ran dry: the gap was silence
            self._played_s, self._running_since_s = self.sent_s, at_s
        self.sent_s += duration_s

    def duck(self, at_s: float) -> None:
        self._played_s, self._running_since_s = self.position_s(at_s), None
        self.ducked = True

    def resume(self, at_s: float) -> None:
        self.ducked = False
        self._running_since_s = at_s if self.sent_s else None

    def report(self, position_s: float, at_s: float) -> None:
        """The client's own word on how much of the sound has left its loudspeaker, where its clock and the network differ
        from what was assumed."""
        self._played_s = min(max(position_s, 0.0), self.sent_s)
        if self._running_since_s is not None:
            self._running_since_s = at_s

    def position_s(self, at_s: float) -> float:
        running_s = 0.0 if self._running_since_s is None else at_s - self._running_since_s
        return min(self._played_s + max(running_s, 0.0), self.sent_s)

    def ahead_s(self, at_s: float) -> float:
        """Sound that was sent and not yet heard."""
        return self.sent_s - self.position_s(at_s)

    def split(self, position_s: float) -> tuple[str, str]:
        """The text heard up to this position, and the text not heard; a word that was cut counts as not heard."""
        left_s = position_s
        heard: list[str] = []
        unheard: list[str] = []
        for clause in self.clauses:
            if left_s >= clause.length_s - 0.05:
                heard.append(clause.text)
            else:
                cut = _whole_words(clause.text, left_s / clause.length_s)
                heard.append(clause.text[:cut].strip())
                unheard.append(clause.text[cut:].strip())
            left_s = max(0.0, left_s - clause.length_s)
        return joined(heard), joined(unheard)


def _paces_s(text: str) -> list[float]:
    """How long each character takes to say, about."""
    return [1 / (SYLLABLES_PER_S if _SYLLABLE.match(character) else CHARS_PER_S) for character in text]


def _whole_words(text: str, share: float) -> int:
    """Where to cut a text of which a share was spoken: at the end of a word, or of a Chinese character."""
    paces_s = _paces_s(text)
    left_s, cut = sum(paces_s) * share + 1e-9, 0
    while cut < len(text) and left_s >= paces_s[cut]:
        left_s -= paces_s[cut]
        cut += 1
    while 0 < cut < len(text) and _IN_WORD.match(text[cut]) and _IN_WORD.match(text[cut - 1]):
        cut -= 1
    return cut
