"""FastText: word vectors made of the vectors of character n-grams, so that rare words have one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from datamodules.store.ragged import Ragged
from datamodules.vectors.base import Text, TokenRows, Vectors, too_rare


class FastText(Vectors):
    """fastText (Bojanowski et al. 2017), learnt by gensim from the rows that are learnt from.

    A word is the mean of its own vector and those of its character n-grams. A word of the
    vocabulary too rare to be learnt is the mean of its n-grams alone; one that is too short to have
    any, such as a full stop, has no vector.

    Args:
        dim: d, width of a vector.
        architecture: predict a word from those around it (`cbow`), or those from it.
        window: largest distance between two words of a pair.
        negative: words drawn by chance for each pair.
        min_count: a word seen less often is not learnt as a word.
        sample: words more frequent than this share are left out at random.
        epochs: passes over the texts.
        shortest: letters of the shortest n-gram, `<` and `>` at a word's ends counted.
        longest: letters of the longest.
        buckets: n-grams share this many vectors, by their hash.
        workers: threads; more than one is faster, and never twice the same.
        text: learn from the train texts, or also from those without labels where there are any.

    Raises:
        ValueError: a size below 1, a longest n-gram shorter than the shortest, or no such text.
    """

    def __init__(
        self,
        dim: int = 128,
        architecture: Literal["cbow", "skip-gram"] = "skip-gram",
        window: int = 5,
        negative: int = 5,
        min_count: int = 5,
        sample: float = 1e-4,
        epochs: int = 5,
        shortest: int = 3,
        longest: int = 6,
        buckets: int = 100_000,
        workers: int = 1,
        text: Text = "train",
    ) -> None:
        super().__init__(text)
        sizes: dict[str, Any] = {"dim": dim, "window": window, "negative": negative}
        sizes |= {"min_count": min_count, "epochs": epochs, "workers": workers}
        sizes |= {"shortest": shortest, "buckets": buckets}
        for name, value in sizes.items():
            if value < 1:
                raise ValueError(f"{name} is {value}; it must be at least 1")
        if longest < shortest:
            raise ValueError(f"longest is {longest}; it must be at least shortest, {shortest}")
        self.dim, self.architecture = dim, architecture
        self.window, self.negative, self.min_count = window, negative, min_count
        self.sample, self.epochs, self.workers = sample, epochs, workers
        self.shortest, self.longest, self.buckets = shortest, longest, buckets

    def learn(
        self, texts: Ragged, vocabulary: Sequence[str], seed: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """int64[N] token numbers and float32[N, d] vectors, specials left out.

        Raises:
            DataError: no word is frequent enough.
        """
        # It takes a second, which only those who want vectors should wait for.
        from gensim.models import FastText as Gensim

        model = Gensim(
            vector_size=self.dim,
            sg=int(self.architecture == "skip-gram"),
            negative=self.negative,
            window=self.window,
            min_count=self.min_count,
            sample=self.sample,
            epochs=self.epochs,
            min_n=self.shortest,
            max_n=self.longest,
            bucket=self.buckets,
            workers=self.workers,
            seed=seed,
        )
        rows = TokenRows(texts, vocabulary)
        model.build_vocab(rows)
        if not model.wv.index_to_key:
            raise too_rare(self.min_count, len(texts))
        model.train(rows, total_examples=model.corpus_count, epochs=self.epochs)
        tokens, values = [], []
        for token, word in enumerate(vocabulary[2:], start=2):  # past <pad> and <unk>
            if word in model.wv.key_to_index or self._has_ngrams(word):
                tokens.append(token)
                values.append(model.wv.get_vector(word))
        return np.array(tokens, dtype=np.int64), np.stack(values).astype(np.float32)

    def _has_ngrams(self, word: str) -> bool:
        """Whether `<word>` is as long as the shortest n-gram."""
        return len(word) + 2 >= self.shortest
