"""Vocabularies of n-grams, learnt from the train side, and TF-IDF weights over them."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from datamodules.store.label_sets import members
from datamodules.store.ragged import Ragged
from datamodules.store.train_view import TrainView
from lit_models.base.ngrams import OF_END, check_orders
from lit_models.layers.bags import Items, distinct, last_tokens, padded_chunks, row_ngrams

_LAST = torch.iinfo(torch.int64).max


class NgramVocabulary(nn.Module):
    """Number the most frequent n-grams of the train side, and look them up in any text.

    The number of an n-gram is its position in a sorted array of keys, found by binary search. The
    array has a fixed size, so that a checkpoint fits any corpus; positions that a small corpus
    leaves free are never found.

    Args:
        orders: length of the longest n-gram; all of 1 … orders are counted.
        size: F, largest number of n-grams.
        min_df: n-grams in fewer train texts are left out.
        dropout: probability of dropping an n-gram of a text in training.
        last_words: number of words at the end of a text whose n-grams are counted apart too, under
            their key + `OF_END`; 0 for none.

    Attributes:
        keys: int64[F], ascending; the largest int64 at free positions.
        base: int64[], number of token ids plus one.

    Raises:
        ValueError: a size below 1, or `last_words` below 0.
    """

    keys: Tensor
    base: Tensor

    def __init__(
        self, orders: int, size: int, min_df: int, dropout: float = 0.0, last_words: int = 0
    ) -> None:
        super().__init__()
        if min(orders, size, min_df) < 1:
            raise ValueError(
                f"ngrams {orders}, max_features {size} and min_df {min_df} must each be at least 1"
            )
        if last_words < 0:
            raise ValueError(f"model.last_words is {last_words}; it must be at least 0")
        self.orders, self.size, self.min_df = orders, size, min_df
        self.dropout, self.last_words = dropout, last_words
        self.register_buffer("keys", torch.full((size,), _LAST))
        self.register_buffer("base", torch.tensor(1))
        self.texts = np.zeros(size, dtype=np.int64)

    def resize(self, size: int) -> None:
        """Make room for another number of n-grams, and forget those that were learnt."""
        self.size, self.keys = size, self.keys.new_full((size,), _LAST)

    def learn(self, view: TrainView, resize: int | None = None) -> np.ndarray:
        """Choose the n-grams.

        Of n-grams in equally many texts, shorter ones and those of frequent words go first.

        Args:
            view: the train side.
            resize: largest number of n-grams, to which F is cut or raised; where the train side has
                fewer, F is their number. None: F stays.

        Returns:
            int64[C, F] number of train texts of each class with each n-gram.

        Raises:
            ValueError: the n-grams do not fit into 63 bits, or none is left.
        """
        base = len(view.vocabulary) + 1
        check_orders(self.orders, base)
        self.base.fill_(base)
        rows, keys = self._distinct(view.tokens)
        unique, documents = np.unique(keys, return_counts=True)
        frequent = np.flatnonzero(documents >= self.min_df)
        if not len(frequent):
            raise ValueError(f"min_df {self.min_df} leaves no n-gram of {len(unique)}; lower it")
        if resize is not None:
            self.resize(min(len(frequent), resize))
        most = np.argsort(-documents[frequent], kind="stable")[: self.size]
        chosen = unique[np.sort(frequent[most])]
        self.keys.fill_(_LAST)
        self.keys[: len(chosen)] = torch.from_numpy(chosen)
        self.texts = np.zeros(self.size, dtype=np.int64)
        self.texts[: len(chosen)] = documents[np.sort(frequent[most])]
        labels = view.labels[rows]
        counts = np.zeros((view.num_classes, self.size), dtype=np.int64)
        for label in range(view.num_classes):
            of_class, texts = np.unique(keys[members(labels, label)], return_counts=True)
            number = np.searchsorted(chosen, of_class)
            number[number == len(chosen)] = 0
            known = chosen[number] == of_class
            counts[label, number[known]] = texts[known]
        return counts

    def forward(self, tokens: Tensor, lengths: Tensor) -> Items:
        """Known n-grams of each row with their counts, numbered 0 … F - 1."""
        items = self._keys_in(tokens, lengths)
        if self.training and self.dropout:
            items = items.dropped(self.dropout)  # before the search, the costliest step
        number = torch.searchsorted(self.keys, items.values).clamp(max=self.size - 1)
        known = self.keys.index_select(0, number) == items.values
        return items._replace(values=number).where(known)

    def _keys_in(self, tokens: Tensor, lengths: Tensor) -> Items:
        ngrams = row_ngrams(tokens, lengths, self.orders, self.base)
        if self.last_words:
            ends = last_tokens(tokens, lengths, self.last_words)
            of_ends = row_ngrams(*ends, self.orders, self.base)
            ngrams += [(keys + OF_END, mask) for keys, mask in of_ends]
        keys, masks = zip(*ngrams, strict=True)
        return distinct(torch.cat(keys, dim=1), torch.cat(masks, dim=1))

    def _distinct(self, tokens: Ragged) -> tuple[np.ndarray, np.ndarray]:
        """int64 row and int64 key of each distinct n-gram of each row."""
        rows, keys = [], []
        for chunk, padded, lengths in padded_chunks(tokens):
            items = self._keys_in(padded, lengths)
            rows.append(chunk[items.rows.numpy()])
            keys.append(items.values.numpy())
        return np.concatenate(rows), np.concatenate(keys)


class TfidfBag(nn.Module):
    """TF-IDF weights of n-grams, as of scikit-learn's `TfidfVectorizer(sublinear_tf=True)`.

    w(t, d) = (1 + ln tf(t, d)) · (ln((1 + N) / (1 + df(t))) + 1), then scaled to length 1 for each
    text (Salton & Buckley 1988).

    Args:
        orders: length of the longest n-gram.
        size: F, largest number of n-grams.
        min_df: n-grams in fewer train texts are left out.
        dropout: probability of dropping an n-gram of a text in training.

    Attributes:
        idf: float[F] inverse document frequencies.
    """

    idf: Tensor

    def __init__(self, orders: int, size: int, min_df: int, dropout: float) -> None:
        super().__init__()
        self.vocabulary = NgramVocabulary(orders, size, min_df, dropout)
        self.register_buffer("idf", torch.ones(size))

    def learn(self, view: TrainView) -> None:
        """Learn n-grams and weights from the train side."""
        self.vocabulary.learn(view)
        documents = self.vocabulary.texts
        idf = np.log((1 + len(view.tokens)) / (1 + documents)) + 1
        self.idf.copy_(torch.from_numpy(idf))

    def forward(self, tokens: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Arguments of an `EmbeddingBag`: int64[N] numbers, int64[B] starts, float[N] weights."""
        items = self.vocabulary(tokens, lengths)
        weights = self.idf.index_select(0, items.values) * (
            1 + items.counts.to(self.idf.dtype).log()
        )
        squares = weights.new_zeros(len(lengths)).index_add_(0, items.rows, weights.square())
        weights = weights / squares.sqrt().index_select(0, items.rows)
        return items.values, items.starts(len(lengths)), weights
