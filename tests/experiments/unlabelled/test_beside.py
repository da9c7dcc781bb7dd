"""Runs that learn from rows without labels beside each training batch."""

from __future__ import annotations

from pathlib import Path

import pytest

from datamodules.splits import text_key
from datamodules.store.mixed import MixedBatch
from experiments.cli.main import main
from experiments.records.run_files import read_row
from tests.corpora import SmallIMDB, make_aclimdb
from tests.experiments.conftest import TOY

VIRTUAL = ["--model.virtual_adversarial=1", "--model.entropy=0.1", "--model.hidden_size=8"]


def fit(*words: str, corpus: list[str] = TOY) -> int:
    return main(["fit", "-c", "bidirectional_lstm", "--runs", "runs", *corpus, *words])


def test_a_network_learns_from_rows_beside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert fit(*VIRTUAL, "--data.unlabelled_batch_size=8") == 0
    row = read_row(tmp_path / "runs/fit/bidirectional_lstm/seed-0")
    assert row.status == "ok" and row.track == "unlabelled"
    assert fit(*VIRTUAL, "--name=alone") == 0
    alone = read_row(tmp_path / "runs/alone/bidirectional_lstm/seed-0")
    assert alone.track == "labels" and alone.val != row.val


def test_rows_beside_without_a_loss_for_them_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for more in ([], ["--model.adversarial=1"]):
        assert fit("--data.unlabelled_batch_size=8", *more) == 1
        assert "nothing is learnt from those texts" in "".join(capsys.readouterr())


def test_a_corpus_without_unlabelled_texts_has_none_beside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    lines = ["text,label", *(f"word{n % 7} sign{n % 2} number{n},{n % 2}" for n in range(60))]
    (tmp_path / "own.csv").write_text("\n".join(lines))
    own = ["--data", "own.csv", "--trainer.max_epochs=1", "--data.vectors=null"]
    assert fit(*VIRTUAL, "--data.unlabelled_batch_size=8", corpus=own) == 0


def test_no_test_text_stands_beside(tmp_path: Path) -> None:
    data = SmallIMDB(
        root=str(make_aclimdb(tmp_path)), cache_dir=str(tmp_path / "cache"), unlabelled_batch_size=4
    )
    data.prepare_data()
    data.setup()
    texts, tests = data.texts("unlabelled"), {text_key(text) for text in data.texts("test")}
    seen = set()
    for batch in data.train_dataloader():
        assert isinstance(batch, MixedBatch)
        seen |= set(batch.ids[-batch.unlabelled :].tolist())
    assert seen and not tests & {text_key(texts[row]) for row in seen}
