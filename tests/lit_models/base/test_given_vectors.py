"""Networks that start from given word vectors: which rows, at what rate, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightning as L
import pytest
import torch

from datamodules.vectors.word2vec import Word2Vec
from experiments.machine.messages import quiet_libraries
from lit_models.cnn import CNN
from lit_models.nb_bag import NBBag
from tests.toys import ToyData

DIM = 6


def fit(model: L.LightningModule, folder: Path, **settings: Any) -> tuple[L.Trainer, ToyData]:
    L.seed_everything(0, verbose=False)
    data = ToyData(
        vectors=Word2Vec(DIM, min_count=2, epochs=1), batch_size=8, cache_dir=str(folder / "cache")
    )
    trainer = L.Trainer(
        **({"max_epochs": 1} | settings),
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=folder,
    )
    trainer.fit(model, datamodule=data)
    return trainer, data


def cnn(**options: Any) -> CNN:
    return CNN(**({"vocab_size": 5000, "embedding_dim": DIM, "num_filters": 4} | options))


def test_a_rate_of_zero_keeps_them_and_the_rest_learns(tmp_path: Path) -> None:
    model = cnn(vectors_lr_scale=0.0, weight_decay=0.1)
    before = model.net.output.weight.detach().clone()
    _, data = fit(model, tmp_path)
    vectors = torch.from_numpy(data.train_view().vectors)
    assert vectors.any(dim=1).sum() > 20
    assert torch.equal(model.net.embedding.table.weight[: len(vectors)], vectors)
    assert not torch.equal(model.net.output.weight, before)


def test_the_log_says_how_much_they_cover(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    quiet_libraries()  # as in a run
    _, data = fit(cnn(), tmp_path)
    covered, printed = data.train_view().vectors_covered, capsys.readouterr().out
    assert f"word vectors cover {covered}" in printed and "of the running words" in printed


def test_they_learn_at_their_own_rate_and_the_schedule_is_common(tmp_path: Path) -> None:
    model = cnn(learning_rate=0.01, vectors_lr_scale=0.3, schedule="cosine", weight_decay=0.1)
    trainer, data = fit(model, tmp_path, max_steps=5, max_epochs=2)
    table = model.net.embedding.table.weight
    share = 0.5 * (1 + torch.cos(torch.tensor(torch.pi * 5 / 5))).item()
    rates = {
        id(p): (group["lr"], group["initial_lr"], group["weight_decay"])
        for group in trainer.optimizers[0].param_groups
        for p in group["params"]
    }
    assert len(rates) == len(list(model.parameters())), "every weight once"
    assert rates[id(table)] == pytest.approx((0.003 * share, 0.003, 0.1))
    assert rates[id(model.net.output.weight)] == pytest.approx((0.01 * share, 0.01, 0.1))
    assert rates[id(model.net.output.bias)][2] == 0
    vectors = torch.from_numpy(data.train_view().vectors)
    moved = (table[: len(vectors)] - vectors).abs().max()
    assert 0 < moved < 5 * 0.003 * 1.1, "Adam moves a weight by about its rate in a step"


@pytest.mark.parametrize("optimizer", ["adamw", "sparse_adam"])
def test_they_stay_frozen_for_some_epochs_and_then_learn(optimizer: Any, tmp_path: Path) -> None:
    clip = {"gradient_clip_norm": None} if optimizer == "sparse_adam" else {}
    moved, others = [], []

    class Watch(L.Callback):
        def on_train_epoch_end(self, trainer: L.Trainer, module: Any) -> None:
            vectors = torch.from_numpy(trainer.datamodule.train_view().vectors)  # type: ignore
            table = module.net.embedding.table.weight[: len(vectors)]
            moved.append(float((table - vectors).abs().max()))
            others.append(module.net.output.weight.detach().clone())

    model = cnn(vectors_frozen_epochs=2, weight_decay=0.1, optimizer=optimizer, **clip)
    fit(model, tmp_path, max_epochs=3, callbacks=[Watch()])
    assert moved[:2] == [0, 0] and moved[2] > 0
    assert not torch.equal(others[0], others[1]), "the rest learns meanwhile"


def test_the_time_of_learning_them_is_a_cost_of_its_own(tmp_path: Path) -> None:
    model = cnn()
    _, data = fit(model, tmp_path)
    assert model.vectors_seconds == data.train_view().vectors_seconds > 0


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (lambda: cnn(embedding_dim=4), r"of width 6, and the embedding is 5,000 × 4"),
        (lambda: cnn(vocab_size=20), r"and the embedding is 20 × 6"),
        (lambda: NBBag(), "NBBag has no layer that starts from word vectors"),
    ],
)
def test_what_does_not_fit_is_refused(model: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        fit(model(), tmp_path)


def test_a_rate_below_zero_is_refused() -> None:
    with pytest.raises(ValueError, match="vectors_lr_scale is -0.1; it must be 0 or more"):
        cnn(vectors_lr_scale=-0.1)
    with pytest.raises(ValueError, match="vectors_frozen_epochs is -1; it must be 0 or more"):
        cnn(vectors_frozen_epochs=-1)
