"""What is remembered of a user, from one conversation to the next.

    turns as they were heard, with time   →  recall by meaning, words and time, as quoted lines for a prompt
    what they say in set phrases          →  facts, each with its quotation; contradictions to them; reminders
    all of it in one SQLite file          →  exported, imported, edited, forgotten

Nothing is written unless a file is opened, and no model is needed: an encoder makes recall go by meaning, and an able language
model finds facts that patterns do not.
"""

from . import kin, when
from .asking import asking
from .digestion import Encoder
from .extraction import Ask
from .memory import Memory
from .patterns import reminder
from .recall import FRAMING
from .records import Block, Contradiction, Digest, Episode, Fact, Greeting, Recalled, Taken
from .store import memory_file
from .when import Span

__all__ = [
    "FRAMING",
    "Ask",
    "Block",
    "Contradiction",
    "Digest",
    "Encoder",
    "Episode",
    "Fact",
    "Greeting",
    "Memory",
    "Recalled",
    "Span",
    "Taken",
    "asking",
    "kin",
    "memory_file",
    "reminder",
    "when",
]
