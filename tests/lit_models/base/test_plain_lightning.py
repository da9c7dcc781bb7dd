"""Models and corpora with Lightning's Trainer alone, without the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightning as L
import pytest
import torch

from lit_models.bag import Bag
from lit_models.base.classifier import LitClassifier
from lit_models.base.optimizers import check_training
from lit_models.naive_bayes import NaiveBayes
from lit_models.nb_logreg import NBLogReg
from tests.toys import ToyData

CLASSES = 3


def trainer() -> L.Trainer:
    quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
    return L.Trainer(max_epochs=2, accelerator="cpu", enable_checkpointing=False, **quiet)


@pytest.fixture
def data(tmp_path: Path) -> ToyData:
    return ToyData(classes=CLASSES, cache_dir=str(tmp_path))


def make(kind: type[LitClassifier], classes: int = CLASSES) -> LitClassifier:
    sizes = {"vocab_size": 1_000} if kind is Bag else {}
    return kind(num_classes=classes, **sizes)


@pytest.mark.parametrize("kind", [Bag, NBLogReg, NaiveBayes])
def test_fit_validate_test_and_predict(kind: type[LitClassifier], data: ToyData) -> None:
    model, lightning = make(kind), trainer()
    lightning.fit(model, datamodule=data)
    names = {"accuracy", "auroc", "f1", "log_loss"}
    for part, found in (
        ("val", lightning.validate(model, datamodule=data, verbose=False)),
        ("test", lightning.test(model, datamodule=data, verbose=False)),
    ):
        assert found[0].keys() == {f"{part}/{name}" for name in names}
    predictions: Any = lightning.predict(model, datamodule=data)
    probabilities = torch.cat([one.probabilities for one in predictions])
    ids = torch.cat([one.ids for one in predictions])
    assert sorted(ids.tolist()) == list(range(32)), "the test rows"
    labels = torch.from_numpy(data.store.labels("test"))[ids]
    accuracy = (probabilities.argmax(dim=1) == labels).float().mean().item()
    assert found[0]["test/accuracy"] == pytest.approx(accuracy)


def test_a_trainer_takes_steps_again_after_a_model_without_steps(data: ToyData) -> None:
    lightning, net = trainer(), make(Bag)
    lightning.fit(make(NaiveBayes), datamodule=data)
    lightning.fit(net, datamodule=data)
    assert lightning.global_step > 0


@pytest.mark.parametrize("kind", [Bag, NaiveBayes])
@pytest.mark.parametrize("method", ["fit", "validate", "test", "predict"])
def test_fewer_classes_than_labels_are_refused(
    kind: type[LitClassifier], method: str, data: ToyData
) -> None:
    words = rf"num_classes is 2 and the corpus has 3 classes; build {kind.__name__}\(num_classes="
    with pytest.raises(ValueError, match=words):
        getattr(trainer(), method)(make(kind, classes=2), datamodule=data)


@pytest.mark.parametrize(
    ("name", "value", "rule"),
    [
        ("learning_rate", -0.1, "above 0"),
        ("learning_rate", 0.0, "above 0"),
        ("learning_rate", float("nan"), "above 0"),
        ("learning_rate", float("inf"), "above 0 and finite"),
        ("weight_decay", -1e-9, "0 or more"),
        ("warmup_fraction", 1.1, "0 or more and at most 1"),
        ("label_smoothing", 1.0, "0 or more and below 1"),
        ("gradient_clip_norm", 0.0, "above 0"),
        ("weight_averaging_decay", -0.5, "0 or more and at most 1"),
        ("weight_averaging_start", -1, "0 or more"),
        ("vectors_lr_scale", -1.0, "0 or more"),
        ("vectors_frozen_epochs", -1, "0 or more"),
        ("num_classes", 1, "2 or more"),
    ],
)
@pytest.mark.parametrize("optimizer", ["adamw", "sparse_adam"])
def test_values_outside_their_range_are_refused(
    name: str, value: float, rule: str, optimizer: str
) -> None:
    settings = {"optimizer": optimizer, "gradient_clip_norm": None, name: value}
    with pytest.raises(ValueError, match=rf"^{name} is {value}; it must be {rule}$"):
        Bag(**settings)


def test_the_ends_of_a_range_are_accepted() -> None:
    check_training({"weight_decay": 0, "warmup_fraction": 1.0, "weight_averaging_decay": 1})
    check_training({"gradient_clip_norm": None, "label_smoothing": 0.0, "num_classes": 2})
