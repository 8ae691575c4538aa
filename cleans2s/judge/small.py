"""The judge that is shipped: for each language tuned layers of a small encoder and a linear model of n-grams, on one core.

It was trained on the data set beside it (`python -m cleans2s.judge.train`), in English and Chinese. Other languages are
judged too, and worse.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from .. import floor
from ..embedding import LoadedMiniLM, MiniLM, Vectors
from ..stages import Transcript, shared
from ..text import words_of
from . import ENDS, KINDS, NAMES, WEIGHTS, Judgement, Situation
from .courtesies import rest
from .dataset import prefix, units
from .network import LANGUAGES, Network
from .plain_harm import plainly_harmful
from .reading import SHORTEST
from .reasons import GO_ON, NOTHING, reason, spoken_in

Scores: TypeAlias = npt.NDArray[np.floating[Any]]

LINEAR_SHARE, LINEAR_CUT_SHARE, LINEAR_KIND_SHARE = 0.4, 0.6, 0.6
"""What scores of the linear model count beside those of the network: of the strategies, where it is told whether there is a
reason to cut in, and which. It errs elsewhere: together they have a macro-F1 of 0.888 on the families for bars, the network
alone 0.878."""

TEMPERATURE = 1.2
"""By which scores are divided before they become probabilities."""

SILENCE_BAR = {"en": 0.5, "zh": 1.0}
"""Taken from the score of silence, by language: who spoke to the agent and hears nothing is worse off than who hears a needless
answer, and less is said to others than the quarter of the data that is. On the families for bars 98.1 and 95.1 % of what was
spoken to the agent are answered without it, and 87.7 and 89.7 % of the rest met with silence; with it 98.4 and 96.2 %, and
82.6 and 86.2 %. It leaves a margin: of situations of other kinds than those it learnt from, more is met with silence."""

CUT_IN: dict[str, tuple[float, float]] = {
    "repetition": (0.74, 1.99), "drift": (0.63, 1.09), "contradiction": (0.54, 4.29), "refused": (0.68, 3.81),
    "danger": (0.54, 3.66),
}  # fmt: skip
"""Of every reason, how fast its probability rises with the evidence, and the evidence at which that is one half: there it cuts
in. A needless interruption is the worse mistake, so the bars are high: on the 374 streams of the families for bars 1.7 % of
those that deserve none are cut into, and 72 % of the others; with bars lower by 0.75 over the slope 5.7 and 81 %."""

LOOK_EVERY, LOOKS = 3, 2
"""Words (in Chinese: characters) between two looks at the beginning of a turn, and the looks whose mean counts: a reason to
cut in stays when more is said."""

NEVER, REMEMBERED = -30.0, 2.0
"""Scores of a reason that cannot be, and of a contradiction that memory found itself: its rules would rather miss one."""

KEPT_LOOKS = 256

NOT_TO_AGENT = frozenset({"others", "media", "reading", "thinking", "noise"})
"""Kinds of silence in which the words were not spoken to the agent."""

CUTS = KINDS["interruption"]
"""The last scores of a row, each of a reason to cut in."""


@dataclass(frozen=True)
class Small:
    """What was tuned comes with the package, the encoders that it was tuned from out of the catalogue."""

    weights: str = ""
    """A folder that `python -m cleans2s.judge.train --out` wrote; "" for that of the package."""

    threads: int = 1

    def load(self) -> LoadedSmall:
        folder = Path(self.weights).expanduser() if self.weights else WEIGHTS
        return shared((Small, folder, self.threads), lambda: _loaded(folder, self.threads))


def _loaded(folder: Path, threads: int) -> LoadedSmall:
    networks = {language: Network.load(language, folder / f"{language}.npz", threads) for language in LANGUAGES}
    loaded = LoadedSmall(networks, MiniLM(threads=threads).load())
    loaded.judge_all([Situation("hello"), Situation("你好")])
    return loaded


@dataclass
class LoadedSmall:
    networks: Mapping[str, Network]
    encoder: LoadedMiniLM | None = None
    """Sentence embeddings for memory, which is asked in the same moments."""

    places = 2

    def __post_init__(self) -> None:
        self._kept: dict[Situation, Scores] = {}
        self._lock = threading.Lock()

    def judge(self, situation: Situation) -> Judgement:
        return self.judge_all([situation])[0]

    def judge_all(self, situations: Sequence[Situation]) -> list[Judgement]:
        """The same for many at once, which is faster where nobody waits."""
        if not situations:
            return []
        heard = [_heard(situation) for situation in situations]
        scores, kinds = self.scores(heard)
        return [
            plain(said, each) or judgement(each, row, kind)
            for said, each, row, kind in zip(situations, heard, scores, kinds, strict=True)
        ]

    def scores(self, situations: Sequence[Situation]) -> tuple[Scores, Scores]:
        """Of the strategies in the order of `NAMES`, the last being to cut in; and of all kinds of reason."""
        looks = [_looks(situation) for situation in situations]
        seen = self._seen([look for each in looks for look in each])
        rows = np.stack([seen[each[-1]] for each in looks])
        slope, bar = (np.array(values) for values in zip(*CUT_IN.values(), strict=True))
        for row, situation, each in zip(rows, situations, looks, strict=True):
            row[-len(CUTS) :] = slope * (np.mean([_possible(look, seen[look]) for look in each], axis=0) - bar)
            if situation.contradictions:
                row[-len(CUTS) + CUTS.index("contradiction")] = REMEMBERED
            row[len(ENDS)] = row[-len(CUTS) :].max()
        return rows[:, : len(NAMES)], rows[:, len(NAMES) :]

    def _seen(self, looks: list[Situation]) -> dict[Situation, Scores]:
        """What was looked at a moment ago is not looked at again."""
        with self._lock:
            seen = {look: self._kept[look] for look in looks if look in self._kept}
        unseen: dict[str, list[Situation]] = {}
        for look in dict.fromkeys(look for look in looks if look not in seen):
            unseen.setdefault(spoken_in(look.words, look.language), []).append(look)
        for language, new in unseen.items():
            rows = self.networks[language].scores(new)
            linear = self.networks[language].linear_scores(new)
            rows[:, -len(CUTS) :] += rows[:, len(ENDS), None]
            rows[:, -len(CUTS) :] += LINEAR_CUT_SHARE * linear[:, len(ENDS), None] + LINEAR_KIND_SHARE * linear[:, len(NAMES) :]
            rows[:, : len(ENDS)] += LINEAR_SHARE * linear[:, : len(ENDS)]
            rows[:, ENDS.index("silence")] -= SILENCE_BAR[language]
            seen |= dict(zip(new, rows, strict=True))
            with self._lock:
                self._kept |= {look: seen[look] for look in new if look.partial}
                for look in list(self._kept)[:-KEPT_LOOKS]:
                    del self._kept[look]
        return seen


def _heard(situation: Situation) -> Situation:
    """Without courtesies: they tell nothing of what follows. But a character may not want them, and nobody wants them again."""
    words = situation.words
    asked = {text.lower().strip(" .,?!。，？！") for role, text in situation.turns if role == "user"}
    if situation.partial or situation.character or words.lower().strip(" .,?!。，？！") in asked:
        return situation
    return replace(situation, words=rest(words))


def _looks(situation: Situation) -> list[Situation]:
    """The moments of a turn that goes on at which it is looked at, at most `LOOKS`; of one that has ended, its end."""
    language = spoken_in(situation.words, situation.language)
    count = len(units(situation.words, language)) if situation.partial else 0
    places = list(range(LOOK_EVERY, count + 1, LOOK_EVERY))[-LOOKS:]
    return [replace(situation, words=prefix(situation.words, language, place)) for place in places] or [situation]


def _possible(look: Situation, row: Scores) -> Scores:
    """The evidence for every reason to cut in. Nobody drifts from what was never asked, or contradicts what is neither
    remembered nor said by the user before."""
    found = np.array(row[-len(CUTS) :], np.float64)
    if not look.turns:
        found[CUTS.index("drift")] = NEVER
    if not look.facts and not any(role == "user" for role, _ in look.turns):
        found[CUTS.index("contradiction")] = NEVER
    return found


def judgement(situation: Situation, scores: Scores, kinds: Vectors) -> Judgement:
    """What the scores of one situation mean."""
    language = spoken_in(situation.words, situation.language)
    count = len(words_of(situation.words))
    if not count:
        return Judgement({**dict.fromkeys(NAMES, 0.0), "silence": 1.0}, addressed=0.0, kind="noise", reason=NOTHING[language])
    ends = _softmax(scores[: len(ENDS)] / TEMPERATURE)
    cut = float(1 / (1 + np.exp(-scores[-1]))) if situation.partial and count >= SHORTEST else 0.0
    probabilities = {name: float(p) * (1 - cut) for name, p in zip(ENDS, ends, strict=True)} | {"interruption": cut}
    by_kind = _kinds(kinds)
    unheard = sum(p for kind, p in by_kind["silence"].items() if kind in NOT_TO_AGENT)
    judged = Judgement(
        probabilities,
        interrupt=cut,
        backchannel=_backchannel(situation.words),
        addressed=1.0 - float(ends[ENDS.index("silence")]) * unheard,
    )
    chosen = by_kind[judged.strategy]
    kind = max(chosen, key=chosen.__getitem__, default="")
    if situation.contradictions and "contradiction" in chosen:
        kind = "contradiction"
    why = reason(judged.strategy, kind, language)
    if situation.partial and judged.strategy == "standard":
        why = GO_ON[language]
    return Judgement(probabilities, cut, judged.backchannel, judged.addressed, kind, why, chosen)


def plain(said: Situation, heard: Situation) -> Judgement | None:
    """What needs no model: nothing but courtesies, and demands that are plainly harmful."""
    if said.words and not heard.words:
        return _certain(said, "standard", "")
    if not said.partial and plainly_harmful(said.words):
        return _certain(said, "refusal", "harmful")
    return None


def _certain(situation: Situation, strategy: str, kind: str) -> Judgement:
    language = spoken_in(situation.words, situation.language)
    probabilities = dict.fromkeys(NAMES, 0.0) | dict.fromkeys(ENDS, 0.01) | {strategy: 0.97}
    why = reason(strategy, kind, language)
    return Judgement(probabilities, backchannel=_backchannel(situation.words), kind=kind, reason=why)


def _kinds(scores: Scores) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = {}
    for name in NAMES:
        own, scores = scores[: len(KINDS[name])], scores[len(KINDS[name]) :]
        found[name] = dict(zip(KINDS[name], _softmax(own).tolist(), strict=True)) if len(own) else {}
    return found


def _backchannel(words: str) -> float:
    """A list of what listeners say is as good as any model, and never asks why."""
    return 0.98 if floor.verdict(Transcript(words), 0.0, []) == "backchannel" else 0.02


def _softmax(scores: Scores) -> npt.NDArray[np.float64]:
    powers = np.exp(scores.astype(np.float64) - scores.max(initial=0.0))
    return powers / powers.sum()
