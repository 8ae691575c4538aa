"""What a Realtime client may do with the agent's mind: see how it decides, switch ways off, choose who it is, and hold its own
memory in its hands; and what it may not."""

from __future__ import annotations

import base64
import json
import secrets
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

import numpy as np
import pytest
from openai.types.realtime import RealtimeSessionCreateRequest
from realtime_server import anyio_backend, no_exception_in_the_server, served  # noqa: F401 (fixtures)

from cleans2s import characters
from cleans2s.audio import Audio
from cleans2s.config import Config
from cleans2s.memory import Memory, memory_file
from cleans2s.realtime.connection import Bounds
from cleans2s.realtime.settings import Settings
from cleans2s.server import Serving
from cleans2s.testing import ScriptedJudge

pytestmark = pytest.mark.anyio

IDIOT = {"idiot": "refusal", "dear diary": "silence", "again and again": "interruption"}
CHARACTER = "# Otto\n## English\n### Who\nI am Otto, and I mend clocks.\n"


@pytest.fixture(autouse=True)
def folders(tmp_path, monkeypatch):
    monkeypatch.setenv("CLEANS2S_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("CLEANS2S_CACHE", str(tmp_path / "cache"))
    return tmp_path


@asynccontextmanager
async def talking(verdicts=IDIOT, kinds=None, **bounds):
    judge = ScriptedJudge(verdicts, kinds or {})
    with served(judge=judge, serving=Serving(bounds=Bounds(**bounds))) as place:
        async with place.client() as client:
            yield client


async def configured(client, **settings):
    return (await client.asks("cleans2s.configure", "cleans2s.configured", settings=settings)).settings


async def remembering(client, number="a1" * 16):
    await configured(client, memory=number)
    return memory_file(f"browser-{number}")


async def items(client, **fields):
    return await client.asks("cleans2s.memory.list", "cleans2s.memory.items", **fields)


def noted(file, *texts):
    """A memory in which a user has said this, an hour ago and later."""
    with Memory.open(file) as memory:
        at = datetime.now().astimezone() - timedelta(hours=1)
        return [memory.note("user", text, at + timedelta(minutes=n)) for n, text in enumerate(texts)]


# ── thoughts ──────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_thought_names_its_turn_and_how_it_acts():
    async with talking() as client:
        await client.says("You are an idiot.")
        judged = await client.until("cleans2s.judged")
        assert (judged.strategy, judged.speaks, judged.cuts_in) == ("refusal", True, False)
        assert judged.probabilities == {"standard": 0.1, "refusal": 0.9}
        assert judged.item_id == client.all("input_audio_buffer.committed")[-1].item_id
        await client.until("response.done")
        await client.says("Dear diary, today it rained.")
        judged = await client.until("cleans2s.judged")
        assert (judged.strategy, judged.speaks) == ("silence", False)
        assert judged.item_id == client.all("input_audio_buffer.committed")[-1].item_id


async def test_strategies_are_switched_while_it_runs():
    async with talking() as client:
        await configured(client, strategies=["standard", "silence"])
        await client.says("You are an idiot.")
        assert (await client.until("cleans2s.judged")).strategy == "standard"
        await client.until("response.done")
        await configured(client, strategies=["standard", "refusal"])
        await client.says("You are an idiot.")
        assert (await client.until("cleans2s.judged")).strategy == "refusal"


async def goes_on(client, phrase="again and again", most_s=10.0):
    """The user tells the same thing on and on, until these words have been understood."""
    number = len(client._asr.script) + 1
    client._asr.script[number], client._asr.lengths[number] = f"{phrase} " * 10, int(most_s * 16_000)
    piece = base64.b64encode(Audio(np.full(2_400, number / 1000, np.float32), 24_000).to_pcm16()).decode()
    before = len(client.events)
    for _ in range(int(most_s * 10)):
        await client.sends("input_audio_buffer.append", audio=piece)
        await client.asks("cleans2s.ping", "cleans2s.pong")
        if any(event.type == "cleans2s.partial" and phrase in event.text for event in client.events[before:]):
            return
    raise AssertionError("the words were never understood")


async def test_a_client_that_has_not_asked_for_initiative_is_not_cut_off():
    async with talking() as client:
        await goes_on(client)
        await client.says("Well.")
        assert (await client.until("cleans2s.judged")).cuts_in is False
        await client.until("response.done")
        await configured(client, proactive=True)
        await goes_on(client)
        assert (await client.until("cleans2s.judged")).cuts_in is True
        assert (await client.until("response.done")).response.status == "completed"


WRONG = [
    ({"proactive": "yes"}, "true or false"),
    ({"strategies": ["standard", "sarcasm"]}, "valid are standard, refusal, deflection, silence, interruption"),
    ({"strategies": "silence"}, "expected a list"),
    ({"character": "../../etc/passwd"}, "there are nora"),
    ({"character": "/etc/hostname.md"}, "there are nora"),
    ({"character": "own-" + "0" * 32}, "there are nora"),
    ({"character_text": "# Otto\n## English\n### Hobbies\nClocks.\n"}, "line 3 of the character: unknown heading 'Hobbies'"),
    ({"character_text": 3}, "expected the text"),
    ({"memory": "anna"}, "hexadecimal"),
    ({"memory": "/tmp/other.sqlite"}, "hexadecimal"),
    ({"memory": "A1" * 16}, "hexadecimal"),
    ({"memory": "a1" * 15}, "hexadecimal"),
    ({"memory": True}, "hexadecimal"),
]


@pytest.mark.parametrize(("settings", "why"), WRONG, ids=lambda value: str(value)[:40])
async def test_unsafe_or_unknown_values_are_refused_with_the_mend(settings, why, folders):
    async with talking() as client:
        error = await client.refused("cleans2s.configure", settings=settings)
        assert why in error.message
        assert not (folders / "data").exists()


# ── who it is ─────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_character_by_name_and_by_its_text(folders):
    async with talking() as client:
        assert (await configured(client, character="ines"))["character"] == "ines"
        name = (await configured(client, character_text=CHARACTER))["character"]
        assert (await configured(client, character_text=CHARACTER))["character"] == name
        assert (await configured(client, character=""))["character"] == ""
        assert (await configured(client, character=name))["character"] == name
        await client.says("Hello there.")
        assert (await client.until("response.done")).response.status == "completed"
    kept = list((folders / "cache").rglob("own-*.md"))
    assert [file.stem for file in kept] == [name]
    assert characters.load(kept[0]).name("en") == "Otto"


async def test_instructions_of_the_client_take_the_place_of_the_servers_character():
    base = Config(character="nora")
    settings = Settings.of(base)
    assert settings.config().character == "nora"
    told = settings.updated(RealtimeSessionCreateRequest(type="realtime", instructions="You are a pirate."))
    assert (told.config().character, told.config().instructions) == ("", "You are a pirate.")
    assert told.adjusted_by({"character": "ines"}).config().character == "ines"


# ── memory ────────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_nothing_is_written_unless_it_is_asked_for(folders):
    async with talking() as client:
        assert (await items(client)).kept is False
        await client.says("My name is Ada.")
        await client.until("response.done")
    assert not (folders / "data").exists()


async def test_what_was_said_is_seen_searched_and_found_again_by_who_knows_the_number():
    number = secrets.token_hex(16)
    async with talking() as client:
        file = await remembering(client, number)
        noted(file, "My name is Ada.", "Yesterday I planted tomatoes.", "It rained.")
        seen = await items(client)
        assert (seen.kept, seen.set_aside, seen.more, seen.block) == (True, False, False, None)
        assert [episode["text"] for episode in seen.episodes] == [
            "My name is Ada.",
            "Yesterday I planted tomatoes.",
            "It rained.",
        ]
        assert any("Ada" in fact["value"] for fact in seen.facts)
        found = await items(client, search="TOMATOES planted")
        assert [episode["text"] for episode in found.episodes] == ["Yesterday I planted tomatoes."]
        few = await items(client, limit=1)
        assert ([episode["text"] for episode in few.episodes], few.more) == (["It rained."], True)
    async with talking() as client:
        await remembering(client, secrets.token_hex(16))
        assert (await items(client)).episodes == []
        await configured(client, memory=number)
        assert len((await items(client)).episodes) == 3
        await configured(client, memory="")
        assert (await items(client)).kept is False


async def test_editing_and_forgetting():
    async with talking() as client:
        first, second = noted(await remembering(client), "My name is Ada.", "I live in Turin.")
        await client.asks("cleans2s.memory.edit", "cleans2s.memory.changed", id=first, text="My name is Ida.")
        seen = await items(client)
        assert seen.episodes[0]["text"] == "My name is Ida."
        assert "Ada" not in json.dumps(seen.facts)
        await client.asks("cleans2s.memory.forget", "cleans2s.memory.changed", id=second)
        assert "Turin" not in json.dumps(vars(await items(client)), default=str)
        await client.asks("cleans2s.memory.forget_all", "cleans2s.memory.changed")
        seen = await items(client)
        assert (seen.facts, seen.episodes, seen.summary) == ([], [], "")


async def test_export_and_import():
    async with talking() as client:
        noted(await remembering(client), "My name is Ada.", "I live in Turin.")
        exported = (await client.asks("cleans2s.memory.export", "cleans2s.memory.exported")).memory
        await remembering(client, "b2" * 16)
        taken = await client.asks("cleans2s.memory.import", "cleans2s.memory.imported", memory=exported)
        assert taken.turns == 2
        assert [episode["text"] for episode in (await items(client)).episodes] == ["My name is Ada.", "I live in Turin."]


async def test_what_cannot_be_done_is_said_in_a_sentence_without_a_path(folders):
    async with talking() as client:
        file = await remembering(client)
        error = await client.refused("cleans2s.memory.forget", id="turn_of_somebody")
        assert (error.code, error.event_id) == ("memory_failed", "mine")
        assert "nothing is remembered under 'turn_of_somebody'" in error.message
        assert "no exported memory" in (await client.refused("cleans2s.memory.import", memory={"a": 1})).message
        turn = {"id": "t", "role": "user", "text": "x", "at": "2026-01-01T00:00:00Z"}
        many = {"format": "cleans2s-memory", "version": 1, "turns": [turn] * 20_001}
        assert "more than 20000 turns" in (await client.refused("cleans2s.memory.import", memory=many)).message
        assert "less than or equal to 200" in (await client.refused("cleans2s.memory.list", limit=10_000)).message
        assert "at most 200" in (await client.refused("cleans2s.memory.list", search="x" * 201)).message
        said = json.dumps([vars(event) for event in client.events], default=str)
        assert str(folders) not in said
        assert file.name not in said


async def test_a_server_remembers_so_many_people_and_no_more():
    async with talking(memories=1) as client:
        await remembering(client, "a1" * 16)
        error = await client.refused("cleans2s.configure", settings={"memory": "b2" * 16})
        assert "remembers 1 people already" in error.message
        assert not memory_file("browser-" + "b2" * 16).exists()
        await configured(client, memory="")
        assert (await configured(client, memory="a1" * 16))["memory"] == "a1" * 16  # whom it knows may come back


async def test_a_block_is_shown_survives_the_conversation_and_is_lifted():
    async with talking(kinds={"refusal": "abuse"}) as client:
        await remembering(client)
        for _ in range(4):
            await client.says("You are an idiot.")
            judged = await client.until("cleans2s.judged")
            await client.until("response.done")
        assert datetime.fromisoformat(judged.until) > datetime.now().astimezone()
        assert (await items(client)).block["until"] == judged.until
    async with talking(kinds={"refusal": "abuse"}) as client:
        await remembering(client)
        assert (await items(client)).block["until"] == judged.until
        await client.says("Hello again.")
        assert (await client.until("cleans2s.judged")).until == judged.until
        await client.asks("cleans2s.memory.unblock", "cleans2s.memory.changed")
        assert (await items(client)).block is None
        await client.says("Hello again, please.")
        lifted = await client.until("cleans2s.judged")
        assert (lifted.strategy, lifted.until) == ("standard", "")
        assert (await client.until("response.done")).response.status == "completed"
