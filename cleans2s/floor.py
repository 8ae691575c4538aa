"""Who has the floor: does what the user said over the agent's voice take it, or is it to be let pass?

A listener's "uh-huh" supports the speaker (a backchannel: Yngve 1970, Ward & Tsukahara 2000), a cough means nothing,
and a loudspeaker's echo is the agent itself; only the rest is a barge-in.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Literal, TypeAlias

from .stages import Transcript
from .text import words_of

Verdict: TypeAlias = Literal["turn", "backchannel", "noise", "echo"]

WORDS_TO_TELL = 3
"""Of a sentence that has only begun, so many words (or a command) must be there before anything can be said about it."""

BACKCHANNELS = frozenset(
    "uh huh uhhuh mm hm hmm mhm mmhm mmhmm mhmm mmm um uhm ah aha oh ooh wow yeah yep yes yup ok okay right sure really "
    "nice good great cool true exactly indeed interesting alright see i got it of course haha ha "
    "嗯 哦 噢 啊 对 好 是 的 哈".split()
)

COMMANDS = frozenset(
    "stop wait no nope hold hang pause quiet silence enough sorry but actually what who why when where how excuse please "
    "listen hey shut never cancel repeat again louder slower 停 等 不 别 但 什 谁 为".split()
)
"""Words that take the floor however short and unclear they are."""

SHORT_S, SHORT_WORDS = 1.2, 4
"""A listener's response is shorter; what is longer is meant."""

UNSURE = -0.9
"""Mean log probability below which a short transcript is a guess at a noise: "uh-huh", coughs and typing came out of Whisper
as "Wuixan", "Ho, ho" and "M.M.A.Chem" between −0.95 and −2.75, ten spoken interruptions between −0.03 and −0.75, and only
"Stop!" at −1.34."""


def verdict(said: Transcript, voiced_s: float, agent_words: list[str]) -> Verdict:
    """`voiced_s` is how long the user has sounded, `agent_words` what the agent was heard to say in the last seconds."""
    words = words_of(said.text)
    if not words:
        return "noise"
    if len(words) <= 4 and all(word in BACKCHANNELS for word in words):
        return "backchannel"
    if len(words) >= WORDS_TO_TELL and _is_echo(words, agent_words):
        return "echo"
    if COMMANDS.intersection(words):
        return "turn"
    if voiced_s < SHORT_S and len(words) <= SHORT_WORDS and (said.confidence or 0.0) < UNSURE:
        return "noise"
    return "turn"


def takes_the_floor(partial: Transcript, voiced_s: float, agent_words: list[str]) -> bool:
    """The same while the user still speaks: only a clear yes counts."""
    words = words_of(partial.text)
    clear = len(words) >= WORDS_TO_TELL and (partial.confidence or 0.0) >= UNSURE
    return (clear or bool(COMMANDS.intersection(words))) and verdict(partial, voiced_s, agent_words) == "turn"


def _is_echo(words: list[str], agent_words: list[str]) -> bool:
    """Whether most neighbouring pairs of words were just spoken by the agent in the same order."""
    spoken = set(pairwise(agent_words))
    pairs = list(pairwise(words))
    return sum(pair in spoken for pair in pairs) >= 0.7 * len(pairs)
