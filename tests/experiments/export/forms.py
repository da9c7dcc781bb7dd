"""Portable forms of the contracts' models, run on rows of tokens."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch

from datamodules.store.truncation import TokenTruncation
from experiments.config.registry import Registry
from experiments.export import runner
from experiments.forms import features
from experiments.forms.models import portable
from experiments.forms.portable import Portable
from lit_models.base.classifier import LitClassifier
from tests.batches import make_batch, random_rows
from tests.lit_models.contracts import ROWS, VOCAB
from tests.lit_models.test_contracts import build

LONGEST = 90
TRUNCATION = TokenTruncation(None, LONGEST, "head", pad_id=0, unk_id=1)
NOT_EXPORTED = {
    "class_lm": "clusters of rare words depend on the words",
    "doc2vec_logreg": "learnt by gensim",
    "ngram_lm_classifier": "counts n-grams without their order",
}
"""Experiments without a portable form, each with a part of its reason."""
BATCHES = (
    ROWS,  # of lengths 1 to 34
    [[5]],
    [[1]],  # nothing but an unknown word
    [[1, 1], [VOCAB - 1, VOCAB - 2]],
    random_rows([LONGEST], VOCAB),
    random_rows([40, 3, LONGEST, 17], VOCAB),
)

Feed = dict[str, np.ndarray]


def form_of(registry: Registry, experiment: str) -> tuple[LitClassifier, Portable]:
    """A model of an experiment and its portable form."""
    model = build(registry, experiment)
    return model, portable(model, TRUNCATION)


def feed(form: Portable, rows: Sequence[Sequence[int]]) -> Feed:
    """Input that the runner gives the model."""
    arrays = [np.array(row, dtype=np.int64) for row in rows]
    if form.inputs["kind"] == "tokens":
        return runner._tokens(arrays, form.inputs.get("least", 1))
    return features.INPUTS[form.inputs["kind"]](form.inputs, form.arrays)(arrays)


def largest_difference(
    model: LitClassifier,
    form: Portable,
    run: Callable[[Feed], np.ndarray],
    batches: Sequence[Sequence[Sequence[int]]] = BATCHES,
) -> float:
    """Largest difference of a probability between a model and its exported form."""
    worst = 0.0
    for rows in batches:
        with torch.no_grad():
            expected = model.predict_step(make_batch(rows)).probabilities
        logits = torch.from_numpy(run(feed(form, rows))).double()
        worst = max(worst, float((logits.softmax(dim=1) - expected).abs().max()))
    return worst
