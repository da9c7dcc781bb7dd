"""Studies: the corpus that their trials learnt from, and the epochs at which trials are pruned."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import yaml
from wandb.sdk.launch.sweeps.utils import create_sweep_command

from experiments.cli.main import main
from experiments.records.run_files import read_row
from experiments.tuning.study import JOURNAL, Pruned, PruningCallback, open_study

OWN = ["--data", "datamodules.files.TextFiles"]
SPACE = "model.C: {low: 0.1, high: 10.0, log: true}\n"
pytestmark = pytest.mark.usefixtures("fork_server")


def write_csv(file: Path, word: str) -> Path:
    """A CSV of forty texts in two classes, each with a word of its class."""
    lines = [f"text {i} of {word} sign{i % 2},class{i % 2}" for i in range(40)]
    file.write_text("\n".join(["text,label", *lines]) + "\n")
    return file


@pytest.mark.parametrize(
    "change",
    [
        *("content", "older study"),
        *(pytest.param(change, marks=pytest.mark.slow) for change in ("path", "validation")),
    ],
)
def test_a_sweep_does_not_go_on_with_another_corpus(
    change: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "space.yaml").write_text(SPACE)
    train, other = write_csv(tmp_path / "train.csv", "a"), write_csv(tmp_path / "other.csv", "bb")
    words = ["sweep", "tfidf_logreg", "--space", str(tmp_path / "space.yaml"), *OWN, "--name", "s"]
    words += ["--runs", str(tmp_path), "--run.wandb_mode=disabled", "--data.train"]
    assert main([*words, str(train), "--trials", "1"]) == 0
    journal = tmp_path / "s" / JOURNAL
    if change == "older study":  # as a version wrote it that kept no corpus: its rows have it
        lines = journal.read_text().splitlines()
        kept = [line for line in lines if "corpus" not in json.loads(line).get("user_attr", {})]
        journal.write_text("\n".join(kept) + "\n")
    changed = {
        "content": [str(write_csv(train, "bb"))] if change == "content" else [],
        "path": [str(other)],
        "validation": [str(train), "--data.validation", str(other)],
        "older study": [str(other)],
    }[change]
    assert main([*words, *changed, "--trials", "2"]) == 1
    error = capsys.readouterr().err
    fingerprint = read_row(tmp_path / "s" / "trial-0000").corpus_fingerprint
    assert f"learnt from corpus {fingerprint}" in error and "choose another --name" in error
    assert not (tmp_path / "s" / "trial-0001").exists()


def test_a_sweep_goes_on_with_a_copy_of_its_corpus(tmp_path: Path) -> None:
    (tmp_path / "space.yaml").write_text(SPACE)
    words = ["sweep", "tfidf_logreg", "--space", str(tmp_path / "space.yaml"), *OWN, "--name", "s"]
    words += ["--runs", str(tmp_path), "--run.wandb_mode=disabled", "--data.train"]
    for trials, folder in enumerate(("first", "second"), start=1):
        (tmp_path / folder).mkdir()
        train = write_csv(tmp_path / folder / "train.csv", "a")
        assert main([*words, str(train), "--trials", str(trials)]) == 0
    assert (tmp_path / "s" / "trial-0001" / "row.json").exists()


@pytest.mark.parametrize(
    "change",
    [
        *("none", "train"),
        *(
            pytest.param(change, marks=pytest.mark.slow)
            for change in ("validation", "no validation")
        ),
    ],
)
@pytest.mark.parametrize("name", [pytest.param([], marks=pytest.mark.slow), ["--name", "mine"]])
def test_an_agent_of_wandb_refuses_another_corpus_than_its_sweep_began_with(
    name: list[str],
    change: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "space.yaml").write_text(SPACE)
    train, other = write_csv(tmp_path / "train.csv", "a"), write_csv(tmp_path / "val.csv", "bb")
    out = tmp_path / "wandb.yaml"
    words = ["sweep", "tfidf_logreg", "--space", str(tmp_path / "space.yaml"), *OWN, *name]
    words += ["--runs", str(tmp_path), "--wandb-sweep", str(out), "--run.wandb_mode=disabled"]
    assert main([*words, f"--data.train={train}", f"--data.validation={other}"]) == 0
    command = create_sweep_command(yaml.safe_load(out.read_text())["command"])[2:-1]
    monkeypatch.setenv("WANDB_SWEEP_ID", "s1")
    monkeypatch.setenv("WANDB_RUN_ID", "one")
    assert main([*command, "--model.C=1.0"]) == 0
    bench = f"{name[-1] if name else 'sweep-tfidf_logreg'}-"
    fingerprint = read_row(tmp_path / f"{bench}one/tfidf_logreg/seed-0").corpus_fingerprint
    if change in ("train", "validation"):
        write_csv(train if change == "train" else other, "cc")
    more = ["--data.validation=null"] if change == "no validation" else []
    monkeypatch.setenv("WANDB_RUN_ID", "two")
    capsys.readouterr()
    assert main([*command, *more, "--model.C=2.0"]) == (change != "none")
    error = capsys.readouterr().err
    assert (f"learnt from corpus {fingerprint}, and the corpus now read is" in error) == (
        change != "none"
    )
    row = tmp_path / f"{bench}two/tfidf_logreg/seed-0/row.json"
    assert row.exists() == (change == "none")


@pytest.mark.parametrize(("good", "last"), [(0, 1), (1, 3), (2, 3), (3, 9)])
def test_asha_prunes_after_epochs_1_3_and_9(good: int, last: int, tmp_path: Path) -> None:
    file = tmp_path / JOURNAL
    study = open_study(file, "x", "min", "asha")

    def epochs_of(values: list[float]) -> int:
        """Number of epochs after which a trial with these metrics is pruned; 0: it is not."""
        prune = PruningCallback(str(file), "x", study.ask().number, "val/log_loss", "min", "asha")
        for epoch, value in enumerate(values):
            metrics = {"val/log_loss": torch.tensor(value)}
            trainer: Any = SimpleNamespace(callback_metrics=metrics, current_epoch=epoch)
            try:
                prune.on_validation_end(trainer, None)  # type: ignore[arg-type]
            except Pruned as pruned:
                assert f"pruned after epoch {epoch + 1}:" in str(pruned)
                return epoch + 1
        return 0

    assert epochs_of([0.3] * 10) == epochs_of([0.2] * 10) == 0
    assert epochs_of([0.1] * good + [0.9] * 10) == last
