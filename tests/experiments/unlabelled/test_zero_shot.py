"""Zero-shot by the commands, with a hub's causal language model from a local folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from experiments.cli.main import main
from experiments.config.registry import CONFIGS
from experiments.records.run_files import read_row
from tests.experiments.cli.test_cli import own_csv
from tests.lit_models.test_zero_shot import hub as hub


def words_of(folder: Path, source: str, *more: str) -> list[str]:
    """Words of a fit."""
    return [
        *(
            "fit",
            "--configs",
            f"{CONFIGS / 'unlabelled'}",
            "-c",
            "zero_shot",
            "--runs",
            f"{folder}",
        ),
        *("--data", f"{folder / 'own.csv'}", "--model.language_model", "null"),
        *("--model.source", source, "--data.tokenizer", "datamodules.subwords.SubwordTokenizer"),
        *("--data.tokenizer.source", source, "--data.vocab_size", "null"),
        *("--data.max_length", "40", "--run.wandb_mode", "disabled", *more),
    ]


def test_a_local_folder_is_asked_and_saved_with_the_run(
    hub: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own_csv(tmp_path / "own.csv", ("good", "bad"))
    assert main(words_of(tmp_path, hub[1])) == 0
    row = read_row(run := tmp_path / "fit/zero_shot/seed-0")
    assert (row.track, row.trainable_parameters, row.epochs) == ("open weights", 0, 0)
    assert any("no label was learnt from" in note for note in row.notes)
    assert main(["predict", str(run), "a film"]) == 0
    assert "a film" in capsys.readouterr().out


def test_texts_longer_than_the_model_are_a_clear_error(
    hub: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own_csv(tmp_path / "own.csv", ("good", "bad"))
    assert main(words_of(tmp_path, hub[1], "--data.max_length", "64")) == 1
    error = capsys.readouterr().err
    assert "the model has 64 positions; set --data.max_length" in error
    assert "Traceback" not in error
