"""Word2Vec: word vectors learnt by gensim from the texts that a model learns from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from datamodules.store.ragged import Ragged
from datamodules.vectors.base import Text, TokenRows, Vectors, too_rare


class Word2Vec(Vectors):
    """word2vec (Mikolov et al. 2013), learnt by gensim from the rows that are learnt from.

    `cbow` predicts a word from the mean of those around it, `skip-gram` those around from a word.
    With one worker the same text, settings and seed give the same vectors on one machine.

    Args:
        dim: d, width of a vector.
        architecture: which of the two.
        output: `negative-sampling`, against words drawn by chance, or `hierarchical-softmax`, along
            a Huffman tree.
        window: largest distance between two words of a pair.
        negative: words drawn for each pair under `negative-sampling`.
        min_count: a word seen less often gets no vector.
        sample: words more frequent than this share are left out at random, the more often the more
            frequent they are.
        epochs: passes over the texts.
        workers: threads; more than one is faster, and never twice the same.
        text: learn from the train texts, or also from those without labels where there are any.

    Raises:
        ValueError: a size below 1, or no such text.
    """

    def __init__(
        self,
        dim: int = 128,
        architecture: Literal["cbow", "skip-gram"] = "skip-gram",
        output: Literal["negative-sampling", "hierarchical-softmax"] = "negative-sampling",
        window: int = 5,
        negative: int = 5,
        min_count: int = 5,
        sample: float = 1e-4,
        epochs: int = 5,
        workers: int = 1,
        text: Text = "train",
    ) -> None:
        super().__init__(text)
        sizes = {"dim": dim, "window": window, "negative": negative, "min_count": min_count}
        for name, value in (sizes | {"epochs": epochs, "workers": workers}).items():
            if value < 1:
                raise ValueError(f"{name} is {value}; it must be at least 1")
        self.dim, self.architecture, self.output = dim, architecture, output
        self.window, self.negative, self.min_count = window, negative, min_count
        self.sample, self.epochs, self.workers = sample, epochs, workers

    def learn(
        self, texts: Ragged, vocabulary: Sequence[str], seed: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """int64[N] token numbers and float32[N, d] vectors.

        Raises:
            DataError: no word is frequent enough.
        """
        # It takes a second, which only those who want vectors should wait for.
        from gensim.models import Word2Vec as Gensim

        hierarchical = self.output == "hierarchical-softmax"
        model = Gensim(
            vector_size=self.dim,
            sg=int(self.architecture == "skip-gram"),
            hs=int(hierarchical),
            negative=0 if hierarchical else self.negative,
            window=self.window,
            min_count=self.min_count,
            sample=self.sample,
            epochs=self.epochs,
            workers=self.workers,
            seed=seed,
        )
        rows = TokenRows(texts)
        model.build_vocab(rows)
        if not model.wv.index_to_key:
            raise too_rare(self.min_count, len(texts))
        model.train(rows, total_examples=model.corpus_count, epochs=self.epochs)
        tokens = np.array([int(key) for key in model.wv.index_to_key], dtype=np.int64)
        return tokens, np.ascontiguousarray(model.wv.vectors, dtype=np.float32)
