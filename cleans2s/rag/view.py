"""Documents, passages, answers and comparisons as they draw themselves in a notebook. Everything is escaped: what stands in a
document cannot become part of the page."""

from __future__ import annotations

import html as markup
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .compare import Comparison, Side, Span
    from .engine import RAG
    from .passages import Passage

SHOWN = 100
"""Documents of an index that are listed."""

STYLE = """
.c2s-rag{font:14px/1.5 system-ui,sans-serif;max-width:900px}.c2s-rag small{opacity:.65}.c2s-rag table{font:inherit}
.c2s-rag td,.c2s-rag th{text-align:left!important;padding:.15em .8em .15em 0;vertical-align:top}
.c2s-rag td.wide{width:50%}.c2s-rag mark{background:#E69F0055;color:inherit;padding:0 .1em}
.c2s-rag blockquote{margin:.2em 0 .7em;padding:.1em 0 .1em .8em;border-left:3px solid #0072B2;white-space:pre-line}
"""


def passages(found: Iterable[Passage], cited: Sequence[Passage] = ()) -> str:
    """A numbered list; `cited` are those that the answer names."""
    return _page("".join(_passage(passage, number, passage in cited) for number, passage in enumerate(found, 1)))


def answer(query: str, text: str, found: Sequence[Passage], cited: Sequence[Passage], first_s: float | None) -> str:
    waited = "" if first_s is None else f" <small>first word after {1000 * first_s:.0f} ms</small>"
    return _page(f"<p><b>{_safe(query)}</b></p><p>{_safe(text) or '…'}{waited}</p>{passages(found, cited)}")


def comparison(told: Comparison) -> str:
    """Both answers beside each other; what only one of them says is marked."""
    heads = "".join(f"<th>{title}</th>" for title in ("without the documents", "with the documents"))
    plain, rag = told.spans
    cells = f"<td class='wide'>{_side(told.plain, plain)}</td><td class='wide'>{_side(told.rag, rag)}</td>"
    table = f"<table><tr>{heads}</tr><tr>{cells}</tr></table>"
    return _page(f"<p><b>{_safe(told.query)}</b></p>{table}{passages(told.passages)}")


def index(rag: RAG) -> str:
    """What is in it."""
    documents = rag.documents
    rows = "".join(
        f"<tr><td>{_safe(one.title)}</td><td>{_safe(one.kind)}</td><td>{one.passages}</td>"
        f"<td><small>{_safe(one.sources[0])}</small></td></tr>"
        for one in documents[:SHOWN]
    )
    more = f"<p><small>and {len(documents) - SHOWN} more</small></p>" if len(documents) > SHOWN else ""
    told = f"<p>{len(documents)} documents, {len(rag)} passages, embedded by {_safe(rag.model)}</p>"
    table = f"<table><tr><th>title</th><th>kind</th><th>passages</th><th>source</th></tr>{rows}</table>" if rows else ""
    return _page(told + table + more)


def _passage(passage: Passage, number: int, cited: bool) -> str:
    fits = f"similarity {passage.similarity:.2f}, words in common {passage.coverage:.0%}"
    name = f"<mark>[{number}]</mark>" if cited else f"[{number}]"
    return f"<div>{name} {_safe(passage.place)} <small>{fits}</small></div><blockquote>{_safe(passage.text)}</blockquote>"


def _side(side: Side, spans: Sequence[Span]) -> str:
    if side.error:
        return f"⚠ {_safe(side.error)}"
    words = "".join(f"<mark>{_safe(span.text)}</mark>" if span.alone else _safe(span.text) for span in spans)
    times = [f"{name} {1000 * value:.0f} ms" for name, value in (("first word", side.first_s), ("all", side.total_s)) if value]
    return f"{words or '…'}<br><small>{', '.join(times)}</small>"


def _page(content: str) -> str:
    return f"<style>{STYLE}</style><div class='c2s-rag'>{content}</div>"


def _safe(text: str) -> str:
    return markup.escape(text, quote=True)
