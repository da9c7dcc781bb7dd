"""Masked language modelling: which words are hidden, what is told, what is learnt."""

from __future__ import annotations

import pytest
import torch

from datamodules.store.batching import TextBatch
from lit_models.layers.segments import PairObjective, pair_segments
from lit_models.masked_lm import MaskedLM, mask_words
from tests.batches import make_batch, random_rows
from tests.tiny_encoders import tiny

V, MASK = 50, 4
CONTINUES = torch.arange(V) >= 40  # the last ten go on with a word
SPECIALS = torch.arange(V) < 5
CLS, SEP = 2, 3


def make_model(**options: object) -> MaskedLM:
    values = {"source": None, "config": tiny("bert", vocab_size=V), "steps": 10} | options
    return MaskedLM(continues=CONTINUES, specials=SPECIALS, mask_id=MASK, **values)  # type: ignore[arg-type]


def long_batch() -> tuple[torch.Tensor, torch.Tensor]:
    """600 rows of words of one to three tokens between special tokens, some shorter."""
    torch.manual_seed(0)
    tokens = torch.randint(5, V, (600, 60))
    tokens[:, 0] = CLS
    lengths = torch.randint(10, 61, (600,))
    tokens.scatter_(1, lengths[:, None] - 1, SEP)
    tokens[torch.arange(60)[None] >= lengths[:, None]] = 7  # padding that looks like a word
    return tokens, lengths


def test_whole_words_are_hidden_and_special_tokens_and_padding_never() -> None:
    tokens, lengths = long_batch()
    hidden, told = mask_words(tokens, lengths, CONTINUES, SPECIALS, MASK, 0.15)
    inside = torch.arange(60)[None] < lengths[:, None]
    assert not told[SPECIALS[tokens] | ~inside].any()
    assert torch.equal(hidden[~told], tokens[~told])
    goes_on = CONTINUES[tokens[:, 1:]] & inside[:, 1:] & ~SPECIALS[tokens[:, :-1]]
    assert torch.equal(told[:, 1:][goes_on], told[:, :-1][goes_on]), "a word is hidden as a whole"
    starts = ~CONTINUES[tokens] & ~SPECIALS[tokens] & inside
    assert 0.14 < float(told[starts].float().mean()) < 0.16
    fates = (hidden[told] == MASK, hidden[told] == tokens[told])
    assert 0.78 < float(fates[0].float().mean()) < 0.82
    assert 0.09 < float(fates[1].float().mean()) < 0.125  # some draws give the token itself
    assert not SPECIALS[hidden[told & (hidden != MASK)]].any()


def test_masks_are_dynamic_and_follow_their_generator() -> None:
    tokens, lengths = long_batch()
    arguments = (tokens, lengths, CONTINUES, SPECIALS, MASK, 0.15)
    one, other = (mask_words(*arguments)[1] for _ in range(2))
    assert not torch.equal(one, other)
    again = [mask_words(*arguments, torch.Generator().manual_seed(3))[0] for _ in range(2)]
    assert torch.equal(*again)


def test_only_hidden_words_are_told_and_their_loss_is_cross_entropy() -> None:
    model = make_model().eval()
    batch = make_batch(random_rows([20, 30], 40))
    told = torch.zeros(2, 30, dtype=torch.bool)
    told[0, 3] = told[1, 29] = True
    with torch.no_grad():
        logits = model(batch.tokens, batch.lengths, told)
        again = model(batch.tokens[:1, :20], batch.lengths[:1], told[:1, :20])
    assert logits.shape == (2, V) and torch.allclose(logits[:1], again, atol=1e-5)


def test_a_batch_without_hidden_words_has_no_loss() -> None:
    model = make_model(share=0.0)
    batch = make_batch(random_rows([20, 30], 40))
    loss = model.losses(batch)[0]
    loss.backward()
    assert loss.item() == 0


def test_every_parameter_learns() -> None:
    model = make_model(share=0.5)
    model.losses(make_batch(random_rows([20, 30, 25], V)))[0].backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name
    rates = [model.rate_at(step) for step in range(11)]
    assert rates[0] == 0.5 and rates[1] == 1 and rates[10] == 0


@pytest.mark.parametrize("kind", ["bert", "albert"])
def test_the_order_of_segments_is_learnt(kind: str) -> None:
    """Low tokens come before high ones, unless the halves changed places."""
    torch.manual_seed(0)
    config = tiny(kind, vocab_size=V, hidden_dropout_prob=0.0)
    model = make_model(config=config, pairs="sentence-order")
    assert model.follows is not None
    rows = []
    for number in range(16):
        half = torch.full((6,), 6 + number)
        rows.append(torch.cat([torch.tensor([CLS]), half, half + 16, torch.tensor([SEP])]))
    tokens = torch.stack(rows)
    count = len(tokens)
    batch = TextBatch(
        tokens, torch.full((count,), 14), torch.zeros(count).long(), torch.arange(count)
    )
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    losses = []
    for _ in range(150):
        _, own = model.losses(batch)
        losses.append(float(own))
        optimizer.zero_grad()
        own.backward()
        optimizer.step()
    assert sum(losses[:5]) / 5 > 0.6 and sum(losses[-10:]) / 10 < 0.2


@pytest.mark.parametrize("pairs", ["next-sentence", "sentence-order"])
def test_the_loss_of_pairs_is_that_of_the_first_state(pairs: PairObjective) -> None:
    model = make_model(pairs=pairs).eval()
    batch = make_batch(random_rows([20, 30, 25, 9], 40))
    masked, own = model.losses(batch, torch.Generator().manual_seed(5))
    generator = torch.Generator().manual_seed(5)
    made = pair_segments(batch.tokens, batch.lengths, pairs, generator)
    hidden, told = mask_words(
        made.tokens, made.lengths, CONTINUES, SPECIALS, MASK, model.share, generator
    )
    states = model.states(hidden, made.lengths, made.segments)
    assert model.follows is not None
    expected = torch.nn.functional.cross_entropy(model.follows(states[:, 0]), made.answers)
    assert torch.allclose(own, expected) and float(own) > 0
    words = torch.nn.functional.cross_entropy(model.token_logits(states[told]), made.tokens[told])
    assert torch.allclose(masked, words)


def test_without_pairs_their_loss_is_nothing() -> None:
    model = make_model()
    masked, pairs = model.losses(make_batch(random_rows([20, 30], 40)))
    assert float(pairs) == 0 and float(masked) > 0 and model.follows is None
