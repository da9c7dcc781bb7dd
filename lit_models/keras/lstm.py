"""KerasLSTM: one LSTM, read at its last state."""

from __future__ import annotations

from typing import ClassVar

from lit_models.keras.recurrent import KerasRecurrentClassifier
from lit_models.layers.recurrent import Cell


class KerasLSTM(KerasRecurrentClassifier):
    """LSTM (Hochreiter & Schmidhuber 1997) of 128 units; equations in `lit_models.lstm`.

    Embedding 300 → spatial dropout 0.2 → dropout 0.25 → LSTM 128, recurrent dropout 0.25 → last
    state → linear.
    Shapes: words [B, T, 300] → states [B, T, 128] → last [B, 128] → logits [B, 2].
    At the default size 9,220,418 parameters: 30,000 × 300 embeddings, 220,160 in the LSTM,
    128 × 2 + 2 output.
    """

    cell: ClassVar[Cell] = "lstm"
    hidden_size: ClassVar[int] = 128
    spatial_dropout: ClassVar[float] = 0.2
