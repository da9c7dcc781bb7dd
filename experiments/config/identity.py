"""Identity of a run's settings: the canonical config, and its hash."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from copy import deepcopy
from pathlib import PureWindowsPath
from typing import Any

from datamodules.upgrade.translate import current_config

# Where a run happens, not what it computes.
_PLACES = {
    "trainer": ("accelerator", "devices", "num_nodes", "strategy", "default_root_dir", "logger"),
    "data": (
        *("root", "robustness", "cache_dir", "train", "validation", "test", "unlabelled"),
        # How files are read; what they say has a fingerprint.
        *("encoding", "delimiter", "header", "label_separator"),
    ),
    "run": (
        "wandb_project",
        "wandb_entity",
        "wandb_mode",
        "wandb_texts",
        "checkpoint_minutes",
    ),
}

PRUNER = "experiments.tuning.study.PruningCallback"
"""Callback of a sweep's trials, which is no part of what they try."""

# How often and on what rows a setting is measured.
_REPETITION = {"data": ("split_seed", "split_by", "fold"), "run": ("protocol", "folds")}

NEUTRAL: dict[str, dict[str, Any]] = {
    "data": {
        "exclude": None,
        "fold": None,
        "teacher": None,
        "train_limit": None,
        "train_window": None,
        "unlabelled_batch_size": 0,
        "vectors": None,
    },
    "run": {"folds": None, "threshold": None},
    "datamodules.files.TextFiles": {"group_column": None},
    "datamodules.imdb.IMDB": {"split_by": "movie"},
    "model": {
        "adversarial": 0.0,
        "class_weights": None,
        "compile": False,
        "elmo": None,
        "entropy": 0.0,
        "last_words": 0,
        "optimizer": "adamw",
        "vectors_frozen_epochs": 0,
        "vectors_lr_scale": 0.2,
        "virtual_adversarial": 0.0,
        "weight_averaging": None,
        "weight_averaging_decay": 0.999,
        "weight_averaging_start": 1,
    },
    "lit_models.fasttext.FastText": {"nb_smoothing": None},
    "lit_models.tfidf_logreg.TfidfLogReg": {
        "char_ngrams": 0,
        "char_weight": 0.3,
        "max_features": None,
        "word_ngrams": 0,
    },
    "datamodules.vectors.word2vec.Word2Vec": {"text": "train"},
}
"""Settings that came after runs were kept, for a part of the config or a class, each with the value
at which a run is what it was before there was such a setting. At that value they are left out of
the canonical config, so that rows keep their identity. A setting that is added later goes in here;
a default that changes does not."""


def comparable(config: Mapping[str, Any]) -> dict[str, Any]:
    """Canonical config: today's names; no paths, devices, launcher or settings at neutral values.

    Args:
        config: resolved settings of a run, of any version.
    """
    canonical = current_config(deepcopy(dict(config)))
    for part in ("model", "data", "trainer", "run"):
        section = canonical.get(part) or {}
        values = section.get("init_args", section)
        for name in _PLACES.get(part, ()):
            values.pop(name, None)
        _drop_neutral(values, NEUTRAL.get(part, {}))
        if part == "data" and values.get("teacher"):  # as in a published row, without its folder
            values["teacher"] = PureWindowsPath(values["teacher"]).name
    _drop_neutral_of_classes(canonical)
    return canonical


def setting_hash(config: Mapping[str, Any]) -> str:
    """16 hex digits over what was tried: equal for all seeds, splits and protocols of a setting.

    Looks at a test split and trials on validation are counted by it.
    """
    canonical = comparable(config)
    for part, names in _REPETITION.items():
        section = canonical.get(part) or {}
        for name in names:
            section.get("init_args", section).pop(name, None)
    canonical.pop("seed_everything", None)
    trainer = canonical.get("trainer") or {}
    callbacks = [c for c in trainer.get("callbacks") or [] if c.get("class_path") != PRUNER]
    trainer["callbacks"] = callbacks or None
    return _digest(canonical)


def _drop_neutral(values: dict[str, Any], neutral: Mapping[str, Any]) -> None:
    for name, value in neutral.items():
        if name in values and values[name] == value:
            del values[name]


def _drop_neutral_of_classes(values: Any) -> None:
    if isinstance(values, list):
        for entry in values:
            _drop_neutral_of_classes(entry)
    if isinstance(values, dict):
        if isinstance(arguments := values.get("init_args"), dict):
            _drop_neutral(arguments, NEUTRAL.get(str(values.get("class_path")), {}))
        for entry in values.values():
            _drop_neutral_of_classes(entry)


def config_hash(config: Mapping[str, Any]) -> str:
    """16 hex digits over the canonical config."""
    return _digest(comparable(config))


def _digest(canonical: Mapping[str, Any]) -> str:
    content = json.dumps(canonical, sort_keys=True, default=str)
    return hashlib.sha256(content.encode()).hexdigest()[:16]


def differing_settings(one: Mapping[str, Any], two: Mapping[str, Any]) -> list[str]:
    """Differences between two canonical configs: `model.dropout: 0.2 → 0.3`, sorted by name."""
    ours, theirs = _flat(comparable(one)), _flat(comparable(two))
    return [
        f"{name}: {ours.get(name)} → {theirs.get(name)}"
        for name in sorted(ours.keys() | theirs.keys())
        if ours.get(name) != theirs.get(name)
    ]


def _flat(values: Any, prefix: str = "") -> dict[str, Any]:
    if not isinstance(values, dict):
        return {prefix: values}
    items = (_flat(value, f"{prefix}.{name}" if prefix else name) for name, value in values.items())
    return {name: value for item in items for name, value in item.items()}
