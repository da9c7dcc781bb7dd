"""Hyper-parameters that a model was saved with, under today's names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from datamodules.upgrade.translate import current_object


def current_hyperparameters(model: type, saved: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments of a model's constructor from those that it was saved with.

    Args:
        model: class of today.
        saved: hyper-parameters of any version; Lightning adds names of its own, such as
            `_class_path`.
    """
    arguments = {name: value for name, value in saved.items() if not name.startswith("_")}
    return current_object(f"{model.__module__}.{model.__qualname__}", arguments)[1]
