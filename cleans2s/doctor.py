"""What is installed, what is missing, and the mend, for the engines of a configuration."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import runpy
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from .catalogue import CATALOGUE, Model
from .config import ENGINES, Config
from .errors import Cleans2sError
from .models import cache_folder, listing, verify
from .profiles import engine_name
from .stages import imported, load

PACKAGES = {
    "anyio": "concurrency",
    "numpy": "sound",
    "soxr": "resampling",
    "soundfile": "reading recordings",
    "gradio": "the app",
    "openai": "the server's protocol",
    "matplotlib": "timelines",
}

FUNASR = ("funasr", "kaldi-native-fbank", "torch")
OF_ENGINE: dict[str, tuple[str, ...]] = {
    "vad.silero": ("onnxruntime",),
    "vad.fsmn": FUNASR,
    "endpoint.smart-turn": ("onnxruntime", "faster-whisper"),
    "asr.whisper": ("faster-whisper",),
    "asr.funasr": FUNASR,
    "llm.llama": ("xllamacpp",),
    "llm.transformers": ("transformers", "gguf", "torch"),
    "tts.piper": ("piper-tts", "onnxruntime"),
    "tts.kokoro": ("kokoro-onnx", "misaki", "jieba", "pypinyin", "onnxruntime", "opencc"),
}
"""Packages of the engines that come with this one. Of any other it shows when it is loaded."""

MENDS: dict[str, str] = dict.fromkeys(FUNASR, "pip install -r requirements-paper.txt")
KEYS = ("{}_API_KEY", "OPENAI_API_KEY")


@dataclass(frozen=True)
class Finding:
    what: str
    ok: bool
    mend: str = ""


def examine(config: Config) -> list[Finding]:
    engines = {role: getattr(config, role) for role in ENGINES}
    rows = [row for role, settings in engines.items() for row in _models(role, settings)]
    findings = [_python(), *(_package(name, use) for name, use in PACKAGES.items())]
    for role, settings in engines.items():
        needed = list(needs(role, settings))
        findings += needed
        if all(finding.ok for finding in needed):
            findings.append(_loads(role, settings))
    return list(dict.fromkeys([*findings, _disk(rows), _cores()]))


def _python() -> Finding:
    what = f"Python {platform.python_version()} on {platform.system()} {platform.machine()}"
    return Finding(what, sys.version_info >= (3, 10), "install Python 3.10 or newer")


def _package(name: str, use: str) -> Finding:
    try:
        return Finding(f"{name} {importlib.metadata.version(name)} ({use})", True)
    except importlib.metadata.PackageNotFoundError:
        return Finding(f"{name} is not installed ({use})", False, MENDS.get(name, f"pip install {name}"))


def needs(role: str, settings: object) -> Iterator[Finding]:
    """What an engine needs before it can be loaded without a download."""
    engine = f"{role}.{engine_name(role, settings)}"
    packages = [_package(name, engine) for name in OF_ENGINE.get(engine, ())]
    yield from packages
    if engine == "tts.cosyvoice" and not getattr(settings, "server", ""):
        yield _cosyvoice()
    yield from (_weights(row) for row in _models(role, settings))
    if all(package.ok for package in packages):
        for setting in ("model", "punctuation", "partial"):
            if engine in HUBS and (name := getattr(settings, setting, "")):
                yield from _on_hub(f"{role}.{setting}", str(name), settings, HUBS[engine])


def _models(role: str, settings: object) -> list[Model]:
    """The rows of the catalogue that an engine is made of."""
    always = {"silero": "silero-vad-6", "smart-turn": "smart-turn-v3.2", "kokoro": "kokoro-v1-int8"}
    chosen = {getattr(settings, "model", None), f"piper-{getattr(settings, 'voice', '')}"}
    names = {always.get(engine_name(role, settings))} | chosen
    return [row for row in CATALOGUE if row.name in names and row.role == role]


def _weights(row: Model) -> Finding:
    mend = f"cleans2s models fetch {row.name}"
    where = next(each.where for each in listing() if each.model is row)
    if where == "absent":
        return Finding(f"weights {row.name} are not here", False, mend)
    bad = [check.path.name for check in verify(row) if check.state != "ok"]
    return Finding(f"weights {row.name} ({where}){f': damaged {bad}' if bad else ''}", not bad, mend)


# ── weights of a model hub, where loading them would begin a download ─────────────────────────────────────────────────

HUBS = {
    "vad.fsmn": "funasr",
    "asr.funasr": "funasr",
    "llm.transformers": "huggingface",
    "tts.cosyvoice": "huggingface",
}


def _on_hub(setting: str, name: str, settings: object, kind: str) -> Iterator[Finding]:
    if getattr(settings, "server", "") or any(name == row.name for row in CATALOGUE) or Path(name).expanduser().exists():
        return
    hub = getattr(settings, "hub", "hf")
    name = _funasr_names(hub).get(name, name) if kind == "funasr" else name
    if hub == "ms":
        base = Path(os.environ.get("MODELSCOPE_CACHE") or "~/.cache/modelscope").expanduser()
        here = any((folder / name).is_dir() for folder in (base, base / "models", base / "hub", base / "hub" / "models"))
        mend = f"modelscope download --model {name}, or set {setting} to a folder with it"
    else:
        try:
            here = bool(imported("huggingface_hub").snapshot_download(name, local_files_only=True))
        except (OSError, ValueError):  # LocalEntryNotFoundError, and a name that cannot be one
            here = False
        mend = f"hf download {name}, or set {setting} to a folder with it"
    yield Finding(f"weights {name} ({setting}){'' if here else ' are not here'}", here, mend)


def _funasr_names(hub: str) -> dict[str, str]:
    """Of its models at a hub. Read from the file, because importing the package takes seconds and talks."""
    (folder,) = cast("list[str]", getattr(importlib.util.find_spec("funasr"), "submodule_search_locations", None))
    return runpy.run_path(str(Path(folder, "download", "name_maps_from_hub.py"))).get(f"name_maps_{hub}", {})


def _cosyvoice() -> Finding:
    """It is no ordinary package: whether its modules are whole shows when they are imported."""
    mend = imported("cleans2s.tts.cosyvoice").INSTALL
    try:
        imported("cosyvoice.cli.cosyvoice")
    except ImportError as error:
        return Finding(f"CosyVoice's modules cannot be imported: {error} (tts.cosyvoice)", False, mend)
    return Finding("CosyVoice's modules (tts.cosyvoice)", True)


# ── the machine, and the engines themselves ───────────────────────────────────────────────────────────────────────────


def _disk(rows: list[Model]) -> Finding:
    """Room for the weights that have yet to come, and for as much again while they are put together."""
    folder = cache_folder()
    existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    free = shutil.disk_usage(existing).free
    absent = [row.model for row in listing() if row.where == "absent" and row.model in rows]
    needed = sum(row.size for row in absent) + max((row.size for row in absent), default=0)
    ok = os.access(existing, os.W_OK) and (not absent or free > needed)
    mend = f"set CLEANS2S_CACHE to a folder that can be written, with {needed / 1e6:.0f} MB"
    return Finding(f"cache {folder} ({free / 1e9:.1f} GB free)", ok, mend)


def _cores() -> Finding:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return Finding(f"{cores} CPU core(s)", cores >= 2, "two cores are needed for answers within half a second")


def _loads(role: str, settings: Any) -> Finding:
    try:
        load(settings)
    except Cleans2sError as error:
        problem, _, mend = str(error).removeprefix(f"{role}: ").partition("; ")
        return Finding(f"{role}: {problem}", False, mend or "see the message")
    except Exception as error:  # the very question is what is wrong with it
        return Finding(f"{role} {settings!r} does not load: {type(error).__name__}: {error}", False, "reinstall its package")
    return Finding(f"{role} {type(settings).__name__} loads{_key(role, settings)}", True)


def _key(role: str, settings: Any) -> str:
    """Keys are named, never shown."""
    names = [name.format(role.upper()) for name in KEYS]
    found = next((name for name in names if os.environ.get(name)), None)
    return f" (with the key in {found})" if found and hasattr(settings, "base_url") else ""
