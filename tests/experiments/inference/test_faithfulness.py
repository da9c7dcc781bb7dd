"""Faithfulness of a run's explanations: on pairs that differ in the word that decides."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from datamodules.robustness import Pairs
from experiments import load_run
from experiments.inference.faithfulness import FIGURES, LEAVE_ONE_OUT, RANDOM, main, measure
from tests.toys import SIGNALS


def test_explanations_are_more_faithful_than_a_random_order(finished: Path) -> None:
    run = load_run(finished / "tfidf_logreg" / "seed-0")
    rng = np.random.default_rng(0)
    words = [f"word{number}" for number in range(40)]
    signs = [f"class{label}sign{n}" for label in range(2) for n in range(SIGNALS)]
    texts = [" ".join([*rng.choice(words, 25), *rng.choice(signs, 5)]) for _ in range(25)]
    originals, revised, labels = [], [], []
    for text in texts:
        (found,) = run.explain([text])
        assert found.method == "exact"
        heaviest = max(found.tokens, key=lambda token: token.contribution)
        originals.append(text)
        revised.append(text.replace(heaviest.token, "nothing"))
        labels.append(run.label_names.index(found.label or ""))
    truths = np.array(labels)
    pairs = Pairs(originals, revised, truths, 1 - truths)
    results = {one.explainer: one for one in measure(run, pairs, np.arange(25) // 2)}
    assert list(results) == ["exact", LEAVE_ONE_OUT, RANDOM]
    for name, better in zip(FIGURES, (1, -1, 1), strict=True):
        means = [np.nanmean(one.figures[name]) for one in results.values()]
        assert better * means[0] > better * means[2], name
    # The edited word is the heaviest of its text.
    assert np.nanmean(results["exact"].figures["AUPRC"]) > 0.8
    line = results["exact"].line()
    assert line.startswith("| `tfidf_logreg` | exact | ") and line.count("[") == 3
    wrong = Pairs(originals, revised, 1 - truths, truths)
    (turned, *_) = measure(run, wrong, np.arange(25) // 2)
    assert np.nanmean(turned.figures["AUPRC"]) < 0.5
    same = turned.figures["comprehensiveness"] == results["exact"].figures["comprehensiveness"]
    assert same.all()


def test_a_run_that_may_have_seen_the_reviews_is_left_out(
    finished: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(finished / "bag" / "seed-0")]) == 1
    assert "fit it on the official corpus with --data.exclude robustness" in capsys.readouterr().err
