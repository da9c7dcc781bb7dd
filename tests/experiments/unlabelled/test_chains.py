"""Every experiment of `configs/unlabelled` at toy size, after the command that comes before it."""

from __future__ import annotations

from pathlib import Path

import pytest

from experiments.cli.main import main
from experiments.config.registry import CONFIGS
from experiments.records.run_files import read_row
from tests.experiments.conftest import TOY

FOLDER = CONFIGS / "unlabelled"
SMALL = ["--trainer.max_epochs=1", "--data.train_window=8"]
NETWORK = ["--data.vectors=null", "--model.embedding_dim=8"]
# Words that make each experiment small, and the experiments whose runs come first.
CHAINS: dict[str, tuple[list[str], list[str]]] = {
    "cnn_pseudo_labels": (NETWORK, ["naive_bayes", "tfidf_logreg"]),
    "lstm_pseudo_labels": ([*NETWORK, "--model.hidden_size=8"], ["naive_bayes"]),
    "cnn_virtual_adversarial": (NETWORK, []),
    "bidirectional_lstm_virtual_adversarial": ([*NETWORK, "--model.hidden_size=8"], []),
    "lm_lstm": ([], ["lstm_lm"]),
    "lm_bidirectional_lstm": ([], ["elmo"]),
    "mixed_objective_lstm": ([], ["lstm_lm"]),
    "zero_shot": (
        ["--model.verbalisers=[class0sign0, class1sign0]", "--model.prompt=word0"],
        ["gpt_lm"],
    ),
}
LANGUAGE_MODEL = ["--model.embedding_dim=8", "--model.cutoffs=null", "--data.batch_size=4"]
LANGUAGE_MODELS = {
    "lstm_lm": [*LANGUAGE_MODEL, "--model.hidden_size=8"],
    "elmo": [*LANGUAGE_MODEL, "--model.hidden_size=8"],
    "gpt_lm": [*LANGUAGE_MODEL, "--model.dim_feedforward=8"],
}
FAST = {"lm_lstm", "zero_shot"}


def test_every_experiment_of_the_folder_has_a_chain() -> None:
    assert set(CHAINS) == {file.stem for file in FOLDER.glob("*.yaml")}


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=[] if n in FAST else [pytest.mark.slow]) for n in CHAINS]
)
def test_a_chain_runs_from_its_first_command(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    more, before = CHAINS[name]
    for first in before:
        small = LANGUAGE_MODELS.get(first, [])
        assert main(["fit", "-c", first, "--runs", "runs", *TOY, *SMALL, *small]) == 0
    if "pseudo_labels" in name:
        runs = [f"runs/fit/{first}/seed-0" for first in before]
        assert main(["teach", *runs, "--out", "soft_labels.parquet"]) == 0
    words = ["fit", "--configs", f"{FOLDER}", "-c", name, "--runs", "runs", *TOY, *SMALL, *more]
    assert main(words) == 0
    row = read_row(tmp_path / f"runs/fit/{name}/seed-0")
    assert row.status == "ok" and row.track == "unlabelled"


def test_without_its_first_command_an_experiment_is_skipped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["benchmark", "lm_lstm", "cnn_pseudo_labels", "--name=b", "--runs", "runs", *TOY]
    main([*words, "--configs", f"{FOLDER}", "--data.vectors=null"])
    for name, command in (("lm_lstm", "fit -c lstm_lm"), ("cnn_pseudo_labels", "teach")):
        row = read_row(tmp_path / f"runs/b/{name}/seed-0")
        assert row.status == "skipped" and f"lit-sentiment {command}" in str(row.reason)
