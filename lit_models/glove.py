"""GloVe: word vectors whose inner products approximate logarithms of co-occurrence counts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import lightning as L
import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, IterableDataset

from datamodules.store.ragged import Ragged
from datamodules.vectors.base import Text, Vectors, frequent_words
from datamodules.vectors.cooccurrence import cooccurrences
from lit_models.base.optimizers import check_training
from lit_models.base.vectors_trainer import vectors_trainer


class Pairs(NamedTuple):
    """Pairs of words that co-occur.

    Attributes:
        first: int64[B] numbers of words.
        second: int64[B] numbers of the words near them.
        counts: float32[B], X_ij above 0.
    """

    first: Tensor
    second: Tensor
    counts: Tensor


class GloVe(Vectors):
    """GloVe (Pennington et al. 2014), learnt from the train rows.

    A word's vector is the sum of the two that are learnt for it, as word and as neighbour.
    The same text, settings and seed give the same vectors on one machine with one thread.

    Args:
        dim: d, width of a vector.
        window: largest distance of a pair; a pair at distance n adds 1/n to its count.
        min_count: words with fewer occurrences get no vector.
        min_pair: pairs with a smaller count are dropped; these are most pairs, with little weight
            in the loss.
        ceiling: x_max, the count above which the weight of a pair no longer grows; the paper's 100
            is for a corpus a thousand times as large.
        epochs: passes over the pairs.
        batch_size: pairs of one step.
        learning_rate: learning rate of AdaGrad.
        text: `train` learns from the train texts, `train+unlabelled` also from texts without labels
            where the corpus has any.

    Raises:
        ValueError: a size below 1, or an unknown `text`.
    """

    def __init__(
        self,
        dim: int = 128,
        window: int = 10,
        min_count: int = 5,
        min_pair: float = 0.5,
        ceiling: float = 10.0,
        epochs: int = 15,
        batch_size: int = 32_768,
        learning_rate: float = 0.05,
        text: Text = "train",
    ) -> None:
        super().__init__(text)
        check_training({"learning_rate": learning_rate})
        sizes = {"dim": dim, "window": window, "min_count": min_count}
        for name, value in (sizes | {"epochs": epochs, "batch_size": batch_size}).items():
            if value < 1:
                raise ValueError(f"{name} is {value}; it must be at least 1")
        self.dim, self.window, self.min_count = dim, window, min_count
        self.min_pair, self.ceiling = min_pair, ceiling
        self.epochs, self.batch_size, self.learning_rate = epochs, batch_size, learning_rate

    def learn(
        self, texts: Ragged, vocabulary: Sequence[str], seed: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """int64[N] token ids and float32[N, d] vectors.

        Raises:
            DataError: no word occurs `min_count` times.
        """
        tokens, frequent_texts = frequent_words(texts, self.min_count)
        counts = cooccurrences(frequent_texts, len(tokens), self.window).tocoo()
        frequent = counts.data >= self.min_pair
        pairs = Pairs(
            torch.from_numpy(counts.row[frequent].astype(np.int64)),
            torch.from_numpy(counts.col[frequent].astype(np.int64)),
            torch.from_numpy(counts.data[frequent]),
        )
        with torch.random.fork_rng(devices=[]):  # leaves the run's generator as it is
            torch.manual_seed(seed)
            model = LitGloVe(len(tokens), self.dim, self.ceiling, self.learning_rate)
            trainer = vectors_trainer(self.epochs)
            batches = PairBatches(pairs, self.batch_size, seed)
            trainer.fit(model, DataLoader(batches, batch_size=None))
        return tokens, model.vectors()


class LitGloVe(L.LightningModule):
    """Weighted least squares on the logarithms of the counts.

    J = Σ f(X_ij) (w_i · c_j + b_i + e_j - ln X_ij)² with f(x) = min(1, (x / x_max)^0.75), by
    AdaGrad; J of a batch is the sum over its pairs.

    Args:
        words: V, number of words.
        dim: d, width of a vector.
        ceiling: x_max.
        learning_rate: learning rate of AdaGrad.
    """

    _POWER = 0.75

    def __init__(self, words: int, dim: int, ceiling: float, learning_rate: float) -> None:
        super().__init__()
        self.word, self.near = nn.Embedding(words, dim), nn.Embedding(words, dim)
        self.word_bias, self.near_bias = nn.Embedding(words, 1), nn.Embedding(words, 1)
        for table in (self.word, self.near, self.word_bias, self.near_bias):
            nn.init.uniform_(table.weight, -0.5 / dim, 0.5 / dim)
        self.ceiling, self.learning_rate = ceiling, learning_rate

    def loss(self, pairs: Pairs) -> Tensor:
        """J of a batch of pairs."""
        products = (self.word(pairs.first) * self.near(pairs.second)).sum(dim=1)  # [B]
        biases = (self.word_bias(pairs.first) + self.near_bias(pairs.second)).squeeze(1)
        weights = (pairs.counts / self.ceiling).clamp(max=1) ** self._POWER
        return (weights * (products + biases - pairs.counts.log()) ** 2).sum()

    def training_step(self, batch: Pairs, batch_idx: int) -> Tensor:
        return self.loss(batch)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adagrad(self.parameters(), lr=self.learning_rate, fused=True)

    def vectors(self) -> np.ndarray:
        """float32[V, d] vectors w + c."""
        vectors: np.ndarray = (self.word.weight + self.near.weight).detach().cpu().numpy()
        return vectors


class PairBatches(IterableDataset[Pairs]):
    """Batches of all pairs, in a new random order in each epoch.

    Args:
        pairs: all pairs.
        batch_size: pairs in a batch.
        seed: random seed of the orders.
    """

    def __init__(self, pairs: Pairs, batch_size: int, seed: int) -> None:
        self.pairs, self.batch_size = pairs, batch_size
        self.generator = torch.Generator().manual_seed(seed)

    def __iter__(self) -> Iterator[Pairs]:
        order = torch.randperm(len(self.pairs.counts), generator=self.generator)
        for rows in order.split(self.batch_size):
            yield Pairs(*(part[rows] for part in self.pairs))

    def __len__(self) -> int:
        return -(-len(self.pairs.counts) // self.batch_size)
