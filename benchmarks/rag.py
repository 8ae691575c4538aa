"""Retrieval, measured on the Debian FAQ in English and Chinese (`cleans2s bench rag`).

The documents are Debian's packages debian-faq and debian-faq-zh-cn, fetched by apt. The FAQ's headings are questions, and the
same in both languages; `rag_questions.jsonl` asks them again, in both. `paraphrase`: the same question in other words, with
names kept; this is what is held to the bounds. `indirect`: as somebody would ask who does not know what the thing is called;
hardly a word of the heading is left. `development`: the same, to other headings. On these two the size of passages and the
fusion were chosen. `elsewhere`: about other subjects; the documents do not answer them (the thresholds were chosen between
these and `development`). No question was changed after a result had been seen.

A question counts as found among the first k passages if one of them stands under its heading. *Groundedness* of an answer is
the share of its sentences that a retrieved passage supports: one passage has at least `SUPPORTED` of the sentence's content
words (stemmed, stop words left out). It is a measure of words: a sentence that turns a passage's meaning round passes it.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cleans2s.config import Config
from cleans2s.errors import ConfigError
from cleans2s.models import cache_folder
from cleans2s.rag import RAG, Passage
from cleans2s.rag.answer import brain_of, pieces, uncited
from cleans2s.rag.chunks import Splitting, sentences
from cleans2s.rag.embeddings import DEFAULT, Embedder, embedder
from cleans2s.rag.index import Fusion
from cleans2s.rag.terms import terms

from .latency import circumstances
from .utterances import Say

QUESTIONS = Path(__file__).with_name("rag_questions.jsonl")
PACKAGES = {"en": "debian-faq", "zh": "debian-faq-zh-cn"}
FILES = {"en": "*.en.html", "zh": "zh-cn/*.zh-cn.html"}
RANKINGS = {"words (BM25)": Fusion(0, 1), "vectors": Fusion(1, 0), "fused": None}
GROWTH = (1_000, 10_000, 100_000)
SUPPORTED = 0.7
PASSAGE_WORDS = 200
WHOLE = Splitting(3 * PASSAGE_WORDS, 0)
"""Leaves the texts for the measurement of growth as they are."""


def load_questions(file: Path = QUESTIONS) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text("utf-8").splitlines()]


def debian_faq(folder: Path) -> Path:
    """Both packages, unpacked below `folder` (not installed: that takes no rights)."""
    place = folder / "usr/share/doc/debian/FAQ"
    if all(list(place.glob(pattern)) for pattern in FILES.values()):
        return place
    for tool in ("apt-get", "dpkg-deb"):
        if not shutil.which(tool):
            raise ConfigError(f"the questions are about Debian's FAQ, which comes with {tool}; there is none here")
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with tempfile.TemporaryDirectory() as temporary:
            subprocess.run(
                ["apt-get", "download", *PACKAGES.values()], cwd=temporary, check=True, capture_output=True, timeout=180
            )
            for deb in Path(temporary).glob("*.deb"):
                subprocess.run(["dpkg-deb", "-x", str(deb), str(folder)], check=True, capture_output=True, timeout=60)
    except subprocess.SubprocessError as error:
        said = (getattr(error, "stderr", b"") or b"").decode(errors="replace").strip()
        raise ConfigError(f"Debian's FAQ cannot be fetched ({said or error}); apt-get update may help") from None
    return place


# ── recall ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def section(passage: Passage) -> str:
    """The number of the heading that a passage stands under: "3.1.9", the same in both languages."""
    return passage.headings[-1].split()[0].rstrip(".") if passage.headings else ""


def rank(passages: Sequence[Passage], wanted: str) -> int | None:
    return next((place for place, passage in enumerate(passages, 1) if section(passage) == wanted), None)


def measures(ranks: Sequence[int | None]) -> dict[str, float]:
    """recall@1, @3, @5 and the mean reciprocal rank (of the first ten)."""
    count = len(ranks)
    found = {f"recall@{k}": sum(r is not None and r <= k for r in ranks) / count for k in (1, 3, 5)}
    return {name: round(value, 3) for name, value in (found | {"mrr": sum(1 / r for r in ranks if r) / count}).items()}


def recall(folder: Path, questions: Sequence[dict[str, Any]], asked_in: str, model: str | Embedder) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for name, fusion in RANKINGS.items():
        rag = RAG(folder, model=model, similarity=-1, fusion=fusion)
        for kind in ("paraphrase", "indirect"):
            chosen = [row for row in questions if row["kind"] == kind]
            ranks = [rank(rag.retrieve(row[asked_in], 10), row["section"]) for row in chosen]
            missed = [row["section"] for row, place in zip(chosen, ranks, strict=True) if place is None or place > 5]
            result.setdefault(kind, {})[name] = measures(ranks) | {"missed@5": missed}
    rag = RAG(folder, model=model)
    return result | {
        "answered": share([bool(rag.retrieve(row[asked_in])) for row in questions if row["kind"] == "paraphrase"]),
        "rightly refused": share([not rag.retrieve(row[asked_in]) for row in questions if row["kind"] == "elsewhere"]),
    }


def share(yes: Sequence[bool]) -> float:
    return round(sum(yes) / len(yes), 3)


# ── answers ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def supported(sentence: str, passages: Sequence[Passage]) -> bool:
    words = set(terms(sentence))
    having = (len(words & set(terms("\n".join((*passage.headings, passage.text))))) for passage in passages)
    return bool(words) and max(having, default=0) >= SUPPORTED * len(words)


def groundedness(text: str, passages: Sequence[Passage]) -> tuple[int, int]:
    """Supported sentences, and all. Sentences without a content word are not counted."""
    said = [sentence for sentence in sentences(uncited(text)) if terms(sentence)]
    return sum(supported(sentence, passages) for sentence in said), len(said)


def answers(rag: RAG, questions: Sequence[dict[str, Any]], language: str, llm: Any, style: str) -> dict[str, Any]:
    """The agent's answers, and beside them what the same model says without documents, held to the same passages."""
    brain = brain_of(llm)
    totals = {"rag": [0, 0], "plain": [0, 0]}
    first: dict[str, list[float]] = {"retrieved": [], "rag": [], "plain": []}
    told: list[dict[str, Any]] = []
    for row in questions:
        answer = rag.answer(row[language], brain, style=style)
        text = "".join(answer)
        began_s, plain = time.perf_counter(), ""
        for piece in pieces(brain, [{"role": "user", "content": row[language]}]):
            if not plain:
                first["plain"].append(time.perf_counter() - began_s)
            plain += piece
        first["retrieved"].append(answer.retrieved_s)
        first["rag"].append(answer.first_s or 0.0)
        for name, said in (("rag", text), ("plain", plain)):
            good, count = groundedness(said, answer.passages)
            totals[name][0] += good
            totals[name][1] += count
        told.append({"question": row[language], "rag": text, "plain": plain, "sources": [p.place for p in answer.passages]})
    return {
        "style": style,
        "questions": len(questions),
        "groundedness": {name: round(good / count, 3) if count else None for name, (good, count) in totals.items()},
        "first_word_ms": {name: round(float(np.median(times)) * 1000, 1) for name, times in first.items() if times},
        "said": told,
    }


# ── growth ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass
class Mixed:
    """Embeds questions with the real model, and passages as a mixture of two real ones with some noise: a hundred thousand
    real ones would take an hour, and searching takes the same time whatever the vectors are."""

    real: np.ndarray[Any, np.dtype[np.float32]]
    name: str = DEFAULT

    def __post_init__(self) -> None:
        self._random, self._model = np.random.default_rng(0), embedder(DEFAULT)

    def encode(self, texts: Sequence[str]) -> np.ndarray[Any, np.dtype[np.float32]]:
        if len(texts) == 1:
            return self._model.encode(texts)
        one, other = (self.real[self._random.integers(0, len(self.real), len(texts))] for _ in range(2))
        mixed = one + other + self._random.normal(0, 0.05, one.shape)
        return (mixed / np.linalg.norm(mixed, axis=1, keepdims=True)).astype(np.float32)


def pages(words: Sequence[str], count: int, seed: int) -> Iterator[str]:
    """Texts of `PASSAGE_WORDS` words, drawn as often as they come in the FAQ; a tenth of them are of 100,000 made-up names."""
    rng = random.Random(seed)
    for _ in range(count):
        drawn = rng.choices(words, k=PASSAGE_WORDS)
        yield " ".join(f"name{rng.randrange(100_000)}" if rng.random() < 0.1 else word for word in drawn)


def growth(folder: Path, sizes: Sequence[int], faq: RAG, texts: Sequence[str], queries: Sequence[str]) -> list[dict[str, Any]]:
    words = " ".join(texts).split()
    mixed = Mixed(faq.encode(list(texts)))
    rows: list[dict[str, Any]] = []
    rag, there = RAG(folder, model=mixed, similarity=-1, splitting=WHOLE), 0
    for size in sizes:
        for part in range(there, size, 10_000):
            wanted = min(10_000, size - part)
            text = "\n\n".join(f"# Part {number}\n\n{page}" for number, page in enumerate(pages(words, wanted, part)))
            rag.add_text(text, f"part-{part}")
        there = size
        began_s = time.perf_counter()
        opened = RAG(folder, model=mixed, similarity=-1)
        reopened_s = time.perf_counter() - began_s
        opened.prepare()
        times: list[float] = []
        busy_s = time.process_time()
        for query in queries:
            began_s = time.perf_counter()
            opened.retrieve(query)
            times.append((time.perf_counter() - began_s) * 1000)
        busy_ms = (time.process_time() - busy_s) * 1000 / len(queries)
        p50, p90 = np.percentile(times, [50, 90])
        bytes_ = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
        rows.append(
            {
                "chunks": len(opened),
                "retrieve_p50_ms": round(p50, 1),
                "retrieve_p90_ms": round(p90, 1),
                "retrieve_cpu_ms": round(busy_ms, 1),
                "reopen_s": round(reopened_s, 3),
                "disk_mb": round(bytes_ / 1e6, 1),
            }
        )
    return rows


def indexing(texts: Sequence[str], count: int = 100) -> float:
    """Passages of 200 words indexed in a second: split, embedded, written; the model is loaded before."""
    words = " ".join(texts).split()
    page = [" ".join(words[number * PASSAGE_WORDS :][:PASSAGE_WORDS]) for number in range(count)]
    text = "\n\n".join(f"# Part {number}\n\n{part}" for number, part in enumerate(page))
    with tempfile.TemporaryDirectory() as folder:
        rag = RAG(Path(folder, "index"), splitting=WHOLE)
        rag.add_text("Something to begin with.", "first")
        began_s = time.perf_counter()
        rag.add_text(text, "measured")
        return round((len(rag) - 1) / (time.perf_counter() - began_s), 1)


# ── the whole ───────────────────────────────────────────────────────────────────────────────────────────────────────


def table(result: dict[str, Any]) -> str:
    lines: list[str] = []
    for name, found in result.get("recall", {}).items():
        for kind in ("paraphrase", "indirect"):
            lines.append(f"{name}, {kind}")
            for ranking, row in found[kind].items():
                values = "   ".join(f"{key} {value:.3f}" for key, value in row.items() if key != "missed@5")
                lines.append(f"  {ranking:14}{values}")
        lines.append(f"  {'answered':14}{found['answered']:.0%}; refused of other subjects {found['rightly refused']:.0%}")
    for row in result.get("answers", ()):
        lines.append(
            f"answers ({row['style']}, {row['questions']} questions): grounded {row['groundedness']}, "
            f"first word {row['first_word_ms']} ms (medians)"
        )
    lines.extend(
        f"{row['chunks']:>8,} passages: retrieve p50 {row['retrieve_p50_ms']} ms, p90 {row['retrieve_p90_ms']} ms "
        f"(mean of the process's own CPU time {row['retrieve_cpu_ms']} ms), "
        f"reopened in {row['reopen_s']} s, {row['disk_mb']} MB"
        for row in result.get("growth", ())
    )
    if "indexed_per_s" in result:
        lines.append(f"indexed per second: {result['indexed_per_s']} passages of {PASSAGE_WORDS} words")
    return "\n".join(lines)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--only", choices=("recall", "answers", "growth"), help="one part of it")
    parser.add_argument("--largest", type=int, default=GROWTH[-1], metavar="N", help="passages of the largest index")
    parser.add_argument("--model", default=DEFAULT, help="another embedding model, for recall")
    parser.add_argument("--style", default="auto", metavar="STYLE", help="of answers: auto, extract or synthesis")
    parser.add_argument("--out", type=Path, metavar="DIR", help="write rag.json there")


def main(args: argparse.Namespace, config: Config | None = None, say: Say | None = None) -> int:
    """Returns 0. Raises Cleans2sError for what a user can mend."""
    say = say or (lambda line: sys.stdout.write(f"{line}\n"))
    config, questions = config or Config(), load_questions()
    place = debian_faq(cache_folder().parent / "debian-faq")
    parts = (args.only,) if args.only else ("recall", "answers", "growth")
    result: dict[str, Any] = {"recall": {}}
    with tempfile.TemporaryDirectory() as temporary:
        folders = {language: Path(temporary, language) for language in FILES}
        rags = {language: RAG(folder, model=args.model) for language, folder in folders.items()}
        for language, rag in rags.items():
            rag.add(*sorted(place.glob(FILES[language])))
        paraphrases = [row for row in questions if row["kind"] == "paraphrase"]
        if "recall" in parts:
            for name, corpus, asked_in in (
                ("English", "en", "en"),
                ("Chinese", "zh", "zh"),
                ("Chinese questions, English documents", "en", "zh"),
                ("English questions, Chinese documents", "zh", "en"),
            ):
                result["recall"][name] = recall(folders[corpus], questions, asked_in, args.model)
                say(table({"recall": {name: result["recall"][name]}}))
        if "answers" in parts:
            result["answers"] = [answers(rags["en"], paraphrases[::2], "en", config.llm, args.style)]
            say(table({"answers": result["answers"]}))
        if "growth" in parts:
            real = [chunk.whole for chunk in rags["en"].chunks()]
            result["indexed_per_s"] = indexing(real)
            sizes = [size for size in GROWTH if size <= args.largest] or [args.largest]
            result["growth"] = growth(Path(temporary, "large"), sizes, rags["en"], real, [row["en"] for row in paraphrases])
            say(table({name: result[name] for name in ("growth", "indexed_per_s")}))
    result |= circumstances(config)
    say(f"measured on {result['machine']}, {result['date']}, commit {result['commit'] or 'unknown'}")
    if args.out:
        args.out.mkdir(parents=True, exist_ok=True)
        (args.out / "rag.json").write_text(json.dumps(result, indent=1, ensure_ascii=False), "utf-8")
    return 0
