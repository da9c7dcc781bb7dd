"""Pairs, tokens and spans against transformers' own, with the same weights."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers import (
    AutoConfig,
    AutoModelForQuestionAnswering,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
)

from lit_models.layers.pretrained import build_encoder, resolve_config
from lit_models.layers.tasks import PairNet, SpanNet, TokenNet, best_span
from tests.batches import make_batch, random_rows
from tests.tiny_encoders import TINY, tiny

LENGTHS = [12, 30, 7]
BATCH = make_batch(random_rows(LENGTHS, 700), width=36)
MASK = torch.arange(36)[None] < BATCH.lengths[:, None]
SEGMENTS = (torch.arange(36)[None] >= torch.tensor([4, 9, 3])[:, None]) & MASK


def reference(kind: Any, classes: int = 3) -> tuple[Any, Any]:
    """Theirs, and our encoder with the same weights."""
    torch.manual_seed(0)
    config = AutoConfig.for_model("bert", **TINY["bert"], num_labels=classes)
    theirs = kind.from_config(config).eval()
    with torch.no_grad():
        for parameter in theirs.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    encoder, _ = build_encoder(None, resolve_config(None, tiny("bert")))
    state = {k: v for k, v in theirs.base_model.state_dict().items() if "pooler" not in k}
    encoder.load_state_dict(state)
    return theirs, encoder


def given() -> dict[str, Any]:
    ids = {"input_ids": BATCH.tokens, "attention_mask": MASK.long()}
    return ids | {"token_type_ids": SEGMENTS.long()}


def test_pairs_are_those_of_transformers() -> None:
    theirs, encoder = reference(AutoModelForSequenceClassification)
    ours = PairNet(encoder, 3, pooler=theirs.bert.pooler.dense).eval()
    ours.output.load_state_dict(theirs.classifier.state_dict())
    with torch.no_grad():
        expected = theirs(**given()).logits
        found = ours(BATCH.tokens, BATCH.lengths, SEGMENTS.long())
        swapped = ours(BATCH.tokens, BATCH.lengths, 1 - SEGMENTS.long())
    assert torch.allclose(found, expected, atol=1e-5)
    assert not torch.allclose(found, swapped, atol=1e-2), "which text is which must matter"


def test_token_labels_are_those_of_transformers() -> None:
    theirs, encoder = reference(AutoModelForTokenClassification)
    ours = TokenNet(encoder, 3).eval()
    ours.output.load_state_dict(theirs.classifier.state_dict())
    with torch.no_grad():
        expected = theirs(input_ids=BATCH.tokens, attention_mask=MASK.long()).logits
        found = ours(BATCH.tokens, BATCH.lengths)
    assert found.shape == (3, 36, 3)
    assert torch.allclose(found[MASK], expected[MASK], atol=1e-5)


def test_spans_are_those_of_transformers_within_the_passage() -> None:
    theirs, encoder = reference(AutoModelForQuestionAnswering, 2)
    ours = SpanNet(encoder).eval()
    ours.output.load_state_dict(theirs.qa_outputs.state_dict())
    with torch.no_grad():
        expected = theirs(**given())
        start, end = ours(BATCH.tokens, BATCH.lengths, SEGMENTS.long())
    for found, want in ((start, expected.start_logits), (end, expected.end_logits)):
        assert torch.allclose(found[SEGMENTS], want[SEGMENTS], atol=1e-5)
        assert (found[~SEGMENTS] == -torch.inf).all()


@pytest.mark.parametrize("longest", [3, 30])
def test_the_best_span_is_that_of_a_plain_search(longest: int) -> None:
    torch.manual_seed(1)
    start, end = torch.randn(20, 15), torch.randn(20, 15)
    first, last = best_span(start, end, longest)
    for row in range(20):
        options = [(i, j) for i in range(15) for j in range(i, min(15, i + longest))]
        best = max(options, key=lambda s: float(start[row, s[0]] + end[row, s[1]]))
        assert (int(first[row]), int(last[row])) == best
