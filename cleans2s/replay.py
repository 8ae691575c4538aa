"""A recorded conversation once more: the same user in front of other engines or settings, and what came out differently.

    cleans2s replay recordings/2026-11-21_09-30-00 --profile mixed --timeline both.png

The user's sound, typed turns, stops and commits come at the moments at which they came. `--fast` leaves out the waits in
which nobody speaks and nothing is under way: the session's clock is set forward over them. All other time is what
the engines and the listener's ear need, so with `--fast`, too, engines have as long as they had. Beyond the recording there
is silence, until the last reply has ended.

What a user would have done otherwise because the agent said something else, nobody knows: the farther a replay
is from its recording, the less its later turns say. Not repeated are what leaves no trace in the events: `clear`, `commit`
where turns are found in the sound, functions' results, and the wishes of a single response.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import math
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from itertools import groupby, zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import anyio
import anyio.lowlevel
import numpy as np

from . import events as ev
from .audio import RATE, Audio, silence
from .config import Config
from .conversation import Conversation
from .errors import ConfigError, TurnError
from .recorder import Recorded
from .recording import Recording, as_heard
from .session import Session

if TYPE_CHECKING:
    from rich.table import Table

STEP_S = 0.02
"""Length of the silence that is heard at a time beyond the recording."""

QUIET_S, LONGEST_S = 0.4, 120.0
"""The replay ends when nothing has gone on for so long, and in any case so long after the recording."""

SAME_S = 0.6
"""Onsets that differ by less, in the user's sound, are those of the same words: voice activity detectors are not alike."""

AT_ONCE_S = 0.1
"""A typed turn ends the reply that is on its way within this time."""


# ── what became of what the user said ─────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Outcome:
    """Of one stretch of the user's speech, or of a typed turn."""

    audio_s: float
    """Where it begins in the user's sound; of a typed turn, when it came."""

    decision: str
    """`turn`, `typed`, the reason for which it was ignored, or `unfinished`."""

    words: str
    answer: str = ""
    """As far as it was heard."""

    ending: str = ""
    """Of the answer; "" if there was none."""

    reply_ms: float | None = None

    @property
    def decisions(self) -> tuple[str, str]:
        return self.decision, self.ending


def outcomes(events: Sequence[ev.Event]) -> list[Outcome]:
    """In the order in which they began."""
    speech: list[ev.SpeechStarted] = []
    found: list[tuple[float, Outcome]] = []
    latencies = {event.turn: event.latency.reply_ms for event in events if isinstance(event, ev.ReplyStarted)}
    endings = {event.turn: event for event in events if isinstance(event, ev.ReplyEnded)}
    for event in events:
        match event:
            case ev.SpeechStarted():
                speech.append(event)
            case ev.TurnEnded():
                start = next((each for each in speech if each.item == event.item), None)
                speech = [each for each in speech if each is not start]
                decision = "typed" if _typed(event) else "turn"
                ended = endings.get(event.turn)
                answer = (ended.heard, ended.ending) if ended else ("", "")
                audio_s = start.audio_s if start else event.onset_s
                words = Outcome(audio_s, decision, event.text, *answer, latencies.get(event.turn))
                found.append((event.onset_s, words))
            case ev.Ignored(_, onset_s, text, reason) if speech:
                start = min(speech, key=lambda each: abs(each.onset_s - onset_s))
                speech.remove(start)
                found.append((start.onset_s, Outcome(start.audio_s, reason, text)))
            case _:
                pass
    found += [(start.onset_s, Outcome(start.audio_s, "unfinished", "")) for start in speech]
    return [outcome for _, outcome in sorted(found, key=lambda each: each[0])]


def matched(before: Sequence[Outcome], after: Sequence[Outcome]) -> Iterator[tuple[Outcome | None, Outcome | None]]:
    """Pairs of the same words; None where only one of the two conversations has them. Spoken ones are alike by their place in
    the user's sound, typed ones by their order: which of the two came first may differ by a rounding."""
    typed_before, typed_after, left, right = (
        [each for each in side if (each.decision == "typed") == typed] for typed in (True, False) for side in (before, after)
    )
    pairs: list[tuple[Outcome | None, Outcome | None]] = [*zip_longest(typed_before, typed_after)]
    while left and right:
        ahead_s = left[0].audio_s - right[0].audio_s
        if abs(ahead_s) < SAME_S:
            pairs.append((left.pop(0), right.pop(0)))
        elif ahead_s <= 0:
            pairs.append((left.pop(0), None))
        else:
            pairs.append((None, right.pop(0)))
    pairs += [(each, None) for each in left] + [(None, each) for each in right]
    yield from sorted(pairs, key=lambda pair: cast(Outcome, pair[0] or pair[1]).audio_s)


def _typed(turn: ev.TurnEnded) -> bool:
    return turn.onset_s == turn.speech_end_s


# ── replaying ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass
class Replay:
    recorded: Recorded
    recording: Recording
    conversation: Conversation

    @property
    def pairs(self) -> list[tuple[Outcome | None, Outcome | None]]:
        return list(matched(outcomes(self.recorded.events), outcomes(self.recording.events)))

    @property
    def changed(self) -> list[tuple[Outcome | None, Outcome | None]]:
        """Where other decisions were made."""
        return [(a, b) for a, b in self.pairs if a is None or b is None or a.decisions != b.decisions]

    def save_timelines(self, path: str | Path) -> None:
        save_timelines({"recording": (self.recorded.recording, None), "replay": (self.recording, self.conversation)}, path)


async def replay(
    recorded: Recorded,
    config: Config | None = None,
    *,
    fast: bool = False,
    adapted: Callable[[Config], Config] | None = None,
    on_event: Callable[[ev.Event], None] = lambda event: None,
) -> Replay:
    """The recorded user in front of an agent of this configuration (default: the recorded one). `adapted` makes of settings
    that came in the course of the recording those of the replay; None leaves them out."""
    session = Session(config or Config.from_file(recorded.config_file))
    seen: list[ev.Event] = []

    async def watch() -> None:
        async with aclosing(session.events()) as events:
            async for event in events:
                seen.append(event)
                on_event(event)

    async def until(at_s: float) -> None:
        wait_s = at_s - session.now_s
        if fast and wait_s > 0 and session.idle:
            session.began -= wait_s
            await anyio.lowlevel.checkpoint()
        elif wait_s > 0:
            await anyio.sleep(wait_s)

    async with session, anyio.create_task_group() as tasks:
        tasks.start_soon(watch)
        for at_s, act in _acts(recorded, session, adapted):
            await until(at_s)
            with contextlib.suppress(TurnError):  # other engines got there sooner or later; the table shows it
                await act()
        quiet_s, at_s = 0.0, max(recorded.ended_s, session.now_s)
        while quiet_s < QUIET_S and at_s < recorded.ended_s + LONGEST_S:
            at_s += STEP_S
            await until(at_s)
            await session.hear(Audio(silence(STEP_S)))
            quiet_s = quiet_s + STEP_S if session.idle else 0.0
        tasks.cancel_scope.cancel()

    rate = next((event.audio.rate for event in seen if isinstance(event, ev.ReplyAudio)), RATE)
    recording = Recording(recorded.user.resampled(rate), as_heard(seen, rate), seen)
    return Replay(recorded, recording, session.conversation)


def _acts(
    recorded: Recorded, session: Session, adapted: Callable[[Config], Config] | None
) -> list[tuple[float, Callable[[], Awaitable[None]]]]:
    """What the user did, and when."""
    acts: list[tuple[float, float, Callable[[], Awaitable[None]]]] = []

    def act(at_s: float, do: Callable[..., Awaitable[None]], *given: Any, heard_s: float = math.inf) -> None:
        """`heard_s` is how much sound was there before: of two acts in the same moment it tells which was the first."""
        acts.append((at_s, heard_s, lambda: do(*given)))

    for at_s, first, count in recorded.chunks:
        chunk = Audio(recorded.user.samples[first : first + count])
        act(at_s, session.hear, chunk, heard_s=(first + count) / recorded.user.rate)
    turns = [event for event in recorded.events if isinstance(event, ev.TurnEnded)]
    typed = [turn.onset_s for turn in turns if _typed(turn)]
    spoken = {event.item for event in recorded.events if isinstance(event, ev.SpeechStarted)}
    for turn in turns:
        if _typed(turn):
            act(turn.onset_s, session.tell, turn.text, heard_s=turn.audio_end_s)
        elif turn.item not in spoken:
            act(turn.speech_end_s, session.commit)
    answered = {turn.turn for turn in turns}
    for event in recorded.events:
        match event:
            case ev.Interrupted(by="request") if not any(0 <= at_s - event.at_s < AT_ONCE_S for at_s in typed):
                act(event.at_s, session.cancel)
            case ev.ReplyDue() if event.turn not in answered:
                act(event.at_s, session.respond)
            case _:
                pass
    if adapted:
        for at_s, values in recorded.configured:
            act(at_s, session.configure, adapted(Config().changed(values)))
    return [(at_s, do) for at_s, _, do in sorted(acts, key=lambda each: each[:2])]


# ── showing ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def table(pairs: Sequence[tuple[Outcome | None, Outcome | None]]) -> Table:
    """What the two conversations made of the same words; where the decision was another one, it is marked."""
    from rich.markup import escape
    from rich.table import Table

    shown = Table(title="what became of what the user said (recording → replay)", title_justify="left", show_lines=True)
    for column, right in (("at", True), ("decision", False), ("words", False), ("answer", False), ("reply", True)):
        shown.add_column(column, justify="right" if right else "left", overflow="fold")
    for before, after in pairs:
        first = cast(Outcome, before or after)
        columns = [
            [" · ".join(filter(None, each.decisions)) if each else "–" for each in (before, after)],
            [each.words if each else "–" for each in (before, after)],
            [each.answer if each else "–" for each in (before, after)],
            ["–" if each is None or each.reply_ms is None else f"{each.reply_ms:.0f} ms" for each in (before, after)],
        ]
        texts = [escape("\n→ ".join(text for text, _ in groupby(column))) for column in columns]
        decided = f"[bold yellow]{texts[0]}[/]" if "→" in texts[0] else texts[0]
        shown.add_row(f"{first.audio_s:.1f} s", decided, *texts[1:])
    return shown


def save_timelines(conversations: dict[str, tuple[Recording, Conversation | None]], path: str | Path) -> None:
    """Conversations under each other on one time axis, as png."""
    from matplotlib import image

    from .timeline import Timeline

    if Path(path).suffix.lower() != ".png":
        raise ConfigError(f"{Path(path).name}: the timelines of a replay are saved as .png; choose this ending")
    recordings = [recording for recording, _ in conversations.values()]
    sounds = [sound for each in recordings for sound in (each.user, each.agent)]
    ends_s = [event.at_s for each in recordings for event in each.events]
    until_s = max([sound.duration_s for sound in sounds] + ends_s)
    drawn: list[Any] = []
    for name, (recording, conversation) in conversations.items():
        user, rate = recording.user.samples, recording.user.rate
        padded = Audio(np.pad(user, (0, max(0, round(until_s * rate) - len(user)))), rate)
        figure: Any = Timeline(Recording(padded, recording.agent, recording.events), conversation).figure()
        figure.text(0.995, 1 - 0.08 / figure.get_size_inches()[1], name, size=13, weight="bold", ha="right", va="top")
        figure.savefig(buffer := io.BytesIO(), format="png")
        buffer.seek(0)
        drawn.append(image.imread(buffer)[..., :3])
    width = max(each.shape[1] for each in drawn)
    whole = [np.pad(each, ((0, 0), (0, width - each.shape[1]), (0, 0)), constant_values=1.0) for each in drawn]
    image.imsave(path, np.ascontiguousarray(np.concatenate(whole)))


# ── the command ───────────────────────────────────────────────────────────────────────────────────────────────────────


def main(options: argparse.Namespace) -> int:
    """`options`: folder, profile, fast, timeline, settings."""
    from rich.console import Console

    from . import profiles

    recorded = Recorded.load(options.folder)
    if options.timeline and not Path(options.timeline).absolute().parent.is_dir():
        raise ConfigError(f"{options.timeline}: there is no folder {Path(options.timeline).parent}; make it first")
    if options.timeline and Path(options.timeline).suffix.lower() != ".png":
        raise ConfigError(f"{Path(options.timeline).name}: the timelines of a replay are saved as .png; choose this ending")
    base = profiles.load(options.profile) if options.profile else Config.from_file(recorded.config_file)
    config = base.changed(options.settings)
    console = Console(highlight=False, soft_wrap=False)
    length = f"{recorded.ended_s:.1f} s, {len(recorded.chunks)} pieces of sound"
    console.print(f"[dim]replaying {recorded.folder.name} ({length}) …[/dim]", soft_wrap=True)
    if options.profile and recorded.configured:
        console.print("[dim]settings that changed in the course of the recording are left out[/dim]")

    def adapted(later: Config) -> Config:
        return later.changed(options.settings)

    kept = None if options.profile else adapted
    played = anyio.run(lambda: replay(recorded, config, fast=options.fast, adapted=kept))
    console.print(table(played.pairs))
    differ, count = len(played.changed), len(played.pairs)
    verdict = f"{differ} of {count} decisions differ" if differ else f"all {count} decisions are those of the recording"
    console.print(verdict)
    if options.timeline:
        played.save_timelines(options.timeline)
    return 0
