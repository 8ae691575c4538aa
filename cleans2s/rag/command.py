"""`cleans2s rag`: documents in, passages and answers out.

Exit status 0; 1 when nothing was found, or a part of what was to be added was refused; 2 for a mistake, said in a sentence.
With `--json` the result is one JSON object on standard output, and streamed answers come as they are finished.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from pathlib import Path
from typing import Any

from ..errors import ConfigError

DEFAULT_INDEX = "rag-index"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(required=True, metavar="add|list|remove|retrieve|answer|compare|rebuild")
    rows = (
        ("add", _add, "read files and folders; what was there is renewed if it has changed"),
        ("list", _list, "what is in the index"),
        ("remove", _remove, "forget documents by the names that `list` shows; a folder's name means all below it"),
        ("retrieve", _retrieve, "the passages that fit a question"),
        ("answer", _answer, "an answer from the documents, with its sources"),
        ("compare", _compare, "the model's answer without and with the documents, side by side"),
        ("rebuild", _rebuild, "embed everything again, for another embedding model (--model)"),
    )
    for name, run, text in rows:
        action = actions.add_parser(name, help=text)
        action.add_argument("--index", type=Path, default=Path(DEFAULT_INDEX), metavar="DIR", help=f"default: {DEFAULT_INDEX}")
        action.add_argument("--json", action="store_true", help="the result as JSON")
        action.set_defaults(run=run)
        if name in ("add", "remove"):
            action.add_argument("names", nargs="+", metavar="FILE|DIR")
        if name in ("add", "rebuild"):
            action.add_argument(
                "--model", metavar="NAME|DIR", help="embedding model (default: all-MiniLM-L6-v2, or the index's own)"
            )
        if name == "add":
            action.add_argument("--meta", action="append", default=[], metavar="NAME=VALUE", help="kept with the documents")
        if name in ("retrieve", "answer", "compare"):
            action.add_argument("question")
            action.add_argument("-k", type=int, default=5 if name == "retrieve" else 4, metavar="N", help="passages at most")
            action.add_argument("--where", action="append", default=[], metavar="NAME=VALUE", help=(
                "only documents of which this is true (kind=pdf, title=…, or what --meta gave them)"
            ))  # fmt: skip
        if name in ("answer", "compare"):
            action.add_argument("--profile", metavar="NAME|FILE.toml", help="which language model (default: embedded)")
            action.add_argument("--style", default="auto", metavar="STYLE", help="extract, synthesis, or auto: by the model")


def _opened(options: argparse.Namespace, new: bool = False) -> Any:
    from .engine import RAG
    from .store import INDEX

    if not new and not (options.index / INDEX).is_file():
        raise ConfigError(f"there is no index in {options.index}: `cleans2s rag add FILE … --index {options.index}` makes one")
    return RAG(options.index, model=getattr(options, "model", None))


def _pairs(rows: list[str], option: str) -> dict[str, str]:
    for row in rows:
        if not row.partition("=")[1]:
            raise ConfigError(f"{option} {row!r}: expected NAME=VALUE")
    return {row.partition("=")[0]: row.partition("=")[2] for row in rows}


def _say(words: str) -> None:
    sys.stdout.write(f"{words}\n")


def _give(result: Any) -> None:
    _say(json.dumps(result, ensure_ascii=False, indent=1))


def _add(options: argparse.Namespace) -> int:
    rag = _opened(options, new=True)
    told = rag.add(*options.names, metadata=_pairs(options.meta, "--meta"))
    if options.json:
        _give(dataclasses.asdict(told) | {"index": str(options.index), "total_passages": len(rag)})
    else:
        for word in ("added", "updated", "unchanged", "duplicates"):
            if names := getattr(told, word):
                _say(f"{word:10} {len(names)}")
        for word in ("notes", "refused"):
            for line in getattr(told, word):
                _say(f"{word.removesuffix('s'):10} {line}")
        _say(f"{told.passages} new passages, {len(rag)} in {options.index}")
    return int(bool(told.refused))


def _list(options: argparse.Namespace) -> int:
    rag = _opened(options)
    if options.json:
        _give({"model": rag.model, "passages": len(rag), "documents": [dataclasses.asdict(row) for row in rag.documents]})
        return 0
    for row in rag.documents:
        _say(f"{row.passages:6} passages  {row.kind:5} {row.added[:16]}  {row.title}\n{'':16}  {', '.join(row.sources)}")
    _say(f"{len(rag.documents)} documents, {len(rag)} passages, embedded with {rag.model}")
    return 0


def _remove(options: argparse.Namespace) -> int:
    rag = _opened(options)
    known = {source for row in rag.documents for source in row.sources}
    gone = rag.remove(*(name if name in known else str(Path(name).absolute()) for name in options.names))
    if options.json:
        _give({"removed": gone, "total_passages": len(rag)})
    else:
        _say("\n".join(f"removed    {name}" for name in gone))
    return 0


def _rebuild(options: argparse.Namespace) -> int:
    model, options.model = options.model, None
    rag = _opened(options)
    rag.rebuild(model)
    if options.json:
        _give({"model": rag.model, "total_passages": len(rag)})
    else:
        _say(f"{len(rag)} passages, embedded with {rag.model}")
    return 0


def _retrieve(options: argparse.Namespace) -> int:
    passages = _opened(options).retrieve(options.question, options.k, _pairs(options.where, "--where") or None)
    if options.json:
        _give([dataclasses.asdict(passage) for passage in passages])
    for number, passage in enumerate(() if options.json else passages, 1):
        _say(
            f"[{number}] {passage.place}   score {passage.score:.2f}, similarity {passage.similarity:.2f}\n    {passage.source}"
        )
        _say("    " + passage.text.replace("\n", "\n    ") + "\n")
    if not passages and not options.json:
        _say("nothing that fits")
    return int(not passages)


def _brain(options: argparse.Namespace) -> Any:
    from .. import profiles

    settings = {name.removeprefix("llm."): value for name, value in options.settings.items() if name.startswith("llm.")}
    if odd := [name for name in options.settings if not name.startswith("llm.")]:
        raise ConfigError(f"--{odd[0]}: expected settings of the language model here, such as --llm.temperature 0.5")
    config = profiles.load(options.profile or profiles.DEFAULT)
    return config.changed({f"llm.{name}": value for name, value in settings.items()}).llm


def _answer(options: argparse.Namespace) -> int:
    rag = _opened(options)
    answer = rag.answer(
        options.question, _brain(options), k=options.k, where=_pairs(options.where, "--where") or None, style=options.style
    )
    for piece in answer:
        if not options.json:
            sys.stdout.write(piece)
            sys.stdout.flush()
    if options.json:
        facts = {name: getattr(answer, name) for name in ("query", "style", "text", "retrieved_s", "first_s", "total_s")}
        _give(facts | {"passages": [dataclasses.asdict(passage) for passage in answer.passages]})
    else:
        _say("")
        _sources(answer.passages)
    return int(not answer.passages)


def _sources(passages: Any) -> None:
    for number, passage in enumerate(passages, 1):
        _say(f"[{number}] {passage.place} ({passage.source})")


def _compare(options: argparse.Namespace) -> int:
    comparison = _opened(options).compare(
        options.question, _brain(options), k=options.k, where=_pairs(options.where, "--where") or None, style=options.style
    )
    for _ in comparison:
        pass
    sides = {"plain": comparison.plain, "rag": comparison.rag}
    if options.json:
        told = {
            name: dataclasses.asdict(side) | {"spans": [dataclasses.asdict(span) for span in spans]}
            for (name, side), spans in zip(sides.items(), comparison.spans, strict=True)
        }
        _give({"query": comparison.query, "style": comparison.style, **told,
               "passages": [dataclasses.asdict(passage) for passage in comparison.passages]})  # fmt: skip
        return int(not comparison.passages)
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(*("without the documents", "with the documents"), show_lines=True)
    said = [Text.assemble(*((span.text, "bold" if span.alone else "dim") for span in spans)) for spans in comparison.spans]
    table.add_row(*(text if not side.error else Text(side.error) for text, side in zip(said, sides.values(), strict=True)))
    table.add_row(*(_times(side) for side in sides.values()))
    Console(highlight=False).print(table)
    _sources(comparison.passages)
    return int(not comparison.passages)


def _times(side: Any) -> str:
    first, total = (f"{value:.2f} s" if value is not None else "–" for value in (side.first_s, side.total_s))
    return f"first word {first}, all {total}"
