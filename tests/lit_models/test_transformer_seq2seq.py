"""TransformerSeq2Seq: its decoder against PyTorch's, and positions."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from lit_models.layers.positions import sinusoidal
from lit_models.transformer_seq2seq import DecoderLayer
from tests.lit_models.sequences.pairs import STRINGS, TEXTS, build, make_pairs

BATCH = make_pairs(TEXTS, STRINGS)


def reference(layer: DecoderLayer) -> nn.TransformerDecoderLayer:
    """PyTorch's decoder layer with the weights of one of ours."""
    width, hidden = layer.output.in_features, layer.feedforward[0].out_features
    sizes: Any = {"d_model": width, "nhead": layer.num_heads, "dim_feedforward": hidden}
    built = nn.TransformerDecoderLayer(
        **sizes, dropout=0.0, batch_first=True, norm_first=layer.pre, dtype=torch.float64
    )
    copies = {
        "self_attn.in_proj_weight": layer.project.weight,
        "self_attn.out_proj.weight": layer.output.weight,
        "multihead_attn.in_proj_weight": torch.cat([layer.query.weight, layer.memory.weight]),
        "multihead_attn.out_proj.weight": layer.cross_output.weight,
        "linear1.weight": layer.feedforward[0].weight,
        "linear1.bias": layer.feedforward[0].bias,
        "linear2.weight": layer.feedforward[3].weight,
        "linear2.bias": layer.feedforward[3].bias,
    }
    for number, norm in enumerate(layer.norms, start=1):
        copies |= {f"norm{number}.weight": norm.weight, f"norm{number}.bias": norm.bias}
    state = {name: torch.zeros_like(value) for name, value in built.state_dict().items()}
    built.load_state_dict(state | copies)
    return built.eval()


@torch.no_grad()
@pytest.mark.parametrize("kind", ["transformer_seq2seq", "post-norm"])
def test_predictions_are_those_of_pytorchs_decoder(kind: str) -> None:
    net = build(kind).net
    found = net(BATCH.tokens, BATCH.lengths, BATCH.targets)
    for row, (text, string) in enumerate(zip(TEXTS, STRINGS, strict=True)):
        letters = net.embedding.table.weight[text] * 8**0.5
        letters = letters + sinusoidal(len(text), 8, letters)
        memory = net.encoder(letters[None], torch.tensor([len(text)]))
        states = net.symbols.table.weight[[0, *string]] * 8**0.5
        states = (states + sinusoidal(len(string) + 1, 8, states))[None]
        causal = nn.Transformer.generate_square_subsequent_mask(states.shape[1]).double()
        for layer in net.layers:
            states = reference(layer)(states, memory, tgt_mask=causal)
        expected = net.output(net.last_norm(states[0])).log_softmax(dim=1)
        assert torch.allclose(found[row, : len(string) + 1], expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"embedding_dim": 7}, "embedding_dim is 7; .*even"),
        ({"embedding_dim": 10, "num_heads": 4}, "10 cannot be shared by 4 heads"),
        ({"norm": "none"}, "norm is 'none'"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build("transformer_seq2seq", **settings)
