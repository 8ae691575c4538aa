"""Random clients of the Realtime protocol: whatever they send, and whenever, some things always hold. CLEANS2S_FUZZ=2000 tries
more of them."""

from __future__ import annotations

import base64
import json
import math
import os

import anyio
import numpy as np
import pydantic_core
from hypothesis import event, given, settings
from hypothesis import strategies as st
from starlette.websockets import WebSocketDisconnect

from cleans2s.audio import Audio
from cleans2s.config import Config, Limits
from cleans2s.engines import Engines
from cleans2s.realtime.connection import Bounds, Connection
from cleans2s.realtime.wire import SERVER
from cleans2s.stages import ToolCall
from cleans2s.testing import (
    ScriptedASR,
    ScriptedEndOfTurn,
    ScriptedJudge,
    ScriptedLLM,
    ScriptedTTS,
    ScriptedVAD,
    on_virtual_clock,
)

EXAMPLES = int(os.environ.get("CLEANS2S_FUZZ", "100"))
RATE = 24_000
STEP_S = 0.1

# ── what a client may do ──────────────────────────────────────────────────────────────────────────────────────────────

WORDS = ["uh-huh", "Stop.", "Tell me a story.", "", "No, I mean the other one, please."]
TOOL = {"type": "function", "name": "look", "parameters": {"type": "object", "properties": {}}}

pick, many = st.sampled_from, st.integers(0, 9)
NASTY = [None, -1, 10**400, math.nan, math.inf, "", "\ud800", "\0", "x" * 5_000, [], {}, {"\ud800": 1}, True]
junk = st.recursive(pick(NASTY) | st.text(max_size=5) | st.floats(), lambda inner: st.lists(inner, max_size=2))
deep = pick([10, 300, 900]).map(lambda levels: json.loads('{"a":' * levels + "1" + "}" * levels))


def some_of(**fields):
    return st.fixed_dictionaries({}, optional=fields)


def one_of(**fields):
    return any_of(*(st.fixed_dictionaries({name: values}) for name, values in fields.items()))


def any_of(*options):
    """One of them; what is given twice comes twice as often."""
    return st.integers(0, len(options) - 1).flatmap(lambda n: options[n])


def of_type(kind, optional=None, **fields):
    return st.fixed_dictionaries({"type": st.just(kind)} | fields, optional=optional)


def written(kind, text):
    return [{"type": kind, "text": text}]


item_id = pick(["@0", "@1", "@2", "@-1", "@-2", "item_unknown"])  # @n: the n-th that there was
modalities = pick([["audio"], ["text"], ["text", "audio"], []])
tokens = pick(["inf", 1, 100, 0, 5_000])
choice = pick(["auto", "none", "required", {"type": "function", "name": "look"}, {"type": "function", "name": "no"}])
tools = pick([[], [TOOL], [TOOL], [TOOL | {"name": ""}], [{"type": "mcp", "server_label": "x"}]])
format = pick([{"type": "audio/pcm", "rate": RATE}, {"type": "audio/pcmu"}, {"type": "audio/pcma"}, {"type": "mp3"}])
server_vad = {
    "silence_duration_ms": pick([32, 500, 10**5]),
    "threshold": pick([0.0, 0.5, 2.0]),
    "create_response": st.booleans(),
    "interrupt_response": st.booleans(),
    "idle_timeout_ms": pick([1_000, 5_000, 1]),
}
semantic_vad = {"eagerness": pick(["low", "high", "auto"]), "interrupt_response": st.booleans()}
hearing = one_of(
    format=format,
    turn_detection=st.none() | of_type("semantic_vad", semantic_vad) | of_type("server_vad", server_vad),
    transcription=pick([None, {"language": "en"}]),
)
speaking = one_of(format=format, voice=pick(["alloy", "nobody"]), speed=pick([1.0, 0.5, 9.0]))
session = one_of(
    output_modalities=modalities,
    instructions=pick(["Be brief.", "x" * 20_000]),
    max_output_tokens=tokens,
    tools=tools,
    tool_choice=choice,
    tracing=pick([None, "auto"]),
    audio=st.fixed_dictionaries({"input": hearing}) | st.fixed_dictionaries({"output": speaking}),
).map(lambda fields: {"type": "realtime"} | fields)
sound = [{"type": "input_audio", "audio": base64.b64encode(bytes(4_801)).decode()}]
content = pick([written("input_text", "Hello."), written("input_text", "x" * 5_000), sound, [{"type": "input_image"}], []])
item = st.one_of(
    of_type("message", {"id": pick(["mine", "@0", ""])}, role=pick(["user", "system", "nobody"]), content=content),
    of_type("message", role=st.just("assistant"), content=pick([written("output_text", "Hello, you."), []])),
    of_type("function_call_output", {"id": item_id}, call_id=st.just("call_1"), output=st.just("42")),
    of_type("function_call", call_id=st.just("call_1"), name=st.just("look"), arguments=st.just("{}")),
)
response = some_of(
    output_modalities=pick([["audio"], ["text"], ["text"], []]),
    conversation=pick(["auto", "none", "none", "other"]),
    input=st.lists(item, max_size=2),
    metadata=pick([{"a": "b"}, {"a": "b"}, {str(n): "" for n in range(20)}]),
    tools=tools,
    instructions=st.just("Say it."),
)
ms = pick([-1, 0, 300, 10**6, 10**400])
message = any_of(
    *[of_type("session.update", session=session)] * 4,
    of_type("input_audio_buffer.commit"),
    of_type("input_audio_buffer.clear"),
    of_type("conversation.item.create", {"previous_item_id": pick([None, "root"]) | item_id}, item=item),
    of_type("conversation.item.retrieve", item_id=item_id),
    of_type("conversation.item.delete", item_id=item_id),
    of_type("conversation.item.truncate", item_id=item_id, content_index=pick([0, 1]), audio_end_ms=ms),
    *[of_type("response.create", {"response": response})] * 3,
    of_type("response.cancel"),
    of_type("cleans2s.playback", item_id=item_id, played_ms=ms),
    of_type("cleans2s.ping", id=junk),
    of_type("cleans2s.configure", settings=pick([{"turn.patience_ms": 600}, {"asr.model": "/etc"}, {"turn": 1}])),
    pick([{"type": "output_audio_buffer.clear"}, {"type": "no.such.event"}]),
)
say = st.tuples(st.just("say"), pick(WORDS), pick([0.3, 1.0, 2.5]))
send = st.tuples(st.just("send"), message)
act = any_of(
    *[say] * 4,
    *[send] * 10,
    st.tuples(st.just("hush"), pick([0.1, 0.4, 1.5, 4.0])),
    st.tuples(st.just("wait"), pick([0.05, 0.5, 2.0, 8.0])),
    st.tuples(st.just("send"), st.builds(lambda *parts: with_junk(*parts), message, many, junk | deep)),
    st.tuples(st.just("raw"), pick(["", "{", "[]", "1", '{"type":1}', "[" * 10**5, b"\0\1", '{"type":"a","a":NaN}'])),
    st.tuples(st.just("stuck"), pick([0.5, 5.0, 30.0])),
)
scripts = st.tuples(st.lists(act, min_size=5, max_size=16), pick([[], [], [("leave",)]])).map(lambda parts: parts[0] + parts[1])


def readable(text):
    """Whether it is JSON that can be said again."""
    try:
        return pydantic_core.from_json(text, allow_inf_nan=False)
    except ValueError:
        return None


def with_junk(event, place, junk):
    """The event with junk at one place of its tree."""
    tree = event = json.loads(json.dumps(event))
    while True:
        names = list(tree) if isinstance(tree, dict) else list(range(len(tree)))
        name = names[place % len(names)]
        if not isinstance(tree[name], (dict, list)) or not tree[name] or place % 2:
            break
        tree = tree[name]
    tree[name] = junk
    return event


# ── the client, in memory ─────────────────────────────────────────────────────────────────────────────────────────────


class InMemory:
    """The three methods of a WebSocket that a connection uses, and a client at its other end. `anonymous` counts its messages
    without an id that an error could name; `there` is whether both sides are."""

    def __init__(self, asr: ScriptedASR) -> None:
        self.asr = asr
        self.events: list[dict] = []
        self.event_ids: list[str] = []
        self.anonymous, self.there = 0, True
        self.closed: int | None = None
        self.stuck_until_s = 0.0
        self._gone = False
        self._to_server, self._messages = anyio.create_memory_object_stream[dict](10_000)

    async def __aenter__(self) -> None:
        pass

    async def __aexit__(self, *_: object) -> None:
        self._to_server.close()
        self._messages.close()

    async def meets(self, connection: Connection) -> None:
        await connection.run()
        self.there = False

    async def receive(self) -> dict:
        message = await self._messages.receive()
        assert self.closed is None
        return message

    async def send_text(self, text: str) -> None:
        await anyio.sleep_until(self.stuck_until_s)
        assert self.closed is None
        if self._gone:
            raise WebSocketDisconnect(1006)
        text.encode()
        self.events.append(json.loads(text))

    async def close(self, code: int, reason: str) -> None:
        assert self.closed is None
        assert len(reason.encode()) <= 123
        self.closed = code

    async def plays(self, script: list[tuple]) -> None:
        for count, (what, *how) in enumerate(script, 1):
            if what == "say":
                await self._says(count, *how)
            elif what == "hush":
                await self._sounds(0.0, *how)
            elif what == "wait":
                await anyio.sleep(*how)
            elif what == "stuck":
                self.stuck_until_s = anyio.current_time() + how[0]
            elif what == "raw":
                self.anonymous += 1
                self._put({"bytes" if isinstance(how[0], bytes) else "text": how[0]})
            elif what == "send":
                self._sends(*how)
            elif what == "leave":
                return self.leaves()
        await anyio.sleep(60)  # in which the server hears silence
        return None

    def leaves(self) -> None:
        self._gone, self.there = True, False
        self._to_server.send_nowait({"type": "websocket.disconnect", "code": 1006})

    def _put(self, message: dict) -> None:
        self._to_server.send_nowait({"type": "websocket.receive"} | message)

    def _sends(self, event: dict) -> None:
        self.event_ids.append(f"mine_{len(self.event_ids)}")
        ids = [e["item"]["id"] for e in self.events if e["type"] == "conversation.item.added"] or ["item_none"]
        text = json.dumps({"event_id": self.event_ids[-1]} | event)
        for place in range(-2, 3):
            text = text.replace(f'"@{place}"', f'"{ids[place % len(ids)]}"')
        if not readable(text):
            self.anonymous += 1
        self._put({"text": text})

    async def _says(self, number: int, text: str, seconds: float) -> None:
        self.asr.script[number], self.asr.lengths[number] = text, int(seconds * 16_000)
        await self._sounds(number / 1000, seconds)

    async def _sounds(self, loudness: float, seconds: float) -> None:
        sound = Audio(np.full(int(STEP_S * RATE), loudness, np.float32), RATE).to_pcm16()
        for _ in range(round(seconds / STEP_S)):
            self._put({"text": json.dumps({"type": "input_audio_buffer.append", "audio": base64.b64encode(sound).decode()})})
            await anyio.sleep(STEP_S)


class Caller(ScriptedLLM):
    """Calls a function where it is given one; every third time it breaks, if it is `faulty`."""

    faulty = False

    async def reply_as(self, chat, wishes):
        if self.faulty and len(self.chats) % 3 == 2:
            raise RuntimeError("the engine burst")
        async for word in self.reply(chat):
            yield word
        if wishes.tools and wishes.tool_choice != "none":
            yield ToolCall("call_1", "look", "{}")


@settings(max_examples=EXAMPLES, deadline=None)
@given(scripts, pick([0.05, 1.0]), pick([0.05, 1.5]), st.booleans())
def test_whatever_a_client_sends(script, asr_s, llm_s, faulty):
    asr, llm = ScriptedASR(seconds=asr_s), Caller(["One, two, three. Four, five, six, seven."], llm_s)
    llm.faulty = faulty
    config = Config(ScriptedVAD(), ScriptedEndOfTurn(), asr, llm, ScriptedTTS(0.05), ScriptedJudge(), limits=Limits(5, 5, 5, 5))

    async def play() -> InMemory:
        client = InMemory(asr)
        engines = Engines(config, anyio.current_time, lambda _: None)
        await engines.load()
        connection = Connection(client, config, engines, Bounds(burst=10_000), lambda _: None)
        async with client, anyio.create_task_group() as tasks:
            tasks.start_soon(client.meets, connection)
            with anyio.move_on_after(1_000) as in_time:
                await client.plays(script)
            assert not in_time.cancelled_caught
            if client.there:
                unfinished_responses(client.events, none_left=True)
                client.leaves()
        assert len(anyio.get_running_tasks()) == 1
        return client

    client = on_virtual_clock(play)
    assert [told["type"] for told in client.events[:1]] in ([], ["session.created"])
    every_event_is_of_the_protocol(client.events)
    unfinished_responses(client.events)
    deltas_lie_between_the_beginning_and_the_end_of_their_item(client.events)
    errors_name_the_message_that_they_answer(client)
    event("closed by the server" if client.closed else "to the end")


def every_event_is_of_the_protocol(events: list[dict]) -> None:
    for told in events:
        if not told["type"].startswith("cleans2s."):
            SERVER[told["type"]].model_validate(told)
    assert len({told["event_id"] for told in events}) == len(events)


def unfinished_responses(events: list[dict], none_left: bool = False) -> None:
    """Every response ends once, and only one at a time is about the conversation."""
    under_way: dict[str, dict] = {}
    for told in events:
        if told["type"] == "response.created":
            assert told["response"]["id"] not in under_way
            under_way[told["response"]["id"]] = told["response"]
            assert sum(response["conversation_id"] is not None for response in under_way.values()) <= 1
        elif told["type"] == "response.done":
            del under_way[told["response"]["id"]]
        elif "response_id" in told:
            assert told["response_id"] in under_way
    assert not (none_left and under_way)


def deltas_lie_between_the_beginning_and_the_end_of_their_item(events: list[dict]) -> None:
    begun: dict[str, str] = {}
    for told in events:
        match told["type"]:
            case "response.output_item.added":
                assert told["item"]["id"] not in begun.values()
                begun[told["item"]["id"]] = told["response_id"]
            case "response.output_item.done":
                del begun[told["item"]["id"]]
            case "response.done":
                assert told["response"]["id"] not in begun.values()
                assert all(part["status"] != "in_progress" for part in told["response"]["output"])
            case kind if kind.endswith(".delta") and kind.startswith("response."):
                assert begun[told["item_id"]] == told["response_id"]
            case _:
                pass


def errors_name_the_message_that_they_answer(client: InMemory) -> None:
    named = [told["error"]["event_id"] for told in client.events if told["type"] == "error"]
    own = [name for name in named if name is not None]
    assert set(own) <= set(client.event_ids)
    assert len(own) == len(set(own))
    assert len(named) - len(own) <= client.anonymous + (client.closed is not None)
