"""Occlusion: by how much the score falls when a token is removed."""

from __future__ import annotations

import numpy as np

from datamodules.store.truncation import TokenTruncation
from experiments.explaining.explanation import Attribution
from experiments.explaining.score import scores
from lit_models.base.classifier import LitClassifier

_TOKENS = 2**22  # read for one text at most, as far as it has few parts
_FEWEST_PARTS = 64


def occlude(
    model: LitClassifier, row: np.ndarray, label: int, truncation: TokenTruncation
) -> Attribution:
    """Remove each token in turn (Li, Monroe & Jurafsky 2016, "Understanding Neural Networks…").

    Special tokens stay and contribute nothing. Of a row of more than 2,048 tokens, neighbouring
    tokens are removed together and share the difference equally, so that the work is bounded. Of
    the only token, an unknown one remains.

    Args:
        model: In evaluation mode.
        row: int64[T] token ids.
        label: Class whose score is explained.
        truncation: Special tokens, padding and the unknown token.
    """
    places = np.arange(truncation.prefix, len(row) - truncation.suffix)
    count = min(len(places), max(_FEWEST_PARTS, _TOKENS // max(len(row), 1)))
    contributions = np.zeros(len(row))
    parts = np.array_split(places, count) if count else []
    variants = [without(row, part, truncation.unk_id) for part in parts]
    whole, *others = scores(model, [row, *variants], truncation.pad_id, label)
    for part, score in zip(parts, others, strict=True):
        contributions[part] = (whole - score) / len(part)
    return Attribution(contributions, float(whole))


def without(row: np.ndarray, places: np.ndarray, unk_id: int) -> np.ndarray:
    """Row without the tokens at some places; an unknown token if none is left."""
    left = np.delete(row, places)
    return left if len(left) else np.array([unk_id], dtype=row.dtype)
