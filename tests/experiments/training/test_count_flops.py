"""Costs in a row: FLOPs equal to those of the equations, throughput, energy."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import lightning as L
import numpy as np
import pytest
import torch

from datamodules.imdb import IMDB
from experiments.cli.main import main
from experiments.machine import energy
from experiments.records.costs import add_costs, cost_file
from experiments.records.row import ResultsError
from experiments.records.run_files import read_row, write_table
from experiments.training import measure
from experiments.training.flops import count, flops_per_review
from lit_models.bidirectional_lstm import BidirectionalLSTM
from lit_models.lstm_lm import LSTMLM
from lit_models.tfidf_logreg import TfidfLogReg
from tests.batches import make_batch, random_rows
from tests.corpora import SMALL_COUNTS, make_aclimdb
from tests.rows import make_row
from tests.toys import ToyData


def toy(folder: Path) -> ToyData:
    data = ToyData(rows=400, vocab_size=50, cache_dir=str(folder))
    data.prepare_data()
    data.setup()
    return data


def test_flops_are_those_of_the_equations_and_of_no_padding(tmp_path: Path) -> None:
    """2 · 4H · (E + H) for each word and direction, and the output layer once for each text."""
    data = toy(tmp_path)
    model = BidirectionalLSTM(vocab_size=50, embedding_dim=5, hidden_size=3, pooling="mean")
    model.train()
    # All of up to 32 reviews, or 32 at equal steps of the sorted lengths.
    lengths = np.sort(data.loader("val").dataset.lengths)  # type: ignore[attr-defined]
    words = lengths[np.linspace(0, len(lengths) - 1, 32).round().astype(int)].mean()
    expected = words * 2 * (2 * 12 * (5 + 3)) + 2 * 6 * 2
    # Padded to a multiple of 8, even in a batch of one row.
    flops = flops_per_review(model, data)
    assert flops is not None and expected <= flops <= expected + 8 * 2 * (2 * 12 * 8)
    assert model.training and model.net.recurrent.layers[0][1].recurrent_dropout == 0
    assert not flops_per_review(TfidfLogReg(), data)


def test_those_of_a_language_model_are_of_its_cells_and_its_softmax() -> None:
    """Of each symbol 8H · (E + H), and of the head for each symbol, of a cluster for its words."""
    model = LSTMLM(vocab_size=40, embedding_dim=4, hidden_size=4, cutoffs=[10])
    batch = make_batch([[3, 4, 5], [3, 20, 30, 5]])
    cells, head, cluster = 2 * 16 * (4 + 4), 2 * 4 * 11, 2 * 4 * 30
    # The shorter text is read as far as the longer one.
    assert count(model, [batch]) == 10 * cells + 9 * head + 2 * cluster


def test_a_compiled_network_is_counted_too() -> None:
    batch = make_batch(random_rows([5], 20))
    model = BidirectionalLSTM(vocab_size=20, embedding_dim=4, hidden_size=3)
    plain = count(model, [batch])
    model.net.output.compile()
    assert count(model, [batch, batch]) == 2 * plain > 0


class Slow(BidirectionalLSTM):
    """A model whose batches take a fixed time and a time for each text."""

    texts: list[int]

    def predict_step(self, batch: Any, batch_idx: int = 0) -> Any:
        self.texts.append(len(batch.labels))
        Slow.clock += 0.1 + 0.001 * len(batch.labels) + (9 if len(batch.labels) > 60 else 0)

    clock = 0.0


def test_throughput_is_that_of_the_best_batch_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, data = Slow(vocab_size=50), toy(tmp_path)
    model.texts, Slow.clock = [], 0.0
    monkeypatch.setattr(measure, "time", SimpleNamespace(perf_counter=lambda: Slow.clock))
    trainer = L.Trainer(accelerator="cpu", logger=False, enable_checkpointing=False)
    rate, size = measure.throughput(trainer, model, data)
    # 100 validation texts: batches of 32, 32, 32 and 4 against one of 100.
    assert size == 32 and rate == pytest.approx(100 / (4 * 0.1 + 0.1), rel=0.1)
    assert max(model.texts) == 100  # the next size was measured, and is slower


def test_energy_is_the_difference_of_nvmls_counters(monkeypatch: pytest.MonkeyPatch) -> None:
    assert energy.EnergyMeter([torch.device("cpu")]).joules() is None
    pynvml, counted = ModuleType("pynvml"), iter([1_000, 4_000, 6_000, 4_500])
    for name, value in {
        "NVMLError": type("NVMLError", (Exception,), {}),
        "nvmlInit": lambda: None,
        "nvmlShutdown": lambda: None,
        "nvmlDeviceGetHandleByUUID": lambda name: name,
        "nvmlDeviceGetTotalEnergyConsumption": lambda handle: next(counted),
    }.items():
        setattr(pynvml, name, value)
    monkeypatch.setitem(sys.modules, "pynvml", pynvml)
    monkeypatch.setattr(
        torch.cuda, "get_device_properties", lambda card: SimpleNamespace(uuid=card)
    )
    meter = energy.EnergyMeter([torch.device("cuda", 0), torch.device("cuda", 1)])
    assert meter.joules() == (6_000 + 4_500 - 1_000 - 4_000) / 1000
    monkeypatch.setattr(pynvml, "nvmlInit", lambda: (_ for _ in ()).throw(pynvml.NVMLError()))
    assert meter.joules() is None


def test_a_run_says_what_a_review_costs(finished: Path) -> None:
    bag, logreg = (read_row(finished / name / "seed-0") for name in ("bag", "tfidf_logreg"))
    assert bag.flops_per_review and logreg.flops_per_review is None
    assert bag.best_batch_size and bag.reviews_per_second and bag.energy_joules is None


YAML = """# A toy.
model:
  class_path: lit_models.{module}
  init_args: {{embedding_dim: 4, hidden_size: 3}}
data:
  init_args: {{vocab_size: 50, vectors: {{class_path: datamodules.vectors.word2vec.Word2Vec}}}}
"""


def test_published_rows_get_figures_without_training(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(IMDB, "_COUNTS", SMALL_COUNTS)
    corpus = make_aclimdb(tmp_path / "corpus").parent
    for name in ("one", "two"):
        text = YAML.format(module="bidirectional_lstm.BidirectionalLSTM")
        (tmp_path / f"{name}.yaml").write_text(text)
    model = BidirectionalLSTM(vocab_size=50, embedding_dim=4, hidden_size=3)
    rows = [
        make_row(experiment=name, config_hash=digit * 16, profile="full", parameters=parameters)
        for name, digit, parameters in (
            ("one", "1", model.parameter_count),
            ("two", "2", 7),
            ("gone", "3", 7),
        )
    ]
    table = tmp_path / "imdb.jsonl"
    write_table(table, rows)
    words = ["cost", str(table), "--configs", str(tmp_path), "--root", str(corpus)]
    assert main(words) == 0
    out = capsys.readouterr().out
    assert "gone: no such experiment" in out and "imdb.cost.json: 1 figures" in out
    assert f"two: its settings make {model.parameter_count} parameters now and the row has 7" in out
    flops = {row.experiment: row.flops_per_review for row in add_costs(rows, table)}
    assert flops["one"] == json.loads(cost_file(table).read_text())["1" * 16] and not flops["two"]
    assert f"one: {flops['one']:,.0f}" in out
    assert main(words) == 0 and "\none:" not in "\n" + capsys.readouterr().out  # counted once
    cost_file(table).write_text("[]")
    with pytest.raises(ResultsError, match=r"imdb.cost.json: not a file of costs"):
        add_costs(rows, tmp_path)
