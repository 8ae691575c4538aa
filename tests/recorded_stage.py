"""A conversation that is recorded, for the tests of recordings and of replays."""

from __future__ import annotations

from pathlib import Path

from cleans2s.events import Ignored, ReplyEnded, ReplyStarted
from cleans2s.recorder import Recorder
from cleans2s.session import Session
from cleans2s.testing import ScriptedLLM, Stage

STORY = "Once upon a time there was a king who lived in a castle. He had three daughters. They all sang."
ANSWERS = [STORY, "Sure, bread.", "It is late."]


def recorded_stage(folder: Path, **more) -> Stage:
    stage = Stage(**{"llm": ScriptedLLM(ANSWERS), **more})
    stage.session = Session(stage.session.config, Recorder(folder))
    return stage


async def a_conversation(stage: Stage) -> None:
    """A backchannel, an interruption by voice, a typed turn into a reply, a cough, words that are cut by the end."""
    async with stage:
        await stage.user.says("Tell me a story.")
        await stage.until(ReplyStarted)
        await stage.wait(1.0)
        await stage.user.says("uh-huh", seconds=0.4)
        await stage.until(Ignored)
        await stage.wait(2.0)
        await stage.user.says("Stop, tell me about bread.")
        await stage.until(ReplyStarted, 2)
        await stage.wait(0.8)
        await stage.session.tell("What time is it?")
        await stage.until(ReplyEnded, 3)
        await stage.wait(3.0)
        await stage.user.coughs()
        await stage.until(Ignored, 2)
        await stage.wait(0.5)
        await stage.user.says("I would like", seconds=1.0)
