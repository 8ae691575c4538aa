"""What can go wrong with an index: killed processes, two writers, damaged files, other models. The processes are real."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from rag_words import Words

from cleans2s.errors import RAGError
from cleans2s.rag import RAG
from cleans2s.rag.store import INDEX, SEGMENTS

ROOT = Path(__file__).parent.parent

WRITER = """
import os, sys
sys.path[:0] = [{tests!r}, {root!r}]
from rag_words import Words
from cleans2s.rag import RAG

class Slow(Words):
    def encode(self, texts):
        if len(texts) > 1:
            say("embedding")
        return super().encode(texts)

def say(words):
    print(words, flush=True)
    sys.stdin.readline()

rag = RAG({folder!r}, model=Slow(), largest_segment={largest})
{act}
print("saved", flush=True)
"""


def writer(folder, act, largest=10_000):
    script = WRITER.format(tests=str(ROOT / "tests"), root=str(ROOT), folder=str(folder), act=act, largest=largest)
    return subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)


def killed(process):
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdin.close()
    process.stdout.close()


@pytest.fixture
def index(tmp_path):
    rag = RAG(tmp_path / "index", model=Words())
    rag.add_text("The gate opens at seven.\n\nThe gate closes at nine.", "gate")
    return tmp_path / "index"


def texts(folder):
    return [passage.text for passage in RAG(folder, model=Words(), similarity=-1).retrieve("gate shop", k=10)]


ADD = 'rag.add_text("\\n\\n".join(f"# {n}\\n\\nThe shop number {n} opens at eight." for n in range(40)), "shops")'


def test_killed_while_embedding_the_index_is_as_it_was(index):
    before = texts(index)
    process = writer(index, ADD)
    assert process.stdout.readline() == "embedding\n"
    with pytest.raises(RAGError, match="being changed by another process"):
        RAG(index, model=Words()).add_text("Something else.", "other")
    assert texts(index) == before  # readers are not in the way of a writer
    killed(process)
    assert texts(index) == before
    RAG(index, model=Words()).add_text("The shop opens at ten.", "shop")  # the lock went with the process
    assert len(texts(index)) == len(before) + 1


def test_killed_between_two_segments_leaves_nothing_behind(index):
    before = texts(index)
    act = (
        "class Page:\n"
        "    def __init__(self, n):\n"
        "        self.url, self.title, self.text = f'u{n}', f't{n}', f'Shop {n}a opens.\\n\\n# B\\n\\nShop {n}b.'\n"
        "rag.add(*(Page(n) for n in range(4)))"
    )
    process = writer(index, act, largest=4)
    for _ in range(2):
        assert process.stdout.readline() == "embedding\n"
        process.stdin.write("\n")
        process.stdin.flush()
    assert process.stdout.readline() in ("embedding\n", "saved\n")
    killed(process)
    named = json.loads((index / INDEX).read_text("utf-8"))["segments"]
    assert set(named) <= set(os.listdir(index / SEGMENTS))
    rag = RAG(index, model=Words(), similarity=-1)
    assert len(texts(index)) in (len(before), len(before) + 8)
    rag.add_text("The shop opens at ten.", "shop")
    named = json.loads((index / INDEX).read_text("utf-8"))["segments"]
    assert set(named) == set(os.listdir(index / SEGMENTS))


@pytest.mark.parametrize("moment", range(12))
def test_killed_at_any_moment_of_saving_it_opens_as_it_was_or_as_it_was_to_be(index, moment):
    """The process kills itself at the n-th time that something is made durable or replaced."""
    before = texts(index)
    act = (
        "count = 0\n"
        "def step(*_):\n"
        "    global count\n"
        f"    if count == {moment}: os.kill(os.getpid(), 9)\n"
        "    count += 1\n"
        "sys.addaudithook(lambda event, args: step() if event in ('os.rename', 'os.mkdir', 'shutil.rmtree') or "
        "(event == 'open' and str(args[0]).startswith(str(rag._store.folder))) else None)\n" + ADD
    )
    process = writer(index, act)
    out, _ = process.communicate("\n" * 50)
    assert process.returncode in (0, -signal.SIGKILL)
    after = texts(index)
    if process.returncode:
        assert after == before
    else:
        assert "saved" in out
        assert len(after) == 10
    RAG(index, model=Words()).add_text("The shop opens at ten.", "shop")


def test_a_full_disk_leaves_the_index_as_it_was(tmp_path, index):
    resource = pytest.importorskip("resource")
    before = texts(index)
    act = "import resource, signal\nsignal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n" \
          f"resource.setrlimit(resource.RLIMIT_FSIZE, (4000, {resource.RLIM_INFINITY}))\n" \
          "try:\n" + "    " + ADD + "\nexcept Exception as e: print(type(e).__name__, e)"  # fmt: skip
    out, _ = writer(index, act).communicate("\n" * 50)
    assert "RAGError" in out
    assert "could not be saved" in out
    assert texts(index) == before


# ── other models ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_index_of_another_model_says_so_and_can_be_rebuilt(index):
    with pytest.raises(RAGError, match=r"made with the embedding model 'words', and 'other' was asked for.*rebuild"):
        RAG(index, model=Words("other", "salt"))
    rag = RAG(index, model=Words())
    rag.rebuild(Words("other", "salt"))
    assert rag.model == "other"
    assert RAG(index, model=Words("other", "salt")).retrieve("gate opens")[0].text.startswith("The gate opens")
    with pytest.raises(RAGError, match="'other'"):
        RAG(index, model=Words())


def test_other_weights_under_the_same_name_are_noticed(index):
    rag = RAG(index, model=Words(salt="retrained"))
    for ask in (lambda: rag.retrieve("gate"), lambda: rag.add_text("More.", "more")):
        with pytest.raises(RAGError, match=r"made with other weights.*rebuild"):
            ask()
    rag.rebuild()
    assert rag.retrieve("gate opens")


def test_a_rebuild_that_fails_leaves_it_as_it_was(index):
    class Broken(Words):
        def encode(self, texts):
            raise RAGError("no such weights")

    rag = RAG(index, model=Words())
    with pytest.raises(RAGError, match="no such weights"):
        rag.rebuild(Broken("broken"))
    assert rag.model == "words"
    assert rag.retrieve("gate opens")


def test_a_model_that_is_not_there(tmp_path):
    pytest.importorskip("sentence_transformers")
    rag = RAG(tmp_path / "index", model=str(tmp_path / "no-model"))
    with pytest.raises(RAGError, match="cannot be loaded"):
        rag.add_text("Text.", "text")


# ── damaged ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", ["vectors.faiss", "passages.jsonl", "offsets.npy", "bm25/indptr.csc.index.npy", "bm25"])
@pytest.mark.parametrize("how", ["gone", "cut", "garbage"])
def test_a_damaged_segment_is_said_to_be_damaged(index, name, how):
    (segment,) = (index / SEGMENTS).iterdir()
    place = segment / name
    if how == "gone":
        shutil.rmtree(place) if place.is_dir() else place.unlink()
    elif place.is_dir():
        (place / "vocab.index.json").write_bytes(b"{" if how == "cut" else b"[]")
        (place / "params.index.json").write_bytes(b"nonsense")
    else:
        data = place.read_bytes()
        place.write_bytes(data[: len(data) // 2] if how == "cut" else b"garbage" * 9)
    with pytest.raises(RAGError, match="damaged"):
        RAG(index, model=Words())


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b'{"format": 99}', b'{"format": 1}', b'{"format": 1, "documents": [{}]}'])
def test_a_damaged_list_of_contents_is_said_to_be_damaged(index, data):
    (index / INDEX).write_bytes(data)
    with pytest.raises(RAGError, match=r"add again|add the documents again"):
        RAG(index, model=Words())


def test_folders_that_are_none(tmp_path):
    (tmp_path / "file").write_text("text", "utf-8")
    with pytest.raises(RAGError, match="is a file"):
        RAG(tmp_path / "file")
    with pytest.raises(RAGError, match="holds other files"):
        RAG(tmp_path)


def test_what_is_refused_does_not_keep_the_rest_out(tmp_path):
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "good.txt").write_text("The lamp runs nine hours.", "utf-8")
    (docs / "bad.pdf").write_bytes(b"no pdf")
    with (docs / "huge.txt").open("wb") as stream:
        stream.truncate(500_000_000)
    rag = RAG(tmp_path / "index", model=Words())
    told = rag.add(docs)
    assert len(told.added) == 1
    assert [line.split(" ")[0].rsplit("/")[-1] for line in told.refused] == ["bad.pdf", "huge.txt"]
    with pytest.raises(RAGError, match=r"bad\.pdf is no pdf file"):
        rag.add(docs / "bad.pdf")
    (tmp_path / "none").mkdir()
    with pytest.raises(RAGError, match="holds no documents"):
        rag.add(tmp_path / "none")
    assert len(rag) == 1
