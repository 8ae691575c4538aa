"""Conversations through services: this project's own server, llama.cpp's, and one that does whatever goes wrong."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import anyio
import pytest
from faulty_service import (
    ASKED,
    SECOND,
    WEATHER,
    Wire,
    hears,
    refuses,
    replies,
    speaks,
    streams,
    text_of,
    then,
    well,
    words,
)
from serving_thread import endpoints

from cleans2s.asr.openai import OpenAITranscription
from cleans2s.config import Config, Limits
from cleans2s.errors import StageError, TextError
from cleans2s.events import Failed, ReplyEnded, ReplyStarted, TurnEnded
from cleans2s.llm.openai import OpenAIChat
from cleans2s.openers import sheet
from cleans2s.stages import Finish, ToolCall, Wishes
from cleans2s.testing import (
    ScriptedASR,
    ScriptedEndOfTurn,
    ScriptedJudge,
    ScriptedLLM,
    ScriptedTTS,
    ScriptedVAD,
    Stage,
    User,
)
from cleans2s.tts.openai import OpenAISpeech

APOLOGIES = {stage: sheet().kinds[f"apology_{stage}"].of("en") for stage in ("asr", "llm")}

pytestmark = pytest.mark.usefixtures("no_keys")

# ── in a conversation ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_session_apologises_and_keeps_listening(service):
    """One question for every fault, and then one that is answered."""
    stall = then(*words("That is true, and "), do=Wire.hang)
    service.answers = [refuses(401), streams("data: {oops\n\n"), stall, well("Yes, ", "it is.")]
    llm, voice = OpenAIChat(base_url=service.url, patience_s=0.5), ScriptedTTS(char_s=0.004)

    async def play() -> Stage:
        async with Stage(llm=llm, tts=voice, limits=Limits(llm_s=5)) as stage:
            for number in range(1, 5):
                await stage.user.says("Is it true?", seconds=0.6)
                await stage.until(ReplyEnded, number, 20)
        return stage

    stage = anyio.run(play)
    faults = ["wants a key", "a form that is not the OpenAI API's", "stalled in the middle of its answer"]
    assert all(fault in failed.error for fault, failed in zip(faults, stage.all(Failed), strict=True))
    assert [ended.ending for ended in stage.all(ReplyEnded)] == ["failed", "failed", "failed", "finished"]
    assert stage.all(ReplyEnded)[2].heard in {f"That is true, {words}" for words in APOLOGIES["llm"]}
    assert stage.transcript[-2:] == [("user", "Is it true?"), ("assistant", "Yes, it is.")]
    assert service.closed.is_set()


@dataclass(eq=False)
class Brain(ScriptedLLM):
    """Counts until it is stopped when told to count; calls what it is offered."""

    stopped: threading.Event = field(default_factory=threading.Event)

    async def reply_as(self, chat: Any, wishes: Wishes):
        if wishes.tools:
            yield ToolCall("call_1", wishes.tools[0]["function"]["name"], '{"city": "Paris"}')
            return
        try:
            for number in count(1):
                if "Count" not in chat[-1]["content"]:
                    break
                yield f"{number}, "
                await anyio.sleep(0.02)
            yield "It is true."
        finally:
            self.stopped.set()


class Ears(ScriptedASR):
    """A scripted user's words, through real requests."""


def test_a_whole_conversation_through_this_projects_own_endpoints():
    ears, brain = Ears(), Brain()
    with endpoints(Config(ScriptedVAD(), ScriptedEndOfTurn(), ears, brain, ScriptedTTS(char_s=0.03), ScriptedJudge())) as url:
        engines: dict[str, Any] = {
            "asr": OpenAITranscription("whisper-1", url),
            "llm": OpenAIChat("cleans2s", url),
            "tts": OpenAISpeech("tts-1", url),
        }

        async def play() -> Stage:
            async with Stage(**engines) as stage:
                stage.user = User(ears)
                await stage.user.says("Is it true?", seconds=0.8)
                await stage.until(ReplyEnded)
                await stage.user.says("Count for me please.", seconds=0.8)
                await stage.until(ReplyStarted, 2)
                await stage.wait(0.3)
                await stage.user.says("Stop that now.", seconds=0.8)
                await stage.until(ReplyEnded, 3)
            return stage

        stage = anyio.run(play)
        assert brain.stopped.wait(5)
    assert not stage.all(Failed)
    assert [turn.text for turn in stage.all(TurnEnded)] == ["Is it true?", "Count for me please.", "Stop that now."]
    assert [ended.ending for ended in stage.all(ReplyEnded)] == ["finished", "interrupted", "finished"]
    assert stage.all(ReplyEnded)[0].heard == "It is true."
    assert stage.all(ReplyEnded)[1].heard.startswith("1, 2,")
    assert stage.agent_sound.peak == pytest.approx(0.5, abs=0.05)


def test_one_engine_serves_one_event_loop_after_another_and_calls_functions():
    """As when a server's loop and a script's use the same loaded engine; connections are closed with their loop."""
    with endpoints(Config(ScriptedVAD(), ScriptedEndOfTurn(), Ears(), Brain(), ScriptedTTS(), ScriptedJudge())) as url:
        engine = OpenAIChat("cleans2s", url).load()

        async def ask() -> list[Any]:
            return [piece async for piece in engine.reply_as(ASKED, Wishes(tools=(WEATHER,)))]

        for _ in range(2):
            _, call, finish = anyio.run(ask)
            assert call == ToolCall("call_1", "get_weather", '{"city": "Paris"}')
            assert isinstance(finish, Finish) and finish.reason == "tool_calls"


def test_a_connection_is_opened_ahead_and_kept():
    asked: list[tuple[str, int]] = []
    with endpoints(Config(ScriptedVAD(), ScriptedEndOfTurn(), Ears(), Brain(), ScriptedTTS(), ScriptedJudge()), asked) as url:
        engine, other = OpenAIChat("cleans2s", url).load(), OpenAIChat("cleans2s", url, temperature=0.5).load()

        async def ask() -> None:
            await engine.read([])
            await other.read([])  # the same address and key
            for brain in (engine, engine, other):
                async for _ in brain.reply(ASKED):
                    pass

        anyio.run(ask)
    assert [method for method, _ in asked] == ["HEAD", "POST", "POST", "POST"]
    assert len({port for _, port in asked}) == 1


def test_connections_are_closed_with_their_event_loop(service):
    """Nobody tells an engine that its session is over."""
    body = '{"text": "Hello."}'

    def kept(wire: Wire) -> None:
        wire.send(f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}")
        wire.hang()

    service.answers = [kept]
    engine = OpenAITranscription(base_url=service.url).load()

    async def ask() -> bool:
        assert (await engine.transcribe(SECOND)).text == "Hello."
        return service.closed.is_set()

    assert not anyio.run(ask)
    assert service.closed.wait(5)


def test_what_the_own_server_refuses_is_told():
    with endpoints(Config(ScriptedVAD(), ScriptedEndOfTurn(), Ears(), Brain(), ScriptedTTS(), ScriptedJudge())) as url:
        assert "knows no model 'gpt-9' (no model 'gpt-9' for this; valid are" in str(replies(OpenAIChat("gpt-9", url))[1])
        said = str(hears(OpenAITranscription("whisper-9", url)))
        assert "knows no model 'whisper-9'" in said and "choose another with asr.model" in said
        assert "no voice 'bob'; valid are" in str(speaks(OpenAISpeech("tts-1", url, "bob"))[1])
        assert "has no such endpoint (there is no POST /v1/v1/" in str(replies(OpenAIChat("cleans2s", f"{url}/v1"))[1])


@pytest.mark.models
def test_llama_cpps_own_server():
    from cleans2s.llm.llama import Llama
    from cleans2s.stages import load

    url = f"{load(Llama()).server.listening_address}/v1"
    chat = [
        {"role": "user", "content": "What is the largest ocean?"},
        {"role": "assistant", "content": "The largest ocean is the Pacific Ocean."},
        {"role": "user", "content": "What is the capital of France?"},
    ]

    async def ask(settings: OpenAIChat, wishes: Wishes) -> list[Any]:
        return [piece async for piece in settings.load().reply_as(chat, wishes)]

    pieces = anyio.run(ask, OpenAIChat("smollm2", url, temperature=0.0), Wishes())
    assert "Paris" in text_of(pieces)
    assert len(pieces) > 3
    assert (pieces[-1].reason, pieces[-1].prompt_tokens > 10) == ("stop", True)
    pieces = anyio.run(ask, OpenAIChat("smollm2", url, temperature=0.0), Wishes(max_tokens=3))
    assert (pieces[-1].reason, pieces[-1].completion_tokens) == ("length", 3)
    chat = [{"role": "user", "content": "word " * 9000}]
    with pytest.raises(StageError, match="finds this too long") as error:
        anyio.run(ask, OpenAIChat("smollm2", url), Wishes())
    assert isinstance(error.value.__cause__, TextError)
