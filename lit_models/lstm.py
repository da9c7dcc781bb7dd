"""LSTM: a recurrent network with a memory cell over word embeddings."""

from __future__ import annotations

from typing import ClassVar

from lit_models.base.recurrent import RecurrentClassifier
from lit_models.layers.recurrent import Cell


class LSTM(RecurrentClassifier):
    """Hochreiter & Schmidhuber 1997, with the forget gate of Gers et al. 2000.

    i, f, o = σ(W x_t + U h_{t-1} + b);  g = tanh(W_g x_t + U_g h_{t-1} + b_g);
    c_t = f ⊙ c_{t-1} + i ⊙ g;  h_t = o ⊙ tanh(c_t);  z = W_z · pool(h_1 … h_T) + b_z.
    Shapes: words [B, T, 128] → states [B, T, 128] → pooled [B, 256] → logits [B, 2].
    At the default size 3,972,610 parameters: 30,000 × 128 embeddings, 132,096 in the LSTM,
    256 × 2 + 2 output.
    """

    cell: ClassVar[Cell] = "lstm"
