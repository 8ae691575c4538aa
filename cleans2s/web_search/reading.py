"""The main text of a page, by `trafilatura`."""

from __future__ import annotations

import logging
import re
from typing import Any
from urllib.parse import unquote, urlsplit

from ..stages import imported
from .decoding import decoded
from .found import Page, day, visible
from .transport import FailedError, RefusedError, Wire

KINDS = ("text/html", "application/xhtml+xml", "text/plain", "text/xml", "application/xml", "text/markdown")

_PROLOGUE = re.compile(r"\s*<\?xml\b[^>]*>\s*(<!DOCTYPE\b[^\[>]*(\[.*?\]\s*)?>)?", re.I | re.S)
"""XML's beginning, with the entities that it may define; to HTML it is nothing."""

_TAG = re.compile(r"<[a-zA-Z]")

MOST_TAGS = 10_000
"""A longer page is cut there. Extraction takes 0.1 to 0.15 ms a tag (on one core of a small server, with pages of up to 80,000
tags), and it cannot be stopped; an article's text comes far earlier."""

_ACCEPT = "text/html,application/xhtml+xml,text/plain;q=0.8,application/xml;q=0.5,*/*;q=0.1"


def read(wire: Wire, url: str, most_chars: int) -> Page:
    """Raises RefusedError and FailedError."""
    answer = wire.exchange("GET", url, KINDS, headers={"Accept": _ACCEPT})
    if answer.status != 200:
        raise FailedError(f"answered {answer.status}")
    if b"\0" in answer.body[:1024] and not answer.body.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise RefusedError("it calls itself text and is not")
    text = decoded(answer.body, answer.charset)
    plain = answer.kind in ("text/plain", "text/markdown")
    page = Page(url, "", visible(text)) if plain else extracted(text, url)
    if not page.text:
        raise FailedError("gave a page that holds no text")
    title = page.title or unquote(urlsplit(url).path).rstrip("/").rpartition("/")[2] or urlsplit(url).netloc
    return Page(url, title, _cut(page.text, most_chars), page.date)


def warm() -> None:
    """Load what the first page would otherwise wait for: the extraction's modules and lists of words."""
    extracted("<html><body><p>A page.</p></body></html>", "http://example.org/")


def extracted(html: str, url: str) -> Page:
    """The text is "" where there is none that is the page's own."""
    # It calls a page without text an error of level ERROR; here that is an answer.
    logging.getLogger("trafilatura").setLevel(logging.CRITICAL)
    if prologue := _PROLOGUE.match(html):
        html = html[prologue.end() :]
    for number, tag in enumerate(_TAG.finditer(html)):
        if number == MOST_TAGS:
            html = html[: tag.start()]
            break
    dated = {"extensive_search": False, "original_date": True}  # a date that is only somewhere in the text is no news' date
    found: Any = imported("trafilatura").bare_extraction(
        html, url=url, with_metadata=True, include_comments=False, include_tables=True, date_extraction_params=dated
    )
    if found is None:
        return Page(url, "", "")
    return Page(url, visible(found.title or ""), visible(found.text or ""), day(found.date or ""))


def _cut(text: str, most_chars: int) -> str:
    """Between two paragraphs, if there is such a place in the last fifth."""
    if len(text) <= most_chars:
        return text
    end = text.rfind("\n", most_chars * 4 // 5, most_chars)
    return text[: end if end > 0 else most_chars]
