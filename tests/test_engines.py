"""What every engine of the registry owes the session. A new row is covered by being there: nothing here knows one engine
from another, but for the stand-ins of those whose weights or services are elsewhere."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import numpy as np
import pytest
from engine_rows import (
    CHATS,
    NOISE,
    PROTOCOLS,
    QUESTION,
    ROWS,
    SITUATIONS,
    SOUNDS,
    SPEECH,
    TEXTS,
    Hears,
    Speaks,
    Thinks,
    items,
    loaded,
    row_of,
    rows,
    settings_of,
    value,
)
from serving_thread import endpoints

from cleans2s import stages
from cleans2s.audio import Audio
from cleans2s.blocking import running
from cleans2s.config import ENGINES, Config
from cleans2s.errors import Cleans2sError
from cleans2s.judge import KINDS, NAMES
from cleans2s.profiles import as_toml, as_tree
from cleans2s.stages import Transcript, imported
from cleans2s.testing import ScriptedEndOfTurn, ScriptedJudge, ScriptedVAD
from cleans2s.turn import FRAME

# ── stand-ins: a service on this machine, tiny weights ────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """This project's own endpoints over scripted engines."""
    with endpoints(Config(ScriptedVAD(), ScriptedEndOfTurn(), Hears(), Thinks(), Speaks(), ScriptedJudge())) as url:
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
        if not isinstance(given, (list, dict)):
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
@rows("judge")
@pytest.mark.parametrize("situation", SITUATIONS, ids=lambda situation: repr(situation.words[:20]))
def test_a_judge_weighs_all_strategies_and_says_why(settings, situation):
    judgement = value(loaded(settings).judge, situation)
    assert set(NAMES) <= set(judgement.probabilities)
    assert sum(judgement.probabilities.values()) == pytest.approx(1.0, abs=0.01)
    for p in (*judgement.probabilities.values(), judgement.interrupt, judgement.backchannel, judgement.addressed):
        assert 0 <= p <= 1
    assert situation.partial or judgement.interrupt == 0
    assert judgement.reason
    assert judgement.kind in ("", *KINDS.get(judgement.strategy, ()))


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
