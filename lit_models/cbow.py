"""CBOW, continuous bag of words: word vectors whose mean predicts the word in the middle."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from lit_models.language.word_vectors import ContextVectors, LitWordVectors
from lit_models.language.word_windows import WindowBatch


class LitCBOW(LitWordVectors):
    """CBOW (Mikolov et al. 2013): maximise Σ_t ln p(w_t | w_{t-c} … w_{t-1}, w_{t+1} … w_{t+c}).

    p is made of the mean of the vectors of the words around and those of the output layer. As in
    word2vec and gensim, each word around receives the whole gradient of the mean. The exact
    gradient divides it by the number of words around, and needs a higher learning rate (İrsoy et
    al. 2021, "Corrected CBOW Performs as well as Skip-gram"). See LitWordVectors.
    """

    def loss(self, batch: WindowBatch) -> Tensor:
        """-ln p summed over all words."""
        total = F.embedding_bag(  # float[B, d]
            batch.around, self.words.weight, batch.starts, mode="sum", sparse=True
        )
        mean = total / batch.widths()[:, None]
        # The value of the mean with the gradient of the sum.
        loss: Tensor = self.output(total + (mean - total).detach(), batch.words)
        return loss


class CBOW(ContextVectors):
    """CBOW, trained on the corpus. See ContextVectors."""

    learner = LitCBOW
