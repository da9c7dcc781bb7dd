"""The n-grams that a model knows, learnt from the train side, and the TF-IDF weights over them."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from datamodules.store.ragged import Ragged
from datamodules.store.train_view import TrainView
from lit_models.base.ngrams import check_orders
from lit_models.layers.bags import Items, distinct, row_ngrams

_LAST = torch.iinfo(torch.int64).max
_ROWS_AT_ONCE = 256


class NgramVocabulary(nn.Module):
    """Numbers the most frequent n-grams of the train side and finds them in any text.

    The numbers follow one sorted array of keys, so a look-up is a binary search. Its size is fixed
    beforehand, so that a checkpoint fits any corpus: places that a small corpus leaves are never
    looked up.

    Args:
        orders: longest n-gram; all of 1 … orders are known.
        size: F, most n-grams.
        min_documents: n-grams in fewer train texts are left out.
        dropout: share of a text's n-grams left out in training.

    Attributes:
        keys: int64[F], ascending; the greatest int64 where a place is free.
        base: int64[], number of token ids plus one.

    Raises:
        ValueError: sizes below 1.
    """

    keys: Tensor
    base: Tensor

    def __init__(self, orders: int, size: int, min_documents: int, dropout: float = 0.0) -> None:
        super().__init__()
        if min(orders, size, min_documents) < 1:
            raise ValueError(
                f"ngrams {orders}, max_ngrams {size} and min_documents {min_documents} "
                "must each be at least 1"
            )
        self.orders, self.size, self.min_documents = orders, size, min_documents
        self.dropout = dropout
        self.register_buffer("keys", torch.full((size,), _LAST))
        self.register_buffer("base", torch.tensor(1))

    def learn(self, view: TrainView) -> np.ndarray:
        """Chooses the n-grams.

        Among n-grams in equally many texts, shorter ones and those of frequent words go first.

        Returns:
            int64[C, F], how many train texts of each class have each n-gram.

        Raises:
            ValueError: the n-grams do not fit into 63 bits, or none is left.
        """
        base = len(view.vocabulary) + 1
        check_orders(self.orders, base)
        self.base.fill_(base)
        rows, keys = self._distinct(view.tokens)
        every, documents = np.unique(keys, return_counts=True)
        kept = np.flatnonzero(documents >= self.min_documents)
        if not len(kept):
            raise ValueError(
                f"min_documents {self.min_documents} leaves no n-gram of {len(every)}; lower it"
            )
        most = np.argsort(-documents[kept], kind="stable")[: self.size]
        chosen = every[np.sort(kept[most])]
        self.keys.fill_(_LAST)
        self.keys[: len(chosen)] = torch.from_numpy(chosen)
        labels = view.labels[rows]
        counts = np.zeros((view.num_classes, self.size), dtype=np.int64)
        for label in range(view.num_classes):
            found, times = np.unique(keys[labels == label], return_counts=True)
            place = np.searchsorted(chosen, found)
            place[place == len(chosen)] = 0
            known = chosen[place] == found
            counts[label, place[known]] = times[known]
        return counts

    def forward(self, tokens: Tensor, lengths: Tensor) -> Items:
        """Each known n-gram of a row once, as numbers 0 … F - 1, with its count."""
        items = self._keys_in(tokens, lengths)
        if self.training and self.dropout:
            items = items.dropped(self.dropout)  # before the search, which costs the most
        place = torch.searchsorted(self.keys, items.values).clamp(max=self.size - 1)
        return items._replace(values=place).where(self.keys.index_select(0, place) == items.values)

    def _keys_in(self, tokens: Tensor, lengths: Tensor) -> Items:
        keys, masks = zip(*row_ngrams(tokens, lengths, self.orders, self.base), strict=True)
        return distinct(torch.cat(keys, dim=1), torch.cat(masks, dim=1))

    def _distinct(self, tokens: Ragged) -> tuple[np.ndarray, np.ndarray]:
        """int64 row and key of each n-gram in each row, once."""
        rows, keys = [], []
        order = np.argsort(tokens.lengths, kind="stable")  # little padding in a chunk
        for start in range(0, len(order), _ROWS_AT_ONCE):
            chunk = order[start : start + _ROWS_AT_ONCE]
            lengths = torch.from_numpy(tokens.lengths[chunk])
            column = np.arange(int(lengths.max()))[None, :]
            index = tokens.offsets[chunk][:, None] + column
            padded = tokens.values[index.clip(max=len(tokens.values) - 1)].astype(np.int64)
            items = self._keys_in(torch.from_numpy(padded), lengths)
            rows.append(chunk[items.rows.numpy()])
            keys.append(items.values.numpy())
        return np.concatenate(rows), np.concatenate(keys)


class TfidfBag(nn.Module):
    """TF-IDF weights of a text's n-grams, as `TfidfVectorizer(sublinear_tf=True)` gives them.

    w(t, d) = (1 + ln tf(t, d)) · (ln((1 + N) / (1 + df(t))) + 1), a text's weights scaled to
    length 1 (Salton & Buckley 1988).

    Args:
        orders: longest n-gram.
        size: F, most n-grams.
        min_documents: n-grams in fewer train texts are left out.
        dropout: share of a text's n-grams left out in training.

    Attributes:
        idf: float[F].
    """

    idf: Tensor

    def __init__(self, orders: int, size: int, min_documents: int, dropout: float) -> None:
        super().__init__()
        self.vocabulary = NgramVocabulary(orders, size, min_documents, dropout)
        self.register_buffer("idf", torch.ones(size))

    def learn(self, view: TrainView) -> None:
        """Learns n-grams and weights from the train side."""
        documents = self.vocabulary.learn(view).sum(axis=0)
        idf = np.log((1 + len(view.tokens)) / (1 + documents)) + 1
        self.idf.copy_(torch.from_numpy(idf))

    def forward(self, tokens: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Numbers int64[N], starts int64[B] and weights float[N]: what an EmbeddingBag takes."""
        items = self.vocabulary(tokens, lengths)
        weights = self.idf.index_select(0, items.values) * (
            1 + items.counts.to(self.idf.dtype).log()
        )
        squares = weights.new_zeros(len(lengths)).index_add_(0, items.rows, weights.square())
        weights = weights / squares.sqrt().index_select(0, items.rows)
        return items.values, items.starts(len(lengths)), weights
