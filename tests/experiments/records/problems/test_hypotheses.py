"""Rows of transcription models: their figures, files, evidence and tables."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from experiments.records.evidence import encode, read_evidence, write_evidence
from experiments.records.predictions import read_outputs, write_predictions
from experiments.records.problems.forms import HYPOTHESES
from experiments.records.problems.hypotheses import Hypotheses, nearest
from experiments.records.problems.transcription_metrics import TranscriptionMetrics
from experiments.records.publishing import publish, read_published_evidence, verify_published
from experiments.records.row import ResultsError
from experiments.records.row_schema import row_from_dict, row_to_dict
from experiments.records.run_files import TEST_FILE, read_row, read_table, write_row
from experiments.report import read_tables, report
from experiments.statistics.perplexity import ratio_interval
from tests.rows import make_hypotheses, make_row, make_transcription_run

THREE = Hypotheses(
    ids=np.array([4, 2, 9]),
    strings=[b"\x01\x02", b"", b"\x03\x03\x03"],
    log_probabilities=np.array([-0.5, -2.0, -1.0], dtype=np.float32),
    distances=np.array([0, 2, 1]),
    answer_lengths=np.array([2, 2, 4]),
    groups=np.array([9, 9, 1]),
)


def test_figures_by_hand() -> None:
    found = THREE.evaluate()
    assert found == TranscriptionMetrics(3 / 8, 2 / 3, n=3, symbols=8)
    assert found.scores["accuracy"] == pytest.approx(1 / 3)
    assert found.headline == "error rates 37.50% and 66.67%"


def test_the_nearest_answer_counts() -> None:
    answers = [(1, 2, 3), (1, 2), (9, 9, 9, 9)]
    assert nearest((1, 2), answers) == (0, 2)
    assert nearest((1, 2, 4), answers) == (1, 3) == nearest((1, 2, 4), answers[::-1])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"strings": [b"a", b"b"]}, "2 strings for 3 ids"),
        ({"strings": [b"\x01\x00", b"", b"\x03\x03\x03"]}, "has the symbol 0"),
        ({"strings": ["a", b"", b"\x03\x03\x03"]}, "is no bytes"),
        ({"log_probabilities": np.array([0.5, -1, -1], dtype=np.float32)}, "is above 0, or NaN"),
        ({"log_probabilities": np.array([np.nan, -1, -1], dtype=np.float32)}, "above 0, or NaN"),
        ({"distances": np.array([0, 1, 1])}, "is not one of strings of these lengths"),
        ({"distances": np.array([3, 2, 1])}, "is not one of strings of these lengths"),
        ({"answer_lengths": np.array([2, 0, 4])}, "at least 1"),
        ({"distances": np.array([0.0, 2.0, 1.0])}, "distances are float64"),
        ({"ids": np.array([4, 4, 9])}, "id 4 occurs 2 times"),
    ],
)
def test_what_does_not_fit_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ResultsError, match=message):
        dataclasses.replace(THREE, **changes)


def equal(one: Any, other: Any, groups: bool = True) -> bool:
    return all(
        np.array_equal(a, b)
        for a, b in zip(one.columns().values(), other.columns().values(), strict=True)
    ) and (not groups or np.array_equal(one.groups, other.groups))


def test_a_file_keeps_everything(tmp_path: Path) -> None:
    write_predictions(tmp_path / "test.parquet", THREE)
    read = read_outputs(tmp_path / "test.parquet")
    assert isinstance(read, Hypotheses) and equal(read, THREE.in_id_order())
    assert read.strings == [b"", b"\x01\x02", b"\x03\x03\x03"]


@pytest.mark.parametrize("outputs", [THREE, make_hypotheses(n=1), make_hypotheses(n=50)])
def test_evidence_keeps_everything_but_groups(outputs: Hypotheses, tmp_path: Path) -> None:
    written = write_evidence(tmp_path / "a.npz", {"val": outputs, "test": outputs})
    read = read_evidence(tmp_path / "a.npz", written.checksum)
    for part in ("val", "test"):
        assert equal(read.parts[part], outputs.in_id_order(), groups=False)  # type: ignore[index]
        assert read.parts[part].evaluate() == outputs.evaluate()  # type: ignore[index]
    with np.load(tmp_path / "a.npz") as arrays:
        assert int(arrays["format"]) == HYPOTHESES.number


def test_changed_evidence_is_refused(tmp_path: Path) -> None:
    _, content = encode({"test": THREE})
    (tmp_path / "a.npz").write_bytes(content)
    with np.load(tmp_path / "a.npz") as archive:
        arrays = {name: archive[name] for name in archive.files}
    arrays["test_strings"] = arrays["test_strings"].copy()
    arrays["test_strings"][-1] = 4
    np.savez(tmp_path / "b.npz", **arrays)
    with pytest.raises(ResultsError, match="was changed after publishing"):
        read_evidence(tmp_path / "b.npz")
    arrays["test_strings"] = arrays["test_strings"][:-4]
    np.savez(tmp_path / "c.npz", **arrays)
    with pytest.raises(ResultsError, match="not a valid evidence file"):
        read_evidence(tmp_path / "c.npz")


def test_an_evidence_file_of_a_table_is_small(tmp_path: Path) -> None:
    parts = {"val": make_hypotheses(1, 2_670), "test": make_hypotheses(2, 12_000)}
    write_evidence(tmp_path / "a.npz", parts)  # type: ignore[arg-type]
    assert (tmp_path / "a.npz").stat().st_size < 200_000


def test_a_row_survives_its_file() -> None:
    row = make_row(problem="transcription", val=THREE.evaluate(), test=THREE.evaluate())
    assert row_from_dict(row_to_dict(row), "here") == row


def test_intervals_are_over_groups(tmp_path: Path) -> None:
    run = make_transcription_run(tmp_path / "b")
    plain = read_outputs(run / TEST_FILE)
    written: Any = plain.with_groups(plain.ids // 5)
    write_predictions(run / TEST_FILE, written)
    write_row(run, dataclasses.replace(read_row(run), checksums={}))
    [table] = read_tables(tmp_path / "b")[0]
    found = table.lines[0].intervals["test_per"]
    amounts, lengths = written.distances[None].astype(float), written.answer_lengths
    for groups, equal in ((written.groups, True), (None, False)):
        expected: Any = ratio_interval(amounts, lengths, groups)
        same = (found.low, found.high) == pytest.approx((expected.low, expected.high))
        assert same == equal


def test_word_error_rates_are_compared_word_by_word(tmp_path: Path) -> None:
    runs = [make_transcription_run(tmp_path / "b", "seq2seq", seed) for seed in (0, 1)]
    runs += [make_transcription_run(tmp_path / "b", "ctc", 1, 7)]
    wrong = [~read_outputs(run / TEST_FILE).right for run in runs]  # type: ignore[attr-defined]
    [table] = read_tables(tmp_path / "b")[0]
    by_name = {"seq2seq": np.mean(wrong[:2]), "ctc": np.mean(wrong[2])}
    for line in table.lines:
        interval = line.intervals["test_wer"]
        assert interval.mean == pytest.approx(by_name[line.experiment])
        assert interval.low < interval.mean < interval.high
    # Seed 1 is the one that both have.
    first, second = sorted(by_name, key=lambda name: by_name[name])
    differences = wrong[1].astype(float) - wrong[2]
    differences *= 1 if first == "seq2seq" else -1
    half = 1.96 * differences.std(ddof=1) / len(differences) ** 0.5
    (note,) = [note for note in table.notes if note.startswith("WER of ")]
    start = f"WER of {first} minus that of {second}, test: {100 * differences.mean():.2f} points, "
    assert note.startswith(f"{start}95% interval ") and note.endswith("one seed, texts only.")
    low, high = (float(end) for end in note.split("interval ")[1].split(",")[0].split(" to "))
    assert (high - low) / 2 == pytest.approx(100 * half, rel=0.05)


def test_runs_are_published_and_shown(tmp_path: Path) -> None:
    runs = [make_transcription_run(tmp_path / "runs", "seq2seq", seed) for seed in (0, 1)]
    runs += [make_transcription_run(tmp_path / "runs", "ctc", 3)]
    publish(runs, "pronunciation", tmp_path / "results")
    verify_published(tmp_path / "results")
    rows = read_table(tmp_path / "results" / "pronunciation.jsonl")
    for row in rows:
        read = read_published_evidence(tmp_path / "results", row)
        assert read.parts["test"].evaluate() == row.test
    own = {(row.experiment, row.seed): row.test for row in map(read_row, runs)}
    assert {(row.experiment, row.seed): row.test for row in rows} == own
    [table] = read_tables(tmp_path / "results")[0]
    assert table.problem == "transcription"
    for line in table.lines:
        rates = [row.test.symbol_error_rate for row in line.rows]  # type: ignore[union-attr]
        interval = line.intervals["test_per"]
        assert interval.mean == pytest.approx(np.mean(rates), rel=1e-6)
        assert interval.low < interval.mean < interval.high
    report(tmp_path / "results", out=tmp_path)
    page, best = (tmp_path / "report.html").read_text(), table.lines[0]
    low, high = (100 * getattr(best.intervals["test_per"], end) for end in ("low", "high"))
    assert f"{low:.2f}–{high:.2f}" in page and f"{low:.1f}% to {high:.1f}%" in page
    text = (tmp_path / "report.md").read_text()
    assert "PER" in text and "WER is the share of words" in text
