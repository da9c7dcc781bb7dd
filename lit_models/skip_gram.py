"""Skip-gram: word vectors that predict the words around a word."""

from __future__ import annotations

from torch import Tensor

from lit_models.language.word_vectors import ContextVectors, LitWordVectors
from lit_models.language.word_windows import WindowBatch


class LitSkipGram(LitWordVectors):
    """Skip-gram (Mikolov et al. 2013): maximise Σ_t Σ_j ln p(w_{t+j} | w_t), -c ≤ j ≤ c, j ≠ 0.

    p is made of the vector of w_t and those of the output layer. See LitWordVectors.
    """

    def loss(self, batch: WindowBatch) -> Tensor:
        """-ln p summed over all pairs of a word and one around it."""
        words = batch.words.repeat_interleave(batch.widths())  # [P]
        loss: Tensor = self.output(self.words(words), batch.around)
        return loss


class SkipGram(ContextVectors):
    """Skip-gram, trained on the corpus. See ContextVectors."""

    learner = LitSkipGram
