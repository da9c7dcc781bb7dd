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
_INFER_STEPS = 15  # the last ones move a vector by about a thousandth
_NOISE_POWER = 0.75
_LAST_STEP = 0.1  # share of the first step of n-grams in the last epoch


class CosineVectors:
    """Unit vectors θ_d of texts and θ_w of n-grams (Thongtan & Phienthrakul 2019).

    Maximises Σ_d Σ_{w ∈ d} [ln σ(α θ_d·θ_w) + k E_v ln σ(−α θ_d·θ_v)], where noise v is drawn with
    a probability ∝ (texts with v)^0.75 and an n-gram counts once in a text.

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
        self.noise = np.zeros(0, dtype=np.int64)  # n-grams that are noise in inference

    def fit(self, counts: sp.csr_matrix) -> None:
        """Learn the vectors of F n-grams from the n-grams of N texts, [N, F]."""
        generator = torch.Generator().manual_seed(self.seed)
        num_texts, num_ngrams = counts.shape
        ngrams = F.normalize(torch.randn(num_ngrams, self.dim, generator=generator))
        texts = torch.zeros(num_texts, self.dim)
        squares = torch.zeros(num_ngrams)  # sum of the squared gradients of each row
        drawn = np.bincount(counts.indices, minlength=num_ngrams) ** _NOISE_POWER
        shares = torch.from_numpy(np.cumsum(drawn / drawn.sum()))
        for epoch in range(self.epochs):
            progress = epoch / max(self.epochs - 1, 1)
            step = self.step * (1 - (1 - _LAST_STEP) * progress)
            for rows in torch.randperm(num_texts, generator=generator).split(_BATCH):
                points = torch.rand(_NOISE, dtype=torch.float64, generator=generator)
                batch = Pairs.of(counts[rows.numpy()], _at(shares, points))
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
        self.noise = _at(shares, middles).numpy()

    def moved_texts(self, batch: Pairs, texts: Tensor, ngrams: Tensor) -> Tensor:
        """float32[B, d] vectors of a batch, one step uphill.

        Args:
            batch: texts with their n-grams, and noise.
            texts: float32[B, d].
            ngrams: float32[U, d].
        """
        gradients = self.text_gradients(batch, texts, ngrams)
        rates = _TEXT_STEP / (self.alpha * batch.lengths().clamp(min=1))
        return F.normalize(texts + gradients * rates[:, None])

    def text_gradients(self, batch: Pairs, texts: Tensor, ngrams: Tensor) -> Tensor:
        """float32[B, d] α Σ_w [(1 − σ(α θ_d·θ_w)) θ_w − k E_v σ(α θ_d·θ_v) θ_v]; see `moved_texts`.

        The part along θ_d is included.
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
        """1 − σ(α cos) of the P pairs by n-gram; weighted σ(α cos) of texts and noise, [B, M]."""
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
        weights = self.negative * batch.lengths() / len(batch.noise)
        against = torch.sigmoid(self.alpha * (texts @ ngrams[batch.noise].T)) * weights[:, None]
        return torch.sigmoid(-self.alpha * cosines), against

    def infer(self, counts: sp.csr_matrix) -> np.ndarray:
        """float32[N, d] vectors of N texts, zero for a text without a known n-gram."""
        vectors = np.zeros((counts.shape[0], self.dim), dtype=np.float32)
        noise = self.ngrams[self.noise].astype(np.float32)
        for text, (start, end) in enumerate(zip(counts.indptr, counts.indptr[1:], strict=False)):
            if start < end:
                # One text at a time: a product's last digits depend on the number of its rows.
                ngrams = self.ngrams[counts.indices[start:end]].astype(np.float32)
                vectors[text] = self._infer(ngrams, noise)
        return vectors

    def _infer(self, ngrams: np.ndarray, noise: np.ndarray) -> np.ndarray:
        """float32[d] from float32[n, d] and float32[M, d]."""
        vector = np.zeros(self.dim, dtype=np.float32)
        for number in range(_INFER_STEPS):
            errors, against = (
                expit(-self.alpha * (ngrams @ vector)),
                expit(self.alpha * (noise @ vector)),
            )
            gradient = errors @ ngrams / len(ngrams) - self.negative / len(noise) * (
                against @ noise
            )
            vector = vector + _TEXT_STEP * (1 - number / _INFER_STEPS) * gradient
            vector /= max(float(np.linalg.norm(vector)), 1e-12)
        return vector

    def arrays(self) -> dict[str, np.ndarray]:
        """Arrays from which `load_arrays` restores `infer`."""
        return {"ngrams": self.ngrams, "noise": self.noise}

    def load_arrays(self, arrays: dict[str, np.ndarray]) -> None:
        """Restore from `arrays`."""
        self.ngrams, self.noise = arrays["ngrams"], arrays["noise"]


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
    """

    used: Tensor
    noise: Tensor
    ngrams_of_texts: Tensor
    text_starts: Tensor
    texts_of_ngrams: Tensor
    ngram_starts: Tensor
    places: Tensor

    @classmethod
    def of(cls, counts: sp.csr_matrix, noise: Tensor) -> Pairs:
        """Pairs of the n-grams of B texts, [B, F], and the noise among all n-grams, int64[M]."""
        size = len(counts.indices)
        columns = torch.from_numpy(counts.indices.astype(np.int64))
        used, numbers = torch.unique(torch.cat([columns, noise]), return_inverse=True)
        shape = (counts.shape[0], len(used))
        by_text = sp.csr_matrix((np.arange(size), numbers[:size].numpy(), counts.indptr), shape)
        by_ngram = by_text.tocsc()
        return cls(
            used,
            numbers[size:],
            numbers[:size],
            torch.from_numpy(counts.indptr.astype(np.int64)),
            torch.from_numpy(by_ngram.indices.astype(np.int64)),
            torch.from_numpy(by_ngram.indptr.astype(np.int64)),
            torch.from_numpy(by_ngram.data),
        )

    def lengths(self) -> Tensor:
        """float32[B], number of n-grams of each text."""
        return self.text_starts.diff().float()


def tangent(gradients: Tensor, vectors: Tensor) -> Tensor:
    """float32[U, d] gradients without their parts along unit vectors."""
    return gradients - (gradients * vectors).sum(dim=1, keepdim=True) * vectors


def _at(shares: Tensor, points: Tensor) -> Tensor:
    """int64[M], number of the n-gram whose part of the cumulated shares includes each point."""
    return torch.searchsorted(shares, points, right=True).clamp(max=len(shares) - 1)
