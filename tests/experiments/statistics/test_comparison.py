"""`compare`: figures, exit codes, and what cannot be compared."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from experiments.cli.main import main
from experiments.records.metrics import evaluate
from experiments.records.predictions import read_predictions, write_predictions
from experiments.records.problems.class_predictions import Predictions
from experiments.records.row import ResultsError
from experiments.records.run_files import checksums, read_row, write_row
from experiments.statistics.comparison import compare
from tests.experiments.statistics.made import LABELS, answers, made_run
from tests.recomputation.statistics import Model, pairs
from tests.rows import make_language_run, make_run


def test_what_got_worse_what_changed_and_what_is_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    a, b, json_file = tmp_path / "a", tmp_path / "b", tmp_path / "c.json"
    for seed in (0, 1, 2):
        made_run(a, "cnn", 0.9, seed)
        made_run(a, "lstm", 0.85, seed)
        if seed < 2:
            made_run(b, "lstm", 0.85, seed)
        folder = made_run(
            b, "cnn", 0.8, seed, config_hash="ab" * 8, versions={"torch": "9"}, precision="16-mixed"
        )
        for side, rate in ((a, 0.1), (b, 0.5)):
            home = side / folder.relative_to(b)
            config = {"model": {"init_args": {"dropout": rate}}, "data": {"root": str(side)}}
            (home / "config.yaml").write_text(json.dumps(config))
    made_run(a, "gru", 0.9)
    made_run(b, "bag", 0.9)
    assert main(["compare", str(a), str(b), "--json", str(json_file)]) == 1
    shown = capsys.readouterr().out
    for text in (
        "B lacks gru",
        "A lacks bag",
        "B lacks seed 2 of lstm",
        "cnn: version of torch: 2.13.0 → 9",
        "cnn: precision: 32-true → 16-mixed",
        "cnn: setting model.init_args.dropout: 0.1 → 0.5",
        "worse",
    ):
        assert text in shown, shown
    assert "data.root" not in shown
    content = json.loads(json_file.read_text())
    cnn, lstm = content["changes"]
    assert content["worse"] and cnn["worse"] and not lstm["worse"]
    assert lstm["seeds"] == [0, 1] and lstm["difference"]["difference"] == 0
    assert cnn["difference"]["difference"] == pytest.approx(cnn["second"] - cnn["first"])
    assert cnn["difference"]["p_holm"] == pytest.approx(2 * cnn["difference"]["p"])
    assert cnn["difference"]["high"] < 0

    # The other way round nothing is worse.
    assert main(["compare", str(b), str(a)]) == 0
    assert "better" in capsys.readouterr().out


def test_two_runs_of_other_names(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, two = made_run(tmp_path, "cnn", 0.9), made_run(tmp_path, "gru", 0.89)
    assert main(["compare", str(one), str(two)]) == 0
    shown = capsys.readouterr().out
    assert "cnn → gru" in shown and "One seed" in shown


def test_one_seed_is_worse_if_no_other_seed_would_differ(tmp_path: Path) -> None:
    a, b = tmp_path / "a", tmp_path / "b"
    for name in ("cnn", "nb"):
        made_run(a, name, 0.9, deterministic=name == "nb")
        made_run(b, name, 0.6, deterministic=name == "nb")
    fixed = compare(a, b).changes
    assert {change.experiment: change.worse for change in fixed} == {"cnn": False, "nb": True}
    # The experiment that is not tested does not count for the correction.
    nb = next(change for change in fixed if change.experiment == "nb")
    assert nb.difference.p_holm == nb.difference.p


def test_seeds_tested_under_unequal_protocols_are_compared_where_both_were(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    a, b = tmp_path / "a", tmp_path / "b"
    older = make_run(a, 0, data=0, protocol="refit")
    write_row(older, dataclasses.replace(read_row(older), test=None))  # it has the second fit alone
    for seed in (1, 2):
        make_run(a, seed, data=seed)
    for seed in (0, 1, 2):
        make_run(b, seed, data=seed + 5, protocol="refit")
    comparison = compare(a, b)
    seeds = {change.protocol: change.seeds for change in comparison.changes}
    assert seeds == {"holdout": (1, 2), "refit": (0,)}
    assert main(["compare", str(a), str(b)]) in (0, 1)
    shown = capsys.readouterr().out
    assert "seed 0 of cnn is not compared under holdout: not both have its predictions" in shown
    assert "seed 1, 2 of cnn is not compared under refit" in shown
    assert "\\" not in shown


@pytest.mark.parametrize("older", ["a", "b"])
def test_movies_are_heeded_if_one_side_knows_them(older: str, tmp_path: Path) -> None:
    for side, data in (("a", 1), ("b", 2)):
        for seed in (0, 1):
            make_run(tmp_path / side, seed, data=data + 3 * seed)
    [expected] = compare(tmp_path / "a", tmp_path / "b").changes
    for file in (tmp_path / older).rglob("*.parquet"):
        write_predictions(file, dataclasses.replace(read_predictions(file), groups=None))
    assert compare(tmp_path / "a", tmp_path / "b").changes == [expected]


def test_runs_without_test_figures_are_compared_on_validation(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one = made_run(tmp_path / "a", "cnn", 0.9)
    two = made_run(tmp_path / "b", "cnn", 0.9, tested=False)
    assert main(["compare", str(one), str(two)]) == 0
    assert "validation rows" in capsys.readouterr().out
    assert compare(one, two).changes[0].part == "val"


def test_what_cannot_be_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    a = tmp_path / "a"
    made_run(a, "cnn", 0.9)
    made_run(a, "lstm", 0.9)
    made_run(tmp_path / "b", "cnn", 0.9, labels=1 - LABELS)
    made_run(tmp_path / "c", "cnn", 0.9, labels=LABELS[:500])
    made_run(tmp_path / "d", "cnn", 0.9, 7)
    made_run(tmp_path / "e", "bag", 0.9)
    for name, message in (
        ("b", "different test rows: 1,000 with fingerprint .*, 1,000 with "),
        ("c", "1,000 with fingerprint .*, 500 with "),
        ("d", "no seed is in both; A has 0, B has 7"),
        ("e", "no experiment is in both: A has cnn, lstm; B has bag"),
        ("none", "no finished runs here"),
    ):
        with pytest.raises(ResultsError, match=message):
            compare(a, tmp_path / name)
        assert main(["compare", str(a), str(tmp_path / name)]) == 2
        assert capsys.readouterr().err.startswith("error: ")


def test_language_models_are_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("a", "b"):
        make_language_run(tmp_path / name)
    assert main(["compare", str(tmp_path / "a"), str(tmp_path / "b")]) == 2
    message = "all runs are of language modelling, and only accuracies are compared; `lit-sentiment"
    assert message in capsys.readouterr().err
    for name in ("a", "b"):
        made_run(tmp_path / name, "cnn", 0.9)
    [change] = compare(tmp_path / "a", tmp_path / "b").changes
    assert change.experiment == "cnn"


@pytest.mark.parametrize("names", [("cnn",), ("cnn", "lstm", "gru")])
def test_experiments_of_both_sides_share_their_variance_over_seeds(
    names: tuple[str, ...], tmp_path: Path
) -> None:
    """The independent recomputation of a table of all six gives the same p-values."""
    models = {}
    for side, accuracy in (("a", 0.9), ("b", 0.87)):
        for name in names:
            runs = [made_run(tmp_path / side, name, accuracy, seed) for seed in (0, 1, 2)]
            if side == "b":  # other answers than those of A
                for seed, run in enumerate(runs):
                    rewrite(run, answers(accuracy, 1000 * len(name) + ord(name[0]) + seed, LABELS))
            files = [read_predictions(run / "predictions.parquet") for run in runs]
            right = np.stack([one.probabilities.argmax(axis=1) == one.labels for one in files])
            models[f"{side} {name}"] = Model(right, np.arange(len(LABELS)))
        made_run(tmp_path / side, "nb", 0.8, deterministic=True)
    expected = pairs(models, set())
    changes = {one.experiment: one for one in compare(tmp_path / "a", tmp_path / "b").changes}
    for name in names:
        pair = expected[f"a {name}", f"b {name}"]
        assert changes[name].difference.p == pytest.approx(pair.p, rel=1e-6)
    alone = pairs({side: models[f"{side} cnn"] for side in ("a", "b")}, set())
    assert (changes["cnn"].difference.p == pytest.approx(alone["a", "b"].p)) == (len(names) == 1)


def test_runs_that_are_the_same_on_both_sides_are_known_once(tmp_path: Path) -> None:
    for side in ("a", "b"):
        for seed in (0, 1, 2):
            for name in ("bag", "gru"):
                made_run(tmp_path / side, name, 0.9, seed)
            run = made_run(tmp_path / side, "cnn", 0.9, seed)
            if side == "b":
                rewrite(run, answers(0.86, 500 + seed, LABELS))
    with_both = compare(tmp_path / "a", tmp_path / "b").changes
    p = {one.experiment: one.difference.p for one in with_both}
    runs = {name: tmp_path / "a" / name for name in ("bag", "gru", "cnn")} | {
        "new": tmp_path / "b" / "cnn"
    }
    models = {}
    for name, folder in runs.items():
        files = [read_predictions(folder / f"seed-{s}" / "predictions.parquet") for s in range(3)]
        right = np.stack([one.probabilities.argmax(axis=1) == one.labels for one in files])
        models[name] = Model(right, np.arange(len(LABELS)))
    assert p["cnn"] == pytest.approx(pairs(models, set())["cnn", "new"].p, rel=1e-6)
    assert p["bag"] == p["gru"] == 1


def rewrite(run: Path, predictions: Predictions) -> None:
    """Give a run other test predictions."""
    write_predictions(run / "predictions.parquet", predictions)
    row = read_row(run).with_parts(
        {"test": evaluate(predictions.labels, predictions.probabilities)}
    )
    write_row(run, dataclasses.replace(row, checksums=checksums(run)))
