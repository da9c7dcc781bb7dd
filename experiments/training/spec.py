"""RunSpec: the description of one run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments.config.directions import check_direction
from experiments.config.registry import ConfigError
from experiments.config.resolved import Resolved
from experiments.records.plan import PlannedRun


@dataclass(frozen=True)
class RunSpec:
    """Description of one run in plain values, which can be sent to another process.

    Attributes:
        experiment: name of the experiment.
        benchmark: name of the benchmark that the run belongs to.
        profile: name of the profile.
        seed: random seed.
        folder: folder of all files of the run.
        settings: the layered settings (`experiments.config.registry.layered`).
        overrides: settings as command-line arguments, such as `--model.dropout=0.3`.
        config_folders: folders given with `--configs`.
        test: predict the test rows too.
        trial_of: experiment of the sweep that the run is a trial of; None: it is no trial.
    """

    experiment: str
    benchmark: str
    profile: str
    seed: int
    folder: Path
    settings: dict[str, Any]
    overrides: tuple[str, ...] = ()
    config_folders: tuple[str, ...] = ()
    test: bool = True
    trial_of: str | None = None

    @property
    def planned(self) -> PlannedRun:
        """Entry of the run in the benchmark's plan."""
        return PlannedRun(self.experiment, self.seed, self.overrides, self.config_folders)

    @property
    def own_corpus(self) -> bool:
        """True if the corpus is a user's own, which no published evaluation uses."""
        return self.resolve().corpus_class.task is None

    def resolve(self) -> Resolved:
        """Checks the settings and returns the configuration.

        Raises:
            ConfigError: a setting that cannot be used.
        """
        resolved = Resolved({**self.settings, "seed_everything": self.seed}, self.overrides)
        check_direction(resolved.run)
        if self.test and resolved.run.folds is not None:
            raise ConfigError(
                f"run.folds is {resolved.run.folds}: cross-validation leaves no model to test; use "
                "`lit-sentiment fit` without --test, or leave out --run.folds"
            )
        return resolved
