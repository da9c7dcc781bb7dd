"""Hyper-parameters of older versions, for models of the suite and for those derived from them."""

from __future__ import annotations

from typing import Any

from lit_models.base.classifier import LitClassifier
from lit_models.base.hyperparameters import current_hyperparameters
from lit_models.lstm import LSTM

BASE = {"num_classes": 3, "average": None, "average_decay": 0.9, "average_start": 1}
BASE |= {"vectors_rate": 0.5, "_class_path": "anything.of.Lightning"}


class Own(LitClassifier):
    """A user's architecture, with a setting that has the name of an old one."""

    def __init__(self, *, layers: int = 1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.layers = layers


class OwnLSTM(LSTM):
    """A user's variation of one of the suite's."""


def test_a_users_architecture_is_built_with_todays_names() -> None:
    arguments = current_hyperparameters(Own, {**BASE, "layers": 4})
    model = Own(**arguments)
    assert model.layers == 4 and model.vectors_lr_scale == 0.5
    assert model.hparams["weight_averaging"] is None
    assert model.hparams["weight_averaging_decay"] == 0.9


def test_a_subclass_of_a_model_of_the_suite_too() -> None:
    old = {**BASE, "layers": 2, "hidden_size": 4, "vocab_size": 9, "variant": "default"}
    for kind in (LSTM, OwnLSTM):
        arguments = current_hyperparameters(kind, old)
        assert arguments["num_layers"] == 2 and "layers" not in arguments
        assert len(kind(**arguments).net.recurrent.layers) == 2
