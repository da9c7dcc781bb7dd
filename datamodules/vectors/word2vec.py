"""Word2Vec: word vectors trained on words in their context."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from datamodules.store.ragged import Ragged
from datamodules.vectors.base import TokenRows
from datamodules.vectors.gensim_base import GensimVectors


class Word2Vec(GensimVectors):
    """word2vec (Mikolov et al. 2013).

    Args:
        dim: d, width of a vector.
        output: `negative-sampling`, against words drawn at random, or `hierarchical-softmax`, along
            a Huffman tree.
        **kwargs: see GensimVectors.
    """

    def __init__(
        self,
        dim: int = 128,
        *,
        output: Literal["negative-sampling", "hierarchical-softmax"] = "negative-sampling",
        **kwargs: Any,
    ) -> None:
        super().__init__(dim, **kwargs)
        self.output = output

    def learn(
        self, texts: Ragged, vocabulary: Sequence[str], seed: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """int64[N] token ids and float32[N, d] vectors.

        Raises:
            DataError: no word is frequent enough.
        """
        from gensim.models import Word2Vec as GensimWord2Vec  # takes a second to import

        options = {"hs": 1, "negative": 0} if self.output == "hierarchical-softmax" else {"hs": 0}
        model = self._train(GensimWord2Vec, TokenRows(texts), seed, **options)
        tokens = np.array([int(key) for key in model.wv.index_to_key], dtype=np.int64)
        return tokens, np.ascontiguousarray(model.wv.vectors, dtype=np.float32)
