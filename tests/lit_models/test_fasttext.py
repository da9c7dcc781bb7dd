"""fastText: rows of n-grams against a plain loop, and the mean written out."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from lit_models.fasttext import FastText, FastTextNet
from tests.batches import make_batch, make_view, random_rows

VOCAB, BUCKETS = 20, 50
ROWS = [[3], [4, 4], [5, 6, 5, 6], *random_rows([7, 19], VOCAB)]


def make(
    vocab_size: int, embedding_dim: int, ngrams: int, buckets: int, **settings: Any
) -> FastTextNet:
    sizes = {"vocab_size": vocab_size, "embedding_dim": embedding_dim}
    return FastText(**sizes, ngrams=ngrams, buckets=buckets, **settings).net


def rows_by_loop(row: list[int], orders: int) -> list[int]:
    found = list(row)
    for order in range(2, orders + 1):
        for start in range(len(row) - order + 1):
            key = row[start] + 1
            for token in row[start + 1 : start + order]:
                key = (key * 1_540_483_477 + token + 1) % (2**31 - 1)
            found.append(VOCAB + key % BUCKETS)
    return found


@pytest.mark.parametrize("distinct", [True, False])
@pytest.mark.parametrize("orders", [1, 2, 3])
def test_logits_are_the_linear_map_of_the_mean(orders: int, distinct: bool) -> None:
    torch.manual_seed(0)
    net = make(VOCAB, 4, orders, BUCKETS, num_classes=3, distinct=distinct).double().eval()
    batch = make_batch(ROWS, width=23, pad=6)
    for row, logits in zip(ROWS, net(batch.tokens, batch.lengths), strict=True):
        rows = rows_by_loop(row, orders)
        rows = sorted(set(rows)) if distinct else rows
        mean = net.embedding.weight[torch.tensor(rows)].mean(dim=0)
        assert torch.allclose(logits, net.output(mean), atol=1e-12)


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("repeated", [True, False])
def test_the_mean_is_weighted_by_naive_bayes_ratios(classes: int, repeated: bool) -> None:
    torch.manual_seed(0)
    settings = {"num_classes": classes, "distinct": not repeated, "nb_smoothing": 0.5}
    model = FastText(vocab_size=VOCAB, embedding_dim=4, ngrams=2, buckets=BUCKETS, **settings)
    net = model.double().eval().net
    labels = [number % classes for number in range(len(ROWS))]
    model.prepare(make_view(ROWS, labels, VOCAB))
    documents = torch.zeros(classes, VOCAB + BUCKETS).double()
    for row, label in zip(ROWS, labels, strict=True):
        documents[label, list(set(rows_by_loop(row, 2)))] += 1
    seen, scales = documents.sum(dim=0) > 0, torch.zeros(VOCAB + BUCKETS).double()
    for label in range(classes):
        p = torch.where(seen, documents[label] + 0.5, 0)
        q = torch.where(seen, documents.sum(dim=0) - documents[label] + 0.5, 0)
        ratios = ((p / p.sum()) / (q / q.sum())).log()
        scales[seen] = torch.maximum(scales, ratios.abs())[seen]
    others = [*ROWS, [19, 18, 17, 16]]
    batch = make_batch(others, width=23, pad=6)
    for row, logits in zip(others, net(batch.tokens, batch.lengths), strict=True):
        rows = rows_by_loop(row, 2) if repeated else sorted(set(rows_by_loop(row, 2)))
        weights = scales[rows, None] / scales[rows].sum().clamp(min=1e-9)
        mean = (weights * net.embedding.weight[rows]).sum(dim=0)
        assert torch.allclose(logits, net.output(mean), atol=1e-6)


def test_a_smoothing_that_gives_no_finite_ratio_is_refused() -> None:
    with pytest.raises(ValueError, match=r"model.nb_smoothing is 0.0; it must be above 0"):
        FastText(nb_smoothing=0.0)


def test_buckets_are_used_evenly() -> None:
    torch.manual_seed(0)
    net = make(30_000, 1, 3, 1000)
    tokens = torch.randint(2, 30_000, (100, 1000))
    rows, _ = net.rows_of(tokens, torch.full((100,), 1000))
    times = torch.bincount(rows[:, 1000:].flatten() - 30_000, minlength=1000).double()
    # Poisson: the variance is the mean.
    assert times.var() / times.mean() == pytest.approx(1.0, abs=0.25)


def test_words_alone_need_no_buckets() -> None:
    net = make(VOCAB, 4, 1, BUCKETS)
    assert net.embedding.num_embeddings == VOCAB
    with pytest.raises(ValueError, match="ngrams 3 and buckets 0 must each be at least 1"):
        make(VOCAB, 4, 3, 0)
