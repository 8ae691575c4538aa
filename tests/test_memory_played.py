"""Memory in whole conversations on the virtual clock: what is kept of them, and what is answered from it."""

from __future__ import annotations

import pytest

from cleans2s.events import Judged, MemoryChanged, ReplyEnded, ReplyStarted
from cleans2s.openers import sheet
from cleans2s.testing import ScriptedJudge, ScriptedLLM, Stage, on_virtual_clock, screenplay


class SmallLLM(ScriptedLLM):
    """Is not trusted with what is remembered."""

    able = False


def staged(**settings) -> Stage:
    return Stage(llm=SmallLLM(), judge=ScriptedJudge({}, {}), **settings)


def test_what_was_told_is_remembered_after_a_restart(tmp_path):
    memory = str(tmp_path / "ann.sqlite")

    async def play():
        async with staged(memory=memory) as stage:
            await stage.user.says("Yesterday I visited my grandmother in Lyon.")
            await stage.until(ReplyEnded)
            await stage.until(MemoryChanged)
        async with staged(memory=memory) as stage:
            await stage.user.says("Do you remember what I did yesterday?")
            return await stage.until(ReplyEnded)

    assert "grandmother in Lyon" in on_virtual_clock(play).heard


@pytest.mark.parametrize(("kind", "kept"), [("media", False), ("others", False), ("hold", True), ("", True)])
def test_what_was_not_told_to_the_agent_is_not_remembered(kind, kept):
    async def play():
        judge = ScriptedJudge({"doctor": "silence"}, {"silence": kind})
        async with Stage(llm=SmallLLM(), judge=judge, memory=":memory:") as stage:
            await stage.user.says("I work as a doctor in Chicago.")
            await stage.until(Judged)
            await stage.user.says("My name is Ann.")
            await stage.until(ReplyEnded)
            await stage.until(MemoryChanged)
            await stage.wait(10)
            memory = stage.session.memory
            return [fact.value for fact in memory.facts], [e.text for e in memory.episodes() if e.role == "user"]

    facts, turns = on_virtual_clock(play)
    assert ("doctor in Chicago" in facts) == kept and "Ann" in facts
    assert ("I work as a doctor in Chicago." in turns) == kept


@screenplay
async def test_what_was_told_is_known_to_who_leaves_no_quiet_moment():
    llm = SmallLLM(["That is a fine age, and there is a great deal that I could say about it, and about all the others."])
    async with Stage(llm=llm, judge=ScriptedJudge({}, {}), memory=":memory:") as stage:
        await stage.user.says("I am 71 by the way.")
        await stage.until(ReplyStarted)
        await stage.wait(1.5)
        await stage.user.says("How old am I?")
        await stage.wait(8)
    first, *_, last = stage.all(ReplyEnded)
    assert first.ending == "interrupted"
    assert last.heard == 'Just now you said "I am 71".'


@screenplay
async def test_a_promised_reminder_is_spoken_when_its_time_has_come():
    async with staged(proactive=True, memory=":memory:") as stage:
        await stage.user.says("Please remind me in two minutes to call my mother.")
        promise = await stage.until(ReplyEnded)
        assert "in 2 minutes" in promise.heard
        asked_s = stage.session.now_s
        await stage.wait(180)
    reminders = [e for e in stage.all(ReplyEnded)[1:] if "call" in e.heard and "mother" in e.heard]
    assert len(reminders) == 1
    assert 110 < reminders[0].at_s - asked_s < 150


@screenplay
async def test_what_was_never_told_is_not_made_up():
    async with staged(memory=":memory:") as stage:
        for said in ("How old am I?", "I turned thirty in May.", "How old am I?"):
            await stage.user.says(said)
            await stage.wait(8)
    untold = sheet().kinds["untold"].of("en")
    assert [reply.heard in untold for reply in stage.all(ReplyEnded)] == [True, False, False]
