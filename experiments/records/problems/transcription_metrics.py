"""Metrics of transcription: error rates of symbols and of whole strings."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class TranscriptionMetrics:
    """Quality of the strings that a model wrote for the texts of one split.

    For pronunciations a symbol is a phone and a string a word, and the rates are the phone error
    rate (PER) and the word error rate (WER). Of several right answers the nearest counts.

    Attributes:
        symbol_error_rate: Fewest insertions, deletions and substitutions of symbols that lead from
            what was written to the right answer, over all texts, per symbol of the right answers.
            It can be above 1.
        string_error_rate: Share of texts for which no right answer was written.
        n: Number of texts.
        symbols: Number of symbols of the right answers.
    """

    symbol_error_rate: float
    string_error_rate: float
    n: int
    symbols: int

    @property
    def scores(self) -> dict[str, float | None]:
        """Figures by name, and the share of texts with a right answer."""
        return {**vars(self), "accuracy": 1 - self.string_error_rate}

    @property
    def headline(self) -> str:
        """The main figures in words."""
        return f"error rates {self.symbol_error_rate:.2%} and {self.string_error_rate:.2%}"
