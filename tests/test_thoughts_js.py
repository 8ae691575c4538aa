"""What the Talk panel shows of the agent's mind, in a real browser with a scripted Voice: thoughts, silence, cut-ins,
reactions, blocks, and the memory in the person's hands."""

# ruff: noqa: F811 (fixtures of other files)

from __future__ import annotations

import http.server
import json
import shutil
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from test_talk_js import PAGE, WEB, Files, Panel, browser, opened  # noqa: F401 (fixtures)

THINKS = PAGE.replace(
    "configure(settings) {",
    """remember(action, fields = {}) { this.calls.push([action, fields]); }
  configure(settings) {""",
)

PROBABILITIES = {"standard": 0.12, "refusal": 0.71, "deflection": 0.05, "silence": 0.1, "interruption": 0.02}
JUDGED = {"strategy": "refusal", "probabilities": PROBABILITIES, "reason": "It asks for somebody's address.", "speaks": True}


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = shutil.copytree(WEB, tmp_path_factory.mktemp("page") / "web")
    (folder / "index.html").write_text(THINKS, encoding="utf-8")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Files, directory=str(folder))) as server:
        (thread := threading.Thread(target=server.serve_forever)).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


@pytest.fixture
def panel(opened: Any) -> Panel:
    return opened()


def judged(panel: Panel, item: str, **fields: Any) -> None:
    panel.server("cleans2s.judged", **JUDGED | {"item_id": item, "recalled": [], "until": "", "cuts_in": False} | fields)


# ── thoughts ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_thought_has_its_turn_the_way_chosen_the_shares_the_reason_and_what_was_recalled(panel: Panel) -> None:
    assert "How it decides" in panel.words(".thoughts .empty")
    panel.user_said("Where does Ann live?", "u1")
    judged(panel, "u1", recalled=['you said yesterday: "Ann has moved"'])
    thought = panel.page.locator(".thought")
    assert thought.locator("summary").inner_text().split("\n") == ["refuse", "Where does Ann live?"]
    shares = thought.locator(".bars li").all_inner_texts()
    assert shares[0].split() == ["refuse", "71", "%"]
    assert [share.split("\n")[0] for share in shares] == ["refuse", "answer", "stay silent", "deflect", "cut in"]
    widths = thought.locator(".bar i").evaluate_all("bars => bars.map((bar) => bar.offsetWidth / bar.parentNode.offsetWidth)")
    assert widths == pytest.approx([0.71, 0.12, 0.1, 0.05, 0.02], abs=0.02)
    assert thought.locator(".why").inner_text() == "It asks for somebody's address."
    assert thought.locator(".recalled li").all_inner_texts() == ['you said yesterday: "Ann has moved"']


def test_typed_words_stand_over_their_thought_as_well(panel: Panel) -> None:
    content = [{"type": "input_text", "text": "Where does Ann live?"}]
    panel.server("conversation.item.added", item={"id": "t1", "type": "message", "role": "user", "content": content})
    judged(panel, "t1")
    assert panel.words(".thought summary").split("\n") == ["refuse", "Where does Ann live?"]


def test_the_newest_thought_stands_open_and_old_ones_go(panel: Panel) -> None:
    for number in range(60):
        panel.user_said(f"Question {number}?", f"u{number}")
        judged(panel, f"u{number}")
    opens = panel.page.locator(".thought").evaluate_all("all => all.map((one) => one.open)")
    assert opens == [True] + [False] * 49
    assert panel.page.locator(".thought .quoted").first.inner_text() == "Question 59?"


def test_silence_is_seen_beside_the_words(panel: Panel) -> None:
    panel.user_said("Dear diary.", "u1")
    panel.user_said("And who are you?", "u2")
    judged(panel, "u1", strategy="silence", speaks=False)
    turn = panel.page.locator(".turn.user")
    assert turn.first.locator(".silent").inner_text() == "heard, and chose to say nothing"
    assert turn.last.locator(".silent").count() == 0


def test_asides_reactions_nods_and_cut_ins(panel: Panel) -> None:
    panel.server("cleans2s.ignored", text="the soup is ready", reason="aside")
    assert panel.words(".note.aside") == "“the soup is ready”: said to somebody else, the agent goes on"
    panel.server("cleans2s.partial", text="So then I went", stable=4)
    panel.server("cleans2s.backchannel", text="mm-hm", audio="")
    assert panel.words(".turn.user .nod") == "mm-hm"
    panel.user_said("So then I went home.", "u1")
    panel.server("cleans2s.reaction", item_id="u1", emoji="🏡", name="house with garden")
    emoji = panel.page.get_by_role("img", name="house with garden")
    assert (emoji.inner_text(), emoji.get_attribute("title")) == ("🏡", "house with garden")
    judged(panel, "u1", strategy="interruption", cuts_in=True)
    panel.server("response.created", response={"id": "r1"})
    panel.agent_says("Let me stop you there.")
    panel.server("response.created", response={"id": "r2"})
    panel.agent_says("Yes?", "r2")
    assert panel.page.locator(".turn.agent .cut-in").all_inner_texts() == ["cut in"]
    assert panel.turns() == ["user: So then I went home.", "agent: Let me stop you there.", "agent: Yes?"]


def test_a_block_is_shown_with_its_end_and_lifted_by_a_button(panel: Panel) -> None:
    until = panel.page.evaluate("new Date(Date.now() + 300_000).toISOString()")
    panel.user_said("You idiot.", "u1")
    judged(panel, "u1", until=until)
    clock = panel.page.evaluate("at => new Date(at).toLocaleString('en-GB', { timeStyle: 'short' })", until)
    assert panel.words(".barred").startswith(f"The agent does not answer you until {clock}, after repeated abuse.")
    panel.button("Have it answer again").click()
    assert panel.words(".barred") == ""
    assert panel.calls() == [["unblock", {}]]
    panel.server(
        "cleans2s.memory.items", block={"until": until, "since": until, "why": "repeated abuse"}, facts=[], episodes=[]
    )
    assert panel.button("Have it answer again").is_visible()  # from an earlier conversation
    judged(panel, "u1", until="2020-01-01T00:00:00+00:00")
    assert panel.words(".barred") == ""


# ── memory ────────────────────────────────────────────────────────────────────────────────────────────────────────────

FACT = {"id": "f1", "kind": "who", "whose": "user", "key": "name", "value": "Ada", "quote": "My name is Ada", "due": ""}
FACT |= {"at": "2026-01-02T10:00:00+00:00", "certainty": 0.9, "clipped": False}
TURNS = [
    {"id": "t1", "role": "user", "text": "My name is Ada.", "at": "2026-01-02T10:00:00+00:00", "clipped": False},
    {"id": "t2", "role": "assistant", "text": "Hello, Ada.", "at": "2026-01-02T10:00:05+00:00", "clipped": False},
    {"id": "t3", "role": "user", "text": "I am back.", "at": "2026-01-05T09:00:00+00:00", "clipped": False},
]
ITEMS = {"summary": "Ada.", "facts": [FACT], "episodes": TURNS, "more": False, "kept": True, "set_aside": False, "block": None}


def looked_into(panel: Panel, **fields: Any) -> None:
    panel.button("Start talking").click()
    panel.server("session.created", session={})
    panel.page.locator(".memory > summary").click()
    panel.page.wait_for_function("panel.voice.calls.some(([action]) => action === 'list')")
    panel.server("cleans2s.memory.items", **ITEMS | fields)


def test_being_remembered_is_off_until_it_is_switched_on_and_then_holds(panel: Panel) -> None:
    assert panel.calls() == []
    panel.page.locator(".memory > summary").click()
    assert "under a random number that only this browser knows" in panel.words(".memory")
    panel.page.get_by_label("Remember me").check()
    ((action, settings),) = panel.calls()
    assert action == "configure"
    assert len(settings["memory"]) == 32
    int(settings["memory"], 16)
    panel.page.reload()
    panel.page.locator(".start").wait_for()
    assert panel.calls() == [["configure", settings]]
    panel.page.locator(".memory > summary").click()
    panel.page.get_by_label("Remember me").uncheck()
    assert panel.calls()[1] == ["configure", {"memory": ""}]
    panel.page.get_by_label("Remember me").check()
    assert panel.calls()[2] == ["configure", settings]


def test_memory_is_shown_as_summary_facts_and_a_time_line(panel: Panel) -> None:
    panel.page.locator(".memory > summary").click()
    assert panel.page.get_by_text("Start a conversation to see").is_visible()
    panel.page.locator(".memory > summary").click()
    looked_into(panel)
    memory = panel.page.locator(".memory")
    assert memory.locator(".facts li .what").inner_text().split("\n")[0] == "name: Ada"
    how = memory.locator(".facts li small").inner_text()
    assert (how.startswith("“My name is Ada” · 2 Jan 2026"), how.endswith("certainty 90 %")) == (True, True)
    assert memory.locator(".line .day").count() == 2
    assert memory.locator(".line .entry .what span").all_inner_texts() == ["I am back.", "Hello, Ada.", "My name is Ada."]
    panel.page.get_by_label("Search what was said").fill("Ada")
    panel.page.wait_for_function("panel.voice.calls.at(-1)[1].search === 'Ada'")
    before = len(panel.calls())
    panel.server("cleans2s.memory.changed")
    panel.page.wait_for_function("before => panel.voice.calls.length > before", arg=before)
    assert panel.calls()[-1] == ["list", {"search": "Ada", "limit": 100}]


def test_entries_are_edited_and_forgotten(panel: Panel) -> None:
    looked_into(panel)
    row = panel.page.locator(".facts .entry")
    row.get_by_role("button", name="Edit").click()
    panel.server("cleans2s.memory.items", **ITEMS)  # does not take away what is being written
    row.get_by_role("textbox").fill("Ida")
    panel.button("Save").click()
    row.get_by_role("button", name="Forget").click()
    calls = [call for call in panel.calls() if call[0] in ("edit", "forget", "forget_all")]
    assert calls == [["edit", {"id": "f1", "text": "Ida"}], ["forget", {"id": "f1"}]]
    panel.button("Forget everything").click()
    panel.button("Keep it").click()
    assert "forget_all" not in [action for action, *_ in panel.calls()]
    panel.button("Forget everything").click()
    panel.button("Erase it").click()
    assert "forget_all" in [action for action, *_ in panel.calls()]


def test_export_is_a_file_and_import_reads_one(panel: Panel, tmp_path: Path) -> None:
    looked_into(panel)
    exported = {"format": "cleans2s-memory", "version": 1, "turns": [{"text": "你好"}]}
    panel.button("Export").click()
    with panel.page.expect_download() as download:
        panel.server("cleans2s.memory.exported", memory=exported)
    assert json.loads(Path(download.value.path()).read_text("utf-8")) == exported
    chosen = panel.page.locator(".memory input[type=file]")
    for content, why in (("{", "no JSON"), ("[1]", "no JSON"), (" " * (8 << 20) + "{}", "larger than 8 MB")):
        (file := tmp_path / "memory.json").write_text(content)
        chosen.set_input_files(file)
        panel.page.locator(".told-now.wrong", has_text=why).wait_for()
    file.write_text(json.dumps(exported))
    chosen.set_input_files(file)
    panel.page.wait_for_function("panel.voice.calls.some(([action]) => action === 'import')")
    assert ["import", {"memory": exported}] in panel.calls()
    panel.server("cleans2s.memory.imported", turns=1, facts=0)
    assert panel.words(".told-now") == "Taken from the file: turns: 1, facts: 0."
    panel.server("error", error={"event_id": "memory_7", "message": "it has a mistake at turns.0.at"})
    assert panel.words(".told-now.wrong") == "it has a mistake at turns.0.at"


@pytest.mark.parametrize(
    ("locale", "way", "silent"), [("en-GB", "stay silent", "chose to say"), ("zh-CN", "沉默", "选择不说话")]
)
def test_hostile_text_is_text_and_a_phone_shows_all_of_it(opened: Any, locale: str, way: str, silent: str) -> None:
    panel = opened(locale, width=390, height=844)
    evil = "<img src=x onerror=\"document.title='caught'\">" + "x" * 300
    panel.page.locator(".memory > summary").click()
    panel.page.locator(".start").click()
    panel.server("session.created", session={})
    panel.user_said(evil, "u1")
    judged(panel, "u1", strategy="silence", speaks=False, reason=evil, recalled=[evil])
    assert panel.page.locator(".thought .way").inner_text() == way
    assert silent in panel.words(".turn .silent")
    judged(panel, "u1", strategy=evil, probabilities={evil: 1.0}, reason=evil)
    panel.server("cleans2s.reaction", item_id="u1", emoji=evil, name=evil)
    panel.server(
        "cleans2s.memory.items", **ITEMS | {"summary": evil, "facts": [FACT | {"key": evil, "value": evil, "quote": evil}]}
    )
    assert (panel.page.locator("#panel img").count(), panel.page.title()) == (0, "")
    assert panel.page.evaluate("document.documentElement.scrollWidth") == 390
