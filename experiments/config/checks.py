"""Settings that each can have their value, and cannot be used so here, or not together."""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from lightning import Trainer

from experiments.config.registry import ConfigError

LARGEST_SEED = 2**32 - 1  # of NumPy, scikit-learn and Lightning
_SEEDS = ("seed", "split_seed", "random_state", "seed_everything")
_EVERY_ROW = (
    "every row is evaluated, so that figures compare; for a trial run say --profile smoke, or "
    "--data.train_limit N"
)
_OF_SUITE = {
    "logger": "metrics go to W&B and to metrics.json; say --run.wandb_mode, --run.wandb_project",
    "default_root_dir": "runs go to the folder of --runs",
    "gradient_clip_val": "models clip by themselves; say --model.gradient_clip_norm",
    "gradient_clip_algorithm": "models clip by themselves; say --model.gradient_clip_norm",
    "fast_dev_run": "such a run has no figures; say --profile smoke for one at toy size",
    "overfit_batches": "it would train on validation; say --data.train_limit N for few rows",
    "limit_val_batches": _EVERY_ROW,
    "limit_test_batches": _EVERY_ROW,
    "limit_predict_batches": _EVERY_ROW,
    "enable_checkpointing": "a run chooses its epoch, and is resumed, by its checkpoints",
    "barebones": "a run chooses its epoch by its checkpoints and metrics",
    "use_distributed_sampler": "loaders divide the rows among processes by themselves",
}
"""Options of Lightning's trainer that the suite sets itself, with what to say instead."""
_TOGETHER = (
    (
        "--run.folds",
        "--run.protocol=refit",
        "the folds are fits of their own, and none is refitted",
    ),
    ("--data.validation", "--data.validation_fraction", "a validation file is used as it is"),
    ("--data.validation", "--data.split_seed", "a validation file is used as it is"),
)


def check_settings(config: Mapping[str, Any], defaults: Mapping[str, Any]) -> None:
    """Check resolved settings of a run.

    Args:
        config: the settings.
        defaults: the suite's own defaults of Lightning's trainer.

    Raises:
        ConfigError: one cannot be used. The message has its name, its value and what to do.
    """
    trainer = config.get("trainer") or {}
    parameters = inspect.signature(Trainer).parameters
    for name, reason in _OF_SUITE.items():
        value = trainer.get(name)
        if value not in (None, defaults.get(name, parameters[name].default)):
            raise ConfigError(f"trainer.{name} is {value!r}; leave it out: {reason}")
    run = config.get("run") or {}
    for name, (value, least) in {
        "trainer.num_nodes": (trainer.get("num_nodes"), 1),
        "run.patience": (run.get("patience"), 0),
    }.items():
        if value is not None and value < least:
            raise ConfigError(f"{name} is {value}; it must be at least {least}")
    if trainer.get("max_epochs") == 0:
        raise ConfigError("trainer.max_epochs is 0; it must be at least 1 (-1: no limit)")
    precisions = {
        "run.precision": run.get("precision"),
        "trainer.precision": trainer.get("precision"),
    }
    if len({str(p) for p in precisions.values() if p not in (None, "auto")}) == 2:
        settings = " and ".join(f"{name} {value!r}" for name, value in precisions.items())
        raise ConfigError(f"{settings} cannot both hold; set --run.precision alone")
    for name, value in _leaves(config):
        last = name.rpartition(".")[2]
        if isinstance(value, float) and not math.isfinite(value):
            raise ConfigError(f"{name} is {value}; it must be a finite number")
        if last in _SEEDS and isinstance(value, int):
            check_seed(value, name)


def check_seed(seed: int, name: str) -> None:
    """Check that a random seed is one for every library.

    Raises:
        ConfigError: it is negative, or too large.
    """
    if seed < 0:
        raise ConfigError(f"{name} {seed} is negative; seeds are 0, 1, 2, …")
    if seed > LARGEST_SEED:
        raise ConfigError(f"{name} is {seed}; a seed is at most {LARGEST_SEED:,} (2³² - 1)")


def check_folds(run: Any) -> None:
    """Check the number of folds; their fits have no refit.

    Args:
        run: the `RunSettings`, whose protocol becomes `holdout`, so that one run has one hash.
    """
    if run.folds is None:
        return
    if run.folds < 2:
        raise ConfigError(f"run.folds is {run.folds}; it must be at least 2, or null")
    run.protocol = "holdout"


def check_labels(run: Any, classes: int, multi_label: bool) -> None:
    """Check settings of a run against the labels of its corpus.

    Args:
        run: the `RunSettings`.
        classes: number of labels.
        multi_label: whether a text may have several.

    Raises:
        ConfigError: a threshold or folds that do not go with these labels.
    """
    rule = run.threshold
    if not multi_label and rule is not None and classes != 2:
        raise ConfigError(
            f"run.threshold is {rule!r}, and the corpus has {classes} classes; a threshold "
            "decides between two, so leave --run.threshold out"
        )
    if multi_label and rule not in (None, "f1"):
        raise ConfigError(
            f"run.threshold is {rule!r}, and the corpus has several labels a text, for which a "
            "threshold is chosen by micro F1; set --run.threshold f1"
        )
    if multi_label and run.folds is not None:
        raise ConfigError(
            f"run.folds is {run.folds}, and the corpus has several labels a text, for which "
            "there is no cross-validation; leave --run.folds out, or give --data.validation"
        )
    if multi_label and run.wandb_texts:
        raise ConfigError(
            "run.wandb_texts is true, and sends texts with their one wrong label, of which the "
            "corpus has several a text; leave it out"
        )


def check_words(words: Iterable[str]) -> None:
    """Check that no two settings that were typed exclude each other.

    Raises:
        ConfigError: two of them do.
    """
    typed = {word.removesuffix("=null") for word in words}
    for one, other, reason in _TOGETHER:
        pair = [w for name in (one, other) for w in typed if w == name or w.startswith(f"{name}=")]
        if len({word.partition("=")[0] for word in pair}) == 2:
            raise ConfigError(f"{' and '.join(pair)} cannot both hold: {reason}; leave one out")


def _leaves(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Single settings with the names by which they are typed."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            joined = f"{name}.{key}" if name else str(key)
            yield from _leaves(inner, name if key == "init_args" else joined)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _leaves(inner, name)
    else:
        yield name, value
