"""Identity of a run's settings: the canonical config, and its hash."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from datamodules.upgrade.translate import current_config

# Where a run happens, not what it computes.
_PLACES = {
    "trainer": ("accelerator", "devices", "num_nodes", "strategy", "default_root_dir", "logger"),
    "data": ("root", "robustness", "cache_dir", "train", "validation", "test", "unlabelled"),
    "run": (
        "tuning_trials",
        "wandb_project",
        "wandb_entity",
        "wandb_mode",
        "wandb_texts",
        "checkpoint_minutes",
    ),
}

NEUTRAL: dict[str, dict[str, Any]] = {
    "data": {"exclude": None, "train_limit": None, "train_window": None, "vectors": None},
    "model": {
        "compile": False,
        "last_words": 0,
        "optimizer": "adamw",
        "vectors_frozen_epochs": 0,
        "vectors_lr_scale": 0.2,
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
    _drop_neutral_of_classes(canonical)
    return canonical


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
    content = json.dumps(comparable(config), sort_keys=True, default=str)
    return hashlib.sha256(content.encode()).hexdigest()[:16]
