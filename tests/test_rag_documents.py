"""Reading files: every kind, generated here, and all the ways in which one can be bad."""

from __future__ import annotations

import io
import os
import struct
import zipfile
import zlib

import docx
import pypdf
import pytest

from cleans2s.errors import RAGError
from cleans2s.rag.documents import decode, files_in, of_text, parse, read
from cleans2s.rag.formats import LARGEST_UNPACKED_BYTES

CHINESE = "这台打印机每分钟可以打印三十页，用完墨粉以后请更换墨盒，然后重新启动机器。"

TRADITIONAL = (
    "這台印表機每分鐘可以列印三十頁，用完碳粉以後請更換碳粉匣，然後重新啟動機器。請不要自行拆開機器，"
    "有問題請聯絡我們的服務中心。"
)


def pdf(*pages, title="", password="", picture=False):
    """A PDF with a line of text on each page, or with pictures only."""
    objects = [b"<< /Type /Catalog /Pages 2 0 R >>"]
    numbers = [4 + 2 * n for n in range(len(pages))]
    kids = " ".join(f"{n} 0 R" for n in numbers)
    objects.append(f"<< /Type /Pages /Count {len(pages)} /Kids [{kids}] >>".encode())
    objects.append(b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>")
    for number, text in zip(numbers, pages, strict=True):
        lines = "".join(f"({line}) Tj 0 -14 Td " for line in text.split("\n"))
        content = (
            b"q 10 0 0 10 0 0 cm BI /W 1 /H 1 /CS /G /BPC 8 ID \x00 EI Q"
            if picture
            else f"BT /F1 12 Tf 50 700 Td {lines}ET".encode()
        )
        page = f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] /Contents {number + 1} 0 R "
        objects.append((page + "/Resources << /Font << /F1 3 0 R >> >> >>").encode())
        objects.append(b"<< /Length %d >>\nstream\n%s\nendstream" % (len(content), content))
    data, offsets = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, 1):
        offsets.append(len(data))
        data += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    data += b"xref\n0 %d\n0000000000 65535 f \n%strailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF" % (
        len(objects) + 1, table, len(objects) + 1, len(data)
    )  # fmt: skip
    if not title and not password:
        return data
    writer = pypdf.PdfWriter(clone_from=io.BytesIO(data))
    if title:
        writer.add_metadata({"/Title": title})
    if password:
        writer.encrypt(password, algorithm="RC4-128")
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def word(fill):
    document, out = docx.Document(), io.BytesIO()
    fill(document)
    document.save(out)
    return out.getvalue()


def texts(data, name):
    return [block.text for block in parse(data, name).blocks]


# ── every kind ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_text_is_read_by_paragraphs_and_broken_lines_are_joined():
    data = "A first line that was bro-\nken at the margin\nand goes on.\n\n- one\n- two\n\n你好\n世界\n".encode()
    assert texts(data, "a.txt") == ["A first line that was broken at the margin and goes on.", "- one\n- two", "你好世界"]


def test_markdown_has_headings_in_both_forms_links_and_fences():
    data = "---\nx: y\n---\nTop\n===\n\nSee [the **guide**](http://x.y).\n\n## Two ##\n\n```\n# no heading\n```\n\n"
    data += "Three\n---\nEnd."
    found = parse(data.encode(), "a.md")
    assert found.title == "Top"
    assert [(b.text, b.level) for b in found.blocks] == [
        ("Top", 1),
        ("See the guide.", 0),
        ("Two", 2),
        ("# no heading", 0),
        ("Three", 2),
        ("End.", 0),
    ]


def test_html_keeps_headings_and_main_text_and_drops_menus_and_scripts():
    body = " ".join(["The harbour lamp is lit every evening when the ferry comes in from the islands."] * 4)
    page = (
        "<!doctype html><html><head><title>Harbour</title><style>p{}</style></head><body><nav><a href=x>Home</a> Menu</nav>"
        f"<script>var secret = 1</script><div class=titlepage><div><h2>1. The lamp</h2></div></div><p>{body}</p>"
        f"<h2>2. The ferry</h2><p>{body.replace('lamp', 'ferry')}</p><ul><li>First <b>boat</b> at six in the morning, every day"
        "</li></ul><footer>Imprint</footer></body></html>"
    )
    found = parse(page.encode(), "a.html")
    assert found.title == "Harbour"
    assert [b.text for b in found.blocks if b.level] == ["1. The lamp", "2. The ferry"]
    said = " ".join(b.text for b in found.blocks)
    assert "First boat at six" in said
    for absent in ("Menu", "secret", "Imprint"):
        assert absent not in said


def test_html_that_nests_deep_is_read():
    page = "<html><body>" + "<div>" * 3000 + "<p>The text at the bottom of it all.</p>"
    assert "bottom of it all" in " ".join(texts(page.encode(), "deep.html"))


def test_pdf_pages_are_numbered_and_titled():
    found = parse(pdf("The lamp runs\nnine hours.", "The second page.", title="Lamp manual"), "a.pdf")
    assert found.title == "Lamp manual"
    assert [(b.text, b.page) for b in found.blocks] == [("The lamp runs nine hours.", 1), ("The second page.", 2)]


def test_word_documents_have_headings_and_tables():
    def fill(document):
        document.add_heading("Care", 1)
        document.add_paragraph("Wipe it with a dry cloth.")
        table = document.add_table(1, 2)
        table.cell(0, 0).text, table.cell(0, 1).text = "Power", "9 W"

    found = parse(word(fill), "a.docx")
    assert [(b.text, b.level) for b in found.blocks] == [("Care", 1), ("Wipe it with a dry cloth.", 0), ("Power | 9 W", 0)]


def test_tables_name_their_columns():
    assert texts(b"name;price\nLamp;12,50\nKettle;30\n", "a.csv") == ["name: Lamp; price: 12,50", "name: Kettle; price: 30"]
    assert texts(b'name\tnote\nLamp\t"two\nlines"\n', "a.tsv") == ["name: Lamp; note: two lines"]
    assert texts(b"1,2\n3,4\n", "numbers.csv") == ["1; 2", "3; 4"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "gb18030", "big5"])
def test_encodings_of_chinese(encoding):
    text = TRADITIONAL if encoding == "big5" else CHINESE
    assert decode(text.encode(encoding), "a.txt") == text


def test_encodings_of_others():
    french = "Les élèves sont arrivés à l'école où le maître les a reçus après la fête de Noël, près de la forêt. " * 3
    assert decode(french.encode("cp1252"), "a.txt") == french
    russian = "Лампа работает девять часов, потом её нужно зарядить от сети. Держите обе кнопки пять секунд. " * 3
    assert decode(russian.encode("cp1251"), "a.txt") == russian
    japanese = "この電灯は九時間使えます。ボタンを五秒間押し続けてください。" * 3
    assert decode(japanese.encode("cp932"), "a.txt") == japanese
    korean = "램프는 아홉 시간 동안 작동합니다. 두 버튼을 동시에 누르십시오. " * 4
    assert decode(korean.encode("cp949"), "a.txt") == korean
    page = '<html><head><meta charset="iso-8859-2"></head><body><p>Zażółć gęślą jaźń, powiedział stary kowal.</p></body></html>'
    assert "Zażółć gęślą jaźń" in " ".join(texts(page.encode("iso-8859-2"), "a.html"))


# ── bad ones ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_what_a_file_is_its_content_says():
    found = parse(pdf("Really a PDF."), "notes.txt")
    assert (found.kind, found.notes) == ("pdf", ["notes.txt is called txt, and was read as pdf, which it is"])
    assert (
        parse(b"<!DOCTYPE html><html><body><p>Really a page, with some words in it.</p></body></html>", "a.txt").kind == "html"
    )
    assert parse(b"Only words, no markup.", "a.html").kind == "txt"
    assert parse(word(lambda document: document.add_paragraph("Really Word.")), "a.pdf").kind == "docx"


UNREADABLE = [
    (b"", "a.txt", "is empty"),
    (b" \n\t ", "a.md", "is empty"),
    (b"%%% ---", "a.txt", "holds no text"),
    (b"just text", "a.pdf", "does not begin like one"),
    (b"just text", "a.docx", "does not begin like one"),
    (b"%PDF-1.4\ngarbage", "a.pdf", "damaged PDF"),
    (pdf("Cut off.")[:200], "a.pdf", "damaged PDF|no text"),
    (pdf("Secret.", password="x"), "a.pdf", "encrypted with a password"),
    (pdf("", "", picture=True), "scan.pdf", r"holds no text: its pages are pictures.*OCR"),
    (b"PK\x03\x04 broken", "a.docx", "damaged archive"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "a.docx", "old or encrypted Office file"),
    (word(lambda document: None), "a.docx", "holds no text"),
    (b"\x89PNG\r\n\x1a\n" + bytes(100), "a.txt", "is no text"),
    (bytes(range(1, 256)) * 50, "a.txt", "is no text|holds no text"),
    (b"<html><body><script>1</script></body></html>", "a.html", "holds no text"),
    (b"\x7fELF\x02\x01" + bytes(64), "program", "is no text"),
]  # fmt: skip


@pytest.mark.parametrize(("data", "name", "said"), UNREADABLE)
def test_what_cannot_be_read_is_refused_with_a_reason(data, name, said):
    with pytest.raises(RAGError, match=said):
        parse(data, name)


def archive(members):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, data in members.items():
            packed.writestr(name, data)
    return out.getvalue()


def test_a_zip_bomb_is_not_opened():
    bomb = archive({"word/document.xml": bytes(LARGEST_UNPACKED_BYTES + 1)})
    assert len(bomb) < 1_000_000
    with pytest.raises(RAGError, match=r"would unpack from 0\.2 to 200 MB"):
        parse(bomb, "bomb.docx")


def test_a_bomb_that_lies_about_its_size_is_not_unpacked_beyond_it():
    bomb = bytearray(archive({"word/document.xml": bytes(30_000_000)}))
    size = struct.pack("<I", 30_000_000)
    while (at := bomb.find(size)) >= 0:
        bomb[at : at + 4] = struct.pack("<I", 1000)
    with pytest.raises(RAGError, match="damaged"):
        parse(bytes(bomb), "liar.docx")


def test_other_archives_and_damaged_word_documents():
    with pytest.raises(RAGError, match="no Word document"):
        parse(archive({"a.txt": b"text"}), "a.zip")
    with pytest.raises(RAGError, match="damaged Word document"):
        parse(archive({"word/document.xml": b"<w:doc"}), "a.docx")


def test_a_pdf_whose_stream_swells_is_refused_or_read_but_not_unpacked_whole():
    """A flate stream of 1.2 GB in 1.2 MB."""
    packer = zlib.compressobj(9)
    packed = b"".join(packer.compress(bytes(1 << 20)) for _ in range(1200)) + packer.flush()
    page = b"<< /Length %d /Filter /FlateDecode >>\nstream\n%s\nendstream" % (len(packed), packed)
    plain = pdf("x")
    content = plain[plain.index(b"5 0 obj") : plain.index(b"endobj", plain.index(b"5 0 obj"))]
    with pytest.raises(RAGError, match="holds no text"):
        parse(plain.replace(content, b"5 0 obj\n" + page + b"\n"), "swell.pdf")


def test_a_huge_file_is_refused_by_its_size(tmp_path):
    huge = tmp_path / "huge.txt"
    with huge.open("wb") as stream:
        stream.truncate(500_000_000)  # sparse: takes no room
    with pytest.raises(RAGError, match="has 500 MB: expected at most 50"):
        read(huge)


def test_files_that_are_not_there_or_may_not_be_read(tmp_path):
    with pytest.raises(RAGError, match="No such file"):
        read(tmp_path / "missing.txt")


def test_a_folder_is_walked_without_hidden_files_and_links(tmp_path):
    for name in ("b.txt", "a.md", ".hidden.txt", "picture.png", "sub/c.html", ".git/d.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("text", "utf-8")
    os.symlink("/etc", tmp_path / "elsewhere")
    os.symlink("/etc/hostname", tmp_path / "link.txt")
    assert [str(file.relative_to(tmp_path)) for file in files_in(tmp_path)] == ["a.md", "b.txt", "sub/c.html"]


def test_a_text_is_told_from_another_by_its_title_too():
    assert of_text("Words.", "One").digest != of_text("Words.", "Two").digest
