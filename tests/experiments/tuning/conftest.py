"""Fixtures of the tests of sweeps: a space, and the run of which trials vary the settings."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from experiments.config.registry import Registry, read_profile
from experiments.launch.benchmark import expand
from experiments.training.spec import RunSpec
from tests.experiments.conftest import TOY

SPACE = """
model.learning_rate: {low: 1.0e-3, high: 1.0e-1, log: true}
data.batch_size: {choices: [8, 16]}
"""
FIT = ["--profile", "smoke", *TOY, "--run.wandb_mode=disabled"]


@pytest.fixture
def space(tmp_path: Path) -> Path:
    file = tmp_path / "space.yaml"
    file.write_text(SPACE)
    return file


def spec_of(experiment: str, runs: Path, profile: str = "smoke") -> RunSpec:
    plan = expand(
        Registry(),
        read_profile(profile),
        names=[experiment],
        seeds=[0],
        name="s",
        runs=runs,
        overrides=FIT[2:] if profile == "smoke" else (),
        test=False,
    )
    return dataclasses.replace(plan.specs[0], folder=plan.folder)
