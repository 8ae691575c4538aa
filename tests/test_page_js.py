"""The page when all is not well: a server that falls silent, says goodbye, is not ready yet or answers nobody unasked.

The browser gets files from a server; its sockets and its questions of health are answered by the test, and its clock jumps.
"""

from __future__ import annotations

import http.server
import json
import shutil
import threading
from functools import partial
from pathlib import Path
from typing import Any

import pytest

playwright = pytest.importorskip("playwright.sync_api", reason="the page's tests need playwright")
if not (CHROMIUM := shutil.which("chromium")):
    pytest.skip("the page's tests need chromium", allow_module_level=True)

WEB = Path(__file__).parents[1] / "cleans2s" / "web"
PAGE = """<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,"><div id="panel"></div><script type="module">
import { mount } from "/talk.js";
import { ready } from "/ready.js";
import { Voice } from "/voice.js";
import { texts } from "/words.js";
const element = document.getElementById("panel");
const [states, problems, heard] = [[], [], []];
const { voice } = mount(element, { Voice, url: `ws://${location.host}/v1/realtime` });
voice.addEventListener("state", ({ detail }) => states.push(detail.state));
voice.addEventListener("problem", ({ detail }) => problems.push(detail));
voice.addEventListener("server", ({ detail }) => heard.push(detail.type));
Object.assign(window, { voice, states, problems, heard, begins: () => voice.start({ microphone: false }) });
window.waits = (language) => ready(element, "/", texts(language)).then(() => (window.isReady = true));
</script>"""


class Server:
    """All that the page can reach, as the test wants it to be."""

    def __init__(self, page: Any) -> None:
        self.page = page
        self.sockets: list[Any] = []
        self.pongs = 0
        self.silent = False
        self.turns: Any = {"type": "semantic_vad", "create_response": True}
        self.health: Any = {"status": "ready", "detail": "ready", "share": None}
        page.route("**/healthz", self._health)
        page.route_web_socket("**/v1/realtime", self._open)

    def say(self, type: str, **fields: Any) -> None:
        self.sockets[-1].send(json.dumps({"type": type, **fields}))

    def settle(self, type: str = "session.updated") -> None:
        self.say(type, session={"audio": {"input": {"turn_detection": self.turns}}})

    def _open(self, socket: Any) -> None:
        self.sockets.append(socket)
        socket.on_message(self._hear)
        self.settle("session.created")

    def _hear(self, message: str) -> None:
        event = json.loads(message)
        if self.silent:
            return
        if event["type"] == "session.update":
            self.settle()
        elif event["type"] == "cleans2s.configure":
            self.say("cleans2s.configured", settings=event["settings"])
        elif event["type"] == "cleans2s.ping":
            self.pongs += 1
            self.say("cleans2s.pong", id=event["id"])

    def _health(self, route: Any) -> None:
        if self.health is None:
            return route.abort()
        status = {"loading": 503, "ready": 200, "failed": 500}[self.health["status"]]
        return route.fulfill(status=status, json=self.health)


class Files(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """Of the page above, beside its modules."""
    folder = shutil.copytree(WEB, tmp_path_factory.mktemp("page") / "web")
    (folder / "index.html").write_text(PAGE, encoding="utf-8")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Files, directory=str(folder))) as files:
        (thread := threading.Thread(target=files.serve_forever)).start()
        yield f"http://127.0.0.1:{files.server_port}/"
        files.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def browser():
    flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--autoplay-policy=no-user-gesture-required"]
    with playwright.sync_playwright() as runner, runner.chromium.launch(executable_path=CHROMIUM, args=flags) as browser:
        yield browser


@pytest.fixture
def page(browser):
    page = browser.new_page(locale="en-GB")
    errors: list[Any] = []
    page.on("pageerror", lambda error: errors.append(error))
    page.clock.install(time=0)
    yield page
    page.close()
    assert errors == []


@pytest.fixture
def server(page, address):
    server = Server(page)
    page.goto(address)
    page.locator(".start").wait_for()
    page.clock.pause_at("1970-01-02")  # from here on it goes as the test does
    return server


def passes(page: Any, server: Server, seconds: int) -> None:
    """Time, of which nothing has to be waited for; but what has been said arrives."""
    for _ in range(seconds):
        page.clock.run_for(1000)
        page.wait_for_function("pongs => heard.filter((type) => type === 'cleans2s.pong').length === pongs", arg=server.pongs)


def test_a_server_that_has_fallen_silent_is_taken_for_lost(page, server):
    page.evaluate("begins()")
    passes(page, server, 33)  # as long as it answers, nothing else has to come
    assert (len(server.sockets), server.pongs, page.evaluate("voice.state")) == (1, 7, "listening")
    server.silent = True
    passes(page, server, 13)  # the first ping without an answer was 2 s after the last second above
    server.say("cleans2s.partial", text="Hel", stable=0)  # any word will do
    page.wait_for_function("heard.at(-1) === 'cleans2s.partial'")
    passes(page, server, 15)  # a ping after 4 s, and 11 s of silence
    assert (len(server.sockets), page.evaluate("voice.state")) == (1, "listening")
    server.silent = False
    page.clock.run_for(2000)
    page.wait_for_function("states.includes('reconnecting') && voice.state === 'listening'")
    passes(page, server, 33)
    assert (len(server.sockets), page.evaluate("[voice.state, problems]")) == (2, ["listening", []])


def test_a_turn_is_thought_about_where_turns_are_answered(page, server):
    page.evaluate("begins()")
    server.say("input_audio_buffer.speech_stopped", item_id="item_1")
    server.say("input_audio_buffer.committed", item_id="item_1")
    page.wait_for_function("voice.state === 'thinking'")
    server.say("cleans2s.ignored", text="", reason="noise")
    for server.turns in (None, {"type": "server_vad", "create_response": False}):
        server.settle()
        server.say("input_audio_buffer.committed", item_id="item_2")
        server.say("response.created", response={"id": "response_1"})
        server.say("response.done", response={"id": "response_1", "status": "completed"})
    server.say("input_audio_buffer.committed", item_id="item_3")
    server.say("cleans2s.partial", text="the last word", stable=0)
    page.locator(".turn").wait_for()
    assert page.evaluate("states") == ["connecting", "listening", *["thinking", "listening"] * 3]


@pytest.mark.parametrize(
    ("code", "error", "problem"), [(1000, "session_expired", "server"), (1013, "server_busy", "busy"), (1000, None, "server")]
)
def test_a_goodbye_is_reported_once(page, server, code, error, problem):
    page.evaluate("begins()")
    if error:
        server.say("error", error={"code": error, "message": "That was all."})
    server.sockets[-1].close(code=code, reason="That was all.")
    page.wait_for_function("voice.state === 'idle'")
    assert page.evaluate("problems") == [{"code": problem, "message": "That was all."}]


def test_a_conversation_that_was_ended_is_parted_from_the_next(page, server):
    page.evaluate("begins()")
    server.say("conversation.item.added", item={"role": "user", "content": [{"type": "input_text", "text": "Hello"}]})
    page.locator(".turn").wait_for()
    server.sockets[-1].close(code=1000, reason="Goodbye.")
    page.wait_for_function("voice.state === 'idle'")
    page.evaluate("begins()")  # which goes on
    assert page.locator(".divider").count() == 0
    page.get_by_role("button", name="End conversation").click()
    assert page.locator(".divider").count() == 0
    for _ in range(2):
        field = page.get_by_role("textbox", name="Write to the agent")
        field.fill("And now?")
        field.press("Enter")
        page.wait_for_function("voice.state === 'thinking'")
        server.say("response.created", response={"id": "response_1"})
        server.say("response.done", response={"id": "response_1", "status": "completed"})
        page.wait_for_function("voice.state === 'listening'")
    assert page.locator(".divider").all_inner_texts() == ["New conversation"]
    order = page.locator(".list > *").evaluate_all("nodes => nodes.map(({ className }) => className)")
    assert order == ["turn user", "note divider", "turn user", "turn user"]


def test_a_server_that_is_ready_is_not_talked_about(page, server):
    page.evaluate("void (document.querySelector('#panel').prepend = () => { throw new Error('shown') })")
    page.evaluate("waits()")
    assert page.evaluate("isReady")


def test_until_the_server_is_ready_it_says_how_far_it_is(page, server):
    line, bar = page.locator(".cleans2s-ready"), page.locator(".cleans2s-ready progress")
    looks = [
        (None, "Waiting for the server…", None),
        ({"status": "loading", "detail": "loading the engines", "share": None}, "Getting ready: loading the engines", None),
        ({"status": "loading", "detail": "fetching <b>", "share": 0.25}, "Getting ready: fetching <b>", "0.25"),
        ({"status": "failed", "detail": "no disk", "share": None}, "The agent could not be loaded: no disk", None),
    ]
    server.health = None
    page.evaluate("void waits('en')")
    for server.health, text, share in looks:
        page.clock.run_for(1000)
        page.get_by_role("status").get_by_text(text).wait_for()
        assert bar.get_attribute("value") == share
        assert bar.is_visible() is (text != looks[-1][1])
    page.clock.run_for(5000)
    assert (line.count(), line.inner_text()) == (1, looks[-1][1])
    server.health = {"status": "ready", "detail": "ready", "share": None}
    page.clock.run_for(1000)
    page.wait_for_function("window.isReady")
    assert line.count() == 0


def test_getting_ready_in_chinese(page, server):
    server.health = {"status": "loading", "detail": "2 of 3 MB", "share": 0.5}
    page.evaluate("void waits('zh-CN')")
    page.get_by_text("正在准备：2 of 3 MB").wait_for()
    assert page.locator(".cleans2s-ready").get_attribute("lang") == "zh-Hans"
