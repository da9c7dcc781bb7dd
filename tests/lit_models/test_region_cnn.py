"""SeqCNN and RegionCNN: weights set by hand, plain loops, the vectors of a corpus."""

from __future__ import annotations

from pathlib import Path

import lightning as L
import numpy as np
import pytest
import torch

from experiments.config.registry import Registry, layered, read_profile
from experiments.config.resolved import Resolved
from experiments.config.track import track_of
from lit_models.layers.regions import RegionEmbedding, WordRegions
from lit_models.region_cnn import RegionCNN
from lit_models.region_vectors import RegionVectors
from lit_models.seq_cnn import SeqCNN
from tests.batches import make_batch, make_view, random_rows
from tests.toys import ToyData

NOT, BAD, GOOD, FILM = 2, 3, 4, 5
V = 6
ROWS = random_rows([1, 2, 3, 8, 21], V)


def around(row: list[int], position: int, size: int) -> list[tuple[int, int]]:
    """Places in the region around a position that are in the text, and their words."""
    first = position - (size - 1) // 2
    return [(i, row[first + i]) for i in range(size) if 0 <= first + i < len(row)]


def test_weights_set_by_hand_tell_not_good_from_good_not() -> None:
    net = SeqCNN(vocab_size=V, region_size=2, num_filters=2).net.double().eval()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.zero_()
        table = net.regions.table.weight.view(2, V, 2)  # place, word, filter
        table[0, NOT, 0] = table[1, GOOD, 0] = 1.0  # filter 0: "not good"
        table[0, NOT, 1] = table[1, BAD, 1] = 1.0  # filter 1: "not bad"
        net.bias[:] = -1.5
        net.output.weight[:] = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    rows = [[NOT, GOOD], [GOOD, NOT], [FILM, NOT, BAD, FILM], [NOT], [NOT, FILM, GOOD]]
    batch = make_batch(rows, width=7, pad=GOOD)  # padding completes no region
    expected = [[0.5, 0], [0, 0], [0, 0.5], [0, 0], [0, 0]]
    assert net(batch.tokens, batch.lengths).tolist() == expected


@pytest.mark.parametrize("size", [1, 2, 3, 4])
@pytest.mark.parametrize("sparse", [False, True])
def test_features_are_those_of_one_hot_vectors(size: int, sparse: bool) -> None:
    torch.manual_seed(0)
    regions = WordRegions(V, 3, size, 0.0, sparse=sparse).double()
    batch = make_batch(ROWS, width=25, pad=FILM)
    found = regions(batch.tokens, batch.lengths)
    assert found.shape == (len(ROWS), 25, 3)
    total = torch.zeros((), dtype=torch.float64)
    weight = regions.table.weight
    for features, row in zip(found, ROWS, strict=True):
        for t in range(len(row)):
            expected = sum(weight[V * i + word] for i, word in around(row, t, size))
            assert torch.allclose(features[t], expected, atol=1e-12)
        total = total + features[: len(row)].square().sum()
    [gradient] = torch.autograd.grad(total, weight)
    assert gradient.is_sparse == sparse
    expected_gradient = torch.zeros_like(weight)
    for features, row in zip(found.detach(), ROWS, strict=True):
        for t in range(len(row)):
            for i, word in around(row, t, size):
                expected_gradient[V * i + word] += 2 * features[t]
    assert torch.allclose(gradient.to_dense(), expected_gradient, atol=1e-12)


def test_a_dropped_word_is_missing_everywhere_and_the_rest_is_scaled_up() -> None:
    torch.manual_seed(0)
    regions = WordRegions(V, 1, 3, 0.5, sparse=False).double().train()
    with torch.no_grad():
        regions.table.weight[:] = 1.0
    rows = [[word] for word in range(V)] + ROWS
    batch = make_batch(rows)
    seen = set()
    for _ in range(20):
        found = regions(batch.tokens, batch.lengths)[..., 0]
        scales = found[:V, 0].tolist()  # of each word, from the text of it alone
        seen |= set(scales)
        for features, row in zip(found, rows, strict=True):
            expected = [sum(scales[w] for _, w in around(row, t, 3)) for t in range(len(row))]
            assert features[: len(row)].tolist() == expected
    assert seen == {0.0, 2.0}
    assert (regions.eval()(batch.tokens, batch.lengths)[:V, 0] == 1).all()


@pytest.mark.parametrize("size", [1, 2, 5])
def test_region_embedding_is_that_of_a_plain_loop(size: int) -> None:
    torch.manual_seed(0)
    embedding = RegionEmbedding(V, 4, size).double()
    embedding.start_from(torch.randn(V - 1, 4).double())
    assert not embedding.table[V - 1].any()
    batch = make_batch(ROWS, width=25, pad=GOOD)
    found = embedding(batch.tokens, batch.lengths)
    for u, row in zip(found, ROWS, strict=True):
        for t in range(len(row)):
            expected = sum(embedding.table[word] for _, word in around(row, t, size))
            assert torch.allclose(u[t], expected.relu(), atol=1e-12)


def test_logits_follow_the_equations_in_the_docstring() -> None:
    torch.manual_seed(0)
    model = RegionCNN(vocab_size=V, num_filters=7, embedding_dim=4)
    vectors = np.random.default_rng(0).normal(size=(V, 4)).astype(np.float32)
    model.prepare(make_view(ROWS, [0, 1, 0, 1, 0], V, vectors))
    net = model.net.double().eval()
    torch.nn.init.normal_(net.bias)
    torch.nn.init.normal_(net.regions.table.weight)
    batch = make_batch(ROWS, width=25, pad=BAD)
    found = net(batch.tokens, batch.lengths)
    v = torch.from_numpy(vectors).double()
    for row, logits in zip(ROWS, found, strict=True):
        h = []
        for t in range(len(row)):
            u = sum(v[word] for _, word in around(row, t, 5)).relu()
            W = sum(net.regions.table.weight[V * i + word] for i, word in around(row, t, 3))
            h.append((W + net.mix.weight @ u + net.bias).relu())
        maxima = torch.stack(h).max(dim=0).values
        assert torch.allclose(logits, net.output(maxima), atol=1e-12)


def test_the_vectors_stay_fixed_and_are_saved_with_the_model(tmp_path: Path) -> None:
    vectors = RegionVectors(4, epochs=1, batch_size=64, negative=8)
    data = ToyData(vocab_size=60, vectors=vectors, cache_dir=str(tmp_path / "cache"))
    model = RegionCNN(vocab_size=60, num_filters=7, embedding_dim=4)
    options = {name: False for name in ("logger", "enable_checkpointing", "enable_progress_bar")}
    trainer = L.Trainer(max_epochs=1, limit_val_batches=0, accelerator="cpu", **options)
    trainer.fit(model, datamodule=data)
    given = data.train_view().vectors
    assert given is not None and given.any()
    model.save(tmp_path)
    loaded = RegionCNN.load(tmp_path)
    assert np.array_equal(loaded.net.embedding.table[: len(given)], given)
    batch = make_batch(random_rows([5, 9], 60))
    expected = model.eval().predict_step(batch).probabilities
    assert torch.equal(loaded.predict_step(batch).probabilities, expected)


@pytest.mark.parametrize(("name", "track"), [("seq_cnn", "labels"), ("region_cnn", "unlabelled")])
def test_its_track_says_what_it_learnt_from(registry: Registry, name: str, track: str) -> None:
    settings = layered(registry, name, read_profile("full"))
    assert track_of(Resolved(settings).config) == track


def test_a_corpus_without_vectors_is_an_error() -> None:
    view = make_view(ROWS, [0, 1, 0, 1, 0], V)
    with pytest.raises(ValueError, match="data.vectors is null; set --data.vectors .*seq_cnn"):
        RegionCNN(vocab_size=V, num_filters=2).prepare(view)


def test_vectors_of_another_width_are_an_error() -> None:
    view = make_view(ROWS, [0, 1, 0, 1, 0], V, np.ones((V, 3), np.float32))
    with pytest.raises(ValueError, match=r"6 word vectors of width 3, .* 6 × 4; give --model"):
        RegionCNN(vocab_size=V, num_filters=2, embedding_dim=4).prepare(view)


def test_an_empty_region_is_an_error() -> None:
    with pytest.raises(ValueError, match="a region of 0 words is empty"):
        SeqCNN(vocab_size=V, num_filters=2, region_size=0)
    with pytest.raises(ValueError, match="a region of 0 words is empty"):
        RegionEmbedding(V, 4, 0)
