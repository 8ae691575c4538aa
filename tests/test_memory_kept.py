"""A memory in a person's hands: what is forgotten or edited is gone, what is switched off is not written, and it can be taken
elsewhere."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from cleans2s.errors import MemoryFault
from cleans2s.memory import Memory, memory_file

NOW = datetime(2026, 11, 21, 11, 20, tzinfo=timezone.utc)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "anna.sqlite"


@pytest.fixture
def memory(file: Path) -> Iterator[Memory]:
    with Memory.open(file) as memory:
        yield memory


def bytes_in(folder: Path) -> bytes:
    return b"".join(one.read_bytes() for one in sorted(folder.iterdir()))


def test_what_is_forgotten_is_gone_from_the_file(memory: Memory, file: Path) -> None:
    for n in range(50):
        memory.note("user", f"filler {n}", NOW)
    secret = memory.note("user", "My name is Xanthippe and my code is 48151623.", NOW)
    memory.note("assistant", "Nice to meet you, Xanthippe!", NOW + timedelta(seconds=5))
    memory.note("user", "I live in Oslo.", NOW)
    memory.digest()
    assert "Xanthippe" in memory.summary
    assert b"Xanthippe" in bytes_in(file.parent)
    (name,) = (fact for fact in memory.facts if fact.key == "name")
    memory.forget(name.id)
    assert memory.recall("what is my name", NOW).facts == ()
    assert [e.text for e in memory.episodes(search="48151623")] == ["[…] and my code is 48151623."], "the rest stays"
    assert b"xanthippe" not in bytes_in(file.parent).lower(), "in words, vectors, summary, log or free pages"
    memory.forget(secret)
    assert b"48151623" not in bytes_in(file.parent)
    assert [fact.text for fact in memory.facts] == ["home: Oslo"]
    memory.forget_all()
    assert b"Oslo" not in bytes_in(file.parent) and b"filler" not in bytes_in(file.parent)
    assert (memory.facts, memory.episodes(), memory.summary) == ((), (), "")
    with pytest.raises(MemoryFault, match=f"nothing is remembered under '{secret}'"):
        memory.forget(secret)


def test_what_is_edited_is_gone_too(memory: Memory, file: Path) -> None:
    id = memory.note("user", "I live in Reykjavik.", NOW)
    memory.edit(id, "I live in Lisbon.")
    assert [(fact.value, fact.source) for fact in memory.facts] == [("Lisbon", id)]
    assert memory.recall("Lisbon", NOW).lines and not memory.recall("Reykjavik", NOW).lines
    assert b"eykjavik" not in bytes_in(file.parent)
    (home,) = memory.facts
    memory.edit(home.id, "Porto")
    assert (memory.facts[0].value, memory.facts[0].quote, memory.facts[0].certainty) == ("Porto", "", 1.0)
    assert "(written by the user)" in memory.recall("where do I live", NOW).lines[0]
    memory.edit("summary", "Keep it short.")
    memory.note("user", "I play the cello.", NOW)
    memory.digest()
    assert memory.summary.startswith("Keep it short.\n")
    with pytest.raises(MemoryFault, match="to remove an entry, forget it"):
        memory.edit(id, " ")


def test_memory_off_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CLEANS2S_DATA", "HOME", "XDG_DATA_HOME", "TMPDIR"):
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.chdir(tmp_path)
    with Memory.open(None) as memory:
        memory.note("user", "My name is Anna.", NOW)
        memory.digest()
        memory.forget_all()
        memory.export(NOW)
    assert list(tmp_path.iterdir()) == []


def test_nobody_else_may_read_it_and_where_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLEANS2S_DATA", str(tmp_path))
    file = memory_file("anna")
    assert file == tmp_path / "memory" / "anna.sqlite"
    with Memory.open(file) as memory:
        memory.note("user", "hello", NOW)
        if os.name == "posix":
            assert {stat.S_IMODE(one.stat().st_mode) & 0o077 for one in file.parent.glob("anna.sqlite*")} == {0}
    for bad in ("../anna", "", "a/b", ".hidden", "x" * 65):
        with pytest.raises(MemoryFault, match="cannot name a file"):
            memory_file(bad)


def test_a_block_and_reminders_outlive_the_process(file: Path) -> None:
    with Memory.open(file) as memory:
        memory.block(NOW + timedelta(hours=1), "abuse", NOW)
        memory.note("user", "Remind me in an hour to stretch.", NOW)
    with Memory.open(file) as memory:
        assert memory.blocked(NOW + timedelta(minutes=59)) and not memory.blocked(NOW + timedelta(minutes=61))
        assert [fact.value for fact in memory.due(NOW + timedelta(minutes=61))] == ["stretch"]


def test_out_and_in_again(memory: Memory, tmp_path: Path) -> None:
    memory.note("user", "My name is Anna. 我住在上海。", NOW, id="t1")
    memory.note("user", "Remind me tomorrow at 9 to pay.", NOW)
    memory.block(NOW + timedelta(days=400_000), "test", NOW)
    memory.digest()
    exported = json.loads(json.dumps(memory.export(NOW)))
    with Memory.open(tmp_path / "other.sqlite") as other:
        taken = other.load(exported)
        assert (taken.turns, taken.facts) == (2, 3)
        assert other.export(NOW) == exported
        again = other.load(exported)
        assert (again.turns, again.facts) == (0, 0)
        assert other.recall("我住在哪里", NOW).facts[0].value == "上海"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"format": "diary"}, "this is no exported memory"),
        ({"turns": [{"id": "x", "role": "god", "text": "t", "at": NOW.isoformat()}]}, "a mistake at turns.0.role"),
        ({"turns": [{"id": "x", "role": "user", "text": "t", "at": "soon"}]}, "a mistake at turns.0.at"),
        ({"extra": 1}, "a mistake at extra"),
    ],
)
def test_an_import_with_a_mistake_takes_nothing(memory: Memory, change: dict[str, Any], told: str) -> None:
    good = {"id": "good", "role": "user", "text": "hello", "at": NOW.isoformat()}
    given: dict[str, Any] = {"format": "cleans2s-memory", "version": 1, "turns": [good]} | change
    with pytest.raises(MemoryFault, match=told):
        memory.load(given)
    assert memory.episodes() == ()


def test_a_closed_memory_says_so(file: Path) -> None:
    memory = Memory.open(file)
    memory.close()
    with pytest.raises(MemoryFault, match="is closed; open it again"):
        memory.note("user", "too late", NOW)
