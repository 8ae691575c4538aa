"""What draws itself in a notebook, and plain code that waits for a coroutine there."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import anyio
import anyio.lowlevel
import matplotlib
import numpy as np
import pytest
from rag_words import Words

from cleans2s.answer import answer_of
from cleans2s.audio import Audio
from cleans2s.events import Ignored, ReplyEnded, ReplyStarted, TurnEnded
from cleans2s.rag import RAG
from cleans2s.running import run
from cleans2s.talk import Talk
from cleans2s.testing import ScriptedJudge, ScriptedLLM, Stage, on_virtual_clock

HOSTILE = "<img src=x onerror=alert(1)>"


@dataclass
class Able:
    answer: str
    places = 2

    def reply(self, chat: Any) -> Iterator[str]:
        for word in (self.answer if "<passage" in chat[-1]["content"] else "Some hours perhaps.").split():
            yield word + " "


@pytest.fixture
def rag() -> RAG:
    found = RAG(model=Words())
    found.add_text(f"# The lamp {HOSTILE}\n\nThe lamp runs nine hours. {HOSTILE}", "lamp.md")
    return found


def test_an_index_a_passage_and_an_answer_draw_themselves_and_what_they_hold_stays_text(rag):
    (passage,) = rag.retrieve("How long does the lamp run?")
    answer = rag.answer("How long does the lamp run?", Able(f"Nine hours. {HOSTILE} [1]"))
    assert "…" in answer._repr_html_()
    assert not answer.text, "to draw it is not to ask it"
    list(answer)
    for drawn in (rag, passage, answer):
        page = drawn._repr_html_()
        assert "The lamp" in page
        assert "&lt;img src=x" in page
        assert "<img" not in page
    assert "<mark>[1]</mark>" in answer._repr_html_()
    assert "<mark>[1]</mark>" not in passage._repr_html_()
    assert "1 documents, 1 passages" in rag._repr_html_()


def test_a_comparison_marks_what_only_one_side_says(rag):
    compared = rag.compare("How long does the lamp run?", Able("Nine hours exactly."))
    assert compared._repr_html_().count("<mark>") == 0
    list(compared)
    marked = re.findall(r"<mark>(.*?)</mark>", compared._repr_html_())
    assert [words.strip() for words in marked] == ["Some", "perhaps.", "Nine", "exactly."]
    assert compared._repr_html_().count("first word") == 2


def test_a_side_that_failed_says_so(rag):
    class Failing:
        def reply(self, chat: Any) -> Iterator[str]:
            raise ValueError(f"out of {HOSTILE}")

    compared = rag.compare("How long does the lamp run?", Failing())
    list(compared)
    assert compared._repr_html_().count("⚠") == 2
    assert "<img" not in compared._repr_html_()


async def interrupted() -> Stage:
    stage = Stage(llm=ScriptedLLM(["Once there was a dragon who lived in a cave behind the hill."]))
    async with stage:
        await stage.user.says("Tell me a story.")
        await stage.until(ReplyStarted)
        await stage.wait(1.0)
        await stage.user.says("Uh-huh.", seconds=0.4)
        await stage.until(ReplyEnded)
    return stage


def test_a_stage_draws_both_voices_where_they_were():
    stage = on_virtual_clock(interrupted)
    recording = stage.recording
    with matplotlib.rc_context({"figure.constrained_layout.use": True}):  # as some set it for all of a notebook
        assert stage._repr_png_().startswith(b"\x89PNG")
    turn, nod = stage.all(TurnEnded)[0], stage.all(Ignored)[0]
    for start_s, end_s in ((turn.onset_s, turn.speech_end_s), (nod.onset_s, nod.onset_s + 0.4)):
        inside = recording.user.samples[int(start_s * recording.user.rate) : int(end_s * recording.user.rate)]
        assert np.abs(inside).max() > 0.3
    between = recording.user.samples[int((turn.speech_end_s + 0.1) * recording.user.rate) :][: recording.user.rate // 2]
    assert not between.any()
    reply = stage.all(ReplyStarted)[0]
    assert not recording.agent.samples[: int((reply.at_s - 0.05) * recording.agent.rate)].any()
    assert np.ptp(recording.agent.samples) > 0.5


def test_a_talk_and_an_answer_play_and_draw():
    stage = on_virtual_clock(interrupted)
    talked = Talk(stage.recording, stage.session.conversation, [])
    answer = answer_of(talked, Audio(np.ones(100, np.float32)))
    for drawn in (talked, answer):
        assert drawn._repr_html_().count("<audio") == drawn._repr_html_().count("data:image/png") == 1
    assert "<b>Tell me a story.</b>" in answer._repr_html_()


def test_an_answer_that_is_silence_says_so_and_why():
    async def play() -> Stage:
        stage = Stage(judge=ScriptedJudge({"darling": "silence"}))
        async with stage:
            await stage.user.says("Darling, where <b>are</b> my keys?")
            await stage.wait(5)
        return stage

    stage = on_virtual_clock(play)
    page = answer_of(Talk(stage.recording, stage.session.conversation, []), Audio(np.ones(100)))._repr_html_()
    assert "<audio" not in page
    assert "(silence)" in page
    assert "as the script has it: silence" in page
    assert "&lt;b&gt;are" in page


def test_plain_code_waits_for_a_coroutine_inside_a_running_loop_too():
    async def answer() -> int:
        await anyio.lowlevel.checkpoint()
        return 7

    async def fails() -> int:
        raise ValueError("as it was meant to")

    async def in_a_notebook() -> list[int]:
        with pytest.raises(ValueError, match="as it was meant to"):
            run(fails)
        stage = on_virtual_clock(interrupted)
        return [run(answer), len(stage.all(TurnEnded))]

    assert run(answer) == 7
    assert anyio.run(in_a_notebook) == [7, 1]


def test_a_fault_of_the_program_comes_out_of_the_stage_as_what_it_is():
    class Careless(ScriptedJudge):
        async def judge(self, situation: Any) -> Any:
            return None

    async def play() -> None:
        async with Stage(judge=Careless()) as stage:
            await stage.user.says("What time is it?")
            await stage.until(ReplyEnded)

    with pytest.RaisesGroup(AttributeError):
        on_virtual_clock(play)


def test_ask_is_still_the_function_when_it_was_used_before():
    code = "import cleans2s; cleans2s.ask; assert callable(cleans2s.ask), cleans2s.ask"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
