"""A finished language model as part of a classifier."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch

from datamodules.errors import Unavailable
from lit_models.base.hyperparameters import current_hyperparameters
from lit_models.base.model import WEIGHTS_FILE
from lit_models.language.model import LitLanguageModel

Pretrained = str | dict[str, Any]
"""A folder of a finished run of a language model, or the settings of one whose weights are saved
with the classifier's."""

Model = TypeVar("Model", bound=LitLanguageModel)


def pretrained(
    kind: type[Model], given: Pretrained, setting: str, experiment: str
) -> tuple[Model, dict[str, Any]]:
    """A language model, with the weights of a run if its folder is given, and its settings.

    The settings are not its `hparams`: a model that is made while a command makes another takes
    that other one's for its own.

    Args:
        kind: its class.
        given: a folder of a finished run, or the settings.
        setting: name of the setting that gave it, such as `model.elmo`.
        experiment: experiment that makes such runs.

    Raises:
        Unavailable: there is no such folder.
        ValueError: its model is not of this class.
    """
    if isinstance(given, Mapping):
        return kind(**given), dict(given)
    folder = Path(given).expanduser()
    remedy = (
        f"give the folder of a finished run of {experiment}, such as runs/fit/{experiment}/seed-0, "
        f"made by: lit-sentiment fit -c {experiment}"
    )
    if not _has_model(folder):
        raise Unavailable(f"{setting} is {str(folder)!r}, where there is no model; {remedy}")
    try:
        checkpoint = torch.load(folder / WEIGHTS_FILE, map_location="cpu", weights_only=True)
        settings = current_hyperparameters(kind, checkpoint["hyper_parameters"])
        model = kind(**settings)
        own = set(model.state_dict())
        weights = {k: v for k, v in checkpoint["state_dict"].items() if k in own}
        model.load_state_dict(weights)
        return model, settings
    except Exception as error:  # whatever torch and a class say of a stranger's file
        reason = [*str(error).splitlines(), type(error).__name__][0]
        raise ValueError(
            f"{setting} is {str(folder)!r}, which has no fitted {kind.__name__} ({reason}); "
            f"{remedy}"
        ) from error


def _has_model(folder: Path) -> bool:
    try:
        return (folder / WEIGHTS_FILE).is_file()
    except OSError:  # a name that is too long
        return False
