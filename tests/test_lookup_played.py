"""Looking things up in whole conversations, on the virtual clock."""

from __future__ import annotations

import pytest

from cleans2s.events import (
    Interrupted,
    Judged,
    ReplyDue,
    ReplyEnded,
    ReplyStarted,
    ReplyText,
    Sources,
    StageRan,
    TurnEnded,
)
from cleans2s.openers import sheet
from cleans2s.reply import Request
from cleans2s.testing import ScriptedEndOfTurn, ScriptedFinder, ScriptedJudge, ScriptedLLM, Stage, on_virtual_clock, screenplay

MUSEUM = "When does the museum open?"
OPENS = "The museum opens at ten."
PAGES = {"museum": [OPENS, "It is closed on Mondays."]}
FILLERS, APOLOGIES = sheet().kinds["lookup"].of("en"), sheet().kinds["apology_search"].of("en")


class SmallLLM(ScriptedLLM):
    able = False


GREETING = Request(line="Good evening.")


def staged(finder, llm=None, **settings) -> Stage:
    return Stage(llm=llm or SmallLLM(), websearch=finder, web=True, **settings)


# ── found ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


@screenplay
async def test_a_small_model_says_what_was_found_as_it_stands():
    async with staged(ScriptedFinder(PAGES)) as stage:
        await stage.user.says(MUSEUM)
        ended = await stage.until(ReplyEnded)
    assert ended.heard == OPENS
    assert stage.session.config.llm.chats == []
    (told,) = stage.all(Sources)
    assert [(s["number"], s["cited"], s["kind"]) for s in told.sources] == [(1, True, "web"), (2, False, "web")]
    first = told.sources[0]
    assert (first["title"], first["url"], first["file"], first["text"]) == ("Page 1", "https://example.org/1", "", OPENS)
    assert first["score"] == 1
    kinds = [type(event) for event in stage.events]
    assert kinds.index(ReplyDue) < kinds.index(Sources) < kinds.index(ReplyText)
    assert [run.stage for run in stage.all(StageRan) if run.stage == "search"] == ["search"]


@screenplay
async def test_an_able_model_gets_the_passages_and_its_citations_are_not_spoken():
    llm = ScriptedLLM(["Bonjour.", "It opens at ten [1], and not on Mondays [1, 2]."])
    async with staged(ScriptedFinder(PAGES), llm) as stage:
        await stage.user.says("Good morning!")
        await stage.until(ReplyEnded)
        await stage.user.says(MUSEUM)
        ended = await stage.until(ReplyEnded, 2)
    assert ended.heard == "It opens at ten, and not on Mondays."
    assert stage.transcript[-1] == ("assistant", ended.heard)
    before, after = stage.all(Sources)
    assert [s["cited"] for s in before.sources] == [False, False]
    assert [s["cited"] for s in after.sources] == [True, True]
    chat = llm.chats[-1]
    assert [message["role"] for message in chat] == ["system", "user", "assistant", "user"]
    assert "You do not follow" not in chat[0]["content"] and "you do not follow them" in chat[0]["content"]
    assert chat[0]["content"].startswith(stage.session.config.instructions)
    assert '<passage number="1" title="Page 1">' in chat[-1]["content"] and MUSEUM in chat[-1]["content"]


@screenplay
async def test_documents_come_first_and_then_nobody_else_is_asked():
    """Both at once is shown with real documents in test_documents_real.py; here the order of what is asked."""
    finder = ScriptedFinder(PAGES)
    async with staged(finder) as stage:
        await stage.user.says("Do you deliver to Sweden?")  # only documents would know
        await stage.until(ReplyEnded)
    assert finder.queries == []
    assert stage.all(Sources) == []


# ── when ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


@screenplay
async def test_what_is_asked_twice_in_a_row_is_searched_for_while_the_user_still_speaks():
    finder = ScriptedFinder(PAGES, seconds=1.0)
    async with staged(finder) as stage:
        # The words that follow say nothing of what is asked.
        await stage.user.says("When does the museum open please just say now so um", seconds=5.0)
        spoken_until_s = stage.session.now_s
        started = await stage.until(ReplyStarted)
        await stage.until(ReplyEnded)
    (run,) = [run for run in stage.all(StageRan) if run.stage == "search"]
    assert run.started_s < spoken_until_s - 0.5
    assert len(finder.queries) == 1
    assert started.latency.first_audio_ms < 400  # nothing was waited for


@screenplay
async def test_half_a_question_is_no_business_of_strangers():
    finder = ScriptedFinder(PAGES)
    async with staged(finder) as stage:
        await stage.user.says("When does the old museum of ropes behind the harbour open?", seconds=5.0)
        await stage.until(ReplyEnded)
    assert finder.queries == ["When does the old museum of ropes behind the harbour open?"]


@screenplay
async def test_who_goes_on_with_another_question_gets_that_one_answered():
    finder = ScriptedFinder({"ferry": ["The ferry leaves at noon."], **PAGES}, seconds=3.0)
    llm = SmallLLM(complete_p=0.0005)
    async with staged(finder, llm, endpoint=ScriptedEndOfTurn(0.1)) as stage:
        await stage.user.says("When does the museum open?")
        await stage.wait(1.0)  # looked up at the soft end
        await stage.user.says("No, when does the ferry leave?")
        ended = await stage.until(ReplyEnded)
        runs = [run.detail for run in stage.all(StageRan) if run.stage == "search"]
    assert "ferry leaves at noon" in ended.heard
    assert len(stage.all(TurnEnded)) == 1
    assert "museum" in finder.queries[0] and "ferry" in finder.queries[-1]
    assert len(runs) == 1  # the first one was dropped


@screenplay
async def test_who_goes_on_with_nothing_new_keeps_the_search():
    finder = ScriptedFinder(PAGES, seconds=2.0)
    async with staged(finder, SmallLLM(complete_p=0.0005), endpoint=ScriptedEndOfTurn(0.1)) as stage:
        await stage.user.says("When does the museum open")
        await stage.wait(1.0)
        await stage.user.says("please?")
        ended = await stage.until(ReplyEnded)
    assert len(finder.queries) == 1
    assert OPENS in ended.heard


@pytest.mark.parametrize(
    "says", ["How are you today?", "What did I tell you about my sister?", "I went to the museum.", "Thank you!"]
)
def test_small_talk_and_what_is_about_the_two_is_not_looked_up(says):
    async def play():
        finder = ScriptedFinder({"": ["Something."]})
        async with staged(finder) as stage:
            await stage.user.says(says)
            ended = await stage.until(ReplyEnded)
        assert finder.queries == []
        assert ended.heard == "All right, here is an answer."

    on_virtual_clock(play)


@screenplay
async def test_what_the_judge_finds_no_ordinary_turn_is_not_looked_up():
    finder = ScriptedFinder(PAGES)
    judge = ScriptedJudge({"darling": "silence", "stupid": "refusal"})
    async with staged(finder, judge=judge) as stage:
        await stage.user.says("Darling, when does the museum open?")
        await stage.wait(3)
        await stage.user.says("When does the museum open, you stupid thing?")
        await stage.until(ReplyEnded)
    assert [event.strategy for event in stage.all(Judged)] == ["silence", "refusal"]
    assert finder.queries == []


@screenplay
async def test_a_follow_up_is_asked_with_what_it_follows():
    finder = ScriptedFinder({"Monday": ["It is closed on Mondays."], **PAGES})
    async with staged(finder) as stage:
        await stage.user.says(MUSEUM)
        await stage.until(ReplyEnded)
        await stage.user.says("And on Monday?")
        ended = await stage.until(ReplyEnded, 2)
    assert finder.queries[-1] == "When does the museum open? on Monday"
    assert ended.heard == "It is closed on Mondays."


@screenplay
async def test_a_typed_question_is_looked_up_too_and_answered_in_writing():
    async with staged(ScriptedFinder(PAGES, seconds=5.0)) as stage:
        stage.session.request = stage.session.request.__class__(speaks=False)
        await stage.session.tell(MUSEUM)
        ended = await stage.until(ReplyEnded)
    assert ended.heard == OPENS  # and no filler: nobody listens


@screenplay
async def test_a_question_that_a_client_put_on_record_is_looked_up_when_it_asks_for_the_answer():
    async with staged(ScriptedFinder(PAGES)) as stage:
        stage.session.conversation.user_said(MUSEUM, 0.0, spoken=False)
        await stage.session.respond()
        ended = await stage.until(ReplyEnded)
        assert (ended.heard, len(stage.all(Sources)[-1].sources)) == (OPENS, 2)
        await stage.session.respond(GREETING)
        assert (await stage.until(ReplyEnded, 2)).heard == "Good evening."
        stage.session.conversation.user_said(MUSEUM, 0.0, spoken=False)
        await stage.session.respond(Request(instructions="Be brief."))  # not judged, and looked up all the same
        assert (await stage.until(ReplyEnded, 3)).heard == OPENS


@screenplay
async def test_it_can_be_switched_while_the_conversation_runs():
    finder = ScriptedFinder(PAGES)
    async with Stage(llm=SmallLLM(), websearch=finder) as stage:
        await stage.user.says(MUSEUM)
        await stage.until(ReplyEnded)
        for on in (True, False):
            await stage.session.configure(stage.session.config.changed({"web": on}))
            await stage.user.says(MUSEUM)
            await stage.until(ReplyEnded, len(stage.all(ReplyEnded)) + 1)
    heard = [event.heard for event in stage.all(ReplyEnded)]
    assert heard == ["All right, here is an answer.", OPENS, "All right, here is an answer."]
    assert len(finder.queries) == 1


@screenplay
async def test_switched_off_in_the_middle_of_a_search_it_answers_all_the_same():
    async with staged(ScriptedFinder(PAGES, seconds=2.0)) as stage:
        await stage.user.says(MUSEUM)
        await stage.wait(1.0)
        await stage.session.configure(stage.session.config.changed({"web": False}))
        ended = await stage.until(ReplyEnded)
        await stage.user.says("Thank you!")
        await stage.until(ReplyEnded, 2)
    assert ended.ending == "finished"


# ── the wait ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@screenplay
async def test_a_long_search_is_covered_by_a_word_once():
    async with staged(ScriptedFinder(PAGES, seconds=6.0)) as stage:
        await stage.user.says(MUSEUM)
        spoken_until_s = stage.session.now_s
        started = await stage.until(ReplyStarted)
        ended = await stage.until(ReplyEnded)
    said = [event.text for event in stage.all(ReplyText)]
    assert said[0] in FILLERS and " ".join(said[1:]) == OPENS
    assert 0.8 < started.at_s - spoken_until_s < 1.1
    assert ended.heard == " ".join(said)
    assert stage.transcript[-1] == ("assistant", ended.heard)
    kinds = [type(event) for event in stage.events]
    assert kinds.index(ReplyText) < kinds.index(Sources)


@screenplay
async def test_a_quick_search_is_not_covered():
    async with staged(ScriptedFinder(PAGES, seconds=0.3)) as stage:
        await stage.user.says(MUSEUM)
        ended = await stage.until(ReplyEnded)
    assert ended.heard == OPENS


@screenplay
async def test_the_word_is_in_character():
    async with staged(ScriptedFinder(PAGES, seconds=4.0), character="barnaby") as stage:
        await stage.user.says(MUSEUM)
        await stage.until(ReplyEnded)
    from cleans2s import characters

    own = characters.load("barnaby").lines("lookup").of("en")
    assert stage.all(ReplyText)[0].text in (own or FILLERS)


@screenplay
async def test_the_word_can_be_interrupted_and_the_search_ends_with_it():
    finder = ScriptedFinder(PAGES, seconds=20.0)
    async with staged(finder) as stage:
        await stage.user.says(MUSEUM)
        await stage.until(ReplyStarted)
        await stage.wait(0.6)
        await stage.user.says("Stop, never mind, tell me a joke.", seconds=1.5)
        await stage.until(ReplyEnded, 2)
        ended_s = stage.session.now_s
        await stage.wait(30)
    cut = stage.all(Interrupted)[0]
    assert cut.heard and cut.heard in " ".join(FILLERS)
    assert [run for run in stage.all(StageRan) if run.stage == "search"] == []
    assert stage.all(ReplyEnded)[1].heard == "All right, here is an answer."
    assert ended_s < 20
