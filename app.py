"""The face of cleans2s on Gradio: upload or record a question, hear and read the answer."""

from __future__ import annotations

import tempfile
from pathlib import Path

import gradio as gr

from cleans2s.ask import answer_of
from cleans2s.audio import Audio
from cleans2s.config import Config
from cleans2s.errors import Cleans2sError
from cleans2s.talk import talk

MAX_S = 60.0
"""Longest recording that is taken: it is played to the agent in real time."""


async def answer(recording: str | None) -> tuple[str, str, tuple[int, object], str, str]:
    """Play a recorded question to the agent; its words, the answer, its sound, the picture, the event log."""
    try:
        if recording is None:
            raise Cleans2sError("there is no recording yet; record a question or upload one")
        sound = Audio.from_file(recording)
        if sound.duration_s > MAX_S:
            raise Cleans2sError(f"the recording is {sound.duration_s:.0f} s long; expected at most {MAX_S:.0f} s")
        talked = await talk([sound], Config())
        said = answer_of(talked, sound)
    except Cleans2sError as error:
        raise gr.Error(str(error), print_exception=False) from None
    folder = Path(tempfile.mkdtemp(prefix="cleans2s-"))
    talked.recording.save_events(folder / "events.jsonl")
    said.timeline.save(folder / "timeline.png")
    sound_out = (said.audio.rate, (said.audio.samples * 32767).astype("int16"))
    return said.question, said.text, sound_out, str(folder / "timeline.png"), str(folder / "events.jsonl")


def build() -> gr.Blocks:
    with gr.Blocks(title="cleans2s") as page:
        gr.Markdown("# cleans2s\nUpload a question or record one; it is played to the agent in real time.")
        with gr.Row():
            with gr.Column():
                recording = gr.Audio(sources=["upload", "microphone"], type="filepath", label="Your question")
                ask = gr.Button("Ask", variant="primary")
            with gr.Column():
                heard = gr.Textbox(label="You said")
                text = gr.Textbox(label="The agent")
                sound = gr.Audio(label="The answer", autoplay=True)
        picture = gr.Image(label="What happened when", type="filepath", show_label=False)
        log = gr.File(label="Event log")
        # One conversation at a time: two would share the two cores and both be slow.
        ask.click(answer, recording, [heard, text, sound, picture, log], concurrency_limit=1, api_name="ask")
    return page


if __name__ == "__main__":
    build().launch()
