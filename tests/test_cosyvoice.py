"""CosyVoice without its weights: its settings, and the official modules' own signatures over emptied bodies."""

from __future__ import annotations

import ast
import importlib.metadata
import sys
import weakref

import anyio
import pytest

from cleans2s import references, stages
from cleans2s.audio import save_wav, silence
from cleans2s.blocking import running
from cleans2s.errors import AudioError, ConfigError, ModelError, StageError
from cleans2s.tts import cosyvoice
from cleans2s.tts.cosyvoice import CosyVoice

CLARA = references.load()["clara"]


# ── the official modules ──────────────────────────────────────────────────────────────────────────────────────────────

EMPTIED = """
from types import SimpleNamespace
import numpy
CALLS = []

def emptied(name, given):
    model = given.pop("self")
    CALLS.append((name, {"class": type(model).__name__, **given}))
    if name == "__init__":
        model.model, model.sample_rate = SimpleNamespace(llm=LLM), 24000
    elif name.startswith("inference"):
        return made()

def made():
    try:
        for level in (0.25, 0.5, 0.75):
            yield {"tts_speech": numpy.full((1, 2400), level, numpy.float32)}
    finally:
        CALLS.append(("closed", {}))
"""

SINCE_3 = """
class CosyVoice:
    def __init__(self, model_dir, load_jit=False, load_trt=False, fp16=False, trt_concurrent=1): ...
    def add_zero_shot_spk(self, prompt_text, prompt_wav, zero_shot_spk_id): ...
    def inference_zero_shot(self, tts_text, prompt_text, prompt_wav, zero_shot_spk_id="", stream=False, speed=1.0,
                            text_frontend=True): ...
    def inference_cross_lingual(self, tts_text, prompt_wav, zero_shot_spk_id="", stream=False, speed=1.0,
                                text_frontend=True): ...
    def inference_instruct(self, tts_text, spk_id, instruct_text, stream=False, speed=1.0, text_frontend=True): ...

class CosyVoice2(CosyVoice):
    def __init__(self, model_dir, load_jit=False, load_trt=False, load_vllm=False, fp16=False, trt_concurrent=1): ...
    def inference_instruct2(self, tts_text, instruct_text, prompt_wav, zero_shot_spk_id="", stream=False, speed=1.0,
                            text_frontend=True): ...

class CosyVoice3(CosyVoice2):
    def __init__(self, model_dir, load_trt=False, load_vllm=False, fp16=False, trt_concurrent=1): ...
"""
"""The methods' heads as they are in the official repository since CosyVoice 3, which no package carries."""


def until_3():
    """The official source of CosyVoice 1 and 2, from the package that carries it: `pip install --no-deps cosyvoice-minicpmo`
    (its part that reads text is missing, but the heads of the methods are the official ones)."""
    try:
        package = importlib.metadata.distribution("cosyvoice-minicpmo")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("cosyvoice-minicpmo is not installed")
    pytest.importorskip("torch")
    return package.locate_file("cosyvoice/cli/cosyvoice.py").read_text("utf-8")


def with_empty_bodies(source):
    classes = [node for node in ast.parse(source).body if isinstance(node, ast.ClassDef)]
    for node in classes:
        node.body = [each for each in node.body if isinstance(each, ast.FunctionDef)]
        for method in node.body:
            method.body = ast.parse(f"return emptied({method.name!r}, locals())").body
    return EMPTIED + "\n".join(map(ast.unparse, classes))


@pytest.fixture
def official(request, tmp_path, monkeypatch):
    """A function that puts modules with these signatures on the path, makes a folder that looks like a version's weights,
    and returns that folder and the list of the modules' calls."""

    def at(version, source, llm="'a language model'"):
        package = tmp_path / "code" / "cosyvoice" / "cli"
        package.mkdir(parents=True)
        for folder in (package.parent, package):
            (folder / "__init__.py").touch()
        (package / "cosyvoice.py").write_text(f"LLM = {llm}\n" + with_empty_bodies(source), "utf-8")
        monkeypatch.syspath_prepend(tmp_path / "code")
        weights = tmp_path / "weights"
        weights.mkdir()
        names = [*cosyvoice.WEIGHTS, f"speech_tokenizer_v{version}.onnx"]
        for name in (*names, next(file for file, number in cosyvoice.VERSIONS.items() if number == version)):
            (weights / name).touch()
        return weights, stages.imported("cosyvoice.cli.cosyvoice").CALLS

    def forget():
        stages.unload(())
        for name in [name for name in sys.modules if name.partition(".")[0] == "cosyvoice"]:
            del sys.modules[name]

    forget()
    yield at
    forget()


def heard(pieces):
    pieces = list(pieces)
    assert {audio.rate for audio in pieces} == {24_000}
    return [float(audio.samples.mean()) for audio in pieces]


def is_clip(given):
    """Whether a 16 kHz tensor, or a path, is the clip."""
    if isinstance(given, str):
        return given == str(CLARA.path)
    return tuple(given.shape) == (1, len(references.usable(CLARA.path).resampled(16_000).samples))


@pytest.mark.parametrize(("source", "clip"), [(until_3, "prompt_speech_16k"), (lambda: SINCE_3, "prompt_wav")])
def test_zero_shot_calls_the_official_modules_as_they_want_it(official, source, clip):
    weights, calls = official(2, source())
    loaded = stages.load(CosyVoice(str(weights), reference="clara"))
    assert heard(loaded.speak("What a day.")) == [0.25, 0.5, 0.75]
    built, learnt, _, spoken = [each for each in calls if each[0] != "closed"]
    assert built[1]["class"] == "CosyVoice2"
    assert built[1]["model_dir"] == str(weights)
    assert learnt[0] == "add_zero_shot_spk"
    assert learnt[1]["prompt_text"] == CLARA.text
    assert is_clip(learnt[1][clip])
    assert spoken[0] == "inference_zero_shot"
    assert (spoken[1]["tts_text"], spoken[1]["prompt_text"]) == ("What a day.", CLARA.text)
    assert spoken[1]["zero_shot_spk_id"] == learnt[1]["zero_shot_spk_id"] != ""
    assert (spoken[1]["stream"], spoken[1]["speed"]) == (True, 1.0)
    assert is_clip(spoken[1][clip])


@pytest.mark.parametrize("source", [until_3, lambda: SINCE_3])
def test_other_modes_call_their_own_methods(official, source):
    weights, calls = official(2, source())
    crossing = CosyVoice(str(weights), "cross_lingual", "clara", speed=1.2).load()
    list(crossing.speak("Guten Tag."))
    name, given = calls[-2]
    assert name == "inference_cross_lingual"
    assert (given["tts_text"], given["stream"], given["speed"]) == ("Guten Tag.", False, 1.2)
    list(CosyVoice(str(weights), "instruct", "clara", instruction="speak slowly").load().speak("Hi."))
    name, given = calls[-2]
    assert name == "inference_instruct2"
    marked = "prompt_wav" in given  # the modules add the mark themselves before, and no more since
    assert given["instruct_text"] == "speak slowly" + ("<|endofprompt|>" if marked else "")
    assert len([name for name, _ in calls if name == "__init__"]) == 1  # the weights are loaded once
    there = weakref.ref(crossing.weights)
    del crossing
    stages.unload(())
    assert there() is None  # and go with the last voice that has them


def test_cosyvoice_1_is_instructed_by_a_speaker_of_its_own(official):
    weights, calls = official(1, until_3())
    settings = CosyVoice(str(weights), "instruct", "clara", instruction="gently", speaker="中文女")
    list(settings.load().speak("Hi."))
    name, given = calls[-2]
    assert (name, given["spk_id"], given["instruct_text"], given["class"]) == (
        "inference_instruct",
        "中文女",
        "gently",
        "CosyVoice",
    )
    with pytest.raises(StageError, match=r"CosyVoice 1 has no inference_instruct2: set tts\.speaker"):
        CosyVoice(str(weights), "instruct", "clara", instruction="gently").load()


def test_cosyvoice_3_gets_its_prompts(official):
    weights, calls = official(3, SINCE_3)
    list(CosyVoice(str(weights), reference="clara").load().speak("Hi."))
    assert calls[-2][1]["prompt_text"] == "You are a helpful assistant.<|endofprompt|>" + CLARA.text
    assert calls[0][1]["class"] == "CosyVoice3"
    list(CosyVoice(str(weights), "cross_lingual", "clara").load().speak("Hi."))
    assert calls[-2][1]["tts_text"] == "You are a helpful assistant.<|endofprompt|>Hi."
    list(CosyVoice(str(weights), "instruct", "clara", instruction="Be calm.").load().speak("Hi."))
    assert calls[-2][1]["instruct_text"] == "You are a helpful assistant. Be calm.<|endofprompt|>"
    with pytest.raises(StageError, match=r"CosyVoice 3 has no inference_instruct: empty tts\.speaker"):
        CosyVoice(str(weights), "instruct", "clara", instruction="x", speaker="y").load()


def test_a_closed_reply_stops_the_modules(official):
    weights, calls = official(3, SINCE_3)
    loaded = CosyVoice(str(weights), reference="clara").load()
    calls.clear()

    async def first_piece():
        async with running(loaded.speak, "A long story.") as pieces:
            return await anext(pieces)

    assert anyio.run(first_piece).duration_s == pytest.approx(0.1)
    assert [name for name, _ in calls] == ["inference_zero_shot", "closed"]


def test_modules_that_are_too_old_or_lack_the_text_part_are_named(official):
    weights, _ = official(3, SINCE_3.replace("class CosyVoice3", "class Other"))
    with pytest.raises(ModelError, match=r"older than CosyVoice 3: clone .* PYTHONPATH"):
        CosyVoice(str(weights), reference="clara").load()


def test_the_modules_of_the_package_that_cannot_read_text_are_refused(official):
    weights, _ = official(3, SINCE_3, llm="None")
    with pytest.raises(ModelError, match="cannot read text: clone"):
        CosyVoice(str(weights), reference="clara").load()


@pytest.mark.parametrize("lost", ["llm.pt", "speech_tokenizer_v3.onnx", "cosyvoice3.yaml"])
def test_half_downloaded_weights_are_named(official, lost):
    weights, _ = official(3, SINCE_3)
    (weights / lost).unlink()
    with pytest.raises(ModelError, match=rf"is not a whole CosyVoice model, it lacks .*{lost}.*: download it again"):
        CosyVoice(str(weights), reference="clara").load()


def test_weights_that_are_nowhere_are_named(official):
    official(3, SINCE_3)
    with pytest.raises(ModelError, match=r"no/such is no folder, .* download that repository .*set tts\.model"):
        CosyVoice("no/such", reference="clara").load()


def test_without_the_modules_it_says_what_to_install(monkeypatch, tmp_path):
    (tmp_path / "cosyvoice").mkdir()
    (tmp_path / "cosyvoice" / "__init__.py").write_text("import hyperpyyaml_is_missing", "utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "cosyvoice", raising=False)
    with pytest.raises(ModelError, match=r"'hyperpyyaml_is_missing'\): clone .*FunAudioLLM/CosyVoice.*tts\.server"):
        CosyVoice(reference="clara").load()


# ── settings ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"mode": "sing"}, "expected zero_shot, cross_lingual or instruct"),
        ({"mode": "instruct"}, r"needs tts\.instruction"),
        ({"reference": "nobody"}, "valid are random, clara"),
    ],
)
def test_settings_that_cannot_be_are_named(settings, message):
    with pytest.raises(ConfigError, match=message):
        CosyVoice(**settings).load()


def test_a_clip_that_cannot_be_used_is_named(tmp_path):
    file = tmp_path / "mine.wav"
    save_wav(file, silence(2), 16_000)
    with pytest.raises(ConfigError, match=r"what is said in mine\.wav\? Set tts\.reference_text"):
        CosyVoice(reference=str(file)).load()
    with pytest.raises(AudioError, match=r"mine\.wav lasts 2\.0 s"):
        CosyVoice(reference=str(file), reference_text="Hello.").load()
