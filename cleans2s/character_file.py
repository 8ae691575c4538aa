"""A character's file: Markdown in a fixed form, read strictly, so that a mistake is found where it is.

    # Nora · 诺拉
    - pitch: 2
    ## English
    ### Who
    I am Nora, a companion for everyday questions.
    ### Refuses
    - I do not give out what I know about other people.
    ## 中文
    ### 身份
    我是诺拉，……

Below the name come settings of the voice, then a part for each language with the sections of `SECTIONS`: one that is told in
sentences (who, stance, style), the others as lists. Sentences are in the first person: the model reads them as its part, and
the judge as the character's rules. Everything in such a file is words; none of it can change a setting beyond the voice.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NoReturn

from .effects import RANGES, Effects
from .errors import ConfigError
from .lines import Lines

SECTIONS = {
    "who": "身份", "stance": "立场", "style": "说话方式",
    "refuses": "拒绝", "deflects": "回避", "topics": "话题",
    "greeting": "开场白", "refusal": "说不", "deflection": "岔开", "interruption": "插话",
    "lookup": "查询", "follow_up": "搭话",
}  # fmt: skip
"""Their headings in English and Chinese; a blank may stand for the underscore."""

PROSE = ("who", "stance", "style")
SPOKEN = ("greeting", "refusal", "deflection", "interruption", "lookup", "follow_up")
"""Lists of lines that the agent says as they are; they may leave slots open (`lines.SLOTS`)."""

LANGUAGES = {"english": "en", "en": "en", "中文": "zh", "汉语": "zh", "chinese": "zh", "zh": "zh"}

FILE_BYTES = 32_000
NAME_CHARS = 40
ITEM_CHARS = 200
ITEMS = 12
PROMPT_CHARS = 2_000
"""Of all that a prompt holds of a character in one language: the model reads it before each reply."""


@dataclass(frozen=True)
class Portrait:
    """A character in one language."""

    name: str
    who: str
    stance: str = ""
    style: str = ""
    refuses: tuple[str, ...] = ()
    deflects: tuple[str, ...] = ()
    topics: tuple[str, ...] = ()
    lines: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])


@dataclass
class _Draft:
    """A part of the file, as it is being read."""

    language: str
    name: str
    line: int
    sections: dict[str, list[tuple[int, str]]] = field(default_factory=dict[str, list[tuple[int, str]]])


@dataclass(frozen=True)
class Contents:
    """What a file holds."""

    portraits: Mapping[str, Portrait]
    effects: Effects
    voices: Mapping[str, str]


def read(text: str, where: str) -> Contents:
    """Raises ConfigError that begins with `where:line:`, and says what was expected there."""
    return _Reader(where).read(text)


class _Reader:
    def __init__(self, where: str) -> None:
        self._where = where
        self._names: list[str] = []
        self._drafts: list[_Draft] = []
        self._heading = ("", 0)
        self._settings: dict[str, float] = {}
        self._voices: dict[str, str] = {}

    def fails(self, line: int, problem: str) -> NoReturn:
        raise ConfigError(f"{self._where}:{line}: {problem}")

    def read(self, text: str) -> Contents:
        if len(text.encode("utf-8", "replace")) > FILE_BYTES:
            self.fails(1, f"longer than {FILE_BYTES} bytes; a prompt cannot hold it, shorten it")
        if bad := re.search(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]", text):
            self.fails(text.count("\n", 0, bad.start()) + 1, f"the character {bad[0]!r} is no text; delete it")
        for number, line in enumerate(re.sub(r"<!--.*?-->", _newlines, text, flags=re.DOTALL).splitlines(), 1):
            if line.strip():
                self._line(number, line.strip())
        if not self._names:
            self.fails(1, "no name: the file begins with `# Name`")
        if not self._drafts:
            self.fails(1, "no language: expected a heading `## English` or `## 中文` above the sections")
        self._end_section()
        portraits = {draft.language: self._portrait(draft) for draft in self._drafts}
        return Contents(portraits, Effects(**self._settings), self._voices)

    def _line(self, number: int, line: str) -> None:
        if heading := re.match(r"(#+)\s*(.*?)\s*#*$", line):
            self._end_section()
            depth, title = len(heading[1]), heading[2]
            if not title:
                self.fails(number, "a heading without a title; write one behind the #, or delete it")
            (self._title, self._language, self._section)[min(depth, 3) - 1](number, title)
        elif not self._names:
            self.fails(number, f"{line[:40]!r} above the name: the file begins with `# Name`")
        elif not self._drafts:
            self._setting(number, line)
        elif not self._heading[0]:
            self.fails(number, f"{line[:40]!r} is in no section: write a heading such as `### Who` above it")
        else:
            self._drafts[-1].sections[self._heading[0]].append((number, line))

    def _title(self, number: int, title: str) -> None:
        if self._names:
            self.fails(number, f"a second name {title!r}: a file holds one character; use ## for a language, ### for a section")
        self._names = [name.strip() for name in re.split(r"\s*[·|/]\s*", title) if name.strip()]
        for name in self._names:
            if len(name) > NAME_CHARS or not re.search(r"\w", name):
                self.fails(number, f"the name {name[:60]!r}: expected 1 to {NAME_CHARS} characters that can be spoken")

    def _language(self, number: int, title: str) -> None:
        if not self._names:
            self.fails(number, "no name: the file begins with `# Name`")
        if not (code := LANGUAGES.get(title.lower())):
            mend = f"; for a section use `### {title}`" if _section(title) else ""
            self.fails(number, f"unknown language {title!r}: valid are `## English` and `## 中文`{mend}")
        if any(draft.language == code for draft in self._drafts):
            self.fails(number, f"a second part in {title}; join it with the first one")
        name = self._names[min(len(self._drafts), len(self._names) - 1)]
        self._drafts.append(_Draft(code, name, number))

    def _section(self, number: int, title: str) -> None:
        if not self._drafts:
            self.fails(number, f"the section {title!r} belongs to no language: write `## English` or `## 中文` above it")
        if not (section := _section(title)):
            every = [*(name.replace("_", " ") for name in SECTIONS), *SECTIONS.values()]
            close = difflib.get_close_matches(title.lower(), every, 1)
            hint = f"did you mean {close[0]!r}? " if close else ""
            self.fails(number, f"unknown heading {title!r}: {hint}valid are {', '.join(every)}")
        if section in self._drafts[-1].sections:
            self.fails(number, f"a second section {title!r} in this language; join it with the first one")
        self._drafts[-1].sections[section] = []
        self._heading = (section, number)

    def _end_section(self) -> None:
        section, number = self._heading
        if section and not self._drafts[-1].sections[section]:
            expected = "a sentence or two" if section in PROSE else "a list, a line each that begins with `- `"
            self.fails(number, f"nothing under {section!r}: expected {expected}; write it, or delete the heading")
        self._heading = ("", 0)

    def _setting(self, number: int, line: str) -> None:
        found = re.match(r"[-*]\s*([\w. ]+?)\s*[:：]\s*(.+)$", line)
        valid = "pitch, speed, volume_db, voice.ENGINE"
        if not found:
            self.fails(number, f"{line[:40]!r}: expected `- setting: value` (valid are {valid}) or `## English`")
        name, value = found[1].lower(), found[2].strip()
        if name.startswith("voice.") and len(name) > 6:
            self._voices[name[6:]] = value[:NAME_CHARS]
            return
        if name not in RANGES:
            close = difflib.get_close_matches(name, [*RANGES, "voice."], 1)
            hint = f"did you mean {close[0]!r}? " if close else ""
            self.fails(number, f"unknown setting {name!r}: {hint}valid are {valid}")
        least, most = RANGES[name]
        if not re.fullmatch(r"[+-]?\d+(?:\.\d+)?", value) or not least <= float(value) <= most:
            self.fails(number, f"{name} = {value[:40]!r}: expected a number from {least:g} to {most:g}")
        self._settings[name] = float(value)

    def _portrait(self, draft: _Draft) -> Portrait:
        if "who" not in draft.sections:
            self.fails(
                draft.line,
                f"no section `### {'身份' if draft.language == 'zh' else 'Who'}`: expected who it is, in the first person",
            )
        prose = {name: self._prose(name, draft.sections.get(name, [])) for name in PROSE}
        lists = {name: self._list(name, rows) for name, rows in draft.sections.items() if name not in PROSE}
        size = sum(map(len, prose.values())) + sum(
            len(item) for name in ("refuses", "deflects") for item in lists.get(name, ())
        )
        if size > PROMPT_CHARS:
            self.fails(
                draft.line, f"{size} characters for the prompt in this language: expected {PROMPT_CHARS} at most; shorten it"
            )
        lines = {name: lists[name] for name in SPOKEN if name in lists}
        refuses, deflects, topics = (lists.get(name, ()) for name in ("refuses", "deflects", "topics"))
        return Portrait(draft.name, **prose, refuses=refuses, deflects=deflects, topics=topics, lines=lines)

    def _prose(self, name: str, rows: list[tuple[int, str]]) -> str:
        for number, line in rows:
            if re.match(r"[-*]\s", line):
                self.fails(number, f"a list under {name!r}: expected sentences; delete the `{line[0]}`")
        return " ".join(line for _, line in rows)

    def _list(self, name: str, rows: list[tuple[int, str]]) -> tuple[str, ...]:
        items: list[str] = []
        for number, line in rows:
            item = re.match(r"(?:[-*]\s+)(.+)$", line)
            if not item:
                self.fails(number, f"{line[:40]!r} under {name!r}: expected a line that begins with `- `")
            if len(item[1]) > ITEM_CHARS:
                self.fails(number, f"{len(item[1])} characters: expected {ITEM_CHARS} at most; shorten it, or make two of it")
            if len(items) == ITEMS:
                self.fails(number, f"more than {ITEMS} lines under {name!r}; delete some")
            if name in SPOKEN:
                try:
                    Lines(en=(item[1],))
                except ConfigError as error:
                    self.fails(number, str(error).removeprefix("en: "))
            items.append(item[1])
        return tuple(items)


def _section(title: str) -> str | None:
    name = re.sub(r"[\s-]+", "_", title.strip().lower())
    return name if name in SECTIONS else next((key for key, heading in SECTIONS.items() if heading == title.strip()), None)


def _newlines(comment: re.Match[str]) -> str:
    return "\n" * comment[0].count("\n")
