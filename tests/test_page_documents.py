"""Documents and the comparison on Gradio's own page, as `python app.py` starts it: real engines, real files, and a real browser
with a file as its microphone."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
from test_document_desk import GATE
from test_page import answered, in_browser, microphone, page, running
from test_rag_documents import pdf, word

from cleans2s.rag import RAG

pytestmark = pytest.mark.models

FRANCE = (
    "# Capitals\n\n## France\n\nThe capital of France was moved to the village of Obervald in the story of the two millers.\n\n"
    "## Rivers\n\nThe river Loire is the longest one of the country."
)

SAID = """() => {
  const level = Number(document.querySelector(".speak").style.getPropertyValue("--level"));
  window.spoken ||= level > 0.2;
  window.since = window.spoken && level < 0.02 ? (window.since ?? performance.now()) : undefined;
  return performance.now() - window.since > 800;
}"""
"""Whether the microphone has heard somebody, who is silent now."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("documents")


@pytest.fixture(scope="module")
def address(folder):
    with running(CLEANS2S_DATA=str(folder / "data")) as (address, _):
        yield address


def files(folder: Path) -> list[Path]:
    content = {
        "capitals.md": FRANCE.encode(),
        "gate.txt": GATE.encode(),
        "boats.pdf": pdf("The red boat leaks, do not take it.", title="Boats"),
        "ferry.docx": word(lambda document: document.add_paragraph("The ferry leaves the island at eight in the evening.")),
        "prices.csv": b"room;price\nGull;84 euros\nTern;96 euros\n",
        "桑拿.html": "<!doctype html><html><head><title>桑拿</title></head><body><p>下午四点开放。</p></body></html>".encode(),
    }
    for name, data in content.items():
        (folder / name).write_bytes(data)
    return [folder / name for name in content]


def brought(opened, paths, count):
    opened.locator(".cleans2s-compare input[type=file]").set_input_files(paths)
    opened.wait_for_function(
        "count => document.querySelectorAll('.cleans2s-compare .rows li').length === count", arg=count, timeout=60_000
    )


@in_browser
def test_documents_are_brought_compared_by_voice_and_asked_in_the_conversation(address, folder):
    wav = microphone(folder, 4.0, "capital", 16.0)
    with page(address, wav, locale="en-GB") as opened:
        opened.get_by_role("tab", name="Compare").click()
        paths = files(folder)
        brought(opened, paths, len(paths))
        assert opened.locator(".cleans2s-compare .count").inner_text().startswith("6 documents, ")
        opened.get_by_role("button", name="Speak the question").click()
        opened.wait_for_function(SAID, timeout=30_000)
        opened.get_by_role("button", name="Done speaking").click()
        opened.wait_for_function("document.querySelector('.columns').ariaBusy === 'false'", timeout=60_000)
        assert opened.locator(".cleans2s-compare input.text").input_value() == "What is the capital of France?"
        assert "Paris" in opened.locator(".column.plain .answer").inner_text()
        assert "Obervald" in opened.locator(".column.rag .answer").inner_text()
        mark = opened.locator(".cleans2s-compare .source .passage mark").first
        assert (
            mark.inner_text() == "The capital of France was moved to the village of Obervald in the story of the two millers."
        )
        opened.get_by_role("tab", name="Talk").click()
        assert opened.get_by_label("Documents (6)").is_checked()
    with page(address, wav, locale="en-GB") as stranger:
        stranger.get_by_role("tab", name="Compare").click()
        stranger.locator(".cleans2s-compare .count", has_text="none yet").wait_for()


@in_browser
def test_a_spoken_answer_shows_its_sources(address, folder):
    with page(address, microphone(folder, 6.0, "capital", 14.0), locale="en-GB") as opened:
        opened.get_by_role("tab", name="Compare").click()
        opened.locator(".cleans2s-compare .drop").wait_for()
        brought(opened, files(folder)[:2], 2)
        opened.get_by_role("tab", name="Talk").click()
        opened.get_by_role("button", name="Start talking").click()
        answered(opened)
        turn = opened.locator(".cleans2s-talk .turn.agent").first
        assert "Obervald" in turn.locator(".said").inner_text()
        turn.locator(".source summary").first.click()
        assert "Obervald" in turn.locator(".passage mark").first.inner_text()
        assert turn.locator(".source .file").first.inner_text() == "capitals.md"


def test_a_server_with_documents_of_its_own_shows_them(tmp_path):
    (tmp_path / "gate.txt").write_text(GATE)
    RAG(tmp_path / "index").add(tmp_path / "gate.txt")
    with running("--documents", str(tmp_path / "index"), CLEANS2S_DATA=str(tmp_path)) as (address, _):
        found = httpx.get(f"{address}/cleans2s/documents").json()
        assert [row["names"] for row in found["documents"]] == [["gate.txt"]]
        assert (found["shared"], found["changeable"], found["problem"]) == (True, True, "")
