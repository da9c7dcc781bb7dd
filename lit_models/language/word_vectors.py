"""Word vectors learnt from words in their contexts: settings, training, common to all of them."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar, Literal, NamedTuple, get_args

import lightning as L
import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from datamodules.errors import DataError
from datamodules.store.ragged import Ragged
from datamodules.vectors.base import Text, Vectors, frequent_words
from datamodules.vectors.gensim_base import check_sizes
from lit_models.base.optimizers import check_training
from lit_models.base.vectors_trainer import vectors_trainer
from lit_models.language.word_outputs import HierarchicalSoftmax, NegativeSampling
from lit_models.language.word_windows import WindowBatch, WindowBatches

Output = Literal["negative-sampling", "hierarchical-softmax"]


class LitWordVectors(L.LightningModule, ABC):
    """Vectors of words, by gradient descent on pairs of words (word2vec, Mikolov et al. 2013).

    A subclass defines `loss`. The learning rate falls linearly with the share of the text read.

    Args:
        counts: int64[V], counts of the words.
        dim: d, width of a vector.
        output: see ContextVectors.
        negative: see ContextVectors.
        learning_rate: that of the first step.
    """

    _LOWEST_RATE = 1e-4

    def __init__(
        self, counts: np.ndarray, dim: int, output: Output, negative: int, learning_rate: float
    ) -> None:
        super().__init__()
        # A step touches few rows of the tables, so that sparse gradients are faster than dense.
        self.words = nn.Embedding(len(counts), dim, sparse=True)
        nn.init.uniform_(self.words.weight, -0.5 / dim, 0.5 / dim)
        self.output: NegativeSampling | HierarchicalSoftmax
        if output == "negative-sampling":
            self.output = NegativeSampling(counts, dim, negative)
        else:
            self.output = HierarchicalSoftmax(counts, dim)
        self.learning_rate = learning_rate

    @abstractmethod
    def loss(self, batch: WindowBatch) -> Tensor:
        """Loss of a batch, summed over its predictions."""

    def training_step(self, batch: WindowBatch, batch_idx: int) -> Tensor:
        return self.loss(batch)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=self.learning_rate)

    def on_train_batch_start(self, batch: WindowBatch, batch_idx: int) -> None:
        """Set the learning rate."""
        rate = self.learning_rate + (self._LOWEST_RATE - self.learning_rate) * batch.read
        for group in self.optimizers().param_groups:  # type: ignore[union-attr]
            group["lr"] = rate

    def vectors(self) -> np.ndarray:
        """float32[V, d] vectors."""
        vectors: np.ndarray = self.words.weight.detach().cpu().numpy()
        return vectors


class Trained(NamedTuple):
    """Vectors and what they took.

    Attributes:
        tokens: int64[N], token ids.
        values: float32[N, d], their vectors.
        pairs: pairs of words read.
        seconds: CPU time of the training, which other programs at work change little.
    """

    tokens: np.ndarray
    values: np.ndarray
    pairs: int
    seconds: float


class ContextVectors(Vectors):
    """Word vectors trained by a `LitWordVectors`.

    The settings are those of `datamodules.vectors.word2vec.Word2Vec`, which is faster. The same
    text, settings and seed give the same vectors on one machine with one thread.

    Args:
        dim: d, width of a vector.
        output: `negative-sampling`, against words drawn at random, or `hierarchical-softmax`, along
            a Huffman tree.
        window: largest distance between the two words of a pair.
        negative: words drawn at random for each prediction, in negative sampling.
        min_count: lowest count of a word that is trained.
        sample: words with a larger share of the text are left out at random, the more often the
            more frequent they are; 1 leaves none out.
        epochs: passes over the texts.
        batch_pairs: pairs of one step. Their gradients are summed, so that the rate does not
            depend on it.
        learning_rate: learning rate of the first step.
        text: see Vectors.

    Raises:
        ValueError: a setting outside its range, or an unknown `text`.
    """

    learner: ClassVar[type[LitWordVectors]]

    def __init__(
        self,
        dim: int = 128,
        output: Output = "negative-sampling",
        window: int = 5,
        negative: int = 5,
        min_count: int = 5,
        sample: float = 1e-4,
        epochs: int = 5,
        batch_pairs: int = 1024,
        learning_rate: float = 0.025,
        text: Text = "train",
    ) -> None:
        super().__init__(text)
        check_training({"learning_rate": learning_rate})
        check_sizes(dim=dim, window=window, negative=negative, min_count=min_count)
        check_sizes(epochs=epochs, batch_pairs=batch_pairs)
        if output not in get_args(Output):
            raise ValueError(f"output is {output!r}; choose one of {get_args(Output)}")
        if not 0 < sample <= 1:
            raise ValueError(f"sample is {sample}; it must be above 0 and at most 1")
        self.dim, self.output, self.window, self.negative = dim, output, window, negative
        self.min_count, self.sample, self.epochs = min_count, sample, epochs
        self.batch_pairs, self.learning_rate = batch_pairs, learning_rate

    def learn(
        self, texts: Ragged, vocabulary: Sequence[str], seed: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """int64[N] token ids and float32[N, d] vectors; see `train`."""
        trained = self.train(texts, seed)
        return trained.tokens, trained.values

    def train(self, texts: Ragged, seed: int) -> Trained:
        """Vectors of the words of some texts.

        Raises:
            DataError: fewer than two words occur `min_count` times, no two of them are in one
                text, no pair remains under `sample`, or the vectors grow without bound.
        """
        tokens, frequent = frequent_words(texts, self.min_count)
        counts = np.bincount(frequent.values)
        if len(tokens) < 2 or frequent.lengths.max() < 2:
            raise DataError(
                f"{len(tokens):,} words occur {self.min_count} times in the {len(texts):,} texts, "
                "and no two of them in one text, so that none can be learnt from another; lower "
                "min_count, or give more texts"
            )
        batches = WindowBatches(
            frequent, counts, self.window, self.sample, self.batch_pairs, self.epochs, seed
        )
        with torch.random.fork_rng(devices=[]):  # leaves the run's generator as it is
            torch.manual_seed(seed)
            model = self.learner(counts, self.dim, self.output, self.negative, self.learning_rate)
            trainer = vectors_trainer(self.epochs)
            began = time.process_time()
            trainer.fit(model, DataLoader(batches, batch_size=None))
            seconds = time.process_time() - began
        if not batches.pairs:
            raise DataError(
                f"sample is {self.sample}, which has left out so many words of the {len(texts):,} "
                "texts that no two remain in one; raise sample (1 leaves none out), or give more "
                "texts"
            )
        values = model.vectors()
        if not np.isfinite(values).all():
            raise DataError(
                f"learning_rate is {self.learning_rate} and batch_pairs {self.batch_pairs}, with "
                f"which the vectors of {len(tokens):,} words grow without bound, since each is "
                "many times in a batch; lower either"
            )
        return Trained(tokens, values, batches.pairs, seconds)
