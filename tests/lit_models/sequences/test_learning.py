"""Toy tasks that each architecture learns in a few seconds."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest
import torch

from lit_models.ctc import CTC
from lit_models.seq2seq import Seq2Seq
from lit_models.seq2seq_attention import Seq2SeqAttention
from lit_models.transformer_seq2seq import TransformerSeq2Seq
from tests.lit_models.sequences.pairs import make_pairs

STEPS = 400
SIZES: dict[str, Any] = {"vocab_size": 8, "num_symbols": 7, "longest": 12, "embedding_dim": 32}
LEARNERS: dict[str, Any] = {
    "seq2seq": partial(Seq2Seq, **SIZES, hidden_size=64, num_layers=1),
    "additive": partial(Seq2SeqAttention, **SIZES, hidden_size=32, attention_size=32),
    "multiplicative": partial(
        Seq2SeqAttention, **SIZES, hidden_size=32, attention="multiplicative"
    ),
    "scheduled sampling": partial(
        Seq2SeqAttention, **SIZES, hidden_size=32, teacher_forcing=0.5, teacher_forcing_end=0.5
    ),
    "transformer_seq2seq": partial(TransformerSeq2Seq, **SIZES, num_layers=2, dim_feedforward=64),
    "ctc": partial(CTC, **SIZES, hidden_size=32, num_layers=1, upsampling=4),
}


def draw(rng: np.random.Generator, rows: int) -> list[list[int]]:
    """Words of one to five letters, 2 to 7."""
    return [rng.integers(2, 8, rng.integers(1, 6)).tolist() for _ in range(rows)]


def reverse(word: list[int]) -> list[int]:
    """The letters from the last to the first; letter n is symbol n - 1."""
    return [letter - 1 for letter in word[::-1]]


def double(word: list[int]) -> list[int]:
    """Each letter twice: CTC writes in the order of reading."""
    return [letter - 1 for letter in word for _ in range(2)]


@pytest.mark.slow  # training
@pytest.mark.parametrize("kind", LEARNERS)
def test_it_learns_to_write(kind: str) -> None:
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    model = LEARNERS[kind]()
    model.log = lambda *_, **__: None
    write = double if kind == "ctc" else reverse
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    for step in range(STEPS):
        words = draw(rng, 64)
        loss = model.training_step(make_pairs(words, [write(word) for word in words]), step)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for group in optimizer.param_groups:
            group["lr"] = 5e-3 * (1 - step / STEPS)
        optimizer.step()
    words = draw(rng, 200)
    batch = make_pairs(words, [write(word) for word in words])
    model.eval()
    for width in (1, 3):
        found = model.transcribe(batch.tokens, batch.lengths, width)
        right = [texts[0].symbols == tuple(write(w)) for texts, w in zip(found, words, strict=True)]
        assert np.mean(right) > 0.95
