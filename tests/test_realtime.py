"""A conversation as a client of the OpenAI Realtime API has it: a real server on a loopback port, the official client."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
import soundfile
from realtime_server import (  # noqa: F401 (fixtures)
    LONG,
    LOOK,
    SUBTYPES,
    WishfulLLM,
    anyio_backend,
    no_exception_in_the_server,
    runs,
    talking,
)

from cleans2s.testing import ScriptedLLM, ScriptedTTS

pytestmark = pytest.mark.anyio

# ── turns ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_the_session_is_described_first():
    async with talking() as client:
        session = client.events[0].session
        assert [event.type for event in client.events] == ["session.created"]
        assert session.id.startswith("sess_")
        assert session.audio.input.turn_detection.type == "semantic_vad"
        assert session.audio.input.format.rate == session.audio.output.format.rate == 24_000


async def test_a_spoken_turn_is_told_in_the_order_of_the_protocol():
    async with talking() as client:
        await client.says("What is the capital of France?")
        done = await client.until("response.done")
    audio, text = "response.output_audio.delta", "response.output_audio_transcript.delta"
    told = [audio if event.type == text else event.type for event in client.events[1:]]  # words and sound alternate
    assert (
        runs(told)
        == (
            "input_audio_buffer.speech_started input_audio_buffer.speech_stopped input_audio_buffer.committed "
            "conversation.item.added conversation.item.done "
            "conversation.item.input_audio_transcription.delta conversation.item.input_audio_transcription.completed "
            "response.created response.output_item.added conversation.item.added response.content_part.added "
            "response.output_audio.delta response.output_audio.done response.output_audio_transcript.done "
            "response.content_part.done response.output_item.done conversation.item.done response.done"
        ).split()
    )
    committed = client.all("input_audio_buffer.committed")[0]
    started, stopped = client.all("input_audio_buffer.speech_started")[0], client.all("input_audio_buffer.speech_stopped")[0]
    heard = client.all("conversation.item.input_audio_transcription.completed")[0]
    users, agents = client.all("conversation.item.done")
    assert started.item_id == stopped.item_id == committed.item_id == users.item.id == heard.item_id
    assert heard.transcript == "What is the capital of France?"
    assert 0 <= started.audio_start_ms < 100 < 900 < stopped.audio_end_ms < 1_100
    assert committed.previous_item_id is None
    assert agents.previous_item_id == users.item.id
    response = client.all("response.created")[0].response
    assert (response.status, done.response.status, done.response.id) == ("in_progress", "completed", response.id)
    parts = [e for e in client.events if e.type.startswith("response.") and hasattr(e, "content_index")]
    assert {(e.response_id, e.item_id, e.output_index) for e in parts} == {(response.id, agents.item.id, 0)}
    assert "".join(e.delta for e in client.all(text)) == "All right, here is an answer."
    assert done.response.output[0] == agents.item
    assert agents.item.content[0].transcript == "All right, here is an answer."
    sound = b"".join(base64.b64decode(e.delta) for e in client.all(audio))
    assert len(sound) / 48_000 == pytest.approx(0.005 * len("All right, here is an answer."), abs=0.01)


async def test_a_barge_in_cuts_the_response_and_keeps_what_was_heard():
    async with talking(ScriptedLLM([LONG, "Yes."], 0.01, 0.0), ScriptedTTS(0.04, 0.01)) as client:
        await client.says("Count to twelve.")
        started = await client.until("input_audio_buffer.speech_started")
        for _ in range(20):
            await client.until("response.output_audio.delta")
        await client.says("No, stop it, please.")
        barge_in = await client.until("input_audio_buffer.speech_started")
        cut = await client.until("response.done")
        assert barge_in.item_id != started.item_id
        assert (cut.response.status, cut.response.status_details.reason) == ("cancelled", "turn_detected")
        heard = cut.response.output[0].content[0].transcript
        assert LONG.startswith(heard) and "One" in heard and "twelve" not in heard
        item = await client.item(cut.response.output[0].id)
        assert (item.status, item.content[0].transcript) == ("incomplete", heard)
        assert (await client.until("response.done")).response.status == "completed"
    interrupted = client.all("cleans2s.interrupted")[0]
    assert f"{interrupted.heard} {interrupted.unheard}" == LONG[: len(heard) + 1 + len(interrupted.unheard)]
    assert client.all("conversation.item.done")[2].item.id == barge_in.item_id


async def test_a_backchannel_lets_the_response_go_on():
    async with talking(ScriptedLLM([LONG], 0.01, 0.0), ScriptedTTS(0.02, 0.01)) as client:
        await client.says("Count to twelve.")
        for _ in range(5):
            await client.until("response.output_audio.delta")
        await client.says("uh-huh", seconds=0.3, then_s=0.5)
        assert (await client.until("response.done")).response.status == "completed"
    ours = [e.type for e in client.events if e.type in ("cleans2s.ducked", "cleans2s.ignored", "cleans2s.resumed")]
    assert sorted(ours) == ["cleans2s.ducked", "cleans2s.ignored", "cleans2s.resumed"]
    assert client.all("cleans2s.ignored")[0].reason == "backchannel"
    assert len(client.all("input_audio_buffer.speech_started")) == len(client.all("input_audio_buffer.committed")) == 1


async def test_a_client_that_falls_silent_in_mid_turn_is_answered():
    async with talking() as client:
        await client.says("What is the capital of France?", then_s=0.0)
        await client.until("response.done")
        assert client.all("conversation.item.input_audio_transcription.completed")[0].transcript.startswith("What is")


# ── settings ──────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_instructions_and_length_reach_the_language_model():
    llm = WishfulLLM()
    async with talking(llm, instructions="Be terse.", max_output_tokens=17) as client:
        await client.says("What is the capital of France?")
        done = await client.until("response.done")
    assert llm.chats[-1][0] == {"role": "system", "content": "Be terse."}
    assert llm.wishes[-1].max_tokens == done.response.max_output_tokens == 17


async def test_a_session_in_writing_has_no_sound():
    async with talking(output_modalities=["text"]) as client:
        await client.says("What is the capital of France?")
        done = await client.until("response.done")
    assert not [event.type for event in client.events if "output_audio" in event.type]
    assert "".join(event.delta for event in client.all("response.output_text.delta")).strip() == "All right, here is an answer."
    assert done.response.output[0].content[0].type == "output_text"
    assert done.response.output_modalities == ["text"]


@pytest.mark.parametrize("format", SUBTYPES)
async def test_g711_in_and_out(format):
    async with talking(audio={"input": {"format": {"type": format}}, "output": {"format": {"type": format}}}) as client:
        await client.says("What is the capital of France?", format=format)
        await client.until("response.done")
    heard = client.all("conversation.item.input_audio_transcription.completed")[0].transcript
    assert heard == "What is the capital of France?"
    sound = b"".join(base64.b64decode(event.delta) for event in client.all("response.output_audio.delta"))
    samples, _ = soundfile.read(io.BytesIO(sound), format="RAW", subtype=SUBTYPES[format], samplerate=8_000, channels=1)
    assert len(samples) / 8_000 == pytest.approx(0.005 * len("All right, here is an answer."), abs=0.01)
    assert np.median(samples) == pytest.approx(0.5, abs=0.02)  # the scripted voice's loudness


async def test_without_create_response_a_turn_is_answered_when_asked():
    turns = {"type": "server_vad", "silence_duration_ms": 300, "create_response": False}
    async with talking(audio={"input": {"turn_detection": turns}}) as client:
        await client.says("What is the capital of France?")
        await client.until("conversation.item.input_audio_transcription.completed")
        assert (await client.asks("cleans2s.ping", "cleans2s.pong", id=1)).id == 1
        assert not client.all("response.created")
        await client.asks("response.create", "response.done")
        assert len(client.all("input_audio_buffer.committed")) == 1


async def test_without_interrupt_response_the_agent_finishes_first():
    turns = {"type": "semantic_vad", "interrupt_response": False}
    llm = ScriptedLLM(["One, two, three.", "Yes."], 0.01, 0.0)
    async with talking(llm, ScriptedTTS(0.04, 0.01), audio={"input": {"turn_detection": turns}}) as client:
        await client.says("Count to three.")
        await client.until("response.output_audio.delta")
        await client.says("No, stop it, please.")
        first, second = await client.until("response.done"), await client.until("response.done")
    assert first.response.status == second.response.status == "completed"
    assert first.response.output[0].content[0].transcript == "One, two, three."
    ids = [(e.type, e.response.id) for e in client.events if e.type in ("response.created", "response.done")]
    assert [id for _, id in ids] == [first.response.id] * 2 + [second.response.id] * 2  # one at a time


async def test_turns_by_hand():
    async with talking(audio={"input": {"turn_detection": None}}) as client:
        await client.says("This is to be forgotten.")
        await client.asks("input_audio_buffer.clear", "input_audio_buffer.cleared")
        assert (await client.refused("input_audio_buffer.commit")).code == "input_audio_buffer_commit_empty"
        await client.says("What is the capital of France?")
        committed = await client.asks("input_audio_buffer.commit", "input_audio_buffer.committed")
        heard = await client.until("conversation.item.input_audio_transcription.completed")
        assert (heard.item_id, heard.transcript) == (committed.item_id, "What is the capital of France?")
        assert not client.all("response.created") + client.all("input_audio_buffer.speech_started")
        done = await client.asks("response.create", "response.done")
        assert done.response.output[0].content[0].transcript == "All right, here is an answer."


async def test_a_silent_user_is_spoken_to():
    turns = {"type": "server_vad", "idle_timeout_ms": 1_000}
    async with talking(audio={"input": {"turn_detection": turns}}) as client:
        await client.says("What is the capital of France?")
        first = await client.until("response.done")
        timeout = await client.until("input_audio_buffer.timeout_triggered")
        assert timeout.item_id == first.response.output[0].id
        assert 0 <= timeout.audio_start_ms <= timeout.audio_end_ms
        assert (await client.until("response.done")).response.status == "completed"


async def test_other_settings_are_taken_and_told():
    settings = {"input": {"transcription": None, "turn_detection": {"type": "semantic_vad", "eagerness": "low"}}}
    async with talking() as client:
        session = await client.updates(audio=settings | {"output": {"voice": "alloy"}}, tools=[LOOK], tool_choice="none")
        assert (session.audio.input.transcription, session.audio.output.voice) == (None, "alloy")
        assert session.audio.input.turn_detection.eagerness == "low"
        assert (session.tools[0].name, session.tool_choice) == ("look", "none")
        await client.updates(tools=[])
        configured = await client.asks("cleans2s.configure", "cleans2s.configured", settings={"turn.patience_ms": 900})
        assert configured.settings == {"turn.patience_ms": 900}
        await client.says("What is the capital of France?")
        await client.until("response.done")
        assert not [event for event in client.events if "transcription" in event.type]
