"""What the agent says that no thought is needed for: greetings and reminders, an apology, a word while something is looked up.

All of it follows from the conversation, the character and the time of day; nothing is remembered here.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from . import characters, openers
from .characters import Character
from .config import Config
from .conversation import Conversation, Message
from .errors import ConfigError, StageError
from .lines import Lines
from .memory import Greeting, Memory
from .patience import FollowUps
from .stages import Transcript
from .text import language_of

SAID = 6
"""The agent's last messages, whose lines are not said again."""

GREET_AFTER_S = 1.0
"""Silence at the beginning of a conversation after which the agent greets; who comes with a question is quicker."""


class Manners:
    """Of one session. `now` is the time of day."""

    def __init__(self, conversation: Conversation, now: Callable[[], datetime]) -> None:
        self._conversation, self._now = conversation, now

    # ── what was said ─────────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def spoken(self) -> list[Message]:
        return [message for message in self._conversation.messages if message.role in ("user", "assistant") and message.text]

    @property
    def turns(self) -> int:
        return sum(message.role == "user" for message in self._conversation.messages)

    @property
    def said(self) -> list[str]:
        """By the agent, lately."""
        return [message.text for message in self.spoken if message.role == "assistant"][-SAID:]

    @property
    def last_said(self) -> str:
        return " ".join(self.said[-1:])

    def language(self, said: Transcript | None = None) -> str:
        """Of the conversation, by what the user said last."""
        words = [message.text for message in self.spoken if message.role == "user"]
        return (said and said.language) or language_of(said.text if said and said.text else " ".join(words[-1:]))

    def character(self, config: Config) -> Character | None:
        """Read anew each time, so that a file can be edited while the conversation runs."""
        try:
            return characters.load(config.character) if config.character else None
        except ConfigError as error:
            raise StageError("judge", str(error)) from None

    # ── in a reply ────────────────────────────────────────────────────────────────────────────────────────────────────

    def apology(self, stage: str, said: Transcript | None) -> str:
        """Where an engine failed; "" where there is nothing to be said about it."""
        language = self.language(said)
        match stage:
            case "asr":
                return openers.say("apology_asr", language, self.turns)
            case "llm":
                return openers.say("apology_llm", language, self.turns)
            case "documents" | "search":
                return openers.say("apology_search", language, self.turns, avoid=self.said)
            case _:
                return ""

    def filler(self, said: Transcript | None, config: Config) -> str:
        """While something is looked up."""
        return openers.say("lookup", self.language(said), self.turns, avoid=self.said, own=self._lines(config, "lookup"))

    def _lines(self, config: Config, kind: str) -> Lines | None:
        try:
            character = self.character(config)
        except StageError:
            return None  # the fault is reported where the turn is judged
        return character.lines(kind) if character else None

    # ── unasked ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def unasked(self, config: Config, quiet_s: float, memory: Memory | None) -> str:
        """What to say now that nobody has said anything for a while; mostly nothing."""
        now, language = self._now(), self.language()
        if not config.proactive or (memory and memory.blocked(now)):
            return ""
        character = self.character(config)
        if memory and (promises := memory.due(now)):
            promise = promises[0]
            memory.done(promise.id, now)
            return openers.say("reminder", language, self.turns, {"topic": promise.value})
        spoken = self.spoken
        if not spoken:
            known = memory.greeting(now) if memory else Greeting()
            if quiet_s < GREET_AFTER_S or not (character or known.last_met):
                return ""
            me = character.name(language) if character else ""
            own = character.lines("greeting") if character else None
            topic = known.left_open[0].text if known.left_open else ""
            return openers.greeting(
                language, me, self.turns, name=known.name, last_met=known.last_met, now=now, left_open=topic, own=own
            )
        done = next((n for n, message in enumerate(reversed(spoken)) if message.role == "user"), len(spoken) + 1) - 1
        last = next((message.text for message in reversed(spoken) if message.role == "user"), "")
        after_s = FollowUps().after_s(max(done, 0), last)
        if after_s is None or quiet_s < after_s:
            return ""
        slots = {"topic": character.topic(language, self.turns, self.last_said)} if character else {}
        own = character.lines("follow_up") if character else None
        return openers.say("follow_up", language, done + self.turns, slots, self.said, own)
