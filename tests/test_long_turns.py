"""What a long turn costs: of what is heard again with every draft only the end is new, and who cuts in waits for nobody."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import anyio
import numpy as np
import pytest

from cleans2s.asr.whisper import BEAM, KEPT_WINDOWS, WINDOW_S, LoadedWhisper
from cleans2s.audio import RATE, Audio, Samples
from cleans2s.events import Judged, PartialTranscript
from cleans2s.stages import Chat, Transcript
from cleans2s.testing import ScriptedJudge, ScriptedLLM, Stage, on_virtual_clock

NOISE = np.random.default_rng(1).standard_normal(400 * RATE).astype(np.float32) * 0.1


class Listener(LoadedWhisper):
    """Its words are the seconds of what it hears."""

    def __init__(self) -> None:
        super().__init__(model=None, tokenizer=None, features=None, languages=("en",))
        self.heard: list[tuple[float, int]] = []

    def _window(self, samples: Samples, beam: int, language: str) -> Transcript:
        self.heard.append((len(samples) / RATE, beam))
        return Transcript(f"{samples[0]:.3f} {len(samples)}", -0.1, language=language)


def words(seconds: float) -> str:
    return Listener().transcribe(Audio(NOISE[: int(seconds * RATE)])).text


def test_of_a_long_turn_a_draft_hears_only_what_is_new() -> None:
    whisper, seconds = Listener(), [5.0, 13.0, 14.0, 30.0, 31.0, 60.0]
    for at in seconds:
        assert whisper.transcribe(Audio(NOISE[: int(at * RATE)]), partial=True).text == words(at)
    heard_s = sum(heard for heard, _ in whisper.heard)
    assert heard_s < 60 + WINDOW_S * len(seconds)  # each window once, and an end for each draft


def test_of_a_long_turn_a_final_transcript_hears_only_the_end() -> None:
    whisper, turn = Listener(), Audio(NOISE[: 20 * RATE])
    whisper.transcribe(turn, partial=True)
    whisper.transcribe(turn)
    (_, whole), (_, draft), (seconds, final) = whisper.heard
    assert (whole, draft, final) == (BEAM, 1, BEAM)
    assert seconds < WINDOW_S


def test_what_is_kept_is_bounded_and_others_are_not_heard_as_it() -> None:
    whisper = Listener()
    whisper.transcribe(Audio(NOISE))
    whisper.transcribe(Audio(NOISE[::-1]))
    assert len(whisper._kept) == KEPT_WINDOWS  # pyright: ignore[reportPrivateUsage]
    assert whisper.transcribe(Audio(-NOISE[: 20 * RATE])).text == Listener().transcribe(Audio(-NOISE[: 20 * RATE])).text


@pytest.mark.parametrize(("seconds", "left"), [(0.5, 8_000), (2.0, RATE), (0.0, 0)])
def test_the_end_of_a_sound(seconds: float, left: int) -> None:
    sound = Audio(NOISE[:RATE])
    assert len(sound.last(seconds).samples) == left
    assert np.array_equal(sound.last(seconds).samples, sound.samples[RATE - left :])


@dataclass(eq=False)
class SlowReader(ScriptedLLM):
    """Reads ahead for seconds."""

    read_s: float = 3.0
    reading: int = 0
    most: int = 0
    prompts: list[Chat] = field(default_factory=list[Chat])

    async def read(self, chat: Chat) -> None:
        self.prompts.append(chat)
        self.reading += 1
        self.most = max(self.most, self.reading)
        await anyio.sleep(self.read_s)
        self.reading -= 1


def test_neither_cutting_in_nor_drafts_wait_for_a_language_model_that_reads() -> None:
    async def play() -> tuple[Any, ...]:
        llm, judge = SlowReader(), ScriptedJudge({"again and again": "interruption"}, {"interruption": "repetition"})
        async with Stage(llm=llm, judge=judge, proactive=True) as stage:
            await stage.wait(4.0)
            await stage.user.says("The car stood there, and again and again it stood there, as it did before.", seconds=9.0)
            judged = await stage.until(Judged)
            drafts = stage.all(PartialTranscript)
            told = next(event for event in drafts if "again and again" in event.text)
            return judged, told, llm.most, len(llm.prompts), len(drafts)

    judged, told, most, prompts, drafts = on_virtual_clock(play)
    assert judged.strategy == "interruption"
    assert judged.at_s - told.at_s < 1.5
    assert prompts > 2  # it did read
    assert most == 1
    assert drafts > prompts + 2
