"""The table of smoothings: its lines, on texts of a chain, and its place in a document."""

from __future__ import annotations

import re

import numpy as np
import pytest

from datamodules.language import HeldOut, LanguageData
from datamodules.store.ragged import Ragged
from datamodules.store.train_view import TrainView
from experiments.language.smoothing import measure, report
from experiments.machine.marked import fill
from lit_models.language.backoff import Backoff
from lit_models.language.ngram_counts import Symbols


def chain(count: int, seed: int) -> Ragged:
    """Texts of 12 words; most words are followed by one other."""
    rng = np.random.default_rng(seed)
    words = np.zeros((count, 12), dtype=np.int32)
    for row in words:
        row[0] = rng.integers(2, 20)
        for at in range(1, 12):
            row[at] = (7 * row[at - 1]) % 18 + 2 if rng.random() < 0.7 else rng.integers(2, 20)
    return Ragged(words.ravel(), np.arange(0, 12 * count + 1, 12))


class Texts(LanguageData):
    """300 texts of a chain to learn from, and 40 held out, of 60 characters each."""

    held_out = HeldOut("unlabelled", np.arange(40))

    def __init__(self) -> None:
        """Without a corpus."""

    def train_texts(self) -> Ragged:
        return chain(300, 0)

    def held_out_texts(self) -> Ragged:
        return chain(40, 1)

    def characters(self, part: str) -> np.ndarray:
        return np.full(40, 60)

    def train_view(self) -> TrainView:
        vocabulary = [str(number) for number in range(20)]
        return TrainView(vocabulary, self.train_texts(), np.zeros(300), None, 0, 0, 1)


TEXTS = Texts()


def test_figures_are_those_of_the_models() -> None:
    results = {(one.smoothing, one.order): one for one in measure(TEXTS, 2)[1]}
    assert len(results) == 14
    model = Backoff.fit(TEXTS.train_texts(), 2, Symbols(20), "katz")
    losses = -model.score(TEXTS.held_out_texts()).values
    assert len(losses) == 40 * 13  # 12 words and the end
    found = results["katz", 2]
    assert found.perplexity == pytest.approx(np.exp(losses.mean()))
    assert found.bits == pytest.approx(losses.sum() / np.log(2) / 2400)
    assert found.size == model.size
    best = min(results.values(), key=lambda one: one.perplexity)
    assert best.order == 2 and best.perplexity < 8 < results["katz", 1].perplexity


def test_the_table_has_a_line_for_each_model_and_says_what_was_counted() -> None:
    lines = list(report(TEXTS, 2))
    assert lines[0].startswith("300 texts of 3,600 words to learn from, 20 words in the vocabulary")
    assert "40 texts (unlabelled) of 480 words are held out" in lines[0]
    rows = [line for line in lines if line.startswith("| ") and "order" not in line]
    assert len(rows) == 14 and rows[-1].startswith("| modified Kneser–Ney | 2 | ")
    assert all(
        re.fullmatch(r"\| [^|]+ \| \d \| [\d.,∞]+ \| [\d.∞]+ \| [\d.]+ \| [\d,]+ \|", row)
        for row in rows
    )


def test_a_document_keeps_what_is_around_its_marks() -> None:
    text = "a\n<!-- one -->\nold\n<!-- /one -->\nb <!-- two -->\n\n<!-- /two -->"
    assert fill(text, "one", "new") == text.replace("\nold\n", "\n\nnew\n\n")
    with pytest.raises(ValueError, match="the document lacks <!-- three --> … <!-- /three -->"):
        fill(text, "three", "new")
