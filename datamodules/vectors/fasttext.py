"""FastText: word vectors made of the vectors of character n-grams, so that rare words have one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from datamodules.store.ragged import Ragged
from datamodules.vectors.base import TokenRows
from datamodules.vectors.gensim_base import GensimVectors, check_sizes


class FastText(GensimVectors):
    """fastText (Bojanowski et al. 2017).

    The vector of a word is the mean of its own and those of its character n-grams. A word of the
    vocabulary too rare to be trained is the mean of its n-grams alone; one that is too short to
    have any, such as a full stop, has no vector.

    Args:
        dim: d, width of a vector.
        shortest: characters of the shortest n-gram, with `<` and `>` at the word's ends.
        longest: characters of the longest.
        buckets: number of n-gram vectors; n-grams share them by hash.
        **kwargs: see GensimVectors.

    Raises:
        ValueError: a size is below 1, or the longest n-gram shorter than the shortest.
    """

    def __init__(
        self,
        dim: int = 128,
        *,
        shortest: int = 3,
        longest: int = 6,
        buckets: int = 100_000,
        **kwargs: Any,
    ) -> None:
        super().__init__(dim, **kwargs)
        check_sizes(shortest=shortest, buckets=buckets)
        if longest < shortest:
            raise ValueError(f"longest is {longest}; it must be at least shortest, {shortest}")
        self.shortest, self.longest, self.buckets = shortest, longest, buckets

    def learn(
        self, texts: Ragged, vocabulary: Sequence[str], seed: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """int64[N] token ids and float32[N, d] vectors, specials left out.

        Raises:
            DataError: no word is frequent enough.
        """
        from gensim.models import FastText as GensimFastText  # takes a second to import

        options = {"min_n": self.shortest, "max_n": self.longest, "bucket": self.buckets}
        model = self._train(GensimFastText, TokenRows(texts, vocabulary), seed, **options)
        tokens, values = [], []
        for token, word in enumerate(vocabulary[2:], start=2):  # past <pad> and <unk>
            if word in model.wv.key_to_index or self._has_ngrams(word):
                tokens.append(token)
                values.append(model.wv.get_vector(word))
        return np.array(tokens, dtype=np.int64), np.stack(values).astype(np.float32)

    def _has_ngrams(self, word: str) -> bool:
        """True where `<word>` is at least as long as the shortest n-gram."""
        return len(word) + 2 >= self.shortest
