"""What a session leaves on the disk, and the same conversation once more."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import anyio
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cleans2s import cli
from cleans2s.audio import RATE, Audio
from cleans2s.config import Config, Limits
from cleans2s.errors import AudioError, ConfigError
from cleans2s.events import Failed, Ignored, Interrupted, ReplyAudio, ReplyEnded, ReplyStarted, TurnEnded, as_json
from cleans2s.profiles import as_toml
from cleans2s.recorder import Recorded, Recorder, event_from
from cleans2s.replay import Outcome, matched, outcomes, replay, table
from cleans2s.session import Session
from cleans2s.testing import ScriptedEndOfTurn, ScriptedLLM, ScriptedTTS, Stage, on_virtual_clock

STORY = "Once upon a time there was a king who lived in a castle. He had three daughters. They all sang."
ANSWERS = [STORY, "Sure, bread.", "It is late."]
SOUNDS = Path(__file__).parent / "sounds"
REPOSITORY = Path(__file__).parent.parent


def recorded_stage(folder: Path, **more) -> Stage:
    stage = Stage(**{"llm": ScriptedLLM(ANSWERS), **more})
    stage.session = Session(stage.session.config, Recorder(folder))
    return stage


async def a_conversation(stage: Stage) -> None:
    """A backchannel, an interruption by voice, a typed turn into a reply, a cough, words that are cut by the end."""
    async with stage:
        await stage.user.says("Tell me a story.")
        await stage.until(ReplyStarted)
        await stage.wait(1.0)
        await stage.user.says("uh-huh", seconds=0.4)
        await stage.until(Ignored)
        await stage.wait(2.0)
        await stage.user.says("Stop, tell me about bread.")
        await stage.until(ReplyStarted, 2)
        await stage.wait(0.8)
        await stage.session.tell("What time is it?")
        await stage.until(ReplyEnded, 3)
        await stage.wait(3.0)
        await stage.user.coughs()
        await stage.until(Ignored, 2)
        await stage.wait(0.5)
        await stage.user.says("I would like", seconds=1.0)


def once_more(stage: Stage, folder: Path, fast: bool = False, **engines):
    """A replay with scripted engines as they were; the recogniser knows the same voice."""
    before = stage.session.config
    fresh = {"llm": ScriptedLLM(before.llm.answers, before.llm.first_s, before.llm.word_s), **engines}
    config = Config(**{"vad": before.vad, "endpoint": before.endpoint, "asr": before.asr, "tts": before.tts, **fresh})
    config = config.changed({"interruption": before.interruption}) if not before.interruption else config
    return on_virtual_clock(lambda: replay(Recorded.load(folder), config, fast=fast))


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
    done = converse(tmp_path, "os.kill(os.getpid(), signal.SIGKILL)")
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


# ── once more ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("fast", [False, True])
def test_a_replay_with_the_same_engines_decides_the_same(tmp_path, fast):
    stage = recorded_stage(tmp_path)
    on_virtual_clock(lambda: a_conversation(stage))
    played = once_more(stage, tmp_path, fast)
    assert [outcome.decisions for outcome in outcomes(played.recorded.events)] == [
        ("turn", "interrupted"),
        ("backchannel", ""),
        ("turn", "interrupted"),
        ("typed", "finished"),
        ("noise", ""),
        ("unfinished", ""),
    ]
    # The recording ends in the middle of words, the replay does not.
    assert [before for before, _ in played.changed] == [outcomes(played.recorded.events)[-1]]
    for before, after in played.pairs[:-1]:
        assert (before.words, before.answer) == (after.words, after.answer)
        assert before.reply_ms == pytest.approx(after.reply_ms, abs=1.0)
    cuts = [[e.at_s for e in events if isinstance(e, Interrupted)] for events in (stage.events, played.recording.events)]
    assert cuts[0] == pytest.approx(cuts[1], abs=0.05)


def test_a_replay_shows_what_other_settings_change(tmp_path):
    stage = recorded_stage(tmp_path)
    on_virtual_clock(lambda: a_conversation(stage))
    played = once_more(stage, tmp_path, llm=ScriptedLLM(["No."]), tts=ScriptedTTS(seconds=0.5))
    first = played.changed[0]
    assert [each.decisions for each in first] == [("turn", "interrupted"), ("turn", "finished")]
    assert first[1].answer == "No."
    assert first[1].reply_ms > first[0].reply_ms
    from rich.console import Console

    console = Console(width=120, record=True, file=open(os.devnull, "w"))  # noqa: SIM115
    with console.file:
        console.print(table(played.pairs))
        shown = console.export_text()
    assert "→ turn · finished" in shown
    assert "→ No." in shown
    with pytest.raises(ConfigError, match=r"saved as \.png"):
        played.save_timelines(tmp_path / "a.svg")
    played.save_timelines(tmp_path / "a.png")
    from matplotlib.image import imread

    height, width, _ = imread(tmp_path / "a.png").shape
    assert height > 800 and width > 800


def test_waits_in_which_nothing_goes_on_are_left_out(tmp_path):
    stage = recorded_stage(tmp_path)

    async def play():
        async with stage:
            await stage.wait(20)
            await stage.user.says("Tell me a story.")
            await stage.until(ReplyEnded)
            await stage.wait(30)

    async def timed(fast):
        began = anyio.current_time()
        played = await replay(Recorded.load(tmp_path), Config(**engines(stage)), fast=fast)
        return anyio.current_time() - began, played

    on_virtual_clock(play)
    (whole_s, slow), (short_s, quick) = (on_virtual_clock(lambda fast=fast: timed(fast)) for fast in (False, True))
    assert whole_s - short_s == pytest.approx(50, abs=2)
    assert not slow.changed and not quick.changed
    turns = [next(e for e in played.recording.events if isinstance(e, TurnEnded)) for played in (slow, quick)]
    assert turns[0].onset_s == pytest.approx(turns[1].onset_s, abs=0.05)


def engines(stage: Stage) -> dict:
    before = stage.session.config
    return {name: getattr(before, name) for name in ("vad", "endpoint", "asr", "tts")} | {
        "llm": ScriptedLLM(before.llm.answers)
    }


@pytest.mark.parametrize("by_hand", [True, False])
def test_what_the_client_asked_for_is_asked_for_again(tmp_path, by_hand):
    """Stopping a reply, wanting another one, ending turns by hand, other settings half way."""
    stage = recorded_stage(tmp_path, hands_free=not by_hand)

    async def play():
        async with stage:
            await stage.user.says("Tell me a story.")
            if by_hand:
                await stage.wait(0.1)
                await stage.session.commit()
            await stage.until(ReplyStarted)
            await stage.wait(1.0)
            await stage.session.cancel()
            await stage.wait(2.0)
            await stage.session.configure(stage.session.config.changed({"lead_s": 0.4}))
            await stage.session.respond()
            await stage.until(ReplyEnded, 2)

    on_virtual_clock(play)
    config = Config(**engines(stage), hands_free=not by_hand)

    def adapted(later: Config) -> Config:  # scripted engines have no file
        assert later.lead_s == 0.4
        return config.changed({"lead_s": later.lead_s})

    Recorded.load(tmp_path)
    file = next(tmp_path.glob("*/events.jsonl"))
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    for line in lines:
        if line["event"] == "Configured":
            line["config"] = {"lead_s": line["config"]["lead_s"]}
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    played = on_virtual_clock(lambda: replay(Recorded.load(tmp_path), config, adapted=adapted))
    assert played.pairs and not played.changed
    ended = [[(e.ending, e.heard) for e in x if isinstance(e, ReplyEnded)] for x in (stage.events, played.recording.events)]
    assert ended[0] == ended[1]
    assert [ending for ending, _ in ended[0]] == ["interrupted", "finished"]


WORDS = ["uh-huh", "Stop.", "Tell me a story.", "I would like", "", "No, I mean the other one, please."]
acts = st.lists(
    st.one_of(
        st.tuples(st.just("say"), st.sampled_from(WORDS), st.sampled_from([0.1, 0.4, 1.0, 2.5])),
        st.tuples(st.just("wait"), st.just(""), st.sampled_from([0.05, 0.2, 0.7, 1.5, 4.0])),
        st.tuples(st.just("type"), st.sampled_from(WORDS[:3]), st.just(0.0)),
    ),
    min_size=1,
    max_size=8,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(acts, st.floats(0, 1), st.booleans(), st.booleans())
def test_any_conversation_comes_out_the_same(tmp_path_factory, script, p_end, interruption, fast):
    folder = tmp_path_factory.mktemp("kept")
    answers = ["One, two, three. Four, five, six, seven."]
    stage = recorded_stage(
        folder,
        llm=ScriptedLLM(answers),
        endpoint=ScriptedEndOfTurn(p_end),
        interruption=interruption,
        limits=Limits(5, 5, 5, 5),
    )

    async def play():
        async with stage:
            for act, text, seconds in script:
                if act == "say":
                    await stage.user.says(text, seconds=seconds)
                elif act == "type":
                    await stage.session.tell(text)
                else:
                    await stage.wait(seconds)
            await stage.wait(2.0)
            while not stage.session.idle:
                await stage.wait(0.5)

    on_virtual_clock(play)
    played = once_more(stage, folder, fast)
    assert not played.changed
    said = [[e.text for e in x if isinstance(e, (TurnEnded, Ignored))] for x in (stage.events, played.recording.events)]
    assert said[0] == said[1]


def test_words_are_matched_by_their_place_in_the_users_sound():
    def at(*seconds):
        return [Outcome(s, "turn", str(s)) for s in seconds]

    pairs = [(a and a.audio_s, b and b.audio_s) for a, b in matched(at(1.0, 5.0, 9.0), at(1.2, 7.0, 9.0, 12.0))]
    assert pairs == [(1.0, 1.2), (5.0, None), (None, 7.0), (9.0, 9.0), (None, 12.0)]


def test_what_cannot_be_replayed_is_a_sentence(tmp_path, capsys):
    assert cli.main(["replay", str(tmp_path)]) == 2
    assert "no recording is there; expected a folder that --record has made" in capsys.readouterr().err
    on_virtual_clock(lambda: a_conversation(recorded_stage(tmp_path / "kept")))
    assert cli.main(["replay", str(tmp_path / "kept")]) == 2
    assert "unknown engine" in capsys.readouterr().err, "scripted engines have no row in the registry"
    for more in (["--profile", "nope"], ["--timeline", "a.svg"], ["--timeline", str(tmp_path / "no" / "a.png")]):
        assert cli.main(["replay", str(tmp_path / "kept"), *more]) == 2
    said = capsys.readouterr().err
    assert "no profile is called 'nope'" in said
    assert "saved as .png" in said
    assert "there is no folder" in said


@pytest.mark.models
def test_real_engines_make_the_same_of_a_recorded_conversation(tmp_path, capsys):
    """A story, interrupted by a question: recorded and replayed by the commands."""
    files = [str(SOUNDS / f"{name}.flac") for name in ("story", "stop")]
    assert cli.main(["talk", *files, "--at", "+1.5", "--record", str(tmp_path), "--llm.max_tokens", "60"]) == 0
    kept = Recorded.load(tmp_path)
    assert Config.from_file(kept.config_file) == Config().changed({"llm.max_tokens": 60})
    assert [outcome.decision for outcome in outcomes(kept.events)] == ["turn", "turn"]
    picture = tmp_path / "both.png"
    assert cli.main(["replay", str(tmp_path), "--fast", "--timeline", str(picture)]) == 0
    assert "all 2 decisions are those of the recording" in capsys.readouterr().out
    assert picture.stat().st_size > 10_000
