"""Optuna study of a sweep, shared by several machines through one file, and pruning of trials."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

import lightning as L
import optuna
from lightning.pytorch.callbacks import Callback
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from datamodules.errors import Unavailable
from datamodules.upgrade.translate import current_words
from experiments.config.registry import ConfigError
from experiments.config.resolved import Resolved
from experiments.records.row import ResultsError
from experiments.records.run_files import ROW_FILE, read_row
from experiments.tuning.corpus import check_same_corpus
from experiments.tuning.search_space import Space

JOURNAL = "study.journal"
_FORMAT = 2  # of a study's identity; the first had none, and hashes of another kind

Pruner = Literal["asha", "median", "none"]


class Pruned(Unavailable):
    """The trial was pruned: it is worse than other trials were after as many epochs."""


def make_pruner(kind: str) -> optuna.pruners.BasePruner:
    """Optuna's pruner of a name.

    `asha` (Li et al. 2020, "A System for Massively Parallel Hyperparameter Tuning") continues the
    best third of the trials at epochs 1, 3, 9, …; `median` prunes a trial that is worse than the
    median of the others at the same epoch; `none` prunes no trial.
    """
    if kind == "asha":
        return optuna.pruners.SuccessiveHalvingPruner(min_resource=1, reduction_factor=3)
    if kind == "median":
        return optuna.pruners.MedianPruner(n_startup_trials=5)
    return optuna.pruners.NopPruner()


def open_study(file: Path, name: str, mode: str, pruner: str) -> optuna.Study:
    """Opens the study in a journal file, or creates it.

    The journal needs no server: machines append to it under a lock, which expires half a minute
    after its holder was killed.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna.create_study(
        study_name=name,
        storage=JournalStorage(JournalFileBackend(str(file))),
        direction="minimize" if mode == "min" else "maximize",
        pruner=make_pruner(pruner),
        load_if_exists=True,
    )


def check_identity(
    study: optuna.Study, resolved: Resolved, space: Space, pruner: str, journal: Path
) -> Space:
    """Check that a study is one over these settings, and return its space.

    The hash in a study of an older version cannot be compared with today's: its space and pruner
    must be the same, and it goes on with the names that its trials have.

    Raises:
        ConfigError: it is a study over other settings, another space or with another pruner.
    """
    space = dict(zip(current_settings(space, resolved), space.values(), strict=True))
    described = {name: repr(distribution) for name, distribution in space.items()}
    identity = json.dumps([resolved.hash, described, pruner], sort_keys=True)
    kept = study.user_attrs.get("identity")
    if kept is None:
        study.set_user_attr("format", _FORMAT)
        study.set_user_attr("identity", identity)
        return space
    if study.user_attrs.get("format") == _FORMAT:
        same, names = kept == identity, {name: name for name in space}
    else:
        _, old_space, old_pruner = json.loads(kept)
        names = dict(zip(current_settings(old_space, resolved), old_space, strict=True))
        same = {new: old_space[old] for new, old in names.items()} == described
        same = same and old_pruner == pruner
    if not same:
        raise ConfigError(
            f"{journal} is a sweep over other settings; choose another --name, or remove "
            f"{journal.parent}"
        )
    return {names[name]: distribution for name, distribution in space.items()}


def check_corpus(study: optuna.Study, corpus: str, journal: Path) -> None:
    """Check that the trials of a study learnt from this corpus, whatever its files are called.

    Args:
        study: the study.
        corpus: fingerprint of the corpus that further trials will read.
        journal: the study's file, beside the folders of its trials.

    Raises:
        ConfigError: they learnt from another corpus.
    """
    kept = study.user_attrs.get("corpus") or _corpus_of_trials(journal.parent)
    check_same_corpus(str(journal), kept or corpus, corpus)
    study.set_user_attr("corpus", corpus)


def _corpus_of_trials(folder: Path) -> str | None:
    """Fingerprint in the rows of a study of an older version, which did not keep it."""
    for file in sorted(folder.glob(f"trial-*/{ROW_FILE}")):
        try:
            if corpus := read_row(file).corpus_fingerprint:
                return corpus
        except ResultsError:
            continue  # a damaged row says nothing
    return None


def current_settings(names: Iterable[str], resolved: Resolved) -> list[str]:
    """Today's names of settings such as `model.dropout`."""
    words = current_words([f"--{name}" for name in names], resolved.config)
    return [word.removeprefix("--") for word in words]


def load_trial(study: optuna.Study, number: int) -> optuna.Trial:
    """Loads a running trial, which another process may have started."""
    return optuna.trial.Trial(study, study.trials[number]._trial_id)


def suggest(trial: optuna.Trial, space: Space) -> dict[str, Any]:
    """Suggests a value for each setting; a resumed trial gets its earlier values."""
    values: dict[str, Any] = {}
    for name, kind in space.items():
        if isinstance(kind, CategoricalDistribution):
            values[name] = trial.suggest_categorical(name, kind.choices)
        elif isinstance(kind, IntDistribution):
            values[name] = trial.suggest_int(
                name, kind.low, kind.high, step=kind.step, log=kind.log
            )
        elif isinstance(kind, FloatDistribution):
            low, high = kind.low, kind.high
            values[name] = trial.suggest_float(name, low, high, step=kind.step, log=kind.log)
    return values


class PruningCallback(Callback):
    """Reports the validation metric of each epoch to the study and prunes the trial.

    Args:
        journal: the study's file.
        study: name of the study.
        trial: number of the trial.
        monitor: the metric.
        mode: `min` if lower values are better, `max` if higher ones are.
        pruner: `asha`, `median` or `none`.
    """

    def __init__(
        self,
        journal: str,
        study: str,
        trial: int,
        monitor: str,
        mode: Literal["min", "max"],
        pruner: Pruner,
    ) -> None:
        self.monitor = monitor
        self.study, self.number = open_study(Path(journal), study, mode, pruner), trial

    def on_validation_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        value = float(trainer.callback_metrics.get(self.monitor, math.nan))
        # Epochs of a study count from 1: pruners compare trials after epochs 1, 3, 9, …
        epoch, trial = trainer.current_epoch + 1, load_trial(self.study, self.number)
        reported = self.study.trials[self.number].intermediate_values
        if epoch not in reported and math.isfinite(value):  # a resumed run validates it again
            trial.report(value, epoch)
        if trial.should_prune():
            raise Pruned(f"pruned after epoch {epoch}: {self.monitor} {value:.4f}")
