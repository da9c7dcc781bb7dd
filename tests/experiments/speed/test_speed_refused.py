"""Refusals of `speed` before it measures anything, and its end when it is stopped."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from threading import Thread
from types import SimpleNamespace
from typing import Any

import pytest

from experiments.cli.main import main
from experiments.config.registry import ConfigError
from experiments.machine.quiet import is_held, quiet_file
from experiments.speed import frame
from experiments.speed.effect import check_alone
from experiments.speed.measure import Plan
from experiments.speed.process import run_measurement
from experiments.speed.record import check_file
from experiments.speed.sample import SampledMovieReviews
from lit_models.language.model import LitLanguageModel
from lit_models.lstm import LSTM
from tests.experiments.speed.conftest import SHORT, TOY, Calls


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["cnn", "--from-config"], "cnn has no pretrained encoder, and --from-config is for"),
        (["cnnn"], "cnnn"),
        (["cnn", "--peer-python=x"], "--peer-python x is for --against; add --against PEER"),
        (["cnn", "--max-length=9"], "--max-length 9 is for --against; write --data.max_length"),
        (["cnn", "--rounds=0"], "'0' is no number from 1 up, such as 64"),
        (["cnn", "--lengths", "64", "-3"], "-3"),
        (["cnn", "--against=jax"], "invalid choice: 'jax' (choose from 'keras', 'hf'"),
        (["lstm", "--against=sklearn"], "--against sklearn has no twin of 'lstm'; it is one of nb"),
        (["gruu", "--against=hf"], "gruu"),
        (["lstm", "--against=hf"], "--against hf has no twin of 'lstm'"),
        (
            ["lstm", "--against=keras", "--lengths", "64"],
            "--lengths 64 is for measurements without --against; leave one out",
        ),
        (
            ["fasttext", "--against=fasttext", "--batch-sizes", "64"],
            "--batch-sizes 64: --against fasttext times whole fits",
        ),
        (["cnn", "--batch-sizes", "16", "999"], "--batch-sizes 999: a round reads 640 reviews"),
        (
            ["cnn", "--lengths", "64", "99999999"],
            "--lengths 99999999: a made row has at most 65,536",
        ),
        (["cnn", "--plot=b/.svg"], "must end in .svg or .png; write --plot b/FILE.svg"),
        (["nb_logreg", "--lengths", "64"], "--lengths 64 has no effect on nb_logreg, which takes"),
        (
            ["nb_logreg", "--warmup=3"],
            "--warmup 3 has no effect on nb_logreg, which",
        ),
        (["cnn", "--data=x.csv", "--root=y"], "--root y has no effect on cnn, which has a corpus"),
        (["cnn", "--out=/"], "--out / is no file; name one that may be replaced"),
        (["cnn", "--plot=b/a.pdf"], "must end in .svg or .png; write --plot b/a.svg"),
        (["cnn", "--plot=/dev/null/a.svg"], "--plot /dev/null/a.svg cannot be written: /dev/null:"),
        (["cnn", "--plot=a.svg", "--out=a.svg"], "--out and --plot both name a.svg"),
        (["lstm", "--against=keras", "--plot=a.svg"], "--plot a.svg is for measurements without"),
        (
            ["nb_logreg", "--against=sklearn", "--warmup=3"],
            "--warmup 3: --against sklearn times whole fits",
        ),
        (
            ["nb_logreg", "--against=sklearn", "--max-length=9"],
            "--max-length 9: --against sklearn measures whole texts; leave it out",
        ),
        (
            ["lstm", "--against=keras", "--from-config"],
            "--from-config is for pretrained encoders, and --against keras has none",
        ),
        (
            ["lstm", "--against=keras", "--peer-python=no/python"],
            "there is no no/python; run `make peers`, or name one with --peer-python",
        ),
    ],
)
def test_what_cannot_be_measured_is_refused(
    words: list[str], message: str, within: Calls, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        code = main(["speed", *words])
    except SystemExit as error:
        code = error.code  # type: ignore[assignment]
    shown = " ".join(capsys.readouterr().err.split())
    assert code == (2 if "error: argument" in shown else 1), "2 is wrong usage"
    assert message in shown and "Traceback" not in shown
    assert not within, "nothing is measured before the words are checked"


def test_a_device_is_not_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ConfigError, match="--out .*pipe is no file; name one that may be replaced"):
        check_file("--out", tmp_path / "pipe")
    (tmp_path / "old.json").touch()
    check_file("--out", tmp_path / "old.json")
    check_file("--out", tmp_path / "new" / "deep" / "new.json")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["old.json", "pipe"]


def test_a_png_without_a_browser_is_refused_before_anything_is_measured(
    within: Calls, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CHROMIUM", raising=False)
    assert main(["speed", "cnn", "--plot=a.png"]) == 1
    assert "name a file that ends in .svg, which needs neither" in capsys.readouterr().err
    assert not within


def test_a_language_model_is_measured_on_its_own_batches() -> None:
    one: Any = SimpleNamespace(model_class=LitLanguageModel, corpus_class=SampledMovieReviews)
    other: Any = SimpleNamespace(model_class=LSTM, corpus_class=SampledMovieReviews)
    given = {"--lengths": "64", "--batch-sizes": "8", "--warmup": "2"}
    reason = "language is measured on its own batches (language modelling), so --lengths has"
    both = [(one, Plan("language")), (other, Plan("lstm"))]
    assert check_alone(given, both) == [f"{reason} no effect on it"]
    with pytest.raises(ConfigError, match="--lengths 64 has no effect on language, which is"):
        check_alone(given, both[:1])


def test_a_peer_environment_that_is_not_there_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(
        "experiments.speed.comparison.rivals.__file__", str(tmp_path / "a" / "b" / "c" / "d.py")
    )
    assert main(["speed", "lstm", "--against=keras"]) == 1
    error = " ".join(capsys.readouterr().err.split())
    assert "there is no .venv-peers/bin/python; run `make peers`" in error


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_command_that_is_stopped_ends_what_it_measures(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pid = tmp_path / "pid"
    waits = "import os, sys, time; open(sys.argv[1], 'w').write(str(os.getpid())); time.sleep(60)"

    def run(command: list[str], threads: int, gpu: bool) -> dict[str, Any]:
        return run_measurement([sys.executable, "-c", waits, str(pid)], threads, gpu)

    def stop() -> None:
        while not pid.exists() or not pid.read_text():
            time.sleep(0.02)
        os.kill(os.getpid(), number)

    monkeypatch.setattr(frame, "run_measurement", run)
    Thread(target=stop).start()
    assert main(["speed", "cnn", *SHORT, *TOY, f"--out={tmp_path / 'speed.json'}"]) == 130
    assert (
        "stopped; nothing was written, and the same command begins anew" in capsys.readouterr().err
    )
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)
    assert not (tmp_path / "speed.json").exists() and not is_held(quiet_file())
