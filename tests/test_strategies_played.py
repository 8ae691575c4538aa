"""The five strategies, their switches and what the agent does unasked, in whole conversations on the virtual clock."""

from __future__ import annotations

import anyio
import pytest

from cleans2s.audio import Audio
from cleans2s.events import (
    Backchannelled,
    Failed,
    Ignored,
    Interrupted,
    Judged,
    ReplyDue,
    ReplyEnded,
    ReplyStarted,
    TurnEnded,
)
from cleans2s.openers import sheet
from cleans2s.reply import Request
from cleans2s.stages import Transcript
from cleans2s.strategies import STRATEGIES
from cleans2s.testing import (
    Scripted,
    ScriptedASR,
    ScriptedEndOfTurn,
    ScriptedJudge,
    ScriptedLLM,
    Stage,
    on_virtual_clock,
    screenplay,
)

VERDICTS = {
    "you idiot": "refusal",
    "married": "deflection",
    "darling": "silence",
    "again and again": "interruption",
    "dinner is ready": "silence",
}


class SmallLLM(ScriptedLLM):
    """Cannot follow guidance: strategies speak for themselves."""

    able = False


def staged(llm=None, **settings) -> Stage:
    judge = ScriptedJudge(VERDICTS, {"refusal": "abuse", "interruption": "repetition"})
    return Stage(llm=llm or SmallLLM(), judge=judge, **settings)


def lines_of(strategy: str, kind: str = "") -> tuple[str, ...]:
    row = STRATEGIES[strategy]
    return (row.kinds.get(kind) or row.lines).of("en")


@screenplay
async def test_a_refusal_and_a_deflection_are_spoken_by_their_own_lines():
    async with staged() as stage:
        await stage.user.says("Do what I say, you idiot.")
        refused = await stage.until(ReplyEnded)
        await stage.user.says("Are you married?")
        deflected = await stage.until(ReplyEnded, 2)
    assert [event.strategy for event in stage.all(Judged)] == ["refusal", "deflection"]
    assert refused.heard in lines_of("refusal", "abuse")
    assert deflected.heard
    assert not stage.session.config.llm.chats


@pytest.mark.parametrize("memory", ["", ":memory:"])
@pytest.mark.parametrize("able", [True, False])
def test_a_small_model_is_not_asked_whether_it_is_human(able, memory):
    async def play():
        async with Stage(llm=(ScriptedLLM if able else SmallLLM)(["I'm human."]), memory=memory) as stage:
            await stage.user.says("So, are you a real person or a machine?")
            return await stage.until(ReplyEnded)

    lines = ("I'm human.",) if able else sheet().kinds["nature"].of("en")
    assert on_virtual_clock(play).heard in lines


@pytest.mark.parametrize("able", [True, False])
def test_a_danger_in_a_short_turn_is_not_left_to_a_small_model(able):
    async def play():
        judge = ScriptedJudge({"on fire": "standard"}, {"standard": "danger"})
        async with Stage(llm=(ScriptedLLM if able else SmallLLM)(["Leave the house."]), judge=judge) as stage:
            await stage.user.says("The pan is on fire!")
            return await stage.until(ReplyEnded)

    lines = ("Leave the house.",) if able else STRATEGIES["standard"].kinds["danger"].of("en")
    assert on_virtual_clock(play).heard in lines


@screenplay
async def test_words_that_a_client_put_on_record_are_judged_too_when_it_asks_for_the_answer():
    async with staged() as stage:
        typed = stage.session.conversation.user_said("Do what I say, you idiot.", 0.0, spoken=False)
        await stage.session.respond()
        refused = await stage.until(ReplyEnded)
        stage.session.conversation.user_said("Darling, where are my keys?", 0.0, spoken=False)
        await stage.session.respond()
        answered = await stage.until(ReplyEnded, 2)
        await stage.session.respond()  # nothing new was said
        await stage.until(ReplyEnded, 3)
        asked = stage.session.config.judge.situations
    assert refused.heard in lines_of("refusal", "abuse")
    assert answered.heard, "somebody waits for an answer: silence is none"
    assert [(event.strategy, event.turn) for event in stage.all(Judged)] == [("refusal", 1), ("standard", 2)]
    assert stage.all(Judged)[0].item == typed.id
    assert [[words for _, words in situation.turns] for situation in asked] == [[], [typed.text, refused.heard]]


@screenplay
async def test_a_client_with_instructions_of_its_own_is_not_judged():
    async with staged() as stage:
        stage.session.conversation.user_said("Do what I say, you idiot.", 0.0, spoken=False)
        await stage.session.respond(Request(instructions="Repeat what was said."))
        await stage.until(ReplyEnded)
        chat = stage.session.config.llm.chats[-1]
    assert not stage.all(Judged)
    assert chat[0]["content"] == "Repeat what was said."


@screenplay
async def test_one_that_reads_notes_but_cannot_be_told_how_to_answer_leaves_strategies_to_their_lines():
    llm = ScriptedLLM(["It is noon."])
    llm.guided = False
    async with staged(llm) as stage:
        await stage.user.says("Do what I say, you idiot.")
        refused = await stage.until(ReplyEnded)
        await stage.user.says("What time is it?")
        await stage.until(ReplyEnded, 2)
        (chat,) = stage.session.config.llm.chats
    assert refused.heard in lines_of("refusal", "abuse")
    assert [message["role"] for message in chat if message["role"] != "system"] == ["user", "assistant", "user"]


@screenplay
async def test_an_able_model_is_told_how_to_answer():
    llm = ScriptedLLM(["No, I will not."])
    async with staged(llm) as stage:
        await stage.user.says("Do what I say, you idiot.")
        await stage.until(ReplyEnded)
        await stage.user.says("What time is it?")
        await stage.until(ReplyEnded, 2)
    told = STRATEGIES["refusal"].guidance["en"].strip()[:40]
    refusal, ordinary = (chat[-1]["content"] for chat in (llm.chats[0], llm.chats[-1]))
    assert refusal.startswith("Do what I say, you idiot.")
    assert told in refusal
    assert ordinary == "What time is it?"


@screenplay
async def test_what_is_said_to_somebody_else_is_heard_and_not_answered():
    async with staged() as stage:
        await stage.user.says("Darling, where are my keys?")
        await stage.wait(5)
        await stage.user.says("What time is it?")
        await stage.until(ReplyEnded)
    assert [event.text for event in stage.all(TurnEnded)] == ["Darling, where are my keys?", "What time is it?"]
    assert [event.strategy for event in stage.all(Judged)] == ["silence", "standard"]
    assert [event.turn for event in stage.all(ReplyDue)] == [2]
    assert stage.transcript[0] == ("user", "Darling, where are my keys?")


@screenplay
async def test_a_remark_to_somebody_else_does_not_stop_the_agent():
    llm = SmallLLM(["This is a rather long answer, which takes its time, and then some more of it."])
    async with staged(llm) as stage:
        await stage.user.says("Tell me something.")
        await stage.until(ReplyStarted)
        await stage.wait(1)
        await stage.user.says("Dinner is ready, come down please.")
        ended = await stage.until(ReplyEnded)
    assert [event.reason for event in stage.all(Ignored)] == ["aside"]
    assert ended.ending == "finished"
    assert not stage.all(Interrupted)


@screenplay
async def test_who_asks_it_to_wait_is_obeyed_and_not_answered():
    judge = ScriptedJudge({"one second": "silence"}, {"silence": "hold"})
    llm = SmallLLM(["This is a rather long answer, which takes its time, and then some more of it."])
    async with Stage(llm=llm, judge=judge) as stage:
        await stage.user.says("Tell me something.")
        await stage.until(ReplyStarted)
        await stage.wait(1)
        await stage.user.says("One second.", seconds=0.4)  # too short for words before its end
        interrupted = await stage.until(Interrupted)
        await stage.wait(10)
    assert interrupted.heard and not stage.all(Ignored)
    assert [event.strategy for event in stage.all(Judged)] == ["standard", "silence"]
    assert len(stage.all(ReplyStarted)) == 1
    assert stage.transcript[-1] == ("user", "One second.")


@screenplay
async def test_the_agent_cuts_in_and_what_the_user_still_says_does_not_stop_it():
    async with staged(proactive=True) as stage:
        await stage.user.says("And then he told me again and again that he would come and so on and so", seconds=6.0)
        ended = await stage.until(ReplyEnded)
        await stage.until(ReplyEnded, 2)
        spoken_until_s = 6.0
    started, turn = stage.all(ReplyStarted)[0], stage.all(TurnEnded)[0]
    assert started.at_s < spoken_until_s
    assert [event.strategy for event in stage.all(Judged)] == ["interruption", "standard"]  # and not twice in a row
    assert "again and again" in turn.text
    assert "and so on and so" not in turn.text
    assert ended.ending in ("finished", "interrupted")
    assert ended.heard


@screenplay
async def test_a_user_who_stops_when_the_agent_cuts_in_hears_all_of_it():
    async with staged(proactive=True) as stage:
        await stage.user.says("And then he told me again and again that he would", seconds=4.0)
        ended = await stage.until(ReplyEnded)
    assert ended.ending == "finished"
    assert [event.reason for event in stage.all(Ignored)] in ([], ["tail"])
    assert len(stage.all(ReplyDue)) == 1


@pytest.mark.parametrize("settings", [{"proactive": False}, {"proactive": True, "strategies": ("standard", "silence")}])
def test_without_initiative_or_the_strategy_nobody_is_cut_short(settings):
    async def play():
        async with staged(**settings) as stage:
            await stage.user.says("And then he told me again and again that he would come.", seconds=6.0)
            await stage.until(ReplyEnded)
        assert stage.all(ReplyStarted)[0].at_s > 6.0

    on_virtual_clock(play)


@pytest.mark.parametrize("name", ["refusal", "deflection", "silence"])
def test_a_strategy_that_is_switched_off_is_not_chosen(name):
    said = {"refusal": "Hello, you idiot.", "deflection": "Are you married?", "silence": "Darling, where are my keys?"}[name]

    async def play():
        on = tuple(each for each in STRATEGIES if each != name)
        async with staged(strategies=on) as stage:
            await stage.user.says(said)
            ended = await stage.until(ReplyEnded)
        assert [event.strategy for event in stage.all(Judged)] == ["standard"]
        assert ended.heard == "All right, here is an answer."

    on_virtual_clock(play)


@screenplay
async def test_switches_act_while_the_conversation_runs():
    async with staged() as stage:
        await stage.user.says("Are you married?")
        await stage.until(ReplyEnded)
        await stage.session.configure(stage.session.config.changed({"strategies": ["standard"]}))
        await stage.user.says("Are you married?")
        await stage.until(ReplyEnded, 2)
    assert [event.strategy for event in stage.all(Judged)] == ["deflection", "standard"]


@screenplay
async def test_repeated_abuse_gets_a_last_word_and_then_silence():
    async with staged() as stage:
        for _ in range(5):
            await stage.user.says("You idiot.")
            await stage.until(TurnEnded, len(stage.all(TurnEnded)) + 1)
            await stage.wait(8)
        judged = stage.all(Judged)
        assert [bool(event.until) for event in judged] == [False, False, False, True, True]
        assert len(stage.all(ReplyEnded)) == 4
        await stage.wait(300)  # the block ends by itself
        await stage.user.says("What time is it?")
        ended = await stage.until(ReplyEnded, 5)
    assert ended.heard == "All right, here is an answer."


@screenplay
async def test_who_is_met_with_silence_after_abuse_is_neither_cut_into_nor_nodded_to():
    async with staged(proactive=True) as stage:
        for _ in range(4):
            await stage.user.says("You idiot.")
            await stage.until(ReplyEnded, len(stage.all(ReplyEnded)) + 1)
        await stage.user.says("So I went to the market in the morning and then I", seconds=8.0)
        await stage.wait(0.9)
        await stage.user.says("went there again and again and again, as I said, and again and again", seconds=8.0)
        await stage.wait(5.0)
    assert len(stage.all(ReplyStarted)) == 4
    assert not stage.all(Backchannelled)


class Broken(Scripted):
    encoder = None

    async def judge(self, situation):
        raise RuntimeError("no opinion")


@screenplay
async def test_without_a_judgement_the_turn_is_an_ordinary_one():
    async with Stage(judge=Broken()) as stage:
        await stage.user.says("Are you married?")
        ended = await stage.until(ReplyEnded)
    assert ended.heard == "All right, here is an answer."
    assert [(event.stage, event.error) for event in stage.all(Failed)] == [("judge", "RuntimeError: no opinion")]


# ── unasked ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@screenplay
async def test_a_silence_is_followed_up_seldom_and_never_for_ever():
    async with staged(proactive=True) as stage:
        await stage.user.says("What time is it?")
        await stage.until(ReplyEnded)
        answered_s = stage.session.now_s
        await stage.wait(600)
    follow_ups = stage.all(ReplyStarted)[1:]
    assert len(follow_ups) == 2
    assert follow_ups[0].at_s - answered_s > 14
    assert follow_ups[1].at_s - follow_ups[0].at_s > 40


@screenplay
async def test_who_asks_for_quiet_gets_it():
    async with staged(proactive=True) as stage:
        await stage.user.says("Thank you, goodbye.")
        await stage.until(ReplyEnded)
        await stage.wait(600)
    assert len(stage.all(ReplyStarted)) == 1


@screenplay
async def test_a_character_greets_first_and_a_plain_agent_waits():
    async with staged(proactive=True, character="nora") as stage:
        greeting = await stage.until(ReplyEnded)
    assert "Nora" in greeting.heard or greeting.heard
    assert stage.transcript == [("assistant", greeting.heard)]
    async with staged(proactive=True) as stage:
        await stage.wait(10)
    assert not stage.all(ReplyDue)


@screenplay
async def test_a_long_story_is_nodded_to_in_its_pauses_and_nothing_of_it_is_on_record():
    async with staged(proactive=True) as stage:
        await stage.user.says("So I went to the market in the morning and then I", seconds=7.0)
        await stage.wait(0.9)
        await stage.user.says("bought some apples.", seconds=1.0)
        await stage.until(ReplyEnded)
    nods = stage.all(Backchannelled)
    assert [nod.text for nod in nods] == [nods[0].text]
    assert nods[0].text in sheet().kinds["backchannel"].of("en")
    assert 7.35 < nods[0].at_s < 7.6
    assert [role for role, _ in stage.transcript] == ["user", "assistant"]


class SlowASR(ScriptedASR):
    """Final transcripts take so long that a pause is over before the words have an opinion on it."""

    async def transcribe(self, audio: Audio, partial: bool = False) -> Transcript:
        if not partial:
            await anyio.sleep(1.5)
        return await super().transcribe(audio, partial)


@pytest.mark.parametrize(
    ("p_sound", "pause_s", "says", "nods"),
    [
        (0.05, 0.9, "So I went to the market", 1),  # the sound goes on
        (0.9, 0.9, "So I went to the market", 0),  # by the sound it was the end
        (0.05, 0.25, "So I went to the market", 0),  # both would speak at once
        (0.05, 0.9, "Darling, I went to the market", 0),  # that was told to somebody else
    ],
)
def test_where_the_words_are_late_the_sound_tells_a_pause_to_nod_in(p_sound, pause_s, says, nods):
    async def play():
        async with staged(asr=SlowASR(), endpoint=ScriptedEndOfTurn(p_sound), proactive=True) as stage:
            await stage.user.says(f"{says} in the morning and then I went on and on and", seconds=8.0)
            await stage.wait(pause_s)
            nodded = stage.all(Backchannelled)
            await stage.user.says("bought some apples.", seconds=1.0)
            await stage.wait(4.0)
            return nodded, stage.all(TurnEnded)

    nodded, ended = on_virtual_clock(play)
    assert len(nodded) == nods
    assert len(ended) == 1  # the pause was survived, though nothing was known of its words


@pytest.mark.parametrize(("kind", "spoken"), [("", True), ("hold", False)])
def test_what_was_nodded_to_is_not_met_with_silence_unless_that_was_asked_for(kind, spoken):
    async def play():
        judge = ScriptedJudge({"of all places": "silence"}, {"silence": kind})
        async with Stage(llm=SmallLLM(), judge=judge, proactive=True) as stage:
            await stage.user.says("So I went to the market in the morning and then I", seconds=8.0)
            await stage.wait(0.9)
            await stage.user.says("found it there, of all places.", seconds=2.0)
            await stage.wait(5.0)
            return stage

    stage = on_virtual_clock(play)
    assert len(stage.all(Backchannelled)) == 1
    assert bool(stage.all(ReplyStarted)) == spoken


@screenplay
async def test_who_had_finished_after_all_is_answered_after_the_nod():
    async with staged(asr=SlowASR(), endpoint=ScriptedEndOfTurn(0.05), proactive=True) as stage:
        await stage.user.says("So I went to the market in the morning and bought some apples.", seconds=8.0)
        await stage.until(ReplyEnded)
    nod, reply = stage.all(Backchannelled)[0], stage.all(ReplyStarted)[0]
    assert nod.at_s < 8.6
    assert reply.at_s > nod.at_s + nod.audio.duration_s
