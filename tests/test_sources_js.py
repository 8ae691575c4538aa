"""The sources of a reply, under it, in a real browser with a scripted Voice: what they show, what of them is marked, and that
nothing in them can do anything."""

# ruff: noqa: F811 (fixtures of other files)

from __future__ import annotations

from typing import Any

import pytest
from test_talk_js import Panel, address, browser, opened  # noqa: F401 (fixtures)

GATE = {
    "number": 1, "kind": "document", "title": "Opening hours · Gate", "url": "", "file": "house/hours.md", "score": 1.0,
    "text": "The gate opens at seven in the morning. On Sundays it opens at nine, and dogs may come in.", "cited": True,
}  # fmt: skip
LAMP = {
    "number": 2, "kind": "web", "title": "Lamps", "url": "https://lamps.example/manual?a=1", "file": "", "score": 0.4,
    "text": "The lamp is yellow.", "cited": False,
}  # fmt: skip


@pytest.fixture
def panel(opened: Any) -> Panel:
    return opened()


def grounded(
    panel: Panel, *sources: dict[str, Any], response: str = "r1", says: str = "The gate opens at seven in the morning."
) -> None:
    panel.server("cleans2s.sources", response_id=response, item_id="u1", reply_item_id="i1", sources=list(sources))
    panel.agent_says(says, response)


def marked(panel: Panel) -> list[str]:
    return panel.page.locator(".turn .passage mark").all_text_contents()


def test_a_reply_shows_what_it_is_grounded_on_and_what_of_it_was_said(panel: Panel) -> None:
    grounded(panel, GATE, LAMP)
    turn = panel.page.locator(".turn.agent")
    assert turn.count() == 1
    assert panel.turns() == ["agent: The gate opens at seven in the morning."]
    first = turn.locator(".sources > .source").first
    assert first.locator(".number").inner_text() == "1"
    assert first.locator(".name").inner_text() == "Opening hours · Gate"
    assert first.locator(".file").inner_text() == "house/hours.md"
    assert first.locator(".used").is_visible()
    assert not first.locator(".passage").is_visible()
    first.locator("summary").click()
    assert first.locator(".passage").inner_text() == GATE["text"]
    assert marked(panel) == ["The gate opens at seven in the morning."]
    others = turn.locator(".others")
    assert others.locator("summary").first.inner_text() == "1 more passage found"
    others.locator("summary").first.click()
    link = others.get_by_role("link")
    assert (link.get_attribute("href"), link.inner_text()) == (LAMP["url"], "lamps.example")
    assert link.get_attribute("target") == "_blank"
    assert set(link.get_attribute("rel").split()) >= {"noopener", "noreferrer"}


def test_later_sources_take_the_place_of_earlier_ones_and_what_stood_open_stays_open(panel: Panel) -> None:
    grounded(panel, GATE | {"cited": False}, LAMP)
    panel.page.locator(".others summary").first.click()
    panel.page.locator(".source summary").first.click()
    assert "2 passages found" in panel.words(".others > summary")
    panel.server("cleans2s.sources", response_id="r1", item_id="u1", sources=[GATE, LAMP])
    assert panel.page.locator(".sources").first.locator(".passage").is_visible()
    assert panel.page.locator(".source").count() == 2
    assert "1 more passage found" in panel.words(".others > summary")


def test_sources_that_come_in_the_middle_of_a_reply_and_belong_to_another_one(panel: Panel) -> None:
    panel.agent_says("Let me look that up.")
    panel.server("cleans2s.sources", response_id="r1", item_id="u1", sources=[GATE])
    panel.agent_says("On Sundays it opens at nine, and dogs may come in.")
    panel.agent_says("Anything else?", "r2")
    assert marked(panel) == ["On Sundays it opens at nine, and dogs may come in."]
    assert panel.page.locator(".turn.agent").last.locator(".source").count() == 0


def test_what_an_interruption_kept_from_being_heard_is_not_marked(panel: Panel) -> None:
    grounded(panel, GATE)
    panel.agent_says("On Sundays it opens at nine, and dogs may come in.")
    assert len(marked(panel)) == 2
    panel.server(
        "cleans2s.interrupted", response_id="r1", heard="The gate opens at seven in the morning.", unheard="On Sundays"
    )
    assert marked(panel) == ["The gate opens at seven in the morning."]


def test_chinese_is_marked_by_its_words(panel: Panel) -> None:
    text = "桑拿房每天下午四点到晚上九点开放。十二岁以下的儿童须由成人陪同。"
    grounded(panel, GATE | {"text": text}, says="桑拿房每天下午四点到晚上九点开放。")
    assert marked(panel) == ["桑拿房每天下午四点到晚上九点开放。"]


def test_a_copy_names_the_sources(panel: Panel) -> None:
    grounded(panel, GATE, LAMP)
    panel.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    panel.button("Copy").click()
    panel.page.get_by_text("Copied").wait_for()
    copied = panel.page.evaluate("navigator.clipboard.readText()")
    said = "Agent: The gate opens at seven in the morning."
    assert copied == f"{said} [sources: 1. Opening hours · Gate · house/hours.md; 2. Lamps · https://lamps.example/manual?a=1]"


def test_by_keyboard_only(panel: Panel) -> None:
    grounded(panel, GATE)
    summary = panel.page.locator(".source summary")
    while not summary.evaluate("node => node === document.activeElement"):
        panel.page.keyboard.press("Tab")
    assert panel.page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    panel.page.keyboard.press("Enter")
    assert panel.page.locator(".passage").is_visible()


EVIL = "<img src=x onerror=\"document.title='caught'\">"
ADDRESSES = ["javascript:document.title='caught'", "data:text/html,x", "file:///etc/passwd", "//lamps.example", "http://", EVIL]


@pytest.mark.parametrize(("locale", "more"), [("en-GB", "more passages found"), ("zh-CN", "另找到")])
def test_hostile_sources_are_text_and_no_link_and_a_phone_shows_them(opened: Any, locale: str, more: str) -> None:
    panel = opened(locale, width=390, height=844)
    long = EVIL + "x" * 300
    sources = [
        LAMP | {"number": n, "url": url, "title": long, "text": long, "file": long} for n, url in enumerate(ADDRESSES, 2)
    ]
    grounded(panel, GATE | {"title": long, "file": long, "text": long, "kind": long}, *sources, says=long)
    assert more in panel.words(".others > summary")
    panel.page.locator(".others > summary").click()
    for summary in panel.page.locator(".source summary").all():
        summary.click()
    assert panel.page.get_by_role("link").count() == 0
    assert (panel.page.locator("#panel img").count(), panel.page.title()) == (0, "")
    assert panel.page.evaluate("document.documentElement.scrollWidth") == 390


@pytest.mark.parametrize("sources", [None, [], [{}], [{"number": "one", "url": 7, "text": "x"}]], ids=str)
def test_odd_sources_break_nothing(panel: Panel, sources: Any) -> None:
    panel.server("cleans2s.sources", response_id="r1", item_id=None, sources=sources)
    panel.agent_says("It opens at seven.")
    assert panel.turns() == ["agent: It opens at seven."]
