"""Small made pairs of strings, and small models for them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch

from datamodules.sequences.pairs import PairBatch
from lit_models.ctc import CTC
from lit_models.seq2seq import Seq2Seq
from lit_models.seq2seq_attention import Seq2SeqAttention
from lit_models.sequences.model import LitTranscriber
from lit_models.transformer_seq2seq import TransformerSeq2Seq
from tests.batches import make_batch, random_rows

VOCAB, SYMBOLS = 9, 6
LENGTHS = [1, 2, 3, 5, 8, 13]
TEXTS = random_rows(LENGTHS, VOCAB)
STRINGS = [[(7 * row + place) % (SYMBOLS - 1) + 1 for place in range(9 - row)] for row in range(6)]

SIZES: dict[str, Any] = {"vocab_size": VOCAB, "num_symbols": SYMBOLS, "longest": 12}
SMALL = SIZES | {"embedding_dim": 8, "hidden_size": 8}
TRANSFORMER = SIZES | {"embedding_dim": 8, "num_heads": 2, "dim_feedforward": 12, "num_layers": 2}
AUTOREGRESSIVE: dict[str, Callable[..., Any]] = {
    "seq2seq": partial(Seq2Seq, **SMALL),
    "seq2seq of one layer": partial(Seq2Seq, **SMALL, num_layers=1),
    "additive": partial(Seq2SeqAttention, **SMALL, attention_size=5),
    "additive of two layers": partial(Seq2SeqAttention, **SMALL, num_layers=2),
    "multiplicative": partial(Seq2SeqAttention, **SMALL, attention="multiplicative"),
    "without input feeding": partial(Seq2SeqAttention, **SMALL, input_feeding=False),
    "transformer_seq2seq": partial(TransformerSeq2Seq, **TRANSFORMER),
    "post-norm": partial(TransformerSeq2Seq, **TRANSFORMER, norm="post"),
}
MODELS = AUTOREGRESSIVE | {
    "ctc": partial(CTC, **SMALL),
    "ctc of one frame": partial(CTC, **SMALL, num_layers=1, upsampling=1, min_frames=11),
}


def build(kind: str, seed: int = 0, scale: float = 3.0, **settings: Any) -> Any:
    """A random model in double precision, with weights so large that differences show."""
    torch.manual_seed(seed)
    model: LitTranscriber = MODELS[kind](**settings).double().eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(scale)
    model.log = lambda *_, **__: None  # type: ignore[method-assign]  # there is no trainer
    return model


def make_pairs(
    texts: Sequence[Sequence[int]],
    strings: Sequence[Sequence[int]],
    width: int | None = None,
    target_width: int | None = None,
    pad: int = 0,
) -> PairBatch:
    """Batch of pairs, the texts padded to one width and the strings to another."""
    batch = make_batch(texts, width, pad)
    targets = torch.zeros(len(texts), target_width or max(map(len, strings)) + 1, dtype=torch.int64)
    for line, string in zip(targets, strings, strict=True):
        line[: len(string)] = torch.tensor(string)
    lengths = torch.tensor([len(string) for string in strings])
    return PairBatch(batch.tokens, batch.lengths, targets, lengths, batch.ids)
