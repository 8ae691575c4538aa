"""The comparison in a real browser, with the real server behind it and a language model that speaks when it may."""

# ruff: noqa: F811 (fixtures of other files)

from __future__ import annotations

import io
import threading

import pytest
import soundfile
from documents_page import dropped, site
from test_compare import LAMP
from test_document_desk import folders  # noqa: F401 (a fixture)
from test_documents_js import opened, until  # noqa: F401 (a fixture)
from test_talk_js import CHROMIUM, browser  # noqa: F401 (a fixture)

COLUMN = "#compare .column.{}"


@pytest.fixture
def asked(opened):
    """A page with a document, on which a question has been asked; `may` lets the model speak."""
    with site() as place:
        place.brain.may = threading.Semaphore(0)

        def ask(question="How many hours does the lamp run?", **settings):
            page = opened(place.address, **settings)
            dropped(page, {"lamp.md": LAMP})
            until(page, 1)
            field = page.locator("#compare input.text")
            field.fill(question)
            field.press("Enter")
            return page, place

        yield ask
        for _ in range(99):
            place.brain.may.release()


def say(place, words):
    for _ in range(words):
        place.brain.may.release()


def over(page):
    page.wait_for_function("document.querySelector('#compare .columns').ariaBusy === 'false'")


def answer(page, side):
    return page.locator(COLUMN.format(side)).locator(".answer").inner_text().strip()


def test_both_columns_are_written_side_by_side_and_then_compared(asked):
    page, place = asked()
    page.locator(COLUMN.format("rag"), has_text="The lamp runs nine hours").wait_for()
    assert (answer(page, "plain"), page.locator("#compare .columns").get_attribute("aria-busy")) == ("…", "true")
    say(place, 2)
    page.locator(COLUMN.format("plain"), has_text="The lamp").wait_for()
    assert page.locator("#compare mark.alone").count() == 0
    say(place, 20)
    over(page)
    assert answer(page, "plain") == "The lamp is green, I think."
    alone = page.locator(COLUMN.format("plain")).locator("mark.alone").all_inner_texts()
    assert "green" in " ".join(alone)
    assert "lamp" not in " ".join(alone).split()  # the other one says it too
    boxes = [page.locator(COLUMN.format(side)).bounding_box() for side in ("plain", "rag")]
    assert boxes[0]["y"] == boxes[1]["y"]
    assert boxes[0]["x"] < boxes[1]["x"]
    times = page.locator(COLUMN.format("rag")).locator(".times").inner_text()
    assert [word in times for word in ("looked up in", "first word", "whole answer")] == [True] * 3
    assert "looked up" not in page.locator(COLUMN.format("plain")).locator(".times").inner_text()
    page.locator("#compare .under .switch").click()
    shown = page.locator("#compare mark.alone").first.evaluate("mark => getComputedStyle(mark).textDecorationLine")
    assert shown == "none"


def test_the_passages_are_there_with_the_quoted_sentence_marked(asked):
    page, place = asked()
    say(place, 20)
    over(page)
    source = page.locator("#compare .source")
    assert source.locator(".name").inner_text() == "Lamp"
    assert source.locator(".file").inner_text() == "lamp.md"
    assert source.locator(".passage mark").first.inner_text() == "The lamp runs nine hours with one battery."
    assert source.locator(".passage").is_visible()
    source.locator("summary").click()
    page.locator("#compare .cite").first.click()
    assert source.locator(".passage").is_visible()
    assert page.evaluate("document.activeElement.tagName") == "SUMMARY"
    assert "too small to put passages into its own words" in page.locator("#compare .note-of").inner_text()


def test_a_comparison_is_stopped_and_another_one_asked(asked):
    page, place = asked()
    page.locator(COLUMN.format("rag"), has_text="The lamp runs").wait_for()
    page.get_by_role("button", name="Stop", exact=True).click()
    over(page)
    assert page.locator("#compare .told-now.wrong").count() == 0
    say(place, 99)
    assert place.brain.ended.wait(20)
    page.locator("#compare input.text").fill("Quantum chromodynamics?")
    page.get_by_role("button", name="Compare", exact=True).click()
    page.locator("#compare .found-here", has_text="Nothing in the documents fits this question.").wait_for()
    over(page)
    assert answer(page, "rag") == "I found nothing about that in the documents."
    assert "Nothing in the documents fits this question." in page.locator("#compare .found-here").inner_text()


def test_a_model_that_fails_is_a_sentence_in_its_column_and_a_server_that_is_away_one_above(opened):
    with site() as place:
        place.brain.reply = fails
        page = opened(place.address, away=True)
        dropped(page, {"lamp.md": LAMP})
        until(page, 1)
        page.locator("#compare input.text").fill("How many hours does the lamp run?")
        page.keyboard.press("Enter")
        over(page)
        assert "the line is dead" in answer(page, "plain")
        assert "The lamp runs nine hours" in answer(page, "rag")
        page.route("**/compare", lambda route: route.abort())
        page.locator("#compare input.text").press("Enter")
        page.locator("#compare .told-now.wrong", has_text="The server did not answer. Try again.").wait_for()
        assert page.locator("#compare .told-now.wrong").count() == 1
        assert [answer(page, side) for side in ("plain", "rag")] == ["", ""]


def fails(chat):
    yield "It "
    raise OSError("the line is dead")


def test_without_documents_it_says_what_to_do(opened):
    with site() as place:
        page = opened(place.address)
        assert "There are no documents yet" in page.locator("#compare .invitation").inner_text()
        dropped(page, {"lamp.md": LAMP})
        until(page, 1)
        assert "see the same model answer" in page.locator("#compare .invitation").inner_text()


def test_a_phone_shows_one_column_below_the_other_in_chinese(asked):
    page, place = asked(locale="zh-CN", width=390)
    say(place, 20)
    over(page)
    boxes = [page.locator(COLUMN.format(side)).bounding_box() for side in ("plain", "rag")]
    assert boxes[0]["y"] + boxes[0]["height"] <= boxes[1]["y"]
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    assert page.locator(COLUMN.format("rag")).locator("h3").inner_text() == "使用文档"


EVIL = "<img src=x onerror=\"document.title='caught'\">"


def test_what_the_model_and_the_documents_say_is_text(opened):
    with site() as place:
        place.brain.reply = lambda chat: iter([f"{EVIL} [1] [99]"])
        page = opened(place.address)
        dropped(page, {"lamp.md": f"# {EVIL}\n\nThe lamp {EVIL} runs nine hours with one battery."})
        until(page, 1)
        page.locator("#compare input.text").fill("How many hours does the lamp run?")
        page.keyboard.press("Enter")
        over(page)
        assert EVIL in answer(page, "plain")
        assert (page.locator("#compare img").count(), page.title()) == (0, "")


def test_a_question_is_spoken(browser):
    flags = ["--no-sandbox", "--disable-gpu", "--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"]
    with site() as place:
        with browser.browser_type.launch(executable_path=CHROMIUM, args=flags) as listening:
            page = listening.new_context(locale="en-GB", permissions=["microphone"]).new_page()
            page.goto(place.address)
            page.evaluate("window.talk = { state: 'listening', muted: false }; window.cleans2s = { voice: window.talk }")
            page.get_by_role("button", name="Speak the question").click()
            page.locator("#compare .told-now", has_text="Listening").wait_for()
            page.wait_for_function("document.querySelector('.speak').style.getPropertyValue('--level') > 0")  # it beeps
            assert page.evaluate("window.talk.muted")  # the agent does not hear it
            page.get_by_role("button", name="Done speaking").click()
            over(page)
            assert page.locator("#compare input.text").input_value() == "How long does the lamp run?"
            assert not page.evaluate("window.talk.muted")
        (recording,) = place.heard
        sound, rate = soundfile.read(io.BytesIO(recording))
        assert (rate, sound.ndim, abs(sound).max() > 0.01) == (24_000, 1, True)


def test_a_microphone_that_is_refused_is_explained(opened):
    with site() as place:
        page = opened(place.address)
        page.get_by_role("button", name="Speak the question").click()
        page.locator("#compare .told-now.wrong", has_text="icrophone").wait_for()
        assert page.evaluate("document.activeElement.ariaLabel") == "Question"
        assert page.locator("#compare .speak").get_attribute("aria-pressed") == "false"
