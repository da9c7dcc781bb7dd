"""TfidfLogReg: TF-IDF weighted n-grams into a logistic regression (scikit-learn)."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp
from sklearn.base import BaseEstimator
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.linear_model import LogisticRegression

from datamodules.errors import DataError
from datamodules.store.ragged import Ragged
from datamodules.store.train_view import TrainView
from lit_models.base.characters import CharacterCounter, WordCounter
from lit_models.base.fitted_values import fitted_values
from lit_models.classics.ngram_estimator import NgramEstimator

_IDF_NAMES = ("idf", "character_idf")


class TfidfLogReg(NgramEstimator):
    """Sublinear TF-IDF (Salton & Buckley 1988) of word n-grams, and logistic regression over it.

    w(t, d) = (1 + ln tf(t, d)) · (ln((1 + N) / (1 + df(t))) + 1), rows scaled to length 1;
    p(c | d) = softmax(W w(d) + b)_c, with squared penalty ‖W‖² / 2C.

    Character n-grams are weighted the same way in a block of their own: w(d) is then (words, scaled
    to length 1; characters, scaled to length `char_weight`). They do not cross word boundaries, so
    inflections and misspellings of a word share them. Words outside the vocabulary have none.

    Over a store of characters (`CharacterTokenizer`) the n-grams are those of the text itself,
    spaces, punctuation and unknown words included. `word_ngrams` then adds the block of words,
    which the characters make; that of the characters has length `char_weight` again.

    Args:
        ngrams: longest n-gram of tokens.
        min_df: n-grams in fewer train texts are left out.
        max_features: most n-grams of tokens, the most frequent of the train side; None keeps all.
        char_ngrams: longest n-gram of the characters of words; 0 for none.
        char_weight: length of the block of characters.
        word_ngrams: longest n-gram of the words that tokens of characters make; 0 for none.
        C: inverse strength of the penalty; larger fits closer.
        max_iter: iterations of L-BFGS at most.
        **kwargs: of `LitClassifier`.
    """

    deterministic = True

    def __init__(
        self,
        *,
        ngrams: int = 2,
        min_df: int = 2,
        max_features: int | None = None,
        char_ngrams: int = 0,
        char_weight: float = 0.3,
        word_ngrams: int = 0,
        C: float = 10.0,
        max_iter: int = 200,
        **kwargs: Any,
    ) -> None:
        super().__init__(ngrams=ngrams, min_df=min_df, max_features=max_features, **kwargs)
        for name, longest in {"char_ngrams": char_ngrams, "word_ngrams": word_ngrams}.items():
            if longest < 0:
                raise ValueError(f"model.{name} is {longest}; it must be at least 0")
        if char_ngrams and word_ngrams:
            raise ValueError(
                f"model.char_ngrams is {char_ngrams} and model.word_ngrams is {word_ngrams}; "
                "tokens are either words or characters, so set one of them to 0"
            )
        self.char_weight = char_weight
        self.C, self.max_iter = C, max_iter
        self.weights: list[TfidfTransformer] = []
        self.characters = CharacterCounter(char_ngrams, min_df) if char_ngrams else None
        self.words = WordCounter(word_ngrams, min_df) if word_ngrams else None

    def make_estimator(self) -> BaseEstimator:
        return LogisticRegression(C=self.C, max_iter=self.max_iter)

    def learn_features(self, view: TrainView) -> sp.csr_matrix:
        blocks, specials = [super().learn_features(view)], {view.pad_id, view.unk_id}
        if self.characters is not None:
            blocks.append(self.characters.fit(view.tokens, view.vocabulary, specials))
        if self.words is not None:
            blocks.insert(0, self.words.fit(view.tokens, view.vocabulary, specials))
        self.weights = [TfidfTransformer(sublinear_tf=True).fit(block) for block in blocks]
        return self._weighted(blocks)

    def features(self, tokens: Ragged) -> sp.csr_matrix:
        blocks = [super().features(tokens)]
        if self.characters is not None:
            blocks.append(self.characters.count(tokens))
        if self.words is not None:
            blocks.insert(0, self.words.count(tokens))
        return self._weighted(blocks)

    def _parts(self) -> list[CharacterCounter | WordCounter]:
        """Counter of the second block, if there is one."""
        return [part for part in (self.characters, self.words) if part is not None]

    def _weighted(self, blocks: list[sp.csr_matrix]) -> sp.csr_matrix:
        """float[N, F] weights of the words, then of the characters."""
        pairs = list(zip(self.weights, blocks, strict=True))
        for weight, block in pairs:
            if len(weight.idf_) != block.shape[1]:
                raise DataError(
                    f"{type(self).__name__} has {block.shape[1]:,} features, and "
                    f"{len(weight.idf_):,} weights of them; restore the files of the run, or run "
                    "it again"
                )
        weighted = [weight.transform(block, copy=False) for weight, block in pairs]
        if len(weighted) == 1:
            return weighted[0]
        weighted[1] *= self.char_weight
        return sp.hstack(weighted, format="csr")

    def arrays(self) -> dict[str, np.ndarray]:
        counters = super().arrays()
        for part in self._parts():
            counters |= part.arrays()
        names = zip(_IDF_NAMES, self.weights, strict=False)
        return counters | {name: weight.idf_ for name, weight in names}

    def load_arrays(self, arrays: dict[str, np.ndarray]) -> None:
        super().load_arrays(arrays)
        for part in self._parts():
            part.load_arrays(arrays)
        self.weights = []
        for name in _IDF_NAMES[: 1 + len(self._parts())]:
            self.weights.append(TfidfTransformer(sublinear_tf=True))
            self.weights[-1].idf_ = arrays[name]

    @property
    def parameter_count(self) -> int:
        """Number of fitted values: an IDF weight for each n-gram, and those of the regression."""
        return super().parameter_count + sum(map(fitted_values, self.weights))
