"""The measurement of `predict` on a file: both sides do the same work."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from experiments import load_run
from experiments.speed import predict


def test_both_sides_predict_all_reviews(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = load_run(finished / "bag" / "seed-0")
    texts = [f"good film {number} " * (number % 7 + 1) for number in range(300)]
    file, out = tmp_path / "in.csv", tmp_path / "out.csv"
    file.write_text("text\n" + "".join(f"{text}\n" for text in texts))
    assert predict.time_whole(run, file, out) > 0
    assert len(out.read_text().splitlines()) == 301
    seen, step = list[int](), run.model.predict_step

    def counted(batch):  # type: ignore[no-untyped-def]
        seen.append(len(batch.ids))
        return step(batch)

    monkeypatch.setattr(run.model, "predict_step", counted)
    found = predict.time_series(run, texts)
    assert np.sum(seen) == 300 and min(found.values()) > 0
