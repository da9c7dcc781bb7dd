"""KerasBidirectionalGRU: one GRU in each direction, read at their last states."""

from __future__ import annotations

from typing import ClassVar

from lit_models.keras.recurrent import KerasRecurrentClassifier
from lit_models.layers.recurrent import Cell


class KerasBidirectionalGRU(KerasRecurrentClassifier):
    """GRUs (Cho et al. 2014) of 60 units, forward and backward (Schuster & Paliwal 1997).

    Embedding 300 → dropout 0.25 → BiGRU 60, recurrent dropout 0.25 → last states → linear.
    Shapes: words [B, T, 300] → states [B, T, 120] → last [B, 120] → logits [B, 2].
    At the default size 9,130,562 parameters: 30,000 × 300 embeddings, 65,160 in each GRU,
    120 × 2 + 2 output.
    """

    cell: ClassVar[Cell] = "gru"
    hidden_size: ClassVar[int] = 60
    bidirectional: ClassVar[bool] = True
