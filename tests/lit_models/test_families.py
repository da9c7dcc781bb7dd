"""The family of every architecture, by which the report groups them."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

import lit_models
from lit_models.base.classifier import LitClassifier

ROOT = Path(lit_models.__file__).parent
FAMILIES = {
    "n-grams": {"NaiveBayes", "NgramLMClassifier", "TfidfLogReg", "NBLogReg", "LinearSVM"}
    | {"LSALogReg", "LinearRegression", "BowForest", "TfidfForest", "DVNgrams"},
    "word vectors": {
        *("VectorAverageLogReg", "VectorAverageForest", "CentroidsLogReg", "CentroidsForest"),
        "Doc2VecLogReg",
    },
    "bags": {"Perceptron", "Logistic", "MLP", "Bag", "FastText", "NBBag"},
    "recurrent": {
        *("RNN", "GRU", "LSTM", "StackedLSTM", "BidirectionalLSTM", "BidirectionalGRU", "ClassLM"),
        *("LMLSTM", "NeuralTuringMachine", "TreeLSTM", "ChildSumTreeLSTM"),
        *("KerasLSTM", "KerasBidirectionalGRU", "KerasStackedLSTM", "KerasRecurrentClassifier"),
    },
    "convolutional": {
        *("CNN", "CNNLSTM", "RCNN", "DPCNN", "SeqCNN", "RegionCNN"),
        *("KerasCNN", "KerasCNNLSTM"),
    },
    "attention, capsules": {
        *("AttentionLSTM", "HierarchicalAttention", "MemoryNetwork", "Capsule"),
        "ConvolutionalCapsule",
        *("KerasAttentionLSTM", "KerasCapsule"),
    },
    "Transformers": {"Transformer", "LinearTransformer"},
    "pretrained": {"BERT", "DistilledBERT", "ZeroShot"},
}
NAMES = {name for names in FAMILIES.values() for name in names}


def architectures() -> dict[str, type[LitClassifier]]:
    """Classes that the modules at the top of `lit_models` and in `keras` define."""
    classes = {}
    for folder in (ROOT, ROOT / "keras"):
        for file in folder.glob("*.py"):
            parts = file.relative_to(ROOT.parent).with_suffix("").parts
            module = importlib.import_module(".".join(parts))
            for name, value in vars(module).items():
                own = isinstance(value, type) and value.__module__ == module.__name__
                if own and issubclass(value, LitClassifier):
                    classes[name] = value
    return classes


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_has_its_architectures_and_no_others(family: str) -> None:
    members = {name for name, kind in architectures().items() if kind.family == family}
    assert members == FAMILIES[family]


def test_an_architecture_from_elsewhere_is_of_no_family() -> None:
    assert LitClassifier.family == "other"
    assert set(architectures()) == NAMES
