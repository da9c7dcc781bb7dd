"""DPCNN against its equations, each text alone and without padding."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from lit_models.dpcnn import DPCNN, Block
from lit_models.layers.convolution import WordConvolution
from tests.batches import make_batch, random_rows


def convolve(layer: WordConvolution, states: Tensor) -> Tensor:
    """[F, T] of [D, T] by torch's own convolution."""
    return F.conv1d(states, layer.weight[:, :, 0], layer.bias, padding=1)


def block(layers: Block, states: Tensor) -> Tensor:
    inner = convolve(layers.first, states.relu())
    return states + convolve(layers.second, inner.relu())


@pytest.mark.parametrize("blocks", [0, 1, 3, 5])
def test_logits_follow_the_equations_in_the_docstring(blocks: int) -> None:
    torch.manual_seed(0)
    sizes = {"vocab_size": 30, "embedding_dim": 5, "num_filters": 4}
    model = DPCNN(**sizes, blocks=blocks).net.double().eval()
    rows = random_rows([1, 2, 3, 8, 13], 30)
    batch = make_batch(rows, width=20, pad=9)
    found = model(batch.tokens, batch.lengths)
    for row, logits in zip(rows, found, strict=True):
        words = model.embedding.table.weight[torch.tensor(row)].T  # [E, T]
        states = block(model.bottom, convolve(model.region, words))
        for layers in model.blocks:
            width = states.shape[1]
            windows = [states[:, at : at + 3].max(dim=1).values for at in range(0, width, 2)]
            states = block(layers, torch.stack(windows, dim=1))
        assert states.shape[1] == -(-len(row) // 2**blocks)
        assert torch.allclose(logits, model.output(states.max(dim=1).values), atol=1e-12)


def test_the_default_has_the_parameters_of_its_docstring() -> None:
    assert f"{DPCNN().parameter_count:,}" in DPCNN.__doc__


def test_a_negative_number_of_blocks_is_an_error() -> None:
    with pytest.raises(ValueError, match="blocks is -1; choose 0"):
        DPCNN(vocab_size=9, blocks=-1)
