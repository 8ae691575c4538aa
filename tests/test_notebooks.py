"""The notebooks: stripped in git, and run from top to bottom with the real engines, as they are."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbmake.nb_run import NotebookRun

FOLDER = Path(__file__).parents[1] / "notebooks"
CELL_S = 120
"""Longest time for a cell; whole notebooks take less, see README."""

SHOWN: dict[str, tuple[int, tuple[str, ...]]] = {
    "1_quickstart": (4, ("<b>What is the capital of France?</b>", "Paris", "[not heard: ", "did you mean 'speed'")),
    "2_turn_taking": (
        9,
        (
            "turns: ['I would like to know how far away the moon is.']",
            "turns: ['I would like to know', 'how far away the moon is.']",
            "because of a backchannel",
            "You were interrupted here",
        ),
    ),
    "3_strategies_and_memory": (
        5,
        ("refusal: ", "deflection: ", "agent: (silence)", "interruption: ", "c2s-memory", "grandmother in Lyon"),
    ),
    "4_documents_and_web": (
        2,
        ("for five years", "Mira Okafor", "tram 12", "→ []", "‹/passage>", "384,400 kilometres", "<mark>"),
    ),
    "5_your_own_engines": (3, ("clarification ", "do not guess.", "out of breath")),
    "6_measure": (2, ("answered", "silent after", "went on", "majority")),
}
"""What has to be seen in each: how many pictures at least, and words."""


def notebooks() -> list[Path]:
    return sorted(FOLDER.glob("*.ipynb"))


@pytest.mark.parametrize("path", notebooks(), ids=lambda path: path.stem)
def test_a_notebook_is_valid_and_keeps_no_results(path: Path) -> None:
    notebook = nbformat.read(path, nbformat.NO_CONVERT)
    nbformat.validate(notebook)
    for number, cell in enumerate(notebook.cells):
        results = cell.get("outputs") or cell.get("execution_count")
        assert not results, f"{path.name}, cell {number} holds results: strip them (`nbstripout`, or clear all outputs)"
        assert not cell.metadata, f"{path.name}, cell {number} has metadata: {cell.metadata}"
    assert set(notebook.metadata) == {"kernelspec", "language_info"}
    assert notebook.metadata.kernelspec.name == "python3"


@pytest.mark.parametrize("path", notebooks(), ids=lambda path: path.stem)
def test_a_notebook_begins_with_words_brings_its_package_and_knows_no_machine(path: Path) -> None:
    cells = nbformat.read(path, 4).cells
    code = [cell.source for cell in cells if cell.cell_type == "code"]
    assert cells[0].cell_type == "markdown" and cells[0].source.startswith("# ")
    assert 'find_spec("cleans2s") is None' in code[0] and "%pip install" in code[0]
    assert not re.search(r"""["'](?:/|~|[A-Z]:\\)\w+/""", "\n".join(code)), "an absolute path"


def seen(notebook: Any) -> tuple[int, str]:
    """How many pictures its outputs hold, and all their text."""
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    shown = [output.get("data", {}) for output in outputs]
    html = "".join(data.get("text/html", "") for data in shown)
    text = "".join(output.get("text", "") for output in outputs) + "".join(data.get("text/plain", "") for data in shown)
    return sum("image/png" in data for data in shown) + html.count("data:image/png"), text + html


@pytest.mark.models
@pytest.mark.parametrize("path", notebooks(), ids=lambda path: path.stem)
def test_a_notebook_runs_and_shows_what_it_promises(path: Path) -> None:
    result = NotebookRun(path, CELL_S).execute()
    if result.error:
        pytest.fail(f"{path.name}, cell {result.error.failing_cell_index}:\n{result.error.trace}", pytrace=False)
    (pictures, text), (at_least, words) = seen(result.nb), SHOWN[path.stem]
    lacking = [each for each in words if each not in text]
    assert not lacking, f"{path.name} does not show {lacking}"
    assert pictures >= at_least


def test_no_notebook_is_left_out() -> None:
    assert {path.stem for path in notebooks()} == set(SHOWN)
