"""Words of the page: its first sentences, classes, subsets, and what is missing."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from experiments.cli.parser import RESULTS
from experiments.records.metrics import evaluate
from experiments.records.problems.class_predictions import Predictions
from experiments.records.row import ResultsError, Row
from experiments.report import report
from experiments.report.facts import noun, seeds_text, warnings
from experiments.report.page.classes import WRITTEN, class_names, confusions, f1_by_class
from experiments.report.page.subsets import robustness, subsets
from experiments.report.page.summary import summarise
from experiments.report.tables import Evidence, Table, build_tables
from experiments.statistics.table import analyse_runs
from tests.rows import make_predictions, make_row, make_run

OWN = {"data": {"class_path": "datamodules.files.TextFiles"}}


def table_of(runs: dict[str, list[Predictions]], **changes: object) -> Table:
    """Table of runs with these test predictions, one for each seed of an experiment."""
    pairs = [
        (
            make_row(
                experiment=name,
                seed=seed,
                train_seconds=10.0 * (place + 1),
                test=evaluate(one.labels, one.probabilities),
                **changes,
            ),
            {"test": one, "val": one},
        )
        for place, (name, predictions) in enumerate(runs.items())
        for seed, one in enumerate(predictions)
    ]

    def analyse(done: list[Row], parts: list) -> Evidence:
        found = analyse_runs(pairs, Path("here"), part="test")
        return Evidence({"test": found} if found else {})

    (table,) = build_tables([row for row, _ in pairs], analyse=analyse)
    return table


def right(share: float, classes: int = 2, seed: int = 0, n: int = 400) -> Predictions:
    """Predictions of which a share is right; wrong ones name the next class."""
    generator = np.random.default_rng(seed)
    labels = np.arange(n) % classes
    wrong = generator.permutation(n) >= share * n
    called = np.where(wrong, (labels + 1) % classes, labels)
    probabilities = np.full((n, classes), 0.1 / (classes - 1))
    probabilities[np.arange(n), called] = 0.9
    return Predictions(np.arange(n), labels, probabilities)


def test_the_page_begins_with_the_best_the_cheapest_and_what_is_equal() -> None:
    table = table_of(
        {
            "bag": [right(0.70, seed=1), right(0.71, seed=2)],
            "cnn": [right(0.90, seed=3), right(0.905, seed=4)],
            "lstm": [right(0.9025, seed=3), right(0.9075, seed=4)],
            "gru": [right(0.5, seed=9)],
        }
    )
    assert summarise(table, "texts") == [
        "lstm is the most accurate: 90.50% of the test texts (95% interval "
        f"{100 * table.lines[0].interval.low:.1f} to {100 * table.lines[0].interval.high:.1f}).",  # type: ignore[union-attr]
        "It cannot be told apart from cnn (5%, Holm-corrected); 1 with one seed is not tested.",
        "Cheapest on the front of accuracy against training time: bag (10 s, 70.50%); within 1 "
        "point of the best: cnn (20 s, 90.25%).",
    ]


def test_a_best_of_one_seed_is_not_called_better() -> None:
    alone = table_of({"bag": [right(0.7, seed=1)], "cnn": [right(0.9, seed=3)]})
    assert summarise(alone)[1] == (
        "What cnn is better than is not known: another seed would change its accuracy."
    )
    mixed = table_of(
        {
            "bag": [right(0.70, seed=1), right(0.71, seed=2)],
            "cnn": [right(0.8, seed=3), right(0.8, seed=4)],
            "gru": [right(0.95, seed=9)],
        }
    )
    assert summarise(mixed)[1] == (
        "What gru is better than is not known: another seed would change its accuracy; of the 2 "
        "experiments that are tested, cnn is the best: it is significantly better than the other "
        "(5%, Holm-corrected)."
    )
    assert len(summarise(table_of({"bag": [right(0.7, seed=1)]}))) == 1
    (nothing,) = build_tables([make_row(status="failed", reason="crash")])
    assert summarise(nothing) == []


def test_the_best_is_not_named_as_nearly_as_good_as_itself() -> None:
    table = table_of(
        {
            "bag": [right(0.5, seed=1), right(0.5, seed=2)],
            "cnn": [right(0.9, seed=3), right(0.9, seed=4)],
        }
    )
    assert summarise(table)[2] == (
        "Cheapest on the front of accuracy against training time: bag (10 s, 50.00%)."
    )


def test_what_was_not_tested_is_said() -> None:
    (table,) = build_tables([make_row(experiment=name, test=None) for name in ("a", "b")])
    assert summarise(table, "texts")[0] == (
        "a is the most accurate: 87.31% of the validation texts; nothing was tested."
    )


def test_classes_have_names(tmp_path: Path) -> None:
    table = table_of({"bag": [right(0.7, 3)]}, config=OWN)
    assert class_names(table, tmp_path, None) == ["class 0", "class 1", "class 2"]
    run = tmp_path / "bag" / "seed-0"
    run.mkdir(parents=True)
    (run / "row.json").write_text("{}")
    (run / "encoder.json").write_text(json.dumps({"label_names": ["bad", "<b>so so", "good"]}))
    assert class_names(table, tmp_path, None) == ["bad", "<b>so so", "good"]
    (run / "encoder.json").write_text("[")
    assert class_names(table, tmp_path, None)[0] == "class 0"
    published = table_of({"bag": [right(0.7)]}, task="imdb-v1")
    assert class_names(published, tmp_path, None) == ["negative", "positive"]


@pytest.mark.parametrize("classes", [2, 5, WRITTEN, WRITTEN + 1, 25, 150])
def test_confusions_of_any_number_of_classes(classes: int) -> None:
    table = table_of({"bag": [right(0.7, classes, n=3000), right(0.8, classes, 1, n=3000)]})
    labels = [f"name {at}" for at in range(classes)]
    found = confusions(table, "bag", labels)
    assert found is not None and confusions(table, "other", labels) is None
    assert (len(found.matrix) == classes) == (classes <= WRITTEN) == (found.figure is None)
    assert len(found.classes) + found.left_out == classes
    truth = right(0.7, classes, n=3000).labels
    assert found.classes[0].support == (truth == labels.index(found.classes[0].name)).sum()
    assert len(json.dumps(found.figure)) < 60_000
    if found.figure:
        label, predicted, number, share = found.pairs[0]
        assert (labels.index(label) + 1) % classes == labels.index(predicted)
        assert float(number) > 0 and 20 < share < 60
    figure, left_out = f1_by_class(table, labels)
    assert figure is not None and len(figure["data"][0]["x"]) + left_out == classes


def test_figures_of_a_class_are_those_of_scikit_learn() -> None:
    from sklearn.metrics import precision_recall_fscore_support

    seeds = [make_predictions(300, classes=4, seed=seed) for seed in (0, 1)]
    found = confusions(table_of({"bag": seeds}), "bag", list("abcd"))
    assert found is not None
    truth = np.mean(
        [
            precision_recall_fscore_support(one.labels, one.probabilities.argmax(axis=1))
            for one in seeds
        ],
        axis=0,
    )  # the mean over seeds, as in the terminal and in Markdown
    ours = [(one.precision, one.recall, one.f1, one.support) for one in found.classes]
    assert np.array(ours) == pytest.approx((truth * [[100], [100], [100], [1]]).T, rel=1e-9)


def test_words_fit_own_data() -> None:
    own = [make_row(config=OWN, profile="quick", notes=[])]
    assert noun(own) == "texts" and warnings(own) == []
    ours = {"data": {"class_path": "datamodules.movie_reviews.MovieReviews"}}
    reviews = [make_row(config=ours, profile="quick", notes=[])]
    assert noun(reviews) == "reviews" and "25,000" in warnings(reviews)[0]
    assert (seeds_text((0,)), seeds_text((0, 1))) == ("seed 0", "seeds 0, 1")


def test_the_page_of_own_data_speaks_of_texts(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    for name, number in (("bag", 0), ("cnn", 1), ("gru", 2)):
        make_run(folder, data=number, experiment=name, config=OWN, corpus="tickets", notes=[])
    page = report(folder, console=Console(file=io.StringIO())).html.read_text()
    words = page[page.index("<header>") : page.index("</main>")]
    assert "reviews" not in re.sub(r"<[^>]*>", "", words)
    assert "No pair is tested" in words and "Their texts are missing here" in words
    assert "test texts" in words and ">seed 0</td>" in words


def test_subsets_and_robustness_of_the_published_rows(published_tables: list[Table]) -> None:
    (table,) = (one for one in published_tables if one.task == "imdb-v1")
    found = subsets(table, RESULTS)
    assert found is not None and found.heads[3:] == [
        *("all, %", "without copies, %", "copies alone, %", "audited labels, %"),
    ]
    stored = json.loads((RESULTS / "imdb.subsets.json").read_text())["rows"]
    (attention,) = (row for row in found.rows if row[0] == "attention_lstm")
    (entry,) = (row for row in stored if row["experiment"] == "attention_lstm")
    assert attention[3] == f"{100 * entry['all']['accuracy']:.2f}"
    without = {line.experiment for line in table.lines} - {row[0] for row in found.rows}
    assert without and all(name in found.about for name in without)
    assert attention[6] == f"{100 * entry['audited']['accuracy']:.2f}"
    challenged = robustness(RESULTS)
    assert challenged is not None and {row[0] for row in challenged.rows} >= {"minilm", "bag"}
    assert all(len(row) == len(challenged.heads) for row in challenged.rows)


def test_subsets_of_other_rows_are_left_out(tmp_path: Path) -> None:
    table = table_of({"bag": [right(0.7)]})
    assert subsets(table, tmp_path) is None and robustness(tmp_path) is None
    part = {"n": 400, "accuracy": 0.5}
    entry = {"experiment": "bag", "protocol": "holdout", "profile": "quick", "seed": 0}
    entry |= {"excluded": None, "all": part, "without_copies": part, "copies": part}
    file = tmp_path / "subsets.json"
    file.write_text(json.dumps({"rows": [entry]}))
    assert subsets(table, tmp_path) is None  # of an earlier run: its accuracy is another
    entry["all"] = {"n": 400, "accuracy": 0.7}
    file.write_text(json.dumps({"rows": [entry]}))
    found = subsets(table, tmp_path)
    assert found and found.rows == [["bag", "0", "holdout", "70.00", "50.00", "50.00", "–"]]
    file.write_text('{"rows": [{}]}')
    with pytest.raises(ResultsError, match=r"subsets\.json: not a file of subsets"):
        subsets(table, tmp_path)
