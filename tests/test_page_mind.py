"""The page's switches, the character's editor and "remember me": Gradio's own page and server, with scripted engines."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from cleans2s import characters
from cleans2s.memory import Memory

playwright = pytest.importorskip("playwright.sync_api", reason="the page's tests need playwright")
pytest.importorskip("gradio", reason="the page's tests need gradio")
if not (CHROMIUM := shutil.which("chromium")):
    pytest.skip("the page's tests need chromium", allow_module_level=True)

ROOT = Path(__file__).parent.parent
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--autoplay-policy=no-user-gesture-required"]
NOTE_SETTINGS = """() => { window.last = {}; window.cleans2s.voice.addEventListener('server', ({ detail }) => {
  if (detail.type === 'cleans2s.configured') window.last = detail.settings; }); }"""
OTTO = "# Otto\n## English\n### {}\nI am Otto, and I mend clocks.\n"


SERVE = """
from cleans2s.config import Config
from cleans2s.page import app
from cleans2s.testing import ScriptedASR, ScriptedEndOfTurn, ScriptedJudge, ScriptedLLM, ScriptedTTS, ScriptedVAD
app(Config(ScriptedVAD(), ScriptedEndOfTurn(), ScriptedASR(), ScriptedLLM(), ScriptedTTS(), ScriptedJudge())).launch()
"""


@pytest.fixture
def address(tmp_path):
    """Of the page, in a process of its own: Gradio leaves open what it has opened."""
    folders = {"CLEANS2S_DATA": str(tmp_path / "data"), "CLEANS2S_CACHE": str(tmp_path / "cache")}
    env = os.environ | {"GRADIO_ANALYTICS_ENABLED": "False", "PYTHONUNBUFFERED": "1"} | folders
    with subprocess.Popen([sys.executable, "-c", SERVE], cwd=ROOT, env=env, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout
        found = next(filter(None, (re.search(r"http://[\d.:]+", line) for line in server.stdout)))
        yield found[0]
        server.kill()


@pytest.fixture
def page(address):
    """Open, in conversation, with its settings open; `window.last` are those that the server has confirmed last."""
    with playwright.sync_playwright() as runner, runner.chromium.launch(executable_path=CHROMIUM, args=FLAGS) as browser:
        page = browser.new_context(locale="en-GB").new_page()
        page.goto(address)
        page.locator(".start").wait_for()
        page.evaluate(NOTE_SETTINGS)
        page.get_by_role("button", name="Settings").click()
        assert page.evaluate("window.cleans2s.voice.start({ microphone: false })") is True
        yield page


def settled(page, name, value):
    page.wait_for_function(
        "([name, value]) => JSON.stringify(window.last[name]) === value", arg=[name, json.dumps(value, separators=(",", ":"))]
    )


def test_switches_act_on_the_running_conversation(page):
    settled(page, "proactive", True)  # the page has said so itself
    page.get_by_label("It takes the initiative").uncheck()
    settled(page, "proactive", False)
    page.get_by_label("stay silent").uncheck()
    settled(page, "strategies", ["standard", "refusal", "deflection", "interruption"])
    page.get_by_label("stay silent").check()
    page.wait_for_function("window.last.strategies.includes('silence')")


def test_a_character_is_chosen_edited_and_used(page, tmp_path):
    page.get_by_label("Character", exact=True).click()
    page.get_by_role("option", name="Ines").click()
    settled(page, "character", "ines")
    page.get_by_role("button", name="Write a character of your own").click()
    editor = page.locator(".cm-content")
    editor.get_by_text("Ines").first.wait_for()

    def writes(text):
        editor.click()
        page.keyboard.press("ControlOrMeta+A")
        page.keyboard.insert_text(text)
        page.get_by_role("button", name="Use this character").click()

    writes(OTTO.format("Hobbies"))
    page.get_by_text("line 3 of the character: unknown heading 'Hobbies'").wait_for()
    settled(page, "character", "ines")
    writes(OTTO.format("Who"))
    page.wait_for_function("window.last.character.startsWith('own-')")
    (kept,) = (tmp_path / "cache").rglob("own-*.md")
    assert characters.load(kept).name("en") == "Otto"
    assert kept.stem == page.evaluate("window.last.character")


def test_being_remembered_writes_a_file_that_only_this_number_names(page, tmp_path):
    page.locator(".memory > summary").click()
    page.get_by_text("This memory ends with the conversation.").wait_for()
    assert not (tmp_path / "data").exists()
    page.get_by_label("Remember me").check()
    page.wait_for_function("window.last.memory?.length === 32")
    (file,) = (tmp_path / "data").rglob("*.sqlite")
    assert file.stem == f"browser-{page.evaluate('window.last.memory')}"
    page.get_by_label("Write to the agent").fill("My name is Ada.")
    page.keyboard.press("Enter")
    page.locator(".memory .line .entry", has_text="My name is Ada.").wait_for()
    with Memory.open(file) as memory:
        assert "My name is Ada." in [turn.text for turn in memory.episodes()]
    page.locator(".memory .forgetAll").click()
    page.get_by_role("button", name="Erase it").click()
    page.get_by_text("Everything is forgotten.").wait_for()
    page.locator(".memory .line").wait_for(state="detached")
    with Memory.open(file) as memory:
        assert (memory.facts, memory.episodes()) == ((), ())
