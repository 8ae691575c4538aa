"""What the agent makes of a turn before it answers: what it remembers, what the judge says, what is to be looked up, and so
how it will answer.

All of it runs while it is still open whether the turn is over (or, to cut in, while the user still speaks), beside the
opinions on that, so it costs the reply no time.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
from anyio import to_thread

from . import events as ev
from . import openers, recollection
from .blocking import stage_value
from .characters import Character
from .config import Config
from .conversation import Conversation, Message
from .engines import Engines
from .errors import StageError
from .judge import NOT_TO_AGENT, Judgement, Situation
from .judge.courtesies import asks_for_its_nature
from .manners import Manners
from .memory import FRAMING, Block, Contradiction, Memory, Recalled, memory_file
from .patience import Judged, Patience, Standing
from .stages import Transcript
from .strategies import STANDARD, STRATEGIES, Strategies, Strategy, known
from .text import language_of

if TYPE_CHECKING:
    from .lookup.search import Lookup, Search

RECENT = 24
"""Messages that the judge sees before the words in question: who asks for the third time may have talked of something else
between."""

OVERHEARD = NOT_TO_AGENT - {"thinking"}
"""Kinds of silence after which nothing is remembered: nobody told it to the agent, and who knows whose words they are."""


@dataclass(frozen=True)
class Thought:
    """How a turn is answered. `line` is said as it is, without a language model; otherwise `guidance` and `recalled` go
    with the prompt, as data."""

    strategy: Strategy
    judgement: Judgement | None = None
    language: str = "en"
    recalled: tuple[str, ...] = ()
    line: str = ""
    guidance: str = ""
    standing: Standing = field(default_factory=Standing)
    """Where repeated abuse has led to."""

    search: Search | None = None
    """What is looked up for it."""

    @property
    def speaks(self) -> bool:
        return self.strategy.speaks or self.standing.state == "last_word"

    @property
    def to_agent(self) -> bool:
        """Whether the words were (rather) spoken to it: "wait", unlike what is said to somebody else, asks it to be silent."""
        return not self.judgement or self.judgement.addressed >= 0.5

    @property
    def kind(self) -> str:
        """Of the reason, where the judge tells it: "abuse", "repetition"."""
        return self.judgement.kind if self.judgement else ""

    @property
    def cuts_in(self) -> bool:
        return self.strategy.may_barge_in

    def ordinary(self, on: tuple[str, ...]) -> bool:
        """Whether it is (or will be, when the user has finished) simply answered."""
        chosen = Strategies(on).choose(self.judgement.probabilities) if self.judgement else STRATEGIES[STANDARD]
        return not self.line and self.strategy.name == chosen.name == STANDARD

    def noted(self, words: str) -> str:
        """The user's words with what the agent knows beside them, for a prompt."""
        notes = [FRAMING.get(self.language, FRAMING["en"]), *self.recalled] if self.recalled else []
        return "\n".join([words, "", "(", *notes, self.guidance, ")"]) if notes or self.guidance else words


MEMORY_S, DIGEST_S = 2.0, 60.0
"""The most that remembering a turn, and putting new ones in order, may take."""

TRANSIENT = ":memory:"
"""The setting of a memory that is never written."""

DECISIONS = 200
"""Far more than the turns of half an hour, in which abuse adds up."""

ASIDE = 0.2
"""Probability of being spoken to below which words over the agent's voice do not stop it."""


class Mind:
    """Of one session. `now` is the time of day, for memory; all else goes by the conversation."""

    def __init__(
        self, engines: Engines, conversation: Conversation, now: Callable[[], datetime], start: Callable[..., object]
    ) -> None:
        """`start` runs a coroutine function beside the conversation."""
        self._engines, self._conversation, self._now, self._start = engines, conversation, now, start
        self.manners = Manners(conversation, now)
        self._lookup: Lookup | None = None
        """None as long as there is nothing to look things up in."""
        self.memory: Memory | None = None
        self._noted: set[str] = set()
        """Messages that memory has."""

        self._opened = ""
        """The setting that the memory in use belongs to."""

        self._judged: deque[Judged] = deque(maxlen=DECISIONS)
        """What was decided on the last turns of this conversation."""

        self.lifted: datetime | None = None
        """When a person last lifted a block."""

    async def open(self, config: Config) -> None:
        """The memory that the settings name; the one in use stays if it is that. And where to look things up."""
        if self._engines.finders and not self._lookup:
            from .lookup.search import Lookup

            self._lookup = Lookup(self._engines, self._start)
        if config.memory == self._opened:
            return
        await self.close()
        if config.memory == TRANSIENT:
            self.memory = Memory.open(None, self._engines.encoder)
        elif config.memory:
            self.memory = await to_thread.run_sync(Memory.open, _file(config.memory), self._engines.encoder)
        self._opened = config.memory

    async def close(self) -> None:
        """What was said last is kept, even where everything else is being given up."""
        if self.memory:
            with anyio.CancelScope(shield=True):
                if self.memory.path:
                    await self.digest()
                self.memory.close()
            self.memory, self._opened = None, ""

    # ── a turn ──────────────────────────────────────────────────────────────────────────────────────────────────────

    async def consider(
        self,
        said: Transcript,
        config: Config,
        partial: bool = False,
        asked_for: Message | None = None,
        engaged: bool = False,
    ) -> Thought:
        """How to answer these words, or (`partial`) whether to cut in; and what to look up for them. That is dropped where the
        words turn out not to be answered in the ordinary way. Words that are on record (typed ones, or those that a client
        waited with) are `asked_for`: somebody wants an answer, and silence is none. Nor is it to what the agent has nodded to
        (`engaged`), unless silence is asked for."""
        if asked_for:
            config = _answering(config)
        search = self._lookup.begin(said.text) if self._lookup else None
        try:
            thought = await self._thought(said, config, partial, asked_for)
            if engaged and not (thought.speaks or thought.to_agent):
                thought = await self._thought(said, _answering(config), partial, asked_for)
        except StageError:
            if self._lookup and search:
                self._lookup.drop(search)
            raise
        if not self._lookup or not search:
            return thought
        if not thought.ordinary(config.strategies):
            self._lookup.drop(search)
            return thought
        search.allow(partial)
        return replace(thought, search=search)

    def search(self, words: str) -> Search | None:
        """What has to be looked up for words on record that nobody judged."""
        search = self._lookup.begin(words) if self._lookup and words else None
        if self._lookup and search:
            search.allow(partial=False)
            self._lookup.claim(search)
        return search

    async def _thought(
        self, said: Transcript, config: Config, partial: bool = False, asked_for: Message | None = None
    ) -> Thought:
        words, language = said.text, said.language or language_of(said.text)
        character = self.manners.character(config)
        if not partial and not self._engines.ask and recollection.asks_memory(words):
            with anyio.CancelScope(shield=True):  # what it has begun to take in would be lost
                await self.digest()  # who talks over the agent leaves it no quiet moment for that
        recalled, against = await self._look_back(words)
        before = [message for message in self.manners.spoken if message is not asked_for]
        situation = Situation(
            words,
            partial,
            tuple(("user" if m.role == "user" else "agent", m.text) for m in before[-RECENT:]),
            tuple(fact.text for fact in recalled.facts),
            tuple(each.why for each in against),
            " ".join(character.rules(language)) if character else "",
            language,
        )
        judgement = await self._engines.judge(situation)
        on = Strategies(config.strategies)
        if partial:  # never twice in a row: who goes on all the same wants to be heard
            again = bool(self._judged) and known()[self._judged[-1].strategy].may_barge_in
            strategy = None if again else on.cuts_in(judgement.probabilities)
        else:
            strategy = on.choose(judgement.probabilities)
        thought = Thought(strategy or STRATEGIES[STANDARD], judgement, language, recalled.lines)
        if "silence" in on:
            this = () if partial else (Judged(self._now(), thought.strategy.name, thought.kind),)
            thought = replace(thought, standing=self._standing(*this))
        slots = {
            "topic": character.topic(language, self.manners.turns, self.manners.last_said) if character else "",
            "me": character.name(language) if character else "",
            "fact": openers.quoted(against[0].fact.quote, language) if against else "",
        }
        thought = self._worded(thought, character, slots)
        if thought.line or thought.strategy.name != STANDARD or self._engines.guided:
            return thought
        return replace(thought, line=self._own_line(words, language, recalled, config.proactive, before))

    def _own_line(self, words: str, language: str, recalled: Recalled, promises: bool, before: list[Message]) -> str:
        """What a model that cannot be told how to answer is not trusted to say: what it is (it takes itself for human), and
        what it remembers; "" for all else."""
        now, turn = self._now(), self.manners.turns
        if asks_for_its_nature(words):
            return openers.say("nature", language, turn)
        if not (memory := self.memory):
            return ""
        if promises and (line := recollection.promised(words, language, now, turn)):
            return line
        if line := recollection.told(words, recalled, language, now):
            return line
        last = next((message.text for message in reversed(before) if message.role == "user"), "")
        return recollection.known(words, memory.facts, language) or recollection.untold(words, last, language, turn)

    def _worded(self, thought: Thought, character: Character | None, slots: dict[str, str]) -> Thought:
        strategy, language = thought.strategy, thought.language
        if thought.standing.state == "last_word":
            line = openers.last_word(language, thought.standing.block, self.manners.turns)
            return replace(thought, strategy=STRATEGIES["refusal"], line=line)
        if thought.standing.state == "blocked":
            return replace(thought, strategy=STRATEGIES["silence"])
        if self._engines.guided:  # how to answer ordinarily is in its instructions
            return replace(thought, guidance=strategy.prompt(language, **slots)) if strategy.name != STANDARD else thought
        own = character.lines(strategy.name) if character else None
        line = strategy.say(language, kind=thought.kind, turn=self.manners.turns, slots=slots, avoid=self.manners.said, own=own)
        return replace(thought, line=line)

    def instructions(self, config: Config) -> str:
        """The system prompt: the character's, in the language of the conversation, or that of the settings."""
        try:
            character = self.manners.character(config)
        except StageError:
            return config.instructions  # the fault is reported where the turn is judged
        if not character:
            return config.instructions
        return character.instructions(self.manners.language(), short=not self._engines.able)

    async def addressed(self, said: Transcript, config: Config) -> bool:
        """Whether words over the agent's voice are spoken to it. In doubt they are: not to be stopped is worse."""
        if "silence" not in config.strategies:
            return True
        judgement = (await self._thought(said, config)).judgement
        return not judgement or judgement.addressed >= ASIDE

    def decided(self, thought: Thought, at_s: float, turn: int, item: str) -> ev.Judged | None:
        """A turn is over, and this is how it is answered; `item` is the id of its words on the record."""
        if self._lookup:
            self._lookup.claim(thought.search)
        self._judged.append(Judged(self._now(), thought.strategy.name, thought.kind))
        if thought.strategy.name == "silence" and thought.kind in OVERHEARD:
            self.leave_out(item)
        if (standing := thought.standing).until and standing.state == "last_word" and self.memory:
            self.memory.block(standing.until, "repeated abuse", self._now())
        judgement = thought.judgement
        if not judgement:
            return None
        until = standing.until.isoformat() if standing.until else ""
        shares = {name: round(share, 3) for name, share in judgement.probabilities.items()}
        return ev.Judged(at_s, turn, thought.strategy.name, shares, judgement.reason, list(thought.recalled), until, item)

    def _standing(self, *this: Judged) -> Standing:
        """Of the user, after what was decided, and after `this`."""
        if block := self._block():
            return Standing("blocked", block.until, block.until - block.since)
        standing = Patience().standing([*self._judged, *this], self._now(), self.lifted)
        return standing if this or not standing.until else Standing("blocked", standing.until, standing.block)

    # ── between turns ─────────────────────────────────────────────────────────────────────────────────────────────────────

    async def unblock(self) -> None:
        """What was said before does not count any more."""
        self.lifted = self._now()
        if self.memory:
            await stage_value("memory", MEMORY_S, self.memory.unblock)

    async def digest(self) -> bool:
        """Puts what was said since into memory, and memory in order; returns whether anything changed."""
        new = [m for m in self.manners.spoken if m.id not in self._noted and (m.role == "user" or m.ending)]
        if not new or not self.memory:
            return False
        self._noted.update(message.id for message in new)
        self.memory.ask = self._engines.ask
        if self.memory.ask:  # a thread of anyio's, from which the model's own loop can be reached
            await to_thread.run_sync(self._take_in, self.memory, new, self._now(), abandon_on_cancel=True)
        else:
            await stage_value("memory", DIGEST_S, self._take_in, self.memory, new, self._now())
        return True

    def _take_in(self, memory: Memory, messages: list[Message], now: datetime) -> None:
        for message in messages:
            memory.note("user" if message.role == "user" else "assistant", message.text, now, message.id)
        while memory.digest().left:
            pass

    def leave_out(self, id: str) -> None:
        """A message that is not put into memory: what it says are strangers' words, or nothing that was told to the agent."""
        self._noted.add(id)

    def _block(self) -> Block | None:
        return self.memory.blocked(self._now()) if self.memory else None

    # ── what it knows ───────────────────────────────────────────────────────────────────────────────────────────────

    async def _look_back(self, words: str) -> tuple[Recalled, tuple[Contradiction, ...]]:
        if not self.memory:
            return Recalled(), ()
        known = self._engines.guided or (self._engines.able and not recollection.asks_memory(words))
        in_prompt = [message.id for message in self.manners.spoken] if known else []
        return await stage_value("memory", MEMORY_S, self._searched, self.memory, words, self._now(), in_prompt)

    def _searched(
        self, memory: Memory, words: str, now: datetime, without: list[str]
    ) -> tuple[Recalled, tuple[Contradiction, ...]]:
        return memory.recall(words, now, without=without), memory.contradictions(words)


def _answering(config: Config) -> Config:
    """Without silence."""
    return replace(config, strategies=tuple(name for name in config.strategies if known()[name].speaks))


def _file(named: str) -> Path:
    """The file of a name; a path is one already."""
    return Path(named).expanduser() if named.endswith(".sqlite") else memory_file(named)
