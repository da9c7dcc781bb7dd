"""CosineVectors: vectors of texts and of their n-grams, trained by the cosine between them."""

from __future__ import annotations

import warnings
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
import torch
from scipy.special import expit
from torch import Tensor
from torch.nn import functional as F

_NOISE, _FIXED_NOISE = 2048, 1024  # noise n-grams of a batch, and of inference
_BATCH = 512
_TEXT_STEP = 3.0  # of a text's vector; with 10 it swings between two places
_NOISE_POWER = 0.75
_LAST_STEP = 0.1  # share of the first step of n-grams in the last epoch

INFER_STEPS = tuple(_TEXT_STEP * (1 - number / 15) for number in range(15))
"""Steps of inference. The last ones move a vector by about a thousandth."""


class CosineVectors:
    """Unit vectors θ_d of texts and θ_w of n-grams (Thongtan & Phienthrakul 2019).

    Maximises Σ_d Σ_{w ∈ d} u_w [ln σ(α θ_d·θ_w) + k E_v ln σ(−α θ_d·θ_v)], where an n-gram counts
    once in a text, u_w is its weight, and noise v is drawn with a probability ∝ (u_v · number of
    texts with v)^0.75. A weight has the expected effect of dropping an n-gram with probability
    1 − u_w in every epoch.

    Differences from the paper, whose steps are single pairs of an n-gram and a text:

    - Steps are batches of texts. A batch shares its noise, which is weighted so that it counts as k
      n-grams for each n-gram of a text, and so is one product of matrices. That takes as long as
      the positives do; apart, k n-grams for each positive would take k times as long.
    - Vectors stay on the sphere, on which the cosine alone decides. Their gradients are tangents.
    - Steps of n-grams are scaled by row as AdaGrad does, since an n-gram may occur 10 or 50,000
      times.

    The vector of another text is inferred with those of n-grams fixed: steps uphill from the zero
    vector against noise that is the same for every text. It depends on nothing but the text.

    Args:
        dim: d, width of a vector.
        alpha: α.
        negative: k.
        epochs: passes over the texts.
        step: first step of n-grams, falling linearly to a tenth.
        seed: random seed.
    """

    def __init__(
        self, dim: int, alpha: float, negative: float, epochs: int, step: float, seed: int
    ) -> None:
        self.dim, self.alpha, self.negative = dim, alpha, negative
        self.epochs, self.step, self.seed = epochs, step, seed
        self.ngrams = np.zeros((0, dim), dtype=np.float16)  # θ_w, as saved
        self.weights = np.zeros(0, dtype=np.float32)  # u_w
        self.noise = np.zeros(0, dtype=np.int64)  # n-grams that are noise in inference

    def fit(self, counts: sp.csr_matrix, weights: np.ndarray) -> None:
        """Learn the vectors of F n-grams.

        Args:
            counts: [N, F], n-grams of N texts.
            weights: float32[F] u_w.
        """
        self.weights = weights.astype(np.float32)
        generator = torch.Generator().manual_seed(self.seed)
        num_texts, num_ngrams = counts.shape
        ngrams = F.normalize(torch.randn(num_ngrams, self.dim, generator=generator))
        texts = torch.zeros(num_texts, self.dim)
        squares = torch.zeros(num_ngrams)  # sum of the squared gradients of each row
        all_weights = torch.from_numpy(self.weights)
        frequencies = np.bincount(counts.indices, minlength=num_ngrams) * weights
        sums = torch.from_numpy(np.cumsum(frequencies.astype(np.float64) ** _NOISE_POWER))
        for epoch in range(self.epochs):
            progress = epoch / max(self.epochs - 1, 1)
            step = self.step * (1 - (1 - _LAST_STEP) * progress)
            for rows in torch.randperm(num_texts, generator=generator).split(_BATCH):
                points = torch.rand(_NOISE, dtype=torch.float64, generator=generator)
                batch = Pairs.of(counts[rows.numpy()], _at(sums, points), all_weights)
                used = ngrams[batch.used]
                moved = self.moved_texts(batch, texts[rows], used)
                texts[rows] = moved
                gradients = tangent(self.ngram_gradients(batch, moved, used), used)
                squares[batch.used] += gradients.square().sum(dim=1)
                rates = step / squares[batch.used].sqrt().clamp(min=1e-8)
                ngrams[batch.used] = F.normalize(used.addcmul_(gradients, rates[:, None]))
        # What inference uses is what is saved.
        self.ngrams = ngrams.half().numpy()
        middles = (torch.arange(_FIXED_NOISE, dtype=torch.float64) + 0.5) / _FIXED_NOISE
        self.noise = _at(sums, middles).numpy()

    def moved_texts(self, batch: Pairs, texts: Tensor, ngrams: Tensor) -> Tensor:
        """float32[B, d] vectors of a batch, one step uphill.

        Args:
            batch: texts with their n-grams, and noise.
            texts: float32[B, d].
            ngrams: float32[U, d].
        """
        gradients = self.text_gradients(batch, texts, ngrams)
        rates = _TEXT_STEP / (self.alpha * batch.totals.clamp(min=1e-8))
        return F.normalize(texts + gradients * rates[:, None])

    def text_gradients(self, batch: Pairs, texts: Tensor, ngrams: Tensor) -> Tensor:
        """float32[B, d] α Σ_w u_w [(1 − σ(α θ_d·θ_w)) θ_w − k E_v σ(α θ_d·θ_v) θ_v].

        The part along θ_d is included; arguments as of `moved_texts`.
        """
        errors, noise_errors = self._errors(batch, texts, ngrams)
        in_text_order = torch.empty_like(errors)
        in_text_order[batch.places] = errors
        gradients = F.embedding_bag(
            batch.ngrams_of_texts,
            ngrams,
            batch.text_starts[:-1],
            mode="sum",
            per_sample_weights=in_text_order,
        )
        return self.alpha * (gradients - noise_errors @ ngrams[batch.noise])

    def ngram_gradients(self, batch: Pairs, texts: Tensor, ngrams: Tensor) -> Tensor:
        """float32[U, d] gradients of n-grams, the parts along θ_w included; see `moved_texts`."""
        errors, noise_errors = self._errors(batch, texts, ngrams)
        gradients = F.embedding_bag(
            batch.texts_of_ngrams,
            texts,
            batch.ngram_starts[:-1],
            mode="sum",
            per_sample_weights=errors,
        )
        return self.alpha * gradients.index_add_(0, batch.noise, noise_errors.T @ texts, alpha=-1)

    def _errors(self, batch: Pairs, texts: Tensor, ngrams: Tensor) -> tuple[Tensor, Tensor]:
        """Weighted 1 − σ(α cos) of P pairs by n-gram, and σ(α cos) of texts and noise, [B, M]."""
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Sparse CSR tensor support is in beta")
            places = torch.sparse_csr_tensor(
                batch.ngram_starts,
                batch.texts_of_ngrams,
                torch.zeros(len(batch.texts_of_ngrams)),
                (len(ngrams), len(texts)),
                check_invariants=False,
            )
            cosines = torch.sparse.sampled_addmm(places, ngrams, texts.T, beta=0.0).values()
        shares = self.negative * batch.totals / len(batch.noise)
        against = torch.sigmoid(self.alpha * (texts @ ngrams[batch.noise].T)) * shares[:, None]
        return torch.sigmoid(-self.alpha * cosines) * batch.weights, against

    def infer(self, counts: sp.csr_matrix) -> np.ndarray:
        """float32[N, d] vectors of N texts, zero for a text without a known n-gram."""
        vectors = np.zeros((counts.shape[0], self.dim), dtype=np.float32)
        noise = self.ngrams[self.noise].astype(np.float32)
        for text, (start, end) in enumerate(zip(counts.indptr, counts.indptr[1:], strict=False)):
            if start < end:
                # One text at a time: a product's last digits depend on the number of its rows.
                columns = counts.indices[start:end]
                ngrams, weights = self.ngrams[columns].astype(np.float32), self.weights[columns]
                vectors[text] = self._infer(ngrams, weights / weights.sum(), noise)
        return vectors

    def _infer(self, ngrams: np.ndarray, weights: np.ndarray, noise: np.ndarray) -> np.ndarray:
        """float32[d] from float32[n, d], their weights float32[n] of sum 1, and float32[M, d]."""
        vector = np.zeros(self.dim, dtype=np.float32)
        for step in INFER_STEPS:
            errors = weights * expit(-self.alpha * (ngrams @ vector))
            against = self.negative / len(noise) * expit(self.alpha * (noise @ vector))
            vector = vector + step * (errors @ ngrams - against @ noise)
            vector /= max(float(np.linalg.norm(vector)), 1e-12)
        return vector

    def arrays(self) -> dict[str, np.ndarray]:
        """Arrays from which `load_arrays` restores `infer`."""
        return {"ngrams": self.ngrams, "weights": self.weights, "noise": self.noise}

    def load_arrays(self, arrays: dict[str, np.ndarray]) -> None:
        """Restore from `arrays`."""
        self.ngrams, self.weights = arrays["ngrams"], arrays["weights"]
        self.noise = arrays["noise"]


class Pairs(NamedTuple):
    """Texts of a batch with their n-grams, P pairs, in both orders, and noise.

    Attributes:
        used: int64[U], n-grams of the batch, ascending; the others are numbers of these.
        noise: int64[M] noise.
        ngrams_of_texts: int64[P], by text.
        text_starts: int64[B + 1], first pair of each text.
        texts_of_ngrams: int64[P], by n-gram.
        ngram_starts: int64[U + 1], first pair of each n-gram.
        places: int64[P], place in the order by text of each pair in the order by n-gram.
        weights: float32[P], by n-gram.
        totals: float32[B], sum of the weights of each text.
    """

    used: Tensor
    noise: Tensor
    ngrams_of_texts: Tensor
    text_starts: Tensor
    texts_of_ngrams: Tensor
    ngram_starts: Tensor
    places: Tensor
    weights: Tensor
    totals: Tensor

    @classmethod
    def of(cls, counts: sp.csr_matrix, noise: Tensor, weights: Tensor) -> Pairs:
        """Pairs of a batch.

        Args:
            counts: [B, F], n-grams of B texts.
            noise: int64[M], noise among all n-grams.
            weights: float32[F], weights of all n-grams.
        """
        size = len(counts.indices)
        columns = torch.from_numpy(counts.indices.astype(np.int64))
        used, numbers = torch.unique(torch.cat([columns, noise]), return_inverse=True)
        shape = (counts.shape[0], len(used))
        by_text = sp.csr_matrix((np.arange(size), numbers[:size].numpy(), counts.indptr), shape)
        by_ngram = by_text.tocsc()
        texts = torch.from_numpy(by_ngram.indices.astype(np.int64))
        starts = torch.from_numpy(by_ngram.indptr.astype(np.int64))
        of_pairs = weights[used].repeat_interleave(starts.diff())
        return cls(
            used,
            numbers[size:],
            numbers[:size],
            torch.from_numpy(counts.indptr.astype(np.int64)),
            texts,
            starts,
            torch.from_numpy(by_ngram.data),
            of_pairs,
            torch.zeros(len(counts.indptr) - 1).index_add_(0, texts, of_pairs),
        )


def tangent(gradients: Tensor, vectors: Tensor) -> Tensor:
    """float32[U, d] gradients without their parts along unit vectors."""
    return gradients - (gradients * vectors).sum(dim=1, keepdim=True) * vectors


def _at(sums: Tensor, points: Tensor) -> Tensor:
    """int64[M], number of the n-gram whose part of the cumulated sums includes each point."""
    return torch.searchsorted(sums, points * sums[-1], right=True).clamp(max=len(sums) - 1)
