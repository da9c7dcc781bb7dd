"""BidirectionalGRU: one GRU over the text forward, another backward."""

from __future__ import annotations

from typing import ClassVar

from lit_models.base.recurrent import RecurrentClassifier
from lit_models.layers.recurrent import Cell


class BidirectionalGRU(RecurrentClassifier):
    """Bidirectional network of Schuster & Paliwal 1997 with the cells of Cho et al. 2014.

    h_t = [GRU→(x_1 … x_t); GRU←(x_T … x_t)];  z = W_z · pool(h_1 … h_T) + b_z.
    The backward GRU starts at each text's last word, not in its padding.
    Shapes: words [B, T, 128] → states [B, T, 256] → pooled [B, 512] → logits [B, 2].
    At the default size 4,039,170 parameters: 30,000 × 128 embeddings, 99,072 in each GRU,
    512 × 2 + 2 output.
    """

    cell: ClassVar[Cell] = "gru"
    bidirectional: ClassVar[bool] = True
