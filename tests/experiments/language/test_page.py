"""The page of language models: its table, pictures and samples follow from rows and runs."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from experiments.language import page
from experiments.language.figure import Dots, draw_svg
from experiments.records.predictions import write_predictions
from experiments.records.publishing import publish
from experiments.records.row import ResultsError
from experiments.records.run_files import read_row, write_row
from experiments.report.picture.symbols import LIGHT
from tests.rows import make_language_run, make_scores

MARKS = "a\n<!-- language-models -->\n<!-- /language-models -->\nb\n"
MARKS += "<!-- samples -->\nkept\n<!-- /samples -->\n"


@pytest.fixture
def results(tmp_path: Path) -> Path:
    runs = [make_language_run(tmp_path / "runs", "ngram_lm", data=3)]
    runs += [make_language_run(tmp_path / "runs", "lstm_lm", seed, data=seed) for seed in (0, 1)]
    publish(runs, "imdb_language", tmp_path / "results")
    return tmp_path / "results"


def test_the_table_follows_from_the_evidence(results: Path, tmp_path: Path) -> None:
    out = tmp_path / "docs" / "page.md"
    out.parent.mkdir()
    out.write_text(MARKS)
    page.main(["--out", str(out), "--results", str(results)])
    text = out.read_text()
    rows = [line.split(" | ") for line in text.splitlines() if line.startswith("| `")]
    models = page.tested_scores(results)
    assert [cells[0] for cells in rows] == [f"| `{name}`" for name in models]
    figures = [float(re.findall(r"[\d.]+", cells[1])[0]) for cells in rows]
    assert figures == sorted(figures)
    by_name = {cells[0][3:-1]: cells for cells in rows}
    assert by_name["ngram_lm"][2] == "–"
    losses = {
        name: np.mean([-one.log_probabilities.sum() / one.symbols.sum() for _, one in runs])
        for name, runs in models.items()
    }
    ratio = np.exp(losses["lstm_lm"] - losses["ngram_lm"])
    assert by_name["lstm_lm"][2].startswith(f"{ratio:.3f} [")
    assert "kept" in text and text.startswith("a\n") and 'src="perplexity-light.svg"' in text
    svg = (out.parent / "perplexity-dark.svg").read_text()
    assert {"lstm_lm", "ngram_lm"} <= {e.text for e in ElementTree.fromstring(svg).iter()}
    page.main(["--out", str(out), "--results", str(results)])
    assert out.read_text() == text


def test_rows_of_other_texts_are_refused(results: Path, tmp_path: Path) -> None:
    folder = make_language_run(tmp_path / "others", "gru_lm", data=5)
    scores = make_scores(105, 60, start=7)
    scores = dataclasses.replace(scores, symbols=scores.symbols + 1)
    write_predictions(folder / "predictions.parquet", scores)
    write_row(folder, dataclasses.replace(read_row(folder), test=scores.evaluate(), checksums={}))
    publish([folder], "imdb_language", results)
    with pytest.raises(ResultsError, match="gru_lm, seed 0 was evaluated on other texts"):
        page.tested_scores(results)


def test_a_wide_span_has_few_ticks_and_dots_stay_inside() -> None:
    lines = [Dots("one", (100.4, 90.0, 250.0)), Dots("<two>", (800.0, 700.0, 650.0))]
    root = ElementTree.fromstring(draw_svg(lines, LIGHT))
    texts = [one.text for one in root.iter() if one.tag.endswith("text")]
    assert "<two>" in texts and sum(str(text).isdigit() for text in texts) <= 10
    across = [float(one.attrib["cx"]) for one in root.iter() if one.tag.endswith("circle")]
    assert len(across) == 9 and min(across) >= 110 and max(across) <= 720


def test_documents_without_the_marks_are_refused(results: Path, tmp_path: Path) -> None:
    out = tmp_path / "page.md"
    out.write_text("no marks")
    with pytest.raises(ValueError, match="lacks <!-- language-models -->"):
        page.main(["--out", str(out), "--results", str(results)])
