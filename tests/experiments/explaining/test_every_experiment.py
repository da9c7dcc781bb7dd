"""Every experiment explains its predictions by its default method."""

from __future__ import annotations

import numpy as np
import pytest

from experiments.config.registry import Registry
from tests.experiments.explaining.models import LABEL_NAMES, TEXT, explainer_of, log_odds

# Fitted one class against the rest: with three classes the score is the class's own.
ALONE = {"nb_logreg", "linear_svm"}
OCCLUDED = {
    "bow_forest",
    "centroids_forest",
    "doc2vec_logreg",
    "dv_ngrams",
    "mlp",
    "region_cnn",
    "seq_cnn",
    "tfidf_forest",
    "tree_lstm",
    "vector_average_forest",
}


def test_an_explanation_adds_up_and_is_placed_in_the_text(
    registry: Registry, experiment: str
) -> None:
    explainer = explainer_of(registry, experiment)
    found = explainer(TEXT, 2, 0.5)
    row = explainer.encoder.encode([TEXT]).tokens[0].numpy()
    contributions = np.array([token.contribution for token in found.tokens])
    assert found.label == LABEL_NAMES[2] and len(found.tokens) == len(row)
    assert np.isfinite(contributions).all() and found.score is not None
    for token in found.tokens:
        assert token.token == TEXT[token.start : token.end] and token.start >= 0
    assert (found.method == "occlusion") == (experiment in OCCLUDED)
    if experiment not in ALONE:
        assert found.score == pytest.approx(log_odds(explainer.model, row, 2), abs=2e-5)
    if found.method == "exact":
        assert found.base is not None
        assert found.base + contributions.sum() == pytest.approx(found.score, abs=1e-9)
    elif found.method == "integrated gradients":
        assert found.gap is not None and found.base is not None and found.gap < 0.02
        difference = found.score - found.base
        assert abs(contributions.sum() - difference) < 0.02 * abs(difference)
    for pieces in found.shown.values():
        assert pieces and np.isfinite([piece.weight for piece in pieces]).all()
        for piece in pieces:
            assert piece.start < 0 or piece.piece == TEXT[piece.start : piece.end]


SHOWN = {
    "attention_lstm": "attention",
    "capsule": "coupling to the capsule of the class",
    "cnn": "n-grams of the maxima",
    "convolutional_capsule": "coupling to the capsule of the class",
    "hierarchical_attention": "attention to sentences",
    "memory_network": "attention to sentences, hop 3",
    "nb_logreg": "n-grams",
    "transformer": "attention in the last layer",
}


@pytest.mark.parametrize("name", SHOWN)
def test_architectures_show_what_they_weight_or_choose(registry: Registry, name: str) -> None:
    pieces = explainer_of(registry, name)(TEXT, 1, 0.5).shown[SHOWN[name]]
    weights = np.array([piece.weight for piece in pieces])
    if "attention" in SHOWN[name]:
        assert weights.sum() == pytest.approx(1, abs=1e-5) and (weights >= 0).all()
    if name in ("hierarchical_attention", "memory_network"):
        assert [piece.piece[-1] for piece in pieces][:2] == [".", "!"]
    if name == "capsule":
        assert ((weights > 0) & (weights < 1)).all()


def test_the_maxima_of_a_cnn_add_up_to_its_score(registry: Registry) -> None:
    explainer = explainer_of(registry, "cnn")
    found = explainer(TEXT, 1, 0.5)
    weights = sum(piece.weight for piece in found.shown["n-grams of the maxima"])
    bias = explainer.model.net.output.bias.detach().numpy()  # type: ignore[union-attr]
    constant = bias[1] - (bias.sum() - bias[1]) / 2
    assert found.score == pytest.approx(weights + constant, abs=1e-5)
