"""Sweep of one experiment: Optuna suggests settings, and the best become a YAML file."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import optuna
import yaml
from optuna.trial import TrialState
from rich.console import Console

from experiments.config.identity import PRUNER
from experiments.config.registry import ConfigError, merge
from experiments.launch.launcher import errors_printed
from experiments.launch.local import LocalLauncher
from experiments.records.atomic import replace_bytes
from experiments.records.lock import Locked, exclusive_lock
from experiments.records.row import Row
from experiments.records.run_files import ROW_FILE, read_row
from experiments.records.tuning_log import record_trial
from experiments.training.spec import RunSpec
from experiments.tuning.search_space import Space, to_arguments
from experiments.tuning.study import (
    JOURNAL,
    check_corpus,
    check_identity,
    current_settings,
    load_trial,
    open_study,
    suggest,
)

_ENDED = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)


class Sweep:
    """Hyper-parameter search of one experiment; the `RunObserver` of its trials' runs.

    Test rows are never used: trials follow the protocol `holdout` and predict validation only.
    With `run.folds` a trial is judged by its out-of-fold predictions, and pruned by its first fold.

    Args:
        spec: run of the experiment; each trial is a run with other settings, in a subfolder.
        space: the search space.
        trials: number of trials in total, over all machines and starts.
        pruner: name of the pruner (`make_pruner`).
        launcher: launcher of the trials' runs.
        console: prints the outcome of each trial.

    Raises:
        ConfigError: fewer than one trial, or the folder holds a sweep over another space or corpus.
    """

    def __init__(
        self,
        spec: RunSpec,
        space: Space,
        trials: int,
        pruner: str,
        launcher: LocalLauncher,
        console: Console,
    ) -> None:
        if trials < 1:
            raise ConfigError(f"--trials is {trials}; it must be at least 1")
        self.spec, self.space, self.trials, self.pruner = spec, space, trials, pruner
        self.launcher, self.console = launcher, console
        resolved = spec.resolve()
        self.monitor, self.mode = resolved.run.monitor, resolved.run.mode
        spec.folder.mkdir(parents=True, exist_ok=True)
        self.journal = spec.folder / JOURNAL
        self.study = open_study(self.journal, spec.experiment, self.mode, pruner)
        self.space = check_identity(self.study, resolved, space, pruner, self.journal)
        check_corpus(self.study, resolved.corpus_fingerprint(), self.journal)
        self.official = resolved.cli.datamodule.official_test
        self.numbers: dict[Path, int] = {}

    def run(self) -> Path | None:
        """Runs the trials and returns the file of the best settings; None if no trial completed.

        Raises:
            KeyboardInterrupt: Ctrl-C; a later call resumes the sweep.
        """
        self.launcher.run(self._specs(), self)
        return self.write_best()

    def write_best(self) -> Path | None:
        """Writes the settings of the best trial so far as an experiment for `fit -c`."""
        trials = self.study.trials[: self.trials]
        if not any(trial.state == TrialState.COMPLETE for trial in trials):
            return None
        best = self.study.best_trial
        ended = sum(trial.state in _ENDED for trial in trials)
        tuned: dict[str, Any] = {}
        names = current_settings(best.params, self.spec.resolve())
        for name, value in zip(names, best.params.values(), strict=True):
            part, _, rest = name.partition(".")
            keys = [part, *(["init_args"] if part in ("model", "data") else []), *rest.split(".")]
            nested: dict[str, Any] = {}
            inner = nested
            for key in keys[:-1]:
                inner = inner.setdefault(key, {})
            inner[keys[-1]] = value
            tuned = merge(tuned, nested)
        settings = merge(self.spec.settings, tuned)
        file = self.spec.folder / f"{self.spec.experiment}_tuned.yaml"
        words = ["lit-sentiment", "fit", "-c", str(file), "--profile", self.spec.profile]
        words += self.spec.overrides  # those of every trial
        header = (
            f"# {self.spec.experiment}, tuned: the best of {ended} trials on validation.\n#\n"
            f"# Found:    trial {best.number}, {self.monitor} {best.value:.4f}\n"
            f"# Run:      {shlex.join(words)}\n"
        )
        body = yaml.safe_dump(settings, sort_keys=False)
        replace_bytes(file, (header + body).encode())
        return file

    def _specs(self) -> Iterator[RunSpec]:
        """Yields the trials that a killed start left unfinished, then new ones on demand."""
        for unfinished in self.study.get_trials(states=(TrialState.RUNNING,)):
            spec = self._spec(unfinished.number)
            try:
                with exclusive_lock(spec.folder):
                    ended = (spec.folder / ROW_FILE).exists()
                    if ended:  # killed before the study was told
                        self._record(spec, read_row(spec.folder))
            except Locked:
                continue  # another machine runs it
            if not ended:
                yield spec
        while len(self.study.trials) < self.trials:
            trial = self.study.ask()
            if trial.number >= self.trials:  # another machine has asked at the same time
                self.study.tell(trial, state=TrialState.FAIL)
                return
            yield self._spec(trial.number)

    def _spec(self, number: int) -> RunSpec:
        """Run of a trial, with the settings suggested for it."""
        # A random seed from the number: machines start differently, and each trial is reproducible.
        seed = self.spec.seed * 100_003 + number
        self.study.sampler = optuna.samplers.TPESampler(seed=seed, constant_liar=True)
        values = suggest(load_trial(self.study, number), self.space)
        callback = {
            "class_path": PRUNER,
            "init_args": {
                "journal": str(self.journal.resolve()),
                "study": self.spec.experiment,
                "trial": number,
                "monitor": self.monitor,
                "mode": self.mode,
                "pruner": self.pruner,
            },
        }
        settings = merge(self.spec.settings)
        trainer = settings.setdefault("trainer", {})
        trainer["callbacks"] = [*(trainer.get("callbacks") or []), callback]
        folder = self.spec.folder / f"trial-{number:04d}"
        self.numbers[folder] = number
        words = (*self.spec.overrides, *to_arguments(values), "--run.protocol=holdout")
        name = f"{self.spec.experiment}-trial-{number}"
        return dataclasses.replace(
            self.spec,
            experiment=name,
            folder=folder,
            settings=settings,
            overrides=words,
            trial_of=self.spec.experiment,
        )

    # Methods of RunObserver

    def started(self, spec: RunSpec) -> None:
        """Does nothing: the study lists the trial as running already."""

    def progressed(self, spec: RunSpec, what: str, share: float) -> None:
        """Does nothing: `PruningCallback` reports to the study."""

    def message(self, words: str) -> None:
        with errors_printed():
            self.console.print(words)

    def ended(self, spec: RunSpec, outcome: str, seconds: float) -> None:
        if outcome == "stopped":
            return  # the trial stays unfinished, and the next start resumes it
        self._record(spec, read_row(spec.folder))

    def _record(self, spec: RunSpec, row: Row) -> None:
        """Tells the study the outcome of a trial, unless another machine has done so."""
        number = self.numbers[spec.folder]
        settings = " ".join(to_arguments(self.study.trials[number].params))
        if row.status == "ok":
            value = _value(row, self.monitor, self.mode)
            self.study.tell(number, value, skip_if_finished=True)
            result = f"{self.monitor} {value:.4f}"
        else:
            if self.official:  # an ok run has logged itself
                record_trial(row, spec.folder, spec.trial_of)
            pruned = row.status == "skipped"
            state = TrialState.PRUNED if pruned else TrialState.FAIL
            self.study.tell(number, state=state, skip_if_finished=True)
            result = str(row.reason)
        with errors_printed():
            self.console.print(f"trial {number}: {result}; {settings}")
        self.write_best()


def _value(row: Row, monitor: str, mode: str) -> float:
    """Metric of a trial: the best over the epochs, or that of its predictions.

    A model without epochs has predictions alone; those of a cross-validated one are out of fold.
    """
    epochs = [] if row.cross_validated else row.history
    values = [v for epoch in epochs if (v := epoch.get(monitor)) is not None]
    if values:
        return min(values) if mode == "min" else max(values)
    return float(getattr(row.val, monitor.partition("/")[2]))
