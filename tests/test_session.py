"""Whole conversations as screenplays on the virtual clock."""

from __future__ import annotations

import pytest

from cleans2s.events import (
    Ducked,
    Failed,
    Ignored,
    Interrupted,
    ReplyAudio,
    ReplyEnded,
    ReplyStarted,
    Resumed,
    SoftEnd,
    SpeechStarted,
    TurnEnded,
)
from cleans2s.testing import ScriptedASR, ScriptedEndOfTurn, ScriptedLLM, ScriptedTTS, Stage, screenplay

STORY = "Once upon a time there was a king who lived in a castle. He had three daughters. They all sang."


@screenplay
async def test_a_question_is_answered_at_once():
    async with Stage(llm=ScriptedLLM(["Paris."])) as stage:
        await stage.user.says("What is the capital of France?")
        ended = await stage.until(TurnEnded)
        started = await stage.until(ReplyStarted)
        await stage.until(ReplyEnded)
    assert ended.text == "What is the capital of France?"
    assert started.latency.reply_ms is not None and started.latency.reply_ms < 400
    assert stage.transcript == [("user", "What is the capital of France?"), ("assistant", "Paris.")]
    assert stage.all(ReplyEnded)[0].ending == "finished"


@screenplay
async def test_a_thinking_pause_is_not_the_end():
    async with Stage(endpoint=ScriptedEndOfTurn(p=0.1)) as stage:
        await stage.user.says("I would like to know")
        await stage.wait(1.0)
        await stage.user.says("something about bread.")
        await stage.until(TurnEnded)
        await stage.until(ReplyEnded)
    assert [e.text for e in stage.all(TurnEnded)] == ["I would like to know something about bread."]
    assert len(stage.all(SoftEnd)) == 2
    assert len(stage.all(ReplyStarted)) == 1


@screenplay
async def test_an_uninterrupted_reply_is_heard_whole_and_without_gaps():
    async with Stage(llm=ScriptedLLM([STORY])) as stage:
        await stage.user.says("Tell me a story.")
        started = await stage.until(ReplyStarted)
        ended = await stage.until(ReplyEnded)
    sound = stage.agent_sound.samples
    first = int(started.at_s * 16_000)
    spoken = sum(e.audio.duration_s for e in stage.all(ReplyAudio))
    assert (sound[first + 10 :] > 0.4).all()
    assert ended.at_s - started.at_s == pytest.approx(spoken, abs=0.05)
    assert ended.heard == STORY


@screenplay
async def test_a_backchannel_ducks_and_resumes():
    async with Stage(llm=ScriptedLLM([STORY])) as stage:
        await stage.user.says("Tell me a story.")
        await stage.until(ReplyStarted)
        await stage.wait(2.0)
        await stage.user.says("uh-huh", seconds=0.4)
        ended = await stage.until(ReplyEnded)
    ducked, resumed = stage.all(Ducked)[0], stage.all(Resumed)[0]
    assert 0.4 < resumed.at_s - ducked.at_s < 1.0
    assert stage.all(Ignored)[0].reason == "backchannel"
    assert not stage.all(Interrupted)
    assert ended.ending == "finished" and ended.heard == STORY
    assert [role for role, _ in stage.transcript] == ["user", "assistant"]


@screenplay
async def test_a_cough_does_not_end_a_reply():
    async with Stage(llm=ScriptedLLM([STORY])) as stage:
        await stage.user.says("Tell me a story.")
        await stage.until(ReplyStarted)
        await stage.wait(1.0)
        await stage.user.coughs()
        ended = await stage.until(ReplyEnded)
    assert stage.all(Ignored)[0].reason == "noise"
    assert stage.all(Resumed) and not stage.all(Interrupted)
    assert ended.heard == STORY


@screenplay
async def test_an_echo_of_its_own_words_does_not_end_a_reply():
    async with Stage(llm=ScriptedLLM([STORY])) as stage:
        await stage.user.says("Tell me a story.")
        await stage.until(ReplyStarted)
        await stage.wait(4.0)
        await stage.user.says("upon a time there was a king", seconds=2.0)
        ended = await stage.until(ReplyEnded)
    assert stage.all(Ignored)[0].reason == "echo"
    assert ended.heard == STORY


@screenplay
async def test_a_barge_in_silences_at_once_and_history_holds_what_was_heard():
    llm = ScriptedLLM([STORY, "Sure, bread."])
    async with Stage(llm=llm) as stage:
        await stage.user.says("Tell me a story.")
        started = await stage.until(ReplyStarted)
        await stage.wait(3.0)
        onset = stage.session.now_s
        await stage.user.says("Stop, tell me about bread.")
        interrupted = await stage.until(Interrupted)
        await stage.until(ReplyEnded, 2)
    sound = stage.agent_sound.samples
    silent_from = int((onset + 0.15) * 16_000)
    assert not sound[silent_from : int(stage.all(ReplyStarted)[1].at_s * 16_000)].any()
    # A tenth of a second per character: what was played is what is on the record, to the word.
    characters = (stage.all(Ducked)[0].at_s - started.at_s) / 0.1
    assert characters - 12 <= len(interrupted.heard) <= characters
    assert STORY.startswith(interrupted.heard)
    assert STORY.split() == f"{interrupted.heard} {interrupted.unheard}".split()
    assert stage.transcript[1] == ("assistant", interrupted.heard)
    assert stage.session.conversation.messages[1].ending == "interrupted"
    spoken_back = llm.chats[-1][2]["content"]
    assert spoken_back.startswith(interrupted.heard) and "interrupted" in spoken_back
    assert stage.transcript[-1] == ("assistant", "Sure, bread.")


@screenplay
async def test_a_long_interruption_commits_before_its_end():
    async with Stage(llm=ScriptedLLM([STORY, "Fine."])) as stage:
        await stage.user.says("Tell me a story.")
        await stage.until(ReplyStarted)
        await stage.wait(1.0)
        onset = stage.session.now_s
        await stage.user.says("No I would much rather hear about the history of bread and butter.")
        await stage.until(ReplyEnded, 2)
    assert stage.all(Interrupted)[0].at_s - onset < 1.5


@screenplay
async def test_without_interruption_the_agent_finishes_and_then_answers():
    llm = ScriptedLLM([STORY, "Sure, bread."])
    async with Stage(llm=llm, interruption=False) as stage:
        await stage.user.says("Tell me a story.")
        await stage.until(ReplyStarted)
        await stage.wait(1.0)
        await stage.user.says("Stop, tell me about bread.")
        await stage.wait(1.0)
        await stage.user.says("And about butter.")
        await stage.until(ReplyStarted, 2)
        await stage.wait(3.0)
    assert not stage.all(Ducked) and not stage.all(Interrupted)
    story = next(e for e in stage.all(ReplyEnded) if e.turn == 1)
    assert story.ending == "finished" and story.heard == STORY
    assert stage.all(ReplyStarted)[1].at_s >= story.at_s
    assert [e.text for e in stage.all(TurnEnded)][1:] == ["Stop, tell me about bread.", "And about butter."]
    assert llm.chats[-1][-1]["content"] == "Stop, tell me about bread. And about butter."


@screenplay
async def test_going_on_during_speculation_makes_it_void():
    async with Stage(endpoint=ScriptedEndOfTurn(p=0.2), tts=ScriptedTTS(seconds=0.2)) as stage:
        await stage.user.says("Tell me about the king")
        await stage.wait(0.4)
        await stage.user.says("of Spain.")
        await stage.until(ReplyEnded)
        await stage.wait(2.0)
    assert len(stage.all(ReplyStarted)) == len(stage.all(ReplyEnded)) == 1
    assert stage.transcript[0] == ("user", "Tell me about the king of Spain.")


@screenplay
async def test_an_interruption_before_the_first_sound_joins_both_turns():
    llm = ScriptedLLM(["Yes."], first_s=3.0)
    async with Stage(llm=llm) as stage:
        await stage.user.says("Tell me about the king.")
        await stage.until(TurnEnded)
        await stage.wait(0.5)
        await stage.user.says("The one of Spain.")
        await stage.until(ReplyStarted)
        await stage.until(ReplyEnded, 2)
    assert [e.ending for e in stage.all(ReplyEnded)] == ["dropped", "finished"]
    assert llm.chats[-1][-1]["content"] == "Tell me about the king. The one of Spain."
    assert stage.transcript[-1] == ("assistant", "Yes.")


@screenplay
async def test_a_cough_before_the_first_sound_only_delays_it():
    async with Stage(llm=ScriptedLLM(["Yes."], first_s=1.0)) as stage:
        await stage.user.says("Is it true?")
        await stage.until(TurnEnded)
        await stage.user.coughs()
        ended = await stage.until(ReplyEnded)
    assert ended.ending == "finished" and ended.heard == "Yes."


@screenplay
async def test_noise_alone_is_no_turn():
    async with Stage() as stage:
        await stage.user.coughs()
        await stage.wait(5.0)
    assert stage.all(SpeechStarted) and stage.all(Ignored)
    assert not stage.all(TurnEnded) and not stage.transcript
    assert stage.session.idle


@screenplay
async def test_a_slow_recogniser_still_decides_whether_to_resume():
    async with Stage(llm=ScriptedLLM([STORY]), asr=ScriptedASR(seconds=1.0)) as stage:
        await stage.user.says("Tell me a story.")
        await stage.until(ReplyStarted)
        await stage.wait(1.0)
        await stage.user.says("yeah", seconds=0.3)
        ended = await stage.until(ReplyEnded)
    assert stage.all(Resumed) and ended.heard == STORY


@screenplay
async def test_typed_words_take_the_floor():
    async with Stage(llm=ScriptedLLM([STORY, "Bread."])) as stage:
        await stage.user.says("Tell me a story.")
        await stage.until(ReplyStarted)
        await stage.wait(1.0)
        await stage.session.tell("About bread, please.")
        await stage.until(ReplyEnded, 2)
    assert [role for role, _ in stage.transcript] == ["user", "assistant", "user", "assistant"]
    assert stage.transcript[2:] == [("user", "About bread, please."), ("assistant", "Bread.")]
    assert not stage.all(Failed)
