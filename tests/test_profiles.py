"""Profiles, settings as TOML, what the doctor says of them, and a third party's engine."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest

from cleans2s import profiles
from cleans2s.asr.openai import OpenAITranscription
from cleans2s.config import ENGINES, Config, build, engine_names
from cleans2s.doctor import examine
from cleans2s.errors import ConfigError
from cleans2s.llm.llama import Llama
from cleans2s.llm.openai import OpenAIChat
from cleans2s.stages import imported
from cleans2s.tts.openai import OpenAISpeech
from cleans2s.tts.piper import Piper

REPOSITORY = Path(__file__).parent.parent

# ── profiles ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", profiles.names())
def test_a_profile_is_a_configuration_and_survives_toml(name, tmp_path):
    config = profiles.load(name)
    (tmp_path / "same.toml").write_text(profiles.as_toml(config), "utf-8")
    assert profiles.load(tmp_path / "same.toml") == config


def test_the_profiles_are_what_they_are_called():
    assert profiles.names()[0] == "embedded"
    assert {"embedded", "paper", "openai", "mixed"} <= set(profiles.names())
    assert profiles.load("embedded") == Config()
    paper = profiles.load("paper")
    assert [profiles.engine_name(role, getattr(paper, role)) for role in ENGINES] == [
        "fsmn", "smart-turn", "funasr", "small", "openai", "cosyvoice",
    ]  # fmt: skip
    assert isinstance(paper.llm, OpenAIChat) and "deepseek" in paper.llm.base_url
    by_api = profiles.load("openai")
    assert isinstance(by_api.asr, OpenAITranscription)
    assert isinstance(by_api.llm, OpenAIChat)
    assert isinstance(by_api.tts, OpenAISpeech)
    mixed = profiles.load("mixed")
    assert mixed.asr == Config().asr and mixed.tts == Config().tts and isinstance(mixed.llm, OpenAIChat)
    for profile in profiles.profiles():
        assert profile.about.endswith(".") and "=" not in profile.about


def test_a_setting_of_the_command_line_lies_over_the_profile():
    config = profiles.load("mixed").changed({"llm.model": "qwen3", "tts.speed": "1.2"})
    assert isinstance(config.llm, OpenAIChat) and config.llm.model == "qwen3"
    assert "deepseek" in config.llm.base_url
    assert config.tts == Piper(speed=1.2)


@pytest.mark.parametrize("name", ["nope", "", "../embedded", "embedded\n", "/"])
def test_an_unknown_profile_is_a_sentence_with_those_that_there_are(name):
    with pytest.raises(ConfigError, match=r"there are embedded, .*paper.*, or give the path"):
        profiles.load(name)


@pytest.mark.parametrize(
    ("toml", "said"),
    [
        ("[llm]\nengine = 'gpt'", "valid are .*llama.*openai.*transformers"),
        ("[llm]\nengine = 'openai'\nbase_ulr = ''", "did you mean 'base_url'"),
        ("[llm", "expected a TOML file"),
        ("llm = 3", "expected a table"),
        ("[llm]\nexamples = 3", r"expected a list"),
        ("[llm]\nexamples = [['a']]", r"expected a list"),
        ("[llm]\nexamples = [['a', 3]]", r"llm\.examples\[0\]\[1\] = 3: expected str"),
    ],
)
def test_a_mistake_in_a_file_is_a_sentence(tmp_path, toml, said):
    (tmp_path / "a.toml").write_text(toml)
    with pytest.raises(ConfigError, match=said):
        profiles.load(tmp_path / "a.toml")


def test_a_file_that_is_not_there_is_a_sentence(tmp_path):
    with pytest.raises(ConfigError, match=r"missing\.toml: .*No such file"):
        profiles.load(tmp_path / "missing.toml")


@dataclass(frozen=True)
class Settings:
    """Every type that a setting may have."""

    text: str = ""
    number: float = 0.0
    count: int = 0
    switch: bool = False
    choice: Literal["a", "b"] = "a"
    perhaps: float | None = None
    pairs: tuple[tuple[str, str], ...] = ()
    both: tuple[int, str] = (0, "")


@pytest.mark.parametrize(
    "settings",
    [
        Settings(),
        Settings('"\\\n\t\x00\x7f\u2028好', float("inf"), -3, True, "b", 0.5, (("a", "b"), ("", "'")), (3, "x")),
        Settings(number=1e-300, perhaps=0.0),
    ],
)
def test_settings_of_every_type_survive_toml(settings):
    tomllib = imported("tomllib" if sys.version_info >= (3, 11) else "tomli")
    config = Config(llm=settings)
    values = tomllib.loads(profiles.as_toml(config))["llm"]
    assert values.pop("engine") == f"{__name__}:Settings"
    assert build(Settings, values) == settings


def test_examples_can_be_given_in_a_file(tmp_path):
    (tmp_path / "a.toml").write_text('[llm]\nexamples = [["Hi?", "Hello."]]')
    assert profiles.load(tmp_path / "a.toml").llm == Llama(examples=(("Hi?", "Hello."),))


def test_what_is_secret_is_not_written():
    made = dataclasses.make_dataclass("Made", [("api_key", str, "s3cret"), ("max_tokens", int, 5)], frozen=True)
    toml = profiles.as_toml(Config(llm=made()))
    assert "s3cret" not in toml
    assert "max_tokens = 5" in toml


# ── the doctor ────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def nobody(monkeypatch, tmp_path):
    """A machine without keys, weights or a hub."""
    for name in ("OPENAI_API_KEY", "LLM_API_KEY", "ASR_API_KEY", "TTS_API_KEY", "CLEANS2S_MODELS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CLEANS2S_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("MODELSCOPE_CACHE", str(tmp_path / "modelscope"))
    return monkeypatch


def test_the_doctor_names_missing_keys_and_never_shows_those_that_are_there(nobody):
    """A zero-cost load: whether the service answers is not asked."""
    config = dataclasses.replace(Config(), asr=OpenAITranscription(), llm=OpenAIChat("doctored"), tts=OpenAISpeech())
    bad = {finding.what: finding.mend for finding in examine(config) if not finding.ok}
    assert "environment variable LLM_API_KEY" in bad["llm: no key for api.deepseek.com"]
    assert "environment variable TTS_API_KEY" in bad["tts: no key for api.openai.com"]
    nobody.setenv("LLM_API_KEY", "sk-hush-hush")
    said = [(finding.what, finding.mend, finding.ok) for finding in examine(config)]
    assert ("llm OpenAIChat loads (with the key in LLM_API_KEY)", "", True) in said
    assert "hush" not in str(said)


def test_the_doctor_says_what_the_default_agent_lacks_and_only_that(nobody):
    bad = [finding.mend for finding in examine(Config()) if not finding.ok and "models fetch" in finding.mend]
    assert sorted(mend.split()[-1] for mend in bad) == [
        "piper-joe", "silero-vad-6", "smart-turn-v3.2", "smollm2-135m", "whisper-base",
    ]  # fmt: skip
    with_service = dataclasses.replace(Config(), llm=OpenAIChat(base_url="http://localhost:1/v1"))
    assert not any("smollm2" in finding.what for finding in examine(with_service))


def test_the_doctor_says_what_the_paper_profile_lacks(nobody):
    bad = [finding for finding in examine(profiles.load("paper")) if not finding.ok]
    said = " ".join(f"{finding.what} {finding.mend}" for finding in bad)
    assert "LLM_API_KEY" in said
    # One or the other: packages that are not installed, or weights that are not here.
    assert "requirements-paper.txt" in said or ("modelscope download" in said and "paraformer" in said)
    assert "CosyVoice" in said
    assert all(finding.mend for finding in bad)


# ── somebody else's engine ────────────────────────────────────────────────────────────────────────────────────────────

PACKAGE = {
    "pyproject.toml": """
        [build-system]
        requires = ["setuptools"]
        build-backend = "setuptools.build_meta"

        [project]
        name = "beeper"
        version = "1"

        [project.entry-points."cleans2s.tts"]
        beeper = "beeper:Beeper"
        broken = "beeper_of_old:Beeper"

        [tool.setuptools]
        py-modules = ["beeper"]
    """,
    "beeper.py": """
        from dataclasses import dataclass
        import numpy as np
        from cleans2s.audio import Audio

        @dataclass(frozen=True)
        class Beeper:
            pitch: float = 440.0

            def load(self):
                return Beeps(self.pitch)

        @dataclass
        class Beeps:
            pitch: float

            def speak(self, text):
                for word in text.split():
                    yield Audio(0.5 * np.sin(np.arange(2400) / 24000 * 2 * np.pi * self.pitch), 24000)
    """,
}

CONVERSE = """
import anyio
from cleans2s import profiles
from cleans2s.config import Config, engine_names
from cleans2s.errors import ConfigError
from cleans2s.events import ReplyAudio, ReplyEnded
from cleans2s.testing import Stage

config = profiles.load("voice.toml")
assert "beeper" in engine_names("tts")
assert profiles.load("voice.toml") == Config().changed({"tts.engine": "beeper", "tts.pitch": "880"})
assert 'engine = "beeper"' in profiles.as_toml(config)

async def play():
    async with Stage(tts=config.tts) as stage:
        await stage.user.says("Hello, can you beep?")
        ended = await stage.until(ReplyEnded)
        print(ended.ending, round(sum(e.audio.duration_s for e in stage.all(ReplyAudio)), 2), ended.heard)

anyio.run(play)
try:
    Config().changed({"tts.engine": "broken"})
except ConfigError as error:
    print(error)
"""


def test_an_installed_package_brings_an_engine(tmp_path):
    source, site = tmp_path / "beeper", tmp_path / "site"
    source.mkdir()
    for name, text in PACKAGE.items():
        (source / name).write_text(textwrap.dedent(text))
    install = [sys.executable, "-m", "pip", "install", "--no-build-isolation", "--no-deps", "--no-index", "-q"]
    pip = {**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_ROOT_USER_ACTION": "ignore"}
    subprocess.run([*install, "--target", str(site), str(source)], check=True, env=pip, capture_output=True)
    (tmp_path / "voice.toml").write_text("[tts]\nengine = 'beeper'\npitch = 880")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(site), str(REPOSITORY)])}
    done = subprocess.run(
        [sys.executable, "-c", CONVERSE], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == "finished 0.6 All right, here is an answer."
    assert "tts = 'broken' cannot be imported from beeper_of_old:Beeper" in done.stdout
    assert "beeper" not in engine_names("tts"), "it is there only for the one who installed it"
