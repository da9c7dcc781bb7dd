"""Exported vectors of texts are those that the model infers."""

from __future__ import annotations

import pytest
import torch

from experiments.forms.models import portable
from tests.experiments.export.forms import TRUNCATION, feed
from tests.lit_models.classics.test_vector_average import ragged
from tests.lit_models.test_doc2vec_logreg import topics
from tests.lit_models.test_dv_ngrams import fitted

OTHERS = [*topics(6, 1)[0], [24], [1, 24, 2], [3]]
"""Texts of different lengths; no n-gram of the one of word 24 is known."""


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("normalized", [True, False])
def test_a_batch_is_classified_as_by_the_model(classes: int, normalized: bool) -> None:
    model = fitted(
        topics(30, 0)[0], [number % classes for number in range(30)], normalized=normalized
    )
    form = portable(model, TRUNCATION)
    logits = form.module(*map(torch.from_numpy, feed(form, OTHERS).values()))
    expected = torch.from_numpy(model.predict_proba(ragged(OTHERS)))
    assert torch.allclose(logits.softmax(dim=1), expected, rtol=0, atol=1e-6)


def test_a_text_without_a_known_ngram_has_the_zero_vector() -> None:
    model = fitted(*topics(30, 0))
    form = portable(model, TRUNCATION)
    inputs = feed(form, [[24], [2, 3]])
    block = form.module.blocks[1]  # type: ignore[index]
    found = block(*(torch.from_numpy(inputs[f"{name}_1"]) for name in ("items", "counts")))
    assert found[0].tolist() == [0.0] and found[1].abs() > 0
