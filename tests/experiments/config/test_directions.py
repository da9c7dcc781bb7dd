"""Direction of the monitored metric: derived from its name, never against it."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import yaml

from experiments.config.identity import config_hash
from experiments.config.registry import ConfigError
from experiments.config.resolved import Resolved
from tests.experiments.config.test_identity import config_of
from tests.experiments.training.test_refit import spec_of

BETTER = {"val/log_loss": "min", "val/accuracy": "max", "val/f1": "max", "val/auroc": "max"}


def resolve(*words: str) -> Resolved:
    return dataclasses.replace(spec_of(Path("run")), overrides=words).resolve()


@pytest.mark.parametrize("metric", [name for name, mode in BETTER.items() if mode == "max"])
def test_the_mode_follows_from_the_metric(metric: str) -> None:
    resolved = resolve(f"--run.monitor={metric}")
    assert resolved.run.mode == resolved.config["run"]["mode"] == BETTER[metric]


@pytest.mark.parametrize("metric", BETTER)
def test_a_mode_may_be_written_out(metric: str) -> None:
    given = resolve(f"--run.monitor={metric}", f"--run.mode={BETTER[metric]}")
    assert given.run.mode == BETTER[metric]


@pytest.mark.parametrize("metric", BETTER)
def test_a_mode_written_out_is_the_same_run(metric: str) -> None:
    given = resolve(f"--run.monitor={metric}", f"--run.mode={BETTER[metric]}")
    assert given.hash == resolve(f"--run.monitor={metric}").hash


@pytest.mark.parametrize("metric", BETTER)
def test_a_mode_against_the_metric_is_refused(metric: str) -> None:
    mode = "min" if BETTER[metric] == "max" else "max"
    message = f"run.mode is '{mode}' and run.monitor '{metric}'.*--run.mode {BETTER[metric]}"
    with pytest.raises(ConfigError, match=message):
        resolve(f"--run.monitor={metric}", f"--run.mode={mode}")


@pytest.mark.parametrize(
    ("metric", "near"),
    [
        ("val/acuracy", ", did you mean 'val/accuracy'?"),
        ("accuracy", ", did you mean 'val/accuracy'?"),
        ("test/accuracy", ", did you mean 'val/accuracy'?"),
        ("train/epoch_loss", ""),
        ("nonsense", ""),
    ],
)
@pytest.mark.parametrize("mode", [(), ("--run.mode=max",)])
def test_an_unknown_metric_is_refused_with_the_known_ones(
    metric: str, near: str, mode: tuple[str, ...]
) -> None:
    with pytest.raises(ConfigError) as caught:
        resolve(f"--run.monitor={metric}", *mode)
    assert f"run.monitor is {metric!r}{near}" in str(caught.value)
    assert all(name in str(caught.value) for name in BETTER)


def test_the_identity_of_the_default_stays() -> None:
    config = config_of("cnn")
    assert (config["run"]["monitor"], config["run"]["mode"]) == ("val/log_loss", "min")
    assert config_of("perceptron")["run"]["mode"] == "max"


def test_a_finished_run_that_was_chosen_the_wrong_way_round_is_read(tmp_path: Path) -> None:
    config: dict[str, Any] = {**config_of("cnn")}
    config["run"] |= {"monitor": "val/accuracy", "mode": "min"}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    assert Resolved.of_run(tmp_path).hash == config_hash(config)
