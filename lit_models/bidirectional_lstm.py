"""BidirectionalLSTM: one LSTM over the text forward, another backward."""

from __future__ import annotations

from typing import ClassVar

from lit_models.base.recurrent import RecurrentClassifier
from lit_models.layers.recurrent import Cell


class BidirectionalLSTM(RecurrentClassifier):
    """Schuster & Paliwal 1997; with LSTM cells, Graves & Schmidhuber 2005.

    h_t = [LSTM→(x_1 … x_t); LSTM←(x_T … x_t)];  z = W_z · pool(h_1 … h_T) + b_z.
    The backward LSTM starts at each text's last word, not in its padding.
    Shapes: words [B, T, 128] → states [B, T, 256] → pooled [B, 512] → logits [B, 2].
    At the default size 4,105,218 parameters: 30,000 × 128 embeddings, 132,096 in each LSTM,
    512 × 2 + 2 output.
    """

    cell: ClassVar[Cell] = "lstm"
    bidirectional: ClassVar[bool] = True
