"""The page's controls of how the agent decides, and of who it is: they act at once on the conversation of this page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr
from anyio import to_thread

from . import characters, own_characters
from .config import Config
from .errors import ConfigError
from .realtime.adjusting import character_name
from .strategies import STANDARD, STRATEGIES
from .words import TEXTS

i18n = gr.I18n(**TEXTS)

CONFIGURE = "(value) => {{ window.cleans2s?.configure({settings}); }}"


def initiative(config: Config) -> None:
    """Whether the agent speaks unasked, and which ways of answering it may choose."""
    with gr.Row():
        proactive = gr.Checkbox(config.proactive, label=i18n("proactive"), info=i18n("proactive_info"))
        proactive.input(None, [proactive], None, js=CONFIGURE.format(settings="{proactive: value}"))
        others = [name for name in STRATEGIES if name != STANDARD]
        named = [(i18n(f"way_{name}") if f"way_{name}" in TEXTS["en"] else name, name) for name in others]
        on = [name for name in others if name in config.strategies]
        ways = gr.CheckboxGroup(named, value=on, label=i18n("ways"), info=i18n("ways_info"))
        ways.input(None, [ways], None, js=CONFIGURE.format(settings=f"{{strategies: ['{STANDARD}', ...value]}}"))


def character(config: Config) -> None:
    """Who the agent is: one of the characters that there are, or one that is written here."""
    listed: list[tuple[Any, str]] = [
        (i18n("plain"), ""),
        *((_title(characters.load(name)), name) for name in characters.names()),
    ]
    current = character_name(config)
    if current not in [name for _, name in listed]:  # a file that the server was started with
        listed.append((current, current))

    async def keep(text: str, own: list[tuple[str, str]]) -> tuple[Any, list[tuple[str, str]]]:
        try:
            name = await to_thread.run_sync(own_characters.keep, text)
        except ConfigError as error:
            raise gr.Error(str(error), print_exception=False) from None
        if name not in [known for _, known in own]:
            own = [*own, (f"{_title(characters.parse(text))} ({len(own) + 1})", name)]
        return gr.Dropdown(choices=[*listed, *own], value=name), own

    def written(name: str) -> str:
        try:
            return _text(name, config)
        except ConfigError as error:
            raise gr.Error(str(error), print_exception=False) from None

    chosen = gr.Dropdown(listed, value=current, label=i18n("who"), info=i18n("who_info"))
    with gr.Accordion(i18n("write_character"), open=False):
        gr.Markdown(i18n("write_character_text"))
        text = gr.Code(_text(current, config), language="markdown", label=i18n("character_file"), lines=12, max_lines=24)
        use = gr.Button(i18n("use_character"))
        own = gr.State(list[tuple[str, str]]())
    says_so = CONFIGURE.format(settings="{character: value}")
    chosen.input(None, [chosen], None, js=says_so)
    chosen.input(written, [chosen], [text], api_name="character", show_progress="hidden")
    # A text with a mistake leaves everything as it was; the sentence names its line.
    done = use.click(keep, [text, own], [chosen, own], api_name="use_character")
    done.success(None, [chosen], None, js=says_so)


def _title(character: characters.Character) -> str:
    return " · ".join(dict.fromkeys(portrait.name for portrait in character.portraits.values()))


def _text(name: str, config: Config) -> str:
    """The file of a character; for a plain assistant the one to begin with. Raises ConfigError for an unknown name."""
    setting = config.character if name == character_name(config) else own_characters.setting(name)
    setting = setting or characters.DEFAULT
    file = characters.FOLDER / f"{setting}.md" if setting in characters.names() else Path(setting).expanduser()
    try:
        return file.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError):
        raise ConfigError(f"the text of {name!r} cannot be read any more; choose another character") from None
