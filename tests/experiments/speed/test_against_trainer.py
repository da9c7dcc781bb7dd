"""The comparison with Hugging Face's Trainer, at toy size: the same reviews, each once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from experiments.speed import against_trainer
from experiments.speed.against_trainer import (
    Rows,
    StepClock,
    collate,
    main,
    measure_trainer,
    summarise,
)

SMALL = ["--model.config.num_hidden_layers=1", "--model.config.hidden_size=24", "--reviews=44"]
SMALL += ["--data.batch_size=8", "--data.max_length=16", "--data.validation_size=20"]
SMALL += ["--data.test_size=20", "--model.config.intermediate_size=32"]


def test_every_side_trains_on_the_same_reviews(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("accelerate")
    seen: dict[bool, list[int]] = {}

    def watched(model, rows, warmup, folder, grouped, **options):  # type: ignore[no-untyped-def]
        lengths: list[int] = []

        def note(examples):  # type: ignore[no-untyped-def]
            lengths.extend(example["length"] for example in examples)
            return collate(examples)

        monkeypatch.setattr(against_trainer, "collate", note)
        rates = measure_trainer(model, rows, warmup, folder, grouped, **options)
        assert sorted(lengths) == sorted(len(row) for row in rows.rows)
        seen[grouped] = lengths
        return rates

    monkeypatch.setattr(against_trainer, "measure_trainer", watched)
    threads = torch.get_num_threads()
    out = tmp_path / "speed.json"
    try:
        main(["minilm", "--rounds=1", "--warmup=1", "--threads=1", f"--out={out}", *SMALL])
    finally:
        torch.set_num_threads(threads)
    rates = json.loads(out.read_text())
    assert set(rates["median"]) == {"ours", "trainer", "group_by_length"}
    assert all(rate > 0 for rate in rates["median"].values())
    assert len(seen[False]) == len(seen[True]) == 44
    assert "group_by_length" in capsys.readouterr().out


def test_the_warm_up_is_outside_the_rate() -> None:
    clock = StepClock(2)
    for rows in (100, 100, 3, 4):
        clock.step(rows)
    assert clock.rows == 7
    clock.began, clock.started, clock.ended = 0.0, 5.0, 7.0
    assert clock.rate() == {"reviews_per_second": 3.5, "seconds_before": 5.0}


def test_ratios_are_medians_over_rounds() -> None:
    rates = [(4, 2, 4), (9, 3, 3), (5, 5, 5)]
    sides = ("ours", "trainer", "group_by_length")
    rounds = [
        {side: {"reviews_per_second": float(rate)} for side, rate in zip(sides, one, strict=True)}
        for one in rates
    ]
    summary = summarise(rounds)
    assert summary["ratio"] == {"trainer": 2.0, "group_by_length": 1.0}
    assert summary["median"] == {"ours": 5.0, "trainer": 3.0, "group_by_length": 4.0}


def test_rows_are_padded_to_the_longest_of_their_batch() -> None:
    import numpy as np

    rows = Rows([np.array([5, 6, 7]), np.array([8])], np.array([1, 0]))
    batch = collate([rows[0], rows[1]])
    assert batch["input_ids"].tolist() == [[5, 6, 7], [8, 0, 0]]
    assert batch["attention_mask"].tolist() == [[1, 1, 1], [1, 0, 0]]
    assert batch["labels"].tolist() == [1, 0]
