"""Region embedding: a region's words predict those of the regions on both sides of it."""

from __future__ import annotations

from collections.abc import Sequence

import lightning as L
import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from datamodules.errors import DataError
from datamodules.store.ragged import Ragged
from datamodules.vectors.base import Text, Vectors
from datamodules.vectors.gensim_base import check_sizes
from lit_models.base.optimizers import SparseAdam, check_training
from lit_models.base.vectors_trainer import vectors_trainer
from lit_models.language.region_windows import RegionBatch, RegionBatches, bands, in_windows


class RegionVectors(Vectors):
    """The "tv-embedding" of Johnson & Zhang 2015, "Semi-supervised Convolutional Neural Networks
    for Text Categorization via Region Embedding".

    u = ReLU(Σ_w W_w + b) embeds the words w of a region of `size` words. It is learnt by predicting
    which words are in the `size` words before the region and the `size` words after it. The vector
    of a word is W_w + b / `size`, so that u is the ReLU of a sum of word vectors
    (`lit_models.layers.regions.RegionEmbedding`). Words without a vector take up a place of a
    region, and add nothing.

    The same text, settings and seed give the same vectors on one machine with one thread.

    Args:
        dim: d, width of u.
        size: words of a region.
        max_words: most words with a vector, the most frequent of the texts.
        negative: words drawn at random for each step, which are taken to be in no target.
        negative_weight: total weight in the loss of words that are absent from a target, as a
            multiple of the weight of those that are present.
        sample: words with a larger share of the text count less in the targets, as in word2vec's
            sub-sampling; 1 counts all alike. The paper leaves function words out instead.
        epochs: passes over the texts.
        batch_size: regions of one step.
        learning_rate: learning rate of Adam at the first step; it falls linearly to 0.
        text: see Vectors.

    Raises:
        ValueError: a setting outside its range, or an unknown `text`.
    """

    def __init__(
        self,
        dim: int = 200,
        size: int = 5,
        max_words: int = 30_000,
        negative: int = 2048,
        negative_weight: float = 1.0,
        sample: float = 1e-3,
        epochs: int = 10,
        batch_size: int = 4096,
        learning_rate: float = 0.003,
        text: Text = "train",
    ) -> None:
        super().__init__(text)
        check_training({"learning_rate": learning_rate})
        check_sizes(dim=dim, size=size, max_words=max_words, negative=negative)
        check_sizes(epochs=epochs, batch_size=batch_size)
        if not 0 < sample <= 1:
            raise ValueError(f"sample is {sample}; it must be above 0 and at most 1")
        if not 0 < negative_weight < np.inf:
            raise ValueError(f"negative_weight is {negative_weight}; it must be above 0 and finite")
        self.dim, self.size, self.max_words, self.negative = dim, size, max_words, negative
        self.negative_weight, self.sample = negative_weight, sample
        self.epochs, self.batch_size, self.learning_rate = epochs, batch_size, learning_rate

    def learn(
        self, texts: Ragged, vocabulary: Sequence[str], seed: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """int64[N] token ids and float32[N, d] vectors, scaled so that u has a mean square of 1.

        Raises:
            DataError: no text is long enough, or the vectors grow without bound.
        """
        if not len(texts) or texts.lengths.max() <= self.size // 2 + 1:
            raise DataError(
                f"size is {self.size}, and none of the {len(texts):,} texts has words outside a "
                "region; lower size, or give longer texts"
            )
        counts = np.bincount(texts.values)
        tokens = np.sort(np.argsort(-counts, kind="stable")[: self.max_words])
        tokens = tokens[counts[tokens] > 0].astype(np.int64)
        place = np.full(len(counts), len(tokens), dtype=np.int32)  # that of words without a vector
        place[tokens] = np.arange(len(tokens))
        share = self.sample * counts.sum() / counts[tokens]  # t/f
        weights = np.minimum(np.sqrt(share) + share, 1).astype(np.float32)
        batches = RegionBatches(
            Ragged(place[texts.values], texts.offsets),
            weights * counts[tokens],
            self.size,
            self.negative,
            self.batch_size,
            self.epochs,
            seed,
        )
        with torch.random.fork_rng(devices=[]):  # leaves the run's generator as it is
            torch.manual_seed(seed)
            model = LitRegions(
                weights, self.dim, self.size, self.negative_weight, self.learning_rate
            )
            trainer = vectors_trainer(self.epochs)
            trainer.fit(model, DataLoader(batches, batch_size=None))
        values = model.vectors()
        if not np.isfinite(values).all():
            raise DataError(
                f"learning_rate is {self.learning_rate}, with which the vectors of {len(tokens):,} "
                "words grow without bound; lower it"
            )
        with torch.no_grad():
            batch = next(iter(batches))
            scale = model.regions(batch)[batch.texts].square().mean().sqrt()
        return tokens, values / scale.clamp(min=1e-6).numpy()


class LitRegions(L.LightningModule):
    """Weighted least squares on the presence and absence of words beside a region.

    J = Σ_v a_v (1 - c - u · o_v)² over the words v of the target, + n Σ_v a_v times the mean of
    (c + u · o_k)² over drawn words k. Words are drawn as often as they count in targets; with no
    more to go by than that, c + u · o is 1 / (1 + n) for each of them.

    Args:
        weights: float32[V], a_v.
        dim: d.
        size: words of a region.
        negative_weight: n.
        learning_rate: that of the first step.
    """

    # The activation grows from small values; large ones of words not yet learnt would switch
    # most features off before they have learnt anything.
    _INITIAL = 0.01

    def __init__(
        self,
        weights: np.ndarray,
        dim: int,
        size: int,
        negative_weight: float,
        learning_rate: float,
    ) -> None:
        super().__init__()
        # A step touches few rows of the tables, so that sparse gradients are faster than dense.
        self.words = nn.Embedding(len(weights), dim, sparse=True)
        self.outputs = nn.Embedding(len(weights), dim, sparse=True)
        nn.init.normal_(self.words.weight, std=self._INITIAL)
        nn.init.normal_(self.outputs.weight, std=self._INITIAL)
        self.bias = nn.Parameter(torch.zeros(dim))
        self.constant = nn.Parameter(torch.tensor(1 / (1 + negative_weight)))
        self.size, self.negative_weight, self.learning_rate = size, negative_weight, learning_rate
        self.weights = torch.cat([torch.from_numpy(weights), torch.zeros(1)])
        self.region_band, self.target_band = bands(size)

    def regions(self, batch: RegionBatch) -> Tensor:
        """float[N, R, d] u of the regions around R = RUN positions of each of N windows."""
        vectors = self.words(batch.words) + self.bias / self.size
        return (self.region_band.to(vectors) @ in_windows(vectors, batch)).relu()

    def loss(self, batch: RegionBatch) -> Tensor:
        """J summed over the positions of a batch."""
        regions = self.regions(batch)
        outputs = in_windows(self.outputs(batch.words), batch)  # [N, R + 2 · reach, d]
        present = self.constant + regions @ outputs.transpose(1, 2)  # [N, R, R + 2 · reach]
        words = torch.cat([batch.words, batch.words.new_tensor([-1])])  # the last weight is 0
        weights = self.target_band * self.weights[words[batch.windows]][:, None]
        weights = (weights * batch.texts[:, :, None]).to(present)
        # A mean of squares of linear functions of u needs their moments alone, however many there
        # are: (c + u · o)² has the mean c² + 2c u · E[o] + uᵀ E[o oᵀ] u.
        drawn = self.outputs(batch.negatives)  # [K, d]
        moments = regions @ (drawn.T @ drawn / len(drawn)) + 2 * self.constant * drawn.mean(dim=0)
        absent = (regions * moments).sum(dim=2) + self.constant.square()  # [N, R]
        absent = self.negative_weight * weights.sum(dim=2) * absent
        return (weights * (1 - present).square()).sum() + absent.sum()

    def training_step(self, batch: RegionBatch, batch_idx: int) -> Tensor:
        return self.loss(batch)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return SparseAdam(self.parameters(), lr=self.learning_rate)

    def on_train_batch_start(self, batch: RegionBatch, batch_idx: int) -> None:
        """Set the learning rate."""
        for group in self.optimizers().param_groups:  # type: ignore[union-attr]
            group["lr"] = self.learning_rate * (1 - batch.read)

    def vectors(self) -> np.ndarray:
        """float32[V, d] vectors W + b / size."""
        vectors: np.ndarray = (self.words.weight + self.bias / self.size).detach().cpu().numpy()
        return vectors
