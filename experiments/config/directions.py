"""Directions in which the validation metrics improve."""

from __future__ import annotations

from typing import Any

from experiments.config.registry import ConfigError, nearest

DIRECTIONS = {"val/log_loss": "min", "val/accuracy": "max", "val/f1": "max", "val/auroc": "max"}
"""`min` if a lower value of the metric is better, else `max`; every metric of validation."""


def direction_of(metric: str) -> str:
    """Direction of a metric.

    Raises:
        ConfigError: no metric of validation has this name.
    """
    if metric not in DIRECTIONS:
        near = nearest(metric, DIRECTIONS)
        raise ConfigError(
            f"run.monitor is {metric!r}{near}; it must be a metric of the validation rows: "
            f"{', '.join(DIRECTIONS)}"
        )
    return DIRECTIONS[metric]


def check_direction(run: Any) -> None:
    """Checks that `run.mode` is the direction of `run.monitor`.

    Raises:
        ConfigError: it is the other one, or the metric is unknown.
    """
    direction = direction_of(run.monitor)
    if run.mode != direction:
        raise ConfigError(
            f"run.mode is {run.mode!r} and run.monitor {run.monitor!r}, of which the worst epoch "
            f"would be chosen; leave run.mode out, or set --run.mode {direction}"
        )
