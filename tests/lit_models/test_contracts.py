"""What every architecture promises, tested over the registry (`--configs DIR` adds a folder)."""

from __future__ import annotations

import copy
import re
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import pytest
import torch
from lightning.pytorch.callbacks import Callback

from datamodules.tokenizers import CharacterTokenizer
from datamodules.vectors.word2vec import Word2Vec
from experiments.config.registry import Registry, merge
from experiments.config.resolved import Resolved
from lit_models.base.classifier import LitClassifier
from lit_models.base.estimator import LitEstimator
from lit_models.base.without_steps import WithoutSteps
from lit_models.classics.centroids import Centroids
from tests.batches import make_batch, make_view, random_rows
from tests.lit_models.contracts import CHECKS, CLASSES, ROWS, VOCAB, Check
from tests.tiny_encoders import offline
from tests.toys import ToyData


class Losses(L.Callback):
    """Keeps the loss of every step."""

    def __init__(self) -> None:
        self.seen: list[float] = []

    def on_train_batch_end(self, trainer: Any, module: Any, outputs: Any, *_: Any) -> None:
        self.seen.append(float(outputs["loss"]))


def build(registry: Registry, experiment: str) -> LitClassifier:
    """The experiment's model as its YAML sets it up, over a small vocabulary of three classes.

    Settings take longer to read than such a model to copy.
    """
    torch.manual_seed(0)  # of what the test draws, whoever has built the model
    return copy.deepcopy(_built(registry, experiment))


def build_anew(registry: Registry, experiment: str) -> LitClassifier:
    """As `build`, and what is learnt before the first step is learnt again."""
    toy: dict[str, Any] = {
        "data": {"class_path": "tests.toys.ToyData", "init_args": {"classes": CLASSES}}
    }
    settings = registry.settings(experiment)
    settings = merge(settings, offline(settings))
    if settings["data"].get("init_args", {}).get("vocab_size", 0) is not None:
        toy["data"]["init_args"]["vocab_size"] = VOCAB
    # Millions of rows and hundreds of trees take seconds to copy and to save.
    if "buckets" in settings["model"].get("init_args", {}):
        toy["model"] = {"init_args": {"buckets": 5_000}}
    if experiment.endswith("forest"):
        toy["model"] = {"init_args": {"n_estimators": 20}}
    resolved = Resolved(merge(settings, toy))
    torch.manual_seed(0)
    resolved.cli.build()
    model: LitClassifier = resolved.cli.model
    # What is learnt before the first step is learnt here as `setup` would do it.
    many = random_rows([20] * 60, VOCAB, seed=1)
    width = model.hparams.get("embedding_dim", 8)
    vectors = np.random.default_rng(2).normal(size=(VOCAB, width)).astype(np.float32)
    given = vectors if model.needs_vectors else None
    characters = "CharacterTokenizer" in str(settings["data"])
    model.prepare(make_view(many, [i % CLASSES for i in range(60)], VOCAB, given, characters))
    return model.eval()


_built = cache(build_anew)


def toy_vectors(model: LitClassifier) -> dict[str, Any] | None:
    """Vectors of every word for a model that must have some, else none: 32 texts are too few."""
    if not model.needs_vectors:
        return None
    return {
        "class_path": "datamodules.vectors.word2vec.Word2Vec",
        "init_args": {
            "dim": model.hparams.get("embedding_dim", 50),
            "min_count": 1,
            "text": "train",
        },
    }


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_contract(check: Check, registry: Registry, experiment: str) -> None:
    check(build(registry, experiment))


def test_every_parameter_receives_a_gradient(registry: Registry, experiment: str) -> None:
    model = build(registry, experiment).train()
    if isinstance(model, LitEstimator):
        assert not list(model.parameters())
        return
    logits = model(make_batch(ROWS * 4, classes=CLASSES))
    torch.nn.functional.cross_entropy(logits, torch.arange(len(logits)) % CLASSES).backward()
    for name, parameter in model.named_parameters():
        gradient = parameter.grad
        assert gradient is not None and gradient.to_dense().abs().sum() > 0, name


class LearntByHeart(Callback):
    """Stops at an epoch in which every text was predicted without a doubt."""

    def on_train_epoch_end(self, trainer: L.Trainer, module: L.LightningModule) -> None:
        loss = trainer.callback_metrics.get("train/epoch_loss", torch.inf)
        trainer.should_stop |= bool(loss < 0.02)


# Those that take longest, and those whose class another has, with other weights or layers.
@pytest.mark.slow_for(
    *("linear_transformer", "transformer", "fasttext", "nb_bag", "dpcnn", "capsule"),
    "byte_transformer",
    *("convolutional_capsule", "seq_cnn", "region_cnn"),
    *("bert_multilingual", "minilm_further", "roberta", "ernie"),
    *("bidirectional_gru", "stacked_lstm"),
)
def test_learns_32_texts_by_heart(registry: Registry, experiment: str, tmp_path: Path) -> None:
    settings = registry.settings(experiment)
    settings = merge(settings, offline(settings))
    small = build(registry, experiment)
    toy: dict[str, Any] = {
        "data": {
            "class_path": "tests.toys.ToyData",
            "init_args": {
                "rows": 42,
                "classes": 2,
                "batch_size": 8,
                "vocab_size": 30_000,
                "cache_dir": str(tmp_path),
                "vectors": toy_vectors(small),
            },
        },
        "trainer": {"max_epochs": 60},
        "seed_everything": 0,
    }
    if isinstance(small, Centroids):  # a fifth as many clusters as words cannot tell 32 texts apart
        toy["model"] = {"init_args": {"words_per_cluster": 1}}
    resolved = Resolved(merge(settings, toy))
    L.seed_everything(0, verbose=False)
    resolved.cli.build()
    model, data = resolved.cli.model, resolved.cli.datamodule
    trainer = resolved.cli.make_trainer(
        callbacks=[LearntByHeart()],
        logger=False,
        enable_checkpointing=False,
        default_root_dir=tmp_path,
        limit_val_batches=0,
    )
    trainer.fit(model, datamodule=data)
    data.setup()
    model.eval()
    right = total = 0
    for batch in data.train_dataloader():
        with torch.no_grad():
            found = model.predict_step(batch)
        right += int((found.probabilities.argmax(dim=1) == batch.labels).sum())
        total += len(batch.labels)
    assert total == 32 and right == 32


def test_trains_under_bf16_autocast_with_finite_losses_and_weights(
    registry: Registry, experiment: str, tmp_path: Path
) -> None:
    model = build(registry, experiment)
    if isinstance(model, LitEstimator):
        assert not list(model.parameters())
        return
    losses = Losses()
    before = [parameter.detach().clone() for parameter in model.parameters()]
    width = model.hparams.get("embedding_dim", 8)
    data = ToyData(
        classes=CLASSES,
        vocab_size=VOCAB,
        batch_size=8,
        vectors=Word2Vec(width, min_count=1) if model.needs_vectors else None,
        cache_dir=str(tmp_path),
    )
    trainer = L.Trainer(
        accelerator="cpu",
        precision="bf16-mixed",
        max_steps=4,
        limit_val_batches=0,
        logger=False,
        callbacks=[losses],
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=tmp_path,
    )
    trainer.fit(model.train(), datamodule=data)
    assert len(losses.seen) == 4 and np.isfinite(losses.seen).all()
    assert all(parameter.isfinite().all() for parameter in model.parameters())
    pairs = zip(before, model.parameters(), strict=True)
    assert not all(torch.equal(old, new) for old, new in pairs)


@pytest.mark.slow_for("fasttext", "tfidf_forest")
def test_predicts_the_same_after_saving_and_loading(
    registry: Registry, experiment: str, tmp_path: Path
) -> None:
    model = build(registry, experiment).train()
    width = model.hparams.get("embedding_dim", 8)
    vectors = Word2Vec(width, min_count=1) if model.needs_vectors else None
    characters = "CharacterTokenizer" in str(registry.settings(experiment)["data"])
    data = ToyData(
        classes=CLASSES,
        tokenizer=CharacterTokenizer() if characters else None,
        vocab_size=VOCAB,
        vectors=vectors,
        cache_dir=str(tmp_path / "cache"),
    )
    trainer = L.Trainer(
        max_epochs=1,
        limit_val_batches=0,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=tmp_path,
    )
    trainer.fit(model, datamodule=data)
    model.save(tmp_path)
    loaded = type(model).load(tmp_path)
    # The toy texts have fewer characters than words.
    batch = make_batch([[token % 20 for token in row] for row in ROWS] if characters else ROWS)
    assert torch.equal(
        model.eval().predict_step(batch).probabilities, loaded.predict_step(batch).probabilities
    )
    assert loaded.parameter_count == model.parameter_count
    assert not [file for file in tmp_path.iterdir() if file.name.startswith(".")]


def test_its_docstring_names_its_paper_and_its_size(
    registry: Registry, any_experiment: str
) -> None:
    module, _, name = registry.settings(any_experiment)["model"]["class_path"].rpartition(".")
    kind = getattr(import_module(module), name)
    if not kind.__module__.startswith("lit_models."):
        return  # an architecture from outside documents itself as it likes
    text = kind.__doc__ or ""
    assert re.search(r"\b(19|20)\d\d\b", text), "no year of a paper"
    if issubclass(kind, WithoutSteps):
        return  # as many values as the corpus has n-grams
    with torch.device("meta"):  # weights of a hundred million values are counted, not drawn
        size = f"{kind().parameter_count:,}"
    assert f"At the default size {size} parameters" in " ".join(text.split())
