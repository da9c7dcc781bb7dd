"""`speed` from end to end at toy size: its tables, its JSON, its exit codes."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from datamodules import pretrained
from datamodules.console import plain_console
from experiments.cli.main import main
from experiments.machine.quiet import is_held, quiet_file
from experiments.speed import frame
from experiments.speed.frame import busy_remark, print_tables
from experiments.speed.process import run_measurement
from experiments.speed.steps import PARTS
from tests.experiments.speed.conftest import SHORT, TOY, Calls

SMALL = ["--model.config.hidden_size=32", "--model.config.intermediate_size=64"]
SMALL += ["--model.config.num_hidden_layers=2", "--model.config.num_attention_heads=2"]


@pytest.mark.parametrize("name", ["bert", "albert", "minilm"])
def test_encoders_are_measured_without_any_download(
    name: str,
    tmp_path: Path,
    within: Calls,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(pretrained, "_hub_answers", lambda: pytest.fail("the hub was asked"))
    words = ["speed", name, "--from-config", *SHORT, *TOY, *SMALL, "--data.max_length=48"]
    assert main([*words, f"--out={tmp_path / 'deep' / 'speed.json'}"]) == 0
    output = capsys.readouterr().out
    assert f"{name}, train" in output and "optimiser" in output and "GFLOP/s" in output
    result = json.loads((tmp_path / "deep" / "speed.json").read_text())
    assert result["settings"]["from_config"] and result["settings"]["rounds"] == 1
    one = result["experiments"][name]
    assert 0 < one["train"]["peak_share"] < 1
    assert sum(one["train"]["shares"].values()) == pytest.approx(1)


def test_experiments_of_several_kinds_share_a_table(
    tmp_path: Path, within: Calls, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["speed", "lstm", "nb_logreg", "lstm", *SHORT, *TOY, "--lengths", "4", "9"]
    words += ["--batch-sizes", "4", f"--out={tmp_path / 'speed.json'}"]
    assert main(words) == 0
    modules = [(call[2], call[-1] == "--prepare") for call in within]
    both = [("experiments.speed.measure", True), ("experiments.speed.measure", False)]
    assert modules == 2 * both, "prepared, then measured, once each, in turns"
    output = capsys.readouterr().out
    assert "lstm, predict" in output and "nb_logreg, train" in output
    assert "batch size" in output and "length" in output and "ms/step" in output
    for option in ("--lengths", "--batch-sizes", "--warmup"):
        assert f"nb_logreg takes no steps, so {option} has no effect on it" in output
    assert "warning: other processes kept 25% of the cores busy" in output
    result = json.loads((tmp_path / "speed.json").read_text())
    assert set(result) == {
        "what", "settings", "experiments", "machine", "git_commit", "git_dirty", "started", "ended",
    }  # fmt: skip
    assert result["settings"]["overrides"] == TOY and result["machine"]["threads"] == 1
    assert [len(result["experiments"]["lstm"][key]) for key in ("lengths", "batch_sizes")] == [2, 1]
    assert result["experiments"]["lstm"]["others"] == 0.25
    assert str(tmp_path) not in (tmp_path / "speed.json").read_text()


def test_one_that_fails_is_named_and_the_others_are_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(command: list[str], threads: int, gpu: bool) -> dict[str, Any]:
        assert threads == 1
        if json.loads(command[4])["experiment"] == "cnn":
            raise SystemExit("python ended with code 1:\nno room left")
        return {} if "--prepare" in command else sample()

    monkeypatch.setattr(frame, "run_measurement", run)
    words = ["speed", "cnn", "lstm", *SHORT, *TOY, f"--out={tmp_path / 'speed.json'}"]
    words += [f"--plot={tmp_path / 'new' / 'speed.SVG'}"]
    assert main(words) == 1
    output = capsys.readouterr().out
    assert "cnn: python ended with code 1:\nno room left" in output and "lstm, train" in output
    results = json.loads((tmp_path / "speed.json").read_text())["experiments"]
    assert results["cnn"] == {"error": "python ended with code 1:\nno room left"}
    assert results["lstm"]["others"] == 0.02
    assert "cnn could not be measured" in (tmp_path / "new" / "speed.SVG").read_text()
    assert not list(tmp_path.rglob("*.tmp"))


def sample(**changes: Any) -> dict[str, Any]:
    """Large figures of an experiment, as a process reports them."""
    part = {"tokens_per_second": 1_234_567.8, "reviews_per_second": 12_345.6, "seconds": 1.0}
    part |= {"padding_share": 0.25, "flops_per_second": 4.5e12, "peak_share": 0.5}
    curve = {"tokens_per_second": 1e6, "milliseconds_per_step": 12_345.0}
    lengths = [
        {"length": 64, "predicted_tokens_per_second": 2e6, **curve},
        {"length": 4096, "error": "out of memory"},
    ]
    return {
        "train": {
            **part,
            "steps": 20,
            "milliseconds_per_step": 1234.5,
            "shares": dict.fromkeys(PARTS, 0.2),
        },
        "predict": part,
        "lengths": lengths,
        "batch_sizes": [{"batch_size": 128, **curve}],
        "peak_memory_bytes": 3 * 2**30,
        "peak_gpu_memory_bytes": None,
        "peak_flops": 9e12,
        "others": 0.02,
        "device": "cpu",
        "precision": "32-true",
        "batch_size": 32,
        "parameters": 1000,
        "machine": {"threads": 1},
        **changes,
    }


@pytest.mark.parametrize("width", [60, 80, 200])
def test_the_tables_fit_the_terminal(width: int) -> None:
    """Nothing is hidden at 80 columns for the longest name of a usual network."""
    estimator = sample(train=sample()["predict"] | {"steps": 0}, lengths=None, batch_sizes=None)
    hostile = sample(lengths=[{"length": 8, "error": "no [/] tag"}])
    results = {"bidirectional_gru": sample(), "[b]x[/]": hostile, "nb": estimator}
    file = io.StringIO()
    console = plain_console(width=width, file=file, color_system=None)
    print_tables(console, results | {"bag": {"error": ""}})
    text = file.getvalue()
    assert max(map(len, text.splitlines())) <= width
    shown = ["1,234,568", "bidirectional_gru, train", "50.0%", "out of memory", "12,345"]
    for part in [*shown, "[b]x[/], predict", "[b]x[/], length 8: no [/] tag"]:
        assert part in text
    assert ("Not shown at this width" in text) == (width < 80)
    if width >= 80:
        for heading in ("reviews/s", "padding", "GFLOP/s", "peak", "GiB", "ms/step", *PARTS):
            assert heading in text
        assert "3.0" in text and text.count("20%") == 2 * len(PARTS), "of those with steps alone"
    else:
        assert "--out FILE.json" in " ".join(text.split())


def test_the_load_by_others_is_named_and_warned_of_above_a_tenth() -> None:
    assert busy_remark([None]) is None and busy_remark([]) is None
    assert busy_remark([0.03, None, 0.1]) == "other processes kept 10% of the cores busy"
    remark = busy_remark([0.03, 0.11])
    assert remark and remark.startswith("warning: other processes kept 11%")


def test_the_lock_is_held_while_a_process_measures(monkeypatch: pytest.MonkeyPatch) -> None:
    held: list[bool] = []
    real = subprocess.Popen

    def look(*arguments: Any, **settings: Any) -> Any:
        held.append(is_held(quiet_file()))
        return real([sys.executable, "-c", "print('{}')"], **settings)

    monkeypatch.setattr("experiments.speed.process.subprocess.Popen", look)
    run_measurement(["python"], threads=1)
    assert held == [True] and not is_held(quiet_file())
