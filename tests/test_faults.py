"""Engines that raise, hang or return nothing, users who send rubbish, clients that are slow: the conversation goes on."""

from __future__ import annotations

import math
import subprocess
import sys
import threading

import anyio
import numpy as np
import pytest

from cleans2s.audio import Audio
from cleans2s.config import Limits
from cleans2s.errors import AudioError, TextError
from cleans2s.events import Failed, ReplyAudio, ReplyEnded, ReplyStarted, TurnEnded
from cleans2s.openers import sheet
from cleans2s.session import Session
from cleans2s.stages import Transcript
from cleans2s.testing import (
    Scripted,
    ScriptedASR,
    ScriptedEndOfTurn,
    ScriptedLLM,
    ScriptedTTS,
    ScriptedVAD,
    Stage,
    on_virtual_clock,
)

LIMITS = Limits(asr_s=2, endpoint_s=1, llm_s=2, tts_s=2)

APOLOGIES = {stage: sheet().kinds[f"apology_{stage}"].of("en") for stage in ("asr", "llm")}


class Once:
    """An engine's method that misbehaves the first time it matters and is well afterwards."""

    def __init__(self, fault: str) -> None:
        self.fault, self.happened = fault, False

    async def strike(self) -> bool:
        """Whether to return nothing."""
        if self.happened:
            return False
        self.happened = True
        if self.fault == "raises":
            raise RuntimeError("the engine burst")
        if self.fault == "hangs":
            await anyio.sleep(math.inf)
        return True


class FaultyASR(ScriptedASR):
    def __init__(self, fault: str) -> None:
        super().__init__()
        self.once = Once(fault)

    async def transcribe(self, audio, partial=False):
        if not partial and await self.once.strike():
            return Transcript("")
        return await super().transcribe(audio)


class FaultyLLM(ScriptedLLM):
    def __init__(self, fault: str, after: int = 0) -> None:
        super().__init__(["First answer, and it goes on.", "Second answer."])
        self.once, self.after = Once(fault), after

    async def reply(self, chat):
        count = 0
        async for word in super().reply(chat):
            if count == self.after and await self.once.strike():
                return
            count += 1
            yield word


class FaultyTTS(ScriptedTTS):
    def __init__(self, fault: str) -> None:
        super().__init__()
        self.once = Once(fault)

    async def speak(self, text):
        if await self.once.strike():
            return
        async for audio in super().speak(text):
            yield audio


class FaultyEndOfTurn(ScriptedEndOfTurn):
    def __init__(self, fault: str) -> None:
        super().__init__()
        self.once = Once(fault)

    async def complete(self, audio):
        await self.once.strike()
        return await super().complete(audio)


FAULTS = ["raises", "hangs", "returns nothing"]


async def two_questions(stage: Stage) -> None:
    await stage.user.says("What is the capital of France?")
    await stage.until(ReplyEnded)
    await stage.wait(1.0)
    await stage.user.says("And what about Germany?")
    await stage.until(ReplyEnded, 2)


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize(("stage_name", "faulty"), [("asr", FaultyASR), ("llm", FaultyLLM), ("tts", FaultyTTS)])
def test_a_fault_ends_that_reply_and_the_next_turn_is_answered(stage_name, faulty, fault):
    async def play():
        async with Stage(**{stage_name: faulty(fault)}, limits=LIMITS) as stage:
            await two_questions(stage)
        failed = stage.all(Failed)
        assert [f.stage for f in failed] == [stage_name]
        endings = {e.turn: e.ending for e in stage.all(ReplyEnded)}
        assert endings[2] == "finished"
        assert endings[1] != "finished"
        if stage_name == "tts":
            assert not any(e.turn == 1 for e in stage.all(ReplyAudio))
        else:
            assert any(role == "assistant" and said in APOLOGIES[stage_name] for role, said in stage.transcript)
            assert any(e.turn == 1 for e in stage.all(ReplyAudio))
        assert stage.all(TurnEnded)[1].text == "And what about Germany?"

    on_virtual_clock(play)


@pytest.mark.parametrize("fault", ["raises", "hangs"])
def test_without_the_opinion_on_sound_the_reply_only_comes_later(fault):
    async def play():
        # Words that leave it open whether the turn is over, so that the sound is asked.
        async with Stage(endpoint=FaultyEndOfTurn(fault), llm=ScriptedLLM(complete_p=0.2), limits=LIMITS) as stage:
            await two_questions(stage)
        assert [f.stage for f in stage.all(Failed)] == ["endpoint"]
        assert [e.ending for e in stage.all(ReplyEnded)] == ["finished", "finished"]

    on_virtual_clock(play)


def test_a_model_that_breaks_in_mid_answer_is_heard_until_there():
    async def play():
        async with Stage(llm=FaultyLLM("raises", after=4), limits=LIMITS) as stage:
            await two_questions(stage)
        ended = stage.all(ReplyEnded)[0]
        assert ended.ending == "failed"
        assert ended.heard in {f"First answer, {words}" for words in APOLOGIES["llm"]}

    on_virtual_clock(play)


class BurstingVAD(ScriptedVAD):
    def stream(self):
        frames = iter(range(10**9))
        hear = super().stream()

        def probability(frame):
            if next(frames) == 10:
                raise RuntimeError("the engine burst")
            return hear(frame)

        return probability


def test_a_vad_that_raises_misses_one_frame():
    async def play():
        async with Stage(vad=BurstingVAD()) as stage:
            await stage.user.says("What is the capital of France?")
            await stage.until(ReplyEnded)
        assert [f.stage for f in stage.all(Failed)] == ["vad"]
        assert stage.all(TurnEnded)[0].text == "What is the capital of France?"

    on_virtual_clock(play)


class HangingThread(Scripted):
    """A blocking recogniser that never returns."""

    def __init__(self) -> None:
        self.never = threading.Event()

    def transcribe(self, audio: Audio, partial: bool = False) -> Transcript:
        self.never.wait(30)
        return Transcript("too late")


def test_a_blocking_engine_that_hangs_is_left_behind():
    engine = HangingThread()

    async def play():
        async with Stage(asr=engine, limits=Limits(asr_s=0.5)) as stage:
            await stage.user.says("What is the capital of France?", seconds=1.8)
            failed = await stage.until(Failed, limit_s=20)
            await stage.until(ReplyEnded, limit_s=20)
            assert failed.stage == "asr"
            assert "0.5 s" in failed.error
            assert stage.session.idle

    try:
        anyio.run(play)
    finally:
        engine.never.set()


LEAVING = """
import sys, time
import anyio
from pathlib import Path
from cleans2s import blocking

blocking.STEP_GRACE_S = 0.05
class Slow:
    def speak(self, file):
        time.sleep(1.5)
        Path(file).write_text("done")

async def main():
    with anyio.move_on_after(0.1):
        await blocking.call(Slow().speak, sys.argv[1])

anyio.run(main)
"""


def test_the_end_of_the_process_waits_for_a_run_that_was_left_behind(tmp_path):
    """Native code that went on while its libraries are taken down would crash."""
    done = subprocess.run([sys.executable, "-c", LEAVING, str(tmp_path / "file")], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "file").read_text() == "done"


def test_cancelling_at_any_moment_leaves_nothing_running():
    """A session is left after every tenth of a second of the same conversation."""

    async def play(seconds: float):
        async with Stage(llm=ScriptedLLM(["One, two, three. Four, five, six."])) as stage:
            with anyio.move_on_after(seconds):
                await stage.user.says("Count to six.")
                await stage.until(ReplyStarted)
                await stage.user.says("Stop it please.")
                await stage.until(ReplyEnded, 2)

    async def tasks_left(seconds: float) -> int:
        await play(seconds)
        return len(anyio.get_running_tasks())

    for tenth in range(60):
        assert on_virtual_clock(lambda tenth=tenth: tasks_left(tenth / 10)) == 1


def test_ten_sessions_one_after_another_leave_no_task_and_no_thread():
    async def play():
        counts = []
        for _ in range(10):
            async with Stage(asr=BlockingASR(), tts=ScriptedTTS(char_s=0.01)) as stage:
                await stage.user.says("What is the capital of France?", seconds=1.0)
                await stage.until(ReplyEnded)
            counts.append((len(anyio.get_running_tasks()), threading.active_count()))
        assert len(set(counts)) == 1

    anyio.run(play)


class BlockingASR(Scripted):
    def transcribe(self, audio: Audio, partial: bool = False) -> Transcript:
        return Transcript("Hi.")


def test_a_slow_client_slows_only_its_own_session():
    """Nobody reads the events of the first session; the second one is answered as if it were alone."""

    async def play():
        unread = Session(Stage(llm=ScriptedLLM(["word " * 4000])).session.config)
        async with unread, Stage() as stage:
            await unread.tell("Talk for ever.")
            await anyio.sleep(600)
            await stage.user.says("Is it true?")
            started = await stage.until(ReplyStarted)
        assert started.latency.reply_ms < 400

    on_virtual_clock(play)


@pytest.mark.parametrize(
    "sound",
    [
        np.full(160, np.nan, np.float32),
        np.full(160, np.inf),
        np.full(160, 5.0),
        np.zeros(0, np.float32),
        np.zeros(1, np.float32),
        np.zeros((480, 2), np.float32),
        np.zeros(7, np.int16),
        np.zeros(100_003, np.float32),
    ],
    ids=["nan", "infinite", "clipped", "empty", "one sample", "stereo", "int16", "6 s at once"],
)
def test_a_frame_of_any_kind_does_no_harm(sound):
    async def play():
        async with Stage() as stage:
            for rate in (8_000, 16_000, 44_100, 96_000):
                await stage.session.hear(Audio(sound, rate))
            await stage.wait(3.0)
            await stage.user.says("Is it true?")
            await stage.until(ReplyEnded)
        assert stage.all(TurnEnded)[-1].text == "Is it true?"

    on_virtual_clock(play)


@pytest.mark.parametrize("shape", [(2, 3, 4), (3, 0), ()])
def test_samples_of_a_wrong_shape_are_named(shape):
    with pytest.raises(AudioError, match="expected"):
        Audio(np.zeros(shape, np.float32))


@pytest.mark.parametrize("text", ["", "   ", "a" * 100_000])
def test_typed_text_is_bounded(text):
    async def play():
        async with Stage() as stage:
            with pytest.raises(TextError, match="expected 1 to"):
                await stage.session.tell(text)
            await stage.session.tell("Hello.")
            await stage.until(ReplyEnded)

    on_virtual_clock(play)
