"""Rows of taggers: their figures, files, evidence and tables."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from experiments.records.evidence import encode, read_evidence, write_evidence
from experiments.records.predictions import read_outputs, write_predictions
from experiments.records.problems.forms import TAGS
from experiments.records.problems.tag_counts import TagCounts
from experiments.records.problems.tag_evidence import as_kept
from experiments.records.problems.tagging_metrics import TagFigures
from experiments.records.publishing import publish, read_published_evidence, verify_published
from experiments.records.row import ResultsError
from experiments.records.row_schema import row_from_dict, row_to_dict
from experiments.records.run_files import TEST_FILE, read_row, read_table, write_row
from experiments.report import read_tables, report
from experiments.statistics.f1 import f1_difference, f1_interval
from tests.rows import make_row, make_tag_counts, make_tagging_run

# Of each text: comma and period, each right, tagged, there.
THREE = TagCounts(
    ids=np.array([4, 2, 9]),
    log_probabilities=np.array([-2.5, -1.0, -0.5], dtype=np.float32),
    words=np.array([300, 4, 2]),
    counts=np.array([[[260, 270, 265], [1, 1, 4]], [[0, 2, 0], [0, 0, 1]], [[1, 1, 2], [1, 1, 1]]]),
    kinds=("comma", "period"),
    averaged=2,
    groups=np.array([9, 9, 1]),
)


def test_figures_by_hand() -> None:
    found = THREE.evaluate()
    comma, period = found.kinds
    assert comma == TagFigures("comma", 261 / 273, 261 / 267, 522 / 540, 267)
    assert period == TagFigures("period", 1.0, 2 / 6, 4 / 8, 6)
    assert found.f1 == pytest.approx((522 / 540 + 0.5) / 2)
    assert (found.log_loss, found.n, found.words) == (4 / 306, 3, 306)
    assert found.headline == "F1 73.33%"
    assert found.scores["f1 of period"] == 0.5 == found.of_kind("period")
    assert found.of_kind("colon") is None
    first = dataclasses.replace(THREE, averaged=1).evaluate()
    assert first.f1 == 522 / 540


def test_kinds_that_do_not_occur_have_no_figure() -> None:
    counts = np.array([[[0, 0, 0], [0, 3, 0], [0, 0, 2]]])
    one = TagCounts(
        np.array([0]), np.float32([-1.0]), np.array([9]), counts, ("a", "b", "c"), averaged=3
    )
    found = one.evaluate()
    assert [kind.f1 for kind in found.kinds] == [None, 0.0, 0.0]
    assert [kind.precision for kind in found.kinds] == [None, 0.0, None]
    assert [kind.recall for kind in found.kinds] == [None, None, 0.0]
    assert found.f1 == 0.0
    assert dataclasses.replace(one, averaged=1).evaluate().f1 == 0.0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"counts": THREE.counts[:, :1]}, r"counts are int64\[3, 1, 3\]; they must be int64"),
        ({"counts": THREE.counts.astype(float)}, "counts are float64"),
        ({"counts": THREE.counts - 1}, "is not one of a text with so many words"),
        ({"counts": THREE.counts + [1, 0, 0]}, "is not one of a text with so many words"),
        ({"words": np.array([260, 4, 2])}, "is not one of a text with so many words"),
        ({"words": np.array([300, 4, 0])}, "words must be at least 1"),
        ({"averaged": 3}, "averaged is 3, of 2 kinds"),
        ({"averaged": 0}, "averaged is 0, of 2 kinds"),
        ({"log_probabilities": np.float32([0.5, -1, -1])}, "is above 0, or NaN"),
        ({"log_probabilities": np.float32([np.nan, -1, -1])}, "is above 0, or NaN"),
        ({"log_probabilities": np.array([-1.0, -1, -1])}, "log_probabilities are float64"),
        ({"ids": np.array([4, 4, 9])}, "id 4 occurs 2 times"),
    ],
)
def test_what_does_not_fit_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ResultsError, match=message):
        dataclasses.replace(THREE, **changes)


def equal(one: Any, other: Any) -> bool:
    return all(
        np.array_equal(a, b)
        for a, b in zip(one.columns().values(), other.columns().values(), strict=True)
    )


def test_a_file_keeps_everything(tmp_path: Path) -> None:
    write_predictions(tmp_path / "test.parquet", THREE)
    read = read_outputs(tmp_path / "test.parquet")
    assert isinstance(read, TagCounts) and equal(read, THREE.in_id_order())
    assert (read.kinds, read.averaged) == (THREE.kinds, 2)
    assert read.groups is not None and read.groups.tolist() == [9, 9, 1]


def test_other_columns_are_refused() -> None:
    columns = THREE.columns()
    wrong = {name: values for name, values in columns.items() if name != "tagged comma"}
    with pytest.raises(ResultsError, match="they must be"):
        TagCounts.from_columns(wrong, None)
    with pytest.raises(ResultsError, match="it must be one number"):
        TagCounts.from_columns(columns | {"averaged": np.array([1, 2, 1])}, None)


@pytest.mark.parametrize("outputs", [THREE, make_tag_counts(n=1), make_tag_counts(n=50)])
def test_what_is_measured_is_what_evidence_keeps(outputs: TagCounts, tmp_path: Path) -> None:
    """The figures of a row, of the log of its test, and of its evidence are equal."""
    logs = as_kept(outputs.log_probabilities, outputs.words)
    measured = dataclasses.replace(outputs, log_probabilities=logs)
    write_evidence(tmp_path / "a.npz", {"test": measured})
    read = read_evidence(tmp_path / "a.npz").parts["test"]
    assert read.evaluate() == measured.in_id_order().evaluate()


@pytest.mark.parametrize("outputs", [THREE, make_tag_counts(n=1), make_tag_counts(n=50)])
def test_evidence_keeps_counts_and_losses_in_6_bits(outputs: TagCounts, tmp_path: Path) -> None:
    written = write_evidence(tmp_path / "a.npz", {"val": outputs, "test": outputs})
    read = read_evidence(tmp_path / "a.npz", written.checksum)
    for part in ("val", "test"):
        found, own = read.parts[part], outputs.in_id_order()  # type: ignore[index]
        assert isinstance(found, TagCounts) and np.array_equal(found.counts, own.counts)
        assert np.array_equal(found.ids, own.ids) and np.array_equal(found.words, own.words)
        assert np.allclose(found.log_probabilities, own.log_probabilities, rtol=2**-6, atol=0)
        assert found.evaluate().f1 == own.evaluate().f1
        assert found.evaluate().kinds == own.evaluate().kinds
    with np.load(tmp_path / "a.npz") as arrays:
        assert int(arrays["format"]) == TAGS.number == 6
    # What was read is what would be written again.
    assert encode(read.parts)[0].checksum == written.checksum


def test_changed_evidence_is_refused(tmp_path: Path) -> None:
    _, content = encode({"test": THREE})
    (tmp_path / "a.npz").write_bytes(content)
    with np.load(tmp_path / "a.npz") as archive:
        arrays = {name: archive[name] for name in archive.files}
    for name, place in (("test_counts", 2), ("test_words", 1), ("test_losses", 0)):
        changed = arrays | {name: arrays[name].copy()}
        changed[name].flat[place] += 1
        np.savez(tmp_path / "b.npz", **changed)
        with pytest.raises(ResultsError, match="was changed after publishing"):
            read_evidence(tmp_path / "b.npz")
    np.savez(tmp_path / "c.npz", **arrays | {"test_kinds": np.array(["comma", "colon"])})
    with pytest.raises(ResultsError, match="was changed after publishing"):
        read_evidence(tmp_path / "c.npz")
    for name, values in (("counts", arrays["test_counts"][..., 1:]), ("words", np.array([1, 2]))):
        np.savez(tmp_path / "d.npz", **arrays | {f"test_{name}": values})
        with pytest.raises(ResultsError, match="not a valid evidence file"):
            read_evidence(tmp_path / "d.npz")


def test_an_evidence_file_of_a_table_is_small(tmp_path: Path) -> None:
    parts = {"val": make_tag_counts(1, 2_500), "test": make_tag_counts(2, 25_000)}
    write_evidence(tmp_path / "a.npz", parts)  # type: ignore[arg-type]
    assert (tmp_path / "a.npz").stat().st_size < 200_000


def test_a_row_survives_its_file() -> None:
    row = make_row(problem="tagging", val=THREE.evaluate(), test=THREE.evaluate())
    assert row_from_dict(row_to_dict(row), "here") == row


def test_runs_are_published_and_shown(tmp_path: Path) -> None:
    runs = [make_tagging_run(tmp_path / "runs", "bilstm_crf", seed, seed) for seed in (0, 1)]
    runs += [make_tagging_run(tmp_path / "runs", "bilstm_tagger", 0, 3)]
    publish(runs, "imdb_tagging", tmp_path / "results")
    verify_published(tmp_path / "results")
    rows = read_table(tmp_path / "results" / "imdb_tagging.jsonl")
    for row in rows:
        read = read_published_evidence(tmp_path / "results", row)
        assert read.parts["test"].evaluate() == row.test
    own = {(row.experiment, row.seed): row.test.f1 for row in map(read_row, runs)}  # type: ignore[union-attr]
    found = {(row.experiment, row.seed): row.test.f1 for row in rows}  # type: ignore[union-attr]
    assert found == own
    [table] = read_tables(tmp_path / "results")[0]
    assert table.problem == "tagging"
    f1 = [line.values["tag_f1"].mean for line in table.lines]  # type: ignore[union-attr]
    assert f1 == sorted(f1, reverse=True)
    for line in table.lines:
        interval = line.intervals["tag_f1"]
        scores = [row.test.f1 for row in line.rows]  # type: ignore[union-attr]
        assert interval.mean == pytest.approx(np.mean(scores), rel=1e-6)
        assert interval.low < interval.mean < interval.high
        assert line.values["f1_comma"] and line.values["f1_capitals"]
    first, second = (line.experiment for line in table.lines)
    (note,) = [note for note in table.notes if note.startswith("F1 of ")]
    assert note.startswith(f"F1 of {first} minus that of {second}, test: ")
    assert "95% interval" in note and note.endswith("one seed, texts only.")
    report(tmp_path / "results", out=tmp_path)
    page, best = (tmp_path / "report.html").read_text(), table.lines[0]
    low, high = (100 * getattr(best.intervals["tag_f1"], end) for end in ("low", "high"))
    assert f"{low:.2f}–{high:.2f}" in page and f"{low:.1f}% to {high:.1f}%" in page
    assert f"{first} has the highest F1, {f1[0]:.1f}%" in page
    text = (tmp_path / "report.md").read_text()
    assert "F1 is the harmonic mean" in text and f"F1 of {first}".replace("_", "\\_") in text


def test_intervals_are_over_groups(tmp_path: Path) -> None:
    runs = [make_tagging_run(tmp_path / "b", f"bilstm_{data}", 0, data) for data in (0, 1)]
    outputs: Any = {read_row(run).experiment: read_outputs(run / TEST_FILE) for run in runs}
    publish(runs, "imdb_tagging", tmp_path / "results")
    for folder in ("b", "results"):
        [table] = read_tables(tmp_path / folder)[0]
        best, other = (outputs[line.experiment] for line in table.lines)
        assert len(np.unique(best.groups)) < len(best.groups)
        counts = [one.counts[None, :, :3] for one in (best, other)]
        for line, one in zip(table.lines, counts, strict=True):
            expected: Any = f1_interval(one, best.groups)
            interval = line.intervals["tag_f1"]
            assert (interval.low, interval.high) == pytest.approx((expected.low, expected.high))
        expected = f1_difference(*counts, best.groups)
        (note,) = [note for note in table.notes if note.startswith("F1 of ")]
        assert f"interval {100 * expected.low:.2f} to {100 * expected.high:.2f}" in note


def test_runs_on_other_words_are_not_compared(tmp_path: Path) -> None:
    make_tagging_run(tmp_path / "b", "bilstm_crf")
    folder = make_tagging_run(tmp_path / "b", "bilstm_tagger", data=1)
    row, file = read_row(folder), folder / TEST_FILE
    outputs = make_tag_counts(1, 60, start=8)
    write_predictions(file, outputs)
    write_row(folder, dataclasses.replace(row, test=outputs.evaluate(), checksums={}))
    with pytest.raises(ResultsError, match="was evaluated on other texts or tags than others"):
        read_tables(tmp_path / "b")


@pytest.mark.parametrize("value", [0.0, -0.0, 1e-6, -1e-9])
def test_evidence_keeps_a_certain_text_certain(value: float) -> None:
    certain = dataclasses.replace(
        THREE, log_probabilities=np.array([value, -1, -1], dtype=np.float32)
    )
    found = encode({"test": certain})[0].parts["test"]
    assert isinstance(found, TagCounts)
    assert found.log_probabilities[found.ids == THREE.ids[0]].tolist() == [0.0]
