"""RCNN against its equations: a word stands in neither of its own contexts."""

from __future__ import annotations

import torch

from lit_models.layers.recurrent import Cell
from lit_models.rcnn import RCNN, RCNNNet
from tests.batches import make_batch


def net(cell: Cell = "rnn") -> RCNNNet:
    torch.manual_seed(0)
    sizes = {"vocab_size": 30, "embedding_dim": 5, "context_size": 4, "hidden_size": 3}
    return RCNN(**sizes, cell=cell).net.double().eval()


def test_logits_of_three_words_by_the_papers_equations() -> None:
    model = net()
    row = [7, 12, 3]
    batch = make_batch([row, list(range(2, 11)), [4]], width=12, pad=9)
    logits = model(batch.tokens, batch.lengths)[0]

    def step(side: int, word: torch.Tensor, context: torch.Tensor) -> torch.Tensor:
        core = model.contexts.layers[0][side].core
        bias = core.bias_ih_l0 + core.bias_hh_l0
        return (core.weight_hh_l0 @ context + core.weight_ih_l0 @ word + bias).tanh()

    e1, e2, e3 = model.embedding.table.weight[torch.tensor(row)]
    none = torch.zeros(4).double()
    l1 = step(0, model.ends[0], none)  # shared by all texts
    l2 = step(0, e1, l1)
    l3 = step(0, e2, l2)
    r3 = step(1, model.ends[1], none)
    r2 = step(1, e3, r3)
    r1 = step(1, e2, r2)
    parts = torch.stack([torch.cat(p) for p in ((l1, e1, r1), (l2, e2, r2), (l3, e3, r3))])
    y = model.hidden(parts).tanh().max(dim=0).values
    assert torch.allclose(logits, model.output(y), atol=1e-12)


def test_a_word_is_in_the_contexts_of_all_words_but_its_own() -> None:
    for cell in ("rnn", "gru", "lstm"):
        model = net(cell)
        words = torch.randn(1, 4, 5, dtype=torch.float64, requires_grad=True)
        left, right = model.sides(words, torch.tensor([3]))
        for place in range(3):
            for side, seen in ((left, range(place)), (right, range(place + 1, 3))):
                (grad,) = torch.autograd.grad(side[0, place].sum(), words, retain_graph=True)
                touched = grad[0].abs().sum(dim=1).nonzero().flatten().tolist()
                assert touched == list(seen), f"{cell}, word {place}"


def test_the_default_has_the_parameters_of_its_docstring() -> None:
    assert f"{RCNN().parameter_count:,}" in RCNN.__doc__
