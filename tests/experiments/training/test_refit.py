"""Protocol `refit`: epoch chosen on validation, then a fit on the whole train split."""

from __future__ import annotations

import os
import signal
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from datamodules.store.encoder import Encoder
from experiments.config.identity import comparable
from experiments.config.resolved import Resolved
from experiments.inference.predictor import Predictor
from experiments.records.predictions import read_predictions
from experiments.records.problems.class_predictions import Predictions
from experiments.records.row import ResultsError, Row
from experiments.records.run_files import REFIT, TEST_FILE, VAL_FILE, Weights
from experiments.training import callbacks, run
from experiments.training.checkpointing import RESUME_FILE
from experiments.training.fitting import SELECTION_FILE, Fit
from experiments.training.run import execute
from experiments.training.signals import Stopped
from experiments.training.spec import RunSpec
from experiments.training.testing import test_run as evaluate_on_test

ROWS, BATCH, EPOCHS = 64, 8, 4
STEPS = ROWS * 3 // 4 // BATCH  # of an epoch of the first fit
MORE_STEPS = ROWS // BATCH  # of an epoch of the second
RATE = 0.055
FEW_TREES: dict[str, Any] = {"init_args": {"n_estimators": 20}}
SETTINGS: dict[str, dict[str, Any]] = {
    "bag": {
        "class_path": "lit_models.bag.Bag",
        # Fast and without regularisation, so that it overfits and the best epoch is not the last.
        "init_args": {
            "learning_rate": RATE,
            "word_dropout": 0.0,
            "dropout": 0.0,
            "gradient_clip_norm": None,
            "schedule": "cosine",
        },
    },
    "tfidf_logreg": {"class_path": "lit_models.tfidf_logreg.TfidfLogReg"},
    "nb_logreg": {"class_path": "lit_models.nb_logreg.NBLogReg"},
    "linear_svm": {"class_path": "lit_models.linear_svm.LinearSVM"},
    "naive_bayes": {"class_path": "lit_models.naive_bayes.NaiveBayes"},
    "bow_forest": {"class_path": "lit_models.bow_forest.BowForest", **FEW_TREES},
    "tfidf_forest": {"class_path": "lit_models.tfidf_forest.TfidfForest", **FEW_TREES},
}
ESTIMATORS = [name for name in SETTINGS if name != "bag"]
TIMES = {"started", "ended", "history", "hardware", "notes", "peak_memory_bytes"}
TIMES |= {"train_seconds", "seconds_to_best", "train_tokens_per_second", "reviews_per_second"}
TIMES |= {"latency_ms_p50", "latency_ms_p95", "wandb_run", "checkpoint_bytes", "best_batch_size"}


def spec_of(folder: Path, protocol: str = "refit", name: str = "bag", test: bool = True) -> RunSpec:
    data = {"rows": ROWS, "batch_size": BATCH, "cache_dir": str(folder.parent / "cache")}
    settings = {
        "model": SETTINGS[name],
        "data": {"class_path": "tests.toys.ToyData", "init_args": data},
        "trainer": {"max_epochs": EPOCHS},
        "run": {"protocol": protocol, "wandb_mode": "disabled"},
    }
    return RunSpec(name, "b", "smoke", 0, folder, settings, test=test)


@dataclass
class Seen:
    """A finished run and its fits."""

    folder: Path
    row: Row
    fits: list[Fit] = field(default_factory=list)
    resolved: list[Resolved] = field(default_factory=list)

    def file(self, name: str) -> Predictions:
        return read_predictions(self.folder / name)


def watch(spec: RunSpec) -> Seen:
    """Executes a run and records its fits."""
    fits, resolved = [], []

    def watched(fit: Any) -> Any:
        def call(one: Resolved, *words: Any) -> Fit:
            resolved.append(one)
            fits.append(fit(one, *words))
            return fits[-1]

        return call

    with pytest.MonkeyPatch.context() as patch:
        for name in ("fit_and_choose", "refit"):
            patch.setattr(run, name, watched(getattr(run, name)))
        return Seen(spec.folder, execute(spec), fits, resolved)


@pytest.fixture(scope="module")
def holdout(tmp_path_factory: pytest.TempPathFactory) -> Seen:
    return watch(spec_of(tmp_path_factory.mktemp("holdout") / "run", "holdout"))


@pytest.fixture(scope="module")
def refit(tmp_path_factory: pytest.TempPathFactory) -> Seen:
    return watch(spec_of(tmp_path_factory.mktemp("refit") / "run"))


def same(one: Predictions, other: Predictions) -> bool:
    return all(
        np.array_equal(*pair) for pair in zip(vars(one).values(), vars(other).values(), strict=True)
    )


def without_times(row: Row) -> dict[str, Any]:
    fields = {name: value for name, value in asdict(row).items() if name not in TIMES}
    history = [{k: v for k, v in epoch.items() if k != "seconds"} for epoch in row.history]
    # config.yaml names the cache, and a checkpoint has its place in the run's folder.
    checksums = {
        name: digest if name.endswith((VAL_FILE, TEST_FILE)) else ""
        for name, digest in (row.checksums or {}).items()
    }
    return fields | {
        "history": history,
        "config": comparable(row.config),
        "checksums": checksums,
    }


def test_the_first_fit_is_that_of_the_plain_holdout_run(holdout: Seen, refit: Seen) -> None:
    different = {"protocol", "config", "config_hash", "test_refit", "checksums", "train_rows"}
    one, two = without_times(holdout.row), without_times(refit.row)
    assert {name for name in one if one[name] != two[name]} == different
    assert refit.row.protocol == "refit" and refit.row.test == holdout.row.test
    for name in (VAL_FILE, TEST_FILE):
        assert same(holdout.file(name), refit.file(name))
    assert not same(refit.file(TEST_FILE), refit.file(f"{REFIT}/{TEST_FILE}"))
    assert refit.row.checksums.keys() > holdout.row.checksums.keys()


def test_the_second_fit_sees_the_validation_rows(holdout: Seen, refit: Seen) -> None:
    rows = {f"train{row}" for row in range(ROWS)}
    validation = {f"train{row}" for row in range(ROWS * 3 // 4, ROWS)}
    folders = holdout.folder, refit.folder, refit.folder / REFIT
    learnt = [set(Encoder.load(folder).tokenizer.vocabulary()) for folder in folders]
    assert learnt[0] & rows == learnt[1] & rows == rows - validation
    assert learnt[2] >= rows
    batches = refit.resolved[1].cli.datamodule.train_dataloader()
    assert sorted(int(i) for batch in batches for i in batch.ids) == list(range(ROWS))
    assert int(refit.fits[1].clock.tokens) > 0


def test_it_ends_after_the_chosen_epoch_on_the_same_schedule(refit: Seen) -> None:
    first, second = refit.fits
    # Otherwise the test would show nothing.
    assert first.best_epoch is not None and first.best_epoch + 1 < EPOCHS
    assert refit.row.best_epoch == second.best_epoch == first.best_epoch
    assert first.clock.steps == STEPS * EPOCHS == STEPS * (refit.row.epochs or 0)
    assert second.clock.steps == MORE_STEPS * (first.best_epoch + 1)
    cli = refit.resolved[1].cli
    [scheduler] = [config.scheduler for config in cli.trainer.lr_scheduler_configs]
    share = cli.model.rate_at(second.clock.steps, MORE_STEPS * EPOCHS)
    assert scheduler.get_last_lr()[0] == pytest.approx(RATE * share) and 0 < share < 1


def test_the_row_has_the_cost_of_both_fits(refit: Seen) -> None:
    first, second = refit.fits
    assert refit.row.train_seconds == first.seconds + second.seconds
    assert (refit.row.seconds_to_best or 0) < first.seconds
    assert not {RESUME_FILE, SELECTION_FILE, "best.ckpt"} & {f.name for f in refit.folder.iterdir()}


@pytest.mark.parametrize("name", ["bag", "tfidf_logreg"])
def test_test_and_predict_use_both_models(name: str, tmp_path: Path) -> None:
    seen = watch(spec_of(tmp_path / "run", name=name))
    later = watch(spec_of(tmp_path / "later", name=name, test=False))
    assert not later.row.tested and not list(later.folder.rglob(TEST_FILE))
    row = evaluate_on_test(later.folder)
    assert without_times(row) == without_times(seen.row)
    texts = seen.resolved[1].cli.datamodule.texts("test")
    places: dict[Weights, str] = {"holdout": TEST_FILE, "refit": f"{REFIT}/{TEST_FILE}"}
    for weights, file in places.items():
        assert same(later.file(file), seen.file(file))
        probabilities = Predictor(seen.folder, weights=weights)(texts)
        assert np.allclose(probabilities, seen.file(file).probabilities, atol=1e-6)
    assert np.array_equal(Predictor(seen.folder)(texts), probabilities)  # the second by default
    config = yaml.safe_load((seen.folder / "config.yaml").read_text())
    # So that the hash of the run can be computed again.
    assert config["data"]["init_args"]["refit"] is False
    assert Resolved.of_run(seen.folder).hash == seen.row.config_hash


@pytest.mark.parametrize("name", ESTIMATORS)
def test_an_estimator_fits_twice(name: str, tmp_path: Path) -> None:
    first = watch(spec_of(tmp_path / "one", "holdout", name))
    second = watch(spec_of(tmp_path / "two", name=name))
    assert second.row.val == first.row.val and second.row.test == first.row.test
    assert second.row.test_refit not in (None, first.row.test)
    assert second.row.parameters != first.row.parameters  # more words
    assert second.row.train_seconds == sum(fit.prepare_seconds for fit in second.fits)
    assert second.row.best_epoch is None and len(second.fits) == 2


def stop_after(batches: int, patch: pytest.MonkeyPatch) -> None:
    """Sends SIGINT in a batch, counted over both fits."""
    count = iter(range(1, 10_000))

    def after(self: Any, *others: Any) -> None:
        if next(count) == batches:
            os.kill(os.getpid(), signal.SIGINT)

    patch.setattr(callbacks.ProgressCallback, "on_train_batch_end", after)
    # SIGINT is ignored when the tests run in the background, and a run leaves it so.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.mark.parametrize("phase", ["first", "first's end", "second", "second's end"])
def test_a_run_stopped_in_either_fit_ends_as_if_it_had_not_been(
    phase: str, refit: Seen, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = (fit.clock.steps for fit in refit.fits)
    batch = {"first": 3, "first's end": first, "second": first + 3, "second's end": first + second}
    # After the last step of a fit the run stops between its parts.
    where = {"first's end": "after the validation", "second's end": "before the row"}
    message = f"SIGINT {where.get(phase, 'at step 3')}"
    spec = spec_of(tmp_path / "run")
    with monkeypatch.context() as patch, pytest.raises(Stopped, match=message):
        stop_after(batch[phase], patch)
        execute(spec)
    assert (spec.folder / RESUME_FILE).exists() and not (spec.folder / "row.json").exists()
    assert (spec.folder / SELECTION_FILE).exists() == phase.startswith("second")
    again = watch(spec)
    assert len(again.fits) == (1 if phase.startswith("second") else 2)
    assert again.fits[-1].clock.steps == second
    assert without_times(again.row) == without_times(refit.row)
    for name in (VAL_FILE, TEST_FILE, f"{REFIT}/{TEST_FILE}"):
        assert same(again.file(name), refit.file(name))


def test_a_first_fit_that_was_not_tested_is_made_again_for_a_tested_run(tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch, pytest.raises(Stopped):
        patch.setattr(run, "refit", lambda *words: (_ for _ in ()).throw(Stopped()))
        execute(spec_of(tmp_path / "run", test=False))
    seen = watch(spec_of(tmp_path / "run"))
    assert len(seen.fits) == 2 and seen.row.test and seen.row.test_refit


def test_weights_of_a_holdout_run_are_asked_for_by_their_name(holdout: Seen) -> None:
    assert Predictor(holdout.folder, weights="holdout")
    with pytest.raises(ResultsError, match="has the holdout weights alone, not the refit ones"):
        Predictor(holdout.folder, weights="refit")


def test_what_was_chosen_under_other_settings_is_not_taken(tmp_path: Path) -> None:
    spec = spec_of(tmp_path / "run")
    with pytest.MonkeyPatch.context() as patch, pytest.raises(Stopped):
        patch.setattr(run, "refit", lambda *words: (_ for _ in ()).throw(Stopped()))
        execute(spec)
    assert (spec.folder / SELECTION_FILE).exists()
    spec.settings["trainer"]["max_epochs"] = 1
    seen = watch(spec)
    assert seen.row.epochs == 1 and len(seen.fits) == 2


def stop_at(number: int, spec: RunSpec) -> None:
    """Ends a run, as SIGKILL would, once it has written a model and its predictions."""
    save, count = run._save_and_predict, iter(range(1, 10))

    def saved(*words: Any) -> None:
        save(*words)
        if next(count) == number:
            raise Stopped

    with pytest.MonkeyPatch.context() as patch, pytest.raises(Stopped):
        patch.setattr(run, "_save_and_predict", saved)
        execute(spec)


def test_nothing_of_an_interrupted_refit_is_taken_for_that_of_another_run(tmp_path: Path) -> None:
    spec = spec_of(tmp_path / "run")
    stop_at(2, spec)
    assert (spec.folder / REFIT).is_dir()
    holdout = watch(spec_of(spec.folder, "holdout", test=False))
    assert not list(spec.folder.rglob(TEST_FILE)) and not (spec.folder / REFIT).exists()
    assert not any(name.startswith(REFIT) for name in holdout.row.checksums)
    with pytest.raises(ResultsError, match="not the refit ones"):
        Predictor(spec.folder, weights="refit")


def test_a_choice_is_not_taken_once_another_run_has_begun(refit: Seen, tmp_path: Path) -> None:
    spec, other = spec_of(tmp_path / "run"), spec_of(tmp_path / "run")
    stop_at(2, spec)
    other.settings["model"] = {"class_path": "lit_models.bag.Bag"}
    stop_at(1, other)  # its model is now in the folder, and the first run's choice was
    seen = watch(spec)
    assert len(seen.fits) == 2 and without_times(seen.row) == without_times(refit.row)
