"""LSTMLM: a language model with a memory cell."""

from __future__ import annotations

from typing import ClassVar

from lit_models.language.recurrent import RecurrentLanguageModel
from lit_models.layers.recurrent import Cell


class LSTMLM(RecurrentLanguageModel):
    """Sundermeyer et al. 2012; Zaremba et al. 2014; weight drop as Merity et al. 2018.

    i, f, o = σ(W x_t + U h_{t-1} + b);  g = tanh(W_g x_t + U_g h_{t-1} + b_g);
    c_t = f ⊙ c_{t-1} + i ⊙ g;  h_t = o ⊙ tanh(c_t);  p(w_{t+1} = w) = softmax_w(E h_t + b_E), with
    x_t = E[w_t] and an adaptive softmax (Grave et al. 2017).
    Shapes: symbols [B, T] → words [B, T, 256] → states [B, T, 256] → log-probabilities [B, T, V].
    At the default size 8,237,107 parameters: 30,000 × 256 embeddings, which are the output's
    rows too, 526,336 in the LSTM, 30,000 output biases, 3 × 257 clusters.
    """

    cell: ClassVar[Cell] = "lstm"
