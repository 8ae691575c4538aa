"""What a client asks of a session beside speaking: answers on request, turns by hand, writing, functions, corrections."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from typing import Any

import anyio
import pytest

from cleans2s.conversation import SILENT_NOTE, Conversation, Message
from cleans2s.errors import StageError, TurnError
from cleans2s.events import (
    Failed,
    FunctionCalled,
    Interrupted,
    ReplyAudio,
    ReplyDue,
    ReplyEnded,
    ReplyStarted,
    ReplyText,
    TurnEnded,
)
from cleans2s.playback import Playback
from cleans2s.reply import Request
from cleans2s.stages import Chat, ToolCall, Wishes
from cleans2s.testing import Scripted, ScriptedLLM, ScriptedTTS, Stage, on_virtual_clock

STORY = "Once there was an old sailor who counted every morning all the boats in the harbour."


def play(scene):
    return on_virtual_clock(scene)


def test_an_answer_can_be_asked_for_without_a_turn():
    async def scene():
        async with Stage(llm=(llm := ScriptedLLM(["Good morning to you."]))) as stage:
            await stage.session.respond()
            with pytest.raises(TurnError, match="already on its way"):
                await stage.session.respond()
            ended = await stage.until(ReplyEnded)
            assert (ended.ending, ended.heard) == ("finished", "Good morning to you.")
            assert not stage.all(TurnEnded)
            assert len(stage.all(ReplyDue)) == 1
            assert llm.chats[-1][-1]["content"] == SILENT_NOTE
            assert stage.transcript == [("assistant", "Good morning to you.")]

    play(scene)


def test_turns_without_a_request_are_put_on_record_and_not_answered():
    async def scene():
        async with Stage() as stage:
            stage.session.request = None
            await stage.user.says("What a day it was.")
            turn = await stage.until(TurnEnded)
            await stage.wait(3)
            assert turn.text == "What a day it was."
            assert not stage.all(ReplyDue)
            assert not stage.all(ReplyEnded)
            await stage.session.respond()
            await stage.until(ReplyEnded)
            assert [role for role, _ in stage.transcript] == ["user", "assistant"]

    play(scene)


def test_turns_by_hand_end_when_they_are_committed_and_not_before():
    async def scene():
        async with Stage(hands_free=False) as stage:
            await stage.user.says("How many boats")
            await stage.wait(2.0)
            await stage.user.says("are there?")
            await stage.wait(2.0)
            assert not stage.all(TurnEnded)
            await stage.session.commit()
            assert (await stage.until(TurnEnded)).text == "How many boats are there?"
            await stage.until(ReplyEnded)
            await stage.session.clear()
            with pytest.raises(TurnError, match="no sound to commit"):
                await stage.session.commit()
            await stage.user.says("Forget this.")
            await stage.session.clear()
            await stage.user.says("And keep that.")
            await stage.session.commit()
            assert (await stage.until(TurnEnded, 2)).text == "And keep that."

    play(scene)


def test_a_turn_can_be_committed_before_its_silence_is_long_enough():
    async def scene():
        async with Stage() as stage:
            await stage.user.says("I would like to know the")
            await stage.session.commit()
            assert (await stage.until(TurnEnded)).text == "I would like to know the"
            with pytest.raises(TurnError):
                await stage.session.commit()

    play(scene)


def test_cancelling_ends_the_reply_with_what_was_heard():
    async def scene():
        async with Stage(llm=ScriptedLLM([STORY])) as stage:
            await stage.session.tell("Tell me a story")
            await stage.until(ReplyStarted)
            await stage.wait(2.0)
            await stage.session.cancel()
            cut = await stage.until(Interrupted)
            assert cut.by == "request"
            assert cut.heard and cut.unheard
            assert stage.transcript[-1] == ("assistant", cut.heard)
            await stage.session.cancel()  # there is none: nothing happens
            await stage.wait(1.0)
            assert len(stage.all(ReplyEnded)) == 1

    play(scene)


def test_a_reply_in_writing_has_no_sound():
    async def scene():
        async with Stage(llm=ScriptedLLM(["One two three."])) as stage:
            stage.session.request = Request(speaks=False)
            await stage.user.says("Count to three.")
            ended = await stage.until(ReplyEnded)
            assert ended.ending == "finished"
            assert "".join(e.text for e in stage.all(ReplyText)) == "One two three. "
            assert not stage.all(ReplyAudio)
            assert stage.transcript[-1] == ("assistant", "One two three. ")

    play(scene)


def test_a_reply_aside_neither_takes_the_floor_nor_leaves_a_trace():
    async def scene():
        async with Stage(llm=(llm := ScriptedLLM([STORY, "A greeting."]))) as stage:
            await stage.session.tell("Tell me a story")
            await stage.until(ReplyStarted)
            chat: Chat = [{"role": "user", "content": "Classify this: hello"}]
            await stage.session.respond(Request("You classify.", speaks=False, chat=chat, on_record=False))
            with anyio.fail_after(30):
                ended = await stage.until(ReplyEnded)
            assert ended.heard == "A greeting. "
            assert llm.chats[-1] == [{"role": "system", "content": "You classify."}, *chat]
            assert (await stage.until(ReplyEnded, 2)).heard == STORY
            assert stage.transcript == [("user", "Tell me a story"), ("assistant", STORY)]

    play(scene)


@dataclass(eq=False)
class CallingLLM(Scripted):
    """Calls a function first, and tells what came of it afterwards."""

    asked: list[tuple[Chat, Wishes]] = field(default_factory=list[Any])

    async def reply(self, chat: Chat) -> AsyncIterator[str]:
        yield "I cannot tell without a function."

    async def reply_as(self, chat: Chat, wishes: Wishes) -> AsyncIterator[str | ToolCall]:
        self.asked.append((chat, wishes))
        if chat[-1]["role"] == "tool":
            yield f"It is {chat[-1]['content']}."
        else:
            yield ToolCall("call_1", "get_weather", '{"city": "Rome"}')


WEATHER = Wishes(tools=({"type": "function", "function": {"name": "get_weather"}},))


def test_a_function_is_called_and_its_output_is_told():
    async def scene():
        async with Stage(llm=(llm := CallingLLM())) as stage:
            stage.session.request = Request(wishes=WEATHER)
            await stage.session.tell("What is the weather in Rome?")
            called = await stage.until(FunctionCalled)
            assert (await stage.until(ReplyEnded)).ending == "finished"
            assert called.call.name == "get_weather"
            stage.session.conversation.add(Message("output", "sunny", call_id=called.call.id))
            await stage.session.respond()
            assert (await stage.until(ReplyEnded, 2)).heard == "It is sunny."
            assert [m["role"] for m in llm.asked[-1][0]] == ["system", "user", "assistant", "tool"]
            assert llm.asked[-1][0][2]["tool_calls"][0]["function"]["name"] == "get_weather"

    play(scene)


def test_a_model_that_cannot_call_functions_says_so():
    async def scene():
        async with Stage() as stage:
            stage.session.request = Request(wishes=WEATHER)
            await stage.session.tell("What is the weather in Rome?")
            failed = await stage.until(Failed)
            assert failed.stage == "llm"
            assert "function" in failed.error

    play(scene)


def test_the_clients_own_position_decides_what_was_heard():
    async def scene():
        async with Stage(llm=ScriptedLLM([STORY])) as stage:
            await stage.session.tell("Tell me a story")
            due = await stage.until(ReplyDue)
            await stage.until(ReplyStarted)
            await stage.wait(3.0)
            stage.session.played(due.item, 1.0)  # its loudspeaker is two seconds late
            await stage.session.cancel()
            cut = await stage.until(Interrupted)
            assert cut.heard == "Once there"
            stage.session.played(due.item, 0.5)
            assert stage.transcript[-1] == ("assistant", "Once")
            stage.session.played("item_unknown", 5.0)

    play(scene)


def test_what_was_heard_can_be_corrected_afterwards():
    said, sound = Conversation(), Playback()
    for clause in ("Once there was", "an old sailor."):
        sound.piece(clause, len(clause) / 10)
        sound.end_clause()
        sound.send(len(clause) / 10, at_s=0)
    said.agent_begins("reply", 0, sound)
    said.agent_heard("reply", "Once there was an old sailor.", ending="finished")
    assert said.cut("reply", 1.9).text == "Once there was an"
    assert said.prompt("", "Go on.")[1]["content"].startswith("Once there was an— (You were interrupted")
    with pytest.raises(ValueError, match="2800 ms long"):
        said.cut("reply", 3.0)
    with pytest.raises(KeyError):
        said.cut("another", 1.0)


def test_messages_can_be_put_anywhere_and_taken_out():
    said = Conversation()
    first = said.user_said("First.", 0)
    said.user_said("Third.", 1)
    said.add(Message("user", "Second."), after=first.id)
    said.add(Message("system", "Be brief."), after="")
    assert [m.text for m in said.messages] == ["Be brief.", "First.", "Second.", "Third."]
    said.remove(first.id)
    assert [m.text for m in said.messages] == ["Be brief.", "Second.", "Third."]


@dataclass(frozen=True)
class BrokenTTS(Scripted):
    def load(self) -> Any:
        raise StageError("tts", "has no voice")


def test_settings_act_in_the_middle_of_a_conversation_or_not_at_all():
    async def scene():
        async with Stage(llm=ScriptedLLM([STORY])) as stage:
            with pytest.raises(StageError, match="has no voice"):
                await stage.session.configure(replace(stage.session.config, tts=BrokenTTS()))
            await stage.session.tell("Tell me a story")
            await stage.until(ReplyStarted)
            await stage.session.configure(stage.session.config.changed({"interruption": False}))
            await stage.user.says("Stop that at once!")
            assert (await stage.until(ReplyEnded)).ending == "finished"
            faster = ScriptedTTS(char_s=0.01)
            await stage.session.configure(replace(stage.session.config, tts=faster))
            await stage.until(ReplyEnded, 2)
            began = stage.session.now_s
            await stage.session.tell("Again!")
            await stage.until(ReplyEnded, 3)
            assert stage.session.now_s - began < len(STORY) * 0.02

    play(scene)
