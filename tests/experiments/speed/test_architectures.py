"""Speed of architectures: counted operations, and the driver from end to end."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from datamodules.imdb import IMDB
from experiments.speed.architectures import flops_per_token, main
from lit_models.bidirectional_lstm import BidirectionalLSTM
from lit_models.lstm import LSTM
from lit_models.transformer import Transformer
from tests.batches import make_batch, random_rows
from tests.corpora import SMALL_COUNTS, make_aclimdb


def test_operations_are_those_of_the_written_equations() -> None:
    """2 · 4H · (E + H) for each word and direction, and the output layer once a text."""
    batch = make_batch(random_rows([7, 7], 30))
    words = 2 * 7
    one = LSTM(vocab_size=30, embedding_dim=5, hidden_size=3, pooling="mean")
    cell, output = 2 * 12 * (5 + 3), 2 * 3 * 2
    assert flops_per_token(one, batch) == (words * cell + 2 * output) / words
    both = BidirectionalLSTM(vocab_size=30, embedding_dim=5, hidden_size=3, pooling="mean")
    assert flops_per_token(both, batch) == (words * 2 * cell + 2 * 2 * output) / words
    # Word dropout would leave words out by chance, and their operations with them.
    narrow = {"vocab_size": 30, "embedding_dim": 8, "dim_feedforward": 8, "word_dropout": 0.0}
    short, long = (make_batch(random_rows([n], 30)) for n in (64, 128))
    encoder = Transformer(**narrow)
    assert flops_per_token(encoder, long) > 1.2 * flops_per_token(encoder, short)  # the n² part
    assert one.net.recurrent.layers[0][0].recurrent_dropout == 0  # as it was


def test_each_experiment_is_measured_beside_the_reference(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(IMDB, "_COUNTS", SMALL_COUNTS)
    corpus = make_aclimdb(tmp_path).parent
    words = ["gru", "tfidf_logreg", "--root", corpus, "--cache-dir", tmp_path / "cache"]
    words += ["--reviews", 34, "--rounds", 2, "--threads", 1, "--out", tmp_path / "speed.json"]
    threads = torch.get_num_threads()
    try:
        main([str(word) for word in words])
    finally:
        torch.set_num_threads(threads)
    rates = json.loads((tmp_path / "speed.json").read_text())["experiments"]
    assert list(rates) == ["lstm", "gru"]  # a scikit-learn model takes no steps
    assert rates["lstm"]["lag"] == pytest.approx(1)
    assert rates["gru"]["flop_share"] == pytest.approx(0.75, abs=0.01)
    slower = rates["lstm"]["tokens_per_second"] / rates["gru"]["tokens_per_second"]
    assert rates["gru"]["lag"] == pytest.approx(slower / rates["gru"]["flop_share"])
    assert all(0 < one["optimiser_share"] < 1 for one in rates.values())
    assert "gru" in capsys.readouterr().out
