"""One reader for each kind of file: from its content to paragraphs and headings."""

from __future__ import annotations

import csv
import logging
import re
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from html import unescape
from io import BytesIO, StringIO
from typing import Any

from ..errors import RAGError
from ..stages import imported
from .chunks import Block

LARGEST_UNPACKED_BYTES = 200_000_000
"""Of a docx, pictures included."""

MOST_MEMBERS = 10_000
MOST_PAGES = 5_000
MOST_ROWS = 200_000


@dataclass(frozen=True)
class Read:
    blocks: list[Block]
    title: str = ""
    notes: list[str] = field(default_factory=list[str])
    empty: str = ""
    """Why there is no text, if there is none."""


# ── plain text, Markdown ──────────────────────────────────────────────────────────────────────────────────────────────


def plain(text: str, name: str) -> Read:
    return Read([Block(paragraph) for paragraph in _paragraphs(text)])


_HEADING = re.compile(r"\s{0,3}(#{1,6})\s+(.+?)\s*#*\s*$")
_UNDERLINE = re.compile(r"\s{0,3}(=+|-+)\s*$")
_FENCE = re.compile(r"\s{0,3}(```|~~~)")
_LINK = re.compile(r"!?\[([^\]]*)\]\([^)\s]*(?:\s+\"[^\"]*\")?\)")


def markdown(text: str, name: str) -> Read:
    """Headings in both ways of writing them; what is fenced stays as it is."""
    text = re.sub(r"\A---\n.*?\n---\n", "", text.replace("\r\n", "\n"), flags=re.DOTALL)
    blocks: list[Block] = []
    lines: list[str] = []
    fence = ""

    def end() -> None:
        blocks.extend(Block(paragraph) for paragraph in _paragraphs("\n".join(lines)))
        lines.clear()

    for line in text.split("\n"):
        if opened := _FENCE.match(line):
            fence = "" if fence == opened[1] else fence or opened[1]
        elif fence:
            lines.append(line)
        elif heading := _HEADING.match(line):
            end()
            blocks.append(Block(_unlinked(heading[2]), len(heading[1])))
        elif (under := _UNDERLINE.match(line)) and lines and lines[-1].strip() and (len(lines) < 2 or not lines[-2].strip()):
            heading_text = lines.pop()
            end()
            blocks.append(Block(_unlinked(heading_text.strip()), 1 if under[1][0] == "=" else 2))
        else:
            lines.append(_unlinked(line))
    end()
    first = next((block.text for block in blocks if block.level == 1), "")
    return Read(blocks, first)


def _unlinked(line: str) -> str:
    return re.sub(r"(\*\*|__|`)(.+?)\1", r"\2", _LINK.sub(r"\1", line))


def _paragraphs(text: str) -> Iterator[str]:
    """By empty lines; lines that were only broken to a width are joined, those of a list or a table are not."""
    for paragraph in re.split(r"\n\s*\n", text.replace("\r\n", "\n").replace("\r", "\n")):
        if paragraph.strip():
            yield joined_lines(paragraph)


_OWN_LINE = re.compile(r"\s*(?:[-*•·+]\s|\d+[.)]\s|\||\$ |# |\t| {4})")


def joined_lines(paragraph: str) -> str:
    whole = ""
    for line in paragraph.strip("\n").split("\n"):
        if not whole:
            whole = line.strip()
        elif _OWN_LINE.match(line):
            whole += "\n" + line.strip()
        elif re.search(r"[a-z]-$", whole) and re.match(r"\s*[a-z]", line):
            whole = whole[:-1] + line.strip()  # a word broken at the end of a line
        else:
            wide = re.search(r"[\u3000-\u30ff\u3400-\u9fff\uff00-\uffef]$", whole) and re.match(
                r"\s*[\u3000-\u30ff\u3400-\u9fff\uff00-\uffef]", line
            )
            whole += ("" if wide else " ") + line.strip()
    return whole


# ── HTML ──────────────────────────────────────────────────────────────────────────────────────────────────────────────

_DROPPED = frozenset("script style noscript template svg iframe nav form button select head footer aside".split())
_INLINE = frozenset(
    "a abbr acronym b bdi bdo big cite code data del dfn em font i img ins kbd label mark q s samp small span strike strong "
    "sub sup time tt u var wbr".split()
)


def html(text: str, name: str) -> Read:
    """trafilatura says which paragraphs are the page's main text; headings are taken from the page itself, because
    trafilatura loses those that stand in a box of their own (as DocBook writes all of them)."""
    lxml_html, etree = imported("lxml.html"), imported("lxml.etree")
    cleaned = re.sub(r"^\s*<\?xml[^>]*\?>", "", text)
    try:
        tree = lxml_html.document_fromstring(cleaned, parser=lxml_html.HTMLParser(huge_tree=True))
    except (etree.LxmlError, ValueError) as error:
        raise RAGError(f"{name} cannot be read as HTML ({error})") from None
    title = " ".join((tree.findtext(".//title") or "").split())
    blocks = list(_walk(tree))
    if not any(re.search(r"\w", block.text) for block in blocks):  # nested deeper than the parser goes
        bare = re.sub(r"<(script|style)\b.*?</\1\s*>|<[^<>]*>", " ", cleaned, flags=re.DOTALL | re.IGNORECASE)
        return Read([Block(unescape(" ".join(bare.split())))], title)
    trafilatura = imported("trafilatura")
    main = _squeezed(trafilatura.extract(cleaned, include_comments=False, include_tables=True, favor_recall=True) or "")
    kept = list(_main(blocks, main, title))
    if sum(len(block.text) for block in kept if not block.level) * 4 < len(main):
        kept = blocks  # the two do not agree on what a paragraph is
    return Read(list(_without_idle(kept)), title)


def _main(blocks: Iterable[Block], main: str, title: str) -> Iterator[Block]:
    """Headings, paragraphs of the main text, and what follows them under the same heading and is a sentence at least. The title
    again is no paragraph: it stands in what leads from page to page."""
    following = False
    for block in blocks:
        following = (
            not block.level
            and block.text != title
            and (_squeezed(block.text) in main or (following and len(block.text.split()) > 5))
        )
        if block.level or following:
            yield block


def _squeezed(text: str) -> str:
    return re.sub(r"[\W_]+", "", text)


def _without_idle(blocks: Iterable[Block]) -> Iterator[Block]:
    """Without headings that nothing stands under: those of menus and footers."""
    waiting: list[Block] = []
    for block in blocks:
        if not block.level:
            yield from waiting
            waiting = []
            yield block
            continue
        while waiting and waiting[-1].level >= block.level:
            waiting.pop()
        waiting.append(block)


def _walk(element: Any) -> Iterator[Block]:
    pending: list[str] = []
    for kind, value in _flow(element):
        if kind == "text":
            pending.append(value)
            continue
        if text := " ".join("".join(pending).split()):
            yield Block(text, int(kind[1]) if kind[0] == "h" else 0)
        pending.clear()
    if text := " ".join("".join(pending).split()):
        yield Block(text)


def _flow(element: Any) -> Iterator[tuple[str, str]]:
    """Text, and ends of blocks: `h2` where the text before it is a heading of that level, `p` for any other. Without recursion:
    pages nest as deep as they like."""
    stack: list[tuple[Any, bool]] = [(element, False)]
    while stack:
        node, leaving = stack.pop()
        tag = node.tag if isinstance(node.tag, str) else "!"
        tag = tag.rpartition("}")[2].lower()
        heading = re.fullmatch(r"h[1-6]", tag)
        block = tag not in _INLINE and tag not in ("br", "!")
        if leaving:
            if block:
                yield (tag if heading else "p"), ""
            elif tag == "br":
                yield "text", " "
            if node.tail and node is not element:
                yield "text", node.tail
            continue
        stack.append((node, True))
        if tag in _DROPPED or tag == "!":
            continue
        if block:
            yield "p", ""
        if node.text:
            yield "text", node.text
        stack.extend((child, False) for child in reversed(node))


# ── PDF ───────────────────────────────────────────────────────────────────────────────────────────────────────────────

_BROKEN = (ValueError, KeyError, TypeError, AttributeError, IndexError, AssertionError, OSError, RecursionError, MemoryError,
           OverflowError, NotImplementedError, ArithmeticError, zlib.error, struct.error)  # fmt: skip
"""What readers of foreign formats raise over damaged files beside their own errors."""


def pdf(data: bytes, name: str) -> Read:
    pypdf = imported("pypdf")
    logging.getLogger("pypdf").setLevel(logging.ERROR)  # it warns of every slip of the program that wrote the file
    errors: Any = (imported("pypdf.errors:PyPdfError"), *_BROKEN)
    try:
        reader = pypdf.PdfReader(BytesIO(data))
        if reader.is_encrypted and not reader.decrypt(""):
            raise RAGError(f"{name} is encrypted with a password: save it without one, and add it again")
        count = len(reader.pages)
        title = str(getattr(reader.metadata, "title", None) or "").strip()
    except errors as error:
        if isinstance(error, RAGError):
            raise
        if isinstance(error, imported("pypdf.errors:DependencyError")):
            raise RAGError(f"{name} is encrypted with AES, for which a package is missing: pip install cryptography") from None
        raise RAGError(f"{name} is a damaged PDF ({_short(error)}); open it in a viewer, and print it to a new one") from None
    if count > MOST_PAGES:
        raise RAGError(f"{name} has {count:,} pages: expected at most {MOST_PAGES:,}; split it")
    blocks: list[Block] = []
    broken: list[int] = []
    for number in range(count):
        try:
            text = str(reader.pages[number].extract_text() or "")
        except errors:
            broken.append(number + 1)
            continue
        blocks.extend(Block(paragraph, 0, number + 1) for paragraph in _paragraphs(text))
    notes = [f"{name}: no text could be taken from page {', '.join(map(str, broken))}"] if broken else []
    pictures = "its pages are pictures; run text recognition (OCR) over it first"
    return Read(blocks, title, notes, "all its pages are damaged" if broken else pictures)


def _short(error: BaseException) -> str:
    return (str(error) or type(error).__name__).split("\n")[0][:120]


# ── Word ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def docx(data: BytesIO, name: str) -> Read:
    errors: Any = (
        zipfile.BadZipFile,
        imported("docx.opc.exceptions:OpcError"),
        imported("docx.exceptions:PythonDocxError"),
        imported("lxml.etree:LxmlError"),
        EOFError,
        *_BROKEN,
    )
    try:
        document = imported("docx").Document(data)
        blocks = list(_word_blocks(document))
        title = str(document.core_properties.title or "").strip()
    except errors as error:
        raise RAGError(f"{name} is a damaged Word document ({_short(error)}); save it again with Word or LibreOffice") from None
    return Read(blocks, title, [], "it may hold pictures only")


def _word_blocks(document: Any) -> Iterator[Block]:
    for part in document.iter_inner_content():
        if hasattr(part, "rows"):
            for row in part.rows:
                cells = dict.fromkeys(cell.text.strip() for cell in row.cells)  # merged cells come again and again
                yield Block(" | ".join(filter(None, cells)))
            continue
        style = str(part.style.name or "") if part.style is not None else ""
        heading = re.fullmatch(r"(?:Heading|标题|Überschrift|Titre) ?([1-9])", style)
        yield Block(part.text.strip(), int(heading[1]) if heading else 1 if style == "Title" else 0)


# ── tables ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def table(text: str, name: str) -> Read:
    """A row is a paragraph in which every value stands beside the name of its column."""
    try:
        dialect: Any = csv.Sniffer().sniff(text[:20_000], delimiters=",;\t|")
    except csv.Error:
        dialect = csv.excel_tab if name.lower().endswith(".tsv") else csv.excel
    rows: list[list[str]] = []
    try:
        for row in csv.reader(StringIO(text, newline=""), dialect):
            if len(rows) >= MOST_ROWS:
                raise RAGError(f"{name} has more than {MOST_ROWS:,} rows: a database answers questions about it better")
            if any(cell.strip() for cell in row):
                rows.append([" ".join(cell.split()) for cell in row])
    except csv.Error as error:
        raise RAGError(f"{name} cannot be read as a table ({error}); save it as CSV with quotes around its texts") from None
    names, body = (rows[0], rows[1:]) if len(rows) > 1 and _names(rows[0]) else ([], rows)
    return Read([Block(_row(names, row)) for row in body or rows])


def _names(row: list[str]) -> bool:
    """Whether a first row names columns: no figures, nothing twice, nothing empty."""
    return all(cell and not re.fullmatch(r"[\d.,%€$-]+", cell) for cell in row) and len(set(row)) == len(row)


def _row(names: list[str], row: list[str]) -> str:
    named = [f"{name}: {cell}" if name else cell for name, cell in zip(names, row, strict=False) if cell]
    return "; ".join([*named, *(cell for cell in row[len(names) :] if cell)])


READERS: dict[str, Callable[[Any, str], Read]] = {
    "txt": plain,
    "md": markdown,
    "html": html,
    "pdf": pdf,
    "docx": docx,
    "csv": table,
}
KIND_OF = {
    ".txt": "txt",
    ".text": "txt",
    ".md": "md",
    ".markdown": "md",
    ".html": "html",
    ".htm": "html",
    ".xhtml": "html",
    ".pdf": "pdf",
    ".docx": "docx",
    ".csv": "csv",
    ".tsv": "csv",
}
