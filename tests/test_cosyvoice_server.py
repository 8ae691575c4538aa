"""CosyVoice's own server: the real paths and form fields of it, over a real connection."""

from __future__ import annotations

import io
import threading
from contextlib import aclosing, contextmanager

import anyio
import numpy as np
import pytest
import soundfile
from fastapi import FastAPI, Form, UploadFile
from serving_thread import address_of, listening
from starlette.responses import JSONResponse, Response, StreamingResponse

from cleans2s import references
from cleans2s.audio import save_wav, silence
from cleans2s.blocking import running
from cleans2s.errors import ModelError, StageError
from cleans2s.tts.cosyvoice import CosyVoice

CLARA = references.load()["clara"]


class Place:
    """What the server is told to do, and what it was asked."""

    def __init__(self):
        self.asked, self.answer, self.left, self.address = [], self.tone, threading.Event(), ""

    def sound(self):
        return (np.sin(np.arange(24_000) / 20) * 20_000).astype("<i2").tobytes()

    def tone(self):
        sound = self.sound()
        for start in range(0, len(sound), 1001):  # cuts samples in two
            yield sound[start : start + 1001]

    async def endless(self):
        try:
            while True:
                yield self.sound()
                await anyio.sleep(0.01)
        finally:
            self.left.set()

    def breaks_off(self):
        yield self.sound()
        raise ConnectionError("out of memory")

    def as_wav(self):
        file = io.BytesIO()
        save_wav(file, silence(1), 24_000)
        yield file.getvalue()


def app(place):
    """The paths and form fields of the official server."""
    api = FastAPI()

    def answer(name, clip=None, **form):
        if clip is not None:
            samples, rate = soundfile.read(clip.file, dtype="float32")
            form |= {"seconds": len(samples) / rate, "rate": rate, "peak": float(np.abs(samples).max())}
        place.asked.append((name, form))
        made = place.answer()
        return made if isinstance(made, Response) else StreamingResponse(made)

    @api.post("/inference_zero_shot")
    async def zero_shot(prompt_wav: UploadFile, tts_text: str = Form(), prompt_text: str = Form()):
        return answer("zero_shot", prompt_wav, tts_text=tts_text, prompt_text=prompt_text)

    @api.post("/inference_cross_lingual")
    async def cross_lingual(prompt_wav: UploadFile, tts_text: str = Form()):
        return answer("cross_lingual", prompt_wav, tts_text=tts_text)

    @api.post("/inference_instruct")
    async def instruct(tts_text: str = Form(), spk_id: str = Form(), instruct_text: str = Form()):
        return answer("instruct", tts_text=tts_text, spk_id=spk_id, instruct_text=instruct_text)

    return api


@contextmanager
def served(api):
    with listening(api) as server:
        yield f"http://{address_of(server)}"


@pytest.fixture
def place():
    place = Place()
    with served(app(place)) as place.address:
        yield place


def said(loaded, text="What a day."):
    async def gather():
        async with aclosing(loaded.speak(text)) as pieces:
            return [audio async for audio in pieces]

    return anyio.run(gather)


def test_the_server_is_asked_in_its_form_and_its_samples_are_heard(place):
    loaded = CosyVoice(reference="clara", server=place.address + "/").load()
    pieces = said(loaded)
    assert len(pieces) > 1
    samples = np.concatenate([audio.samples for audio in pieces])
    assert np.allclose(samples, np.frombuffer(place.sound(), "<i2") / 32768, atol=1e-6)
    assert {audio.rate for audio in pieces} == {24_000}
    ((name, form),) = place.asked
    assert name == "zero_shot"
    assert (form["tts_text"], form["prompt_text"], form["rate"]) == ("What a day.", CLARA.text, 24_000)
    assert form["seconds"] == pytest.approx(references.usable(CLARA.path).duration_s)
    assert form["peak"] > 0.1


def test_the_servers_other_paths(place):
    said(CosyVoice("x/CosyVoice3", "cross_lingual", "lan", server=place.address, rate=22_050).load(), "你好。")
    assert place.asked[-1][0] == "cross_lingual"
    assert place.asked[-1][1]["tts_text"] == "You are a helpful assistant.<|endofprompt|>你好。"
    settings = CosyVoice(
        mode="instruct", reference="lan", instruction="gently", speaker="中文女", server=place.address, rate=22_050
    )
    assert {audio.rate for audio in said(settings.load())} == {22_050}
    assert place.asked[-1] == ("instruct", {"tts_text": "What a day.", "spk_id": "中文女", "instruct_text": "gently"})


def test_an_interruption_closes_the_connection(place):
    place.answer = place.endless
    loaded = CosyVoice(reference="clara", server=place.address).load()

    async def interrupt():
        async with running(loaded.speak, "A long story.") as pieces:
            assert (await anext(pieces)).peak > 0.1

    anyio.run(interrupt)
    assert place.left.wait(10)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ("breaks_off", r"the CosyVoice server broke off \(RemoteProtocolError: .*\); see its log"),
        ("as_wav", "sends another format; expected the bare samples"),
    ],
)
def test_faults_of_the_server_are_named(place, answer, message):
    place.answer = getattr(place, answer)
    with pytest.raises(StageError, match=message):
        said(CosyVoice(reference="clara", server=place.address).load())


def test_a_refusal_of_the_server_is_passed_on(place):
    place.answer = lambda: JSONResponse({"detail": "no GPU memory left"}, 503)
    with pytest.raises(StageError, match=r"answered 503 to /inference_zero_shot: .*no GPU memory left"):
        said(CosyVoice(reference="clara", server=place.address).load())


def test_an_address_where_no_such_server_is(place):
    with pytest.raises(ModelError, match=r"no CosyVoice server answers at tts\.server \(ConnectError: .*start it with"):
        CosyVoice(reference="clara", server="http://127.0.0.1:9").load()
    with pytest.raises(ModelError, match=r"no CosyVoice server answers at tts\.server \(UnsupportedProtocol"):
        CosyVoice(reference="clara", server="localhost").load()
    with pytest.raises(ModelError, match="has no /inference_instruct2"):
        CosyVoice(mode="instruct", instruction="x", reference="clara", server=place.address).load()
    with served(FastAPI(openapi_url=None)) as address:
        loaded = CosyVoice(reference="clara", server=address).load()
        with pytest.raises(StageError, match="answered 404"):
            said(loaded)
