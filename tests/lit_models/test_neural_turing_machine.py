"""NeuralTuringMachine: what its output reads, and its settings."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from lit_models.neural_turing_machine import NeuralTuringMachine
from tests.batches import make_batch, random_rows

ROWS = random_rows([1, 2, 7], 30)
SMALL: dict[str, Any] = {"vocab_size": 30, "embedding_dim": 5, "hidden_size": 4, "memory_size": 3}


def small(**settings: Any) -> NeuralTuringMachine:
    torch.manual_seed(0)
    return NeuralTuringMachine(**(SMALL | settings)).double().eval()


def test_the_output_reads_the_last_state_and_all_that_was_read() -> None:
    net, batch = small(read_heads=2).net, make_batch(ROWS, width=11, pad=9)
    found = net(batch.tokens, batch.lengths)
    for row, logits in zip(ROWS, found, strict=True):
        words = net.embedding.table.weight[torch.tensor([row])]
        states, reads, _ = net.machine(words, torch.tensor([len(row)]))
        assert reads.shape == (1, len(row), 2 * 3)
        parts = [states[0, -1], reads[0].mean(dim=0), reads[0].max(dim=0).values]
        assert torch.allclose(logits, net.output(torch.cat(parts)), atol=1e-12)


def test_bad_settings_are_errors_with_their_value() -> None:
    with pytest.raises(ValueError, match="pooling is 'sum'; choose one of"):
        small(pooling="sum")
    with pytest.raises(ValueError, match="hidden_size is 0; it must be at least 1"):
        small(hidden_size=0)


def test_parameter_counts_are_those_in_the_docstring() -> None:
    count = NeuralTuringMachine().parameter_count
    assert f"{count:,} parameters" in (NeuralTuringMachine.__doc__ or "")
