"""KerasCNN: one convolution whose states are flattened into a dense layer."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lit_models.base.classifier import LitClassifier
from lit_models.layers.convolution import WordConvolution, max_pool
from lit_models.layers.embedding import WordEmbedding
from lit_models.layers.masking import zero_padding


class KerasCNNNet(nn.Module):
    """Embed → dropout → convolution → ReLU → max-pool by 2 → flatten → dense → dropout → linear.

    Args: see `KerasCNN`.
    """

    def __init__(
        self, *, vocab_size: int, embedding_dim: int, max_length: int, num_classes: int
    ) -> None:
        super().__init__()
        if max_length < 4:
            raise ValueError(
                f"max_length is {max_length}; choose 4 or more: two windows of 3 words"
            )
        self.embedding = WordEmbedding(vocab_size, embedding_dim, word_dropout=0.0, dropout=0.0)
        self.max_length = max_length
        self.dropout = nn.Dropout(0.25)
        self.convolution = WordConvolution(embedding_dim, 60, 3)
        self.dense = nn.Linear(60 * ((max_length - 2) // 2), 120)
        self.output = nn.Linear(120, num_classes)

    def forward(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        """float[B, C] logits from int64[B, T] tokens and int64[B] lengths."""
        words = self.dropout(self.embedding(tokens))  # [B, T, E]
        missing = self.max_length - tokens.shape[1]
        if missing < 0 and (longest := int(lengths.max())) > self.max_length:
            raise ValueError(
                f"a text has {longest} tokens, more than max_length {self.max_length}; set "
                f"--data.max_length {self.max_length}, or --model.max_length to data.max_length"
            )
        words = F.pad(zero_padding(words, lengths), (0, 0, 0, missing))  # [B, L, E]
        # Only windows that end at or before the last position.
        states = self.convolution(words)[:, : 2 * ((self.max_length - 2) // 2)].relu()
        pooled, _ = max_pool(states, torch.full_like(lengths, states.shape[1]), 2)  # [B, L/2-1, 60]
        hidden = self.dense(pooled.flatten(1)).relu()  # [B, 120]
        logits: Tensor = self.output(self.dropout(hidden))
        return logits


class KerasCNN(LitClassifier):
    """A CNN without pooling over the text, in contrast to Kim 2014 (`lit_models.cnn`).

    Embedding 300 → dropout 0.25 → 60 filters of 3 words → ReLU → max-pool by 2 → flatten → dense
    120 → ReLU → dropout 0.25 → linear. No padding at the ends of the L = `max_length` positions.
    Fault kept for comparison: each weight of the dense layer belongs to one position, so that a
    phrase is learnt anew for every position where it may occur.
    At the default size 10,487,222 parameters: 30,000 × 300 embeddings, 54,060 in the convolution,
    60 × 199 × 120 + 120 in the dense layer, 120 × 2 + 2 output.
    Shapes: words [B, 400, 300] → phrases [B, 398, 60] → [B, 199, 60] → hidden [B, 120] → logits
    [B, 2].

    Args:
        vocab_size: rows of the embedding; linked to `data.vocab_size`.
        max_length: L; shorter texts are filled with zero vectors, longer ones are refused.

    Raises:
        ValueError: max_length below 4, or a text with more tokens.
    """

    family: ClassVar[str] = "convolutional"

    def __init__(self, *, vocab_size: int = 30_000, max_length: int = 400, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.net = KerasCNNNet(
            vocab_size=vocab_size,
            embedding_dim=300,
            max_length=max_length,
            num_classes=self.num_classes,
        )
