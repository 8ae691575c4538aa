"""What the agent does unasked: it greets, speaks up in a long silence, reminds, nods to a long story, and reacts with an emoji.
Beside that, while nobody speaks, its memory is put in order.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import anyio
import numpy as np

from . import events as ev
from . import stages
from .audio import RATE, Audio, silence
from .blocking import stage_value
from .engines import Engines
from .errors import StageError
from .mind import Mind, Thought
from .openers import say
from .outbox import Outbox
from .reactions import Encoder, Reaction, Reactions
from .reply import Reply
from .stages import Transcript
from .text import language_of

if TYPE_CHECKING:
    from .session import Session
    from .turn import TurnDetector

LOOK_EVERY_S = 0.5
"""How often it asks itself whether to speak up."""

NOD_AFTER_S, NOD_EVERY_S = 6.0, 8.0
"""Length of a turn before the first "mm-hm", and the time between two. People nod about every ten words (Yngve 1970), a
loudspeaker that does so is a nuisance."""

NOD_PAUSE_S = 0.4
"""How long a pause lasts before it is nodded in; in a shorter one the two would speak at once."""

NOD_BELOW = 0.1
"""Probability of a turn's end below which a pause is one in which somebody goes on speaking."""

NOD_VOLUME = 0.5
"""Of the agent's voice: the floor stays with the user."""

NOD_AHEAD_S = 3.0
"""How long before it is due its sound is made."""

AFTER_NOD_S = 0.3
"""Silence after it before the turn may end."""

REACT_AFTER_S = 0.7
"""After the turn's end: until then the cores are busy with the answer."""

FIRST_REACTION_S = 30.0
"""The first one of all computes what every emoji stands for."""


class Initiative:
    """Of one session."""

    def __init__(self, session: Session, turns: TurnDetector, mind: Mind, engines: Engines, outbox: Outbox) -> None:
        self._session, self._turns, self._mind, self._engines, self._outbox = session, turns, mind, engines, outbox
        self._nodded_at, self._nods = -NOD_EVERY_S * RATE, 0
        """Sample of the user's sound at which it last did, and how often so far."""
        self._nod: tuple[int, str, Audio] | None = None
        """The next one, for the turn that began at this sample."""
        self._made: tuple[object, Audio] = (), Audio(silence(0))
        """The sound that was made last, with what it was made of."""

    async def take(self) -> None:
        """For as long as the session lasts."""
        session, quiet_since_s = self._session, self._session.now_s
        while True:
            await anyio.sleep(LOOK_EVERY_S)
            if not session.idle:
                quiet_since_s = session.now_s
                continue
            try:
                if await self._mind.digest():
                    self._outbox.note(ev.MemoryChanged(session.now_s))
                line = self._mind.manners.unasked(session.config, session.now_s - quiet_since_s, self._mind.memory)
            except StageError as failure:
                self._outbox.note(ev.Failed(session.now_s, failure.stage, failure.message))
                continue
            if line and session.idle and session.request:
                await session.respond(replace(session.request, line=line))

    async def prepare_nod(self, onset: int, said: Transcript, thought: Thought) -> None:
        """While somebody still speaks, at length and to the agent, its "mm-hm" is made: that takes as long as many a pause."""
        session, config = self._session, self._session.config
        self._nod = None
        if not thought.ordinary(config.strategies) or not self._may_nod(onset, NOD_AHEAD_S):
            return
        text = say("backchannel", said.language or language_of(said.text), self._nods)
        if self._made[0] != (recipe := (text, config.tts, config.effects)):
            try:
                pieces = [piece async for piece in self._engines.speak(text)]
            except StageError as failure:
                self._outbox.note(ev.Failed(session.now_s, failure.stage, failure.message))
                return
            self._made = recipe, Audio(NOD_VOLUME * np.concatenate([piece.samples for piece in pieces]), pieces[0].rate)
        self._nod = onset, text, self._made[1]

    async def nod(self, reply: Reply) -> None:
        """ "Mm-hm" in a pause of a long turn: no reply, and on no record. A pause is too short to wait for the words' opinion
        on it: where that is late the sound's counts, and whoever had finished after all is answered a moment later."""
        turns, now = self._turns, self._nod
        if now is None or now[0] != reply.onset or not self._may_nod(reply.onset):
            return
        try:
            p_sound = await self._engines.sound_complete(reply.sound)
        except StageError as failure:
            self._outbox.note(ev.Failed(self._session.now_s, failure.stage, failure.message))
            return
        await anyio.sleep(max(0.0, NOD_PAUSE_S - turns.silence_ms / 1000))
        _, text, sound = now
        p_end = p_sound if turns.p_words is None else turns.p_words
        told_to_it = reply.thought is None or reply.thought.ordinary(self._session.config.strategies)
        if turns.pauses(reply.revision) and p_end < NOD_BELOW and told_to_it:
            turns.leave_room(reply.revision, 1000 * (sound.duration_s + AFTER_NOD_S))
            self._nod, self._nods, self._nodded_at = None, self._nods + 1, turns.heard
            await self._outbox.put(ev.Backchannelled(self._session.now_s, text, sound))

    def nodded_since(self, sample: int) -> bool:
        return self._nodded_at > sample

    def _may_nod(self, onset: int, ahead_s: float = 0.0) -> bool:
        """Whether one is due in this turn, now or in a few seconds."""
        session, heard = self._session, self._turns.heard + ahead_s * RATE
        due = heard - onset >= NOD_AFTER_S * RATE and heard - self._nodded_at >= NOD_EVERY_S * RATE
        return due and session.config.proactive and session.request is not None and not session.replying

    async def react(self, reply: Reply) -> None:
        """An emoji for what was said, where one fits."""
        encoder = self._engines.encoder
        if not (encoder and reply.said and self._session.config.reactions and reply.answers):
            return
        await anyio.sleep(REACT_AFTER_S)
        try:
            found = await stage_value("judge", FIRST_REACTION_S, self._fitting, encoder, reply.said)
        except StageError as failure:
            self._outbox.note(ev.Failed(self._session.now_s, failure.stage, failure.message))
            return
        if found:
            await self._outbox.put(ev.Reacted(self._session.now_s, reply.turn, found.emoji, found.name))

    def _fitting(self, encoder: Encoder, said: Transcript) -> Reaction | None:
        self._reactions = stages.shared((Reactions, id(encoder)), lambda: Reactions(encoder))
        return self._reactions.to(said.text, said.language)
