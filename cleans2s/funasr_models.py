"""FunASR's models (paraformer, SenseVoice, ct-punc, fsmn-vad), opened so that several share a process.

FunASR's `AutoModel` speaks to the terminal, sets up logging, seeds every random generator and falls back to the CPU
without a word; and what it cannot download it reports as a name that is "not registered". None of that gets out of here.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import logging
import random
import threading
from collections.abc import Generator
from pathlib import Path
from typing import Any

from .devices import torch_device
from .errors import ConfigError, ModelError
from .stages import imported, shared

_log = logging.getLogger(__name__)

INSTALL = "pip install 'funasr[knf]' torch"
FEATURES = ("kaldi_native_fbank", "torchaudio")
"""Packages, one of which FunASR computes its features with."""
HUBS = {"ms": "modelscope download --model {} --local_dir FOLDER", "hf": "hf download {} --local-dir FOLDER"}
IN_A_FOLDER = ("config.yaml", "model.pt")


class FunModel:
    """An `AutoModel`; it keeps what a call was asked for in itself, so one call at a time."""

    def __init__(self, auto: Any) -> None:
        self.auto = auto
        self._alone = threading.Lock()

    def __call__(self, heard: Any, **asked: Any) -> str:
        with self._alone:
            results: list[dict[str, Any]] = self.auto.generate(input=heard, **asked)
        return " ".join(result.get("text", "") for result in results).strip()


def funasr_model(setting: str, name: str, device: str, hub: str, threads: int) -> FunModel:
    """A model by FunASR's name for it or from a folder; `setting` is how it is called where it is chosen ("asr.model").
    Raises ModelError where it or the package is missing, ConfigError for a device or hub that there is not."""
    if hub not in HUBS:
        raise ConfigError(f"{setting.partition('.')[0]}.hub = {hub!r}: expected ms (ModelScope) or hf (Hugging Face)")
    folder = Path(name).expanduser()
    if folder.is_dir() and (lacking := [file for file in IN_A_FOLDER if not (folder / file).is_file()]):
        raise ModelError(
            f"{setting} = {name!r} lacks {' and '.join(lacking)}; download it again, whole, or name another folder"
        )
    try:
        where = torch_device(device, f"{setting.partition('.')[0]}.device")
        place = str(folder) if folder.is_dir() else name
        return shared((FunModel, place, where, hub, threads), lambda: _opened(place, where, hub, threads))
    except ModuleNotFoundError as error:
        raise ModelError(f"the package {error.name} is not installed, and {setting} = {name!r} needs it: {INSTALL}") from None
    except _NotOpenedError as error:
        if folder.is_dir():
            mend = "download it again, or name a folder with a model of FunASR's"
        else:
            there: dict[str, str] = imported(f"funasr.download.name_maps_from_hub:name_maps_{hub}")
            mend = (
                f"where there is a network, run `{HUBS[hub].format(there.get(name, name))}`, and set {setting} to that FOLDER"
            )
        raise ModelError(f"{setting} = {name!r} cannot be opened ({error}): {mend}") from None


class _NotOpenedError(Exception):
    pass


def _opened(name: str, device: str, hub: str, threads: int) -> FunModel:
    said = io.StringIO()
    quiet = {"disable_update": True, "disable_pbar": True, "disable_log": True, "log_level": "ERROR"}
    with _undisturbed(), contextlib.redirect_stdout(said):
        auto_model = imported("funasr:AutoModel")
        if not any(importlib.util.find_spec(package) for package in FEATURES):
            raise ModuleNotFoundError(name=" or ".join(FEATURES))
        try:
            auto = auto_model(model=name, device=device, hub=hub, ncpu=threads, **quiet)
        except ModuleNotFoundError:
            raise
        except Exception as error:  # AssertionError, KeyError, AttributeError, OSError …: whatever a wrong file leads to
            failed = [line for line in said.getvalue().splitlines() if "failed!" in line]
            why = " ".join((failed[0] if failed else f"{type(error).__name__}: {error}").split())
            raise _NotOpenedError(why[:200]) from None
    if missed := [line for line in said.getvalue().splitlines() if "miss key" in line]:
        _log.warning("%s: %d of its weights are not in the file, first: %s", name, len(missed), missed[0])
    return FunModel(auto)


@contextlib.contextmanager
def _undisturbed() -> Generator[None]:
    root, dice = logging.getLogger(), random.getstate()
    handlers, level, disabled = root.handlers[:], root.level, root.manager.disable
    logging.disable(logging.INFO)
    try:
        yield
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        logging.disable(disabled)
        random.setstate(dice)
