"""Statistics of a table, from runs and from published rows, and refused input."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

import experiments
from experiments.records.predictions import read_predictions, write_predictions
from experiments.records.publishing import publish
from experiments.records.row import SCHEMA, ResultsError
from experiments.records.run_files import (
    TEST_FILE,
    checksums,
    read_row,
    read_rows,
    read_table,
    write_row,
)
from experiments.statistics.reading import read_run_predictions
from experiments.statistics.table import Analysis, analyse
from tests.experiments.statistics.made import LABELS, made_run
from tests.rows import make_run

PUBLISHED = Path(experiments.__path__[0]) / "results"


def analysed(folder: Path) -> Analysis:
    analysis = analyse(read_rows(folder), folder)
    assert analysis is not None
    return analysis


def test_movies_are_heeded_if_any_run_knows_them(tmp_path: Path) -> None:
    runs = [
        make_run(tmp_path, seed, data=number + seed, experiment=name)
        for number, name in enumerate(("bag", "cnn"))
        for seed in (0, 1)
    ]
    expected = analysed(tmp_path)
    file = runs[0] / TEST_FILE  # of an older version
    write_predictions(file, dataclasses.replace(read_predictions(file), groups=None))
    analysis = analysed(tmp_path)
    assert analysis.groups is not None and analysis.intervals == expected.intervals


def test_all_statistics_of_a_benchmark(tmp_path: Path) -> None:
    for seed in (2, 0, 1):
        made_run(tmp_path, "cnn", 0.9, seed)
        made_run(tmp_path, "lstm", 0.8, seed)
    made_run(tmp_path, "bag", 0.89, 0)
    failed = tmp_path / "gru" / "seed-0"
    from tests.rows import make_row

    write_row(failed, make_row(experiment="gru", status="failed", reason="out of memory"))
    analysis = analysed(tmp_path)
    assert set(analysis.order) == {"cnn", "bag", "lstm"} and analysis.order[-1] == "lstm"
    assert analysis.part == "test" and analysis.left_out == ()
    assert analysis.seeds == {"cnn": (0, 1, 2), "lstm": (0, 1, 2), "bag": (0,)}
    assert (analysis.labels == LABELS).all()
    accuracies = [r.test.accuracy for r in read_rows(tmp_path) if r.test and r.experiment == "cnn"]
    assert analysis.correct["cnn"].mean(axis=1) == pytest.approx(accuracies)
    interval = analysis.intervals["cnn"]
    assert interval.mean == pytest.approx(np.mean(accuracies))
    assert interval.sd == pytest.approx(np.std(accuracies, ddof=1))
    assert analysis.intervals["bag"].reviews_only and analysis.intervals["bag"].sd is None
    assert len(analysis.differences) == 3
    # What another seed of bag would give is not known.
    assert analysis.untested == ("bag",) and set(analysis.letters) == {"cnn", "lstm"}
    assert {name: one.rank for name, one in analysis.ranks.items()} == {"cnn": 1, "lstm": 2}
    assert analysis.ranks["cnn"].first > 0.99
    assert not set(analysis.letters["cnn"]) & set(analysis.letters["lstm"])
    calibration = analysis.calibration["cnn"]
    assert len(calibration.temperatures) == 3
    assert calibration.after.log_loss < calibration.before.log_loss
    losses = [r.test.log_loss for r in read_rows(tmp_path) if r.test and r.experiment == "cnn"]
    assert calibration.before.log_loss == pytest.approx(np.mean(losses), rel=1e-6)
    assert sum(one.n for one in calibration.diagram_after) == 3000


def test_a_deterministic_experiment_is_tested_after_one_run(tmp_path: Path) -> None:
    for seed in (2, 0, 1):
        made_run(tmp_path, "cnn", 0.9, seed)
    made_run(tmp_path, "bag", 0.8, 0, deterministic=True)
    analysis = analyse(read_rows(tmp_path), tmp_path)
    assert analysis is not None and analysis.untested == ()
    assert analysis.letters == {"cnn": "a", "bag": "b"}
    assert not analysis.intervals["bag"].reviews_only and analysis.intervals["bag"].sd is None
    assert analysis.differences[0].different


def test_reviews_of_a_movie_count_together(tmp_path: Path) -> None:
    for seed in (0, 1):
        made_run(tmp_path, "cnn", 0.9, seed)
        made_run(tmp_path, "lstm", 0.88, seed)
    alone = analysed(tmp_path)
    assert alone.groups is None and alone.intervals["cnn"].design_effect == pytest.approx(1)
    # Reviews that both get wrong are of the same movies.
    wrong = np.cumsum(~alone.correct["cnn"][0]) // 8
    for file in tmp_path.rglob("predictions.parquet"):
        write_predictions(file, dataclasses.replace(read_predictions(file), groups=wrong))
        row = read_row(file.parent)
        write_row(file.parent, dataclasses.replace(row, checksums=checksums(file.parent)))
    both = analysed(tmp_path)
    assert np.array_equal(both.groups, wrong)
    for name, interval in both.intervals.items():
        assert interval.design_effect != pytest.approx(1)
        assert (interval.low, interval.mean) != (alone.intervals[name].low, interval.mean)
    assert both.differences[0].sign_flip != alone.differences[0].sign_flip


def test_published_rows_give_what_their_runs_gave(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    folders = [made_run(runs, "cnn", 0.9, seed) for seed in (0, 1)]
    folders.append(made_run(runs, "bag", 0.8, 0))
    for folder in folders:
        (folder / "config.yaml").write_text("data: {class_path: tests.toys.ToyData}")
    publish(folders, "table", tmp_path / "published")
    one, two = analysed(runs), analysed(tmp_path / "published")
    assert one.intervals == two.intervals and one.letters == two.letters
    assert one.differences == two.differences and one.fingerprint == two.fingerprint
    assert two.intervals == analysed(tmp_path / "published" / "table.jsonl").intervals
    assert all(row.checksums == {} for row in read_rows(tmp_path / "published"))
    assert analysed(folders[0]).order == ["cnn"]


@pytest.mark.parametrize("name", ["imdb"])
def test_the_published_table_has_statistics(name: str) -> None:
    rows = [
        row
        for row in read_table(PUBLISHED / f"{name}.jsonl")
        if row.test_refit and row.excluded is None
    ]
    analysis = analyse(rows, PUBLISHED, part="test_refit")
    assert analysis is not None
    for row in rows:
        assert row.test_refit is not None
        if analysis.seeds[row.experiment] == (row.seed,):
            mean = analysis.intervals[row.experiment].mean
            assert mean == pytest.approx(row.test_refit.accuracy)
    assert {*analysis.letters, *analysis.untested} == {*analysis.order}
    assert analysis.ranks.keys() == analysis.letters.keys()


def test_validation_alone_and_rows_not_tested(tmp_path: Path) -> None:
    made_run(tmp_path, "cnn", 0.9, tested=False)
    analysis = analysed(tmp_path)
    assert analysis.part == "val" and analysis.calibration == {} and len(analysis.labels) == 100
    made_run(tmp_path, "bag", 0.9)
    analysis = analysed(tmp_path)
    assert analysis.part == "test" and analysis.order == ["bag"]
    assert analysis.left_out == ("cnn, seed 0: not tested",)
    assert analyse([], tmp_path) is None


def test_other_reviews_or_another_corpus_are_refused_by_fingerprint(tmp_path: Path) -> None:
    made_run(tmp_path, "bag", 0.9)
    made_run(tmp_path, "cnn", 0.9, labels=1 - LABELS)
    with pytest.raises(ResultsError, match="bag .seed 0. and cnn .seed 0. were evaluated on diff"):
        analysed(tmp_path)
    made_run(tmp_path, "cnn", 0.9, labels=LABELS[:500])
    with pytest.raises(
        ResultsError, match="1,000 with fingerprint [0-9a-f]{16}, 500 with [0-9a-f]"
    ):
        analysed(tmp_path)
    made_run(tmp_path, "cnn", 0.9, corpus_fingerprint="feed" * 4)
    with pytest.raises(ResultsError, match="fingerprints 0123456789abcdef.* and feed"):
        analysed(tmp_path)


def test_predictions_edited_by_hand_are_refused(tmp_path: Path) -> None:
    folder = made_run(tmp_path, "cnn", 0.9)
    file = folder / "predictions.parquet"
    predictions = read_predictions(file)
    # Two rows of the same label are swapped, which changes no metric.
    one, two = np.flatnonzero(predictions.labels == 0)[:2]
    predictions.probabilities[[one, two]] = predictions.probabilities[[two, one]]
    write_predictions(file, predictions)
    with pytest.raises(ResultsError, match="its checksum is .* it was changed after the run"):
        read_run_predictions(read_row(folder), folder)


def test_rows_of_before_checksums_are_held_against_their_metrics(tmp_path: Path) -> None:
    folder = made_run(tmp_path, "cnn", 0.9)
    path = folder / "row.json"
    old = json.loads(path.read_text())
    del old["checksums"]
    path.write_text(json.dumps(old))
    row = read_row(folder)
    assert row.checksums == {}
    assert read_run_predictions(row, folder).keys() == {"val", "test"}
    file = folder / "predictions.parquet"
    predictions = read_predictions(file)
    predictions.probabilities[3] = predictions.probabilities[3, ::-1]
    write_predictions(file, predictions)
    with pytest.raises(ResultsError, match="predictions.parquet: its log loss is .* row.json says"):
        read_run_predictions(row, folder)
    write_row(folder, dataclasses.replace(row, val=dataclasses.replace(row.val, n=7)))  # type: ignore[type-var]
    with pytest.raises(ResultsError, match="val_predictions.parquet: 100 rows, row.json says 7"):
        read_run_predictions(read_row(folder), folder)


def test_a_newer_or_older_schema_is_refused(tmp_path: Path) -> None:
    path = made_run(tmp_path, "cnn", 0.9) / "row.json"
    path.write_text(path.read_text().replace(f'"schema": {SCHEMA}', '"schema": 0'))
    with pytest.raises(ResultsError, match="'schema' is 0; this program reads 1"):
        analysed(tmp_path)


def test_a_run_twice_is_refused(tmp_path: Path) -> None:
    made_run(tmp_path, "cnn", 0.9)
    with pytest.raises(ResultsError, match="two rows of cnn, seed 0"):
        analyse(read_rows(tmp_path) * 2, tmp_path)
