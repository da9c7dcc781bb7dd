"""KerasStackedLSTM: two bidirectional LSTMs, read at their last states."""

from __future__ import annotations

from typing import ClassVar

from lit_models.keras.recurrent import KerasRecurrentClassifier
from lit_models.layers.recurrent import Cell


class KerasStackedLSTM(KerasRecurrentClassifier):
    """Stacked LSTMs (Graves et al. 2013) of 60 units per direction, no dropout between the layers.

    Embedding 300 → dropout 0.25 → 2 × BiLSTM 60, recurrent dropout 0.25 → last states → linear.
    Shapes: words [B, T, 300] → states [B, T, 120], twice → last [B, 120] → logits [B, 2].
    At the default size 9,261,362 parameters: 30,000 × 300 embeddings, 173,760 in the first layer,
    87,360 in the second, 120 × 2 + 2 output.
    """

    cell: ClassVar[Cell] = "lstm"
    hidden_size: ClassVar[int] = 60
    num_layers: ClassVar[int] = 2
    bidirectional: ClassVar[bool] = True
