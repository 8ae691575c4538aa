"""The memory's file: real processes, kills, full disks, foreign and damaged files."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from cleans2s.errors import MemoryFault
from cleans2s.memory import Memory

NOW = datetime(2026, 11, 21, 11, 20, tzinfo=timezone.utc)
POSIX = pytest.mark.skipif(os.name != "posix", reason="signals and mounts of Unix")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "anna.sqlite"


@pytest.fixture
def memory(file: Path) -> Iterator[Memory]:
    with Memory.open(file) as memory:
        yield memory


def child(script: str, *arguments: object) -> list[str]:
    lead = "import sys\nfrom datetime import datetime, timedelta, timezone\nfrom cleans2s.memory import Memory\n"
    lead += f"NOW = datetime.fromisoformat({NOW.isoformat()!r})\n"
    return [sys.executable, "-c", lead + textwrap.dedent(script), *map(str, arguments)]


def ran(script: str, *arguments: object) -> str:
    return subprocess.run(child(script, *arguments), check=True, capture_output=True, text=True).stdout


# ── from one process to the next ──────────────────────────────────────────────────────────────────────────────────────

TELL = """
memory = Memory.open(sys.argv[1])
for text in ("Hello, my name is Anna.", "Yesterday I went kayaking on the river with my brother Paul.", "The weather is nice."):
    memory.note("user", text, NOW)
memory.close()
"""
ASK = """
memory = Memory.open(sys.argv[1])
now = NOW + timedelta(minutes=int(sys.argv[2]))
print("\\n".join(memory.recall(sys.argv[3], now).lines))
"""


def test_told_yesterdays_deeds_and_asked_after_a_restart(file: Path) -> None:
    ran(TELL, file)
    told = '"Yesterday I went kayaking on the river with my brother Paul." (meaning Friday 20 November)'
    assert ran(ASK, file, 5, "What did I do yesterday?").splitlines()[0] == f"5 minutes ago, the user said: {told}"
    next_week = ran(ASK, file, 7 * 24 * 60, "Where did I go kayaking?").splitlines()
    assert next_week[0] == f"7 days ago (Saturday 21 November, 11:20), the user said: {told}"
    assert "Anna" in ran(ASK, file, 5, "What is my name?")


@pytest.mark.models
def test_the_same_in_other_words_with_the_real_embeddings(file: Path) -> None:
    from cleans2s.embedding import MiniLM

    ran(TELL, file)
    with Memory.open(file, MiniLM().load()) as memory:
        assert memory.digest().embedded == 3
        first = memory.recall("Did I paddle in a boat with a sibling?", NOW).episodes[0]
        assert first.text == "Yesterday I went kayaking on the river with my brother Paul."
        assert memory.recall("what is the square root of nine", NOW).lines == ()


def test_what_another_process_writes_is_recalled_and_what_it_forgets_is_not(memory: Memory, file: Path) -> None:
    id = memory.note("user", "I sing in a choir on Mondays.", NOW)
    assert memory.recall("choir", NOW).lines
    ran(TELL, file)
    assert memory.facts[0].text == "name: Anna"
    assert "kayaking" in memory.recall("kayaking", NOW).lines[0]
    ran("Memory.open(sys.argv[1]).forget(sys.argv[2])", file, id)
    assert memory.recall("choir", NOW).lines == ()


def test_two_processes_write_at_once_and_nothing_is_lost(file: Path) -> None:
    script = """
    memory = Memory.open(sys.argv[1])
    for n in range(100):
        memory.note("user", f"{sys.argv[2]} says {n}", NOW, id=f"{sys.argv[2]}-{n}")
        if n % 10 == 0:
            memory.digest()
    """
    both = [subprocess.Popen(child(script, file, who), stderr=subprocess.PIPE) for who in ("one", "two")]
    assert [process.communicate()[1] for process in both] == [b"", b""]
    with Memory.open(file) as memory:
        assert {e.id for e in memory.episodes(limit=1000)} == {f"{who}-{n}" for who in ("one", "two") for n in range(100)}


def test_threads_of_one_session_may_do_everything_at_once(memory: Memory) -> None:
    def talks(who: int) -> None:
        for n in range(25):
            id = memory.note("user", f"Number {who} likes the {n}th violin.", NOW)
            assert memory.recall("who likes a violin?", NOW).lines
            memory.digest()
            if n % 5 == 0:
                memory.forget(id)

    with ThreadPoolExecutor() as pool:
        for done in [pool.submit(talks, who) for who in range(4)]:
            done.result()
    assert len(memory.episodes(limit=1000)) == 4 * 20


@POSIX
def test_a_kill_loses_nothing_that_was_noted(file: Path) -> None:
    script = """
    memory = Memory.open(sys.argv[1])
    for n in range(100_000):
        memory.note("user", f"I like number {n}", NOW, id=str(n))
        print(n, flush=True)
    """
    process = subprocess.Popen(child(script, file), stdout=subprocess.PIPE, text=True)
    assert process.stdout
    for line in process.stdout:
        if int(line) >= 20:
            process.send_signal(signal.SIGKILL)
            break
    noted = [20, *map(int, process.communicate()[0].split())][-1]
    assert process.returncode == -signal.SIGKILL
    with Memory.open(file) as memory:
        assert memory.notice == ""
        kept = {int(episode.id) for episode in memory.episodes(limit=100_000)}
        assert kept == set(range(len(kept))) and len(kept) in (noted + 1, noted + 2)
        assert len(memory.facts) == len(kept), "a turn and its facts are one"


# ── full disks ────────────────────────────────────────────────────────────────────────────────────────────────────────


@POSIX
def test_a_full_disk_loses_nothing_and_is_told(tmp_path: Path) -> None:
    own = ["unshare", "-m"] if os.geteuid() == 0 else ["unshare", "-rm"]
    try:
        subprocess.run([*own, "mount", "-t", "tmpfs", "none", tmp_path], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"mounting a small disk needs Linux with user namespaces or root ({error})")
    script = """
    import os
    from cleans2s.errors import MemoryFault
    memory = Memory.open(sys.argv[1])
    kept = 0
    try:
        for n in range(10_000):
            memory.note("user", f"turn {n} " + "of many words " * 40, NOW, id=str(n))
            kept += 1
    except MemoryFault as fault:
        print(fault)
    print(kept, len(memory.episodes(limit=100_000)))
    memory.close()
    again = Memory.open(sys.argv[1])
    print(len(again.episodes(limit=100_000)), repr(again.notice))
    os.unlink(sys.argv[2])
    again.note("user", "there is room again", NOW)
    print(len(again.episodes(limit=100_000)))
    """
    disk = f'mount -t tmpfs -o size=1500k none "{tmp_path}" && head -c 600000 /dev/zero > "{tmp_path}/filler" && exec "$@"'
    command = [*own, "sh", "-c", disk, "sh", *child(script, tmp_path / "a.sqlite", tmp_path / "filler")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.stderr == ""
    told, counts, reopened, after = done.stdout.splitlines()
    kept = int(counts.split()[0])
    assert told == f"the disk of {tmp_path}/a.sqlite is full: this was not kept, what was kept before is whole; make room there"
    assert kept > 10 and counts == f"{kept} {kept}"
    assert reopened == f"{kept} ''"
    assert int(after) == kept + 1


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(MemoryFault, match=r"cannot be opened .*: choose a file that can be written, or switch memory off"):
        Memory.open(tmp_path / "file" / "anna.sqlite")
    (tmp_path / "anna").mkdir()
    with pytest.raises(MemoryFault, match="anna"):
        Memory.open(tmp_path / "anna")


# ── foreign and damaged files ─────────────────────────────────────────────────────────────────────────────────────────


def foreign_database(file: Path) -> None:
    with sqlite3.connect(file) as db:
        db.execute("CREATE TABLE recipes (name TEXT)")
    db.close()


def shortened(file: Path) -> None:
    with Memory.open(file) as memory:
        for n in range(200):
            memory.note("user", f"turn {n}", NOW)
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def scribbled(file: Path) -> None:
    with Memory.open(file) as memory:
        for n in range(200):
            memory.note("user", f"turn {n}", NOW)
    data = bytearray(file.read_bytes())
    data[4096 : len(data) : 7] = b"\xff" * len(data[4096 : len(data) : 7])
    file.write_bytes(data)


def plain_text(file: Path) -> None:
    file.write_text("Dear diary, " * 1000)


@pytest.mark.parametrize("spoil", [foreign_database, shortened, scribbled, plain_text])
def test_a_foreign_or_damaged_file_is_set_aside(file: Path, spoil: Any) -> None:
    spoil(file)
    before = file.read_bytes()
    with Memory.open(file) as memory:
        (aside,) = file.parent.glob("anna.sqlite.set-aside-*")
        assert aside.read_bytes() == before, "as it was"
        assert memory.notice.startswith(f"{file} is ")
        assert memory.notice.endswith(f"it was set aside as {aside}, and a new memory was begun")
        memory.note("user", "a new beginning", NOW)
    spoil(spoiled := file.with_name("other.sqlite"))
    os.replace(spoiled, file)
    with Memory.open(file):
        assert len(list(file.parent.glob("anna.sqlite.set-aside-*"))) == 2, "nor is what was set aside before written over"


def test_damage_that_shows_later(memory: Memory, file: Path) -> None:
    for n in range(400):
        memory.note("user", f"turn {n} " + "word " * 100, NOW, id=str(n))
    other = sqlite3.connect(file)
    other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    other.close()
    with file.open("r+b") as raw:
        raw.seek(2 * 4096)
        raw.write(os.urandom(file.stat().st_size - 2 * 4096))
    with pytest.raises(MemoryFault, match="set aside as"):
        memory.episodes(search="nowhere", limit=1000)
    memory.note("user", "it goes on", NOW)
    assert [episode.text for episode in memory.episodes()] == ["it goes on"]


def test_a_file_of_a_later_version_is_left_alone(file: Path) -> None:
    Memory.open(file).close()
    with sqlite3.connect(file) as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(MemoryFault, match=r"written by a later cleans2s \(format 99, this one reads 1\): update it"):
        Memory.open(file)
    assert not list(file.parent.glob("*set-aside*"))
