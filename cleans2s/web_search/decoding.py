"""Bytes of a page as text. Servers and pages name the wrong charset often enough that neither is simply believed."""

from __future__ import annotations

import codecs
import re

from ..stages import imported

_BOMS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))

_MEANT = {
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "shift_jis": "cp932",
    "euc_kr": "cp949",
    "big5": "big5hkscs",
    "iso8859-1": "cp1252",
    "ascii": "cp1252",
    "iso8859-9": "cp1254",
}
"""What browsers take for a declared charset: the larger one that people really write (WHATWG Encoding, "Names and labels")."""

_LIKELY = [
    *("gb18030", "big5hkscs", "cp932", "euc_jp", "cp949"),
    *("cp1250", "cp1251", "koi8_r", "cp1252", "cp1253", "cp1254", "cp1255", "cp1256", "cp874", "cp1258"),
]
"""Asked of the detector; the rest of the charsets that it knows are mainframes'."""

_META = re.compile(rb"""<(?:meta\b[^>]*?\bcharset|\?xml\b[^>]*?\bencoding)\s*=\s*["']?\s*([\w.:-]{1,40})""", re.I)
_TAG = re.compile(rb"<(script|style)\b.*?</\1\s*>|<[^>]*>", re.I | re.S)
_RUN = re.compile(rb"[\x80-\xff]{6}")
"""Six letters beyond ASCII in a row: everyday in Chinese, Russian and Greek, no word of a Latin script."""

META_BYTES = 4096
DETECTED_BYTES = 50_000
BROKEN_SHARE, BROKEN_UTF8_SHARE = 0.02, 0.2
"""Of the characters beyond ASCII, so many may be broken in a page that still is what it says: a character cut in half, an
advertisement in another charset. What is right in UTF-8 is so by design, never by chance."""


def decoded(body: bytes, charset: str) -> str:
    """`charset` is what the header names, or "". In this order: a byte order mark; UTF-8 if it is valid, which other charsets
    never are by chance; the header's; the page's own; what its letters look like."""
    for mark, name in _BOMS:
        if body.startswith(mark):
            return body.decode(name, "replace")
    named = [known for name in (charset, _named(body)) if (known := _known(name))]
    if "iso2022" not in "".join(named):  # which is ASCII with escapes, and so would be valid UTF-8
        named.insert(0, "utf-8")
    for name in named:
        text = body.decode(name, "replace")
        if _sound(text, BROKEN_UTF8_SHARE if name == "utf-8" else BROKEN_SHARE) and not (
            name == "cp1252" and _RUN.search(body)
        ):
            return text
    return body.decode(_detected(body) or "utf-8", "replace")


def _named(body: bytes) -> str:
    found = _META.search(body[:META_BYTES])
    return found[1].decode("ascii") if found else ""


def _known(name: str) -> str:
    """Python's name of a charset, "" for what is none."""
    try:
        found = codecs.lookup(name).name
        b"".decode(found)
    except (LookupError, ValueError):  # also a codec that is not of text, such as hex
        return ""
    found = found.replace("iso2022_", "iso2022-")
    return _MEANT.get(found, found)


def _sound(text: str, broken_share: float) -> bool:
    beyond = sum(not c.isascii() for c in text)
    return text.count("\ufffd") <= beyond * broken_share


def _detected(body: bytes) -> str:
    words = _TAG.sub(b" ", body)[:DETECTED_BYTES]
    best = imported("charset_normalizer").from_bytes(words, cp_isolation=_LIKELY).best()
    return str(best.encoding) if best else ""
