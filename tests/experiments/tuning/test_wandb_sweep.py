"""Sweeps that W&B agents carry out."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from wandb.sdk.launch.sweeps.utils import create_sweep_command

from experiments.cli.main import main
from experiments.records.run_files import read_row
from tests.experiments.tuning.conftest import FIT

pytestmark = pytest.mark.usefixtures("fork_server")


def test_a_wandb_sweep_says_the_same(space: Path, tmp_path: Path) -> None:
    out = tmp_path / "wandb.yaml"
    words = ["sweep", "bag", "--space", str(space), "--wandb-sweep", str(out), "--trials", "7"]
    assert main([*words, *FIT, "--runs", str(tmp_path)]) == 0
    content = yaml.safe_load(out.read_text())
    assert content["parameters"] == {
        "model.learning_rate": {"distribution": "log_uniform_values", "min": 0.001, "max": 0.1},
        "data.batch_size": {"values": [8, 16]},
    }
    assert content["metric"] == {"name": "val/log_loss", "goal": "minimize"}
    assert content["run_cap"] == 7 and content["command"][-1] == "${args}"
    assert content["command"][:5] == ["${env}", "lit-sentiment", "fit", "-c", "bag"]


@pytest.mark.parametrize("name", [[], ["--name", "mine"]])
def test_each_trial_of_a_wandb_agent_has_its_own_folder_and_id(
    name: list[str], space: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "wandb.yaml"
    words = ["sweep", "bag", "--space", str(space), "--wandb-sweep", str(out), *name, "--seed", "3"]
    fit = [*FIT[:-1], "--run.wandb_mode=offline", "--runs", str(tmp_path)]
    assert main([*words, *fit]) == 0
    command = yaml.safe_load(out.read_text())["command"]
    monkeypatch.delenv("WANDB_RUN_ID", raising=False)
    monkeypatch.setenv("WANDB_SWEEP_ID", "s1")
    folders = []
    for trial in ("one", "two"):
        filled = create_sweep_command(command)  # as an agent does: first this, then the id
        monkeypatch.setenv("WANDB_RUN_ID", trial)
        assert filled[:2] == ["${env}", "lit-sentiment"] and filled[-1] == "${args}"
        assert main([*filled[2:-1], "--model.learning_rate=0.01", "--data.batch_size=8"]) == 0
        folders.append(tmp_path / f"{name[-1] if name else 'sweep-bag'}-{trial}" / "bag" / "seed-3")
        assert read_row(folders[-1]).wandb_run == trial
    assert all((folder / "row.json").exists() for folder in folders)
