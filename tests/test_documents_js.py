"""The documents' panel in a real browser, with the real server behind it: files are dropped, seen on their way, refused with a
sentence, removed; nothing is lost by a reload, a second tab or a bad line."""

# ruff: noqa: F811 (fixtures of other files)

from __future__ import annotations

import re
from typing import Any

import pytest
from documents_page import dropped, site
from rag_words import Words
from test_document_desk import BAD, GATE, folders  # noqa: F401 (a fixture)
from test_rag_documents import UNREADABLE
from test_talk_js import browser  # noqa: F401 (a fixture)

from cleans2s.rag import RAG

PANEL = "#compare .documents"


@pytest.fixture
def opened(browser):
    """Opens a page of a site; whatever was opened must have logged no error when the test ends."""
    contexts, complaints = list[Any](), list[str]()

    def open_page(address, locale="en-GB", width=1280, context=None, away=False):
        if context is None:
            context = browser.new_context(locale=locale, viewport={"width": width, "height": 900})
            contexts.append(context)
        page = context.new_page()
        bad = ("error", "warning")
        if not away:  # a browser complains of a server that is not there
            page.on("console", lambda said: complaints.append(said.text) if said.type in bad else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(address)
        page.locator(f"{PANEL} .count:not(:empty)").wait_for(state="attached")
        page.evaluate("document.querySelectorAll('.documents').forEach((one) => (one.open = true))")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []


def rows(page):
    return page.locator(f"{PANEL} .rows b").all_inner_texts()


def until(page, documents):
    page.wait_for_function("count => shelf.state.loaded && shelf.state.documents.length === count"
                           " && !shelf.state.work.length && !shelf.state.sending.length", arg=documents)  # fmt: skip


def test_files_are_dropped_seen_asked_for_and_removed(opened):
    with site() as place:
        page = opened(place.address)
        assert page.locator(f"{PANEL} .count").inner_text() == "none yet"
        dropped(page, {"gate.txt": GATE, "桑拿.md": "# 桑拿须知\n\n桑拿房每天下午四点开放。"})
        until(page, 2)
        assert rows(page) == ["gate.txt", "桑拿须知"]
        facts = page.locator(f"{PANEL} .rows small").all_inner_texts()
        assert re.fullmatch(r"1 passage · \d+:\d\d", facts[0])
        assert facts[1].startswith("桑拿.md · 1 passage")
        assert page.locator(f"{PANEL} .kind").all_inner_texts() == ["txt", "md"]
        assert page.locator(f"{PANEL} .count").inner_text() == "2 documents, 2 passages"
        assert page.locator("#panel .documents .count").inner_text() == "2 documents, 2 passages"  # under the conversation
        page.locator(PANEL).get_by_role("button", name="Remove gate.txt").click()
        until(page, 1)
        assert rows(page) == ["桑拿须知"]
        page.locator(PANEL).get_by_role("button", name="Remove all").click()
        page.locator(PANEL).get_by_role("button", name="Keep them").click()
        assert page.locator(f"{PANEL} .sure").is_hidden()
        page.locator(PANEL).get_by_role("button", name="Remove all").click()
        page.locator(PANEL).get_by_role("button", name="Remove them").click()
        until(page, 0)


def test_files_are_chosen_by_a_button_and_every_bad_one_says_why(opened, tmp_path):
    for name, content, _ in BAD:
        (tmp_path / name).write_bytes(content)
    with (tmp_path / "film.txt").open("wb") as huge:
        huge.truncate(500_000_000)
    (tmp_path / "gate.txt").write_text(GATE)
    files = [tmp_path / name for name in ("film.txt", *(name for name, *_ in BAD), "gate.txt")]
    with site() as place:
        page = opened(place.address)
        with page.expect_file_chooser() as chooser:
            page.locator(PANEL).get_by_role("button", name="Choose files").click()
        chooser.value.set_files(files)
        page.wait_for_function("shelf.state.documents.length && !shelf.state.work.length")
        told = page.locator(f"{PANEL} .work .told")
        page.wait_for_function(
            "count => document.querySelectorAll('#compare .work .told').length === count", arg=len(files) - 1
        )
        said = sorted(told.all_inner_texts())
        whys = sorted([*(why for *_, why in BAD), "film.txt has 500 MB: expected at most 50; split it, or take its text out"])
        assert all(one.startswith(why) for one, why in zip(said, whys, strict=True)), said
        assert rows(page) == ["gate.txt"]
        told.first.get_by_role("button", name="Dismiss").click()
        page.wait_for_function(
            "count => document.querySelectorAll('#compare .work .told').length === count", arg=len(files) - 2
        )
        page.locator(PANEL).get_by_role("button", name="Dismiss all").click()
        page.wait_for_function("!document.querySelector('#compare .work .told')")
        assert rows(page) == ["gate.txt"]


def test_in_chinese_every_sentence_on_a_file_is_chinese(opened, tmp_path):
    refused = [(f"{n}-{name}", data) for n, (data, name, _) in enumerate(UNREADABLE)]
    noted = [("twice.txt", GATE), ("again.txt", GATE), ("really-html.txt", "<html><body><p>The gate is closed at night.</p>")]
    for name, content in [*refused, *noted]:
        (tmp_path / name).write_bytes(content.encode() if isinstance(content, str) else content)
    with site() as place:
        page = opened(place.address, locale="zh-CN")
        with page.expect_file_chooser() as chooser:
            page.locator(PANEL).get_by_role("button", name="选择文件").click()
        chooser.value.set_files([tmp_path / name for name, _ in [*refused, *noted]])
        page.wait_for_function("shelf.state.documents.length === 2 && !shelf.state.work.length")
        page.wait_for_function(
            "count => document.querySelectorAll('#compare .work .told').length === count", arg=len(refused) + len(noted) - 1
        )
        for said in page.locator(f"{PANEL} .work .told").all_inner_texts():
            without = re.sub(r"[（(].*?[）)]|[\w-]+\.\w+", "", said)  # what a library says of a damaged file, and names
            assert not re.search(r"[A-Za-z]+ [A-Za-z]+ [A-Za-z]+", without), said
            assert re.search("[一-鿿]{4}", without), said


LONG = "\n\n".join(f"Paragraph {n} tells of the gate. " * 20 for n in range(60))


def test_a_reload_in_the_middle_loses_nothing_and_progress_goes_on(opened):
    with site(gated=True) as place:
        page = opened(place.address)
        dropped(page, {"long.txt": LONG, "gate.txt": GATE, "broken.pdf": b"%PDF-1.4 broken"})
        page.locator(f"{PANEL} .going", has_text="taking it in, 0 %").wait_for()
        page.wait_for_function("!shelf.state.sending.length")
        assert page.locator(f"{PANEL} .going", has_text="gate.txt").inner_text().split("\n") == ["gate.txt", "waiting"]
        page.reload()
        page.evaluate("document.querySelectorAll('.documents').forEach((one) => (one.open = true))")
        page.locator(f"{PANEL} .going", has_text="long.txt").wait_for()
        place.may(1)
        page.locator(f"{PANEL} .going", has_text=re.compile(r"taking it in, [1-9]\d? %")).wait_for()
        bar = page.locator(f"{PANEL} .going progress").first
        assert 0 < bar.evaluate("bar => bar.value") < 1
        assert bar.get_attribute("aria-label") == "long.txt"
        place.may()
        page.wait_for_function("shelf.state.documents.length === 2 && !shelf.state.work.length")
        assert rows(page) == ["long.txt", "gate.txt"]
        assert "broken.pdf" in page.locator(f"{PANEL} .told").inner_text()


def test_what_is_on_its_way_is_stopped(opened):
    with site(gated=True) as place:
        page = opened(place.address)
        dropped(page, {"long.txt": LONG, "gate.txt": GATE})
        page.locator(f"{PANEL} .going", has_text="taking it in").wait_for()
        page.wait_for_function("!shelf.state.sending.length")
        for name in ("gate.txt", "long.txt"):
            with page.expect_response("**/remove"):  # or it might be read before the server knows
                page.locator(PANEL).get_by_role("button", name=f"Stop reading {name}").click()
        place.may()
        until(page, 0)


def test_two_tabs_show_the_same_and_another_person_sees_nothing(opened):
    with site() as place:
        one = opened(place.address)
        other = opened(place.address, context=one.context)
        stranger = opened(place.address)
        dropped(one, {"gate.txt": GATE})
        until(one, 1)
        until(other, 1)
        assert rows(other) == ["gate.txt"]
        other.locator(PANEL).get_by_role("button", name="Remove gate.txt").click()
        until(one, 0)
        stranger.evaluate("shelf.look()")
        assert rows(stranger) == []
        assert stranger.evaluate("shelf.number") == ""


def test_a_damaged_index_is_mended_by_reading_all_again(opened, tmp_path):
    with site() as place:
        page = opened(place.address)
        dropped(page, {"gate.txt": GATE})
        until(page, 1)
        (index,) = (tmp_path / "data").rglob("index.json")
        index.write_text("{")
        page.evaluate("shelf.look()")
        problem = page.locator(f"{PANEL} .problems")
        problem.get_by_text("“Read all again” makes a new index of your files.").wait_for()
        assert "index.json cannot be read" in problem.inner_text()
        assert str(tmp_path) not in problem.inner_text()
        page.locator(PANEL).get_by_role("button", name="Read all again").click()
        until(page, 1)
        assert (problem.inner_text(), rows(page)) == ("", ["gate.txt"])


def test_a_server_that_is_away_is_said_and_the_file_can_be_sent_again(opened):
    with site() as place:
        page = opened(place.address, away=True)
        page.route("**/cleans2s/documents*", lambda route: route.fulfill(status=502, body="<h1>Bad gateway</h1>"))
        page.evaluate("shelf.look()")
        page.locator(f"{PANEL} .problems", has_text="The server did not answer (Bad gateway); this list may be old.").wait_for()
        dropped(page, {"gate.txt": GATE})
        page.locator(f"{PANEL} .told", has_text="Bad gateway").wait_for()
        page.unroute("**/cleans2s/documents*")
        page.locator(PANEL).get_by_role("button", name="Try again").click()
        until(page, 1)
        assert page.locator(f"{PANEL} .problems").inner_text() == ""
    page.wait_for_function(
        "shelf.look() && document.querySelector('#compare .problems').innerText.startsWith('The server did not answer;')"
    )


def test_documents_of_the_server_can_be_read_only(opened, tmp_path):
    (folder := tmp_path / "house").mkdir()
    (folder / "gate.txt").write_text(GATE)
    RAG(tmp_path / "index", model=Words()).add(folder)
    with site(documents=str(tmp_path / "index")) as place:
        page = opened(place.address)
        assert "documents that this server was started with" in page.locator(PANEL).inner_text()
        assert page.locator(PANEL).get_by_role("button", name="Remove gate.txt").is_visible()
        assert page.evaluate("panel.voice.calls") == []  # they are on from the beginning
        page.get_by_label("Documents (1)").uncheck()
        assert page.evaluate("panel.voice.calls.at(-1)") == ["configure", {"documents": False}]
        page.get_by_label("Documents (1)").check(force=True)
        assert page.evaluate("panel.voice.calls.at(-1)") == ["configure", {"documents": True}]
        page.set_extra_http_headers({"X-Forwarded-For": "192.0.2.7"})
        page.reload()
        page.locator(PANEL, has_text="They are changed on the machine where the server runs.").wait_for()
        for name in ("Choose files", "Remove gate.txt", "Read all again", "Remove all"):
            assert not page.locator(PANEL).get_by_role("button", name=name).is_visible()


def test_switches_in_the_conversation(opened):
    with site() as place:
        page = opened(place.address)
        assert page.get_by_role("group", name="Where the agent looks").get_by_role("checkbox").count() == 2
        assert page.get_by_label("Documents", exact=True).is_disabled()
        assert page.evaluate("panel.voice.calls") == []
        dropped(page, {"gate.txt": GATE}, "#panel")
        until(page, 1)
        box = page.get_by_label("Documents (1)")
        assert (box.is_checked(), box.is_enabled()) == (True, True)
        number = page.evaluate("shelf.number")
        assert page.evaluate("panel.voice.calls") == [["configure", {"documents": number}]]
        page.locator("#panel .lookups .switch").first.click()
        page.locator("#panel .lookups .switch").last.click()
        assert page.evaluate("panel.voice.calls.slice(1)") == [
            ["configure", {"documents": False}],
            ["configure", {"web": True}],
        ]
        page.evaluate("panel.voice.tells('server', {type: 'error', error: {param: 'settings.web', message: 'no'}})")
        assert not page.get_by_label("Web").is_checked()
        page.reload()
        page.get_by_label("Documents (1)").wait_for()
        assert not page.get_by_label("Documents (1)").is_checked()
        assert page.evaluate("panel.voice.calls") == []


def test_by_keyboard_only_and_the_place_is_kept(opened):
    with site() as place:
        page = opened(place.address)
        dropped(page, {"a.txt": GATE, "b.txt": "The red boat leaks, do not take it."})
        until(page, 2)
        page.locator(f"{PANEL} summary").focus()
        focused = "document.activeElement.ariaLabel ?? document.activeElement.textContent"
        while page.evaluate(focused) != "Remove a.txt":
            page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        until(page, 1)
        assert page.evaluate(focused) == "Remove b.txt"
        assert page.locator(f"{PANEL} .unseen[role=status]").inner_text() == "1 document, 1 passage"


EVIL = "<img src=x onerror=\"document.title='caught'\">" + "x" * 120


@pytest.mark.parametrize(("locale", "told"), [("en-GB", "is no text"), ("zh-CN", "没有收录：")])
def test_names_are_text_in_both_languages_and_on_a_phone(opened, locale, told):
    with site() as place:
        page = opened(place.address, locale, 390)
        dropped(page, {f"{EVIL}.txt": f"# {EVIL}\n\nThe gate opens.", f"{EVIL}.bin.txt": b"\x00\x01", "a/../b\u202e.txt": GATE})
        page.wait_for_function(
            "shelf.state.documents.length === 2 && !shelf.state.work.length && shelf.state.told.length === 1"
        )
        assert told in page.locator(f"{PANEL} .told").inner_text()
        assert (page.locator(f"{PANEL} img").count(), page.title()) == (0, "")
        assert page.evaluate("document.documentElement.scrollWidth") == 390
