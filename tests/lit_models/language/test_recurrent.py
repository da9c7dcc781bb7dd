"""Recurrent language models: carried state, directions, dropout, parameters that learn."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from datamodules.store.stream import StreamBatch
from lit_models.gru_lm import GRULM
from lit_models.language.recurrent import RecurrentLanguageModel
from lit_models.lstm_lm import LSTMLM
from lit_models.rnn_lm import RNNLM
from tests.batches import make_batch, random_rows
from tests.lit_models.language.streams import VOCAB, make_stream

KINDS = [RNNLM, GRULM, LSTMLM]
SIZES: dict[str, Any] = {
    "vocab_size": VOCAB,
    "embedding_dim": 16,
    "hidden_size": 16,
    "cutoffs": [5, 12],
}


def build(kind: type[RecurrentLanguageModel], **settings: Any) -> RecurrentLanguageModel:
    torch.manual_seed(0)
    model = kind(**SIZES | settings).double()
    model.log = lambda *_, **__: None  # type: ignore[method-assign]  # there is no trainer
    return model


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("num_layers", [1, 2])
def test_carried_state_equals_one_long_pass(
    kind: type[RecurrentLanguageModel], num_layers: int
) -> None:
    model = build(kind, num_layers=num_layers)
    batches = make_stream(3, 5, 4)
    losses = [model.training_step(batch, n) for n, batch in enumerate(batches)]
    (whole,) = make_stream(3, 20, 1)
    model.carried = None
    assert torch.stack(losses).mean().item() == pytest.approx(
        model.training_step(whole, 0).item(), abs=1e-12
    )


def test_gradients_end_at_the_edge_of_a_batch() -> None:
    model = build(LSTMLM)
    first, second = make_stream(3, 5, 2)
    model.training_step(first, 0)
    assert model.carried is not None and not any(part.requires_grad for part in model.carried)
    before = model.carried
    model.training_step(second, 1).backward()  # once through, not back into the first
    assert all(part.grad is None for part in before)


def test_rows_that_start_anew_have_a_fresh_state() -> None:
    model = build(LSTMLM)
    first, second = make_stream(2, 5, 2)
    model.training_step(first, 0)
    assert model.carried is not None
    carried = [part.clone() for part in model.carried]
    into = model._carried_into(second._replace(starts=torch.tensor([True, False])))
    for part, old in zip(into, carried, strict=True):
        assert not part[0].any() and torch.equal(part[1], old[1])


@pytest.mark.parametrize("kind", KINDS)
def test_the_unfused_path_computes_the_same(kind: type[RecurrentLanguageModel]) -> None:
    """On it operations are counted."""
    model = build(kind, num_layers=2).eval()
    batch = make_batch(random_rows([1, 4, 9], VOCAB))
    fused = model(batch)
    for layer in model.net.readers[0].layers:
        layer.recurrent_dropout = 1e-12
        layer.train()
    assert torch.allclose(model(batch), fused, rtol=0, atol=1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_a_backward_model_scores_the_reversed_text(kind: type[RecurrentLanguageModel]) -> None:
    forward = build(kind).eval()
    backward = build(kind, direction="backward").eval()
    rows = random_rows([1, 4, 9], VOCAB)
    one = forward.predict_step(make_batch([row[::-1] for row in rows]))
    other = backward.predict_step(make_batch(rows))
    assert torch.equal(one.log_probabilities, other.log_probabilities)


def test_both_directions_have_the_mean_loss_and_score() -> None:
    both = build(LSTMLM, direction="both", tie_weights=False)
    parts = [build(LSTMLM, direction=d, tie_weights=False) for d in ("forward", "backward")]
    for number, part in enumerate(parts):
        part.net.readers[0].load_state_dict(both.net.readers[number].state_dict())
        part.net.embedding.load_state_dict(both.net.embedding.state_dict())
        part.net.softmax.load_state_dict(both.net.softmax.state_dict())
    for number, batch in enumerate(make_stream(3, 5, 3)):
        losses = [part.training_step(batch, number) for part in parts]
        expected = torch.stack(losses).mean()
        assert torch.allclose(both.training_step(batch, number), expected, rtol=0, atol=1e-12)
    batch = make_batch(random_rows([1, 4, 9], VOCAB))
    scores = torch.stack([part.eval().predict_step(batch).log_probabilities for part in parts])
    found = both.eval().predict_step(batch).log_probabilities
    assert torch.allclose(found, scores.mean(dim=0), rtol=0, atol=1e-12)


def test_the_backward_loss_is_that_of_the_reversed_stream() -> None:
    forward, backward = build(LSTMLM), build(LSTMLM, direction="backward")
    (batch,) = make_stream(3, 7, 1)
    symbols = torch.cat([batch.inputs, batch.targets[:, -1:]], dim=1).flip(1)
    turned = StreamBatch(symbols[:, :-1], symbols[:, 1:], batch.lengths, batch.starts)
    assert torch.equal(backward.training_step(batch, 0), forward.training_step(turned, 0))


@pytest.mark.parametrize(
    "setting",
    ["dropout", "layer_dropout", "weight_drop", "word_dropout", "embedding_dropout"],
)
@pytest.mark.parametrize("kind", KINDS)
def test_dropouts_act_in_training_alone(kind: type[RecurrentLanguageModel], setting: str) -> None:
    model = build(kind, num_layers=2, **{setting: 0.5})
    batch = make_stream(3, 5, 1)[0]
    assert model.training_step(batch, 0) != model.training_step(batch, 0)
    model.eval()
    texts = make_batch(random_rows([4, 9], VOCAB))
    scores = [model.predict_step(texts).log_probabilities for _ in range(2)]
    assert torch.equal(*scores)


def test_states_of_another_width_are_projected_to_tied_rows() -> None:
    model = build(LSTMLM, hidden_size=10, direction="both")
    assert model.net.softmax.weight is model.net.embedding.table.weight
    model.training_step(make_stream(3, 5, 1)[0], 0).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name
    assert [tuple(p.weight.shape) for p in model.net.projections] == [(16, 10), (16, 10)]


def test_layers_that_do_not_exist_and_unknown_directions_are_refused() -> None:
    with pytest.raises(ValueError, match="num_layers is 0; a recurrent network has at least 1"):
        LSTMLM(num_layers=0)
    with pytest.raises(ValueError, match="direction is 'sideways'; choose one of"):
        LSTMLM(direction="sideways")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="vocab_size is 2; a language model needs at least 3"):
        LSTMLM(vocab_size=2)
