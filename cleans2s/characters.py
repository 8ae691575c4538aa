"""Who the agent is. A character is one Markdown file (`character_file.py` has its form): four of our own, in English and
Chinese, and anybody's.

    characters.load("barnaby").instructions("zh")       the system prompt
    characters.load("my/aunt.md").rules("en")           what the judge is told
    characters.parse(text, "the page")                  from a text that is being edited
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from .character_file import FILE_BYTES, Portrait, read
from .effects import Effects
from .errors import ConfigError
from .lines import Lines, base_language

FOLDER = Path(__file__).parent / "characters"
DEFAULT = "nora"

SHORT_CHARS = 400
"""Of it for a small model, which loses the conversation over a long one."""

SMALL = "You are a friendly and helpful assistant in a spoken conversation. You answer in one or two short sentences."
"""What a small model (SmolLM2-135M) was seen to keep to, with a name and who it is behind it; told more of itself, it lost
itself in repetitions."""

FRAMES = {
    "en": (
        "You are {me}, in a spoken conversation. You answer in one or two short sentences and stay {me}.",
        "About you, in your own words: {who}", "What you stand for: {stance}", "How you speak: {style}",
        "What you do not do: {refuses}", "What you keep off, lightly: {deflects}",
    ),
    "zh": (
        "你是{me}，正在和人进行口语对话。每次只用一两句简短的话回答，始终以{me}的身份说话。",
        "用你自己的话说：{who}", "你的立场：{stance}", "你的说话方式：{style}",
        "你不做的事：{refuses}", "你会轻轻避开的：{deflects}",
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Character:
    key: str
    """By which it is loaded: the file's name."""

    portraits: Mapping[str, Portrait]
    """By language; the first one stands in for languages that there are not."""

    effects: Effects = field(default_factory=Effects)
    """How it sounds, with any voice."""

    voices: Mapping[str, str] = field(default_factory=dict[str, str])
    """The voice that suits it, by the name of a TTS engine."""

    def portrait(self, language: str | None) -> Portrait:
        return self.portraits.get(base_language(language)) or next(iter(self.portraits.values()))

    def name(self, language: str | None) -> str:
        return self.portrait(language).name

    def instructions(self, language: str | None, short: bool = False) -> str:
        """The system prompt. `short`: for a small model, its name and who it is in `SHORT_CHARS`; strategies carry the
        rest."""
        code = base_language(language) if base_language(language) in self.portraits else next(iter(self.portraits))
        portrait, frame = self.portraits[code], FRAMES[code]
        told = {
            "me": portrait.name, "who": portrait.who, "stance": portrait.stance, "style": portrait.style,
            "refuses": " ".join(portrait.refuses), "deflects": " ".join(portrait.deflects),
        }  # fmt: skip
        if not short:
            return "\n".join(_put(line, told) for line in frame if all(told[slot] for slot in re.findall(r"\{(\w+)\}", line)))
        first = next(iter(_sentences(portrait.who)), "")
        named = re.match(rf"I(?: am|['’]m) {re.escape(portrait.name)},? (.+)", first) if code == "en" else None
        if named:
            return f"{SMALL} Your name is {portrait.name}, and you are {named[1]}"[:SHORT_CHARS]
        text = _put(frame[0], told)
        for sentence in _sentences(f"{portrait.who} {portrait.style}"):
            if len(text) + 1 + len(sentence) > SHORT_CHARS:
                break
            text += f" {sentence}" if code != "zh" else sentence
        return text

    def rules(self, language: str | None) -> tuple[str, ...]:
        """What the judge is told: who it is, what it does not do, what it keeps off; a sentence or two each."""
        portrait = self.portrait(language)
        return (portrait.who, *portrait.refuses, *portrait.deflects)

    def topics(self, language: str | None) -> tuple[str, ...]:
        """What it likes to turn to, a few words each."""
        return self.portrait(language).topics

    def topic(self, language: str | None, turn: int, avoid: str = "") -> str:
        """One of them, another each turn, and none that is in the text `avoid` (what was said last)."""
        topics = self.topics(language)
        fresh = [topic for topic in topics if topic.lower() not in avoid.lower()] or list(topics)
        return fresh[turn % len(fresh)] if fresh else ""

    def lines(self, kind: str) -> Lines:
        """Its own way of saying something, in all its languages; empty where it has none."""
        return Lines(
            {code: portrait.lines.get(kind, ()) for code, portrait in self.portraits.items() if kind in portrait.lines}
        )


def _put(line: str, values: Mapping[str, str]) -> str:
    return re.sub(r"\{(\w+)\}", lambda slot: values[slot[1]], line)


def _sentences(text: str) -> list[str]:
    return [part.strip() for part in re.split(r"(?<=[.!?])\s+|(?<=[。！？])\s*", text) if part.strip()]


# ── those that there are ──────────────────────────────────────────────────────────────────────────────────────────────


def names() -> list[str]:
    """What comes with the package, the default one first."""
    return sorted((file.stem for file in FOLDER.glob("*.md")), key=lambda name: (name != DEFAULT, name))


def load(name: str | Path) -> Character:
    """A character by its name, or the path of a Markdown file. Raises ConfigError for any other, with the names that there
    are, and for a file with a mistake, with its line."""
    if str(name) in names():
        file = FOLDER / f"{name}.md"
    elif (file := Path(name).expanduser()).suffix.lower() != ".md":
        close = difflib.get_close_matches(str(name), names(), 1)
        hint = f"did you mean {close[0]!r}? " if close else ""
        raise ConfigError(
            f"no character is called {str(name)!r}: {hint}there are {', '.join(names())}, or give the path of an .md file"
        )
    try:
        with file.open("rb") as opened:
            content = opened.read(FILE_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"{file}: {error.strerror or error}; expected a Markdown file that describes a character") from None
    if len(content) > FILE_BYTES:
        raise ConfigError(f"{file}: longer than {FILE_BYTES} bytes; a prompt cannot hold it, shorten it")
    if b"\0" in content:
        raise ConfigError(f"{file}: no text (it holds zero bytes); expected a Markdown file in UTF-8")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{file}:{line}: not UTF-8 (byte 0x{content[error.start]:02x}); save the file as UTF-8") from None
    return parse(text, str(file))


def parse(text: str, where: str = "character") -> Character:
    """A character from its text. Raises ConfigError that begins with `where:line:` and says what was expected there."""
    contents = read(text, where)
    return Character(Path(where).stem, contents.portraits, contents.effects, contents.voices)
