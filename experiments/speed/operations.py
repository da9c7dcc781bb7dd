"""Operations of a forward pass over the real tokens of training batches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from datamodules.sequences.pairs import PairBatch
from datamodules.store.batching import TextBatch
from datamodules.tagging.batches import TagBatch
from experiments.training.flops import count
from lit_models.base.without_steps import WithoutSteps
from lit_models.bert import BERT
from lit_models.layers.dropout import leave_words_out
from lit_models.layers.pretrained import layers_of
from lit_models.transformer import TransformerNet

_ROWS = 8
_DRAWS = 8  # of the words that are left out, since a frequent one is much of a batch


def forward_flops(model: Any, batches: Sequence[Any], training: bool = False) -> float | None:
    """Operations of a forward pass over the real tokens of some batches.

    Those of an encoder follow from a formula. Other networks are counted by torch on a few rows of
    all lengths, each alone and so without padding, and for the other tokens in proportion.

    Args:
        model: Fitted or not.
        batches: What the passes read.
        training: The passes are those of training, in which words that the network leaves out at
            random are not multiplied: the mean over several draws of them.

    Returns:
        None where torch counts none: embedding look-ups are no multiplications.
    """
    if isinstance(model, WithoutSteps):
        return None
    if isinstance(model, BERT):
        return sum(encoder_flops(model, batch.lengths) for batch in batches)
    draws = 1
    if training and isinstance(model.net, TransformerNet) and model.net.word_dropout:
        draws = _DRAWS
        batches = [_without_words(model.net, batch) for batch in [*batches] * draws]
    chosen = _some_rows(batches) if hasattr(batches[0], "tokens") else batches[:1]
    moved = [model.transfer_batch_to_device(batch, model.device, 0) for batch in chosen]
    counted = count(model, moved, _forward(model, batches[0]))
    return counted * tokens_of(batches) / tokens_of(chosen) / draws or None


def _without_words(net: TransformerNet, batch: Any) -> Any:
    """A batch without some of its words, as the network reads it in training."""
    tokens, lengths = leave_words_out(batch.tokens, batch.lengths, net.vocab_size, net.word_dropout)
    return batch._replace(tokens=tokens, lengths=lengths)


def encoder_flops(model: BERT, lengths: torch.Tensor) -> float:
    """Operations of the encoder's layers for rows of these lengths, two for each multiply-add.

    Each token is multiplied by each matrix of a layer once, and in attention by each token of its
    row twice: Σ over rows of 2 · P · n + 4 · L · D · n², for P parameters in matrices, L layers,
    width D and length n.
    """
    config: Any = model.net.encoder.config
    layers = layers_of(model.net.encoder)
    layer_parameters = sum(p.numel() for layer in layers for p in layer.parameters() if p.ndim == 2)
    # ALBERT applies one layer many times, and has a matrix between embeddings and layers.
    inside = {id(p) for layer in layers for p in layer.parameters()}
    linear = [m for m in model.net.encoder.modules() if isinstance(m, torch.nn.Linear)]
    between = sum(m.weight.numel() for m in linear if id(m.weight) not in inside)
    matrices = layer_parameters * config.num_hidden_layers / len(layers) + between
    n = lengths.double()
    width = config.hidden_size * config.num_hidden_layers
    return float(2 * matrices * n.sum() + 4 * width * (n * n).sum())


def tokens_of(batches: Sequence[Any]) -> int:
    """Real tokens of some batches."""
    return sum(int(batch.lengths.sum()) for batch in batches)


def positions_of(batch: Any) -> int:
    """Positions of a batch, padding included."""
    positions: torch.Tensor = batch.tokens if hasattr(batch, "tokens") else batch.inputs
    return positions.numel()


def _forward(model: Any, batch: Any) -> Callable[[Any], Any] | None:
    """The pass that training makes, where it is another than that of prediction."""
    if hasattr(batch, "target_lengths"):  # prediction searches for a string
        forward: Callable[[Any], Any] = model.loss
    elif hasattr(batch, "tags"):
        forward = model.score
    elif hasattr(batch, "inputs"):  # a stream of texts

        def forward(stream: Any) -> Any:
            return model.stream_loss(stream, model.begin(len(stream.inputs)))

    else:
        return None
    return forward


def _some_rows(batches: Sequence[Any]) -> list[Any]:
    """Rows at equal steps of the sorted lengths, each as a batch of its own without padding."""
    places = [(batch, row) for batch in batches for row in range(len(batch.lengths))]
    order = sorted(places, key=lambda place: int(place[0].lengths[place[1]]))
    count = min(_ROWS, len(order))
    middles = ((np.arange(count) + 0.5) * len(order) / count).astype(int)
    return [_row(*order[middle]) for middle in middles]


def _row(batch: Any, row: int) -> Any:
    """One row of a batch, as a batch without padding."""
    one = slice(row, row + 1)
    tokens, lengths = batch.tokens[one, : int(batch.lengths[row])], batch.lengths[one]
    if hasattr(batch, "target_lengths"):
        targets = batch.targets[one, : int(batch.target_lengths[row]) + 1]
        return PairBatch(tokens, lengths, targets, batch.target_lengths[one], batch.ids[one])
    if hasattr(batch, "tags"):
        return TagBatch(tokens, lengths, batch.tags[one, : tokens.shape[1]], batch.ids[one])
    return TextBatch(tokens, lengths, batch.labels[one], batch.ids[one])
