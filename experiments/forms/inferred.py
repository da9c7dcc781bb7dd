"""Text vectors that are inferred in a fixed number of steps, unrolled into one graph."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from experiments.forms.sums import Table
from lit_models.classics.cosine_vectors import INFER_STEPS, CosineVectors


class CosineVector(nn.Module):
    """A linear map of the vector of a text, inferred as `CosineVectors.infer` does.

    The steps are in fp32, as there. All texts of a batch take them together.

    Args:
        vectors: Fitted vectors of n-grams.
        matrix: float64[K, d].
    """

    noise: Tensor
    matrix: Tensor

    def __init__(self, vectors: CosineVectors, matrix: np.ndarray) -> None:
        super().__init__()
        self.alpha, self.negative = vectors.alpha, vectors.negative
        self.ngrams = Table(vectors.ngrams)  # fp16, as a run has them
        self.weights = Table(vectors.weights[:, None])
        self.register_buffer("noise", torch.from_numpy(vectors.noise))
        self.register_buffer("matrix", torch.from_numpy(matrix))

    def forward(self, items: Tensor, counts: Tensor) -> Tensor:
        """float[B, K] in the dtype of `counts`.

        Args:
            items: int64[B, W], each n-gram of a text once.
            counts: float[B, W], 0 past the n-grams of a text.
        """
        present = counts > 0
        weights = torch.where(present, self.weights(items).squeeze(2), 0.0)
        weights = weights / weights.sum(dim=1, keepdim=True).clamp(min=1e-12)
        ngrams, noise = self.ngrams(items).float(), self.ngrams(self.noise).float()
        share = self.negative / self.noise.shape[0]
        vectors = ngrams.new_zeros(items.shape[0], ngrams.shape[2])  # [B, d]
        for step in INFER_STEPS:
            cosines = torch.matmul(ngrams, vectors[:, :, None]).squeeze(2)  # [B, W]
            errors = weights * torch.sigmoid(-self.alpha * cosines)
            against = share * torch.sigmoid(self.alpha * (vectors @ noise.T))  # [B, M]
            towards = torch.matmul(errors[:, None], ngrams).squeeze(1)  # [B, d]
            vectors = F.normalize(vectors + step * (towards - against @ noise))
        # A text without a known n-gram has the zero vector.
        vectors = vectors * present.any(dim=1, keepdim=True)
        return F.linear(vectors.to(counts.dtype), self.matrix.to(counts.dtype))
