"""The table of smoothings: its lines, on texts of a chain, and its place in a document."""

from __future__ import annotations

import re

import numpy as np
import pytest

from datamodules.language import HeldOut, LanguageData
from datamodules.store.ragged import Ragged
from datamodules.store.train_view import TrainView
from experiments.language.smoothing import measure, report
from experiments.language.unseen import Example, examples
from experiments.machine.marked import fill
from lit_models.language.backoff import Backoff
from lit_models.language.ngram_counts import Symbols, count_ngrams


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

    held_out = HeldOut("unlabelled", np.arange(40), np.arange(40))

    def __init__(self) -> None:
        """Without a corpus."""

    def train_texts(self) -> Ragged:
        return chain(300, 0)

    def held_out_texts(self) -> Ragged:
        return chain(40, 1)

    def characters(self, part: str) -> np.ndarray:
        return np.full(40, 60)

    def train_view(self) -> TrainView:
        vocabulary = ["<pad>", "<unk>", *"abcdefghijklmnopqr"]
        return TrainView(vocabulary, self.train_texts(), np.zeros(300), None, 0, 0, 1)


TEXTS = Texts()


def test_figures_are_those_of_the_models() -> None:
    results = {(one.smoothing, one.order): one for one in measure(TEXTS, 2).results}
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


def test_examples_are_held_out_trigrams_by_what_was_learnt() -> None:
    symbols = Symbols(8)

    def texts(*rows: list[int]) -> Ragged:
        return Ragged(np.array(sum(rows, []), dtype=np.int32), np.cumsum([0, *map(len, rows)]))

    orders = count_ngrams(texts([2, 3, 4], [2, 3, 4], [2, 3, 5], [6, 7, 5], [6, 1, 4]), 3, symbols)
    held_out = texts([2, 3, 4, 3, 5], [2, 3, 5], [6, 7, 4], [6, 1, 3], [2, 3, 6])
    words = np.arange(8) >= 2
    assert examples(orders, held_out, symbols, words) == [
        Example((2, 3, 4), 3, 2),
        Example((2, 3, 6), 3, 0),  # its context is more frequent than that of (6, 7, 4)
        Example((4, 3, 5), 0, 0),  # its last word is the most frequent, 5
    ]
    assert [one.seen for one in examples(orders, texts([2, 3, 5]), symbols, words)] == [1]


def test_only_maximum_likelihood_gives_an_unseen_trigram_nothing() -> None:
    measured = measure(TEXTS, 3)
    assert [bool(one.seen) for one in measured.examples][:2] == [True, False]
    of_order_3 = {one.smoothing: one.unseen for one in measured.results if one.order == 3}
    assert len(of_order_3) == 7
    for smoothing, unseen in of_order_3.items():
        assert (unseen[1] == 0) == (smoothing == "maximum_likelihood") and unseen[0] > 0
    lines = list(report(TEXTS, 3))
    at = lines.index("Probability of a word after two others, by models of order 3:")
    assert lines[at + 2].startswith("|  | `") and len(lines[at + 5 :]) == 7
