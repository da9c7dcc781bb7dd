"""KerasCapsule: two BiGRUs and capsules of length 1."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from lit_models.base.classifier import LitClassifier
from lit_models.layers.capsule import Capsules
from lit_models.layers.embedding import WordEmbedding
from lit_models.layers.recurrent import Recurrent


class KerasCapsuleNet(nn.Module):
    """Embed → spatial dropout → two BiGRUs → routing → dropout → linear.

    Args: see `KerasCapsule`.
    """

    def __init__(self, *, vocab_size: int, embedding_dim: int, num_classes: int) -> None:
        super().__init__()
        self.embedding = WordEmbedding(vocab_size, embedding_dim, word_dropout=0.0, dropout=0.1)
        self.gru = Recurrent("gru", embedding_dim, 64, num_layers=2, bidirectional=True)
        self.capsules = Capsules(
            self.gru.output_size, 10, 32, routing_iterations=5, keras_faults=True
        )
        self.dropout = nn.Dropout(0.1)
        self.output = nn.Linear(10 * 32, num_classes)

    def forward(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        """float[B, C] logits from int64[B, T] tokens and int64[B] lengths."""
        states = self.gru(self.embedding(tokens), lengths)  # [B, T, 128]
        with torch.autocast(tokens.device.type, enabled=False):
            outputs, _ = self.capsules(states.to(self.capsules.transform.dtype), lengths)
        logits: Tensor = self.output(self.dropout(outputs.flatten(1)))  # [B, 10, 32] → [B, C]
        return logits


class KerasCapsule(LitClassifier):
    """Capsules after Sabour et al. 2017 (`lit_models.capsule`), learnt by cross-entropy.

    Embedding → spatial dropout 0.1 → 2 × BiGRU 64 → 10 capsules of width 32, 5 rounds of routing →
    dropout 0.1 → linear over all capsules.
    Faults kept for comparison: the squash scales every capsule to length 1, which then carries no
    information, and each round of routing replaces the agreements of the round before instead of
    adding to them. Fault not kept: in Keras padding took part in the routing.
    At the default size 4,030,594 parameters: 30,000 × 128 embeddings, 74,496 in each BiGRU,
    10 × 128 × 32 in the capsules, 320 × 2 + 2 output.

    Args:
        vocab_size: rows of the embedding; linked to `data.vocab_size`.
        embedding_dim: width of a word vector.
    """

    family: ClassVar[str] = "attention, capsules"

    def __init__(
        self, *, vocab_size: int = 30_000, embedding_dim: int = 128, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.net = KerasCapsuleNet(
            vocab_size=vocab_size, embedding_dim=embedding_dim, num_classes=self.num_classes
        )
