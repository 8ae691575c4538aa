"""A memory that draws itself in a notebook: the summary, the facts, and a time line of what was said. Everything is escaped:
what somebody said cannot become part of the page."""

from __future__ import annotations

import html as markup
from collections.abc import Sequence
from datetime import datetime

from . import when
from .records import Episode, Fact

SHOWN = 60
WIDTH, HEIGHT, MARGIN = 760, 84, 12
STYLE = """
.c2s-memory{font:14px/1.5 system-ui,sans-serif;max-width:800px}.c2s-memory h4{margin:.8em 0 .3em}
.c2s-memory table{font:inherit}
.c2s-memory td,.c2s-memory th{text-align:left;padding:.15em .7em .15em 0;vertical-align:top}
.c2s-memory small{opacity:.65}.c2s-memory ol{list-style:none;padding:0;margin:0;max-height:20em;overflow:auto}
.c2s-memory li{padding:.15em 0}.c2s-memory .user{color:#2563eb}.c2s-memory .assistant{color:#b45309}
"""


def html(summary: str, facts: Sequence[Fact], episodes: Sequence[Episode], notice: str, now: datetime) -> str:
    parts = [f"<style>{STYLE}</style><div class='c2s-memory'>"]
    if notice:
        parts.append(f"<p>⚠ {_safe(notice)}</p>")
    parts.append(f"<h4>Summary</h4><p>{_safe(summary or 'Nothing is remembered yet.')}</p>")
    if facts:
        rows = "".join(_fact(fact, now) for fact in facts)
        parts.append(f"<h4>Facts</h4><table><tr><th>what</th><th>value</th><th>said</th><th>certainty</th></tr>{rows}</table>")
    if episodes:
        parts.append(
            f"<h4>What was said</h4>{timeline(episodes, now)}<ol>{''.join(_turn(e, now) for e in reversed(episodes))}</ol>"
        )
    return "".join([*parts, "</div>"])


def _fact(fact: Fact, now: datetime) -> str:
    due = f" <small>due {_safe(when.said(fact.due, now))}</small>" if fact.due else ""
    said = f"“{_safe(fact.quote)}” " if fact.quote else "written by hand "
    cells = (
        _safe(fact.key),
        f"{_safe(fact.value)}{due}",
        f"{said}<small>{_safe(when.said(fact.at, now))}</small>",
        f"{fact.certainty:.0%}",
    )
    return f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"


def _turn(turn: Episode, now: datetime) -> str:
    return f"<li><small>{_safe(when.said(turn.at, now))}</small> <b class='{turn.role}'>{turn.role}</b> {_safe(turn.text)}</li>"


def timeline(episodes: Sequence[Episode], now: datetime) -> str:
    """A line of time with a mark for each turn, the user's above and the agent's below; its words show under the pointer."""
    first, last = min(e.at for e in episodes), max(max(e.at for e in episodes), now)
    span_s, middle, right = max(1.0, (last - first).total_seconds()), HEIGHT // 2, WIDTH - MARGIN
    line = f"<line x1='{MARGIN}' x2='{right}' y1='{middle}' y2='{middle}' stroke='currentColor' stroke-opacity='.4'/>"
    marks: list[str] = []
    for one in episodes:
        x = MARGIN + (right - MARGIN) * (one.at - first).total_seconds() / span_s
        y = middle - 12 if one.role == "user" else middle + 12
        words = f"<title>{_safe(when.said(one.at, now))}: {_safe(one.text)}</title>"
        marks.append(
            f"<circle class='{one.role}' cx='{x:.1f}' cy='{y}' r='4' fill='currentColor' fill-opacity='.6'>{words}</circle>"
        )
    ends = "".join(
        f"<text x='{x}' y='{HEIGHT - 6}' font-size='12' text-anchor='{anchor}' fill='currentColor'>"
        f"{_safe(when.said(at, now))}</text>"
        for x, anchor, at in ((MARGIN, "start", first), (right, "end", last))
    )
    size = f"viewBox='0 0 {WIDTH} {HEIGHT}' width='100%'"
    return f"<svg {size} role='img' aria-label='time line of what was said'>{line}{''.join(marks)}{ends}</svg>"


def _safe(text: str) -> str:
    return markup.escape(text, quote=True)
