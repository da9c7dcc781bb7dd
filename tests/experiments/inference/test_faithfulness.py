"""Faithfulness of a run's explanations: on pairs that differ in the word that decides."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest

from datamodules.robustness import Pairs
from experiments import load_run
from experiments.config.registry import Registry
from experiments.inference.faithfulness import FIGURES, LEAVE_ONE_OUT, RANDOM, main, measure
from experiments.inference.loaded_run import LoadedRun
from tests.experiments.explaining.models import TEXT, WORDS, explainer_of
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


@pytest.mark.parametrize("window", [16, 2])
def test_reviews_that_are_read_in_windows_have_no_integrated_gradients(
    window: int, registry: Registry
) -> None:
    explainer = explainer_of(registry, "bert")
    explainer.model.window = window  # type: ignore[assignment]
    run = SimpleNamespace(
        explainer=explainer,
        encoder=explainer.encoder,
        model=explainer.model,
        row=SimpleNamespace(experiment="bert"),
    )
    originals = [TEXT, " ".join(WORDS[:5]), f"{TEXT} {TEXT}"]
    revised = [text.replace(WORDS[1], WORDS[40]) for text in originals]
    labels = np.array([0, 1, 0])
    pairs = Pairs(originals, revised, labels, 1 - labels)
    results = measure(cast(LoadedRun, run), pairs, np.arange(3))
    gradients = {"integrated gradients": 2} if window == 16 else {}
    left_out = {one.explainer: one.left_out for one in results}
    assert left_out == {**gradients, LEAVE_ONE_OUT: 0, RANDOM: 0}
    assert all("nan" not in one.line() for one in results)


def test_a_run_that_may_have_seen_the_reviews_is_left_out(
    finished: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(finished / "bag" / "seed-0")]) == 1
    assert "fit it on the official corpus with --data.exclude robustness" in capsys.readouterr().err
