"""The settings that the other side of a comparison gets, and the state from which both begin."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from datamodules.errors import DataError
from experiments.config.registry import ConfigError, Registry
from experiments.config.resolved import Resolved
from experiments.speed.comparison import ours
from experiments.speed.comparison.exports import PREDICTED, export, some_validation_rows
from experiments.speed.comparison.rivals import PEERS
from experiments.speed.fitting import Fitting, _some
from experiments.speed.settings import configure
from experiments.training.fitting import build_and_setup
from tests.experiments.speed.conftest import TOY

NARROW = ["--model.hidden_size=8", "--model.embedding_dim=8"]


def toy(*words: str) -> Resolved:
    return configure(Registry(), "lstm", reviews=16, overrides=[*TOY, *NARROW, *words])


@pytest.mark.parametrize("rows", [3, 499, 500, 501, 999, 1499, 2500])
def test_predicted_rows_are_from_the_whole_validation_part(rows: int) -> None:
    store = SimpleNamespace(rows=lambda part: np.arange(1000, 1000 + rows))
    data: Any = SimpleNamespace(store=store)
    chosen = some_validation_rows(data)
    assert len(chosen) == len(set(chosen.tolist())) == min(rows, PREDICTED)
    assert chosen[0] == 1000 and chosen[-1] >= 1000 + rows - 1 - rows / PREDICTED
    assert np.ptp(np.diff(chosen)) <= 1


def test_predicted_batches_are_of_all_lengths() -> None:
    sampler = SimpleNamespace(items=lambda: list(range(8)))
    loader: Any = SimpleNamespace(sampler=sampler, dataset=list(range(8)))
    assert _some(loader, 2) == [2, 6] and _some(loader, 99) == list(range(8))


def test_rows_of_keras_are_those_of_the_epoch_in_random_order(tmp_path: Path) -> None:
    resolved = toy("--data.train_window=null")
    _, data = build_and_setup(resolved)
    job = export(PEERS["keras"], resolved, tmp_path, "lstm")
    with np.load(job["file"]) as content:
        tokens, labels = content["tokens"], content["labels"]
    dataset: Any = data.train_dataloader().dataset
    expected, lengths, expected_labels, _ = dataset[np.arange(len(dataset))]
    found = [
        (row[:n].tolist(), int(label))
        for row, n, label in zip(
            tokens, (tokens != data.tokenizer.pad_id).sum(axis=1), labels, strict=True
        )
    ]
    there = [
        (row[:n].tolist(), int(label))
        for row, n, label in zip(expected.numpy(), lengths.tolist(), expected_labels, strict=True)
    ]
    assert sorted(found) == sorted(there) and found != there
    assert job["reviews"] == len(labels) and job["tokens"] == int(lengths.sum())


@pytest.mark.parametrize(
    ("peer", "name", "labels", "message"),
    [
        ("sklearn", "nb_logreg", ["a", "b", "c"], "two classes, and this corpus has 3"),
        ("sklearn", "nb_logreg", [["a"], ["a", "b"]], "one label each, and these have several"),
        ("keras", "lstm", [["a"], ["a", "b"]], "one label each, and these have several"),
    ],
)
def test_labels_that_the_other_side_cannot_learn_are_refused(
    peer: str, name: str, labels: list[Any], message: str, tmp_path: Path
) -> None:
    rows = [{"text": f"row {n} word", "label": labels[n % len(labels)]} for n in range(60)]
    (tmp_path / "made.json").write_text(json.dumps(rows))
    words = [f"--data={tmp_path / 'made.json'}", f"--data.cache_dir={tmp_path}", *TOY[2:]]
    resolved = configure(Registry(), name, reviews=16, overrides=words)
    build_and_setup(resolved)
    with pytest.raises(DataError, match=f"--against {peer} measures .*{message}"):
        export(PEERS[peer], resolved, tmp_path, name)


@pytest.mark.parametrize(("peer", "name"), [("sklearn", "nb_logreg"), ("gensim", "nb_logreg")])
def test_texts_that_one_side_alone_would_cut_off_are_refused(
    peer: str, name: str, tmp_path: Path
) -> None:
    resolved = configure(Registry(), name, reviews=16, overrides=[*TOY, "--data.max_length=9"])
    build_and_setup(resolved)
    message = f"--against {peer} measures whole texts, and data.max_length is 9; leave it out"
    with pytest.raises(DataError, match=message):
        export(PEERS[peer], resolved, tmp_path, name)


def test_our_epoch_begins_with_the_first_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    states = []

    def recorded(method: Any) -> Any:
        def call(fitting: Fitting, *words: Any) -> Any:
            states.append({k: v.clone() for k, v in fitting.model.state_dict().items()})
            return method(fitting, *words)

        return call

    for name in ("warm_up", "train"):
        monkeypatch.setattr(Fitting, name, recorded(getattr(Fitting, name)))
    job = {"experiment": "lstm", "peer": "keras", "batch_size": 8, "warmup": 3}
    ours._epoch(toy().config, job, tmp_path)
    before, after = states
    assert all(torch.equal(before[name], after[name]) for name in before)


@pytest.mark.parametrize(
    ("words", "bf16"),
    [
        ([], False),
        (["--run.precision=bf16-mixed"], True),
        (["--trainer.precision=bf16-mixed"], True),
        (["--trainer.precision=32"], False),
    ],
)
def test_both_sides_have_the_precision_of_our_trainer(
    words: list[str], bf16: bool, tmp_path: Path
) -> None:
    assert ours._peer_precision(toy(*words), "hf") == {"bf16": bf16}


@pytest.mark.parametrize(
    ("precision", "peer", "known"),
    [
        ("16-mixed", "hf", "32-true or bf16-mixed"),
        ("bf16-true", "hf", "32-true or bf16-mixed"),
        ("64-true", "hf", "32-true or bf16-mixed"),
        ("bf16-mixed", "keras", "32-true"),
    ],
)
def test_a_precision_that_the_other_side_has_not_is_refused(
    precision: str, peer: str, known: str
) -> None:
    resolved = toy(f"--trainer.precision={precision}")
    message = f"precision is {precision}, and --against {peer} measures {known}; set"
    with pytest.raises(ConfigError, match=message):
        ours._peer_precision(resolved, peer)


@pytest.mark.parametrize(
    ("precision", "dtype"),
    [
        ("32", torch.float32),
        ("64-true", torch.float64),
        ("bf16-mixed", torch.bfloat16),
        ("16-mixed", torch.float16),
    ],
)
def test_the_peak_is_that_of_the_numbers_of_the_products(
    precision: str, dtype: torch.dtype, tmp_path: Path
) -> None:
    assert Fitting(toy(f"--trainer.precision={precision}"), "lstm", tmp_path).dtype == dtype


def test_keras_begins_with_the_first_weights_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Variable(np.ndarray):
        def assign(self, value: np.ndarray) -> None:
            self[...] = value

    weights, moments = (np.zeros(2).view(Variable) for _ in range(2))
    seen: list[list[float]] = []

    def fit(*_: Any, **__: Any) -> Any:
        seen.append([*weights.tolist(), *moments.tolist()])
        weights[...] += 1
        moments[...] += 1
        return SimpleNamespace(history={"loss": [0.5]})

    optimizer = SimpleNamespace(build=lambda variables: None, variables=[moments])
    model = SimpleNamespace(
        fit=fit,
        optimizer=optimizer,
        variables=[weights],
        trainable_variables=[weights],
        count_params=lambda: 2,
    )
    nothing = SimpleNamespace(
        set_intra_op_parallelism_threads=lambda n: None,
        set_inter_op_parallelism_threads=lambda n: None,
    )
    config = SimpleNamespace(threading=nothing)
    utils = SimpleNamespace(set_random_seed=lambda seed: None)
    keras = SimpleNamespace(utils=utils, callbacks=SimpleNamespace(Callback=object))
    monkeypatch.setitem(sys.modules, "keras", keras)
    monkeypatch.setitem(sys.modules, "tensorflow", SimpleNamespace(config=config))
    monkeypatch.setenv("KERAS_BACKEND", "tensorflow")  # the script sets it
    keras_networks = importlib.import_module("experiments.speed.peers.keras_networks")
    monkeypatch.setattr(keras_networks, "build", lambda *_: model)
    np.savez(tmp_path / "rows.npz", tokens=np.zeros((8, 3)), labels=np.zeros(8))
    job = {"network": "lstm", "sizes": {}, "batch_size": 2, "warmup": 1, "seed": 0, "threads": 1}
    keras_networks.measure(job | {"file": str(tmp_path / "rows.npz")})
    assert seen == [[0.0] * 4] * 2
