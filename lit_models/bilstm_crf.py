"""BiLSTM-CRF: the tags of a text are chosen together, by a table of which tag follows which."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from lit_models.tagging.crf import LinearChainCRF
from lit_models.tagging.model import Emissions
from lit_models.tagging.recurrent import RecurrentTagger


class BiLSTMCRF(RecurrentTagger):
    """Lample et al. 2016, "Neural Architectures for Named Entity Recognition", without characters.

    A BiLSTM gives each word a score for each tag, s_t = W [→h_t; ←h_t] + b, and a linear-chain CRF
    (`lit_models.tagging.crf`) has learnt how well each tag follows another, and begins and ends a
    text:
        p(y | x) ∝ exp(b[y_1] + Σ_t s_t[y_t] + Σ_{t>1} A[y_{t-1}, y_t] + e[y_W]).
    Prediction is the most probable sequence of tags, by Viterbi's algorithm. A piece of a longer
    text in training is scored as a text is, its ends too.
    Shapes: tokens [B, T] → e [B, T, 128] → states [B, T, 384] → scores [B, T, 15] → tags [B, T].
    At the default size 4,340,622 parameters: those of `BiLSTMTagger` and 15 × 15 + 2 × 15.

    Args: see `RecurrentTagger`.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.crf = LinearChainCRF(self.num_tags)

    def log_probability(self, emissions: Emissions, tags: Tensor) -> Tensor:
        """float[B] ln p of int64[B, W] tags."""
        return self.crf.log_probability(*emissions, tags)

    def best(self, emissions: Emissions) -> Tensor:
        """int64[B, W] most probable tags of each text, together."""
        return self.crf.best(*emissions)
