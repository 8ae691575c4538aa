"""A judgement that draws itself in a notebook: a bar for every strategy, and what else it says. Everything is escaped."""

from __future__ import annotations

import html as markup
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from . import Judgement

STYLE = """
.c2s-judgement{font:14px/1.5 system-ui,sans-serif;max-width:640px}.c2s-judgement table{font:inherit;border-spacing:0}
.c2s-judgement td{text-align:left!important;padding:.05em .8em .05em 0}.c2s-judgement small{opacity:.65}
.c2s-judgement i{display:inline-block;height:.75em;background:#9ca3af}.c2s-judgement .chosen i{background:#0072B2}
.c2s-judgement .chosen{font-weight:600}
"""
WIDTH = 260


def html(judged: Judgement) -> str:
    rows = "".join(_bar(name, share, name == judged.strategy) for name, share in judged.probabilities.items())
    notes = {"now is the moment to cut in": judged.interrupt, "a backchannel": judged.backchannel}
    notes["spoken to the agent"] = judged.addressed
    told = " · ".join(f"{name} {share:.0%}" for name, share in notes.items())
    reason = f"<p>{markup.escape(judged.reason)}</p>" if judged.reason else ""
    return (
        f"<style>{STYLE}</style><div class='c2s-judgement'>{reason}<table>{rows}</table>"
        f"<small>{told} · judged by {markup.escape(judged.judged_by)}</small></div>"
    )


def _bar(name: str, share: float, chosen: bool) -> str:
    bar = f"<i style='width:{max(1.0, WIDTH * share):.0f}px'></i>"
    look = " class='chosen'" if chosen else ""
    return f"<tr{look}><td>{markup.escape(name)}</td><td>{bar}</td><td>{share:.0%}</td></tr>"
