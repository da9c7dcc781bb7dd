"""The measurement of a preparation at toy size."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from experiments.speed import preparation


def test_every_step_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("QUIET", str(tmp_path / "quiet.lock"))
    file = tmp_path / "reviews.csv"
    rows = [f"a {('poor', 'fine')[row % 2]} film {row},{row % 2},{row // 2}" for row in range(40)]
    file.write_text("\n".join(["text,label,movie", *rows]), encoding="utf-8")
    words = [str(file), "--group-column", "movie", "--cache-dir", str(tmp_path)]
    monkeypatch.setattr("sys.argv", ["preparation", *words])
    preparation.main()
    result = json.loads(capsys.readouterr().out)
    assert result["reviews"] == 40 and result["tokens"] == 160
    assert result["peak_memory_bytes"] >= result["memory_before_bytes"] > 0
    steps = [f"{step}_seconds" for step in ("labels", "prepare", "open", "first_batch")]
    assert all(result[step] > 0 for step in steps)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["quiet.lock", "reviews.csv"]


def test_a_missing_file_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("QUIET", str(tmp_path / "quiet.lock"))
    monkeypatch.setattr("sys.argv", ["preparation", str(tmp_path / "none.csv")])
    with pytest.raises(SystemExit, match="2"):
        preparation.main()
    assert "none.csv: no such file; check the path" in capsys.readouterr().err
