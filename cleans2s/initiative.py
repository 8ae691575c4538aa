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
from .audio import RATE, Audio
from .blocking import stage_value
from .engines import Engines
from .errors import StageError
from .mind import Mind
from .openers import say
from .outbox import Outbox
from .reactions import Encoder, Reaction, Reactions
from .reply import Reply
from .stages import Transcript
from .text import language_of

if TYPE_CHECKING:
    from .session import Session

LOOK_EVERY_S = 0.5
"""How often it asks itself whether to speak up."""

NOD_AFTER_S, NOD_EVERY_S = 6.0, 8.0
"""Length of a turn before the first "mm-hm", and the time between two. People nod about every ten words (Yngve 1970), a
loudspeaker that does so is a nuisance."""

NOD_BELOW = 0.1
"""Probability of a turn's end below which a pause is one in which somebody goes on speaking."""

NOD_VOLUME = 0.5
"""Of the agent's voice: the floor stays with the user."""

REACT_AFTER_S = 0.7
"""After the turn's end: until then the cores are busy with the answer."""

FIRST_REACTION_S = 30.0
"""The first one of all computes what every emoji stands for."""


class Initiative:
    """Of one session."""

    def __init__(self, session: Session, mind: Mind, engines: Engines, outbox: Outbox) -> None:
        self._session, self._mind, self._engines, self._outbox = session, mind, engines, outbox
        self._nodded_at = -NOD_EVERY_S
        """Second of the user's sound at which it last did."""

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

    async def nod(self, reply: Reply, p_end: float | None) -> None:
        """ "Mm-hm" in a pause of a long turn: no reply, and on no record."""
        session, length_s = self._session, reply.audio_end_s - reply.onset / RATE
        if not (session.config.proactive and session.request and reply.said and p_end is not None and p_end < NOD_BELOW):
            return
        if length_s < NOD_AFTER_S or session.heard_s - self._nodded_at < NOD_EVERY_S or session.replying:
            return
        self._nodded_at = session.heard_s
        text = say("backchannel", reply.said.language or language_of(reply.said.text), round(session.heard_s))
        pieces = [piece async for piece in self._engines.speak(text)]
        sound = Audio(NOD_VOLUME * np.concatenate([piece.samples for piece in pieces]), pieces[0].rate)
        if session.hears_speech and not reply.scope.cancel_called:  # still the same pause
            await self._outbox.put(ev.Backchannelled(session.now_s, text, sound))

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
