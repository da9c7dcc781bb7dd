"""The perceptron's rule and its average, by hand through a real trainer."""

from __future__ import annotations

from pathlib import Path

import lightning as L
import numpy as np
import pytest
import torch

from lit_models.base.averaging import Average
from lit_models.perceptron import Perceptron
from tests.batches import make_batch
from tests.toys import ToyData


def features(model: Perceptron, batch: object) -> np.ndarray:
    numbers, starts, weights = model.net.bag(batch.tokens, batch.lengths)  # type: ignore[attr-defined]
    matrix = np.zeros((len(starts), len(model.net.bag.idf)))
    rows = np.searchsorted(starts.numpy(), np.arange(len(numbers)), side="right") - 1
    matrix[rows, numbers] = weights
    return matrix


@pytest.mark.parametrize("batch_size", [1, 5])
@pytest.mark.parametrize("average", ["asgd", None])
def test_a_fit_is_the_rule_carried_out_by_hand(
    average: Average | None, batch_size: int, tmp_path: Path
) -> None:
    model = Perceptron(
        num_classes=3, ngrams=1, max_features=300, min_df=1, weight_averaging=average
    )
    data = ToyData(
        classes=3, rows=40, batch_size=batch_size, vocab_size=None, cache_dir=str(tmp_path)
    )
    trainer = L.Trainer(
        max_epochs=2,
        limit_val_batches=0,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=tmp_path,
    )
    trainer.fit(model, datamodule=data)
    loader = data.train_dataloader()
    weights = np.zeros((300, 3))
    every, mistakes = [], 0
    for epoch in range(2):
        loader.sampler.set_epoch(epoch)
        for batch in loader:
            x = features(model, batch)
            answers = (x @ weights).argmax(axis=1)
            for row, answer, label in zip(x, answers, batch.labels.numpy(), strict=True):
                if answer != label:
                    weights[:, label] += row
                    weights[:, answer] -= row
                    mistakes += 1
            every.append(weights.copy())
    assert 0 < mistakes < 60  # some texts change the weights, some do not
    expected = weights if average is None else np.mean(every, axis=0)
    assert np.allclose(model.net.weights.weight.detach(), expected, atol=1e-5)


@pytest.mark.parametrize("repeats", [2, 5])
def test_the_logged_loss_does_not_grow_with_the_batch(repeats: int) -> None:
    torch.manual_seed(0)
    model = Perceptron(num_classes=2, ngrams=1, max_features=8)
    model.net.bag.vocabulary.keys.copy_(torch.arange(1, 9))
    torch.nn.init.normal_(model.net.weights.weight)
    rows, losses, epoch = [[word] for word in range(1, 9)], [], []
    for times in (1, repeats):
        model.train_loss.reset()
        summed = model.training_step(make_batch(rows * times), 0)
        losses.append(model.step_loss)
        epoch.append(model.train_loss.compute())
        assert summed > 0 and torch.isclose(model.step_loss, summed.detach() / (8 * times))
    assert torch.isclose(torch.stack(epoch), losses[0]).all()


def test_predictions_use_weights_of_length_one() -> None:
    torch.manual_seed(0)
    model = Perceptron(num_classes=3, ngrams=1, max_features=8, sharpness=7.0).eval()
    net = model.net
    net.bag.vocabulary.keys.copy_(torch.arange(1, 9))  # word t is n-gram t
    torch.nn.init.normal_(net.weights.weight)
    weights = net.weights.weight
    logits = net(*make_batch([[4, 6]])[:2])
    expected = 7 * (weights[4] + weights[6]) / 2**0.5 / weights.norm()
    assert torch.allclose(logits[0], expected, atol=1e-6)
