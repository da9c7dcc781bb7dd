"""Exact contributions of models whose logits are a sum over n-grams or words."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from experiments.explaining.explanation import Attribution
from experiments.forms.features import arrays_of, occurrences
from experiments.forms.models import bag_form
from experiments.forms.portable import NotExportable, Portable
from experiments.forms.sums import (
    Dense,
    Linear,
    OneAgainstRest,
    Sigmoids,
    TfidfRows,
    TwoClasses,
    WeightedSum,
)
from lit_models.base.classifier import LitClassifier
from lit_models.class_lm import ClassLM
from lit_models.layers.marks import Marks
from lit_models.ngram_lm_classifier import NgramLMClassifier

_MOST_SHOWN = 10


@dataclass(frozen=True)
class _Head:
    """Logits as an affine function of the sum over a text: A x + b.

    Attributes:
        matrix: float64[C, E].
        bias: float64[C].
        alone: Each logit is that of a class against all the rest, fitted without the others.
    """

    matrix: Tensor
    bias: Tensor
    alone: bool = False

    def of_label(self, label: int) -> tuple[Tensor, Tensor]:
        """float64[E] and float64[] of the explained score of a label."""
        if self.alone:
            return self.matrix[label], self.bias[label]
        others = len(self.bias) - 1
        weights = torch.full_like(self.bias, -1 / others)
        weights[label] = 1.0
        return weights @ self.matrix, weights @ self.bias


class LinearModel:
    """A linear model over the n-grams of a text, in its portable form.

    The part of an n-gram is shared equally by its occurrences and then by their tokens. Weights of
    a text that is scaled to a length are those of this very text. Several classes that were each
    fitted against the rest have their own log-odds as score.

    Args:
        form: The portable form.
        head: The head of it.
        tfidf: TF-IDF of the dense features of a text, if it has any.
    """

    def __init__(self, form: Portable, head: _Head, tfidf: nn.Module | None) -> None:
        self.form, self.head, self.tfidf = form, head, tfidf

    def __call__(self, row: np.ndarray, label: int) -> tuple[Attribution, Marks]:
        """Contributions of the tokens int64[T] of a row, and those of its heaviest n-grams."""
        factors, start = self.head.of_label(label)
        contributions, base = np.zeros(len(row)), float(start)
        shown: dict[tuple[int, ...], tuple[float, int, int]] = {}
        modules: Any = self.form.module.blocks
        blocks = zip(self.form.inputs["blocks"], modules, strict=True)
        for number, (settings, module) in enumerate(blocks):
            found, first, past = occurrences(row, settings, arrays_of(self.form.arrays, number))
            items, which, counts = np.unique(found, return_inverse=True, return_counts=True)
            parts, bias = self._parts(module, items, counts, factors, label)
            base += bias
            contributions += shared(parts / counts, which, first, past, len(row))
            for item in np.argsort(-np.abs(parts), kind="stable")[: 4 * _MOST_SHOWN]:
                place = np.flatnonzero(which == item)[0]
                run = int(first[place]), int(past[place])
                # An n-gram of the last words, too, has two parts.
                ngram = tuple(row[slice(*run)].tolist())
                before = shown[ngram][0] if ngram in shown else 0.0
                shown[ngram] = before + float(parts[item]), *run
        heaviest = sorted(shown.values(), key=lambda entry: -abs(entry[0]))[:_MOST_SHOWN]
        weights, firsts, pasts = zip(*heaviest, strict=True) if heaviest else ((), (), ())
        marks = Marks(torch.tensor(firsts), torch.tensor(pasts), torch.tensor(weights))
        score = base + float(contributions.sum())
        return Attribution(contributions, score, base), marks

    def _parts(
        self, module: Any, items: np.ndarray, counts: np.ndarray, factors: Tensor, label: int
    ) -> tuple[np.ndarray, float]:
        """float64[W] part of each distinct item of a text, and that of the bias."""
        places = torch.from_numpy(items)[None]  # [1, W]
        numbers = torch.from_numpy(counts)[None].double()
        bias = 0.0
        with torch.no_grad():
            if isinstance(module, WeightedSum):
                rows = module.table(places)[0].double()  # [W, E]
                parts = module.weights(places, numbers)[0] * (rows @ factors)
                bias = float(module.bias.double().expand(len(factors)) @ factors)
            elif isinstance(module, OneAgainstRest):
                parts = module.products(places)[0, :, label].double()
                if module.squares is not None:
                    norm = module.squares(places)[0, :, label].double().sum().sqrt()
                    parts = parts / (norm if norm > 0 else 1.0)
            else:
                assert isinstance(module, Dense)
                counted = module(places, numbers)  # [1, F]
                values = counted if self.tfidf is None else self.tfidf(counted)
                columns = module.columns[places[0]]
                own = module.weights(places, numbers)[0]
                # A column's part is shared by its items as they make it up.
                parts = (values[0] * factors)[columns] * own / counted[0, columns]
        return parts.numpy(), bias


class LanguageModels:
    """Bayes' rule over language models of the classes, which judge a text word by word.

    The contribution of a token is ln p(token | those before it, c) of the label, less the mean of
    the other classes; the base is that of the classes' shares and of the end of the text.

    Args:
        model: The model.
    """

    def __init__(self, model: NgramLMClassifier | ClassLM) -> None:
        self.model = model

    def __call__(self, row: np.ndarray, label: int) -> tuple[Attribution, Marks]:
        """Contributions of the tokens int64[T] of a row, and the heaviest tokens."""
        logs = self.model.evidence(row)  # [C, T + 2]
        weights = np.full(len(logs), -1 / (len(logs) - 1))
        weights[label] = 1.0
        parts = weights @ logs
        contributions, base = parts[:-2], float(parts[-2:].sum())
        first = np.argsort(-np.abs(contributions), kind="stable")[:_MOST_SHOWN]
        marks = Marks(*map(torch.from_numpy, (first, first + 1, contributions[first])))
        return Attribution(contributions, base + float(contributions.sum()), base), marks


def linear_model(model: LitClassifier) -> LinearModel | LanguageModels | None:
    """The linear form of a model; None: it is not linear, or its features are known to it alone."""
    if isinstance(model, NgramLMClassifier | ClassLM):
        return LanguageModels(model)
    if model.device.type != "cpu":
        model = copy.deepcopy(model).cpu()
    try:
        form = bag_form(model)
    except NotExportable:
        return None
    if form is None or form.inputs["kind"] != "bags":
        return None
    blocks: Any = form.module.blocks
    if not all(isinstance(block, WeightedSum | OneAgainstRest | Dense) for block in blocks):
        return None
    module: Any = form.module.double()
    tfidf = None
    steps = list(module.head) if isinstance(module.head, nn.Sequential) else [module.head]
    if isinstance(steps[0], TfidfRows):
        tfidf, steps = steps[0], steps[1:]
    affine = _affine(steps, module.blocks[0], model.num_classes)
    return None if affine is None else LinearModel(form, affine, tfidf)


def _affine(steps: list[Any], block: Any, classes: int) -> _Head | None:
    if isinstance(block, OneAgainstRest):
        return _Head(torch.zeros(classes, classes), block.bias.double(), alone=True)
    size = block.size if isinstance(block, Dense) else block.table.weight.shape[1]
    if isinstance(last := steps[-1], Sigmoids):
        slopes, offsets = last.slopes.double(), last.offsets.double()
        if size == 1:
            return _Head(torch.stack([slopes / 2, -slopes / 2]), torch.cat([offsets, -offsets]) / 2)
        return _Head(-torch.diag(slopes), -offsets, alone=True)
    if not all(isinstance(s, nn.Identity | nn.Linear | Linear | TwoClasses) for s in steps):
        return None
    head = copy.deepcopy(nn.Sequential(*steps)).double()
    with torch.no_grad():
        bias = head(torch.zeros(1, size, dtype=torch.float64))[0]
        matrix = head(torch.eye(size, dtype=torch.float64)).T - bias[:, None]
    return _Head(matrix, bias)


def shared(
    parts: np.ndarray, which: np.ndarray, first: np.ndarray, past: np.ndarray, length: int
) -> np.ndarray:
    """float64[length] sums over tokens of parts that runs of tokens share equally.

    Args:
        parts: float64[W] part of each occurrence of an item.
        which: int64[N] item of each occurrence.
        first: int64[N] first token of each occurrence.
        past: int64[N] the token after its last.
        length: Number of tokens.
    """
    sizes = past - first
    tokens = np.repeat(first, sizes) + (
        np.arange(sizes.sum()) - np.repeat(sizes.cumsum() - sizes, sizes)
    )
    return np.bincount(tokens, np.repeat(parts[which] / sizes, sizes), length)
