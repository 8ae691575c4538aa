"""A conversation as a picture: who spoke when, what was heard of it, and where the time went.

In a row from above: the user's words and voice; the gap before the reply and what it went on (hear, think, speak, wait
for the turn's end); the agent's voice and words; the engines. Across, lengths are seconds; down, they are inches.
"""

from __future__ import annotations

import base64
import io
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from math import ceil, copysign, inf
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeVar, cast

import numpy as np

from . import events as ev
from .audio import Audio
from .conversation import Conversation
from .errors import ConfigError
from .recording import Recording
from .text import joined

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Kind = TypeVar("Kind")

LONGEST_ROW_S, MOST_ROWS, MOST_LINES = 30.0, 20, 60
"""A longer conversation wraps into rows; one of more than ten minutes has longer rows instead of more."""

NARROWEST, WIDEST, PER_S, DPI = 9.0, 16.0, 0.8, 120
LEFT, RIGHT, AXIS, SPACE, LINE, BAR = 0.75, 0.25, 0.45, 0.09, 0.165, 0.15
WAVE, USER = 0.62, 0.99
"""The agent's voice lies from 0 to WAVE, the user's from USER upwards, the gap between them, the words outside."""

INK, GREY, RED, BLUE, OCHRE = "#222222", "#666666", "#C1121F", "#0072B2", "#C77700"
STAGES = {"asr": "#56B4E9", "endpoint": "#CC79A7", "llm": "#009E73", "tts": "#E69F00"}
"""Okabe & Ito's palette, which the colour-blind can tell apart."""

VOICES = {"turn": ("said", "user's turn", USER, BLUE), "aside": ("said", "no turn", USER, GREY)}
VOICES["reply"] = ("heard", "agent's reply", 0.0, OCHRE)
PLAIN, SMALL = {"color": INK, "size": 9}, {"color": GREY, "size": 8}
WORDS: dict[str, dict[str, Any]] = {
    "turn": PLAIN, "reply": PLAIN, "unheard": PLAIN | {"color": GREY}, "gap": PLAIN | {"weight": "bold"},
    "aside": SMALL | {"style": "italic"}, "steps": SMALL, "failed": SMALL | {"color": RED},
}  # fmt: skip
FONTS = ["DejaVu Sans", "Noto Sans CJK SC", "Noto Sans CJK JP", "WenQuanYi Micro Hei", "Arial Unicode MS", "SimHei"]
"""Where they are installed, the others draw what matplotlib's own font, the first, lacks."""


class _Voice(NamedTuple):
    kind: Literal["turn", "aside", "reply", "unheard"]
    start_s: float
    end_s: float
    text: str


class Timeline:
    """Draws a recorded conversation. In a notebook it shows itself; matplotlib is imported only then."""

    def __init__(self, recording: Recording, conversation: Conversation | None = None) -> None:
        self.recording, self.conversation = recording, conversation
        ends_s = [e.ended_s if isinstance(e, ev.StageRan) else e.at_s for e in recording.events]
        self._until_s = max([1.0, recording.user.duration_s, recording.agent.duration_s, *ends_s])
        self._turns = {turn.turn: turn for turn in self._all(ev.TurnEnded)}
        self._replies = {started.turn: started for started in self._all(ev.ReplyStarted) if started.turn in self._turns}
        self._gaps_s = [(self._turns[number].speech_end_s, reply.at_s) for number, reply in self._replies.items()]
        lanes = {"said": self._users(), "heard": self._agents()}
        self._voices = {lane: sorted(voices, key=lambda voice: voice.start_s) for lane, voices in lanes.items()}

    def save(self, path: str | Path) -> None:
        """As png or svg, by the name's ending; raises ConfigError for any other."""
        if (kind := Path(path).suffix.lower()) not in (".png", ".svg"):
            raise ConfigError(f"{Path(path).name}: a timeline is saved as .png or .svg; choose one of these endings")
        cast(Any, self.figure()).savefig(path, format=kind[1:])

    def _repr_png_(self) -> bytes:
        cast(Any, self.figure()).savefig(buffer := io.BytesIO(), format="png")
        return buffer.getvalue()

    def html(self) -> str:
        """The picture as an element of a page."""
        data = base64.b64encode(self._repr_png_()).decode()
        return f'<img alt="who spoke when" style="max-width: 100%" src="data:image/png;base64,{data}">'

    def figure(self) -> Figure:
        """A figure of its own, unknown to pyplot."""
        from matplotlib.figure import Figure

        count = min(MOST_ROWS, ceil(self._until_s / LONGEST_ROW_S))
        row_s = (self._until_s + 0.2) / count
        across = min(WIDEST, max(NARROWEST, row_s * PER_S))
        figure: Any = Figure(dpi=DPI, facecolor="white")
        figure.set_layout_engine("none")  # whatever matplotlib's settings say: all places are given
        legend: dict[str, Any] = {}
        for index in range(count):
            axes = figure.add_axes((0, 0, 1, 1), label=f"row {index}", frame_on=False)
            self._draw(_Row(axes, index * row_s, (index + 1) * row_s, across / row_s))
            legend |= {label: handle for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)}
        columns, tall = int(across / 1.6), [float(np.ptp(axes.get_ylim())) + AXIS for axes in figure.axes]
        width, height = LEFT + across + RIGHT, 0.45 + 0.2 * ceil(len(legend) / columns) + sum(tall)
        figure.set_size_inches(width, height)
        for index, axes in enumerate(figure.axes):
            low = sum(tall[index + 1 :]) + AXIS
            axes.set_position((LEFT / width, low / height, across / width, (tall[index] - AXIS) / height))
        counts = {"turn": self._turns, "interruption": self._all(ev.Interrupted), "failure": self._all(ev.Failed)}
        title = [f"{len(n)} {noun}{'s' * (len(n) != 1)}" for noun, n in counts.items() if n or noun == "turn"]
        if waits_s := [end_s - start_s for start_s, end_s in self._gaps_s]:
            title.insert(1, f"median voice-to-voice {1000 * median(waits_s):.0f} ms")
        figure.text(LEFT / width, 1 - 0.22 / height, "  ·  ".join(title), **WORDS["gap"] | {"size": 12, "va": "center"})
        look = {"frameon": False, "borderaxespad": 0, "borderpad": 0, "handlelength": 1.6, "labelspacing": 0.4}
        look |= {"loc": "upper left", "bbox_to_anchor": (LEFT / width, 1 - 0.4 / height), "ncols": columns}
        figure.legend(legend.values(), legend, fontsize=8, labelcolor=INK, **look)
        return figure

    def _all(self, kind: type[Kind]) -> list[Kind]:
        return [event for event in self.recording.events if isinstance(event, kind)]

    def _users(self) -> Iterator[_Voice]:
        turns, ignored, starts = self._turns.values(), self._all(ev.Ignored), self._all(ev.SpeechStarted)
        yield from (_Voice("turn", t.onset_s, t.speech_end_s, t.text or "(no words)") for t in turns)
        sounds = [(i.onset_s, i.at_s, f"{i.reason}: {i.text}".removesuffix(": ")) for i in ignored]
        for start, next_s in zip(starts, [*(s.onset_s for s in starts[1:]), self._until_s], strict=False):
            if all(abs(known.onset_s - start.onset_s) > 0.3 for known in [*turns, *ignored]):
                words = [p.text for p in self._all(ev.PartialTranscript) if start.at_s <= p.at_s <= next_s]
                sounds.append((start.onset_s, next_s, f"unfinished: {words[-1] if words else '…'}"))
        for onset_s, until_s, text in sounds:
            ends_s = [p.speech_end_s for p in self._all(ev.SoftEnd) if onset_s < p.at_s <= until_s]
            yield _Voice("aside", onset_s, max(ends_s, default=until_s), text)

    def _agents(self) -> Iterator[_Voice]:
        for nod in self._all(ev.Backchannelled):
            yield _Voice("aside", nod.at_s, nod.at_s + nod.audio.duration_s, nod.text)
        for reply in self._replies.values():
            cut = next((e for e in self._all(ev.Interrupted) if e.turn == reply.turn), None)
            ended = next((e for e in self._all(ev.ReplyEnded) if e.turn == reply.turn), cut)
            said = joined(e.text for e in self._all(ev.ReplyText) if e.turn == reply.turn)
            end_s, heard = (ended.at_s, ended.heard) if ended else (self._until_s, said)
            yield _Voice("reply", reply.at_s, end_s, heard)
            messages = self.conversation.messages if self.conversation else []  # it also knows of a reply that failed
            unheard = [m.unheard for m in messages if m.role == "assistant" and abs(m.at_s - reply.at_s) < 0.05]
            yield _Voice("unheard", reply.at_s, end_s, next(filter(None, [cut.unheard if cut else "", *unheard]), ""))

    def _draw(self, row: _Row) -> None:
        row.wave(self.recording.user, USER, BLUE)
        row.wave(self.recording.agent, 0, OCHRE)
        for kind, (lane, label, low, colour) in VOICES.items():
            spans_s = [(v.start_s, v.end_s) for v in self._voices[lane] if v.kind == kind]
            row.span(label, low, WAVE, spans_s, color=colour, alpha=0.18)
        for lane, voices in self._voices.items():
            for kind, start_s, end_s, text in (voice for voice in voices if row.holds(voice.start_s)):
                next_s = min((v.start_s for v in voices if v.start_s > start_s), default=inf)
                row.words(lane, kind, text, start_s, end_s, next_s)
        ends = [e for e in self.recording.events if isinstance(e, (ev.Resumed, ev.Interrupted, ev.ReplyEnded))]
        for duck in self._all(ev.Ducked):
            end_s = next((e.at_s for e in ends if e.turn == duck.turn and e.at_s >= duck.at_s), self._until_s)
            row.span("voice held (ducked)", 0, WAVE, [(duck.at_s, end_s)], fc="none", ec=GREY, hatch="/////")
        row.line("pause: reply is prepared", self._all(ev.SoftEnd), [USER + 0.06], marker="|", ms=8, ls="", color=INK)
        row.line("turn taken as over", self._turns.values(), [USER, USER + WAVE], ls="--", lw=1.3, color=BLUE)
        row.line("interruption", self._all(ev.Interrupted), [0, USER + WAVE], lw=2.5, color=RED)
        turns = list(self._turns.values())
        for turn, next_s in zip(turns, [*(t.speech_end_s for t in turns[1:]), inf], strict=False):
            row.gap(turn, self._replies.get(turn.turn), next_s)
        centres = {"user": USER + WAVE / 2, "agent": WAVE / 2}
        for stage, colour in STAGES.items():
            row.low -= BAR
            centres[stage] = row.low + BAR / 2
            runs_s = [(run.started_s, run.ended_s) for run in self._all(ev.StageRan) if run.stage == stage]
            row.span(f"_{stage}", row.low, 0.85 * BAR, runs_s, fc=colour, ec="white", lw=0.6)
        row.span("_gap", row.low, WAVE - row.low, self._gaps_s, color=GREY, alpha=0.1)
        row.base["failed"] = row.low
        for failure in self._all(ev.Failed):
            y = centres.get(failure.stage, centres["user"])
            row.line("failure", [failure], [y], marker="X", ms=7, ls="", color=RED)
            row.words("failed", "failed", f"{failure.stage}: {failure.error}", failure.at_s, failure.at_s)
        row.frame(centres)


@dataclass
class _Row:
    """`scale` is in inches a second; `low` and `high` are the edges of what has been drawn; `base` is where the lines
    of text begin in each lane, growing away from 0; `ends` is how far each line is taken, in inches."""

    axes: Any
    start_s: float
    end_s: float
    scale: float
    low: float = -SPACE
    high: float = USER + WAVE + SPACE
    base: dict[str, float] = field(default_factory=lambda: {"said": 1.655, "gap": 0.81, "heard": -0.045})
    ends: dict[str, list[float]] = field(default_factory=lambda: defaultdict(lambda: [0.0] * MOST_LINES))

    def holds(self, at_s: float) -> bool:
        return self.start_s <= max(at_s, 0.0) < self.end_s

    def span(self, label: str, low: float, high: float, times_s: Iterable[tuple[float, float]], **look: Any) -> None:
        if shown := [(a, max(b - a, 0.02)) for a, b in times_s if a < self.end_s and b >= self.start_s]:
            self.axes.broken_barh(shown, (low, high), label=label, **{"lw": 0, "zorder": 0.8} | look)

    def line(self, label: str, events: Iterable[Any], ys: Sequence[float], **look: Any) -> None:
        for event in events:
            if self.holds(event.at_s):
                self.axes.plot([event.at_s] * len(ys), ys, label=label, **look)

    def wave(self, audio: Audio, low: float, colour: str) -> None:
        first, last = (round(at_s * audio.rate) for at_s in (self.start_s, self.end_s))
        if len(samples := audio.samples[first:last]):
            columns = ceil(len(samples) / audio.rate * self.scale * DPI)
            edges = np.unique(np.linspace(0, len(samples), columns, endpoint=False, dtype=int))
            scale, middle = 0.46 * WAVE / max(audio.peak, 0.05), low + WAVE / 2
            ends = [middle + scale * extreme.reduceat(samples, edges) for extreme in (np.minimum, np.maximum)]
            self.axes.fill_between((first + edges) / audio.rate, *ends, color=colour, lw=0.5)

    def gap(self, turn: ev.TurnEnded, reply: ev.ReplyStarted | None, next_s: float) -> None:
        """An arrow from the end of the user's speech to the beginning of the reply, and where the time between went."""
        if not reply:
            self.words("gap", "aside", "no reply", turn.at_s)
            return
        y, ends_s, took = WAVE + 0.09, [turn.speech_end_s, reply.at_s], reply.latency
        if ends_s[0] < self.end_s and ends_s[1] >= self.start_s:
            self.axes.plot(ends_s, [y, y], color=INK, lw=1.3, marker=5, markevery=[1], label="voice-to-voice gap")
            self.axes.plot(ends_s[:1], [y], color=INK, marker="|", ms=9)
        right_s = self.words("gap", "gap", f"{(ends_s[1] - ends_s[0]) * 1000:.0f} ms", ends_s[0])
        marks = (took.transcript_ms, took.first_clause_ms, took.first_audio_ms, took.reply_ms)
        steps, before_ms = list[str](), 0.0
        for verb, after_ms in zip(("hear", "think", "speak", "wait"), marks, strict=True):
            if after_ms is not None and after_ms - before_ms >= 1:
                steps.append(f"{verb} {after_ms - before_ms:.0f}")
                before_ms = after_ms
        text = f"= {' + '.join(steps)}"
        if steps and right_s + _width(text, "steps") / self.scale < min(self.end_s, next_s):
            self.words("gap", "steps", text, right_s)

    def words(self, lane: str, style: str, text: str, at_s: float, end_s: float = inf, next_s: float = inf) -> float:
        """Text in the row in which it begins: as wide as the voice, or wider up to the next, where it covers no other.
        Returns the second at which there is room again."""
        if not text or not self.holds(at_s):
            return inf
        x, room, ends = (at_s - self.start_s) * self.scale, (self.end_s - at_s) * self.scale, self.ends[lane]
        wish = max(1.2, (end_s - at_s) * self.scale, min((next_s - at_s) * self.scale, 3.4) - SPACE)
        lines = _wrapped(text, style, min(wish, max(room, 1.6)))
        count, width = len(lines), max(_width(line, style) for line in lines)
        x = max(x + min(0.0, room - width), ends[0] if lane == "gap" else 0.0)  # the gap has one line only
        level = next((n for n in range(MOST_LINES - count) if max(ends[n : n + count]) <= x), 0)
        ends[level : level + count] = [x + width + SPACE] * count
        left_s, right_s = self.start_s + x / self.scale, self.start_s + (x + width) / self.scale
        look = WORDS[style] | {"family": list(_fonts()), "va": "center_baseline", "parse_math": False}
        look |= {"bbox": {"fc": "white", "ec": "none", "alpha": 0.7, "pad": 0} if lane == "gap" else None}
        for index, line in enumerate(lines[::-1] if self.base[lane] > 0 else lines):
            y = self.base[lane] + copysign((level + index + 0.5) * LINE, self.base[lane])
            self.axes.text(left_s, y, line, **look)
            self.low, self.high = min(self.low, y - LINE), max(self.high, y + LINE)
            if style == "unheard":
                self.axes.plot([left_s, right_s], [y, y], color=GREY, lw=0.9, zorder=4, label="struck: not heard")
        return right_s + SPACE / self.scale

    def frame(self, centres: dict[str, float]) -> None:
        self.axes.set(xlim=(self.start_s, self.end_s), ylim=(self.low, self.high), axisbelow=True)
        self.axes.set_yticks(list(centres.values()), list(centres))
        self.axes.locator_params(axis="x", nbins=15)
        self.axes.xaxis.set_major_formatter("{x:g} s")
        self.axes.tick_params(length=0, labelsize=8.5, labelcolor=INK)
        self.axes.grid(axis="x", color="#E6E6E6", lw=0.7)


@cache
def _fonts() -> dict[str, Any]:
    """The installed fonts to draw with, by name."""
    from matplotlib import font_manager, ft2font

    manager: Any = font_manager.fontManager
    installed = {entry.name for entry in manager.ttflist}
    return {name: ft2font.FT2Font(manager.findfont(name)) for name in FONTS if name in installed}


@cache
def _ems(character: str) -> float | None:
    """Its width, None if no font has it. Hinting adds up to 3 %."""
    for font in _fonts().values():
        if font.get_char_index(ord(character)):
            font.set_size(100, 72)
            return 1.03 * font.load_char(ord(character)).linearHoriAdvance / 6_553_600
    return None


def _width(text: str, style: str) -> float:
    """In inches; bold is a tenth wider."""
    return sum(_ems(c) or 0.0 for c in text) * WORDS[style]["size"] / 72 * (1.1 if "weight" in WORDS[style] else 1)


def _wrapped(text: str, style: str, width: float, most: int = 10) -> list[str]:
    """Lines of at most this width. Chinese breaks anywhere, a long word where it must; too long a text ends in "…", and
    what no font has is drawn as □."""
    text = "".join(c for c in " ".join(text.split()) if unicodedata.category(c)[0] != "C")
    text, lines = "".join("□" if _ems(c) is None else c for c in text), [""]
    for word in re.findall(r"[\u2e80-\uffff]\s*|[^\s\u2e80-\uffff]+\s*", text):
        for piece in [word] if _width(word.rstrip(), style) <= width else word:
            if lines[-1] and _width((lines[-1] + piece).rstrip(), style) > width:
                lines.append("")
            lines[-1] += piece
    if len(lines) > most:
        lines = [*lines[: most - 1], f"{lines[most - 1].rstrip()[:-2]}…"]
    return [line.rstrip() for line in lines]
