"""Answers, flips and changes, on models whose behaviour is known by construction."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from datamodules.errors import DataError
from experiments import load_run
from experiments.config.registry import ConfigError
from experiments.explaining.explanation import Explanation, TokenContribution
from experiments.inference.loaded_run import Predictions
from experiments.playground.answers import (
    Change,
    answer,
    changes,
    check_classes,
    disagreement,
    flip,
    log_odds,
)

WEIGHTS = {"good": 3.0, "fine": 2.0, "nice": 1.0, "bad": -2.5}


class Weighted:
    """A run whose log-odds of `pos` are the sum of the weights of words, less 0.5."""

    label_names = ("neg", "pos")

    def predict(self, texts: Sequence[str]) -> Predictions:
        scores = np.array([self.score(text) for text in texts])
        p = 1 / (1 + np.exp(-scores))
        labels = [self.label_names[int(score > 0)] for score in scores]
        reasons = [None] * len(labels)
        return Predictions(texts, list(labels), np.stack([1 - p, p], 1), self.label_names, reasons)

    @staticmethod
    def score(text: str) -> float:
        return sum(WEIGHTS.get(word, 0.0) for word in text.replace(".", "").split()) - 0.5

    def explain(self, text: str) -> Explanation:
        sign = 1 if self.score(text) > 0 else -1
        tokens, at = [], 0
        for word in text.split():
            start = text.index(word, at)
            at = start + len(word)
            value = sign * WEIGHTS.get(word.strip("."), 0.0)
            tokens.append(TokenContribution(word, start, at, value))
        return Explanation(text, "pos" if sign > 0 else "neg", 0.9, "exact", tokens)


def flipped(text: str) -> tuple[list[str], Any]:
    run: Any = Weighted()
    found = flip(run, run.explain(text))
    return [text[start:end] for start, end in found.words], found


def test_one_word_is_found_where_it_is_enough() -> None:
    words, found = flipped("a nice film that is bad")
    assert words == ["bad"] and found.smallest and found.after == "pos"
    assert found.probability == pytest.approx(1 / (1 + math.exp(-0.5)))


def test_no_deleted_word_can_be_put_back() -> None:
    text = "good and fine and nice and nice but bad"
    words, found = flipped(text)
    assert words == ["good", "fine"] and not found.smallest
    assert found.before == "pos" and found.after == "neg"
    left = text.replace("good", "").replace("fine", "")
    assert Weighted.score(left) < 0
    for word in words:
        kept = text
        for other in words:
            kept = kept if other == word else kept.replace(other, "")
        assert Weighted.score(kept) > 0


def test_a_word_whose_deletion_was_not_needed_is_put_back() -> None:
    class Misled(Weighted):
        """Its explanation says that `film` matters most."""

        def explain(self, text: str) -> Explanation:
            right = super().explain(text)
            tokens = [
                replace(t, contribution=9.0) if t.token == "film" else t for t in right.tokens
            ]
            return replace(right, tokens=tokens)

    run: Any = Misled()
    text = "good and fine film and nice and nice but bad"
    found = flip(run, run.explain(text))
    assert [text[start:end] for start, end in found.words] == ["good", "fine"]


@pytest.mark.parametrize("text", ["film", "😀 😀", "so so"])
def test_a_label_that_no_word_supports_is_not_flipped(text: str) -> None:
    words, found = flipped(text)
    assert words == [] and found.after is None and found.before == "neg"


def test_changes_of_two_texts_put_both_together_again() -> None:
    first, second = "A film without a plot,\n good.", "A film with a plot,\n  bad."
    found = changes(first, second)
    assert "".join(one.text for one in found if one.kind != "added") == first
    assert "".join(one.text for one in found if one.kind != "removed") == second
    assert Change("removed", "without") in found and Change("added", "with") in found
    assert changes(first, first) == [Change("both", first)]
    assert changes("", "new") == [Change("added", "new")]


def test_long_texts_are_compared_in_little_time() -> None:
    word = np.random.default_rng(0).integers(10, size=(2, 20_000)).astype(str)
    first, second = (" ".join(words) for words in word)
    started = time.perf_counter()
    found = changes(f"same {first} end", f"same {second} end")
    assert time.perf_counter() - started < 5
    assert found[0].text.startswith("same ") and found[-1].text.endswith(" end")
    assert "".join(one.text for one in found if one.kind != "added") == f"same {first} end"
    edited = first.split()
    edited[70], edited[19_000] = "new", "newer"
    pieces = changes(first, " ".join(edited))
    assert pieces[0].kind == pieces[-1].kind == "both"
    assert "".join(one.text for one in pieces if one.kind != "removed") == " ".join(edited)


def test_disagreement_is_zero_for_one_opinion_and_ln_2_for_two() -> None:
    same = np.array([[[0.3, 0.7]], [[0.3, 0.7]]])
    apart = np.array([[[1.0, 0.0]], [[0.0, 1.0]]])
    half = np.array([[[0.9, 0.1]], [[0.4, 0.6]]])
    values = [float(disagreement(one)[0]) for one in (same, half, apart)]
    assert values[0] == 0 and values[2] == pytest.approx(math.log(2), abs=1e-6)
    mean = half.mean(0)[0]
    by_hand = np.mean([sum(p * np.log(p / mean)) for p in half[:, 0]])
    assert values[1] == pytest.approx(by_hand)


def test_an_answer_agrees_with_the_prediction(finished: Path) -> None:
    run = load_run(finished / "bag" / "seed-0")
    one = answer("bag", run, "A good film.")
    found = run.predict(["A good film."])
    assert one.explanation.label == found.labels[0]
    assert list(one.probabilities.values()) == sorted(found.probabilities[0].tolist(), reverse=True)
    p = one.probabilities[found.label_names[0]]
    assert log_odds(one, found.label_names[0]) == pytest.approx(math.log(p / (1 - p)), rel=1e-5)
    with pytest.raises(ConfigError, match="blank text: there is nothing to predict"):
        answer("bag", run, "  ")


def test_runs_of_other_classes_are_refused() -> None:
    first: Any = Weighted()
    other: Any = Weighted()
    other.label_names = ("a", "b")
    with pytest.raises(DataError, match="two has the classes a, b and one has neg, pos"):
        check_classes({"one": first, "two": other})
