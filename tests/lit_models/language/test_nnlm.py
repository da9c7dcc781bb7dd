"""NNLM: the equation of the paper, and the words that it sees."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from lit_models.nnlm import NNLM
from tests.batches import make_batch
from tests.lit_models.language.streams import VOCAB, make_stream

SIZES: dict[str, Any] = {"vocab_size": VOCAB, "embedding_dim": 6, "hidden_size": 9, "cutoffs": None}


def build(**settings: Any) -> NNLM:
    torch.manual_seed(0)
    model = NNLM(**SIZES | settings).double().eval()
    model.log = lambda *_, **__: None  # type: ignore[method-assign]  # there is no trainer
    return model


@pytest.mark.parametrize("direct", [True, False])
@pytest.mark.parametrize("tied", [True, False])
def test_it_computes_the_equation(direct: bool, tied: bool) -> None:
    model = build(order=4, direct=direct, tie_weights=tied)
    net, words = model.net, [7, 3, 9, 5]
    table = net.embedding.table.weight
    state = model.begin(1)
    for count in range(len(words) + 1):
        context = ([0] * 4 + words[:count])[-3:]
        x = torch.cat([table[word] for word in context])
        s = torch.tanh(net.hidden.weight @ x + net.hidden.bias)
        s = net.output.weight @ s + net.output.bias if tied else s
        s = s + net.direct.weight @ x if direct else s
        expected = (net.softmax.weight @ s + net.softmax.bias).log_softmax(dim=0)
        found, state = model.advance(torch.tensor([[0, *words][count]]), state)
        assert torch.allclose(found[0], expected, rtol=0, atol=1e-12)


def test_words_before_the_context_change_nothing_and_all_within_it_do() -> None:
    model = build(order=4)

    def following(words: list[int]) -> torch.Tensor:
        state = model.begin(1)
        for word in [0, *words]:
            found, state = model.advance(torch.tensor([word]), state)
        return found

    words = [7, 3, 9, 5]
    assert torch.equal(following(words), following([8, *words[1:]]))
    for place in (1, 2, 3):
        other = [word + (at == place) for at, word in enumerate(words)]
        assert not torch.allclose(following(words), following(other))


def test_it_reads_a_stream_as_in_one_pass() -> None:
    model = build(order=5).train()
    losses = [model.training_step(batch, n) for n, batch in enumerate(make_stream(3, 2, 10))]
    (whole,) = make_stream(3, 20, 1)
    expected = model.training_step(whole, 0).item()
    assert torch.stack(losses).mean().item() == pytest.approx(expected, abs=1e-12)


def test_an_order_of_one_is_refused() -> None:
    with pytest.raises(ValueError, match="order is 1; .* at least 2"):
        NNLM(order=1)


def test_an_unknown_word_is_predicted_as_a_word_is() -> None:
    with torch.no_grad():
        score = build().predict_step(make_batch([[1, 1]]))
    assert score.words.tolist() == [3] and score.log_probabilities.isfinite().all()
