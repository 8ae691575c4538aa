"""Reference voices and profiles on the page: `python app.py` in a process of its own, with somebody's engine that speaks like a
clip; Gradio's own client brings clips, and a Realtime client hears whom the voice speaks like."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import textwrap
from pathlib import Path

import anyio
import numpy as np
import psutil
import pytest
from openai import AsyncOpenAI
from test_page import answered, in_browser, microphone, page, running

from cleans2s import references
from cleans2s.audio import Audio, save_wav, silence

pytestmark = pytest.mark.models

PLUG_IN = {
    "parrot-1.dist-info/METADATA": "Metadata-Version: 2.1\nName: parrot\nVersion: 1\n",
    "parrot-1.dist-info/entry_points.txt": "[cleans2s.tts]\nparrot = parrot:Parrot\n",
    "parrot.py": """
        from dataclasses import dataclass
        from cleans2s import references
        from cleans2s.audio import Audio

        @dataclass(frozen=True)
        class Parrot:
            reference: str = "clara"
            reference_text: str = ""

            def load(self):
                clip = references.choose(self.reference)
                print("PARROT", clip.name, clip.text or self.reference_text, flush=True)
                return Repeats(references.usable(clip.path))

        @dataclass
        class Repeats:
            clip: Audio

            def speak(self, text):
                yield Audio(self.clip.samples[: self.clip.rate], self.clip.rate)
    """,
    "parrot.toml": """
        [asr]
        model = "whisper-tiny.en"
        [llm]
        engine = "echo"
        [tts]
        engine = "parrot"
    """,
}
"""An installed package with an engine that says the first second of its reference voice, whatever it is to say."""

CLIENT = """
import json, sys
from gradio_client import Client, handle_file
client = Client(sys.argv[1], verbose=False)
for file, text in json.loads(sys.argv[2]):
    try:
        answer = client.predict(handle_file(file) if file else None, text, api_name="/reference")
    except Exception as error:
        answer = str(error)
    print(json.dumps(answer), flush=True)
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """The page's address, the folder of its cache, and that of the plug-in."""
    site, cache = tmp_path_factory.mktemp("site"), tmp_path_factory.mktemp("cache")
    for name, text in PLUG_IN.items():
        (site / name).parent.mkdir(exist_ok=True)
        (site / name).write_text(textwrap.dedent(text))
    (cache / "models").symlink_to(references.own_folder().parent / "models")
    env = {"PYTHONPATH": str(site), "CLEANS2S_CACHE": str(cache)}
    with running("--profile", str(site / "parrot.toml"), **env) as (address, _):
        yield address, cache


def brought(address: str, *clips: tuple[Path | str, str]) -> list[list[str] | str]:
    """What the page answers to one clip after the other: the chooser and the text, or a complaint."""
    asked = json.dumps([(str(file), text) for file, text in clips])
    command = [sys.executable, "-W", "ignore", "-c", CLIENT, address, asked]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def spoken(address: str, *references: str, profile: str = "") -> list[Audio]:
    """How the agent speaks with each of these reference voices, within one conversation."""

    async def converse() -> list[Audio]:
        url = {"websocket_base_url": f"ws{address.removeprefix('http')}/v1"}
        async with AsyncOpenAI(api_key="none", base_url=f"{address}/v1", **url) as client:
            extra = {"profile": profile} if profile else {}
            async with client.realtime.connect(model="cleans2s", extra_query=extra) as connection:
                return [await said(connection, each) for each in references]

    async def said(connection, reference: str) -> Audio:
        if reference:
            await connection.send({"type": "cleans2s.configure", "settings": {"tts.reference": reference}})
        sound = b""
        async for event in connection:
            assert event.type != "error", event
            if event.type == ("cleans2s.configured" if reference else "session.created"):
                await connection.conversation.item.create(
                    item={"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hello there."}]}
                )
                await connection.response.create()
            elif event.type == "response.output_audio.delta":
                sound += base64.b64decode(event.delta)
            elif event.type == "response.done":
                return Audio.from_pcm16(sound, 24_000)
        raise AssertionError("the server ended the conversation")

    return anyio.run(converse)


def likeness(sound: Audio, clip: Path) -> float:
    """Correlation of the first second, or of all of a sound that is shorter (a greeting may be)."""
    size = min(22_000, len(sound.samples))
    return float(np.corrcoef(sound.samples[:size], Audio.from_file(clip).resampled(24_000).samples[:size])[0, 1])


def test_the_voice_speaks_like_the_chosen_clip_at_once(place):
    clips = references.load()
    clara, henry, back = spoken(place[0], "clara", "henry", "clara")
    assert likeness(clara, clips["clara"].path) > 0.99
    assert likeness(henry, clips["henry"].path) > 0.99
    assert likeness(back, clips["clara"].path) > 0.99
    assert abs(likeness(clara, clips["henry"].path)) < 0.5


def test_a_clip_of_ones_own_is_checked_kept_and_spoken_like(place):
    address, cache = place
    clip = references.load()["maya"]
    (typed, heard) = brought(address, (clip.path, clip.text), (clip.path, ""))
    for answer in (typed, heard):
        assert references.error_rate(clip.text, answer[1]) < references.DIFFERENT
        chooser = answer[0]
        name = chooser["value"] if isinstance(chooser, dict) else chooser
        assert references.OWN.fullmatch(name)
        assert (cache / "references" / f"{name}.txt").read_text("utf-8") == answer[1]
        (sound,) = spoken(address, name)
        assert likeness(sound, clip.path) > 0.98
    assert typed[1] == clip.text
    assert typed[0] != heard[0]


def test_a_clip_that_no_voice_can_be_made_of_is_refused_with_a_sentence(place, tmp_path):
    address, cache = place
    clip = references.load()["henry"]
    sound = Audio.from_file(clip.path)
    before = set((cache / "references").glob("*")) if (cache / "references").is_dir() else set()
    (tmp_path / "letter.wav").write_text("Dear reader, this is not a recording." * 100)
    save_wav(tmp_path / "short.wav", sound.samples[: 2 * sound.rate], sound.rate)
    save_wav(tmp_path / "silent.wav", silence(12), 16_000)
    Audio(np.tile(sound.samples, 4), sound.rate).save(tmp_path / "long.wav")
    answers = brought(
        address,
        ("", clip.text),
        (tmp_path / "letter.wav", clip.text),
        (tmp_path / "short.wav", clip.text),
        (tmp_path / "silent.wav", ""),
        (tmp_path / "long.wav", ""),
        (clip.path, "Something quite different, of which not a word is said in this recording."),
    )
    expected = (
        "there is no clip yet; record one or upload it",
        "cannot be read as sound",
        "lasts 2.0 s; expected 3 to 30 s",
        "is silent; expected clear speech",
        "expected 3 to 30 s, best 10 to 20 s: cut it",
        "does not say its text",
    )
    assert len(answers) == len(expected)
    for answer, sentence in zip(answers, expected, strict=True):
        assert sentence in answer
        assert "Traceback" not in answer
    after = set((cache / "references").glob("*")) if (cache / "references").is_dir() else set()
    assert after == before


@in_browser
def test_the_chooser_and_the_upload_act_on_the_conversation_of_the_page(place, tmp_path):
    clip = references.load()["maya"]
    told = """() => { window.told = [];
      window.cleans2s.voice.addEventListener('server', ({ detail }) =>
        detail.type === 'cleans2s.configured' && window.told.push(detail.settings['tts.reference'])); }"""
    with page(place[0], microphone(tmp_path, 90.0)) as opened:
        opened.evaluate(told)
        opened.get_by_label("Write to the agent").fill("Hello there.")
        opened.keyboard.press("Enter")
        answered(opened)
        opened.get_by_role("button", name="Settings").click()
        opened.get_by_label("Reference voice").first.click()
        opened.get_by_role("option", name="henry").click()
        opened.wait_for_function("window.told.at(-1) === 'henry'")
        opened.get_by_role("button", name="A reference voice of your own").click()
        opened.locator("input[type=file][accept*=audio]").first.set_input_files(clip.path)
        opened.get_by_label("What is said in it").fill(clip.text)
        opened.get_by_role("button", name="Use this voice").click()
        opened.wait_for_function("/^own-[0-9a-f]{32}$/.test(window.told.at(-1))", timeout=60_000)
        lacks = opened.get_by_text("cannot speak like a reference")
        assert lacks.count() == 0 or not lacks.is_visible()
        opened.get_by_label("Engines").click()
        opened.get_by_role("option", name="embedded", exact=True).click()
        lacks.wait_for()


# ── another profile ───────────────────────────────────────────────────────────────────────────────────────────────────


def resident_mb(pid: int) -> float:
    return psutil.Process(pid).memory_info().rss / 1e6


@pytest.mark.skipif(sys.platform != "linux", reason="other systems give memory back when they like")
def test_another_profile_acts_on_the_next_conversation_and_its_models_go_with_it(tmp_path):
    for name, text in PLUG_IN.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(textwrap.dedent(text))
    with running("--profile", str(tmp_path / "parrot.toml"), PYTHONPATH=str(tmp_path)) as (address, server):
        (before,) = spoken(address, "")
        light_mb = resident_mb(server.pid)
        (embedded,) = spoken(address, "", profile="embedded")
        heavy_mb = resident_mb(server.pid)
        after, after_mb = None, heavy_mb
        for _ in range(3):  # it returns beside the next conversation, not before it
            (after,) = spoken(address, "")
            after_mb = min(after_mb, resident_mb(server.pid))
    clip = references.load()["clara"].path
    assert likeness(before, clip) > 0.99
    assert abs(likeness(embedded, clip)) < 0.5
    assert likeness(after, clip) > 0.99
    figures = f"{light_mb:.0f}, {heavy_mb:.0f}, {after_mb:.0f} MB"
    assert heavy_mb - light_mb > 150, figures
    assert after_mb - light_mb < 0.5 * (heavy_mb - light_mb), figures
