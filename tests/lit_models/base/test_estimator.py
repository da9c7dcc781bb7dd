"""Files of an estimator: whole or absent, with nothing left beside them."""

from __future__ import annotations

from pathlib import Path

import pytest
import skops.io

from experiments.records.atomic import remove_leftovers
from lit_models.linear_svm import LinearSVM
from tests.warm import REPOSITORY

RUN = REPOSITORY / "tests" / "old_runs" / "runs" / "old" / "linear_svm" / "seed-0"


@pytest.mark.parametrize("name", ["skops.io.dump", "lit_models.base.without_steps.save_file"])
def test_a_failed_save_leaves_nothing(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(content: object, file: Path, **settings: object) -> None:
        Path(file).write_bytes(b"a part")
        raise OSError("disk full")

    model = LinearSVM.load(RUN)
    monkeypatch.setattr(name, fail)
    with pytest.raises(OSError, match="disk full"):
        model.save(tmp_path)
    assert not [file for file in tmp_path.iterdir() if file.name.startswith(".")]


@pytest.mark.parametrize("name", [".model.skops", ".arrays.safetensors"])
def test_what_a_killed_save_of_an_older_version_left_is_removed(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"a part")
    remove_leftovers(tmp_path)
    assert not list(tmp_path.iterdir())


def test_what_a_killed_save_leaves_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(content: object, file: Path) -> None:
        Path(file).write_bytes(b"a part")
        monkeypatch.setattr(Path, "unlink", lambda *_, **__: None)
        raise KeyboardInterrupt

    model = LinearSVM.load(RUN)
    monkeypatch.setattr(skops.io, "dump", die)
    with pytest.raises(KeyboardInterrupt):
        model.save(tmp_path)
    monkeypatch.undo()
    assert list(tmp_path.iterdir())
    remove_leftovers(tmp_path)
    assert not list(tmp_path.iterdir())
