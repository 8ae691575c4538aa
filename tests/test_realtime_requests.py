"""What a client of the OpenAI Realtime API asks for by itself, what it is refused, and who may be a client."""

from __future__ import annotations

import json

import pytest
from realtime_server import (  # noqa: F401 (fixtures)
    LONG,
    LOOK,
    WishfulLLM,
    anyio_backend,
    no_exception_in_the_server,
    runs,
    served,
    talking,
)
from websockets.exceptions import ConnectionClosed, InvalidStatus

from cleans2s.server import KEY_PROTOCOL, Serving
from cleans2s.stages import ToolCall
from cleans2s.testing import ScriptedLLM, ScriptedTTS

pytestmark = pytest.mark.anyio

# ── responses ─────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_response_is_cancelled():
    async with talking(ScriptedLLM([LONG], 0.01, 0.0), ScriptedTTS(0.04, 0.01)) as client:
        assert (await client.refused("response.cancel")).code == "response_cancel_not_active"
        await client.writes("Count to twelve.")
        await client.asks("response.create", "response.output_audio.delta")
        done = await client.asks("response.cancel", "response.done")
        assert (done.response.status, done.response.status_details.reason) == ("cancelled", "client_cancelled")


async def test_a_second_response_is_refused_and_the_first_lives():
    async with talking(tts=ScriptedTTS(0.02, 0.01)) as client:
        created = await client.asks("response.create", "response.created")
        error = await client.refused("response.create")
        assert (error.code, error.event_id) == ("conversation_already_has_active_response", "mine")
        done = await client.until("response.done")
        assert (done.response.id, done.response.status) == (created.response.id, "completed")


async def test_a_response_aside_leaves_the_conversation_alone():
    llm = WishfulLLM("A greeting.")
    async with talking(llm) as client:
        await client.writes("This is a secret.")
        aside = {
            "conversation": "none",
            "output_modalities": ["text"],
            "metadata": {"topic": "kind"},
            "instructions": "Classify.",
            "input": [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hello!"}]}],
        }
        done = await client.asks("response.create", "response.done", response=aside)
        assert (done.response.metadata, done.response.conversation_id) == ({"topic": "kind"}, None)
        assert done.response.output[0].content[0].text.strip() == "A greeting."
        assert llm.chats[-1] == [{"role": "system", "content": "Classify."}, {"role": "user", "content": "Hello!"}]
        assert (await client.refused("conversation.item.retrieve", item_id=done.response.output[0].id)).code == "item_not_found"
        assert len(client.all("conversation.item.added")) == 1


async def test_a_function_is_called_and_its_output_is_read():
    llm = WishfulLLM("It is sunny.", calls=[ToolCall("call_7", "look", '{"where": "up"}')])
    async with talking(llm, tools=[LOOK]) as client:
        await client.writes("How is the weather?")
        done = await client.asks("response.create", "response.done")
        told = [event.type for event in client.events[client.events.index(client.all("response.created")[0]) :]]
        assert (
            runs(told)
            == (
                "response.created response.output_item.added conversation.item.added response.function_call_arguments.delta "
                "response.function_call_arguments.done response.output_item.done conversation.item.done response.done"
            ).split()
        )
        call = done.response.output[0]
        assert (call.type, call.name, call.call_id, call.arguments) == ("function_call", "look", "call_7", '{"where": "up"}')
        assert llm.wishes[0].tools[0]["function"]["name"] == "look"
        output = {"type": "function_call_output", "call_id": "call_7", "output": "sunny"}
        await client.asks("conversation.item.create", "conversation.item.done", item=output)
        done = await client.asks("response.create", "response.done")
        assert done.response.output[0].content[0].transcript == "It is sunny."
    assert [message["role"] for message in llm.chats[-1]] == ["system", "user", "assistant", "tool"]
    assert llm.chats[-1][-1] == {"role": "tool", "tool_call_id": "call_7", "content": "sunny"}


# ── items ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_items_are_created_in_their_places_read_and_deleted():
    llm = WishfulLLM()
    async with talking(llm) as client:
        second = await client.writes("Second.", role="assistant")
        item = {"type": "message", "role": "user", "id": "first", "content": [{"type": "input_text", "text": "First."}]}
        added = await client.asks("conversation.item.create", "conversation.item.added", item=item, previous_item_id="root")
        assert (added.item.id, added.previous_item_id) == ("first", None)
        between = item | {"role": "system", "id": "between"}
        added = await client.asks("conversation.item.create", "conversation.item.added", item=between, previous_item_id="first")
        assert added.previous_item_id == "first"
        assert (await client.item(second.id)).content[0].text == "Second."
        assert (await client.refused("conversation.item.create", item=item)).code == "item_already_exists"
        await client.asks("conversation.item.delete", "conversation.item.deleted", item_id="between")
        await client.writes("Third.")
        await client.asks("response.create", "response.done")
    assert [(m["role"], m["content"]) for m in llm.chats[-1][1:]] == [
        ("user", "First."), ("assistant", "Second."), ("user", "Third.")
    ]  # fmt: skip


async def test_truncation_cuts_history_to_what_was_heard():
    llm = ScriptedLLM(["One two three four five six."], 0.01, 0.0)
    async with talking(llm, ScriptedTTS(0.01, 0.01)) as client:
        id = (await client.asks("response.create", "response.done")).response.output[0].id
        place = {"item_id": id, "content_index": 0}
        error = await client.refused("conversation.item.truncate", **place, audio_end_ms=9_999)
        assert (error.param, error.event_id) == ("audio_end_ms", "mine")
        await client.asks("conversation.item.truncate", "conversation.item.truncated", **place, audio_end_ms=140)
        assert (await client.item(id)).content[0].transcript == "One two three"
        await client.asks("response.create", "response.done")
    assert llm.chats[-1][1]["content"].startswith("One two three—")


# ── what is wrong, and what is not there ──────────────────────────────────────────────────────────────────────────────

IMAGE = {"type": "message", "role": "user", "content": [{"type": "input_image", "image_url": "data:image/png;base64,"}]}
SESSIONS = {
    "tracing": {"tracing": "auto"},
    "prompt": {"prompt": {"id": "p"}},
    "tools.0": {"tools": [{"type": "mcp", "server_label": "s"}]},
    "include": {"include": ["item.input_audio_transcription.logprobs"]},
    "noise_reduction": {"audio": {"input": {"noise_reduction": {"type": "near_field"}}}},
    "nobody": {"audio": {"output": {"voice": "nobody"}}},
    "colour": {"colour": "red"},
    "session.type": {"type": "transcription"},
    "max_output_tokens": {"max_output_tokens": 0},
    "idle_timeout_ms": {"audio": {"input": {"turn_detection": {"type": "server_vad", "idle_timeout_ms": 10**400}}}},
}
REFUSED = [
    *((name, {"type": "session.update", "session": {"type": "realtime"} | session}) for name, session in SESSIONS.items()),
    ("input_image", {"type": "conversation.item.create", "item": IMAGE}),
    ("previous", {"type": "conversation.item.create", "item": IMAGE | {"content": []}, "previous_item_id": "previous"}),
    ("nowhere", {"type": "conversation.item.retrieve", "item_id": "nowhere"}),
    ("nowhere", {"type": "conversation.item.delete", "item_id": "nowhere"}),
    ("nowhere", {"type": "conversation.item.truncate", "item_id": "nowhere", "content_index": 0, "audio_end_ms": 1}),
    ("output_audio_buffer.clear", {"type": "output_audio_buffer.clear"}),
    ("no.such.event", {"type": "no.such.event"}),
    ("base64", {"type": "input_audio_buffer.append", "audio": "§§§"}),
    ("audio", {"type": "input_audio_buffer.append"}),
    ("asr.model", {"type": "cleans2s.configure", "settings": {"asr.model": "/etc/passwd"}}),
    ("type", {"no": "type"}),
]


@pytest.mark.parametrize(("named", "message"), REFUSED)
async def test_what_cannot_be_done_is_named_and_the_session_lives(named, message):
    async with talking() as client:
        await client.connection.send_raw(json.dumps({"event_id": "mine"} | message))
        error = (await client.until("error")).error
        assert named in f"{error.param} {error.message}" and error.event_id == "mine"
        assert (await client.writes("Hello.")).status == "completed"


@pytest.mark.parametrize("rubbish", ["", "{", "[]", "7", '"\\ud800"', "[" * 10_000, '{"type": NaN}', b"\x00\xff"])
async def test_rubbish_is_answered(rubbish):
    async with talking() as client:
        await client.connection.send_raw(rubbish)
        assert (await client.until("error")).error.type == "invalid_request_error"
        assert (await client.writes("Hello.")).status == "completed"


# ── who may come in ───────────────────────────────────────────────────────────────────────────────────────────────────


async def test_who_comes_when_all_places_are_taken_is_told():
    with served(serving=Serving(sessions=1)) as place:
        async with place.client(), place.connect() as late:
            error = json.loads(await late.recv())["error"]
            assert error["code"] == "server_busy"
            with pytest.raises(ConnectionClosed) as closed:
                await late.recv()
            assert closed.value.rcvd.code == 1013
            assert (await place.get("/v1/realtime")).status_code == 503


async def test_a_key_opens_the_door():
    with served(serving=Serving(key="sesame")) as place:
        async with place.client(key="sesame"):
            pass
        for word in ("sesame", place.server.ticket()):
            async with place.connect(subprotocols=["realtime", KEY_PROTOCOL + word]) as socket:
                assert json.loads(await socket.recv())["type"] == "session.created"
                assert socket.subprotocol == "realtime"
        for word in ("", "sesam", "ticket-9999999999-00", "tícket-1-2"):
            with pytest.raises(InvalidStatus) as refused:
                async with place.connect(additional_headers={"Authorization": f"Bearer {word}"}):
                    pass
            assert refused.value.response.status_code == 401
            assert b"CLEANS2S_API_KEY" in refused.value.response.body
        assert (await place.get("/metrics")).status_code == 401
        assert (await place.get("/metrics", authorization="Bearer sesame")).status_code == 200


async def test_pages_of_other_sites_are_refused():
    with served(serving=Serving(origins=("https://friend.example",))) as place:
        for origin in (f"http://{place.address}", "https://friend.example"):
            async with place.connect(origin=origin) as socket:
                assert json.loads(await socket.recv())["type"] == "session.created"
        with pytest.raises(InvalidStatus) as refused:
            async with place.connect(origin="https://evil.example"):
                pass
        assert refused.value.response.status_code == 403
        assert (await place.get("/v1/realtime", origin="https://evil.example")).json()["error"]["code"] == "origin_not_allowed"


async def test_health_and_figures():
    with served(serving=Serving(sessions=3)) as place:
        async with place.client() as client:
            await client.says("What is the capital of France?")
            await client.until("response.done")
            health = await place.get("/healthz")
            assert (health.status_code, health.json()["status"]) == (200, "ready")
            assert (health.json()["sessions"], health.json()["limit"]) == (1, 3)
            figures = await place.figures()
    assert (figures["cleans2s_sessions"], figures["cleans2s_turns_total"]) == (1, 1)
    assert figures['cleans2s_replies_total{ending="finished"}'] == 1
    assert figures["cleans2s_reply_seconds_count"] == 1
    assert figures["cleans2s_messages_total"] == 22
