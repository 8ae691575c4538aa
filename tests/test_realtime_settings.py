"""Settings that change while the conversation goes on: an engine that has to be loaded holds nobody up."""

from __future__ import annotations

import base64
import threading
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from realtime_server import anyio_backend, no_exception_in_the_server, served  # noqa: F401 (fixtures)

from cleans2s.errors import ModelError
from cleans2s.testing import ScriptedTTS

pytestmark = pytest.mark.anyio

CAPITAL = "What is the capital of France?"


class Slow:
    """Loads a voice when it is allowed to; `asked` are those that were begun."""

    def __init__(self) -> None:
        self.asked, self.allowed = [], {name: threading.Event() for name in ("clara", "henry", "joe")}


@dataclass(frozen=True)
class Parrot:
    """A voice that learns slowly to speak like another one."""

    reference: str = ""
    slow: Slow = field(default_factory=Slow)

    def load(self):
        if self.reference:
            self.slow.asked.append(self.reference)
            assert self.slow.allowed[self.reference].wait(10)
        if self.reference == "joe":
            raise ModelError("joe is not to be had: download him")
        return ScriptedTTS(0.005, 0.01)


@asynccontextmanager
async def talking(tts):
    with served(tts=tts) as place:
        async with place.client() as client:
            yield client


async def configures(client, **fields):
    await client.sends("cleans2s.configure", **fields)


async def answered(client):
    await client.writes(CAPITAL)
    await client.sends("response.create")
    return await client.until("response.done")


async def test_while_an_engine_is_loaded_the_conversation_goes_on():
    parrot = Parrot()
    slow = parrot.slow
    async with talking(parrot) as client:
        await configures(client, settings={"tts.reference": "clara"})
        assert (await client.asks("cleans2s.ping", "cleans2s.pong", id=1)).id == 1
        assert (await answered(client)).response.status == "completed"
        await client.says("Hello there.")
        assert (await client.until("response.done")).response.status == "completed"
        assert slow.asked == ["clara"]
        assert not client.all("cleans2s.configured")
        slow.allowed["clara"].set()
        assert (await client.until("cleans2s.configured")).settings == {"tts.reference": "clara"}


async def test_changes_act_in_the_order_of_their_messages():
    parrot = Parrot()
    slow = parrot.slow
    async with talking(parrot) as client:
        await configures(client, settings={"tts.reference": "clara"})
        await configures(client, settings={"tts.reference": "henry", "lead_s": 0.5})
        await client.sends("session.update", session={"type": "realtime", "instructions": "Be terse."})
        slow.allowed["henry"].set()
        await client.asks("cleans2s.ping", "cleans2s.pong", id=1)
        assert not client.all("cleans2s.configured") + client.all("session.updated")
        slow.allowed["clara"].set()
        assert (await client.until("session.updated")).session.instructions == "Be terse."
        settings = [event.settings for event in client.all("cleans2s.configured")]
        assert settings == [{"tts.reference": "clara"}, {"tts.reference": "henry", "lead_s": 0.5}]
        assert slow.asked == ["clara", "henry"]


async def test_what_cannot_be_loaded_is_said_with_the_id_and_changes_nothing():
    parrot = Parrot()
    slow = parrot.slow
    async with talking(parrot) as client:
        await configures(client, settings={"tts.reference": "joe"}, event_id="mine")
        await configures(client, settings={"nonsense": 1}, event_id="wrong")
        await configures(client, settings={"lead_s": 0.5})
        slow.allowed["joe"].set()
        first, second = (await client.until("error")).error, (await client.until("error")).error
        assert (first.event_id, first.message) == ("mine", "joe is not to be had: download him")
        assert second.event_id == "wrong"
        assert (await client.until("cleans2s.configured")).settings == {"lead_s": 0.5}
        assert (await answered(client)).response.status == "completed"


async def test_not_endlessly_many_changes_wait():
    parrot = Parrot()
    slow = parrot.slow
    async with talking(parrot) as client:
        for _ in range(16):
            await configures(client, settings={"tts.reference": "clara"})
        await configures(client, settings={"lead_s": 0.5}, event_id="mine")
        error = (await client.until("error")).error
        assert (error.event_id, error.code) == ("mine", "too_many_items")
        slow.allowed["clara"].set()
        for _ in range(16):
            await client.until("cleans2s.configured")


async def test_who_leaves_while_an_engine_is_loaded_leaves_nothing_behind():
    parrot = Parrot()
    with served(tts=parrot) as place:
        async with place.client() as client:
            await configures(client, settings={"tts.reference": "clara"})
            await client.asks("cleans2s.ping", "cleans2s.pong", id=1)
        parrot.slow.allowed["clara"].set()
        async with place.client() as client:
            assert (await answered(client)).response.status == "completed"


# ── reference voices ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", ["/etc/passwd", "../clara", "ref_audio/clara.flac", "clara.flac", "own-" + 32 * "0", 3, True])
async def test_a_client_names_clips_and_no_files(name):
    parrot = Parrot("clara")
    parrot.slow.allowed["clara"].set()
    async with talking(parrot) as client:
        error = await client.refused("cleans2s.configure", settings={"tts.reference": name})
        assert "expected one of random, clara, henry" in error.message
        assert (error.code, error.param) == ("invalid_value", "settings.tts.reference")
    assert parrot.slow.asked == ["clara"]


async def test_back_to_the_configured_reference():
    parrot = Parrot("clara")
    for name in ("clara", "henry"):
        parrot.slow.allowed[name].set()
    async with talking(parrot) as client:
        for name in ("henry", "", "clara", "henry"):
            await client.asks("cleans2s.configure", "cleans2s.configured", settings={"tts.reference": name})
    assert parrot.slow.asked == ["clara", "henry"]


async def test_a_voice_that_takes_no_reference_says_so():
    async with talking(ScriptedTTS(0.005, 0.01)) as client:
        error = await client.refused("cleans2s.configure", settings={"tts.reference": "clara"})
        assert "this voice (ScriptedTTS) cannot speak like a reference" in error.message
        assert error.event_id == "mine"


# ── the pace of a voice that has none ─────────────────────────────────────────────────────────────────────────────────


@dataclass(eq=False)
class Paced(ScriptedTTS):
    speed: float = 1.0


async def length_s(client):
    done = len(client.events)
    await answered(client)
    deltas = [event for event in client.events[done:] if event.type == "response.output_audio.delta"]
    return sum(len(base64.b64decode(event.delta)) for event in deltas) / 48_000


async def test_a_voice_without_a_speed_is_made_faster_afterwards():
    async with talking(ScriptedTTS(0.02, 0.01)) as client:
        plain_s = await length_s(client)
        session = await client.updates(audio={"output": {"speed": 1.25}})
        assert session.audio.output.speed == 1.25
        assert await length_s(client) == pytest.approx(plain_s / 1.25, abs=0.02)
        error = await client.refused("session.update", session={"type": "realtime", "audio": {"output": {"speed": 0.3}}})
        assert "speed 0.3: expected 0.5 to 2 of this voice" in error.message
        assert error.param == "session.audio.output.speed"


async def test_a_voice_with_a_speed_uses_its_own():
    async with talking(Paced(0.02, 0.01)) as client:
        plain_s = await length_s(client)
        await client.updates(audio={"output": {"speed": 1.25}})
        assert await length_s(client) == pytest.approx(plain_s, abs=0.02)  # which this one does not heed
