"""The scripts of docs/use.md, as they are written there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tests.experiments.conftest import REPOSITORY

PAGE = (REPOSITORY / "docs" / "use.md").read_text(encoding="utf-8")
LOADED, TRAINED = re.findall(r"```python\n(.*?)```", PAGE, re.S)


def test_lightning_alone_trains_tests_and_predicts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, count in (("reviews.csv", 60), ("test.csv", 8)):
        words = ("good", "bad")
        rows = [f"{words[n % 2]} film number {n} of {name},{words[n % 2]}\n" for n in range(count)]
        Path(name).write_text("text,label\n" + "".join(rows))
    assert len([line for line in TRAINED.splitlines() if line]) == 9
    names: dict[str, Any] = {}
    exec(compile(TRAINED, "docs/use.md", "exec"), names)
    (batch,) = names["predictions"]
    assert batch.probabilities.shape == (8, 2) and sorted(batch.ids.tolist()) == list(range(8))
    assert names["trainer"].state.finished and batch.probabilities.sum().item() == pytest.approx(8)


def test_a_run_is_used_from_python(finished: Path) -> None:
    script, count = re.subn(r'"runs/[^"]+"', repr(str(finished / "bag" / "seed-0")), LOADED)
    names: dict[str, Any] = {}
    exec(compile(script, "docs/use.md", "exec"), names)
    predictions = names["predictions"]
    assert count == 1 and predictions.reasons == [None, "empty text"]
    assert predictions.labels[1] is None and predictions.probabilities.shape == (2, 2)
