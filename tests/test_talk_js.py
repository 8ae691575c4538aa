"""The Talk panel in a real browser, with a scripted Voice: another implementation of voice.js's interface."""

from __future__ import annotations

import http.server
import shutil
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

playwright = pytest.importorskip("playwright.sync_api", reason="the page's tests need playwright")
if not (CHROMIUM := shutil.which("chromium")):
    pytest.skip("the page's tests need chromium", allow_module_level=True)

WEB = Path(__file__).parents[1] / "cleans2s" / "web"

PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><link rel="icon" href="data:,"><body><div id="panel"></div><script type="module">
import { mount } from "/talk.js";

class Voice extends EventTarget {
  calls = []; muted = false; refuses = null; // or a problem, with which a start fails
  tells(type, detail) { this.dispatchEvent(new CustomEvent(type, { detail })); }
  async start(settings) {
    this.calls.push(["start", settings]);
    this.tells("state", { state: "connecting" });
    await null; // as long as it takes: what follows comes later
    this.tells("state", { state: this.refuses ? "idle" : "listening" });
    if (this.refuses) this.tells("problem", this.refuses);
  }
  stop() { this.calls.push(["stop"]); this.tells("state", { state: "idle" }); }
  tell(text) { this.calls.push(["tell", text]); }
  interrupt() { this.calls.push(["interrupt"]); }
  update(session) { this.calls.push(["update", session]); }
  configure(settings) { this.calls.push(["configure", settings]); }
}
window.remount = () => (window.panel = mount(document.getElementById("panel"), { Voice }));
remount();
</script></body></html>
"""


class Files(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Of the page above, beside the panel's own files."""
    folder = shutil.copytree(WEB, tmp_path_factory.mktemp("page") / "web")
    (folder / "index.html").write_text(PAGE, encoding="utf-8")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Files, directory=str(folder))) as server:
        (thread := threading.Thread(target=server.serve_forever)).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as runner:
        arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        with runner.chromium.launch(executable_path=CHROMIUM, args=arguments) as browser:
            yield browser


class Panel:
    """The page from outside: what the Voice tells it, what it shows, what it asked of the Voice."""

    def __init__(self, page: Any) -> None:
        self.page = page

    def tells(self, type: str, /, **detail: object) -> None:
        self.page.evaluate("([type, detail]) => panel.voice.tells(type, detail)", [type, detail])

    def server(self, type: str, **fields: object) -> None:
        self.tells("server", type=type, **fields)

    def user_said(self, text: str, item: str) -> None:
        self.server("input_audio_buffer.committed", item_id=item)
        self.server("conversation.item.input_audio_transcription.completed", item_id=item, transcript=text)

    def agent_says(self, text: str, response: str = "r1") -> None:
        self.server("response.output_audio_transcript.delta", response_id=response, item_id=f"of-{response}", delta=text)

    def turns(self) -> list[str]:
        read = "turns => turns.map(turn => turn.classList[1] + ': ' + turn.querySelector('.said').innerText)"
        return self.page.locator(".turn").evaluate_all(read)

    def words(self, selector: str) -> str:
        return self.page.locator(selector).inner_text()

    def button(self, name: str) -> Any:
        return self.page.get_by_role("button", name=name, exact=True)

    def calls(self) -> list[Any]:
        return self.page.evaluate("panel.voice.calls")

    def focused(self) -> str:
        return self.page.evaluate("document.activeElement.innerText").strip()


Opened = Callable[..., Panel]


@pytest.fixture
def opened(address: str, browser: Any) -> Iterator[Opened]:
    """Opens the page; whatever was opened must have logged no error when the test ends."""
    contexts, complaints = list[Any](), list[str]()

    def open_page(locale: str = "en-GB", width: int = 1280, height: int = 900, **settings: Any) -> Panel:
        contexts.append(browser.new_context(locale=locale, viewport={"width": width, "height": height}, **settings))
        page = contexts[-1].new_page()
        page.on("console", lambda said: complaints.append(said.text) if said.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(address)
        page.locator(".start").wait_for()  # it is seen once its style is there
        return Panel(page)

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []


@pytest.fixture
def panel(opened: Opened) -> Panel:
    return opened()


def test_a_turn_and_its_answer(panel: Panel) -> None:
    panel.button("Start talking").click()
    panel.server("input_audio_buffer.speech_started", item_id="u1")
    panel.server("cleans2s.partial", text="What is the 𝔸pital", stable=12)
    assert panel.words(".rest") == "𝔸pital"
    panel.user_said("What is the capital of France?", "u1")
    panel.server("cleans2s.latency", response_id="r1", latency={"reply_ms": 640.4, "transcript_ms": 210, "opinions_ms": None})
    panel.agent_says("It is Paris.")
    panel.agent_says(" Shall I tell more?")
    assert panel.turns() == ["user: What is the capital of France?", "agent: It is Paris. Shall I tell more?"]
    chip = panel.page.locator(".turn.agent .took")
    assert "640 ms" in chip.inner_text()
    assert "210 ms" in chip.get_attribute("title")
    assert "1 turn, the latest answered after 640 ms" in panel.page.locator("canvas").get_attribute("aria-label")


def test_clauses_in_chinese_need_no_spaces_and_pieces_of_text_are_joined_as_they_are(panel: Panel) -> None:
    panel.agent_says("西湖在杭州。")
    panel.agent_says(" 它很美。")
    for piece in ("Par", "is", "."):
        panel.server("response.output_text.delta", response_id="r2", delta=piece)
    assert panel.turns() == ["agent: 西湖在杭州。它很美。", "agent: Paris."]


def test_what_an_interruption_kept_from_being_heard_is_struck_out(panel: Panel) -> None:
    panel.agent_says("One, two,")
    panel.agent_says("three, four.")
    panel.server("cleans2s.interrupted", response_id="r1", item_id="of-r1", heard="One, two", unheard="three, four.")
    panel.agent_says("five")  # on its way when the reply was cut
    struck = panel.page.locator("del")
    assert struck.get_attribute("title") == "not heard"
    assert panel.turns() == ["agent: One, two\n(not heard:)\n three, four."]
    assert struck.evaluate("del => getComputedStyle(del).textDecorationLine") == "line-through"


def test_notes_between_the_turns(panel: Panel) -> None:
    panel.server("cleans2s.partial", text="uh", stable=0)
    panel.server("cleans2s.ignored", text="uh-huh", reason="backchannel")
    panel.server("cleans2s.ignored", text="", reason="noise")
    panel.server("response.output_item.added", response_id="r1", item={"id": "f1", "type": "function_call", "name": "search"})
    panel.server("response.function_call_arguments.done", response_id="r1", item_id="f1", arguments='{"query": "x"}')
    panel.server("cleans2s.failed", stage="llm", error="no answer")
    panel.server("something.unknown", field=1)
    panel.server("cleans2s.partial", text="hm", stable=0)
    panel.server("input_audio_buffer.committed", item_id="u1")
    panel.server("conversation.item.input_audio_transcription.failed", item_id="u1", error={"code": "no_words"})
    assert panel.turns() == []
    notes = panel.page.locator(".note").all_inner_texts()
    assert notes.pop(0) == "“uh-huh”: taken as a nod, the agent goes on"
    assert notes == ['Used a tool: search{"query": "x"}', "The language model failed: no answer"]


def test_writing_without_a_microphone(panel: Panel) -> None:
    panel.page.evaluate("panel.voice.refuses = { code: 'busy', message: '1 of 1' }")
    field = panel.page.get_by_role("textbox", name="Write to the agent")
    field.fill("  Hello  ")
    field.press("Enter")
    panel.page.get_by_text("All places are taken").wait_for()
    assert (field.input_value(), panel.turns()) == ("  Hello  ", [])
    panel.page.evaluate("panel.voice.refuses = null")
    panel.button("Send").click()
    panel.page.locator(".turn.user").wait_for()
    assert panel.calls() == [["start", {"microphone": False}], ["start", {"microphone": False}], ["tell", "Hello"]]
    for item in ("typed_1", "again_1"):
        content = [{"type": "input_text", "text": "Hello"}]
        panel.server("conversation.item.added", item={"id": item, "role": "user", "content": content})
    assert (field.input_value(), panel.turns()) == ("", ["user: Hello"])
    assert panel.words(".alert") == ""
    assert "writing only" in panel.words(".state")
    panel.button("Use microphone").click()
    assert panel.calls()[-1] == ["start", {"microphone": True}]


def test_by_keyboard_only(panel: Panel) -> None:
    key = panel.page.keyboard.press
    key("Tab")
    assert panel.focused() == "Start talking"
    assert panel.page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    key("Enter")
    panel.button("End conversation").wait_for()
    key("Tab")
    key("Space")
    assert panel.page.evaluate("panel.voice.muted")
    assert "microphone off" in panel.words(".state")
    key("Enter")
    assert not panel.page.evaluate("panel.voice.muted")
    panel.tells("state", state="speaking")
    while panel.focused() != "Interrupt":
        key("Tab")
    key("Enter")
    panel.tells("state", state="listening")
    assert not panel.button("Interrupt").is_visible()
    assert panel.page.evaluate("document.activeElement.id") == "panel"
    panel.button("End conversation").focus()
    key("Space")
    panel.button("Start talking").wait_for()
    assert panel.calls() == [["start", {"microphone": True}], ["interrupt"], ["stop"]]


ENGLISH = ("en-GB", "No microphone was found", "Plug one in", "Dismiss")
CHINESE = ("zh-CN", "没有找到麦克风", "请接上", "关闭提示")


@pytest.mark.parametrize(("locale", "what", "then", "dismiss"), [ENGLISH, CHINESE])
def test_problems_in_words(opened: Opened, locale: str, what: str, then: str, dismiss: str) -> None:
    panel = opened(locale)
    panel.tells("problem", code="microphone-missing", message="Requested device not found")
    alert = panel.page.get_by_role("alert")
    said, advice = alert.locator("div").inner_text().split("\n")  # and not the browser's own words
    assert (said, advice[: len(then)]) == (what, then)
    panel.button(dismiss).click()
    assert alert.inner_text() == ""
    panel.tells("problem", code="of-tomorrow", message="its own words")
    assert "its own words" in alert.inner_text()


def test_hostile_text_is_text(panel: Panel) -> None:
    evil = "<img src=x onerror=\"document.title='caught'\">"
    panel.server("cleans2s.partial", text=evil, stable=5)
    panel.user_said(evil, "u1")
    panel.agent_says(evil)
    panel.server("cleans2s.interrupted", response_id="r1", heard=evil, unheard=evil)
    panel.server("cleans2s.ignored", text=evil, reason="echo")
    panel.server("cleans2s.failed", stage=evil, error=evil)
    panel.server("response.function_call_arguments.done", name=evil, arguments=evil)
    panel.tells("problem", code=evil, message=evil)
    assert (panel.page.locator("#panel img").count(), panel.page.title()) == (0, "")
    assert panel.turns()[0] == f"user: {evil}"


def test_mounting_twice_replaces(panel: Panel) -> None:
    panel.agent_says("Hello.")
    first = panel.page.evaluate_handle("panel.voice")
    panel.page.evaluate("remount()")
    assert (panel.page.locator(".start").count(), panel.turns()) == (1, [])
    assert first.evaluate("voice => [voice.calls, voice === cleans2s.voice]") == [[["stop"]], False]
    first.evaluate("voice => voice.tells('problem', { code: 'lost' })")
    assert panel.words(".alert") == ""
    panel.page.evaluate("cleans2s.update({ tools: [] }); cleans2s.configure({ lead_s: 1 })")
    assert panel.calls() == [["update", {"tools": []}], ["configure", {"lead_s": 1}]]
    assert panel.page.locator("link[rel=stylesheet]").count() == 1


def test_copy_and_clear(opened: Opened) -> None:
    panel = opened(permissions=["clipboard-read", "clipboard-write"])
    panel.user_said("Count.", "u1")
    panel.agent_says("One, two.")
    panel.server("cleans2s.interrupted", response_id="r1", heard="One,", unheard="two.")
    panel.button("Copy").click()
    panel.button("Copied").wait_for()
    assert panel.page.evaluate("navigator.clipboard.readText()") == "You: Count.\nAgent: One, [not heard: two.]"
    panel.button("Clear").click()
    assert panel.turns() == []


def test_the_end_is_followed_only_by_who_is_there(opened: Opened) -> None:
    panel = opened(width=390, height=844)
    words = panel.page.locator(".list")
    for number in range(30):
        panel.user_said("1234567890 " * number, f"u{number}")
    assert words.evaluate("list => list.scrollHeight - list.scrollTop - list.clientHeight") < 2
    words.evaluate("list => { list.scrollTop = 0 }")
    panel.user_said("One more.", "u30")
    assert words.evaluate("list => list.scrollTop") == 0
    assert panel.page.evaluate("document.documentElement.scrollWidth") == 390
