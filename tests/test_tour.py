"""The notebook of the tour, run from its first cell to its last."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from tests.warm import REPOSITORY

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
TOUR = REPOSITORY / "docs" / "tour.ipynb"


def outputs_of(cell: nbformat.NotebookNode) -> str:
    """Everything that a cell has printed or shown."""
    shown = [output.get("text", "") + str(output.get("data", "")) for output in cell.outputs]
    return "\n".join(shown)


def test_every_cell_runs_and_shows_what_the_text_promises(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    notebook = nbformat.read(TOUR, as_version=4)
    stored = [outputs_of(cell) for cell in notebook.cells if cell.cell_type == "code"]
    assert all(stored), "the notebook is kept with its outputs"
    client = NotebookClient(
        notebook,
        timeout=800,
        coalesce_streams=True,
        resources={"metadata": {"path": str(tmp_path)}},
    )
    client.execute()
    cells = [outputs_of(cell) for cell in notebook.cells if cell.cell_type == "code"]
    assert (tmp_path / "runs" / "tour" / "nb_bag" / "seed-0" / "row.json").is_file()
    assert not re.findall(r"\x1b(?!\[[\d;]*m)", "".join(cells)), "codes of a spinner"
    assert "empty text" in cells[3] and "positive" in cells[3]
    assert "<mark" in cells[4], "the text in colours"
    assert "0 with another label" in cells[6] and (tmp_path / "tour-onnx" / "model.onnx").is_file()


def test_the_stored_outputs_have_no_codes_but_those_of_colours() -> None:
    notebook = nbformat.read(TOUR, as_version=4)
    shown = "".join(outputs_of(cell) for cell in notebook.cells if cell.cell_type == "code")
    assert not re.findall(r"\x1b(?!\[[\d;]*m)", shown) and "\r" not in shown


def test_the_stored_outputs_name_no_machine() -> None:
    text = TOUR.read_text(encoding="utf-8")
    assert str(Path.home()) not in text and "site-packages" not in text and "/tmp/" not in text
