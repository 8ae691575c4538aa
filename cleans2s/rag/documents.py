"""Reading files. What a file is, its content says, not its name; what cannot be read is refused in a sentence that says why.

Nothing that is read may take the machine down: a file's size is looked at before the file, an archive's unpacked size before
it is unpacked, and a PDF's pages are counted.
"""

from __future__ import annotations

import codecs
import hashlib
import os
import re
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

from ..errors import RAGError
from ..stages import imported
from ..text import HAN
from . import formats
from .chunks import Block

LARGEST_BYTES = 50_000_000
"""Of a file. A book in plain text has one million."""

SUFFIXES = frozenset(".txt .text .md .markdown .rst .html .htm .xhtml .pdf .docx .csv .tsv .log .tex .srt .vtt".split())
"""What is taken from a folder. A file that is named may have any suffix."""

SAMPLE_BYTES = 200_000
"""From which an encoding is guessed."""


@dataclass(frozen=True)
class Document:
    blocks: list[Block]
    title: str
    kind: str
    """txt, md, html, pdf, docx, csv, text (given as such) or web."""

    digest: str
    """Of the content, sha256: the same text under two names is kept once."""

    notes: list[str] = field(default_factory=list[str])
    """What a person may want to know: pages without text, a wrong suffix."""


def read(file: Path, largest_bytes: int = LARGEST_BYTES) -> Document:
    """Raises RAGError for what cannot be read."""
    try:
        size = file.stat().st_size
        if size > largest_bytes:
            raise RAGError(
                f"{file} has {size / 1e6:,.0f} MB: expected at most {largest_bytes / 1e6:,.0f}; split it, or take its text out"
            )
        data = file.read_bytes()
    except OSError as error:
        raise RAGError(f"{file} cannot be read ({error.strerror or error}); check its name and its rights") from None
    return parse(data, str(file))


def parse(data: bytes, name: str) -> Document:
    """A file's content; `name` is for messages, and its suffix decides only what the content leaves open."""
    suffix = os.path.splitext(name)[1].lower()
    if not data.strip():
        raise RAGError(f"{name} is empty: expected some text")
    kind, content = _recognised(data, suffix, name)
    read: Callable[[Any, str], formats.Read] = formats.READERS[kind]
    found = read(content, name)
    blocks = [block for block in found.blocks if re.search(r"\w", block.text)]
    if not blocks:
        raise RAGError(f"{name} holds no text" + (f": {found.empty}" if found.empty else ""))
    notes = list(found.notes)
    if suffix and kind != (named := formats.KIND_OF.get(suffix, kind)):
        notes.append(f"{name} is called {named}, and was read as {kind}, which it is")
    return Document(blocks, found.title or Path(name).stem, kind, hashlib.sha256(data).hexdigest(), notes)


def of_text(text: str, title: str, kind: str = "text") -> Document:
    """A text that is here already; Markdown headings in it are headings."""
    if not re.search(r"\w", text):
        raise RAGError(f"{title or 'the text'} is empty: expected some words")
    read = formats.markdown(text, title)
    digest = hashlib.sha256(f"{title}\0{text}".encode(errors="replace")).hexdigest()
    return Document(read.blocks, title or read.title, kind, digest)


def files_in(folder: Path) -> Iterator[Path]:
    """What a folder holds that may be read, in the order of names; hidden files and links to elsewhere are left out."""
    for root, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            file = Path(root, name)
            if not name.startswith(".") and file.suffix.lower() in SUFFIXES and file.is_file() and not file.is_symlink():
                yield file


def _recognised(data: bytes, suffix: str, name: str) -> tuple[str, Any]:
    """The kind, and the content in the form in which its reader takes it."""
    head = data[:1024].lstrip()
    if b"%PDF-" in data[:1024]:
        return "pdf", data
    if head.startswith(b"PK\x03\x04") or head.startswith(b"PK\x05\x06"):
        return "docx", _archive(data, name)
    if head.startswith(b"\xd0\xcf\x11\xe0"):
        raise RAGError(f"{name} is an old or encrypted Office file: save it as an unprotected .docx or .pdf, and add it again")
    if suffix in (".pdf", ".docx"):
        raise RAGError(f"{name} is no {suffix[1:]} file: it does not begin like one; it may be damaged or cut off")
    text = decode(data, name)
    if re.match(
        r"\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)*<(?:!doctype\s+html|html|head|body)\b", text, re.IGNORECASE | re.DOTALL
    ):
        return "html", text
    kind = formats.KIND_OF.get(suffix, "txt")
    if kind == "html" and not re.search(r"<[a-zA-Z][^<>]*>", text):
        kind = "txt"
    return kind, text


def _archive(data: bytes, name: str) -> BytesIO:
    try:
        with zipfile.ZipFile(BytesIO(data)) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise RAGError(f"{name} is a damaged archive ({error}); save it again with the program that made it") from None
    if not any(member.filename == "word/document.xml" for member in members):
        raise RAGError(f"{name} is an archive, and no Word document: unpack it, and add what is in it")
    if any(member.flag_bits & 1 for member in members):
        raise RAGError(f"{name} is encrypted: save it without a password, and add it again")
    unpacked = sum(member.file_size for member in members)
    if unpacked > formats.LARGEST_UNPACKED_BYTES or len(members) > formats.MOST_MEMBERS:
        raise RAGError(
            f"{name} would unpack from {len(data) / 1e6:,.1f} to {unpacked / 1e6:,.0f} MB, its members: {len(members):,}; "
            f"expected at most {formats.LARGEST_UNPACKED_BYTES / 1e6:,.0f} MB, which every document keeps to"
        )
    return BytesIO(data)


_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_META = re.compile(rb"""<meta[^>]+charset\s*=\s*["']?\s*([\w.:-]+)""", re.IGNORECASE)
_COMMON_HAN = re.compile(
    "[的一是不了在人有我他这这個个上们来到时大地为子中你说生国年着就那和要她出也得里后自以会家可下而过天去能对小多然于心学之都好看起发当没成只如事把还用第样道想作种开美总从无情己面最女但现前些所同日手又行意动方期它头经长儿回位分爱老因很给名法间斯知世什两次使身者被高已亲其进此话常与活正感]"
)


def decode(data: bytes, name: str) -> str:
    """Text from bytes: by its mark, as UTF-8, by what an HTML page says of itself, as the Chinese that it would be, or by
    what its bytes look like. RAGError for what is no text."""
    for mark, encoding in _BOMS:
        if data.startswith(mark):
            return data.decode(encoding, errors="replace")
    if b"\x00" in data[:SAMPLE_BYTES]:
        raise RAGError(f"{name} is no text, and no kind of file that is read here: expected txt, md, html, pdf, docx or csv")
    try:
        return data.decode()
    except UnicodeDecodeError:
        pass
    if declared := _META.search(data[:4096]):
        try:
            return data.decode(codecs.lookup(declared[1].decode("ascii", "replace")).name)
        except (LookupError, UnicodeDecodeError):
            pass  # a page that is wrong about itself
    try:
        chinese = data.decode("gb18030")
    except UnicodeDecodeError:
        chinese = ""
    han = re.findall(f"[{HAN}]", chinese)
    if len(han) * 2 > len(re.findall(r"[^\W\d_a-zA-Z]", chinese)) and len(_COMMON_HAN.findall(chinese)) * 5 > len(han):
        return chinese
    found: list[Any] = list(imported("charset_normalizer").from_bytes(data[:SAMPLE_BYTES]))
    if not found:
        raise RAGError(f"{name} is no text in any known encoding: save it as UTF-8, or check that it is what it is called")
    likely = [one for one in found if (one.chaos, one.coherence) == (found[0].chaos, found[0].coherence)]
    names = {name for one in likely for name in one.could_be_from_charset}
    return data.decode("cp1252" if "cp1252" in names else found[0].encoding, errors="replace")  # of equals the commonest
