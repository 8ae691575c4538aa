"""Random conversations: whatever the user does, however slow or faulty the engines are, some things always hold."""

from __future__ import annotations

import gc
import sys

import anyio
import psutil
from hypothesis import given, settings
from hypothesis import strategies as st

from cleans2s.config import Limits
from cleans2s.conversation import Conversation
from cleans2s.events import (
    Ducked,
    Event,
    Interrupted,
    ReplyAudio,
    ReplyEnded,
    ReplyStarted,
    Resumed,
    TurnEnded,
)
from cleans2s.testing import (
    ScriptedASR,
    ScriptedEndOfTurn,
    ScriptedLLM,
    ScriptedTTS,
    Stage,
    on_virtual_clock,
)

WORDS = ["uh-huh", "Stop.", "Tell me a story.", "I would like", "What is it?", "", "No, I mean the other one, please."]

acts = st.lists(
    st.one_of(
        st.tuples(st.just("say"), st.sampled_from(WORDS), st.sampled_from([0.1, 0.4, 1.0, 2.5])),
        st.tuples(st.just("wait"), st.just(""), st.sampled_from([0.05, 0.2, 0.7, 1.5, 4.0])),
        st.tuples(st.just("type"), st.sampled_from(WORDS[:3]), st.just(0.0)),
    ),
    max_size=8,
)
slowness = st.sampled_from([0.0, 0.05, 0.3, 1.5])
faults = st.sampled_from([None, None, None, "asr", "llm", "tts"])


class SometimesFaulty:
    """Raises in every third call of one stage."""

    def __init__(self, faulty: bool) -> None:
        self.faulty, self.calls = faulty, 0

    def check(self) -> None:
        self.calls += 1
        if self.faulty and self.calls % 3 == 2:
            raise RuntimeError("the engine burst")


class ASR(ScriptedASR):
    async def transcribe(self, audio, partial=False):
        self.fault.check()
        return await super().transcribe(audio, partial)


class LLM(ScriptedLLM):
    async def reply(self, chat):
        self.fault.check()
        async for word in super().reply(chat):
            yield word


class TTS(ScriptedTTS):
    async def speak(self, text):
        self.fault.check()
        async for audio in super().speak(text):
            yield audio


@settings(max_examples=150, deadline=None)
@given(acts, slowness, slowness, slowness, st.floats(0, 1), faults, st.booleans())
def test_whatever_happens(script, asr_s, llm_s, tts_s, p_end, faulty, interruption):
    async def play() -> tuple[list[Event], Conversation]:
        asr, llm, tts = ASR(seconds=asr_s), LLM(["One, two, three. Four, five, six, seven."], llm_s), TTS(0.05, tts_s)
        asr.fault, llm.fault, tts.fault = (SometimesFaulty(faulty == name) for name in ("asr", "llm", "tts"))
        async with Stage(
            asr=asr,
            llm=llm,
            tts=tts,
            endpoint=ScriptedEndOfTurn(p_end),
            interruption=interruption,
            limits=Limits(5, 5, 5, 5),
        ) as stage:
            await act_out(stage, script)
        return stage.events, stage.session.conversation

    events, conversation = on_virtual_clock(play)
    every_reply_ends_exactly_once(events)
    nothing_stale_is_played(events)
    history_is_what_was_heard(events, conversation)


async def act_out(stage: Stage, script: list[tuple[str, str, float]]) -> None:
    """What the user does; and then the session comes to rest: there is no deadlock."""
    for act, text, seconds in script:
        if act == "say":
            await stage.user.says(text, seconds=seconds)
        elif act == "type" and text:
            await stage.session.tell(text)
        elif act == "switch":
            await stage.session.configure(stage.session.config.changed({"web": not stage.session.config.web}))
        else:
            await stage.wait(seconds)
    with anyio.fail_after(120):
        while not stage.session.idle:
            await stage.wait(0.5)


def every_reply_ends_exactly_once(events: list[Event]) -> None:
    turns = [e.turn for e in events if isinstance(e, TurnEnded)]
    assert len(turns) == len(set(turns))
    assert sorted(e.turn for e in events if isinstance(e, ReplyEnded)) == sorted(turns)


def nothing_stale_is_played(events: list[Event]) -> None:
    """No sound before a turn has ended, after its reply has ended, or while it is ducked; one reply at a time."""
    ended: set[int] = set()
    open_turns: set[int] = set()
    ducked = False
    floor: list[int] = []
    for event in events:
        match event:
            case TurnEnded(turn=turn):
                open_turns.add(turn)
            case Ducked():
                assert not ducked
                ducked = True
            case Resumed():
                assert ducked
                ducked = False
            case ReplyStarted(turn=turn):
                floor.append(turn)
            case ReplyAudio(turn=turn):
                assert turn in open_turns
                assert turn not in ended
                assert turn == floor[-1]
                assert not ducked
            case Interrupted(turn=turn):
                ducked = False
            case ReplyEnded(turn=turn):
                ended.add(turn)
                ducked = False
            case _:
                pass


def history_is_what_was_heard(events: list[Event], conversation: Conversation) -> None:
    assert [m.text for m in conversation.messages if m.role == "user"] == [
        e.text for e in events if isinstance(e, TurnEnded) and e.text
    ]
    heard = [e.heard for e in events if isinstance(e, ReplyEnded) and e.heard]
    assert sorted(m.text for m in conversation.messages if m.role == "assistant") == sorted(heard)
    assert all(m.ending for m in conversation.messages if m.role == "assistant")
    cuts = [e for e in events if isinstance(e, Interrupted)]
    assert len({cut.turn for cut in cuts}) == len(cuts)
    for cut in cuts:
        ended = next(e for e in events if isinstance(e, ReplyEnded) and e.turn == cut.turn)
        assert ended.heard == cut.heard


def test_an_hour_of_conversation_does_not_grow_memory():
    """450 turns in virtual time: after the first ten minutes only the record of what was said may grow. Python's blocks are
    counted (tracing them would take minutes), and the process is looked at for what numpy holds: to keep the user's sound alone
    would be 48 MB."""

    def size() -> tuple[int, int]:
        gc.collect()
        return sys.getallocatedblocks(), psutil.Process().memory_info().rss

    async def play() -> list[tuple[int, int]]:
        llm = ScriptedLLM(["A short answer."])
        async with Stage(llm=llm) as stage:
            sizes = []
            for turn in range(450):
                await stage.user.says(f"Is it number {turn}?", seconds=2.0)
                await stage.until(ReplyEnded)
                await stage.wait(4.0)
                stage.events.clear()
                stage.user.forget()
                llm.chats.clear()
                stage.session.config.judge.situations.clear()
                if turn in (75, 449):
                    sizes.append(size())
            assert stage.session.now_s > 3450
            assert len(stage.transcript) == 900
            return sizes

    (blocks, memory), (blocks_after, memory_after) = on_virtual_clock(play)
    assert (blocks_after - blocks) / 374 < 18  # two messages with their words are 13
    assert memory_after - memory < 6_000_000
