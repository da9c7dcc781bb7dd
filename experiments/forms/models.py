"""The portable form of each architecture."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from datamodules.store.truncation import TokenTruncation
from experiments.forms import bags, estimators
from experiments.forms.portable import (
    NotExportable,
    Portable,
    sentences_example,
    tokens_example,
)
from experiments.forms.recurrent import OnnxRecurrent, ScanRecurrent, exportable
from experiments.forms.trees import Trees
from lit_models.bag import Bag
from lit_models.base.classifier import LitClassifier
from lit_models.base.estimator import LitEstimator
from lit_models.bert import BERT
from lit_models.bow_forest import BowForest
from lit_models.class_lm import ClassLM
from lit_models.classics.centroids import Centroids
from lit_models.classics.vector_average import VectorAverage
from lit_models.doc2vec_logreg import Doc2VecLogReg
from lit_models.dv_ngrams import DVNgrams
from lit_models.fasttext import FastText
from lit_models.hierarchical_attention import HierarchicalAttention, HierarchicalAttentionNet
from lit_models.linear_svm import LinearSVM
from lit_models.logistic import Logistic
from lit_models.lsa_logreg import LSALogReg
from lit_models.mlp import MLP
from lit_models.naive_bayes import NaiveBayes
from lit_models.nb_bag import NBBag
from lit_models.nb_logreg import NBLogReg
from lit_models.ngram_lm_classifier import NgramLMClassifier
from lit_models.perceptron import Perceptron
from lit_models.tfidf_forest import TfidfForest
from lit_models.tfidf_logreg import TfidfLogReg
from lit_models.tree_lstm import TreeLSTM, TreeLSTMNet

_LONGEST = 521  # tokens of the longest row in tracing, where rows have no limit


class _Net(nn.Module):
    """A network with logits in fp32."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        """float32[B, C] from int64[B, T] and int64[B]."""
        logits: Tensor = self.net(tokens, lengths)
        return logits.float()


class _Sentences(nn.Module):
    """Hierarchical attention over sentences that are split already."""

    def __init__(self, net: HierarchicalAttentionNet) -> None:
        super().__init__()
        self.embedding, self.output = net.embedding, net.output
        self.word_gru, self.word_attention = net.word_gru, net.word_attention
        self.sentence_gru, self.sentence_attention = net.sentence_gru, net.sentence_attention

    def forward(self, tokens: Tensor, lengths: Tensor, places: Tensor, counts: Tensor) -> Tensor:
        """float[B, C] logits.

        Args:
            tokens: int64[S, T] words of each sentence.
            lengths: int64[S].
            places: int64[B, N], sentences of each text.
            counts: int64[B], their numbers.
        """
        states = self.word_gru(self.embedding(tokens), lengths)
        sentences = self.word_attention(states, lengths)[0]  # [S, 2H]
        states = self.sentence_gru(sentences[places], counts)  # [B, N, 2H]
        logits: Tensor = self.output(self.sentence_attention(states, counts)[0])
        return logits


def _network(model: LitClassifier, truncation: TokenTruncation) -> Portable:
    """A network of tokens and lengths."""
    if type(model).forward not in (LitClassifier.forward, BERT.forward):
        raise NotExportable(
            f"{type(model).__name__} has a forward of its own, and only `net(tokens, lengths)` is "
            "exported; move what it does into the net"
        )
    window = getattr(model, "window", None)
    if window is not None:
        window = [window, *model.specials.tolist()]  # type: ignore[operator]
    longest = window[0] if window else truncation.max_length or _LONGEST
    more = {"window": window, "products": isinstance(model, BERT)}
    return _with_forms(
        _Net(model.net), {"kind": "tokens"}, tokens_example(truncation.unk_id, longest), **more
    )


def _hierarchical(model: HierarchicalAttention | TreeLSTM, truncation: TokenTruncation) -> Portable:
    net = model.net
    ends = net.sentence_ends.nonzero().flatten().numpy()
    inputs = {"kind": "sentences", "longest": net.max_sentence_length}
    example = sentences_example(truncation.unk_id)
    module = Trees(net) if isinstance(net, TreeLSTMNet) else _Sentences(net)
    return _with_forms(module, inputs, example, arrays={"sentence_ends": ends})


def _with_forms(module: nn.Module, inputs: Any, example: Any, **more: Any) -> Portable:
    """Recurrent layers as ONNX has them for ONNX, as a scan otherwise."""
    onnx_module = exportable(copy.deepcopy(module), OnnxRecurrent)
    module = exportable(copy.deepcopy(module), ScanRecurrent)
    return Portable(module, inputs, example, onnx_module=onnx_module, **more)


def _inferred(model: Doc2VecLogReg) -> Portable:
    raise NotExportable(
        "the vector of a new text is learnt by gensim, in steps with random words, and neither "
        "ONNX nor a program of torch has that"
    )


def _language_models(model: NgramLMClassifier) -> Portable:
    raise NotExportable(
        "the probability of a word depends on the longest run of words before it that was seen, "
        "and the runner counts n-grams without their order"
    )


def _class_lm(model: ClassLM) -> Portable:
    raise NotExportable(
        "the sizes of its clusters of rare words depend on the words of a text, and not on its "
        "length alone, which no exported graph can follow"
    )


_FORMS: dict[type[LitClassifier], Callable[[Any], Portable]] = {
    Bag: bags.bag,
    BowForest: estimators.counted_forest,
    Centroids: estimators.centroids,
    ClassLM: _class_lm,
    Doc2VecLogReg: _inferred,
    DVNgrams: estimators.dv_ngrams,
    FastText: bags.fasttext,
    LSALogReg: estimators.lsa_logreg,
    LinearSVM: estimators.linear_svm,
    Logistic: bags.logistic,
    MLP: bags.mlp,
    NBBag: bags.nb_bag,
    NBLogReg: estimators.nb_logreg,
    NaiveBayes: estimators.naive_bayes,
    NgramLMClassifier: _language_models,
    Perceptron: bags.perceptron,
    TfidfForest: estimators.counted_forest,
    TfidfLogReg: estimators.tfidf_logreg,
    VectorAverage: estimators.vector_average,
}


def bag_form(model: LitClassifier) -> Portable | None:
    """The portable form of a model over bags of n-grams or words; None: it is no such model.

    Raises:
        NotExportable: It is one, and has none.
    """
    for kind in type(model).__mro__:
        if kind in _FORMS:
            with torch.no_grad():
                return _FORMS[kind](model)
    return None


def portable(model: LitClassifier, truncation: TokenTruncation) -> Portable:
    """The portable form of a model.

    Args:
        model: On the CPU, in evaluation mode.
        truncation: Truncation of its texts.

    Raises:
        NotExportable: It has none.
    """
    with torch.no_grad():
        if (form := bag_form(model)) is not None:
            return form
        if isinstance(model, LitEstimator):
            raise NotExportable(
                f"{type(model).__name__} is an estimator whose features are known to it alone"
            )
        if isinstance(model, (HierarchicalAttention, TreeLSTM)):
            return _hierarchical(model, truncation)
        return _network(model, truncation)
