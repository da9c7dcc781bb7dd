"""GRU: a gated recurrent unit over word embeddings."""

from __future__ import annotations

from typing import ClassVar

from lit_models.base.recurrent import RecurrentClassifier
from lit_models.layers.recurrent import Cell


class GRU(RecurrentClassifier):
    """Cho et al. 2014, "Learning Phrase Representations using RNN Encoder-Decoder…".

    r = σ(W_r x_t + U_r h_{t-1} + b_r);  z = σ(W_z x_t + U_z h_{t-1} + b_z);
    n = tanh(W_n x_t + b_n + r ⊙ (U_n h_{t-1} + b'_n));  h_t = (1 - z) ⊙ n + z ⊙ h_{t-1}.
    The reset gate follows the product with U_n, as in cuDNN; in the paper it precedes it.
    Shapes: words [B, T, 128] → states [B, T, 128] → pooled [B, 256] → logits [B, 2].
    At the default size 3,939,586 parameters: 30,000 × 128 embeddings, 99,072 in the GRU,
    256 × 2 + 2 output.
    """

    cell: ClassVar[Cell] = "gru"
