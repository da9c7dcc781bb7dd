"""RunSpec: one run to carry out, in plain values."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments.config.resolved import Resolved
from experiments.records.plan import PlannedRun


@dataclass(frozen=True)
class RunSpec:
    """One run to be carried out, in plain values, so that another process can take it.

    Attributes:
        experiment: its name.
        benchmark: the benchmark it belongs to.
        profile: the profile's name.
        seed: its seed.
        folder: where everything about it goes.
        settings: the layered settings (`experiments.config.registry.layered`).
        overrides: words of the command line, such as `--model.dropout 0.3`.
        config_folders: as in `--configs`.
        test: whether the test rows are predicted.
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

    @property
    def planned(self) -> PlannedRun:
        """The run as the benchmark's plan lists it."""
        return PlannedRun(self.experiment, self.seed, self.overrides, self.config_folders)

    def resolve(self) -> Resolved:
        """The checked configuration."""
        return Resolved({**self.settings, "seed_everything": self.seed}, self.overrides)
