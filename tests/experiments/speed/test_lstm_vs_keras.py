"""Comparison with Keras: our side at toy size, and the arithmetic of the driver, without Keras."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from datamodules.errors import DataError
from datamodules.imdb import IMDB
from datamodules.text import TextDataModule
from experiments.config.resolved import Resolved
from experiments.speed import lstm_vs_keras
from experiments.speed.lit_lstm import measure
from experiments.speed.pairs import summarise
from experiments.speed.process import run_measurement
from experiments.speed.sample import configure, export
from tests.corpora import SMALL_COUNTS, make_aclimdb

REVIEWS = 34  # of the 36 train rows: two steps, the second with two rows


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small corpus in the official layout, and room for a cache beside it."""
    return make_aclimdb(tmp_path_factory.mktemp("speed")).parent


@pytest.fixture(autouse=True)
def small_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(IMDB, "_COUNTS", SMALL_COUNTS)


def configured(corpus: Path, reviews: int = REVIEWS, seed: int = 0) -> Resolved:
    return configure(str(corpus), reviews, seed, str(corpus / "cache"))


def opened(resolved: Resolved) -> TextDataModule:
    resolved.cli.build()
    data: TextDataModule = resolved.cli.datamodule
    data.prepare_data()
    data.setup()
    return data


def test_a_sample_is_drawn_from_train_by_seed(corpus: Path) -> None:
    data = opened(configured(corpus, 20))
    rows = data.train_dataloader().dataset.rows  # type: ignore[attr-defined]
    assert len(np.unique(rows)) == 20
    assert np.isin(rows, data.store.rows("train")).all()
    again = opened(configured(corpus, 20)).train_dataloader().dataset.rows  # type: ignore[attr-defined]
    other = opened(configured(corpus, 20, seed=1)).train_dataloader().dataset.rows  # type: ignore[attr-defined]
    assert np.array_equal(rows, again)
    assert not np.array_equal(rows, other)


def test_a_sample_larger_than_train_is_refused(corpus: Path) -> None:
    data = opened(configured(corpus, 37))
    with pytest.raises(DataError, match="reviews is 37; it must be 1 to 36"):
        data.train_dataloader()


def test_the_exported_matrix_holds_the_rows_of_the_loader(corpus: Path) -> None:
    data = opened(configured(corpus))
    file = corpus / "sample.npz"
    tokens = export(data, file)
    with np.load(file, allow_pickle=False) as content:
        matrix, labels, ids = content["tokens"], content["labels"], content["ids"]
    assert matrix.shape == (REVIEWS, 256)
    assert matrix.dtype == labels.dtype == np.int32
    assert 0 < labels[: REVIEWS // 2].mean() < 1, "both classes from the first rows on"
    place, seen = {row: i for i, row in enumerate(ids)}, 0
    for batch in data.train_dataloader():
        for row, length, label, i in zip(*(part.numpy() for part in batch), strict=True):
            mine = matrix[place[i]]
            assert np.array_equal(mine[:length], row[:length])
            assert not mine[length:].any()
            assert labels[place[i]] == label
            seen += length
    assert seen == tokens


def test_our_half_measures_the_whole_sample_with_the_full_model(
    corpus: Path, tmp_path: Path
) -> None:
    result = measure(configured(corpus), warmup=1, folder=tmp_path)
    assert result["reviews"] == REVIEWS
    assert result["reviews_per_second"] == pytest.approx(REVIEWS / result["seconds"])
    assert result["parameters"] == 3_972_610
    assert 0 < result["loss"] < 2
    assert 0 <= result["wait_share"] < 1
    assert list(tmp_path.glob("wandb/offline-run-*")), "metrics are logged as in any run"
    json.dumps(result)


def measured(rate: float, of: str) -> dict[str, Any]:
    result = {"reviews_per_second": rate, "seconds": 1 / rate, "versions": {"of": of}}
    return {**result, "others": 0.25}


def test_the_median_is_that_of_the_ratios() -> None:
    rates = [(400, 200), (300, 300), (900, 300), (500, 400), (450, 300)]
    pairs = [{"ours": measured(a, "a"), "keras": measured(b, "b")} for a, b in rates]
    summary = summarise(pairs)
    assert [pair["ratio"] for pair in summary["pairs"]] == [2.0, 1.0, 3.0, 1.25, 1.5]
    assert summary["median"] == {"ours": 450, "keras": 300, "ratio": 1.5}
    assert summary["versions"] == {"ours": {"of": "a"}, "keras": {"of": "b"}}
    assert "versions" not in summary["pairs"][0]["ours"]
    even = summarise(pairs[:2])["median"]
    assert even == {"ours": 350, "keras": 250, "ratio": 1.5}


def test_the_driver_takes_turns_and_writes_what_it_found(
    corpus: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    interpreters: list[str] = []

    def fake(command: list[str], threads: int) -> dict[str, Any]:
        interpreters.append(command[0])
        assert threads == 3
        return measured(300.0 if command[0] == sys.executable else 200.0, command[0])

    monkeypatch.setattr(lstm_vs_keras, "run_measurement", fake)
    out = tmp_path / "deep" / "speed.json"
    words = f"--keras-python keras --root {corpus} --cache-dir {corpus / 'cache'} --pairs 2"
    words += f" --reviews {REVIEWS} --threads 3 --out {out}"
    lstm_vs_keras.main(words.split())
    assert interpreters == [sys.executable, "keras"] * 2
    result = json.loads(out.read_text())
    assert set(result) == {
        "schema", "what", "settings", "tokens_per_review", "median", "pairs", "versions",
        "machine", "git_commit", "git_dirty", "started", "ended",
    }  # fmt: skip
    assert result["median"] == {"ours": 300.0, "keras": 200.0, "ratio": 1.5}
    assert result["settings"] == {
        "reviews": REVIEWS, "warmup": 10, "threads": 3, "seed": 0,
        "batch_size": 32, "max_length": 256,
    }  # fmt: skip
    assert 12 <= result["tokens_per_review"] <= 60
    assert result["machine"]["threads"] == 3
    assert str(corpus) not in out.read_text()
    output = capsys.readouterr()
    assert '"ratio": 1.5' in output.out
    busy = "(other processes used 25% of the processor)"
    assert f"pair 2/2: ours 300.0 reviews/s {busy}" in output.err


def test_a_measurement_is_the_last_line_of_its_process() -> None:
    code = "import os; print('noise'); print('{\"threads\":', os.environ['OMP_NUM_THREADS'], '}')"
    result = run_measurement([sys.executable, "-c", code], threads=2)
    assert result.pop("others") is None or sys.platform == "linux"
    assert result == {"threads": 2}


@pytest.mark.skipif(
    sys.platform != "linux", reason="only Linux reports the load by other processes"
)
def test_work_of_others_is_noticed() -> None:
    spin = "import time; e = time.time() + {}\nwhile time.time() < e: pass\nprint('{{}}')"
    alone = run_measurement([sys.executable, "-c", spin.format(1)], threads=1)
    other = subprocess.Popen([sys.executable, "-c", spin.format(60)], stdout=subprocess.DEVNULL)
    try:
        beside = run_measurement(
            [sys.executable, "-c", "import time; time.sleep(1); print('{}')"], threads=1
        )
    finally:
        other.kill()
        other.wait()
    assert beside["others"] * (os.cpu_count() or 1) > 0.3
    assert 0 <= alone["others"] <= 1


def test_a_failed_measurement_says_why() -> None:
    command = [sys.executable, "-c", "raise SystemExit('no module named keras')"]
    with pytest.raises(SystemExit, match="(?s)ended with code 1:.*no module named keras"):
        run_measurement(command, threads=2)


def test_pairs_must_be_positive(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        lstm_vs_keras.main(["--keras-python", "keras", "--pairs", "0"])
    assert "0 is too small; give at least 1" in capsys.readouterr().err
