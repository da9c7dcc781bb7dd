"""Hyper-parameters: those a model was saved with, and a check against the corpus."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from datamodules.upgrade.names import MODEL_SETTINGS
from datamodules.upgrade.translate import current_object


def check_classes(model: Any, data: Any) -> None:
    """Check that a model has a class for every label of a datamodule; None: there is none.

    Raises:
        ValueError: it has not.
    """
    classes = getattr(data, "num_classes", 0)
    if classes > model.num_classes:
        raise ValueError(
            f"num_classes is {model.num_classes} and the corpus has {classes} classes; build "
            f"{type(model).__name__}(num_classes=datamodule.num_classes, …)"
        )
    several = getattr(data, "multi_label", False)
    if data is not None and several != model.multi_label:
        raise ValueError(
            f"multi_label is {model.multi_label} and that of the corpus {several}; build "
            f"{type(model).__name__}(multi_label=datamodule.multi_label, …), and let it pass "
            "`**kwargs` on to LitClassifier"
        )


def accepted_settings(model: type) -> set[str]:
    """Names of the arguments of a class, those of its base classes too."""
    return {
        name
        for base in model.__mro__
        if "__init__" in vars(base)
        for name in inspect.signature(base).parameters
    }


def current_hyperparameters(model: type, saved: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments of a model's constructor from those that it was saved with.

    Args:
        model: class of today.
        saved: hyper-parameters of any version; Lightning adds names of its own, such as
            `_class_path`.
    """
    arguments = {name: value for name, value in saved.items() if not name.startswith("_")}
    given = current_object(f"{model.__module__}.{model.__qualname__}", arguments)[1]
    accepted = accepted_settings(model)
    renamed = {
        name: new
        for name, new in MODEL_SETTINGS.items()
        if name in given and name not in accepted and new in accepted
    }
    if "variant" not in accepted and given.get("variant") == "default":
        del given["variant"]
    for name in {"num_classes", "multi_label"} - accepted:  # links are recorded for any model
        given.pop(name, None)
    return {renamed.get(name, name): value for name, value in given.items()}
