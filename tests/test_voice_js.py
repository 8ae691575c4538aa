"""The browser's side of a conversation: a real Chromium, real sound, real sockets, and a server that follows a script."""

from __future__ import annotations

import base64
import json
import shutil
import threading
import time
from collections.abc import Callable
from contextlib import closing, suppress
from http import HTTPStatus
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cleans2s.audio import Audio

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
server = pytest.importorskip("websockets.sync.server", reason="websockets is not installed")
from websockets.datastructures import Headers  # noqa: E402
from websockets.exceptions import ConnectionClosed  # noqa: E402
from websockets.http11 import Response  # noqa: E402

CHROMIUM = shutil.which("chromium")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")

WEB = Path(__file__).parent.parent / "cleans2s" / "web"
RATE = 24_000
MICROPHONE_HZ = 440.0
FAKE_UI, FAKE_DEVICE = "--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"

PAGE = """<!doctype html><title>voice</title><link rel="icon" href="data:,"><script type="module">
import { Voice } from "/web/voice.js";
const opened = (window.opened = { tracks: [], contexts: [], sockets: [], mergers: [] });
const watched = (kind, into) => class extends kind { constructor(...given) { super(...given); into.push(this); } };
window.AudioContext = watched(AudioContext, opened.contexts);
window.WebSocket = watched(WebSocket, opened.sockets);
window.ChannelMergerNode = watched(ChannelMergerNode, opened.mergers);
const ask = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
navigator.mediaDevices.getUserMedia = async (wish) => {
  window.wish = wish; // the processing would take a steady tone for noise
  const stream = await ask({ audio: { echoCancellation: false, noiseSuppression: false, autoGainControl: false } });
  opened.tracks.push(...stream.getTracks());
  return stream;
};
window.voice = new Voice({ url: `ws://${location.host}/v1/realtime`, token: async () => "key" });
Object.assign(window, { states: [], problems: [], levels: [] });
voice.addEventListener("state", ({ detail }) => states.push(detail.state));
voice.addEventListener("problem", ({ detail }) => problems.push(detail));
voice.addEventListener("levels", ({ detail }) => levels.push(detail));
const recorder = `registerProcessor("recorder", class extends AudioWorkletProcessor {
  process([input]) { if (input.length) this.port.postMessage(input); return true; }
})`;
// Of what flows into the MediaStream: on its way it may gain or lose some milliseconds.
window.record = async () => {
  await voice.start();
  const context = opened.contexts.at(-1);
  await context.audioWorklet.addModule(URL.createObjectURL(new Blob([recorder], { type: "text/javascript" })));
  const node = new AudioWorkletNode(context, "recorder");
  const sides = (window.sides = [[], []]);
  node.port.onmessage = ({ data }) => data.forEach((side, i) => sides[i].push(...side));
  if (!voice.tap().getAudioTracks().length) throw new Error("there is nothing to record");
  opened.mergers.at(-1).connect(node).connect(context.destination);
  return context.sampleRate;
};
</script>"""

FIRST = {"response_id": "response_1", "item_id": "item_1"}
FAREWELLS = {403: "refused", 503: "busy", 1000: "server", 1008: "refused", 1013: "busy", 4000: "server"}


class Server:
    """Files, and a Realtime session: what the page sends is kept, and it is told what the test says."""

    def __init__(self) -> None:
        self.heard: list[dict[str, Any]] = []
        self.connections: list[Any] = []
        self.refusal: tuple[int, str] | None = None
        self.welcome_s = 0.0
        self._server = server.serve(self._listen, "127.0.0.1", 0, process_request=self._answer, subprotocols=["realtime"])
        self.address = f"http://127.0.0.1:{self._server.socket.getsockname()[1]}/"
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        for connection in self.connections:
            connection.close()

    def _answer(self, connection: Any, request: Any) -> Any:
        """What a plain request gets; None lets a handshake through."""
        if request.path == "/v1/realtime" and not self.refusal:
            return None
        status, kind = 200, "text/html" if request.path == "/" else "text/javascript"
        if request.path == "/v1/realtime":
            status, message = self.refusal
            body = json.dumps({"error": {"code": "refused", "message": message}})
        else:
            body = PAGE if request.path == "/" else (WEB / Path(request.path).name).read_text("utf-8")
        headers = Headers({"Content-Type": kind, "Content-Length": str(len(body.encode())), "Connection": "close"})
        return Response(status, HTTPStatus(status).phrase, headers, body.encode())

    def _listen(self, connection: Any) -> None:
        self.connections.append(connection)
        time.sleep(self.welcome_s)
        connection.send(json.dumps({"type": "session.created", "session": {}}))
        with suppress(ConnectionClosed):
            for message in connection:
                event = json.loads(message)
                self.heard.append(event)
                if event["type"] == "cleans2s.ping":
                    connection.send(json.dumps({"type": "cleans2s.pong", "id": event["id"]}))

    def say(self, kind: str, **fields: Any) -> None:
        self.connections[-1].send(json.dumps({"type": kind, **fields}))

    def speak(self, samples: np.ndarray, **ids: str) -> None:
        """A whole reply, faster than it can be heard."""
        self.say("response.created", response={"id": ids.get("response_id", "response_1")})
        for piece in np.array_split(samples, max(1, len(samples) // 4800)):
            self.delta(piece, **ids)
        self.say("response.output_audio.done", **FIRST | ids)

    def delta(self, samples: np.ndarray, **ids: str) -> None:
        pcm = np.round(samples * 32_767).astype("<i2").tobytes()
        self.say("response.output_audio.delta", **FIRST | ids, delta=base64.b64encode(pcm).decode())

    def all(self, kind: str) -> list[dict[str, Any]]:
        return [event for event in self.heard if event["type"] == kind]

    def microphone(self) -> np.ndarray:
        pcm = b"".join(base64.b64decode(event["audio"]) for event in self.all("input_audio_buffer.append"))
        return np.frombuffer(pcm, "<i2") / 32_767

    def played_ms(self) -> list[int]:
        return [event["played_ms"] for event in self.all("cleans2s.playback")]


def until(holds: Callable[[], Any]) -> None:
    deadline_s = time.monotonic() + 15.0
    while not holds():
        assert time.monotonic() < deadline_s, "waited in vain"
        time.sleep(0.01)


def tone(hz: float, seconds: float, rate: int = RATE) -> np.ndarray:
    return 0.5 * np.sin(2 * np.pi * hz * np.arange(round(seconds * rate)) / rate)


def strays(heard: np.ndarray, ideal: np.ndarray) -> float:
    """How far one is from the other, give or take a millisecond at which silence ends and sound begins."""
    padded = np.pad(ideal, 48)
    return min(float(np.max(np.abs(heard - padded[shift : shift + len(heard)]))) for shift in range(97))


def pitch(samples: np.ndarray, rate: int) -> float:
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(np.argmax(spectrum) * rate / len(samples))


def sounding(recorded: list[float], rate: int) -> list[np.ndarray]:
    """The stretches between silences of 50 ms and more."""
    samples = np.array(recorded)
    loud = np.flatnonzero(np.abs(samples) > 1e-4)
    cuts = np.flatnonzero(np.diff(loud) > 0.05 * rate)
    return [samples[part[0] : part[-1] + 1] for part in np.split(loud, cuts + 1) if len(part)]


@pytest.fixture(scope="module")
def chromium():
    flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--autoplay-policy=no-user-gesture-required"]
    with playwright.sync_playwright() as engine:
        yield lambda *more: engine.chromium.launch(executable_path=CHROMIUM, args=[*flags, *more])


@pytest.fixture(scope="module")
def browser(chromium, tmp_path_factory):
    file = tmp_path_factory.mktemp("sound") / "tone.wav"
    Audio(tone(MICROPHONE_HZ, 10.0, 48_000).astype(np.float32), 48_000).save(file)
    with chromium(FAKE_UI, FAKE_DEVICE, f"--use-file-for-fake-audio-capture={file}") as browser:
        yield browser


@pytest.fixture
def realtime():
    with closing(Server()) as realtime:
        yield realtime


@pytest.fixture
def page(browser, realtime):
    page = browser.new_page()
    errors: list[Any] = []
    page.on("pageerror", lambda error: errors.append(error))
    page.goto(realtime.address)
    yield page
    page.close()
    assert errors == []


def test_the_microphone_arrives_as_24_khz_pcm_without_clicks(page, realtime):
    page.evaluate("voice.update({ audio: { output: { voice: 'amy' } } })")
    assert page.evaluate("voice.start()") is True
    until(lambda: len(realtime.microphone()) > 2.5 * RATE)
    processing = dict.fromkeys(["echoCancellation", "noiseSuppression", "autoGainControl"], True)
    assert page.evaluate("wish.audio") == processing | {"channelCount": 1}
    assert realtime.connections[0].request.headers["Sec-WebSocket-Protocol"] == "realtime, openai-insecure-api-key.key"
    pcm = {"format": {"type": "audio/pcm", "rate": RATE}}
    wished = {"type": "realtime", "audio": {"input": pcm, "output": {**pcm, "voice": "amy"}}}
    assert realtime.heard[0] == {"type": "session.update", "session": wished}
    assert {len(base64.b64decode(e["audio"])) for e in realtime.all("input_audio_buffer.append")} == {960}
    sound = realtime.microphone()[RATE // 2 :]
    # A sine obeys x[n+1] = 2 cos(w) x[n] - x[n-1]: whatever does not is a click. The browser may lose a buffer now and
    # then on a busy machine; a stretch of 25 whole frames shows that edges between frames leave no trace.
    error = np.abs(sound[2:] - 2 * np.cos(2 * np.pi * MICROPHONE_HZ / RATE) * sound[1:-1] + sound[:-2])
    stretch = max(np.split(sound[2:], np.flatnonzero(error > 0.003)), key=len)[2:]
    assert len(stretch) >= 0.5 * RATE
    assert pitch(stretch, RATE) == pytest.approx(MICROPHONE_HZ, abs=3)
    assert np.std(stretch) == pytest.approx(0.5 / np.sqrt(2), rel=0.05)
    assert page.evaluate("levels.at(-1).user") == pytest.approx(0.5 / np.sqrt(2), rel=0.1)
    page.evaluate("voice.muted = true")
    page.wait_for_timeout(300)
    assert not realtime.microphone()[-RATE // 10 :].any() and page.evaluate("levels.at(-1).user") == 0


def test_what_is_said_before_there_is_a_session_is_sent_as_soon_as_there_is_one(page, realtime):
    realtime.welcome_s = 4.0
    assert page.evaluate("voice.start()") is True
    until(lambda: realtime.all("cleans2s.ping"))
    kinds = [event["type"] for event in realtime.heard]
    early = kinds[: kinds.index("cleans2s.ping")].count("input_audio_buffer.append")
    assert 100 < early <= 150  # 3 s of it are kept
    assert kinds[0] == "session.update"
    until(lambda: len(realtime.microphone()) > 4 * RATE)
    kept = realtime.microphone()[: early * 480]
    assert pitch(kept[-RATE:], RATE) == pytest.approx(MICROPHONE_HZ, abs=3)


def test_what_the_server_says_is_heard_and_reported(page, realtime):
    rate = page.evaluate("record()")
    realtime.say("input_audio_buffer.speech_started", item_id="item_0")
    realtime.say("input_audio_buffer.committed", item_id="item_0")
    realtime.speak(tone(600, 1.0))
    until(lambda: len(realtime.played_ms()) > 3)
    realtime.say("response.done", response={"id": "response_1", "status": "completed"})
    page.wait_for_function("voice.state === 'listening'")
    assert page.evaluate("states") == ["connecting", "listening", "thinking", "speaking", "listening"]
    played_ms = realtime.played_ms()
    assert played_ms == sorted(played_ms) and played_ms[-1] == 1000 and len(played_ms) > 6
    left, right = page.evaluate("sides")
    (heard,) = sounding(right, rate)
    assert len(heard) / rate == pytest.approx(1.0, abs=0.002)
    assert pitch(heard, rate) == pytest.approx(600, abs=3)
    assert np.std(heard) == pytest.approx(0.5 / np.sqrt(2), rel=0.05)
    assert pitch(np.array(left), rate) == pytest.approx(MICROPHONE_HZ, abs=3)
    stats = page.evaluate("voice.stats()")
    assert None not in [stats[name]["p50"] for name in ("capture_ms", "receive_to_render_ms", "round_trip_ms")]
    assert stats["underruns"] == 0


def test_a_duck_pauses_and_loses_nothing(page, realtime):
    rate = page.evaluate("record()")
    said, ideal = (np.concatenate([tone(hz, 0.2, at) for hz in range(300, 1300, 100)]) for at in (RATE, rate))
    realtime.speak(said)
    until(lambda: realtime.played_ms()[-1:] > [450])
    realtime.say("cleans2s.ducked", response_id="response_1")
    page.wait_for_function("voice.state === 'ducked'")
    held_ms = realtime.played_ms()[-1]
    page.wait_for_timeout(450)
    assert realtime.played_ms()[-1] < held_ms + 200
    realtime.say("cleans2s.resumed", response_id="response_1")
    realtime.say("response.done", response={"id": "response_1", "status": "completed"})
    page.wait_for_function("voice.state === 'listening'")
    assert page.evaluate("states.slice(-4)") == ["speaking", "ducked", "speaking", "listening"]
    assert realtime.played_ms()[-1] == 2000
    before, after = sounding(page.evaluate("sides[1]"), rate)
    # The 5 ms of the fade are heard twice: fading out, and fading in again.
    assert (len(before) + len(after)) / rate == pytest.approx(2.005, abs=0.002)
    fade = round(0.006 * rate)
    assert strays(before[fade:-fade], ideal[fade:]) < 0.02
    assert strays(after[fade:-fade], ideal[len(ideal) - len(after) + fade :]) < 0.02
    assert page.evaluate("voice.stats().duck_ms.p50") is not None


def test_an_interruption_drops_what_is_buffered(page, realtime):
    rate = page.evaluate("record()")
    realtime.speak(tone(600, 3.0))
    until(lambda: realtime.played_ms()[-1:] > [250])
    realtime.say("input_audio_buffer.speech_started", item_id="item_2")
    realtime.say("cleans2s.interrupted", **FIRST, heard="Once", unheard="upon a time.")
    realtime.delta(tone(600, 1.0))  # was under way
    realtime.say("response.done", response={"id": "response_1", "status": "cancelled"})
    page.wait_for_function("voice.state === 'listening'")
    (heard,) = sounding(page.evaluate("sides[1]"), rate)
    assert len(heard) / rate * 1000 == pytest.approx(realtime.played_ms()[-1] + 5, abs=3)  # and the fade
    assert page.evaluate("states") == ["connecting", "listening", "thinking", "speaking", "interrupted", "listening"]
    realtime.speak(tone(900, 0.4), item_id="item_3", response_id="response_2")
    page.wait_for_function("voice.state === 'speaking'")
    page.evaluate("voice.tell('And now?')")
    until(lambda: realtime.all("response.create"))
    turn = ["response.cancel", "conversation.item.create", "response.create"]
    assert [e["type"] for e in realtime.heard if e["type"] in turn] == turn
    assert page.evaluate("voice.state") == "thinking"


def test_after_a_broken_connection_the_conversation_goes_on(page, realtime):
    page.evaluate("voice.configure({ 'turn.patience_ms': 1500 })")
    page.evaluate("voice.start({ microphone: false })")
    page.evaluate("voice.tell('Tell me a story.')")
    realtime.say("response.output_audio_transcript.done", item_id="item_1", transcript="Once upon a time.")
    realtime.say("cleans2s.interrupted", **FIRST, heard="Once", unheard="upon a time.")
    realtime.say("input_audio_buffer.committed", item_id="item_2")
    realtime.say("response.output_audio_transcript.done", item_id="item_3", transcript="It is two.")
    realtime.say("conversation.item.input_audio_transcription.completed", item_id="item_2", transcript="What time is it?")
    until(lambda: len(realtime.microphone()) > RATE / 10)  # silence is sent: the server's clock goes on
    assert not realtime.microphone().any()
    until(lambda: realtime.all("response.create"))
    realtime.heard.clear()
    realtime.refusal = 503, "It starts anew."
    realtime.connections[-1].close(1012)
    page.wait_for_function("voice.state === 'reconnecting' && opened.sockets.length > 1")
    realtime.refusal = None
    page.evaluate("voice.tell('Thank you.')")
    until(lambda: realtime.all("response.create"))
    begun = [e for e in realtime.heard if e["type"] != "input_audio_buffer.append"]
    assert begun[0]["type"] == "session.update"
    assert {"turn.patience_ms": 1500} in [event["settings"] for event in realtime.all("cleans2s.configure")]
    contents = [event["item"]["content"][0] for event in realtime.all("conversation.item.create")]
    assert [part["text"] for part in contents] == ["Tell me a story.", "Once", "What time is it?", "It is two.", "Thank you."]
    assert [part["type"] for part in contents] == ["input_text", "output_text"] * 2 + ["input_text"]


@pytest.mark.parametrize(("code", "problem"), FAREWELLS.items())
def test_who_is_sent_away_learns_why(page, realtime, code, problem):
    in_handshake = code < 1000  # a status of HTTP, not a code of WebSocket
    realtime.refusal = (code, "Because.") if in_handshake else None
    assert page.evaluate("voice.start({ microphone: false })") is not in_handshake
    if not in_handshake:
        realtime.connections[-1].close(code, "Because.")
    page.wait_for_function("problems.length")
    assert page.evaluate("[voice.state, ...problems]") == ["idle", {"code": problem, "message": "Because."}]


def test_stopping_leaves_nothing_open(page, realtime):
    for wait in ["null", "new Promise((done) => setTimeout(done, 30))", "new Promise((done) => setTimeout(done, 200))"]:
        page.evaluate(f"(async () => {{ const begun = voice.start(); await {wait}; voice.stop(); return begun; }})()")
    page.evaluate("(async () => { voice.start(); voice.start(); await voice.start(); voice.stop(); })()")
    page.wait_for_function("opened.contexts.every(({ state }) => state === 'closed')")
    page.wait_for_function("[...opened.tracks, ...opened.sockets].every((one) => ['ended', 3].includes(one.readyState))")
    assert page.evaluate("[opened.contexts.length, opened.tracks.length > 0, voice.state, problems]") == [6, True, "idle", []]


@pytest.mark.parametrize(("flag", "problem"), [(FAKE_DEVICE, "microphone-refused"), (FAKE_UI, "microphone-missing")])
def test_without_a_microphone_the_reason_is_named(chromium, realtime, flag, problem):
    with chromium(flag) as browser:
        page = browser.new_page()
        page.goto(realtime.address)
        assert page.evaluate("voice.start()") is False
        page.evaluate("Object.defineProperty(navigator, 'mediaDevices', { value: undefined })")  # as it is on http pages
        assert page.evaluate("voice.start()") is False
        assert page.evaluate("[voice.state, ...problems.map(({ code }) => code)]") == ["idle", problem, "insecure-page"]
