"""Published figures, intervals and letters, computed once more by other code."""

from __future__ import annotations

import ast
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from experiments.config.identity import setting_hash
from experiments.config.registry import Registry
from experiments.records.metrics import evaluate
from experiments.records.predictions import write_predictions
from experiments.records.problems.class_predictions import Predictions
from experiments.records.publishing import publish
from experiments.records.row import Part
from experiments.records.run_files import REFIT, TEST_FILE, VAL_FILE, write_row
from experiments.records.times import keep_times
from experiments.report.readme.write import write_readme
from experiments.statistics.intervals import interval as our_interval
from experiments.statistics.pairwise_tests import differences
from experiments.statistics.totals import count
from tests.experiments.conftest import REPOSITORY
from tests.experiments.records.test_times import make_times
from tests.recomputation.page import read_tables, wrong_cells, wrong_metrics
from tests.recomputation.statistics import Model, interval, pairs, sign_flip
from tests.rows import make_row

RESULTS = REPOSITORY / "experiments" / "results"
PAGE = REPOSITORY / "docs" / "results.md"
FILES: dict[Part, str] = {
    "val": VAL_FILE,
    "test": TEST_FILE,
    "test_refit": f"{REFIT}/{TEST_FILE}",
}


def make_model(
    folder: Path, name: str, skill: float, spread: float, seeds: int, **row: Any
) -> Iterator[Path]:
    """Runs of a model whose skill varies over seeds, over 3,000 reviews of 400 movies."""
    for seed in range(seeds):
        drawn = np.random.default_rng([*name.encode(), seed])
        run, shift = folder / name / f"seed-{seed}", spread * drawn.normal()
        metrics = {}
        for at, (part, file) in enumerate(FILES.items()):
            if part == "test_refit" and row.get("protocol") != "refit":
                continue
            common = np.random.default_rng(min(at, 1))  # the same reviews for all, twice test
            n = 300 if part == "val" else 3000
            labels, movies = common.integers(0, 2, n), np.sort(common.integers(0, 400, n))
            hard = common.normal(0, 1, n) + common.normal(0, 0.6, 400)[movies]
            logits = skill + shift + 0.2 * (part == "test_refit") - hard
            logits += drawn.normal(0, 0.8, n) + drawn.normal(0, 0.3, 400)[movies]
            chance = 1 / (1 + np.exp(-2 * np.where(labels == 1, logits, -logits)))
            chances = np.stack([1 - chance, chance], axis=1).astype(np.float32)
            predictions = Predictions(np.arange(n), labels, chances, movies)
            write_predictions(run / file, predictions)
            metrics[part] = evaluate(labels, chances, row.get("threshold"))
        (run / "config.yaml").write_text("data: {class_path: tests.toys.ToyData}")
        write_row(run, make_row(experiment=name, seed=seed, **metrics, **row))
        yield run


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Published folder, and its page, of models of one, two and three seeds."""
    home = tmp_path_factory.mktemp("made")
    runs = list[Path]()
    for number, seeds in enumerate((3, 3, 2, 3, 1, 3)):
        # The skills of the seeds spread unequally, so that they are shared in part.
        spread = (0.02, 0.3, 0.05, 0.01, 0.1, 0.03)[number]
        protocol, skill = ("holdout", "refit")[number % 2], 1.2 + 0.15 * number
        runs += make_model(home, f"model_{number}", skill, spread, seeds, protocol=protocol)
    runs += make_model(home, "steady", 1.6, 0, 1, protocol="refit", deterministic=True)
    runs += make_model(home, "decided", 1.3, 0.02, 3, protocol="refit", threshold=0.31)
    publish(runs, "made", home / "published")
    page = home / "README.md"
    page.write_text("<!-- results:made -->\n<!-- /results:made -->\n")
    write_readme(page, home / "published", Registry())
    return home


def test_nothing_that_is_checked_is_imported() -> None:
    for file in Path(__file__).parent.glob("*.py"):
        nodes = ast.walk(ast.parse(file.read_text()))
        names = {n.module or "" for n in nodes if isinstance(n, ast.ImportFrom)}
        names |= {a.name for n in nodes if isinstance(n, ast.Import) for a in n.names}
        foreign = r"experiments|lit_models|datamodules|sklearn|statsmodels|tests\.(?!recomputation)"
        if not file.name.startswith("test_"):
            assert not [name for name in names if re.match(foreign, name)], file


def test_every_figure_of_the_results_page_follows_from_the_published_files() -> None:
    assert list(wrong_cells(PAGE.read_text(), RESULTS, "imdb")) == []


@pytest.mark.parametrize("folder", [RESULTS, RESULTS / "superseded"])
def test_every_metric_of_a_row_follows_from_its_predictions(folder: Path) -> None:
    tables = read_tables(folder, "imdb")
    assert tables and list(wrong_metrics(tables)) == []


def test_a_made_table_of_several_seeds_is_recomputed(made: Path) -> None:
    page = (made / "README.md").read_text()
    assert page.count("±") > 5 and re.search(r"\| (a|ab|b) \|.*\| (a|ab|b) \|", page)
    assert list(wrong_cells(page, made / "published", "made")) == []
    assert list(wrong_metrics(read_tables(made / "published", "made"))) == []


@pytest.mark.parametrize(
    ("pattern", "change"),
    [
        (r"\| (\d\d\.\d)(\d) ±", "mean"),
        (r" ± (\d\.\d)(\d) \[", "spread"),
        (r"\[(\d\d\.)(\d), ", "low"),
        (r", (\d\d\.)(\d)\] \| ", "high"),
        (r"\| (0\.\d\d)(\d) \|", "log loss"),
        (r"\] \|( )([ab])", "letter"),
        (r"\| [ab]+ \|( )(\d)", "rank"),
    ],
)
def test_a_changed_figure_is_found(made: Path, pattern: str, change: str) -> None:
    page = (made / "README.md").read_text()
    places = list(re.finditer(pattern, page))
    assert places
    for place in places[:3]:
        at = place.start(2)
        other = {"a": "b", "b": "a"}.get(page[at]) or str((int(page[at]) + 1) % 10)
        changed = page[:at] + other + page[at + 1 :]
        assert len(list(wrong_cells(changed, made / "published", "made"))) == 1, change


def test_times_that_were_measured_apart_are_recomputed(made: Path, tmp_path: Path) -> None:
    """One fit of as many epochs as each row; models without a measurement have a mark."""
    folder, page = tmp_path / "published", tmp_path / "README.md"
    shutil.copytree(made / "published", folder)
    config = {"model": {"class_path": "lit_models.cnn.CNN"}}
    rows = [json.loads(line) for line in (folder / "made.jsonl").read_text().splitlines()]
    for row in rows:
        if row["experiment"] in ("model_0", "model_1"):  # the second is fitted twice
            row |= {"config": config, "epochs": 3 + row["seed"]}
    (folder / "made.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    times = make_times("model_0", setting=setting_hash(config), seconds_per_epoch=7.25)
    keep_times(folder / "made.times.json", times)
    page.write_text("<!-- results:made -->\n<!-- /results:made -->\n")
    write_readme(page, folder, Registry())
    of_run = ("experiment", "seed", "config_hash", "protocol")
    lines = [{name: row[name] for name in of_run} for row in rows if row["config"] == config]
    log = "".join(json.dumps(line | {"setting": times.setting}) + "\n" for line in lines)
    (folder / "test_log.jsonl").write_text(log)
    text = page.read_text()
    assert list(wrong_cells(text, folder, "made")) == []
    assert text.count("| 31 | 0.5 |") == 2  # 2 + 7.25 × 4 seconds, the mean of three seeds
    assert text.count("41‡ | 1.6‡ |") + text.count("21‡ | 1.6‡ |") == 6
    for wrong in (text.replace("| 31 |", "| 62 |", 1), text.replace("‡ |", " |", 1)):
        assert len(list(wrong_cells(wrong, folder, "made"))) == 1


Right = dict[str, np.ndarray]


def check_unprinted(right: Right, movies: np.ndarray, steady: set[str]) -> None:
    """Compare all digits of intervals, and the p-value of every pair."""
    models = {name: Model(values, movies) for name, values in right.items()}
    totals = {name: count(values, movies) for name, values in right.items()}
    for name in right:
        ours = our_interval(totals[name])
        assert (ours.low, ours.high) == pytest.approx(interval(models[name]))
    found = pairs(models, steady)
    for one in differences(right, groups=movies, deterministic=steady):
        pair = found[one.first, one.second]
        assert one.difference == pytest.approx(pair.gap, abs=1e-12)
        assert one.p == pytest.approx(pair.p, rel=1e-6, abs=1e-12), one
        assert one.p_holm == pytest.approx(pair.p_holm, rel=1e-6, abs=1e-12), one
        if len(right) < 10:
            d = models[one.first].right[0] - models[one.second].right[0]
            assert one.sign_flip == pytest.approx(sign_flip(d), abs=1e-9)


def test_what_the_page_does_not_print_is_recomputed_too() -> None:
    for table in read_tables(RESULTS, "imdb"):
        for part in ("test", "test_refit"):
            runs = {
                n: [run[part] for run in all if part in run] for n, all in table.answers.items()
            }
            runs = {name: found for name, found in runs.items() if found}
            right = {name: np.stack([run.right for run in found]) for name, found in runs.items()}
            movies = next(iter(runs.values()))[0].movies
            check_unprinted(right, movies, table.steady)


@pytest.mark.parametrize("spread", [0.0, 0.02, 0.1])
@pytest.mark.parametrize("skill", [0.7, 0.99, 1.0])
@pytest.mark.parametrize("models", [2, 8])
def test_tables_of_all_kinds_are_recomputed(spread: float, skill: float, models: int) -> None:
    """Equal seeds and unequal ones, models without an error, too few models to share anything."""
    generator = np.random.default_rng(int(100 * skill + 1000 * spread + models))
    movies = np.sort(generator.integers(0, 300, 2000))
    ease = skill + (1 - skill) * generator.uniform(-1, 1, 300)[movies]
    right = {}
    for number in range(models):
        shift = spread * generator.normal(size=(2 + number % 3, 1)) * number / models
        right[f"model_{number}"] = generator.random((len(shift), 2000)) < ease + shift
    right |= {"steady": generator.random((1, 2000)) < ease, "single": right["model_0"][:1]}
    right["same"] = right["model_1"].copy()
    check_unprinted(right, movies, {"steady"})
