"""RNN: the simple recurrent network over word embeddings."""

from __future__ import annotations

from typing import ClassVar

from lit_models.base.recurrent import RecurrentClassifier
from lit_models.layers.recurrent import Cell


class RNN(RecurrentClassifier):
    """Elman 1990, "Finding Structure in Time".

    h_t = tanh(W x_t + U h_{t-1} + b);  z = W_z · pool(h_1 … h_T) + b_z.
    Shapes: words [B, T, 128] → states [B, T, 128] → pooled [B, 256] → logits [B, 2].
    At the default size 3,873,538 parameters: 30,000 × 128 embeddings, 33,024 in the RNN,
    256 × 2 + 2 output.
    """

    cell: ClassVar[Cell] = "rnn"
