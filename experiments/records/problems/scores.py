"""Scores: the log-probability that a language model gives to each text of one split."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from experiments.records.problems.language_metrics import LanguageMetrics, evaluate_scores
from experiments.records.problems.outputs import Outputs, check_ids
from experiments.records.row import ResultsError

COLUMNS = ("id", "log_probability", "symbols", "characters")

MOST = 2**40
"""Largest number of symbols or characters of a text, so that sums are exact."""
_LARGEST_LOSS = 700.0  # exp of a larger one is infinite


@dataclass(frozen=True, eq=False)
class Scores(Outputs):
    """Log-probabilities of texts.

    Attributes:
        ids: int64[N], row numbers in the split's fixed order; each once, not negative.
        log_probabilities: float32 or float64 [N], ln p of all symbols of a text, its end included.
        symbols: int64[N], number of these symbols, each from 1 to `MOST`.
        characters: int64[N], number of characters of a text, each from 1 to `MOST`.
        groups: As in `Outputs`.

    Raises:
        ResultsError: Shapes, types or values that do not fit.
    """

    ids: NDArray[np.int64]
    log_probabilities: NDArray[np.floating]
    symbols: NDArray[np.int64]
    characters: NDArray[np.int64]
    groups: NDArray[np.int64] | None = None

    def __post_init__(self) -> None:
        check_ids(self.ids, self.groups)
        if self.log_probabilities.dtype not in (np.float32, np.float64):
            raise ResultsError(
                f"log-probabilities have dtype {self.log_probabilities.dtype}; convert them to "
                "float32"
            )
        for name in ("log_probabilities", "symbols", "characters"):
            values = getattr(self, name)
            if values.shape != self.ids.shape:
                raise ResultsError(f"{name} have shape {values.shape}, ids {self.ids.shape}")
        for name in ("symbols", "characters"):
            values = getattr(self, name)
            fits = not len(values) or (values.min() >= 1 and values.max() <= MOST)
            if values.dtype != np.int64 or not fits:
                raise ResultsError(f"{name} must be int64 of at least 1, at most {MOST:,} a text")
        wrong = ~(self.log_probabilities <= 0)
        if wrong.any():
            row = int(wrong.argmax())
            raise ResultsError(
                f"text {self.ids[row]} has the log-probability {self.log_probabilities[row]}; it "
                "must be 0 or below, and not NaN (did training diverge?)"
            )

    def evaluate(self, threshold: float | None = None) -> LanguageMetrics:
        """Perplexity and bits for a character; there is no threshold.

        Raises:
            ResultsError: The perplexity is infinite, or too large for a number.
        """
        if not len(self.ids):
            raise ValueError("0 texts were given; metrics need at least 1")
        if impossible := int(np.isneginf(self.log_probabilities).sum()):
            raise ResultsError(
                f"{impossible:,} of {len(self.ids):,} texts have probability 0, so that the "
                "perplexity is infinite; use a model that gives every word a probability, such as "
                "--model.smoothing modified_kneser_ney"
            )
        with np.errstate(over="ignore"):
            total = float(self.log_probabilities.astype(np.float64).sum())
        sizes = (len(self.ids), int(self.symbols.sum()), int(self.characters.sum()))
        if (loss := -total / sizes[1]) > _LARGEST_LOSS:
            raise ResultsError(
                f"the mean loss of a symbol is {loss:.3g} nats, and exp of more than "
                f"{_LARGEST_LOSS:.0f} is no number; training diverged, so lower the learning rate"
            )
        return evaluate_scores(total, *sizes)

    def columns(self) -> dict[str, NDArray]:
        """`id, log_probability, symbols, characters`."""
        values = (self.ids, self.log_probabilities, self.symbols, self.characters)
        return dict(zip(COLUMNS, values, strict=True))

    @classmethod
    def from_columns(cls, columns: Mapping[str, NDArray], groups: NDArray[np.int64] | None) -> Self:
        """Scores of the columns of a file."""
        if tuple(columns) != COLUMNS:
            raise ResultsError(f"columns are {list(columns)}; they must be {list(COLUMNS)}")
        ids, log_probabilities, symbols, characters = columns.values()
        return cls(ids, log_probabilities, symbols, characters, groups)
