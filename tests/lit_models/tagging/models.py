"""Small taggers, and small made batches for them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch

from datamodules.tagging.batches import NO_TAG, TagBatch
from lit_models.bert_tagger import BERTTagger
from lit_models.bilstm_crf import BiLSTMCRF
from lit_models.bilstm_tagger import BiLSTMTagger
from lit_models.tagging.model import LitTagger
from tests.batches import make_batch, random_rows
from tests.tiny_encoders import tiny

VOCAB, TAGS = 20, 4
LENGTHS = [1, 2, 3, 5, 8, 13]
TEXTS = random_rows(LENGTHS, VOCAB)
TAGGED = [[(7 * row + 3 * place) % TAGS for place in range(n)] for row, n in enumerate(LENGTHS)]

SMALL: dict[str, Any] = {"vocab_size": VOCAB, "num_tags": TAGS, "embedding_dim": 8}
SMALL |= {"hidden_size": 8, "dropout": 0.0}
ENCODER: dict[str, Any] = {"config": tiny("bert", vocab_size=VOCAB), "num_tags": TAGS}
ENCODER |= {"dropout": 0.0, "head_dropout": 0.0, "window": 32}
MODELS: dict[str, Callable[..., Any]] = {
    "bilstm_tagger": partial(BiLSTMTagger, **SMALL),
    "bilstm_tagger of two layers": partial(BiLSTMTagger, **SMALL, num_layers=2),
    "bilstm_crf": partial(BiLSTMCRF, **SMALL),
    "bert_tagger": partial(BERTTagger, **ENCODER),
}


def build(kind: str, seed: int = 0, scale: float = 3.0, **settings: Any) -> Any:
    """A random model in double precision, with weights so large that differences show."""
    torch.manual_seed(seed)
    model: LitTagger = MODELS[kind](**settings).double().eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(scale)
    model.log = lambda *_, **__: None  # type: ignore[method-assign]  # there is no trainer
    return model


def make_tagged(
    texts: Sequence[Sequence[int]],
    tags: Sequence[Sequence[int]],
    width: int | None = None,
    pad: int = 0,
) -> TagBatch:
    """Batch of tagged texts, padded to a width."""
    batch = make_batch(texts, width, pad)
    matrix = torch.full_like(batch.tokens, NO_TAG)
    for line, row in zip(matrix, tags, strict=True):
        line[: len(row)] = torch.tensor(row)
    return TagBatch(batch.tokens, batch.lengths, matrix, batch.ids)
