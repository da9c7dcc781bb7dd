"""Sign-flip test of two single runs, exact."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def sign_flip(gaps: NDArray[np.floating]) -> float:
    """Two-sided p-value of two equally good runs, by flipping the sign of each group (Fisher 1935).

    In each group one run has d right answers more than the other. If the two are equally good, -d
    was as likely. p is the share of all 2^G choices of signs whose sum is at least as far from 0 as
    the one observed. With each row alone this is McNemar's exact test.

    The share is exact and not drawn at random: the sums are whole numbers, so that their
    distribution follows from its characteristic function, the product of cos(d·x), by one Fourier
    transform. p-values far below 0.05 / number of pairs are right to about 1e-12.

    Args:
        gaps: float[G], whole numbers: right answers of one run minus those of the other by group.
    """
    sizes, counts = np.unique(np.abs(np.rint(gaps).astype(np.int64)), return_counts=True)
    largest = int((sizes * counts).sum())
    if largest == 0:
        return 1.0
    points = 2 * largest + 2  # more than there are sums, from -largest to largest
    angles = np.pi * np.arange(largest + 2) / (largest + 1)  # half the circle: the product is even
    product = np.ones(len(angles))
    for size, number in sorted(zip(sizes, counts, strict=True), key=lambda pair: -pair[1]):
        (left,) = np.nonzero(np.abs(product) > 1e-20)  # elsewhere it adds nothing
        product[left] *= np.cos(size * angles[left]) ** number
    probabilities = np.fft.irfft(product, points)
    sums = np.arange(points)
    distance = np.minimum(sums, points - sums)
    p = probabilities[distance >= abs(round(float(gaps.sum())))].sum()
    return float(np.clip(p, 0.0, 1.0))
