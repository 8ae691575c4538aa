"""What is installed, what is missing, and the mend."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import sys
from dataclasses import dataclass

from .config import Config
from .errors import Cleans2sError
from .models import cache_folder, listing, verify

PACKAGES = {
    "anyio": "concurrency",
    "numpy": "sound",
    "soxr": "resampling",
    "soundfile": "reading recordings",
    "onnxruntime": "Silero, Smart Turn, Piper",
    "faster-whisper": "speech recognition",
    "xllamacpp": "the language model",
    "piper-tts": "the voice",
    "gradio": "the app",
    "matplotlib": "timelines",
}
NEEDED_BYTES = 500_000_000
"""For the default weights (330 MB) and their staging."""


@dataclass(frozen=True)
class Finding:
    what: str
    ok: bool
    mend: str = ""


def examine(config: Config) -> list[Finding]:
    findings = [_python(), *(_package(name, use) for name, use in PACKAGES.items()), *_weights(), _disk(), _cores()]
    if all(finding.ok for finding in findings):
        findings += [_engine(role, getattr(config, role)) for role in ("vad", "endpoint", "asr", "llm", "tts")]
    return findings


def _python() -> Finding:
    what = f"Python {platform.python_version()} on {platform.system()} {platform.machine()}"
    return Finding(what, sys.version_info >= (3, 10), "install Python 3.10 or newer")


def _package(name: str, use: str) -> Finding:
    try:
        return Finding(f"{name} {importlib.metadata.version(name)} ({use})", True)
    except importlib.metadata.PackageNotFoundError:
        return Finding(f"{name} is not installed ({use})", False, f"pip install {name}")


def _weights() -> list[Finding]:
    findings: list[Finding] = []
    for row in listing():
        if row.where != "absent":
            bad = [check.path.name for check in verify(row.model) if check.state != "ok"]
            what = f"weights {row.model.name} ({row.where}){f': damaged {bad}' if bad else ''}"
            findings.append(Finding(what, not bad, f"cleans2s models fetch {row.model.name}"))
        elif row.model.default:
            mend = f"cleans2s models fetch {row.model.name}"
            findings.append(Finding(f"weights {row.model.name} are not here", False, mend))
    return findings


def _disk() -> Finding:
    folder = cache_folder()
    existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    free = shutil.disk_usage(existing).free
    here = all(row.where != "absent" for row in listing() if row.model.default)
    ok = os.access(existing, os.W_OK) and (here or free > NEEDED_BYTES)
    return Finding(
        f"cache {folder} ({free / 1e9:.1f} GB free)",
        ok,
        "free some space, or set CLEANS2S_CACHE to a writable folder with 0.5 GB",
    )


def _cores() -> Finding:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return Finding(f"{cores} CPU core(s)", cores >= 2, "two cores are needed for answers within half a second")


def _engine(role: str, engine: object) -> Finding:
    from .stages import load

    try:
        load(engine)  # type: ignore[arg-type]
    except Cleans2sError as error:
        return Finding(f"{role}: {error}", False, "see the message")
    except Exception as error:  # the very question is what is wrong with it
        return Finding(f"{role} {engine!r} does not load: {type(error).__name__}: {error}", False, "reinstall its package")
    return Finding(f"{role} {type(engine).__name__} loads", True)
