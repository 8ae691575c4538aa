"""Characters: the four that come with the package, files of one's own, and files with mistakes."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cleans2s import characters
from cleans2s.character_file import FILE_BYTES, PROMPT_CHARS, SECTIONS, SPOKEN
from cleans2s.characters import DEFAULT, SHORT_CHARS
from cleans2s.errors import ConfigError
from cleans2s.strategies import STRATEGIES

AUNT = """# Aunt Mae · 梅姨

- pitch: +1.5
- voice.kokoro: jf_alpha
<!-- notes
of my own -->

## English
### Who
I am Aunt Mae.
I keep bees.
### Refuses
- I do not sell honey on credit.
### Topics
- the swarm in the pear tree

## 中文
### 身份
我是梅姨，养蜜蜂。
### 拒绝
- 蜂蜜不赊账。
"""

# ── ours ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("name", characters.names())
def test_a_character_is_whole_in_both_languages(name, language):
    character = characters.load(name)
    portrait = character.portrait(language)
    assert character.key == name
    assert portrait.who and portrait.stance and portrait.style
    assert len(portrait.refuses) >= 3 and len(portrait.deflects) >= 2 and len(portrait.topics) >= 4
    assert character.name(language) in character.instructions(language)
    for text in (character.instructions(language), *character.rules(language), *portrait.topics):
        assert bool(re.search(r"[㐀-鿿]", text)) == (language == "zh") and "{" not in text
    assert len(character.instructions(language, short=True)) <= SHORT_CHARS
    assert len(character.instructions(language)) < PROMPT_CHARS


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("name", characters.names())
def test_a_character_says_it_in_its_own_way(name, language):
    character = characters.load(name)
    slots = {"me": character.name(language), "topic": character.topic(language, 0), "rule": character.rules(language)[1]}
    for strategy, kind in (("refusal", "private"), ("deflection", "prying"), ("interruption", "repetition")):
        row, own = STRATEGIES[strategy], character.lines(strategy)
        said = {row.say(language, turn=turn, slots=slots, own=own, kind=kind) for turn in range(12)}
        stems = {re.split(r"\{", line)[0] for line in own.of(language)}
        assert any(words.startswith(stem) for words in said for stem in stems if stem)
        assert not any("{" in words for words in said)
    serious = STRATEGIES["refusal"].kinds["self_harm"].of(language)
    for turn in range(6):  # where it matters, no character plays
        own = character.lines("refusal")
        assert STRATEGIES["refusal"].say(language, kind="self_harm", turn=turn, slots=slots, own=own) in serious


def test_the_names():
    assert characters.names()[0] == DEFAULT and len(characters.names()) == 4
    spoken = [characters.load(name).name(language) for name in characters.names() for language in ("en", "zh")]
    assert len(set(spoken)) == 8


def test_topics_turn_and_do_not_come_back_at_once():
    nora = characters.load("nora")
    assert len({nora.topic("en", turn) for turn in range(4)}) == 4
    assert nora.topic("en", 0, avoid=f"What about {nora.topics('en')[0]}?") != nora.topics("en")[0]


# ── one's own ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_file_of_ones_own(tmp_path):
    (tmp_path / "mae.md").write_bytes(b"\xef\xbb\xbf" + AUNT.replace("\n", "\r\n").encode())
    mae = characters.load(tmp_path / "mae.md")
    assert mae.key == "mae" and mae.effects.pitch == 1.5 and mae.voices == {"kokoro": "jf_alpha"}
    assert mae.name("en") == "Aunt Mae" and mae.name("zh-TW") == "梅姨" and mae.name("fr") == "Aunt Mae"
    assert mae.rules("en") == ("I am Aunt Mae. I keep bees.", "I do not sell honey on credit.")
    assert mae.instructions("en").splitlines() == [
        "You are Aunt Mae, in a spoken conversation. You answer in one or two short sentences and stay Aunt Mae.",
        "About you, in your own words: I am Aunt Mae. I keep bees.",
        "What you do not do: I do not sell honey on credit.",
    ]
    assert mae.topic("zh", 3) == "" and not mae.lines("greeting")


def test_one_language_will_do():
    mae = characters.parse("# Mae\n## 中文\n### 身份\n我养蜜蜂。")
    assert mae.instructions("en") == mae.instructions("zh") and mae.name("en") == "Mae"


def test_the_words_of_a_character_cannot_reach_the_frame():
    mae = characters.parse("# {who}\n## English\n### Who\nI am {stance} {0} %s.\n### Stance\nNone.")
    assert "You are {who}, in" in mae.instructions("en") and "I am {stance} {0} %s." in mae.instructions("en")


MISTAKES = {
    "": "1: no name: the file begins with `# Name`",
    "I am Mae.": "1: 'I am Mae.' above the name",
    "# Mae": "1: no language: expected a heading `## English`",
    "#": "1: a heading without a title",
    "# !!!": "1: the name '!!!': expected 1 to 40 characters",
    "# Mae\n# Bob": "2: a second name 'Bob'",
    "# Mae\n\n- pich: 2": "3: unknown setting 'pich': did you mean 'pitch'?",
    "# Mae\n- pitch: high": "2: pitch = 'high': expected a number from -12 to 12",
    "# Mae\n- speed: 9": "2: speed = '9': expected a number from 0.5 to 2",
    "# Mae\nI keep bees.": "2: 'I keep bees.': expected `- setting: value`",
    "# Mae\n## Klingon": "2: unknown language 'Klingon'",
    "# Mae\n## Who": "2: unknown language 'Who': valid are `## English` and `## 中文`; for a section use `### Who`",
    "# Mae\n### Who": "2: the section 'Who' belongs to no language",
    "# Mae\n## English\nHello": "3: 'Hello' is in no section",
    "# Mae\n## English\n### Refuse\n- x": "3: unknown heading 'Refuse': did you mean 'refuses'?",
    "# Mae\n## English\n### Who\n### Style\nx": "3: nothing under 'who': expected a sentence or two",
    "# Mae\n## English\n### Who\nx\n### Refuses": "5: nothing under 'refuses': expected a list",
    "# Mae\n## English\n### Who\n- x": "4: a list under 'who': expected sentences",
    "# Mae\n## English\n### Who\nx\n### Topics\nbees": "6: 'bees' under 'topics': expected a line that begins with `- `",
    "# Mae\n## English\n### Who\nx\n### Who\ny": "5: a second section 'Who'",
    "# Mae\n## English\n### Who\nx\n## English": "5: a second part in English",
    "# Mae\n## English\n### Style\nx": "2: no section `### Who`",
    "# Mae\n## English\n### Who\n" + "x" * 2001: "2: 2001 characters for the prompt",
    "# Mae\n## English\n### Who\nx\n### Topics\n- " + "y" * 201: "6: 201 characters: expected 200",
    "# Mae\n## English\n### Who\nx\n### Topics\n" + "- y\n" * 13: "18: more than 12 lines",
    "# Mae\n## English\n### Who\nx\n### Greeting\n- Hi {you}!": "6: 'Hi {you}!' leaves {you} open",
    "# Mae\n## English\n<!-- \n -->\n### Whoo\nx": "5: unknown heading 'Whoo': did you mean 'who'?",
    "# Mae\n## English\n### Who\nx\x07": "4: the character '\\x07' is no text",
    "#\n" * FILE_BYTES: f"1: longer than {FILE_BYTES} bytes",
}


@pytest.mark.parametrize("text", MISTAKES)
def test_a_mistake_is_found_where_it_is(text):
    with pytest.raises(ConfigError) as raised:
        characters.parse(text, "mae.md")
    assert str(raised.value).startswith(f"mae.md:{MISTAKES[text]}")


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"# Mae\n## English\n\xff", r"mae\.md:3: not UTF-8 \(byte 0xff\); save"),
        (b"\x89PNG\0\0", r"mae\.md: no text"),
        (b"#" * (FILE_BYTES + 1), r"mae\.md: longer than"),
    ],
)
def test_a_file_that_is_no_text(tmp_path, content, complaint):
    (tmp_path / "mae.md").write_bytes(content)
    with pytest.raises(ConfigError, match=complaint):
        characters.load(tmp_path / "mae.md")


def test_who_is_not_there(tmp_path):
    with pytest.raises(ConfigError, match=r"no character is called 'norah': did you mean 'nora'\? there are nora, barnaby"):
        characters.load("norah")
    with pytest.raises(ConfigError, match="No such file"):
        characters.load(tmp_path / "gone.md")
    (tmp_path / "folder.md").mkdir()
    with pytest.raises(ConfigError, match=r"folder\.md: "):
        characters.load(tmp_path / "folder.md")
    with pytest.raises(ConfigError, match="no character is called '/etc/passwd'"):
        characters.load("/etc/passwd")


HEADINGS = [f"### {name}" for pair in SECTIONS.items() for name in pair]
PIECES = st.sampled_from(["# Mae", "## English", "## 中文", *HEADINGS, "- x", "x", "- pitch: 1", "", "- {me}", "<!--", "-->"])


@given(st.lists(PIECES | st.text(max_size=20), max_size=20))
def test_any_text_is_a_character_or_a_readable_error(pieces):
    text = "\n".join(pieces)
    try:
        character = characters.parse(text, "mae.md")
    except ConfigError:
        with pytest.raises(ConfigError, match=r"^mae\.md:\d+: "):
            characters.parse(text, "mae.md")
        return
    for language in ("en", "zh"):
        assert character.instructions(language) and character.rules(language)
        for kind in SPOKEN:
            assert "{" not in character.lines(kind).pick(language, 1)
