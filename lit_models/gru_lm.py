"""GRULM: a language model with gated recurrent units."""

from __future__ import annotations

from typing import ClassVar

from lit_models.language.recurrent import RecurrentLanguageModel
from lit_models.layers.recurrent import Cell


class GRULM(RecurrentLanguageModel):
    """Cho et al. 2014; Chung et al. 2014, with the reset gate after the product, as in cuDNN.

    r, z = σ(W x_t + U h_{t-1} + b);  n = tanh(W_n x_t + b_n + r ⊙ (U_n h_{t-1} + b'_n));
    h_t = (1 - z) ⊙ n + z ⊙ h_{t-1};  p(w_{t+1} = w) = softmax_w(E h_t + b_E), with x_t = E[w_t]
    and an adaptive softmax (Grave et al. 2017).
    Shapes: symbols [B, T] → words [B, T, 256] → states [B, T, 256] → log-probabilities [B, T, V].
    At the default size 8,105,523 parameters: 30,000 × 256 embeddings, which are the output's
    rows too, 394,752 in the GRU, 30,000 output biases, 3 × 257 clusters.
    """

    cell: ClassVar[Cell] = "gru"
