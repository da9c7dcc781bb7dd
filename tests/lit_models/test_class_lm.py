"""The language model of classes: Bayes' rule, its loss, what `advance` gives, and shares."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from lit_models.base.optimizers import clip_gradients
from lit_models.class_lm import ClassLM
from lit_models.language.decoding import Limits, greedy, read_prompt
from tests.batches import PAD, make_batch, make_view, random_rows

VOCAB, CLASSES = 30, 3
ROWS = random_rows([1, 2, 5, 9, 4], VOCAB)


def make_model(**settings: object) -> ClassLM:
    torch.manual_seed(0)
    small = {"embedding_dim": 8, "class_dim": 4, "hidden_size": 12, "cutoffs": [5, 12]}
    model = ClassLM(vocab_size=VOCAB, num_classes=CLASSES, **small | settings)  # type: ignore[arg-type]
    with torch.no_grad():
        for parameter in model.parameters():  # classes and words at which a difference would show
            parameter.mul_(1.5)
    return model.double().eval()


@torch.no_grad()
def log_probability(model: ClassLM, row: list[int], label: int) -> float:
    """ln p(text | c), word by word."""
    total, state = 0.0, model.begin(1, label)
    for symbol, following in zip((PAD, *row), (*row, PAD), strict=True):
        found, state = model.advance(torch.tensor([symbol]), state)
        assert float(found.exp().sum()) == pytest.approx(1)
        total += float(found[0, following])
    return total


@pytest.mark.parametrize("settings", [{}, {"cutoffs": None, "num_layers": 2}])
def test_it_is_bayes_rule_over_what_advance_gives(settings: dict[str, object]) -> None:
    model = make_model(**settings)
    labels = [0] * 5 + [1] * 3 + [2] * 2
    model.prepare(make_view(random_rows([4] * 10, VOCAB), labels, VOCAB))
    found = model.predict_step(make_batch(ROWS, width=20)).probabilities
    joint = torch.tensor(
        [
            [log_probability(model, row, c) + np.log(labels.count(c) / 10) for c in range(CLASSES)]
            for row in ROWS
        ]
    )
    assert torch.allclose(found, joint.softmax(dim=1).float(), atol=1e-6)
    assert 0.1 < found.max() < 0.99  # the classes differ, and none is certain


@torch.no_grad()
def test_the_loss_is_that_of_the_words_under_the_texts_own_classes() -> None:
    model, batch = make_model(), make_batch(ROWS, width=12, classes=CLASSES)
    scores = [log_probability(model, row, n % CLASSES) for n, row in enumerate(ROWS)]
    words = sum(len(row) + 1 for row in ROWS)
    assert float(model.training_step(batch, 0)) == pytest.approx(-sum(scores) / words)
    weighted = make_model(class_weights="balanced")
    assert weighted.class_weighting is not None
    weighted.class_weighting.learn(np.repeat([0, 1, 2], [3, 2, 1]))
    weights = [6 / 3 / (3, 2, 1)[n % CLASSES] for n in range(len(ROWS))]
    total = sum(score * weight for score, weight in zip(scores, weights, strict=True))
    assert float(weighted.training_step(batch, 0)) == pytest.approx(-total / words)


def test_shares_of_classes() -> None:
    view = make_view(random_rows([4] * 8, VOCAB), [0] * 6 + [2] * 2, VOCAB)
    model = make_model()
    model.prepare(view)
    assert model.net.log_prior.exp().tolist() == pytest.approx([0.75, 0, 0.25], abs=1e-9)
    even = make_model(class_weights="balanced")
    even.prepare(view)
    assert even.net.log_prior.exp().tolist() == pytest.approx([0.5, 0, 0.5], abs=1e-9)
    assert even.predict_step(make_batch(ROWS)).probabilities[:, 1].max() < 1e-6


def test_logits_of_long_texts_are_finite() -> None:
    model = make_model().float()
    logits = model(make_batch(random_rows([3000], VOCAB)))
    assert logits.isfinite().all() and logits.abs().max() > 10


def test_it_learns_to_say_what_a_class_says() -> None:
    said = {0: [5, 6, 7], 1: [5, 8, 9, 9], 2: [10]}
    rows, labels = [said[n % 3] for n in range(30)], [n % 3 for n in range(30)]
    model = make_model(dropout=0.0).float().train()
    batch = make_batch(rows, classes=CLASSES)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.03)
    for _ in range(60):
        optimizer.zero_grad()
        loss: Tensor = model.net.losses(batch.tokens, batch.lengths, batch.labels)[0].mean()
        loss.backward()
        clip_gradients(model.parameters(), 1.0)
        optimizer.step()
    model.eval()
    assert model.predict_step(batch).probabilities.argmax(dim=1).tolist() == labels
    for label, row in said.items():
        start = read_prompt(lambda size, c=label: model.begin(size, c), model.advance, [PAD])
        with torch.no_grad():
            (found,) = greedy(model.advance, start, Limits(PAD, 9))
        assert list(found.symbols) == row and found.ended


def test_bad_settings_are_named() -> None:
    with pytest.raises(ValueError, match="model.label_smoothing is 0.1, and the loss of ClassLM"):
        make_model(label_smoothing=0.1)
    with pytest.raises(ValueError, match="num_layers is 0 and model.class_dim 4; both must be"):
        make_model(num_layers=0)
