"""StackedLSTM: several LSTM layers, each reading the states of the one below."""

from __future__ import annotations

from typing import Any, ClassVar

from lit_models.base.recurrent import RecurrentClassifier
from lit_models.layers.recurrent import Cell


class StackedLSTM(RecurrentClassifier):
    """Graves et al. 2013, "Speech Recognition with Deep Recurrent Neural Networks".

    h^0_t = x_t;  h^l = LSTM_l(dropout(h^{l-1}));  z = W_z · pool(h^L_1 … h^L_T) + b_z.
    Shapes: words [B, T, 128] → states [B, T, H or 2H] of each layer → pooled → logits [B, 2].
    At the default size 4,104,706 parameters: 30,000 × 128 embeddings, 132,096 in each of
    two LSTMs, 256 × 2 + 2 output.

    Args:
        num_layers: L.
        bidirectional: read in both directions, H units each, in every layer.
        **kwargs: of `RecurrentClassifier`.
    """

    cell: ClassVar[Cell] = "lstm"

    def __init__(self, *, num_layers: int = 2, bidirectional: bool = False, **kwargs: Any) -> None:
        self.bidirectional = bidirectional  # type: ignore[misc]
        super().__init__(num_layers=num_layers, **kwargs)
