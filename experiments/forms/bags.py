"""Portable forms of networks over bags of n-grams and words."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from experiments.forms.portable import Portable, bags_example
from experiments.forms.sums import Bags, TwoClasses, WeightedSum, Weights
from lit_models.bag import Bag
from lit_models.fasttext import HASH_BASE, HASH_MODULUS, FastText
from lit_models.layers.ngram_vocabulary import NgramVocabulary, TfidfBag
from lit_models.logistic import Logistic
from lit_models.mlp import MLP
from lit_models.nb_bag import NBBag
from lit_models.perceptron import Perceptron

_LAST = torch.iinfo(torch.int64).max  # the key of free places


class Features:
    """Blocks of features: settings and arrays of the runner, and a module for each."""

    def __init__(self) -> None:
        self.blocks: list[dict[str, Any]] = []
        self.arrays: dict[str, np.ndarray] = {}
        self.modules: list[nn.Module] = []

    def add(
        self, settings: dict[str, Any], arrays: dict[str, np.ndarray], module: nn.Module
    ) -> None:
        """Add a block."""
        number = len(self.blocks)
        self.blocks.append(settings)
        self.arrays |= {f"{number}.{name}": array for name, array in arrays.items()}
        self.modules.append(module)

    def portable(self, head: nn.Module, precise: bool = False) -> Portable:
        """The whole model."""
        return Portable(
            module=Bags(self.modules, copy.deepcopy(head), precise),
            inputs={"kind": "bags", "blocks": self.blocks},
            example=bags_example(len(self.blocks)),
            arrays=self.arrays,
        )


def one_block(
    settings: dict[str, Any],
    arrays: dict[str, np.ndarray],
    module: nn.Module,
    head: nn.Module,
    precise: bool = False,
) -> Portable:
    """A model of one block of features; see `Features`."""
    features = Features()
    features.add(settings, arrays, module)
    return features.portable(head, precise)


def _vocabulary(vocabulary: NgramVocabulary) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Settings and arrays of a vocabulary of n-grams, without its free places."""
    keys = vocabulary.keys.numpy()
    settings = {
        "kind": "ngrams",
        "orders": vocabulary.orders,
        "base": int(vocabulary.base),
        "last_words": vocabulary.last_words,
    }
    return settings, {"keys": keys[keys != _LAST]}


def _tfidf(bag: TfidfBag, table: Tensor, bias: Tensor | None, head: nn.Module) -> Portable:
    """A table over the TF-IDF weights of n-grams."""
    settings, arrays = _vocabulary(bag.vocabulary)
    size = len(arrays["keys"])
    weights = Weights(bag.idf[:size], "sublinear", "length")
    return one_block(settings, arrays, WeightedSum(weights, table[:size], bias), head)


def nb_bag(model: NBBag) -> Portable:
    """Products of ratios and weights, summed over distinct n-grams."""
    net: Any = model.net
    settings, arrays = _vocabulary(net.vocabulary)
    table = (net.ratios * net.weights.weight)[: len(arrays["keys"])]
    head = TwoClasses() if table.shape[1] == 1 else nn.Identity()
    return one_block(
        settings, arrays, WeightedSum(Weights(None, "distinct"), table, net.bias), head
    )


def logistic(model: Logistic) -> Portable:
    """Weights over TF-IDF."""
    net = model.net
    return _tfidf(net.bag, net.weights.weight, net.bias, nn.Identity())


def mlp(model: MLP) -> Portable:
    """A hidden layer over TF-IDF."""
    net = model.net
    return _tfidf(net.bag, net.weights.weight, net.bias, nn.Sequential(nn.ReLU(), net.output))


def perceptron(model: Perceptron) -> Portable:
    """Weights over TF-IDF, scaled as in evaluation."""
    net = model.net
    table = net.weights.weight
    return _tfidf(
        net.bag, net.sharpness * table / table.norm().clamp(min=1e-12), None, nn.Identity()
    )


def bag(model: Bag) -> Portable:
    """Mean of word embeddings."""
    net: Any = model.net
    weights = Weights(None, "distinct" if net.distinct else "all", "total")
    return one_block(
        _hashed(vocab_size=len(net.embedding.weight), orders=1, buckets=1),
        {},
        WeightedSum(weights, net.embedding.weight),
        net.output,
    )


def fasttext(model: FastText) -> Portable:
    """Mean, perhaps weighted, of the embeddings of words and hashed n-grams."""
    net = model.net
    ratios = None if net.nb_smoothing is None else net.ratios
    weights = Weights(ratios, "distinct" if net.distinct else "all", "total")
    return one_block(
        _hashed(vocab_size=net.vocab_size, orders=net.ngrams, buckets=net.buckets),
        {},
        WeightedSum(weights, net.embedding.weight),
        net.output,
    )


def _hashed(vocab_size: int, orders: int, buckets: int) -> dict[str, Any]:
    return {
        "kind": "hashes",
        "orders": orders,
        "vocab_size": vocab_size,
        "buckets": buckets,
        "base": HASH_BASE,
        "modulus": HASH_MODULUS,
    }
