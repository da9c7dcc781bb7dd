"""Several labels a text: the loss, the figures, one-vs-rest, and what is refused."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn.metrics import f1_score, roc_auc_score

from datamodules.store.batching import TextBatch
from datamodules.store.label_sets import multi_hot
from datamodules.store.ragged import Ragged
from datamodules.store.train_view import TrainView
from lit_models.bag import Bag
from lit_models.base.classifier import LitClassifier
from lit_models.base.estimator import LitEstimator
from lit_models.base.targets import SeveralLabels
from lit_models.capsule import Capsule
from lit_models.class_lm import ClassLM
from lit_models.distilled_bert import DistilledBERT
from lit_models.fasttext import FastText
from lit_models.linear_svm import LinearSVM
from lit_models.naive_bayes import NaiveBayes
from lit_models.nb_bag import NBBag
from lit_models.nb_logreg import NBLogReg
from lit_models.ngram_lm_classifier import NgramLMClassifier
from lit_models.perceptron import Perceptron
from lit_models.tfidf_forest import TfidfForest
from lit_models.tfidf_logreg import TfidfLogReg

TINY = {"model_type": "bert", "vocab_size": 9, "hidden_size": 8, "num_hidden_layers": 1}
TINY |= {"num_attention_heads": 2, "intermediate_size": 8}
WORDS = ["<pad>", "<unk>", "the", "a", "b", "c", "of"]
LOGITS = torch.tensor([[2.0, -1.0, 0.5], [-3.0, 0.0, 4.0]])
LABELS = torch.tensor([[1, 0, 1], [0, 1, 0]])


def texts(sets: list[list[int]]) -> Ragged:
    """Texts of the words a, b, c by their labels, and of other words."""
    rows = [[2, *(3 + label for label in one), 6] for one in sets]
    offsets = np.concatenate([[0], np.cumsum([len(row) for row in rows])])
    return Ragged(np.concatenate(rows).astype(np.int32), offsets.astype(np.int64))


def view_of(sets: list[list[int]], classes: int = 3) -> TrainView:
    return TrainView(
        vocabulary=WORDS,
        tokens=texts(sets),
        labels=multi_hot(sets, classes),
        unlabelled=None,
        num_classes=classes,
        pad_id=0,
        unk_id=1,
    )


SETS = [[], [0], [1], [0, 1], [2], [0, 2], [1, 2], [0, 1, 2]] * 5


def test_the_loss_is_the_mean_binary_cross_entropy() -> None:
    targets = SeveralLabels(3)
    by_hand = [
        sum(
            -math.log(1 / (1 + math.exp(-z if y else z)))
            for z, y in zip(zs, ys, strict=True)
        ) / 3
        for zs, ys in zip(LOGITS.tolist(), LABELS.tolist(), strict=True)
    ]  # fmt: skip
    assert targets.loss(LOGITS, LABELS, "none").tolist() == pytest.approx(by_hand, rel=1e-6)
    assert float(targets.loss(LOGITS, LABELS)) == pytest.approx(sum(by_hand) / 2, rel=1e-6)
    assert float(targets.loss(LOGITS, LABELS, "sum")) == pytest.approx(sum(by_hand), rel=1e-6)
    smooth = targets.loss(LOGITS, LABELS, smoothing=0.2)
    opposite = targets.loss(LOGITS, 1 - LABELS)
    assert float(smooth) == pytest.approx(0.9 * sum(by_hand) / 2 + 0.1 * float(opposite), rel=1e-6)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_one_label_is_learnt_bit_by_bit_as_before(reduction: str, smoothing: float) -> None:
    model, labels = LitClassifier(num_classes=3, label_smoothing=smoothing), torch.tensor([2, 0])
    before = F.cross_entropy(LOGITS, labels, reduction=reduction, label_smoothing=smoothing)
    assert torch.equal(model.loss(LOGITS, labels, reduction), before)
    assert torch.equal(model.targets.loss(LOGITS, labels), F.cross_entropy(LOGITS, labels))
    assert torch.equal(model.targets.probabilities(LOGITS), LOGITS.softmax(dim=1))
    assert (model.problem, LitClassifier.problem) == ("classification", "classification")


def test_logits_and_probabilities_are_each_others_inverse() -> None:
    targets = SeveralLabels(3)
    assert torch.allclose(targets.logits(targets.probabilities(LOGITS)), LOGITS, atol=1e-5)
    assert targets.probabilities(LOGITS)[0, 2] == 1 / (1 + math.exp(-0.5))


def test_the_figures_of_an_epoch_are_those_of_scikit_learn() -> None:
    generator = torch.Generator().manual_seed(0)
    labels = (torch.rand(200, 3, generator=generator) < 0.3).long()
    labels[:, 2] = 0  # a label without texts
    p = (0.5 * labels + 0.6 * torch.rand(200, 3, generator=generator)).clamp(0, 1)
    metrics = LitClassifier(num_classes=3, multi_label=True).val_metrics
    for part in (slice(0, 90), slice(90, 200)):
        metrics.update(p[part], labels[part])
    found = {name: float(value) for name, value in metrics.compute().items()}
    y, predicted = labels.numpy(), (p >= 0.5).long().numpy()
    areas = [roc_auc_score(y[:, c], p[:, c]) for c in range(2)]
    assert found == pytest.approx(
        {
            "val/accuracy": (y == predicted).all(axis=1).mean(),
            "val/micro_f1": f1_score(y, predicted, average="micro"),
            "val/f1": f1_score(y, predicted, average="macro", zero_division=0),
            "val/auroc": np.mean(areas),
        },
        abs=1e-6,
    )


ESTIMATORS = {
    "logistic regression": lambda: TfidfLogReg(num_classes=3, multi_label=True, min_df=1),
    "naive Bayes": lambda: NaiveBayes(num_classes=3, multi_label=True, min_df=1, ngrams=1),
    "NB features": lambda: NBLogReg(num_classes=3, multi_label=True, min_df=1, ngrams=1),
    "SVM": lambda: LinearSVM(num_classes=3, multi_label=True, min_df=1, ngrams=1),
    "forest": lambda: TfidfForest(num_classes=3, multi_label=True, n_estimators=20),
}


@pytest.mark.parametrize("name", ESTIMATORS)
def test_estimators_learn_each_label_against_the_rest(name: str, tmp_path: Path) -> None:
    model, view = ESTIMATORS[name](), view_of(SETS)
    model.prepare(view)
    p = model.predict_proba(view.tokens)
    assert np.array_equal(p >= 0.5, view.labels == 1)
    assert model.parameter_count > 0
    model.save(tmp_path)
    assert np.array_equal(type(model).load(tmp_path).predict_proba(view.tokens), p)


@pytest.mark.parametrize("kind", [TfidfLogReg, NBLogReg])
def test_a_label_of_all_texts_or_none_is_predicted_as_it_is(
    kind: type[LitEstimator], tmp_path: Path
) -> None:
    sets = [[0, *one] for one in ([], [1]) * 10]  # label 2 has no text
    model, view = kind(num_classes=3, multi_label=True, min_df=1), view_of(sets)
    model.prepare(view)
    model.save(tmp_path)
    p = type(model).load(tmp_path).predict_proba(view.tokens)
    assert np.array_equal(p >= 0.5, view.labels == 1)


def test_two_labels_are_not_two_classes(tmp_path: Path) -> None:
    sets = [[], [0], [1], [0, 1]] * 10
    view = view_of(sets, 2)
    model = NBLogReg(num_classes=2, multi_label=True, min_df=1, ngrams=1)
    model.prepare(view)
    assert np.array_equal(model.predict_proba(view.tokens) >= 0.5, view.labels == 1)
    model.save(tmp_path)
    loaded = NBLogReg.load(tmp_path)
    assert loaded.multi_label
    assert np.array_equal(loaded.predict_proba(view.tokens), model.predict_proba(view.tokens))


@pytest.mark.parametrize("kind", [Bag, NBBag, FastText])
@pytest.mark.parametrize("classes", [2, 3])
def test_bags_learn_sets(kind: type[LitClassifier], classes: int) -> None:
    options = {
        Bag: {"vocab_size": 7, "dropout": 0.0, "word_dropout": 0.0},
        NBBag: {"ngrams": 1, "min_df": 1, "max_features": 20},
        FastText: {"vocab_size": 7, "buckets": 10, "nb_smoothing": 1.0},
    }[kind]
    torch.manual_seed(0)
    model = kind(num_classes=classes, multi_label=True, **options)
    sets = [[label for label in one if label < classes] for one in SETS]
    view = view_of(sets, classes)
    model.prepare(view)
    rows = np.split(view.tokens.values, view.tokens.offsets[1:-1])
    width = max(map(len, rows))
    tokens = torch.tensor([[*row.tolist(), *[0] * (width - len(row))] for row in rows])
    labels = torch.from_numpy(view.labels.astype(np.int64))
    batch = TextBatch(tokens, torch.tensor([len(r) for r in rows]), labels, torch.arange(len(rows)))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
    for _ in range(150):
        optimizer.zero_grad()
        model.loss(model(batch), batch.labels).backward()
        optimizer.step()
    p = model.eval().predict_step(batch).probabilities
    assert torch.equal(p >= 0.5, labels == 1)


@pytest.mark.parametrize("kind", [Perceptron, ClassLM, NgramLMClassifier])
def test_models_of_one_label_refuse_several(kind: type[LitClassifier]) -> None:
    with pytest.raises(ValueError, match=f"several labels a text, and {kind.__name__} has a loss"):
        kind(num_classes=3, multi_label=True)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"class_weights": "balanced"}, "class_weights is 'balanced'.*--run.threshold f1"),
        ({"virtual_adversarial": 1.0}, "virtual_adversarial is 1.0.*virtual_adversarial 0"),
        ({"entropy": 0.5}, "entropy is 0.5.*--model.entropy 0"),
    ],
)
def test_settings_of_one_label_are_refused(setting: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Bag(num_classes=3, multi_label=True, **setting)


def test_the_margin_loss_and_a_teacher_are_refused() -> None:
    with pytest.raises(ValueError, match="loss is 'margin'.*--model.loss cross_entropy"):
        Capsule(num_classes=3, multi_label=True)
    with pytest.raises(ValueError, match="model.teacher is 'runs/t'.*--model.teacher null"):
        DistilledBERT(num_classes=3, multi_label=True, teacher="runs/t", config=TINY)
    Capsule(num_classes=3, multi_label=True, loss="cross_entropy", vocab_size=10)


class OwnLoss(LitClassifier):
    """An architecture of a user's own."""

    def loss(self, logits: torch.Tensor, labels: torch.Tensor, reduction: str = "mean"):
        return logits.sum()


def test_an_architecture_with_a_loss_of_its_own_is_asked() -> None:
    with pytest.raises(ValueError, match="let OwnLoss.takes_several_labels return True"):
        OwnLoss(multi_label=True)
