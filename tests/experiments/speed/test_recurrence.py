"""The speed of recurrent layers at toy size, from the command to its file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from experiments.speed import recurrence


def test_each_cell_is_measured_in_pairs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    threads, out = torch.get_num_threads(), tmp_path / "recurrence.json"
    words = "--rows 2 --steps 3 5 --hidden 4 --pairs 3 --threads 1"
    try:
        recurrence.main([*words.split(), "--out", str(out)])
    finally:
        torch.set_num_threads(threads)
    results = json.loads(out.read_text())["results"]
    assert [(r["cell"], r["steps"]) for r in results] == [
        ("rnn", 3),
        ("rnn", 5),
        ("gru", 3),
        ("gru", 5),
    ]
    for result in results:
        ratios = sorted(torch_ms / ours_ms for ours_ms, torch_ms in result["pairs"])
        assert len(ratios) == 3 and result["ratio"] == ratios[1] > 0
        assert result["threads"] == 1
    assert "PyTorch ms" in capsys.readouterr().out


def test_layers_that_differ_are_not_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    read = recurrence.recurrence.read
    monkeypatch.setattr(recurrence.recurrence, "read", lambda *words: read(*words) + 0.01)
    with pytest.raises(AssertionError, match="gru: different states"):
        recurrence.compare("gru", rows=2, steps=3, hidden=4, pairs=1)
