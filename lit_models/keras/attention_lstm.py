"""KerasAttentionLSTM: a BiGRU and attention scores with a bias for each position."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from lit_models.base.classifier import LitClassifier
from lit_models.layers.attention import weighted_sum
from lit_models.layers.embedding import WordEmbedding
from lit_models.layers.masking import zero_padding
from lit_models.layers.recurrent import Recurrent


class PositionAttention(nn.Module):
    """e_t = tanh(w · h_t + b_t), with a bias b_t for each position.

    Args:
        state_size: D.
        max_length: number of biases; the last one serves all positions after it.
    """

    def __init__(self, state_size: int, max_length: int) -> None:
        super().__init__()
        self.score = nn.Linear(state_size, 1, bias=False)
        self.bias = nn.Parameter(torch.zeros(max_length))

    def forward(self, states: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """[B, D] summaries and [B, T] weights of [B, T, D] states."""
        width = states.shape[1]
        states = zero_padding(states, lengths)
        position = torch.arange(width, device=states.device).clamp(max=len(self.bias) - 1)
        scores = (self.score(states).squeeze(2) + self.bias[position]).tanh()  # [B, T]
        return weighted_sum(scores, states, lengths)


class KerasAttentionNet(nn.Module):
    """Embed → dropout → BiGRU → attention → dropout → dense → ReLU → dropout → linear.

    Args: see `KerasAttentionLSTM`.
    """

    def __init__(
        self, *, vocab_size: int, embedding_dim: int, max_length: int, num_classes: int
    ) -> None:
        super().__init__()
        self.embedding = WordEmbedding(vocab_size, embedding_dim, word_dropout=0.0, dropout=0.0)
        self.input_dropout = nn.Dropout(0.25)
        self.gru = Recurrent("gru", embedding_dim, 60, bidirectional=True, recurrent_dropout=0.25)
        self.attention = PositionAttention(self.gru.output_size, max_length)
        self.head = nn.Sequential(
            nn.Dropout(0.25),
            nn.Linear(self.gru.output_size, 50),
            nn.ReLU(),
            nn.Dropout(0.25),
            nn.Linear(50, num_classes),
        )

    def forward(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        """float[B, C] logits from int64[B, T] tokens and int64[B] lengths."""
        logits: Tensor = self.head(self._read(tokens, lengths)[0])
        return logits

    def attend(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        """float[B, T] weights of the words, for display: they sum to 1, padding has 0."""
        return self._read(tokens, lengths)[1]

    def _read(self, tokens: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        words = self.input_dropout(self.embedding(tokens))  # [B, T, E]
        states = self.gru(words, lengths)  # [B, T, 120]
        summary, weights = self.attention(states, lengths)  # [B, 120], [B, T]
        return summary, weights


class KerasAttentionLSTM(LitClassifier):
    """Raffel & Ellis 2016, "Feed-Forward Networks with Attention…", with a bias for each position.

    Embedding → dropout 0.25 → BiGRU 60, recurrent dropout 0.25 → α = softmax(e), Σ_t α_t h_t with
    e_t = tanh(w · h_t + b_t) → dropout 0.25 → dense 50 → ReLU → dropout 0.25 → linear.
    Fault kept for comparison: b_t prefers positions, whatever word is there. Fault not kept: in
    Keras padding was masked after the softmax, so that a prediction depended on its amount.
    At the default size 3,915,072 parameters: 30,000 × 128 embeddings, 34,200 in each GRU, 120 + 400
    in the attention, 120 × 50 + 50 in the dense layer, 50 × 2 + 2 output.

    Args:
        vocab_size: rows of the embedding; linked to `data.vocab_size`.
        embedding_dim: width of a word vector.
        max_length: number of biases b_t, best `data.max_length`; the last one serves all positions
            after it.
    """

    family: ClassVar[str] = "attention, capsules"

    def __init__(
        self,
        *,
        vocab_size: int = 30_000,
        embedding_dim: int = 128,
        max_length: int = 400,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.net = KerasAttentionNet(
            vocab_size=vocab_size,
            embedding_dim=embedding_dim,
            max_length=max_length,
            num_classes=self.num_classes,
        )
