"""Search space of a sweep: one YAML file with the settings that vary and their ranges."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from experiments.config.registry import ConfigError, nearest, read_yaml
from experiments.training.spec import RunSpec

# Settings that decide on what and by what trials are compared; they cannot vary.
_FIXED = ("seed_everything", "run.", "trainer.callbacks", "data.class_path", "model.class_path")
_KEYS = {"low", "high", "log", "step", "choices"}

Space = dict[str, BaseDistribution]


def read_space(file: Path) -> Space:
    """Reads a search space.

    Each key is a setting, as on the command line. Its value has `low` and `high`, both inclusive
    (integers if both are), and optionally `log: true` or a `step`; or a list of `choices`.

    Raises:
        ConfigError: the file does not exist, or a range in it is empty or malformed.
    """
    content = read_yaml(file)
    if not content:
        raise ConfigError(f"{file}: names no setting; write such as `model.dropout: {{low: 0, …}}`")
    space = {}
    for name, values in content.items():
        where = f"{file}: {name}"
        if not isinstance(name, str) or name.startswith(_FIXED) or "." not in name:
            raise ConfigError(
                f"{where} cannot vary in a sweep; name settings of the model, data or trainer, "
                "such as model.learning_rate"
            )
        space[name] = _distribution(where, values)
    return space


def check_space(file: Path, space: Space, spec: RunSpec) -> None:
    """Checks that the experiment has the settings and accepts the ends of their ranges.

    Raises:
        ConfigError: a setting that does not exist, or a value of the wrong type.
    """
    ends = {name: _ends(distribution) for name, distribution in space.items()}
    for place in range(max(map(len, ends.values()))):
        arguments = to_arguments(
            {name: values[place % len(values)] for name, values in ends.items()}
        )
        try:
            RunSpec(**{**vars(spec), "overrides": (*spec.overrides, *arguments)}).resolve()
        except ConfigError as error:
            raise ConfigError(f"{file}: {error}") from error


def to_arguments(values: dict[str, Any]) -> tuple[str, ...]:
    """Formats settings as command-line arguments."""
    return tuple(
        f"--{name}={value if isinstance(value, str) else json.dumps(value)}"
        for name, value in values.items()
    )


def wandb_sweep(
    space: Space,
    experiment: str,
    spec: RunSpec,
    monitor: str,
    mode: str,
    trials: int,
    corpus: str,
) -> dict[str, Any]:
    """Configuration of a W&B sweep over the same space; its agents run `lit-sentiment fit`.

    Args:
        space: the search space.
        experiment: name of the experiment.
        spec: run of the experiment, for its profile, config folders and overrides.
        monitor: metric that is optimised.
        mode: `min` or `max`.
        trials: number of trials.
        corpus: fingerprint of the corpus, from which every trial must learn.
    """
    folders = [word for folder in spec.config_folders for word in ("--configs", folder)]
    words = ["fit", "-c", experiment, "--profile", spec.profile, *folders, *spec.overrides]
    words += ["--seed", str(spec.seed), "--runs", str(spec.folder.parent)]
    # The id of the trial names its folder. `fit` reads it: agents fill in `${envvar:…}` once, and
    # before they set the id.
    words += ["--name", f"{spec.benchmark}-$WANDB_RUN_ID", "--sweep-corpus", corpus]
    return {
        "name": spec.benchmark,
        "method": "bayes",
        "run_cap": trials,
        "metric": {"name": monitor, "goal": {"min": "minimize", "max": "maximize"}[mode]},
        "parameters": {name: _wandb(distribution) for name, distribution in space.items()},
        "early_terminate": {"type": "hyperband", "min_iter": 1, "eta": 3},
        "command": ["${env}", "lit-sentiment", *words, "${args}"],
    }


def _distribution(where: str, values: Any) -> BaseDistribution:
    if not isinstance(values, dict):
        raise ConfigError(f"{where} is {values!r}; it must have low and high, or choices")
    for key in values:
        if key not in _KEYS:
            near = nearest(str(key), _KEYS)
            raise ConfigError(f"{where} has {key!r}{near}; it may have {', '.join(sorted(_KEYS))}")
    if "choices" in values:
        choices = values["choices"]
        if not isinstance(choices, list) or not choices or len(values) > 1:
            raise ConfigError(f"{where}: choices is {choices!r}; it must be a list, and alone")
        for choice in choices:
            if not isinstance(choice, str | int | float | bool | None):
                raise ConfigError(f"{where}: choice {choice!r} must be a word or a number")
        return CategoricalDistribution(choices)
    low, high = (_number(where, key, values) for key in ("low", "high"))
    log, step = bool(values.get("log", False)), values.get("step")
    if low >= high:
        raise ConfigError(f"{where}: low is {low} and high is {high}; low must be the smaller")
    if log and low <= 0:
        raise ConfigError(f"{where}: low is {low} and log is true; a logarithm needs more than 0")
    if step is not None:
        step = _number(where, "step", values)
        if log or step <= 0:
            raise ConfigError(f"{where}: step is {step}; it must be above 0, and not with log")
    if isinstance(low, int) and isinstance(high, int) and isinstance(step, int | None):
        return IntDistribution(low, high, log=log, step=step or 1)
    return FloatDistribution(float(low), float(high), log=log, step=step)


def _number(where: str, key: str, values: dict[str, Any]) -> int | float:
    value = values.get(key)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    hint = " (to YAML 1e-4 is a word; write 1.0e-4)" if isinstance(value, str) else ""
    raise ConfigError(f"{where}: {key} is {value!r}; it must be a number{hint}")


def _ends(distribution: BaseDistribution) -> list[Any]:
    if isinstance(distribution, CategoricalDistribution):
        return list(distribution.choices)
    assert isinstance(distribution, IntDistribution | FloatDistribution)
    return [distribution.low, distribution.high]


def _wandb(distribution: BaseDistribution) -> dict[str, Any]:
    if isinstance(distribution, CategoricalDistribution):
        return {"values": list(distribution.choices)}
    assert isinstance(distribution, IntDistribution | FloatDistribution)
    bounds: dict[str, Any] = {"min": distribution.low, "max": distribution.high}
    integer = isinstance(distribution, IntDistribution)
    if distribution.log:
        kind = "q_log_uniform_values" if integer else "log_uniform_values"
        return {"distribution": kind, **bounds, **({"q": 1} if integer else {})}
    if distribution.step not in (None, 1):
        return {"distribution": "q_uniform", **bounds, "q": distribution.step}
    return {"distribution": "int_uniform" if integer else "uniform", **bounds}
