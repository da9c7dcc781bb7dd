"""Strings of CTC (Graves et al. 2006): their probability, the most probable path, prefix beam.

A path has one symbol a frame, 0 the blank. Its string is what is left when repeated symbols are
merged and then blanks removed; p(string) is the sum of the probabilities of all its paths.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

BLANK = 0


def collapse(path: Sequence[int]) -> tuple[int, ...]:
    """String of a path."""
    before = [BLANK, *path]
    return tuple(
        symbol for symbol, last in zip(path, before, strict=False) if symbol not in (BLANK, last)
    )


def frames_needed(symbols: Tensor, lengths: Tensor) -> Tensor:
    """int64[B] fewest frames of paths for strings: a blank parts two equal symbols.

    Args:
        symbols: int64[B, T].
        lengths: int64[B].
    """
    inside = torch.arange(1, symbols.shape[1], device=symbols.device) < lengths[:, None]
    repeated = (symbols[:, 1:] == symbols[:, :-1]) & inside
    return lengths + repeated.sum(dim=1)


def log_probabilities(frames: Tensor, counts: Tensor, symbols: Tensor, lengths: Tensor) -> Tensor:
    """float[B] ln p of strings by the forward algorithm; -inf where the frames do not suffice.

    Args:
        frames: float[B, F, P + 1], ln p of each symbol at each frame.
        counts: int64[B], number of frames of each row.
        symbols: int64[B, T], T at least 1.
        lengths: int64[B], number of symbols of each row; 0 is possible.
    """
    losses = F.ctc_loss(
        frames.transpose(0, 1), symbols, counts, lengths, blank=BLANK, reduction="none"
    )
    return -losses


def best_path(frames: np.ndarray, longest: int) -> tuple[int, ...]:
    """String of the most probable path, cut to `longest` symbols, from float[F, P + 1] ln p."""
    return collapse(frames.argmax(axis=1).tolist())[:longest]


def prefix_beam(
    frames: np.ndarray, width: int, longest: int
) -> list[tuple[tuple[int, ...], float]]:
    """Find probable strings, frame by frame (Hannun et al. 2014, without a language model).

    For each beginning of a string, p of the paths that end with a blank and of those that do not
    are kept apart: a symbol that is equal to the last one begins anew after a blank only. With a
    width of at least the number of strings all are found, with their exact probabilities; otherwise
    the paths through beginnings that were given up are missing from them.

    Args:
        frames: float64[F, P + 1], ln p of each symbol at each frame.
        width: number of beginnings that are carried on.
        longest: largest number of symbols.

    Returns:
        At most `width` strings of a probability above 0, and ln p of the paths that were followed;
        the best first.
    """
    prefixes: list[tuple[int, ...]] = [()]
    blank, other = np.zeros(1), np.full(1, -np.inf)  # [K] ln p of the two kinds of paths
    for frame in frames:
        last = np.array([prefix[-1] if prefix else BLANK for prefix in prefixes])
        total = np.logaddexp(blank, other)
        longer = total[:, None] + frame  # [K, P + 1] of the beginnings with one symbol more
        rows = np.arange(len(prefixes))
        longer[rows, last] = blank + frame[last]
        longer[:, BLANK] = -np.inf
        longer[[len(prefix) == longest for prefix in prefixes]] = -np.inf
        stays = np.where(last == BLANK, -np.inf, other + frame[last])
        place = {prefix: row for row, prefix in enumerate(prefixes)}
        for row, prefix in enumerate(prefixes):
            parent = place.get(prefix[:-1]) if prefix else None
            if parent is not None:  # it is carried on already, and the two are one string
                stays[row] = np.logaddexp(stays[row], longer[parent, prefix[-1]])
                longer[parent, prefix[-1]] = -np.inf
        blank, other = total + frame[BLANK], stays
        scores = np.concatenate([np.logaddexp(blank, other), longer.ravel()])
        best = np.argsort(-scores, kind="stable")[:width]
        best = best[scores[best] > -np.inf]
        old, new = best[best < len(prefixes)], best[best >= len(prefixes)] - len(prefixes)
        parents, symbols = np.divmod(new, frame.size)
        grown = [(*prefixes[p], int(s)) for p, s in zip(parents, symbols, strict=True)]
        prefixes = [*(prefixes[row] for row in old), *grown]
        blank = np.concatenate([blank[old], np.full(len(new), -np.inf)])
        other = np.concatenate([other[old], longer.ravel()[new]])
    totals = np.logaddexp(blank, other)
    order = np.argsort(-totals, kind="stable")
    return [(prefixes[row], float(totals[row])) for row in order]
