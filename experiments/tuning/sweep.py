"""Sweeps: optuna proposes settings, runs try them on validation, the best become a YAML file."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import optuna
import yaml
from optuna.trial import TrialState
from rich.console import Console

from experiments.config.registry import ConfigError, merge
from experiments.launch.launcher import exclusive_lock
from experiments.launch.local import LocalLauncher
from experiments.machine.environment import now
from experiments.records.atomic import replace_bytes
from experiments.records.row import Row
from experiments.records.run_files import ROW_FILE, read_row, write_row
from experiments.training.outcome import failed_row
from experiments.training.spec import RunSpec
from experiments.tuning.search_space import Space, words_of
from experiments.tuning.study import (
    JOURNAL,
    check_identity,
    current_settings,
    open_study,
    suggest,
    trial_of,
)

_ENDED = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)


class Sweep:
    """The trials of one experiment; the `RunObserver` of their runs.

    The test rows play no part: trials predict validation alone, under the protocol `holdout`.

    Args:
        spec: the experiment's run; each trial is one with other settings, in a folder within.
        space: what varies.
        trials: how many there are to be in all, on all machines and over all starts.
        pruner: how they are ended early.
        launcher: where they run.
        console: where each is told of.

    Raises:
        ConfigError: fewer than one trial, or a study of another space in this folder.
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
        self.numbers: dict[Path, int] = {}

    def run(self) -> Path | None:
        """Carries the trials out; returns the file of the best settings, None where there are none.

        Raises:
            KeyboardInterrupt: Ctrl-C; the same command goes on.
        """
        with ExitStack() as self.held:
            self.launcher.run(self._specs(), self)
        return self.write_best()

    def write_best(self) -> Path | None:
        """Writes the settings of the best trial so far, as `fit -c` reads them."""
        trials = self.study.trials[: self.trials]
        if not any(trial.state == TrialState.COMPLETE for trial in trials):
            return None
        best = self.study.best_trial
        made = sum(trial.state in _ENDED for trial in trials)
        found: dict[str, Any] = {"run": {"tuning_trials": made}}
        names = current_settings(best.params, self.spec.resolve())
        for name, value in zip(names, best.params.values(), strict=True):
            part, _, rest = name.partition(".")
            keys = [part, *(["init_args"] if part in ("model", "data") else []), *rest.split(".")]
            nested: dict[str, Any] = {}
            inner = nested
            for key in keys[:-1]:
                inner = inner.setdefault(key, {})
            inner[keys[-1]] = value
            found = merge(found, nested)
        settings = merge(self.spec.settings, found)
        file = self.spec.folder / f"{self.spec.experiment}_tuned.yaml"
        words = ["lit-sentiment", "fit", "-c", str(file), "--profile", self.spec.profile]
        words += self.spec.overrides  # they held for every trial
        header = (
            f"# {self.spec.experiment}, tuned: the best of {made} trials on validation.\n#\n"
            f"# Found:    trial {best.number}, {self.monitor} {best.value:.4f}\n"
            f"# Run:      {shlex.join(words)}\n"
        )
        body = yaml.safe_dump(settings, sort_keys=False)
        replace_bytes(file, (header + body).encode())
        return file

    def _specs(self) -> Iterator[RunSpec]:
        """Trials that a killed start left behind, then new ones, each as a slot comes free."""
        for left in self.study.get_trials(states=(TrialState.RUNNING,)):
            spec = self._spec(left.number)
            try:
                self.held.enter_context(exclusive_lock(spec.folder))
            except ConfigError:
                continue  # another machine is at it
            if (spec.folder / ROW_FILE).exists():  # killed before it could tell
                self._tell(spec, read_row(spec.folder))
            else:
                yield spec
        while len(self.study.trials) < self.trials:
            trial = self.study.ask()
            if trial.number >= self.trials:  # machines that ask at once get different numbers
                self.study.tell(trial, state=TrialState.FAIL)
                return
            spec = self._spec(trial.number)
            self.held.enter_context(exclusive_lock(spec.folder))
            yield spec

    def _spec(self, number: int) -> RunSpec:
        """The run of a trial; what was proposed for it already stays."""
        # Seeded by the number, so that machines do not all try the same first, yet any can redo it.
        seed = self.spec.seed * 100_003 + number
        self.study.sampler = optuna.samplers.TPESampler(seed=seed, constant_liar=True)
        values = suggest(trial_of(self.study, number), self.space)
        callback = {
            "class_path": "experiments.tuning.study.PruningCallback",
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
        words = (*self.spec.overrides, *words_of(values), "--run.protocol=holdout")
        name = f"{self.spec.experiment}-trial-{number}"
        return dataclasses.replace(
            self.spec, experiment=name, folder=folder, settings=settings, overrides=words
        )

    # What the launcher tells

    def started(self, spec: RunSpec) -> None:
        """Nothing to do: the trial runs in the study already."""

    def progressed(self, spec: RunSpec, what: str, share: float) -> None:
        """Nothing to do: pruning is the callback's affair."""

    def message(self, words: str) -> None:
        self.console.print(words, highlight=False)

    def ended(self, spec: RunSpec, outcome: str, seconds: float) -> None:
        if outcome == "stopped":
            return  # it stays a running trial, and the next start goes on with it
        if outcome != "done" and not (spec.folder / ROW_FILE).exists():
            write_row(spec.folder, failed_row(spec, outcome, now()))
        self._tell(spec, read_row(spec.folder))

    def _tell(self, spec: RunSpec, row: Row) -> None:
        number = self.numbers[spec.folder]
        settings = " ".join(words_of(self.study.trials[number].params))
        if row.status == "ok":
            value = _value(row, self.monitor, self.mode)
            self.study.tell(number, value)
            said = f"{self.monitor} {value:.4f}"
        else:
            pruned = row.status == "skipped"
            self.study.tell(number, state=TrialState.PRUNED if pruned else TrialState.FAIL)
            said = str(row.reason)
        self.console.print(f"trial {number}: {said}; {settings}", highlight=False)
        self.write_best()


def _value(row: Row, monitor: str, mode: str) -> float:
    """What a trial is judged by: the best epoch's metric, or that of a model without epochs."""
    found = [v for epoch in row.history if (v := epoch.get(monitor)) is not None]
    if found:
        return min(found) if mode == "min" else max(found)
    return float(getattr(row.val, monitor.partition("/")[2]))
