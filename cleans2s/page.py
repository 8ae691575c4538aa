"""The page: talk to the agent, change how it behaves while it runs, ask it by file, connect to it.

    cleans2s.app().launch()          # in a notebook cell, a script, or a Space

Gradio serves the page and its controls; the conversation itself is a WebSocket of this very server (see docs/realtime.md)
with the browser's own audio, because a voice that goes through a form field comes seconds late and cannot be interrupted.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.themes import Soft

from . import page_documents, page_mind, profiles, references, uploads
from .answer import answer_of
from .audio import Audio
from .config import Config
from .engines import Engines
from .errors import Cleans2sError
from .models import cache_folder
from .page_mind import CONFIGURE, i18n
from .realtime.adjusting import recognisers
from .realtime.settings import voices
from .server import Server
from .serving import Serving
from .talk import talk
from .words import CONNECT

MAX_S = 60.0
"""Longest recording that is taken: it is played to the agent in real time."""

KEPT_S = 3600.0
"""The picture and the log of an answer can be looked at for so long."""

MOUNT = """
const root = new URL((window.gradio_config && window.gradio_config.root) || '.', location.href);
const base = root.href.replace(/\\/?(\\?.*)?$/, '/');
const panel = element.querySelector('.cleans2s-talk');
const modules = ['talk', 'voice', 'ready', 'words', 'shelf'].map((name) => import(`${base}cleans2s/web/${name}.js`));
Promise.all(modules).then(([{ mount }, { Voice }, { ready }, { texts }, { shelfOf }]) => {
  const address = base.replace(/^http/, 'ws') + 'v1/realtime';
  const url = () => address + (panel.dataset.profile ? `?profile=${encodeURIComponent(panel.dataset.profile)}` : '');
  const settings = { proactive: panel.dataset.proactive === 'true' };
  const token = () => server.ticket();
  mount(panel, { Voice, url, token, settings, shelf: shelfOf(base, token), web: panel.dataset.web === 'true' });
  ready(panel, base, texts());
});
"""
"""The panel is mounted into Gradio's element; all addresses are relative to the page, so that it works behind a proxy with a
path prefix, and over https."""

UPDATE = "(value) => {{ window.cleans2s?.update({session}); }}"
TURNS = """(interruption, eagerness) => { window.cleans2s?.update({audio: {input: {turn_detection:
  {type: 'semantic_vad', eagerness: eagerness, interrupt_response: interruption, create_response: true}}}}); }"""
PROFILE = "(value) => { document.querySelector('.cleans2s-talk').dataset.profile = value; }"


class App(gr.Blocks):
    """Blocks that bring their server along."""

    def __init__(self, server: Server, **options: Any) -> None:
        super().__init__(**options)
        self.voice_server = server

    def launch(self, *args: Any, **options: Any) -> Any:
        """As Gradio's own, beside the Realtime server's routes on the same port; the engines are loaded meanwhile."""
        app_options: dict[str, Any] = options.pop("app_kwargs", None) or {}
        app_options["routes"] = [*self.voice_server.routes(), *app_options.get("routes", ())]
        self.voice_server.load_in_background()
        options["allowed_paths"] = [*(options.get("allowed_paths") or ()), str(answers_folder())]
        settled = {"i18n": i18n, "theme": theme(), "ssr_mode": False, "footer_links": ["gradio"], "app_kwargs": app_options}
        return super().launch(*args, **settled | options)


def theme() -> Soft:
    return Soft(primary_hue="indigo", font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"])


def app(config: Config | None = None, serving: Serving | None = None) -> App:
    """The page with its server; `launch()` starts both."""
    server = Server(config, serving)
    with App(server, title="cleans2s", analytics_enabled=False, delete_cache=(3600, 3600)) as page:
        gr.Markdown("# cleans2s", elem_id="title")
        with gr.Tab(i18n("talk")):
            talk_panel(server)
            settings(server)
        with gr.Tab(i18n("compare")):
            page_documents.compare(server)
        with gr.Tab(i18n("offline")):
            offline(server.config)
        with gr.Tab(i18n("connect")):
            connect(page)
    return page


# ── building blocks ───────────────────────────────────────────────────────────────────────────────────────────────────


def talk_panel(server: Server) -> gr.HTML:
    """Microphone, loudspeaker, transcript and timeline, connected to the server that serves this page."""

    def ticket(_: object) -> str:  # Gradio's own login, where there is one, guards this call
        return server.ticket()

    switches = " ".join(f'data-{name}="{str(getattr(server.config, name)).lower()}"' for name in ("proactive", "web"))
    return gr.HTML(
        html_template=f'<div class="cleans2s-talk" {switches}></div>',
        js_on_load=MOUNT,
        server_functions=[ticket],
        elem_id="cleans2s-talk",
    )


def settings(server: Server) -> None:
    """Controls that act at once on the conversation of this page: in the browser they become `session.update`. Another
    profile has other engines, and acts on the next conversation."""
    config, profile = server.config, None
    with gr.Accordion(i18n("settings"), open=False):
        if server.serving.profiles:
            choices = [(i18n("own_profile"), ""), *((name, name) for name in server.serving.profiles)]
            profile = gr.Dropdown(choices, value="", label=i18n("profile"), info=i18n("profile_info"))
            profile.input(None, [profile], None, js=PROFILE)
        with gr.Row():
            interruption = gr.Checkbox(config.interruption, label=i18n("interruption"), info=i18n("interruption_info"))
            eagerness = gr.Radio(
                [(i18n("relaxed"), "low"), (i18n("balanced"), "auto"), (i18n("quick"), "high")],
                value="auto",
                label=i18n("eagerness"),
                info=i18n("eagerness_info"),
            )
        for control in (interruption, eagerness):
            control.input(None, [interruption, eagerness], None, js=TURNS)
        page_mind.initiative(config)
        page_mind.character(config)
        character = gr.Textbox(config.instructions, label=i18n("character"), info=i18n("character_info"), lines=2, max_lines=8)
        gr.on(  # not at every key: half a prompt would be read by the model
            [character.blur, character.submit],
            None,
            [character],
            None,
            js=UPDATE.format(session="{instructions: value}"),
        )
        with gr.Row():
            length = gr.Slider(10, 200, 120, step=10, label=i18n("length"), info=i18n("length_info"))
            length.release(None, [length], None, js=UPDATE.format(session="{max_output_tokens: value}"))
            speed = gr.Slider(0.5, 1.5, 1.0, step=0.05, label=i18n("speed"), info=i18n("speed_info"))
            speed.release(None, [speed], None, js=UPDATE.format(session="{audio: {output: {speed: value}}}"))
        with gr.Row():
            for name, low, high, step in (("volume_db", -20, 12, 1), ("pitch", -12, 12, 0.5)):
                effect = gr.Slider(low, high, 0, step=step, label=i18n(name), info=i18n(f"{name}_info"))
                effect.release(None, [effect], None, js=CONFIGURE.format(settings=f"{{'effects.{name}': value}}"))
        with gr.Row():
            if len(names := recognisers(config)) > 1:
                recogniser = gr.Radio(names, value=names[0], label=i18n("recogniser"), info=i18n("recogniser_info"))
                recogniser.input(None, [recogniser], None, js=CONFIGURE.format(settings="{'asr.model': value}"))
            if len(names := voices(config)) > 1:
                voice = gr.Dropdown(names, value=names[0], label=i18n("voice"))
                voice.input(None, [voice], None, js=UPDATE.format(session="{audio: {output: {voice: value}}}"))
        reference_voices(server, profile)


def reference_voices(server: Server, profile: gr.Dropdown | None) -> None:
    """Whom the voice speaks like, where it can: a clip of the project, or one's own."""
    config = server.config
    listed: list[tuple[Any, str]] = [(i18n("own_profile"), "")]
    listed += [(i18n("at_random") if name == references.RANDOM else name, name) for name in references.names()]

    async def keep(recording: str | None, text: str, own: list[tuple[str, str]]) -> tuple[Any, str, list[tuple[str, str]]]:
        clip = await kept(recording, text, config)
        own = [*own, (f"{Path(recording or '').stem} {len(own) + 1}", clip.name)]
        return gr.Dropdown(choices=[*listed, *own], value=clip.name), clip.text, own

    def note(name: str) -> Any:
        return gr.Markdown(visible=not takes_reference(profiles.load(name) if name in server.serving.profiles else config))

    lacks = gr.Markdown(i18n("no_reference"), visible=not takes_reference(config))
    clips = gr.Dropdown(listed, value="", label=i18n("reference"), info=i18n("reference_info"))
    clips.input(None, [clips], None, js=CONFIGURE.format(settings="{'tts.reference': value}"))
    if profile:
        profile.input(note, [profile], [lacks], api_name="reference_note", show_progress="hidden")
    with gr.Accordion(i18n("own_voice"), open=False):
        gr.Markdown(i18n("own_voice_text"))
        recording = gr.Audio(sources=["upload", "microphone"], type="filepath", label=i18n("clip"))
        text = gr.Textbox(label=i18n("clip_text"), info=i18n("clip_text_info"), lines=2)
        use = gr.Button(i18n("use_clip"))
        own = gr.State(list[tuple[str, str]]())
        # A clip that is refused leaves everything as it was, the text and the recording as well.
        done = use.click(keep, [recording, text, own], [clips, text, own], concurrency_limit=1, api_name="reference")
        done.success(None, [clips], None, js=CONFIGURE.format(settings="{'tts.reference': value}"))


def takes_reference(config: Config) -> bool:
    return hasattr(config.tts, "reference")


async def kept(recording: str | None, text: str, config: Config) -> references.Reference:
    """A clip of the user's own, or a sentence on why no voice can be made of it."""
    try:
        if recording is None:
            raise Cleans2sError("there is no clip yet; record one or upload it")
        if hasattr(config.asr, "language"):
            config = config.changed({"asr.language": references.language_of(text)})
        engines = Engines(config, time.monotonic, lambda event: None)
        await engines.load()
        return await uploads.take(recording, text, engines.transcribe)
    except Cleans2sError as error:
        raise gr.Error(str(error), print_exception=False) from None


def offline(config: Config) -> None:
    """Ask by a file or a recording; the answer, the picture and the log of what happened."""

    async def answer(recording: str | None) -> tuple[str, str, tuple[int, object] | None, str, str]:
        return await answered(recording, config)

    gr.Markdown(i18n("offline_text"))
    with gr.Row():
        with gr.Column():
            recording = gr.Audio(sources=["upload", "microphone"], type="filepath", label=i18n("question"))
            ask = gr.Button(i18n("ask"), variant="primary")
        with gr.Column():
            heard = gr.Textbox(label=i18n("heard"))
            text = gr.Textbox(label=i18n("agent"))
            sound = gr.Audio(label=i18n("answer"), autoplay=True)
    picture = gr.Image(label=i18n("picture"), type="filepath", show_label=False)
    log = gr.File(label=i18n("log"))
    # One conversation at a time: two would share the cores and both be slow.
    ask.click(answer, recording, [heard, text, sound, picture, log], concurrency_limit=1, api_name="ask")


async def answered(recording: str | None, config: Config) -> tuple[str, str, tuple[int, object] | None, str, str]:
    """Play a recorded question to the agent; its words, the answer, its sound, the picture, the event log."""
    try:
        if recording is None:
            raise Cleans2sError("there is no recording yet; record a question or upload one")
        sound = Audio.from_file(recording)
        if sound.duration_s > MAX_S:
            raise Cleans2sError(f"the recording is {sound.duration_s:.0f} s long; expected at most {MAX_S:.0f} s")
        talked = await talk([sound], config)
        said = answer_of(talked, sound)
    except Cleans2sError as error:
        raise gr.Error(str(error), print_exception=False) from None
    folder = new_answer()
    talked.recording.save_events(folder / "events.jsonl")
    said.timeline.save(folder / "timeline.png")
    sound_out = (said.audio.rate, (said.audio.samples * 32767).astype("int16")) if said.text else None
    words = said.text or (f"({said.judged.strategy}: {said.judged.reason})" if said.judged else "")
    return said.question, words, sound_out, str(folder / "timeline.png"), str(folder / "events.jsonl")


def answers_folder() -> Path:
    """Where the files of answers are, beside the weights in the cache. Gradio must be told, or it refuses to show them."""
    answers = cache_folder().parent / "answers"
    answers.mkdir(parents=True, exist_ok=True)
    return answers


def new_answer() -> Path:
    """A folder for the files of one answer; those of an hour ago are removed."""
    for folder in answers_folder().iterdir():
        if folder.stat().st_mtime < time.time() - KEPT_S:
            shutil.rmtree(folder, ignore_errors=True)
    return Path(tempfile.mkdtemp(dir=answers_folder()))


def connect(page: gr.Blocks) -> None:
    """How other programs talk to this very server."""
    gr.Markdown(i18n("connect_text"))
    code = gr.Code(CONNECT, language="python", label=i18n("example"), interactive=False)
    address = "(text) => text.replaceAll('http://127.0.0.1:7860', new URL('.', location.href).href.replace(/\\/$/, ''))"
    page.load(None, [code], [code], js=address)
