"""What every engine of the registry owes the session. A new row is covered by being there: nothing here knows one engine
from another, but for the stand-ins of those whose weights or services are elsewhere."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import anyio
import numpy as np
import pytest
import uvicorn
from starlette.applications import Starlette

from cleans2s import stages
from cleans2s.audio import RATE, Audio, silence
from cleans2s.blocking import call, running
from cleans2s.config import ENGINES, Config, engine_names
from cleans2s.doctor import needs
from cleans2s.engines import Engines
from cleans2s.errors import Cleans2sError
from cleans2s.http import routes
from cleans2s.profiles import as_toml, as_tree
from cleans2s.stages import Transcript, imported
from cleans2s.testing import ScriptedASR, ScriptedEndOfTurn, ScriptedLLM, ScriptedTTS, ScriptedVAD
from cleans2s.turn import FRAME

ROWS = [(role, name) for role in ENGINES for name in engine_names(role)]
PROTOCOLS = {
    "vad": stages.VAD,
    "endpoint": stages.EndOfTurn,
    "asr": stages.ASR,
    "llm": stages.LLM,
    "tts": stages.TTS,
}
SPEECH = Audio.from_file(Path(__file__).parent / "sounds" / "capital.flac").resampled(RATE)
NOISE = np.random.default_rng(0).standard_normal(2 * RATE).astype(np.float32)
SOUNDS = {
    "nothing": Audio(silence(0)),
    "one sample": Audio(silence(1 / RATE)),
    "a click": Audio(NOISE[:160]),
    "silence": Audio(silence(1.0)),
    "noise": Audio(0.01 * NOISE),
    "full scale": Audio(np.sign(NOISE)),
    "not a number": Audio(np.full(RATE, np.nan)),
    "speech": SPEECH,
    "long": Audio(np.concatenate([SPEECH.samples] * 8)),
}
TEXTS = ["", " ", ".", "…", "?!", "3", "😀", "\n\t", "a" * 80, "Hello, 世界。", "\u202e\x07abc", "<b>&amp;</b> 50 % of $3.50"]
QUESTION = [
    {"role": "system", "content": "You are a friendly assistant. You answer in one short sentence."},
    {"role": "user", "content": "What is the capital of France?"},
]
CHATS: list[stages.Chat] = [
    [{"role": "user", "content": "Hi"}],
    [{"role": "system", "content": ""}, {"role": "user", "content": " "}],
    [*QUESTION, {"role": "assistant", "content": "Paris— [interrupted]"}, {"role": "user", "content": "😀\u202e<|im_end|>\n"}],
    [*QUESTION[:1], {"role": "user", "content": "long words " * 60}],
]


def settings_of(role: str, name: str) -> type[Any]:
    return imported(engine_names(role)[name])


def row_of(settings: Any) -> tuple[str, str]:
    return next(row for row in ROWS if settings_of(*row) is type(settings))


# ── stand-ins: a service on this machine, tiny weights ────────────────────────────────────────────────────────────────


@contextmanager
def service() -> Iterator[str]:
    """This project's own endpoints over scripted engines."""
    scripted = Config(ScriptedVAD(), ScriptedEndOfTurn(), Hears(), Thinks(), Speaks())
    engines = Engines(scripted, time.monotonic, lambda event: None)

    @asynccontextmanager
    async def life(app: Starlette):
        await engines.load()
        yield

    app = Starlette(routes=routes(engines, scripted), lifespan=life)
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="critical", ws="none"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.01)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/v1"
    finally:
        server.should_exit = True
        thread.join()


class Hears(ScriptedASR):
    async def transcribe(self, audio: Audio, partial: bool = False) -> Transcript:
        return Transcript("What is the capital of France?" if audio.peak > 0.05 else "")


class Thinks(ScriptedLLM):
    async def reply_as(self, chat: stages.Chat, wishes: stages.Wishes):
        words = "The capital of France is Paris, of course.".split()[: wishes.max_tokens]
        for word in words:
            yield f"{word} "
        yield stages.Finish("stop" if len(words) > 3 else "length", 10, len(words))


class Speaks(ScriptedTTS):
    async def speak(self, text: str):
        if text.strip(" ."):
            yield Audio(0.5 * NOISE[: RATE // 5], RATE)


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with service() as url:
        yield url


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Folders in FunASR's own format, with random weights."""

    def saved(kind: str) -> str:
        import tiny_funasr

        return str(tiny_funasr.saved(tmp_path_factory.mktemp("weights") / kind, getattr(tiny_funasr, kind)))

    return saved


@pytest.fixture(scope="module")
def settings(request: pytest.FixtureRequest) -> Any:
    role, name = request.param
    kind = settings_of(role, name)
    if name == "openai":
        model = {"asr": "whisper-1", "llm": "gpt-4o-mini", "tts": "tts-1"}[role]
        return kind(model=model, base_url=request.getfixturevalue("url"))
    if name in ("funasr", "fsmn"):
        for package in ("torch", "funasr", "kaldi_native_fbank"):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                pytest.importorskip(package, reason=f"{role}.{name}: the package {package} is not installed")
        saved = request.getfixturevalue("tiny")
        return kind(saved("VAD")) if role == "vad" else kind(saved("PARAFORMER"), saved("PUNCTUATION"))
    return kind()


def loaded(settings: Any) -> Any:
    """Weights of the catalogue are fetched; what would have to come from elsewhere is skipped, with the reason."""
    role, name = row_of(settings)
    lacking = [f.what for f in needs(role, settings) if not f.ok and "models fetch" not in f.mend]
    if lacking:
        pytest.skip(f"{role}.{name}: {'; '.join(lacking)}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # third parties, of their own dependencies
            return stages.load(settings)
    except Cleans2sError as error:
        pytest.skip(f"{role}.{name}: {error}")


def rows(*roles: str) -> Any:
    chosen = [row for row in ROWS if row[0] in roles]
    ids = [".".join(row) for row in chosen]
    return pytest.mark.parametrize("settings", chosen, indirect=True, ids=ids, scope="module")


def items(method: Any, *args: Any, first: int | None = None) -> list[Any]:
    """What a generator method yields, as the session asks for it; only the `first` ones of it."""

    async def ask() -> list[Any]:
        found: list[Any] = []
        async with running(method, *args) as pieces:
            async for piece in pieces:
                found.append(piece)
                if len(found) == first:
                    break
        return found

    return anyio.run(ask)


def value(method: Any, *args: Any) -> Any:
    return anyio.run(call, method, *args)


# ── settings ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("role", "name"), ROWS, ids=map(".".join, ROWS))
def test_settings_are_small_frozen_comparable_and_survive_toml(role, name):
    kind = settings_of(role, name)
    made = kind()
    assert dataclasses.is_dataclass(made)
    assert made == kind() and hash(made) == hash(kind())
    assert kind.__doc__ and not kind.__doc__.startswith(f"{kind.__name__}(")
    for field in dataclasses.fields(made)[:1]:
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(made, field.name, getattr(made, field.name))
    config = dataclasses.replace(Config(), **{role: made})
    tomllib = imported("tomllib" if sys.version_info >= (3, 11) else "tomli")
    values = tomllib.loads(as_toml(config))
    assert values[role]["engine"] == name
    assert Config().changed(values) == config
    for setting, given in values[role].items():  # and each of them on a command line
        if not isinstance(given, list):
            assert config.changed({f"{role}.{setting}": str(given)}) == config
    assert as_tree(config) == values


def test_no_engine_is_imported_before_it_is_loaded():
    """The settings of all of them: nothing heavier than the package itself."""
    heavy = (
        "torch transformers onnxruntime ctranslate2 faster_whisper funasr openai kokoro_onnx piper cosyvoice modelscope gradio"
    )
    program = (
        "import sys\nfrom cleans2s.config import ENGINES\nfrom cleans2s.stages import imported\n"
        "[imported(path)() for rows in ENGINES.values() for path in rows.values()]\n"
        f"print([name for name in {heavy.split()} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=Path(__file__).parent.parent)
    assert done.stdout == "[]\n", done.stderr


# ── loading ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.models
@rows(*ENGINES)
def test_it_meets_its_protocol_and_equal_settings_share_it(settings):
    engine = loaded(settings)
    role, _ = row_of(settings)
    assert isinstance(engine, PROTOCOLS[role])
    assert stages.load(dataclasses.replace(settings)) is engine
    assert getattr(engine, "places", 1) >= 1


# ── the roles ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.models
@rows("vad")
def test_a_vad_gives_probabilities_and_every_microphone_has_its_own(settings):
    engine = loaded(settings)
    for sound in SOUNDS.values():
        hear = engine.stream()
        for start in range(0, min(len(sound.samples), 60 * FRAME) - FRAME + 1, FRAME):
            p = hear(sound.samples[start : start + FRAME])
            assert isinstance(p, float)
            assert 0 <= p <= 1
    one, other, alone = engine.stream(), engine.stream(), engine.stream()
    frames = [SPEECH.samples[start : start + FRAME] for start in range(0, 30 * FRAME, FRAME)]
    beside = []
    for frame in frames:
        beside.append(one(frame))
        other(np.sign(NOISE[:FRAME]))
    assert beside == pytest.approx([alone(frame) for frame in frames], abs=1e-5)


@pytest.mark.models
@rows("endpoint")
def test_an_end_of_turn_is_a_probability(settings):
    engine = loaded(settings)
    for sound in SOUNDS.values():
        p = value(engine.complete, sound)
        assert isinstance(p, float)
        assert 0 <= p <= 1


@pytest.mark.models
@rows("asr")
@pytest.mark.parametrize("partial", [False, True], ids=["final", "draft"])
def test_a_recogniser_gives_transcripts_of_whatever_it_hears(settings, partial):
    engine = loaded(settings)
    for name, sound in SOUNDS.items():
        said = value(engine.transcribe, sound, partial)
        assert isinstance(said, Transcript), name
        assert isinstance(said.text, str), name
        assert said.text == said.text.strip(), name
        assert said.confidence is None or said.confidence <= 0.001, name
        assert said.no_speech is None or 0 <= said.no_speech <= 1, name
        assert said.language is None or 2 <= len(said.language) <= 7, name
        assert all(isinstance(tag, str) for tag in said.tags), name
        if said.alternatives:
            assert sum(weight for _, weight in said.alternatives) == pytest.approx(1, abs=0.01), name
            assert said.text in [text for text, _ in said.alternatives], name
    assert value(engine.transcribe, SOUNDS["nothing"], partial).text == ""


@pytest.mark.models
@rows("llm")
def test_a_language_model_answers_in_pieces_of_text(settings):
    engine = loaded(settings)
    pieces = items(engine.reply, QUESTION)
    assert all(isinstance(piece, str) for piece in pieces)
    assert "".join(pieces).strip()
    for chat in CHATS:
        assert all(isinstance(piece, str) for piece in items(engine.reply, chat, first=3))
    if isinstance(engine, stages.JudgesCompleteness):
        for words in ["What is the capital of France?", "I would like to", *TEXTS]:
            assert 0 <= value(engine.complete, words) <= 1
    if isinstance(engine, stages.ReadsAhead):
        value(engine.read, QUESTION)


@pytest.mark.models
@rows("llm")
def test_a_language_model_counts_its_tokens_and_stops_where_it_is_asked_to(settings):
    engine = loaded(settings)
    if not isinstance(engine, stages.TakesWishes):
        pytest.skip(f"{type(engine).__name__} takes no wishes")
    pieces = items(engine.reply_as, QUESTION, stages.Wishes(max_tokens=3, temperature=0.0))
    assert isinstance(pieces[-1], stages.Finish)
    assert pieces[-1] == ""
    assert pieces[-1].reason in ("stop", "length")
    assert all(isinstance(piece, (str, stages.ToolCall)) for piece in pieces)


@pytest.mark.models
@rows("tts")
def test_a_voice_gives_sound_of_one_rate(settings):
    engine = loaded(settings)
    pieces = items(engine.speak, "Hello there, how are you?")
    assert all(isinstance(piece, Audio) for piece in pieces)
    assert len({piece.rate for piece in pieces}) == 1
    assert 0.1 < sum(piece.duration_s for piece in pieces) < 6
    assert 0.02 < max(piece.peak for piece in pieces) <= 1


@pytest.mark.models
@rows("tts")
def test_a_voice_takes_any_text(settings):
    """Where it cannot say something, it says so in a sentence."""
    engine = loaded(settings)
    for text in TEXTS:
        try:
            pieces = items(engine.speak, text, first=1)
        except Cleans2sError:
            continue
        assert all(isinstance(piece, Audio) for piece in pieces), text


# ── being cancelled ───────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.models
@rows("llm", "tts")
def test_closing_a_reply_stops_it_within_one_step(settings):
    """Nothing is made after it was closed, the next reply has the engine to itself, and answers as if nothing had been."""
    engine = loaded(settings)
    role, _ = row_of(settings)
    method, argument = ("reply", QUESTION) if role == "llm" else ("speak", "One, two, three. Four, five, six.")
    run = getattr(engine, method)

    async def cut() -> None:
        if hasattr(run(argument), "__anext__"):
            pieces = run(argument)
            await anext(pieces)
            await pieces.aclose()
            with pytest.raises(StopAsyncIteration):
                await anext(pieces)
            return
        pieces = run(argument)
        next(pieces)
        if hasattr(pieces, "close"):
            pieces.close()
            assert next(pieces, None) is None

    before = items(run, argument)
    anyio.run(cut)
    after = items(run, argument)
    if role == "llm":
        assert "".join(after) == "".join(before)
    else:
        lengths_s = [sum(piece.duration_s for piece in pieces) for pieces in (before, after)]
        assert lengths_s[0] == pytest.approx(lengths_s[1], rel=0.5)
    threads = [thread for thread in threading.enumerate() if thread.name == "cleans2s-engine"]
    for thread in threads:
        thread.join(10)
    assert not any(thread.is_alive() for thread in threads)


@pytest.mark.models
@rows("llm", "tts")
def test_a_cancelled_reply_leaves_its_place_at_once(settings):
    """More replies than there are places, each given up before its first piece."""
    engine = loaded(settings)
    role, _ = row_of(settings)
    method, argument = ("reply", QUESTION) if role == "llm" else ("speak", "Hello there.")
    run = getattr(engine, method)

    async def given_up() -> list[Any]:
        async with anyio.create_task_group() as tasks:

            async def briefly(seconds: float) -> None:
                with anyio.move_on_after(seconds):
                    async with running(run, argument) as pieces:
                        async for _ in pieces:
                            pass

            for number in range(2 * getattr(engine, "places", 1) + 1):
                tasks.start_soon(briefly, 0.005 * number)
        async with running(run, argument) as pieces:
            return [piece async for piece in pieces]

    assert anyio.run(given_up)
