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
from . import ENDS, KINDS, NAMES, NOT_TO_AGENT, WEIGHTS, Judgement, Situation
from .asked import asked_before, asked_twice, turns_that_matter
from .courtesies import rest
from .dataset import prefix, units
from .disagreeing import may_contradict
from .network import NETWORKS, Network
from .plain_danger import plainly_dangerous
from .plain_harm import plainly_harmful
from .plain_wait import asks_to_wait
from .reading import SHORTEST, with_short_answers
from .reasons import GO_ON, NOTHING, reason, spoken_in

Scores: TypeAlias = npt.NDArray[np.floating[Any]]

LINEAR_SHARE, LINEAR_CUT_SHARE, LINEAR_KIND_SHARE = 0.4, 0.6, 0.6
"""What scores of the linear model count beside those of the network: of the strategies, where it is told whether there is a
reason to cut in, and which. It errs elsewhere: together they have a macro-F1 of 0.920 on the families for bars, the
networks alone 0.913."""

TEMPERATURE = 1.1
"""By which scores are divided before they become probabilities."""

SILENCE_BAR = {"en": (0.0, 0.5), "zh": (0.75, 1.5)}
"""Taken from the score of silence, by language: of what is said first, and of what is said after the agent. Whoever has just
been answered is likelier to speak to it than the data tell, half of which have nothing that was said before. Who spoke to the
agent and hears nothing is worse off than who hears a needless answer: of a grid the Chinese ones have the best macro-F1 with
which 97 % of what was spoken to it are answered on the families for bars (the English ones from -0.25 to 0.75 are alike): 98.4
and 97.0 %, while 89.3 and 86.7 % of the rest are met with silence; with one bar for both (0.0 and 1.0) 98.3 and 97.0, 89.7 and
85.6 %."""

CUTS = KINDS["interruption"]
"""The last scores of a row, each of a reason to cut in."""

CUT_IN: dict[str, tuple[float, float]] = {
    "repetition": (0.69, 0.83), "drift": (0.59, 0.78), "contradiction": (0.59, 2.67), "refused": (0.67, 2.13),
    "danger": (0.60, 2.34),
}  # fmt: skip
"""Of every reason, how fast its probability rises with the evidence, and the evidence at which that is one half."""

CUT_BAR = {
    "en": {"repetition": 2.5, "drift": 1.0, "contradiction": 3.0, "refused": 1.5, "danger": 1.75},
    "zh": {"repetition": 2.0, "drift": 2.0, "contradiction": 0.5, "refused": 0.5, "danger": 0.5},
}
"""Taken from these scores, by language: a needless interruption is the worse mistake. Such that of the streams that deserve
none some 2 % are cut into on the families for bars: 1.6 and 2.1 % (1.8 % of all), and 87 and 79 % of the others. The English
ones are the best of a grid (drift from 1.0 to 2.5 alike); with 2.25 for all but danger (1.0), as before, it would be 4 and
90 %. Of the Chinese ones in a grid those that let plain repetition and drifting through best (`tests/plain_*.json`); with 0.75
for all but danger, as before, it would be 4.1 and 79 %."""

SURE_OF_KIND = 0.7
"""How likely a kind of refusal, deflection or silence must be to be named, and so to choose what is said: on the families for
bars it is right in 91, 95 and 86 % of the cases above, in 44, 51 and 47 % of those below."""

LOOK_EVERY, LOOKS = 3, 2
"""Words (in Chinese: characters) between two looks at the beginning of a turn, and the looks whose mean counts: a reason to
cut in stays when more is said."""

NEVER, FOUND = -30.0, 2.0
"""Scores of a reason that cannot be, and of one that needs no model: a contradiction that memory found, a danger told plainly.
Their rules would rather miss one."""

KEPT_LOOKS = 256

ASKED_TWICE = 2.5
"""Added to the score of deflection where the same was asked twice before. The network misses a third of such turns where the
agent's answers were a small model's."""

ORDINARY_ALONE = 0.5
"""How likely words must be ordinary by themselves for what was said before to count less where it would make them something
else."""

ALONE_SHARE = 0.3
"""What those words count then: after a small model's answers ordinary turns were refused, deflected or met with silence. On the
families for bars macro-F1 is 0.920 with it and 0.916 without; of their conversations alone 0.935 and 0.911."""

WITHIN_REACH = 3.0
"""How far behind the score of an ordinary turn may be for that to change anything; of 26 % of the turns of the data the judge
would look twice, of 9 % it does."""


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
    networks = {
        language: [Network.load(language, folder / f"{name}.npz", threads) for name in names]
        for language, names in NETWORKS.items()
    }
    loaded = LoadedSmall(networks, MiniLM(threads=threads).load())
    loaded.judge_all([Situation("hello"), Situation("你好")])
    return loaded


@dataclass
class LoadedSmall:
    networks: Mapping[str, Sequence[Network]]
    """By language; see `NETWORKS`."""

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
        self._count_alone(heard, scores)
        return [
            plain(said, each) or judgement(each, row, kind)
            for said, each, row, kind in zip(situations, heard, scores, kinds, strict=True)
        ]

    def scores(self, situations: Sequence[Situation]) -> tuple[Scores, Scores]:
        """Of the strategies in the order of `NAMES`, the last being to cut in; and of all kinds of reason."""
        looks = [_looks(situation) for situation in situations]
        seen = self._seen([look for each in looks for look in each])
        rows = np.stack([seen[each[-1]] for each in looks])
        for row, situation, each in zip(rows, situations, looks, strict=True):
            row[-len(CUTS) :] = _reasons(situation, [_possible(look, seen[look]) for look in each])
            row[len(ENDS)] = row[-len(CUTS) :].max()
            if asked_twice(situation):
                row[ENDS.index("deflection")] += ASKED_TWICE
        return rows[:, : len(NAMES)], rows[:, len(NAMES) :]

    def _count_alone(self, situations: Sequence[Situation], scores: Scores) -> None:
        """Lets what was said before count less in the scores of turns that would be ordinary without it."""
        ordinary = ENDS.index("standard")
        behind = scores[:, : len(ENDS)].max(axis=1) - scores[:, ordinary]
        changed = [
            n
            for n, situation in enumerate(situations)
            if situation.turns and not situation.partial and 0 < behind[n] < WITHIN_REACH and not asked_twice(situation)
        ]
        if not changed:
            return
        alone, _ = self.scores([replace(situations[n], turns=()) for n in changed])
        for n, row in zip(changed, alone[:, : len(ENDS)], strict=True):
            if _softmax(row / TEMPERATURE)[ordinary] > ORDINARY_ALONE:
                scores[n, : len(ENDS)] += ALONE_SHARE * (row - scores[n, : len(ENDS)])

    def _seen(self, looks: list[Situation]) -> dict[Situation, Scores]:
        """What was looked at a moment ago is not looked at again."""
        with self._lock:
            seen = {look: self._kept[look] for look in looks if look in self._kept}
        unseen: dict[str, list[Situation]] = {}
        for look in dict.fromkeys(look for look in looks if look not in seen):
            unseen.setdefault(spoken_in(look.words, look.language), []).append(look)
        for language, new in unseen.items():
            rows = mean_scores(self.networks[language], new)
            linear = self.networks[language][0].linear_scores(new)
            rows[:, -len(CUTS) :] += rows[:, len(ENDS), None]
            rows[:, -len(CUTS) :] += LINEAR_CUT_SHARE * linear[:, len(ENDS), None] + LINEAR_KIND_SHARE * linear[:, len(NAMES) :]
            rows[:, : len(ENDS)] += LINEAR_SHARE * linear[:, : len(ENDS)]
            rows[:, ENDS.index("silence")] -= [SILENCE_BAR[language][_after_an_answer(look)] for look in new]
            seen |= dict(zip(new, rows, strict=True))
            with self._lock:
                self._kept |= {look: seen[look] for look in new if look.partial}
                for look in list(self._kept)[:-KEPT_LOOKS]:
                    del self._kept[look]
        return seen


def mean_scores(networks: Sequence[Network], looks: list[Situation]) -> Vectors:
    """Of ends of turns the mean of what all of these think, of beginnings what the first one does."""
    rows = networks[0].scores(looks)
    if ended := [n for n, look in enumerate(looks) if not look.partial]:
        others = [each.scores([looks[n] for n in ended]) for each in networks[1:]]
        rows[ended] = np.mean([rows[ended], *others], axis=0)
    return rows


def _heard(situation: Situation) -> Situation:
    """Without courtesies: they tell nothing of what follows. But nobody wants them again."""
    situation = with_short_answers(replace(situation, turns=turns_that_matter(situation)))
    words = situation.words
    asked = {text.lower().strip(" .,?!。，？！") for role, text in situation.turns if role == "user"}
    if situation.partial or words.lower().strip(" .,?!。，？！") in asked:
        return situation
    return replace(situation, words=rest(words, situation.character))


def _after_an_answer(situation: Situation) -> bool:
    return bool(situation.turns) and situation.turns[-1][0] != "user"


def _looks(situation: Situation) -> list[Situation]:
    """The moments of a turn that goes on at which it is looked at, at most `LOOKS`; of one that has ended, its end."""
    language = spoken_in(situation.words, situation.language)
    count = len(units(situation.words, language)) if situation.partial else 0
    places = list(range(LOOK_EVERY, count + 1, LOOK_EVERY))[-LOOKS:]
    return [replace(situation, words=prefix(situation.words, language, place)) for place in places] or [situation]


def _reasons(situation: Situation, evidence: list[Scores]) -> Scores:
    """Scores of every reason to cut in, from the evidence of some looks."""
    slope, even = (np.array(values) for values in zip(*CUT_IN.values(), strict=True))
    bar = np.array([*CUT_BAR[spoken_in(situation.words, situation.language)].values()])
    found = slope * (np.mean(evidence, axis=0) - even) - bar
    if situation.contradictions:
        found[CUTS.index("contradiction")] = FOUND
    if plainly_dangerous(situation.words):
        found[CUTS.index("danger")] = FOUND
    return found


def _possible(look: Situation, row: Scores) -> Scores:
    """The evidence for every reason to cut in. Nobody contradicts what is neither remembered nor said by him before."""
    found = np.array(row[-len(CUTS) :], np.float64)
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
    by_kind = _kinds(kinds)
    if not asked_before(situation):
        _ordinary_instead(ends, by_kind, "deflection", "again")
    if not may_contradict(situation):
        _ordinary_instead(ends, by_kind, "refusal", "contradiction")
    cut = float(1 / (1 + np.exp(-scores[-1]))) if situation.partial and count >= SHORTEST else 0.0
    probabilities = {name: float(p) * (1 - cut) for name, p in zip(ENDS, ends, strict=True)} | {"interruption": cut}
    unheard = sum(p for kind, p in by_kind["silence"].items() if kind in NOT_TO_AGENT)
    judged = Judgement(
        probabilities,
        interrupt=cut,
        backchannel=_backchannel(situation.words),
        addressed=1.0 - float(ends[ENDS.index("silence")]) * unheard,
    )
    chosen = by_kind[judged.strategy]
    kind = max(chosen, key=chosen.__getitem__, default="")
    if judged.strategy in ENDS and chosen.get(kind, 1.0) < SURE_OF_KIND:
        kind = ""
    if situation.contradictions and "contradiction" in chosen:
        kind = "contradiction"
    if judged.strategy == "standard" and not situation.partial and plainly_dangerous(situation.words):
        kind = "danger"  # too late to cut in, and no matter for small talk
    why = reason(judged.strategy, kind, language)
    if situation.partial and judged.strategy == "standard":
        why = GO_ON[language]
    return Judgement(probabilities, cut, judged.backchannel, judged.addressed, kind, why, chosen)


def _ordinary_instead(ends: npt.NDArray[np.float64], by_kind: dict[str, dict[str, float]], strategy: str, kind: str) -> None:
    """A reason that cannot be given here: what speaks for it speaks for an ordinary turn."""
    share = ends[ENDS.index(strategy)] * by_kind[strategy].pop(kind)
    ends[[ENDS.index(strategy), ENDS.index("standard")]] += [-share, share]


def plain(said: Situation, heard: Situation) -> Judgement | None:
    """What needs no model: nothing but courtesies, demands that are plainly harmful, and "wait"."""
    if said.words and not heard.words:
        return _certain(said, "standard", "")
    if not said.partial and plainly_harmful(said.words):
        return _certain(said, "refusal", "harmful")
    if not said.partial and asks_to_wait(said.words):
        return _certain(said, "silence", "hold")
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
