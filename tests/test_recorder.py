"""What a session leaves on the disk, also when it ends badly."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import anyio
import numpy as np
import pytest
from recorded_stage import ANSWERS, a_conversation, recorded_stage

from cleans2s.audio import RATE, Audio
from cleans2s.config import Config
from cleans2s.errors import AudioError, ConfigError
from cleans2s.events import Backchannelled, Failed, ReplyAudio, ReplyEnded, ReplyStarted, TurnEnded, as_json
from cleans2s.profiles import as_toml
from cleans2s.recorder import Recorded, Recorder, event_from
from cleans2s.testing import ScriptedLLM, Stage, on_virtual_clock
from cleans2s.timeline import Timeline

REPOSITORY = Path(__file__).parent.parent


# ── what is written ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_everything_that_happened_is_on_the_disk(tmp_path):
    stage = recorded_stage(tmp_path / "kept")
    on_virtual_clock(lambda: a_conversation(stage))
    kept = Recorded.load(tmp_path / "kept")
    assert [as_json(event) for event in kept.events] == [as_json(event) for event in stage.events]
    plain = [event for event in stage.events if not isinstance(event, ReplyAudio)]
    assert [event for event in kept.events if not isinstance(event, ReplyAudio)] == plain
    heard = stage.agent_sound
    assert kept.agent.rate == heard.rate
    length = min(len(heard.samples), len(kept.agent.samples))
    assert length > 5 * heard.rate
    np.testing.assert_allclose(kept.agent.samples[:length], heard.samples[:length], atol=1e-4)
    assert not heard.samples[length:].any()
    assert sum(count for _, _, count in kept.chunks) == pytest.approx(len(kept.user.samples), abs=RATE * 0.1)
    # The user's voice lies where it was heard in the session's time.
    turn = next(event for event in kept.events if isinstance(event, TurnEnded))
    assert kept.user.audible_span_s(0.0005)[0] == pytest.approx(turn.onset_s, abs=0.04)
    assert kept.ended_s == pytest.approx(kept.chunks[-1][0], abs=0.05)
    # Other programs read it, too.
    assert Audio.from_file(kept.folder / "user.wav").duration_s == kept.user.duration_s


def test_a_nod_is_in_the_recording_and_read_back(tmp_path):
    stage = recorded_stage(tmp_path / "kept", proactive=True)

    async def play() -> None:
        async with stage:
            await stage.user.says("So I went to the market in the morning and then I", seconds=8.0)
            await stage.wait(0.9)
            await stage.user.says("bought some apples.", seconds=1.0)
            await stage.until(ReplyEnded)

    on_virtual_clock(play)
    kept, (nod,) = Recorded.load(tmp_path / "kept"), stage.all(Backchannelled)
    assert [as_json(event) for event in kept.events] == [as_json(event) for event in stage.events]
    first, last = (round(at_s * kept.agent.rate) for at_s in (nod.at_s, nod.at_s + nod.audio.duration_s))
    for heard in (kept.agent, stage.agent_sound):
        np.testing.assert_allclose(heard.samples[first + 1 : last - 1], 0.25, atol=1e-3)
        assert not heard.samples[: first - 1].any()
    assert Timeline(kept.recording)._voices["heard"][0].text == nod.text


def test_each_session_has_its_folder_for_the_users_eyes_only_and_nothing_lies_beside_it(tmp_path):
    for _ in range(2):
        stage = recorded_stage(tmp_path / "kept")
        on_virtual_clock(lambda stage=stage: a_conversation(stage))
    folders = sorted((tmp_path / "kept").iterdir())
    assert len(folders) == 2
    assert [p.name for p in tmp_path.iterdir()] == ["kept"]
    for folder in folders:
        assert sorted(p.name for p in folder.iterdir()) == [
            "agent.wav",
            "config.toml",
            "events.jsonl",
            "user.jsonl",
            "user.wav",
        ]
        assert folder.stat().st_mode & 0o077 == 0
    with pytest.raises(AudioError, match="which of its sessions"):
        Recorded.load(tmp_path / "kept")


def test_without_a_recorder_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    on_virtual_clock(lambda: a_conversation(Stage(llm=ScriptedLLM(ANSWERS))))
    assert not list(tmp_path.iterdir())


def test_sixteen_bit_sound_comes_out_as_it_came_in_and_a_break_is_a_break(tmp_path):
    pcm = np.random.default_rng(0).integers(-32768, 32768, RATE, np.int16)

    async def play():
        async with recorded_stage(tmp_path).session as session:
            await anyio.sleep(2.0)
            await session.hear(Audio(pcm[: RATE // 2]))
            await anyio.sleep(3.0)  # nothing comes
            await session.hear(Audio(pcm[RATE // 2 :]))

    on_virtual_clock(play)
    kept = Recorded.load(tmp_path)
    samples = np.concatenate([kept.user.samples[first : first + count] for _, first, count in kept.chunks])
    assert (samples * 32768 == pcm).all()
    assert [first / RATE for _, first, _ in kept.chunks] == [1.5, 4.5]


def test_a_microphone_of_another_rate_is_kept_at_16_khz(tmp_path):
    tone = (0.5 * np.sin(np.arange(48_000) / 48_000 * 2 * np.pi * 440)).astype(np.float32)

    async def play():
        async with recorded_stage(tmp_path).session as session:
            for start in range(0, 48_000, 960):
                await anyio.sleep(0.02)
                await session.hear(Audio(tone[start : start + 960], 48_000))

    on_virtual_clock(play)
    kept = Recorded.load(tmp_path)
    assert kept.user.duration_s == pytest.approx(1.0, abs=0.03)
    assert np.abs(np.fft.rfft(kept.user.samples[:15_000])).argmax() * RATE / 15_000 == pytest.approx(440, abs=2)


def test_the_configuration_is_kept_with_its_changes_and_without_secrets(tmp_path):
    changed = Config().changed({"instructions": 'Say "hm" \\ and\nnothing else. 好', "turn.eager_ms": 300, "lead_s": 0.5})
    assert Config().changed({}) != changed
    (tmp_path / "a.toml").write_text(as_toml(changed), "utf-8")
    assert Config.from_file(tmp_path / "a.toml") == changed
    addressed = Config().changed({"llm.engine": "openai", "llm.base_url": "http://me:hush@localhost:1/v1"})
    assert "hush" not in as_toml(addressed)
    stage = recorded_stage(tmp_path / "kept")

    async def play():
        async with stage:
            await stage.wait(1.0)
            before = stage.session.config
            await stage.session.configure(before.changed({"interruption": False}))

    on_virtual_clock(play)
    ((at_s, values),) = Recorded.load(tmp_path / "kept").configured
    assert at_s == pytest.approx(1.0)
    assert values["interruption"] is False


@pytest.mark.parametrize("text", ["", "a\nb", "好。\u2028", "half \ud83d", '"\\'])
def test_an_event_survives_its_line_of_json(text, tmp_path):
    stage = recorded_stage(tmp_path, llm=ScriptedLLM([f"One {text} two."]))

    async def play():
        async with stage:
            await stage.session.tell(f"x {text}")
            await stage.until(ReplyEnded)

    on_virtual_clock(play)
    kept = Recorded.load(tmp_path)
    assert [as_json(event) for event in kept.events] == [as_json(event) for event in stage.events]
    assert all(as_json(event_from(as_json(event))) == as_json(event) for event in stage.events)


# ── what goes wrong ───────────────────────────────────────────────────────────────────────────────────────────────────

CONVERSE = """
import os, resource, signal, sys, anyio
import numpy as np
from cleans2s.audio import Audio
from cleans2s.events import Failed, ReplyStarted
from cleans2s.recorder import Recorder
from cleans2s.session import Session
from cleans2s.testing import ScriptedLLM, Stage, on_virtual_clock

async def play():
    stage = Stage(llm=ScriptedLLM(["One, two, three. " * 20]))
    stage.session = Session(stage.session.config, Recorder(sys.argv[1]))
    async with stage:
        await stage.user.says("Tell me a story.")
        await stage.until(ReplyStarted)
        for _ in range(100):
            await stage.wait(0.05)
            await anyio.to_thread.run_sync(__import__("time").sleep, 0.001)
        {act}

on_virtual_clock(play)
"""


def converse(folder: Path, act: str, before: str = "") -> subprocess.CompletedProcess[str]:
    program = before + CONVERSE.replace("{act}", textwrap.indent(act, " " * 8).lstrip())
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    return subprocess.run(
        [sys.executable, "-c", program, str(folder)], env=environment, capture_output=True, text=True, timeout=60
    )


def test_what_a_killed_process_leaves_is_whole_to_its_last_piece(tmp_path):
    # Seconds of the virtual clock are milliseconds here: the writing thread gets the time that it would have had.
    done = converse(tmp_path, "__import__('time').sleep(0.5)\nos.kill(os.getpid(), signal.SIGKILL)")
    assert done.returncode == -signal.SIGKILL
    kept = Recorded.load(tmp_path)
    assert [event.text for event in kept.events if isinstance(event, TurnEnded)] == ["Tell me a story."]
    assert any(isinstance(event, ReplyAudio) for event in kept.events)
    assert kept.user.duration_s > 4
    assert kept.agent.peak == pytest.approx(0.5, abs=0.01)
    # The kill may fall between the sound of a piece and the line about it.
    of_chunks, piece = max(first + count for _, first, count in kept.chunks), kept.chunks[0][2]
    assert len(kept.user.samples) - of_chunks in (0, piece)
    # A header that nobody corrected, a line and a sample that were cut.
    for name, tail in (("events.jsonl", b'{"event": "TurnEn'), ("user.wav", b"\x01")):
        with (kept.folder / name).open("ab") as file:
            file.write(tail)
    again = Recorded.load(tmp_path)
    assert len(again.events) == len(kept.events)
    assert len(again.user.samples) == len(kept.user.samples)


@pytest.mark.skipif(sys.platform == "win32", reason="limits of the system are set")
def test_a_full_disk_ends_the_recording_and_not_the_conversation(tmp_path):
    limit = "import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, (60_000, resource.RLIM_INFINITY))\n"
    done = converse(
        tmp_path,
        "await stage.user.says('Stop, and tell me about bread.')\n"
        "await stage.until(ReplyStarted, 2)\n"
        "print([event.error for event in stage.all(Failed)])",
        before=limit,
    )
    assert done.returncode == 0, done.stderr
    assert "has ended (File too large: make room" in done.stdout
    assert done.stdout.count("recording") == 1
    kept = Recorded.load(tmp_path)
    assert 0 < kept.user.duration_s < 2


def test_a_folder_that_cannot_be_written_is_said_before_anything_begins(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"cannot record there .* choose a folder"):
        Recorder(tmp_path / "file")


def test_a_folder_that_vanishes_ends_the_recording_and_not_the_conversation(tmp_path):
    stage = recorded_stage(tmp_path / "kept")
    (tmp_path / "kept").rmdir()

    async def play():
        async with stage:
            await anyio.to_thread.run_sync(stage.session._recorder._thread.join)
            await stage.user.says("Tell me a story.")
            await stage.until(ReplyStarted)

    on_virtual_clock(play)
    (failed,) = stage.all(Failed)
    assert failed.stage == "recorder"
    assert "No such file" in failed.error


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda folder: (folder / "events.jsonl").write_text("{}\n"), "line 1: not what"),
        (lambda folder: (folder / "events.jsonl").write_text("what?\n{}\n"), "line 1: not what"),
        (lambda folder: (folder / "events.jsonl").write_text('{"event": "Sang", "at_s": 1}\n'), "line 1: not what"),
        (lambda folder: (folder / "user.jsonl").write_text("[1, 2]\n"), "line 1: not what"),
        (lambda folder: (folder / "user.wav").write_bytes(b"RIFF"), "cannot be read"),
        (lambda folder: (folder / "user.wav").write_bytes(b"x" * 100), "expected 16-bit mono"),
        (lambda folder: (folder / "user.jsonl").unlink(), "cannot be read"),
        (lambda folder: (folder / "events.jsonl").unlink(), "no recording is there"),
    ],
)
def test_a_damaged_recording_is_said_to_be_one(tmp_path, spoil, said):
    on_virtual_clock(lambda: a_conversation(recorded_stage(tmp_path)))
    spoil(Recorded.load(tmp_path).folder)
    with pytest.raises(AudioError, match=said):
        Recorded.load(tmp_path)
