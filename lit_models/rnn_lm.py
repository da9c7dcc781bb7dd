"""RNNLM: a language model of simple tanh cells."""

from __future__ import annotations

from typing import ClassVar

from lit_models.language.recurrent import RecurrentLanguageModel
from lit_models.layers.recurrent import Cell


class RNNLM(RecurrentLanguageModel):
    """Mikolov et al. 2010, "Recurrent neural network based language model".

    h_t = tanh(W x_t + U h_{t-1} + b);  p(w_{t+1} = w) = softmax_w(E h_t + b_E), with x_t = E[w_t]
    and an adaptive softmax (Grave et al. 2017) in place of the paper's classes of words.
    Shapes: symbols [B, T] → words [B, T, 256] → states [B, T, 256] → log-probabilities [B, T, V].
    At the default size 7,842,355 parameters: 30,000 × 256 embeddings, which are the output's
    rows too, 131,584 in the cells, 30,000 output biases, 3 × 257 clusters.
    """

    cell: ClassVar[Cell] = "rnn"
