"""The three methods, against sums, captum and removal by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from datamodules.store.truncation import TokenTruncation
from experiments.config.registry import ConfigError, Registry
from experiments.explaining.exact import linear_model, shared
from experiments.explaining.gradients import IntegratedGradients, fejer
from experiments.explaining.occlusion import occlude
from experiments.explaining.score import rows_batch, score_of, scores
from lit_models.base.classifier import LitClassifier, Prediction
from lit_models.lstm import LSTM
from tests.batches import make_view, random_rows
from tests.experiments.explaining.models import TEXT, explainer_of, log_odds
from tests.lit_models.contracts import VOCAB
from tests.lit_models.test_contracts import build

TRUNCATION = TokenTruncation(None, None, "head", pad_id=0, unk_id=1)
ROW = np.array(random_rows([30], VOCAB, seed=3)[0])


def fitted(registry: Registry, name: str, classes: int) -> LitClassifier:
    """A model fitted to rows of few classes."""
    kind = type(build(registry, name))
    model = kind(num_classes=classes)
    rows = random_rows([20] * 60, VOCAB, seed=1)
    model.prepare(make_view(rows, [n % classes for n in range(60)], VOCAB))
    return model.eval()


@pytest.mark.parametrize("name", ["nb_logreg", "linear_svm", "tfidf_logreg", "naive_bayes"])
def test_two_classes_are_explained_by_the_difference_of_their_logits(
    registry: Registry, name: str
) -> None:
    model = fitted(registry, name, 2)
    linear = linear_model(model)
    assert linear is not None
    for row in (ROW, ROW[:1], np.array([1, 1]), np.tile(ROW, 4)):
        found = linear(row, 1)[0]
        assert found.score == pytest.approx(log_odds(model, row, 1), abs=1e-4)
        assert linear(row, 0)[0].score == pytest.approx(-found.score, abs=1e-9)
        assert found.base is not None
        assert found.base + found.contributions.sum() == pytest.approx(found.score, abs=1e-9)


@pytest.mark.parametrize("name", ["nb_logreg", "linear_svm"])
def test_a_class_fitted_alone_is_explained_by_its_own_log_odds(
    registry: Registry, name: str
) -> None:
    model = fitted(registry, name, 3)
    linear = linear_model(model)
    assert linear is not None
    own = np.array([linear(ROW, label)[0].score for label in range(3)])
    alone = 1 / (1 + np.exp(-own))
    with torch.no_grad():
        probabilities = model.predict_step(rows_batch([ROW], 0, model.device)).probabilities[0]
    np.testing.assert_allclose(alone / alone.sum(), probabilities.numpy(), atol=1e-5)


def test_an_ngram_is_shared_by_its_tokens_and_occurrences() -> None:
    # One word twice, and a pair of words once.
    parts, which = np.array([0.3, 1.0]), np.array([0, 0, 1])
    found = shared(parts, which, np.array([0, 3, 1]), np.array([1, 4, 3]), 5)
    np.testing.assert_allclose(found, [0.3, 0.5, 0.5, 0.3, 0.0])


def test_words_without_weight_contribute_nothing(registry: Registry) -> None:
    linear = linear_model(fitted(registry, "tfidf_logreg", 2))
    assert linear is not None
    row = np.array([1, *ROW[:4].tolist(), 1])
    contributions = linear(row, 1)[0].contributions
    assert (contributions[1:5] != 0).all()


def test_the_points_of_a_rule_are_those_of_the_next_and_polynomials_are_exact() -> None:
    for size in (16, 32, 64):
        points, weights = fejer(size)
        np.testing.assert_allclose(fejer(2 * size)[0][1::2], points)
        for power in range(size - 1):
            assert weights @ points**power == pytest.approx(1 / (power + 1), abs=1e-12)


class Squares(LitClassifier):
    """Score of label 1 over label 0: Σ_t |e_t|² w_t, whose gradients are known in closed form."""

    def __init__(self) -> None:
        super().__init__(num_classes=2)
        self.net = torch.nn.Embedding(VOCAB, 4)

    def forward(self, batch):  # type: ignore[no-untyped-def]
        words = self.net(batch.tokens)
        place = torch.arange(1, words.shape[1] + 1)
        score = (words.square().sum(dim=2) * place).sum(dim=1)
        return torch.stack([torch.zeros_like(score), score], dim=1)


def test_gradients_of_squares_are_the_differences_of_squares() -> None:
    torch.manual_seed(1)
    model = Squares().eval()
    found = IntegratedGradients(model, TRUNCATION)(ROW, 1)
    squares = model.net.weight.square().sum(dim=1).detach().numpy()
    expected = (squares[ROW] - squares[1]) * np.arange(1, len(ROW) + 1)
    np.testing.assert_allclose(found.contributions, expected, rtol=1e-4, atol=1e-4)
    assert found.steps == 15 and found.gap is not None and found.gap < 1e-5


def test_special_tokens_stay_as_they_are() -> None:
    truncation = TRUNCATION._replace(prefix=1, suffix=2)
    found = IntegratedGradients(Squares().eval(), truncation)(ROW, 1).contributions
    assert (found[[0, -2, -1]] == 0).all() and (found[1:-2] != 0).all()


def test_features_of_whole_texts_have_no_path_of_one_word() -> None:
    """The gradient of a word's vector says nothing of what it is for the words around it."""
    elmo = {"vocab_size": VOCAB, "embedding_dim": 4, "hidden_size": 4}
    for given, count in ((elmo, 0), (None, 1)):
        model = LSTM(vocab_size=VOCAB, elmo=given).eval()
        assert len(IntegratedGradients(model, TRUNCATION).layers) == count


@pytest.mark.parametrize("name", ["lstm", "cnn", "bert", "transformer"])
def test_integrated_gradients_are_those_of_captum(registry: Registry, name: str) -> None:
    attr = pytest.importorskip("captum.attr")
    model = build(registry, name)
    gradients = IntegratedGradients(model, TRUNCATION)
    ours = gradients(ROW, 1)

    def forward(tokens):  # type: ignore[no-untyped-def]
        batch = rows_batch([ROW] * len(tokens), 0, model.device)
        return score_of(model(batch._replace(tokens=tokens)), 1)

    method = attr.LayerIntegratedGradients(forward, gradients.layers[0])
    tokens = torch.from_numpy(ROW)[None]
    theirs = method.attribute(tokens, torch.ones_like(tokens), n_steps=300)
    theirs = theirs.sum(dim=2)[0].detach().numpy()
    scale = np.abs(theirs).max()
    np.testing.assert_allclose(ours.contributions / scale, theirs / scale, atol=0.05)
    assert np.corrcoef(ours.contributions, theirs)[0, 1] > 0.995


def test_parameters_are_trained_after_an_explanation_as_before(registry: Registry) -> None:
    model = build(registry, "cnn")
    before = [parameter.requires_grad for parameter in model.parameters()]
    IntegratedGradients(model, TRUNCATION)(ROW, 1)
    assert [parameter.requires_grad for parameter in model.parameters()] == before
    assert all(parameter.grad is None for parameter in model.parameters())


def test_occlusion_is_what_is_lost_without_a_token(registry: Registry) -> None:
    model = build(registry, "mlp")
    found = occlude(model, ROW, 2, TRUNCATION)
    for place in (0, 7, len(ROW) - 1):
        without = log_odds(model, np.delete(ROW, place), 2)
        assert found.contributions[place] == pytest.approx(found.score - without, abs=1e-5)


def test_occlusion_keeps_special_tokens_and_a_row_of_one(registry: Registry) -> None:
    model = build(registry, "mlp")
    specials = TRUNCATION._replace(prefix=1, suffix=1)
    found = occlude(model, ROW, 0, specials).contributions
    assert found[0] == found[-1] == 0 and np.count_nonzero(found) > 20
    (only,) = occlude(model, ROW[:1], 0, TRUNCATION).contributions
    gone = log_odds(model, ROW[:1], 0) - log_odds(model, np.array([1]), 0)
    assert only == pytest.approx(gone, abs=1e-5)


def test_the_work_of_occlusion_is_bounded(registry: Registry) -> None:
    model = build(registry, "mlp")
    row = np.tile(ROW, 1000)  # 30,000 tokens
    found = occlude(model, row, 0, TRUNCATION).contributions
    assert len(found) == len(row) and len(np.unique(found)) <= 2**22 // len(row) + 1


class Fixed(LitClassifier):
    """Probabilities of class 1 by the number of tokens."""

    def __init__(self, ones: list[float]) -> None:
        super().__init__(num_classes=2)
        self.ones = torch.tensor(ones)

    def predict_step(self, batch, batch_idx=0):  # type: ignore[no-untyped-def]
        ones = self.ones[batch.lengths - 1]
        return Prediction(batch.ids, torch.stack([1 - ones, ones], dim=1))


@pytest.mark.parametrize(
    "ones, expected",
    [
        ([0.0, 0.25, 0.5], [np.log(1e-6), np.log(1 / 3), 0.0]),  # a forest without a vote
        ([1e-30, 1e-20, 1e-10], np.log([1e-30, 1e-20, 1e-10])),  # as certain as naive Bayes
        ([0.0, 1e-20, 1e-10], np.log([1e-20, 1e-20, 1e-10])),
    ],
)
def test_a_probability_of_0_is_not_infinitely_unlikely(
    ones: list[float], expected: list[float]
) -> None:
    found = scores(Fixed(ones), [ROW[:3], ROW[:1], ROW[:2]], 0, 1)
    np.testing.assert_allclose(found, np.array(expected)[[2, 0, 1]], atol=1e-5)


def test_a_method_that_a_model_lacks_is_refused(registry: Registry) -> None:
    forest = explainer_of(registry, "bow_forest")
    with pytest.raises(ConfigError, match="'exact': BowForest is no weighted sum .* 'occlusion'"):
        forest.method("exact")
    with pytest.raises(ConfigError, match="LSTM is no weighted sum .*'integrated gradients'"):
        explainer_of(registry, "lstm").method("exact")
    with pytest.raises(ConfigError, match="NBBag looks up no word embeddings.*'exact'"):
        explainer_of(registry, "nb_bag").method("integrated-gradients")
    with pytest.raises(ConfigError, match="'lime'; choose one of exact"):
        forest.method("lime")
    assert explainer_of(registry, "lstm").method("occlusion") == "occlusion"


def test_a_text_that_is_read_in_windows_is_occluded(registry: Registry) -> None:
    explainer = explainer_of(registry, "bert")
    explainer.model.window = 16  # type: ignore[assignment]
    assert explainer("w" * 3, 1, 0.5).method == "integrated gradients"
    found = explainer(TEXT, 1, 0.5)
    row = explainer.encoder.encode([TEXT]).tokens[0].numpy()
    assert len(row) > 16 and found.method == "occlusion"
    assert found.score == pytest.approx(log_odds(explainer.model, row, 1), abs=1e-5)
    with pytest.raises(ConfigError, match="reads a text of 28 tokens in windows"):
        explainer(TEXT, 1, 0.5, "integrated gradients")
