"""`lit-sentiment export`: whole or not at all, checked before it is finished."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml

from datamodules.store.cache import default_cache_dir
from experiments.cli.main import main
from experiments.config.registry import ConfigError
from experiments.export.check import Unequal, check_texts, compare
from experiments.export.export import export_run
from experiments.export.runner import Classifier
from experiments.forms import bags
from experiments.forms.portable import Portable
from experiments.inference.predictor import Predictor
from experiments.records.metrics import Metrics
from experiments.records.row import Part
from experiments.records.run_files import TEST_FILE, VAL_FILE, read_row, write_row
from experiments.training.outcome import metrics_of
from tests.experiments.conftest import TOY, Command
from tests.tiny_encoders import tiny

TEXTS = ["a class0sign1 word2", "class1sign0", "", "wordless <b> text\n\twith lines"]
WITHOUT_TORCH = """
import sys
sys.modules.update({"torch": None, "lightning": None, "lit_models": None, "tokenizers": None})
sys.path.insert(0, sys.argv[1])
from runner import Classifier
import json
print(json.dumps(Classifier()(json.loads(sys.argv[2])).tolist()))
"""


@pytest.fixture(scope="module")
def runs(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs that may be written to."""
    return Path(shutil.copytree(finished, tmp_path_factory.mktemp("exported") / "b"))


@pytest.fixture(scope="module")
def bag(runs: Path) -> Path:
    """An export of `bag`, to be read only."""
    return export_run(runs / "bag" / "seed-0", "onnx")[0]


def left_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_export_is_in_the_run_and_runs_without_torch(runs: Path, bag: Path) -> None:
    assert bag == runs / "bag" / "seed-0" / "export" / "onnx"
    names = ["README.md", "export.json", "features.py", "model.onnx", "requirements.txt"]
    assert left_in(bag) == [*names, "runner.py", "tokenizer.json"]
    words = [sys.executable, "-P", "-c", WITHOUT_TORCH, bag, json.dumps(TEXTS)]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    expected = Predictor(runs / "bag" / "seed-0")(TEXTS)
    assert np.allclose(json.loads(done.stdout), expected, atol=1e-6)


def test_the_runner_prints_what_predict_prints(
    runs: Path, bag: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["predict", str(runs / "bag" / "seed-0"), *TEXTS]) == 0
    printed = capsys.readouterr().out
    words = [sys.executable, bag / "runner.py", *TEXTS]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert done.stdout == printed


@pytest.mark.slow
def test_the_threshold_of_a_run_decides_the_labels_of_its_export(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = Path(shutil.copytree(runs / "bag" / "seed-0", tmp_path / "run"))
    shutil.rmtree(folder / "export", ignore_errors=True)
    probabilities = Predictor(folder)(TEXTS)[:, 1]
    threshold = float(np.sort(probabilities)[-2:].mean())  # which one text alone reaches
    row = read_row(folder)
    parts: dict[Part, str] = {"val": VAL_FILE, "test": TEST_FILE}
    metrics: dict[Part, Metrics] = {
        part: metrics_of(folder / file, threshold) for part, file in parts.items()
    }
    write_row(folder, replace(row.with_parts(metrics), threshold=threshold))
    assert main(["predict", str(folder), *TEXTS]) == 0
    printed = capsys.readouterr().out
    place = export_run(folder, "onnx")[0]
    words = [sys.executable, place / "runner.py", *TEXTS]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    labels = [line.partition("\t")[0] for line in done.stdout.splitlines()]
    assert labels == [line.partition("\t")[0] for line in printed.splitlines()]
    assert sorted(map(labels.count, set(labels))) == [1, 1, 2]  # the empty text has none
    card = (place / "README.md").read_text()
    assert f"from a probability of {threshold:.4f} on" in card


def test_the_command_prints_the_figures_of_its_check(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, out = runs / "tfidf_logreg" / "seed-0", tmp_path / "out"
    words = ["export", str(run), "--to", "onnx", "--quantize", "int8", "--out", str(out)]
    assert main(words) == 0
    printed = capsys.readouterr().out
    assert "1,000 texts" in printed and "at most 0.2% may" in printed and str(out) in printed
    assert json.loads((out / "export.json").read_text())["check"] in printed
    assert "not of this export in 8 bits" in (out / "README.md").read_text()
    assert main(words) == 1
    assert "exists; give --force to replace it" in capsys.readouterr().err
    words = ["export", str(run), "--to", "pt2", "--out", str(out)]
    assert main([*words, "--force"]) == 0
    assert left_in(tmp_path) == ["out"]
    assert {"model.pt2"} == {name for name in left_in(out) if name.startswith("model")}


def test_a_folder_that_is_no_export_is_never_replaced(runs: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear")
    for force in (False, True):
        with pytest.raises(ConfigError, match=r"mine: exists and is no export"):
            export_run(runs / "bag" / "seed-0", "onnx", out=tmp_path / "mine", force=force)
    assert (tmp_path / "mine" / "letter.txt").read_text() == "dear"


def test_an_unwritable_place_is_named_before_the_work(runs: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    steps: list[str] = []
    with pytest.raises(ConfigError, match=r"out: cannot be written \(.*\); give another --out"):
        out = tmp_path / "file" / "out"
        export_run(runs / "bag" / "seed-0", "onnx", out=out, log=steps.append)
    assert not steps


def test_an_export_that_predicts_otherwise_is_not_written(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from experiments.forms import models

    def wrong(model: object) -> Portable:
        form = bags.bag(model)  # type: ignore[arg-type]
        form.module.head.bias.data[0] += 5  # type: ignore[union-attr, operator, index]
        return form

    monkeypatch.setitem(models._FORMS, bags.Bag, wrong)
    figures = r"[1-9]\d* with another label, at most 0% may; largest difference .* tolerance 1e-04"
    with pytest.raises(Unequal, match=figures):
        export_run(runs / "bag" / "seed-0", "pt2", out=tmp_path / "out")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("flipped, quantize", [(1, None), (2, "int8"), (3, "int8")])
def test_the_limits_of_the_check(flipped: int, quantize: str | None) -> None:
    one = np.tile([0.51, 0.49], (1000, 1))
    other = one.copy()
    other[:flipped] = [0.49, 0.51]
    if (flipped, quantize) == (2, "int8"):
        assert compare(lambda _: one, lambda _: other, [""] * 1000, "made", quantize).passed
        return
    with pytest.raises(Unequal, match=rf"{flipped} with another label"):
        compare(lambda _: one, lambda _: other, [""] * 1000, "made", quantize)


def test_the_texts_are_train_reviews_of_the_cache_or_random_words(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = runs / "bag" / "seed-0"
    row, encoder = read_row(run), Predictor(run).encoder
    texts, source = check_texts(row, encoder)
    assert len(texts) == 1000 and source == "120 train reviews and 880 of random words"
    assert any("train119" in text.split() for text in texts[:120])
    assert default_cache_dir() != tmp_path
    monkeypatch.setenv("LIT_SENTIMENT_CACHE", str(tmp_path))
    made, source = check_texts(row, encoder)
    assert source == "1,000 of random words" and made[:880] == texts[120:]
    assert {"word0", "class1sign0"} <= {word for text in made for word in text.split()}


@pytest.mark.parametrize("to", ["pt2", "huggingface"])
def test_only_onnx_is_quantized(
    to: str, runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["export", str(runs / "bag" / "seed-0"), "--to", to, "--quantize", "int8"]
    assert main([*words, "--out", str(tmp_path / "out")]) == 1
    assert f"--quantize int8 is for --to onnx, not {to}" in capsys.readouterr().err


def test_a_missing_package_is_named(
    runs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    assert main(["export", str(runs / "bag" / "seed-0"), "--to", "onnx"]) == 1
    assert "needs the package onnxscript" in capsys.readouterr().err


def test_a_run_without_a_form_and_an_unfinished_one_are_refused(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", str(tmp_path), "--to", "onnx"]) == 1
    assert "not a finished run" in capsys.readouterr().err
    run = str(runs / "tfidf_logreg" / "seed-0")
    assert main(["export", run, "--to", "huggingface", "--out", str(tmp_path / "out")]) == 1
    assert "TfidfLogReg is no encoder of transformers" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_program_of_torch_export(runs: Path) -> None:
    run = runs / "bag" / "seed-0"
    remains = run / "export" / ".pt2.tmp-0"
    remains.mkdir(parents=True)
    out, check = export_run(run, "pt2")
    assert check.passed and not remains.exists()
    assert np.allclose(Classifier(out)(TEXTS), Predictor(run)(TEXTS), atol=1e-6)
    assert "torch>=" in (out / "requirements.txt").read_text()


@pytest.mark.slow
def test_an_encoder_for_transformers(
    lit: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = {"source": None, "config": tiny("bert"), "learning_rate": 3e-3}
    model = [f"--model.{name}={json.dumps(value)}" for name, value in settings.items()]
    data = ["--data.tokenizer=null", "--data.vocab_size=700", "--data.max_length=16"]
    words = ["--profile", "quick", "--runs", tmp_path, "--test", *TOY, *data, *model]
    done = lit("fit", "-c", "bert", *words)
    assert done.returncode == 0, done.stderr
    run, out = tmp_path / "fit" / "bert" / "seed-0", tmp_path / "out"
    assert main(["export", str(run), "--to", "huggingface", "--out", str(out)]) == 0
    assert "0 with another label" in capsys.readouterr().out
    assert {"config.json", "model.safetensors", "tokenizer.json", "README.md"} <= {*left_in(out)}
    from transformers import pipeline

    classifier = pipeline("text-classification", str(out), truncation=True, device="cpu")
    answer, predictor = classifier(TEXTS[0])[0], Predictor(run)
    row = predictor(TEXTS[:1])[0]
    assert answer["label"] == predictor.encoder.label_names[row.argmax()]
    assert abs(answer["score"] - row.max()) < 1e-5


@pytest.mark.slow
def test_the_weights_of_either_fit(lit: Command, tmp_path: Path) -> None:
    words = ["--runs", tmp_path, "--test", "--run.protocol=refit", *TOY]
    done = lit("fit", "-c", "bag", "--profile", "quick", *words)
    assert done.returncode == 0, done.stderr
    run = tmp_path / "fit" / "bag" / "seed-0"
    found = {}
    for weights, which in (("holdout", "first fit"), (None, "second fit")):
        out, _ = export_run(run, "pt2", weights=weights, out=tmp_path / which)  # type: ignore[arg-type]
        found[which] = Classifier(out)(TEXTS)
        assert np.allclose(found[which], Predictor(run, weights=weights)(TEXTS), atol=1e-6)  # type: ignore[arg-type]
        assert f"those of the {which}" in (out / "README.md").read_text(encoding="utf-8")
    assert not np.allclose(found["first fit"], found["second fit"], atol=1e-6)


def test_the_card_has_the_figures_of_the_row(runs: Path, bag: Path) -> None:
    row = read_row(runs / "bag" / "seed-0")
    assert row.test is not None
    card = (bag / "README.md").read_text(encoding="utf-8")
    _, header, body = card.split("---\n", 2)
    result = yaml.safe_load(header)["model-index"][0]["results"][0]
    assert result["metrics"][0] == {"type": "accuracy", "value": round(row.test.accuracy, 4)}
    assert f"| accuracy | {100 * row.test.accuracy:.2f}% |" in body
    assert f"On {row.test.n:,} test texts" in body and f"{row.test.log_loss:.4f}" in body
    assert "| class0 | 30 |" in body and os.path.sep not in header
