"""The robustness command: which runs it takes, and that every figure follows from the evidence."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pytest

import experiments
from datamodules.store.corpus import TextSplit
from experiments.cli.main import main
from experiments.config.registry import Registry
from experiments.inference import robustness_sets as made
from experiments.inference.predictor import Predictor
from experiments.inference.robustness import (
    FILE,
    RobustnessResult,
    UnsuitableRun,
    evaluate_run,
    read_published_results,
    read_result,
)
from experiments.inference.robustness_sets import add_typos, build_challenges, remove_punctuation
from experiments.records.row import ResultsError
from experiments.records.run_files import read_row, write_row
from experiments.report.readme.write import write_readme
from experiments.report.robustness import markdown_table
from tests.corpora import make_robustness, review, revise
from tests.rows import make_row

RESULTS = Path(experiments.__path__[0]) / "results"
TEXT = "A wonderful film, <br /><br />and it's well-made: 10/10! " * 20


# Texts


def test_typos_hit_their_share_of_the_letters_and_small_rates_hit_a_part_of_large_ones() -> None:
    letters = sum(letter.isalpha() for letter in TEXT)
    assert add_typos(TEXT, 0, 1) == TEXT
    assert add_typos(TEXT, 0.05, 1) == add_typos(TEXT, 0.05, 1) != add_typos(TEXT, 0.05, 2)
    changed = [add_typos(TEXT, rate, 3) for rate in (0.02, 0.2)]
    # Half the hits change the length by one; a rate of 0.2 hits about ten times as many.
    words = [sum(a != b for a, b in zip(TEXT.split(), t.split(), strict=False)) for t in changed]
    assert 0 < words[0] < words[1]
    every = "".join(add_typos("e" * 10_000, 0.05, seed) for seed in range(5))
    hits = every.count("w") + every.count("r")  # a quarter of them: the keys beside e
    assert hits == pytest.approx(50_000 * 0.05 / 4, rel=0.15) and letters > 0
    assert add_typos("42 !?", 1, 0) == "42 !?"
    assert add_typos("E", 1, 0) in ("", "EE", "W", "R", "E")


def test_a_cross_validated_run_is_unsuitable(tmp_path: Path) -> None:
    row = make_row(protocol="folds", test=None, excluded="robustness")
    with pytest.raises(UnsuitableRun, match="was cross-validated, and its models were not kept"):
        evaluate_run(tmp_path, row)


def test_removal_leaves_words() -> None:
    assert remove_punctuation("It's good<br /><br />(8/10)_now") == "It s good 8 10 now"


def test_challenges_are_aligned_and_labelled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = make_robustness(tmp_path, monkeypatch)
    texts = [review(root / "aclImdb", label, n) for label in (0, 1) for n in range(20)]
    train = TextSplit(texts, np.repeat([0, 1], 20), [str(row) for row in range(40)])
    sets = {one.name: one for one in build_challenges(root / "robustness", train)}
    for pairs in ("contrast", "counterfactual"):
        original, revised = sets[f"{pairs}_original"], sets[f"{pairs}_revised"]
        assert revised.texts == [revise(text) for text in original.texts]
        assert (original.labels + revised.labels == 1).all()
    for name in ("typos_1", "typos_5", "lower_case", "no_punctuation"):
        assert sets[name].labels is sets["counterfactual_original"].labels
    assert sets["lower_case"].texts[0] == sets["counterfactual_original"].texts[0].lower()
    sentences = sets["rotten_tomatoes"]
    assert np.bincount(sentences.labels).tolist() == [4265, 4265]


# Figures


def test_figures_by_hand() -> None:
    right = {"contrast_original": [1, 1, 0, 1], "contrast_revised": [1, 0, 0, 1]}
    right |= {"counterfactual_original": [1, 1], "counterfactual_revised": [0, 0]}
    labels = {name: np.zeros(len(values), dtype=int) for name, values in right.items()}
    predicted = {name: 1 - np.array(values) for name, values in right.items()}
    figures = RobustnessResult({}, labels, predicted).figures()
    assert figures["contrast_original"] == 0.75 and figures["contrast_revised"] == 0.5
    assert figures["contrast_consistency"] == 0.5
    assert figures["counterfactual_consistency"] == 0


def make_small(home: Path, patch: pytest.MonkeyPatch) -> Path:
    """A small corpus and small sets; returns the folder of both."""
    root = make_robustness(home, patch)
    short = (["short", "and sweet"], np.array([0, 1]))
    patch.setattr(made, "read_sentences", lambda file: short)
    return root


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder in which `bag` and `tfidf_logreg` are fitted with the exclusion, `mlp` without."""
    home = tmp_path_factory.mktemp("fitted")
    fixed = ["--profile", "smoke", "--runs", str(home / "runs"), "--name", "b"]
    fixed += [
        "--data=tests.corpora.SmallIMDB",
        f"--data.root={home}",
        "--data.validation_fraction=0.25",
    ]
    fixed += [f"--data.cache_dir={home / 'cache'}", "--run.wandb_mode=disabled"]
    with pytest.MonkeyPatch.context() as patch:
        assert make_small(home, patch) == home
        for name in ("bag", "tfidf_logreg", "mlp"):
            words = [] if name == "mlp" else ["--data.exclude", "robustness"]
            words += ["--run.protocol=refit" if name == "bag" else "--run.protocol=holdout"]
            assert main(["fit", "-c", name, *fixed, *words]) == 0
    return home


@pytest.fixture
def benchmark(fitted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of these runs, beside the same corpus."""
    make_small(tmp_path, monkeypatch)
    shutil.copytree(fitted / "runs", tmp_path / "runs")
    return tmp_path / "runs" / "b"


def test_runs_are_evaluated_published_and_shown(
    benchmark: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["robustness", str(benchmark), "--publish", "--results", str(tmp_path / "results")]
    assert main(words) == 0
    output = " ".join(capsys.readouterr().out.split())
    assert "left out: mlp, seed 0 was fitted on imdb with the reviews" in output
    assert "bag, seed 0: evaluated" in output and "tfidf_logreg" in output
    folder = benchmark / "bag" / "seed-0"
    result = read_result(folder / FILE)
    texts = [review(tmp_path / "aclImdb", label, n) for n in (0, 1) for label in (0, 1)]
    first, second = (Predictor(folder, weights=w)(texts)[:, 1] for w in ("holdout", "refit"))
    with np.load(folder / FILE) as arrays:
        shares = arrays["contrast_original_counts"] / 65535
    assert shares == pytest.approx(first, abs=1e-4) and shares != pytest.approx(second, abs=1e-4)
    assert result.labels["contrast_original"].tolist() == [0, 1, 0, 1]
    row = read_row(folder)  # of both fits
    assert row.val and row.train_rows and folder.joinpath("refit").is_dir()
    assert (result.run["weights"], result.run["val_accuracy"]) == ("holdout", row.val.accuracy)
    assert 0 < result.run["train_rows"] < row.train_rows
    published = read_published_results(tmp_path / "results")
    assert [one.run["experiment"] for one in published] == ["bag", "tfidf_logreg"]
    assert published[0].figures() == result.figures()

    readme = tmp_path / "README.md"
    readme.write_text("one\n<!-- robustness -->\nprevious\n<!-- /robustness -->\ntwo\n")
    assert write_readme(readme, tmp_path / "results", Registry()) == [(readme, "table robustness")]
    text = readme.read_text()
    assert text.startswith("one\n") and text.endswith("\ntwo\n") and "previous" not in text
    assert f"{100 * result.accuracy('typos_5'):.1f}" in text and "| `bag` | 0 |" in text
    before = (folder / FILE).stat().st_mtime_ns
    assert main(words) == 0
    assert ": evaluated" not in capsys.readouterr().out  # existing results are read
    assert (folder / FILE).stat().st_mtime_ns == before


def test_a_row_that_says_so_wrongly_is_refused(
    benchmark: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(benchmark / "bag")
    shutil.rmtree(benchmark / "tfidf_logreg")
    folder = benchmark / "mlp" / "seed-0"
    write_row(folder, dataclasses.replace(read_row(folder), excluded="robustness"))
    assert main(["robustness", str(benchmark)]) == 1
    assert "it used 16 originals of the robustness sets" in " ".join(
        capsys.readouterr().out.split()
    )


def test_an_older_run_of_the_second_fit_alone_says_so(
    benchmark: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = benchmark / "bag" / "seed-0"
    row = read_row(folder)
    for file in (folder / "refit").iterdir():
        file.replace(folder / file.name)
    (folder / "refit").rmdir()
    write_row(folder, dataclasses.replace(row, checksums={}))
    result = evaluate_run(folder, read_row(folder))
    about = {name: result.run[name] for name in ("weights", "val_accuracy", "train_rows")}
    assert about == {"weights": "refit", "val_accuracy": None, "train_rows": row.train_rows}
    assert "| `bag` (refit) | 0 | – |" in markdown_table([result])


def test_a_changed_file_is_refused(benchmark: Path) -> None:
    assert main(["robustness", str(benchmark / "bag" / "seed-0")]) == 0
    file = benchmark / "bag" / "seed-0" / FILE
    with np.load(file, allow_pickle=False) as archive:
        arrays = {name: archive[name] for name in archive.files}
    arrays["contrast_revised_counts"] = 65535 - arrays["contrast_revised_counts"]
    np.savez_compressed(file, allow_pickle=False, **arrays)
    with pytest.raises(ResultsError, match="changed after it was written"):
        read_result(file)
    file.write_bytes(b"PK")
    with pytest.raises(ResultsError, match="not a valid robustness file"):
        read_result(file)


def test_the_published_table_is_in_the_docs_and_follows_from_its_evidence() -> None:
    published = read_published_results(RESULTS)
    names = {one.run["experiment"] for one in published}
    assert names >= {"nb_logreg", "bag", "cnn", "bidirectional_lstm", "attention_lstm", "capsule"}
    assert names >= {"transformer", "minilm"}
    for one in published:
        assert one.run["train_rows"] == 20_270 and one.run["protocol"] == "holdout"
        assert len(one.labels["counterfactual_revised"]) == 2439
        assert len(one.labels["contrast_revised"]) == 588
    page = RESULTS.parents[1] / "docs" / "robustness.md"
    assert markdown_table(published) in page.read_text(encoding="utf-8")


def test_nothing_published_is_no_table(tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    readme.write_text(text := "<!-- robustness --><!-- /robustness -->")
    with pytest.raises(ResultsError, match="0 robustness results are published"):
        write_readme(readme, tmp_path, Registry())
    assert readme.read_text() == text
    with pytest.raises(ResultsError, match="0 robustness results are published"):
        markdown_table([])
