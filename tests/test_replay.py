"""A recorded conversation once more: with the same engines, and with others."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import anyio
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from recorded_stage import a_conversation, recorded_stage

from cleans2s import cli
from cleans2s.config import Config, Limits
from cleans2s.errors import ConfigError
from cleans2s.events import Ignored, Interrupted, ReplyEnded, ReplyStarted, TurnEnded
from cleans2s.recorder import Recorded
from cleans2s.replay import Outcome, matched, outcomes, replay, table
from cleans2s.testing import ScriptedEndOfTurn, ScriptedLLM, ScriptedTTS, Stage, on_virtual_clock

SOUNDS = Path(__file__).parent / "sounds"


def once_more(stage: Stage, folder: Path, fast: bool = False, **engines):
    """A replay with scripted engines as they were; the recogniser knows the same voice."""
    before = stage.session.config
    fresh = {"llm": ScriptedLLM(before.llm.answers, before.llm.first_s, before.llm.word_s), **engines}
    config = replace(before, **fresh)
    config = config.changed({"interruption": before.interruption}) if not before.interruption else config
    return on_virtual_clock(lambda: replay(Recorded.load(folder), config, fast=fast))


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
        played = await replay(Recorded.load(tmp_path), replace(stage.session.config, **engines(stage)), fast=fast)
        return anyio.current_time() - began, played

    on_virtual_clock(play)
    (whole_s, slow), (short_s, quick) = (on_virtual_clock(lambda fast=fast: timed(fast)) for fast in (False, True))
    assert whole_s - short_s == pytest.approx(50, abs=2)
    assert not slow.changed and not quick.changed
    turns = [next(e for e in played.recording.events if isinstance(e, TurnEnded)) for played in (slow, quick)]
    assert turns[0].onset_s == pytest.approx(turns[1].onset_s, abs=0.05)


def engines(stage: Stage) -> dict:
    before = stage.session.config
    return {name: getattr(before, name) for name in ("vad", "endpoint", "asr", "judge", "tts")} | {
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
    config = replace(stage.session.config, **engines(stage), hands_free=not by_hand)

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
@example([("wait", "", 0.4), ("type", "uh-huh", 0.0), ("say", "Stop.", 2.5)], 0.0, False, True)
@example([("say", "Stop.", 0.1), *[("wait", "", 0.05)] * 4, ("type", "uh-huh", 0.0)], 0.0, False, False)
@example([*[("wait", "", 0.2), ("type", "uh-huh", 0.0)] * 2, ("say", "Stop.", 2.5)], 0.0, False, True)
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
                    await stage.wait(0.003)  # nobody types in the very moment in which a frame of sound arrives
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
