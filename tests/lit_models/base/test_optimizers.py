"""The sparse Adam against torch's own, and through a trainer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightning as L
import pytest
import torch
from torch import nn

from lit_models.bag import Bag
from lit_models.base.optimizers import SparseAdam, clip_gradients
from lit_models.lstm import LSTM
from tests.toys import ToyData

ROWS = [[0, 2, 2], [5, 2, 7], [7, 1, 1], [0, 5, 7], [2, 2, 2]]


class Two(nn.Module):
    """A table with sparse gradients and a layer with dense ones."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.table = nn.EmbeddingBag(9, 4, mode="sum", sparse=True).double()
        self.output = nn.Linear(4, 2).double()

    def back(self, row: list[int]) -> None:
        self.zero_grad()
        self.output(self.table(torch.tensor([row]))).square().sum().backward()


def test_steps_are_those_of_torch_for_both_kinds_of_gradient() -> None:
    ours, theirs = Two(), Two()
    own = SparseAdam(ours.parameters(), lr=0.1, betas=(0.8, 0.95))
    pair = [
        torch.optim.SparseAdam(theirs.table.parameters(), lr=0.1, betas=(0.8, 0.95)),
        torch.optim.Adam(theirs.output.parameters(), lr=0.1, betas=(0.8, 0.95)),
    ]
    start = ours.table.weight.detach().clone()
    for row in ROWS:
        ours.back(row)
        own.step()
        theirs.back(row)
        for optimizer in pair:
            optimizer.step()
    for found, expected in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert torch.allclose(found, expected, atol=1e-12)
    unused = [row for row in range(9) if row not in sum(ROWS, [])]
    assert torch.equal(ours.table.weight[unused], start[unused])
    assert (ours.table.weight != start).any(dim=1).sum() == 9 - len(unused)


def test_rows_decay_when_they_are_used_and_dense_weights_always() -> None:
    model, theirs = Two(), Two()
    start = model.table.weight.detach().clone()
    own = SparseAdam(model.parameters(), lr=0.1, weight_decay=0.5)
    reference = torch.optim.AdamW(theirs.output.parameters(), lr=0.1, weight_decay=0.5)
    plain = Two()
    without = SparseAdam(plain.parameters(), lr=0.1)
    for each, optimizer in ((model, own), (theirs, reference), (plain, without)):
        each.back([3, 4])
        optimizer.step()
    assert torch.allclose(model.output.weight, theirs.output.weight, atol=1e-12)
    decayed = plain.table.weight.detach() - 0.05 * start
    assert torch.allclose(model.table.weight[3:5], decayed[3:5], atol=1e-12)
    assert torch.equal(model.table.weight[:3], start[:3])


def test_goes_on_from_its_state_as_if_never_stopped() -> None:
    straight, stopped = Two(), Two()
    first = SparseAdam(straight.parameters(), lr=0.1)
    second = SparseAdam(stopped.parameters(), lr=0.1)
    for number, row in enumerate(ROWS):
        if number == 2:
            state = second.state_dict()
            second = SparseAdam(stopped.parameters(), lr=9.0)
            second.load_state_dict(state)
        for each, optimizer in ((straight, first), (stopped, second)):
            each.back(row)
            optimizer.step()
    assert torch.equal(straight.table.weight, stopped.table.weight)
    assert torch.equal(straight.output.weight, stopped.output.weight)


def trainer(folder: Path, epochs: int, **settings: Any) -> L.Trainer:
    return L.Trainer(
        max_epochs=epochs,
        limit_val_batches=0,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=folder,
        **settings,
    )


def sparse_bag() -> Bag:
    torch.manual_seed(0)
    return Bag(
        vocab_size=60,
        embedding_dim=4,
        dropout=0.0,
        word_dropout=0.0,
        optimizer="sparse_adam",
        gradient_clip_norm=None,
        schedule="constant",
        warmup_fraction=0.0,
    )


def test_a_resumed_run_ends_where_a_straight_one_does(tmp_path: Path) -> None:
    settings = {"vocab_size": 60, "cache_dir": str(tmp_path / "cache")}
    straight, half, resumed = sparse_bag(), sparse_bag(), sparse_bag()
    trainer(tmp_path, 2, enable_checkpointing=False).fit(straight, datamodule=ToyData(**settings))
    stopping = trainer(tmp_path, 1, enable_checkpointing=False)
    stopping.fit(half, datamodule=ToyData(**settings))
    stopping.save_checkpoint(tmp_path / "half.ckpt")
    trainer(tmp_path, 2, enable_checkpointing=False).fit(
        resumed,
        datamodule=ToyData(**settings),
        ckpt_path=tmp_path / "half.ckpt",
        weights_only=True,
    )
    for expected, found in zip(straight.parameters(), resumed.parameters(), strict=True):
        assert torch.equal(expected, found)


def test_a_fit_leaves_the_rows_of_words_that_never_came(tmp_path: Path) -> None:
    model = sparse_bag()
    model.net.embedding = nn.EmbeddingBag(70, 4, mode="mean", sparse=True)
    start = model.net.embedding.weight.detach().clone()
    data = ToyData(vocab_size=60, cache_dir=str(tmp_path / "cache"))
    trainer(tmp_path, 1, enable_checkpointing=False).fit(model, datamodule=data)
    assert torch.equal(model.net.embedding.weight[60:], start[60:])
    assert not torch.equal(model.net.embedding.weight[:60], start[:60])


def test_clipping_sparse_gradients_is_refused_with_the_remedy() -> None:
    with pytest.raises(ValueError, match=r"gradient_clip_norm is 2\.0 .*gradient_clip_norm null"):
        Bag(optimizer="sparse_adam", gradient_clip_norm=2.0)


def test_a_net_without_sparse_gradients_trains_alike_under_both(tmp_path: Path) -> None:
    found = []
    for optimizer in ("adamw", "sparse_adam"):
        torch.manual_seed(0)
        model = LSTM(
            vocab_size=60,
            embedding_dim=4,
            hidden_size=3,
            word_dropout=0.0,
            embedding_dropout=0.0,
            dropout=0.0,
            optimizer=optimizer,  # type: ignore[arg-type]
            gradient_clip_norm=None,
            weight_decay=0.1,
        )
        data = ToyData(vocab_size=60, cache_dir=str(tmp_path / "cache"))
        trainer(tmp_path, 1, enable_checkpointing=False).fit(model, datamodule=data)
        found.append(nn.utils.parameters_to_vector(model.parameters()))
    assert torch.allclose(*found, atol=1e-5)


@pytest.mark.parametrize("limit", [0.5, 100.0])
def test_gradients_are_clipped_as_torch_clips_them(limit: float) -> None:
    torch.manual_seed(0)
    ours, theirs = ([nn.Parameter(torch.zeros(3, 4)), nn.Parameter(torch.zeros(5))] for _ in "12")
    unused = nn.Parameter(torch.zeros(2))
    for one, other in zip(ours, theirs, strict=True):
        one.grad = 3 * torch.randn_like(one)
        other.grad = one.grad.clone()
    clip_gradients([*ours, unused], limit)
    norm = nn.utils.clip_grad_norm_(theirs, limit)
    assert 0.5 < norm < 100
    assert unused.grad is None
    for one, other in zip(ours, theirs, strict=True):
        assert one.grad is not None and other.grad is not None
        assert torch.equal(one.grad, other.grad)


def test_a_gradient_that_is_no_number_reaches_every_weight() -> None:
    weights = [nn.Parameter(torch.zeros(1)), nn.Parameter(torch.zeros(1))]
    weights[0].grad, weights[1].grad = torch.tensor([float("nan")]), torch.ones(1)
    clip_gradients(weights, 1.0)
    assert weights[1].grad is not None and weights[1].grad.isnan().all()
