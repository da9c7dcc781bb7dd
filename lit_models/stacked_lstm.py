"""StackedLSTM: LSTM layers that read one another's states."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from lit_models.base.recurrent import RecurrentClassifier
from lit_models.layers.recurrent import Cell


class StackedLSTM(RecurrentClassifier):
    """Graves et al. 2013, "Speech Recognition with Deep Recurrent Neural Networks".

    h^0_t = x_t;  h^l = LSTM_l(dropout(h^{l-1}));  z = W_z · pool(h^L_1 … h^L_T) + b_z.
    Shapes: words [B, T, 128] → states [B, T, H or 2H], layer after layer → pooled → logits [B, 2].
    At the default size 4,104,706 parameters: 30,000 × 128 embeddings, 132,096 in each of
    two LSTMs, 256 × 2 + 2 output.

    Args:
        layers: L.
        bidirectional: read each layer in both directions, H each.
        variant: see `RecurrentClassifier`; two bidirectional layers of 60 each.
        **kwargs: see `RecurrentClassifier`.
    """

    cell: ClassVar[Cell] = "lstm"
    seed_hidden_size: ClassVar[int] = 60

    def __init__(
        self,
        *,
        layers: int = 2,
        bidirectional: bool = False,
        variant: Literal["default", "seed"] = "default",
        **kwargs: Any,
    ) -> None:
        if variant == "seed":
            layers, bidirectional = 2, True
        self.bidirectional = bidirectional  # type: ignore[misc]
        super().__init__(layers=layers, variant=variant, **kwargs)
