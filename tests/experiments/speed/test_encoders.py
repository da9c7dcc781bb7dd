"""`speed` at toy size: counted operations, and the command from end to end without any download."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from datamodules import pretrained
from experiments.cli.main import main
from experiments.machine.peak import peak_flops
from experiments.speed.encoders import forward_flops
from lit_models.bert import BERT
from tests.batches import make_batch, random_rows
from tests.tiny_encoders import tiny

TOY = ["--data=tests.toys.ToyData", "--data.rows=80", "--data.batch_size=8"]


@pytest.mark.parametrize("kind", ["bert", "distilbert", "roberta", "albert", "gpt2"])
def test_operations_are_those_that_torch_counts(kind: str) -> None:
    model = BERT(config=tiny(kind, vocab_size=60), pooling="last").eval()
    batch = make_batch(random_rows([40] * 3, 60))
    with (
        torch.no_grad(),
        sdpa_kernel(SDPBackend.MATH),
        FlopCounterMode(display=False) as counter,
    ):
        model.net(batch.tokens, batch.lengths)
    counted = counter.get_total_flops()
    head = 2 * 3 * 32 * 2  # the output, once a row
    flops = forward_flops(model, batch.lengths)
    assert flops == pytest.approx(counted - head, rel=0.02)
    assert flops > forward_flops(model, batch.lengths - 1)


def test_the_peak_is_a_rate_that_a_processor_can_have() -> None:
    assert 1e8 < peak_flops(torch.device("cpu"), torch.float32) < 1e14


@pytest.mark.parametrize("name", ["bert", "albert", "minilm"])
def test_the_command_measures_without_any_download(
    name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(pretrained, "_hub_answers", lambda: pytest.fail("the hub was asked"))
    monkeypatch.setattr("experiments.machine.peak._PEAK_SIZES", {"cpu": 256})
    small = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2}
    sizes = [f"--model.config.{key}={size}" for key, size in small.items()]
    sizes += ["--model.config.num_attention_heads=2", "--data.max_length=48"]
    words = ["speed", name, "--from-config", "--steps=4", "--trainer.accelerator=cpu"]
    words += [f"--out={tmp_path / 'speed.json'}", *TOY, *sizes]
    assert main(words) == 0
    output = capsys.readouterr().out
    assert "train" in output and "MFU" in output and "TFLOP/s" in output
    result = json.loads((tmp_path / "speed.json").read_text())
    assert result["random_weights"] and result["steps"] == 4 and not result["packed"]
    assert result["peak_memory_bytes"] > 1e8 and result["peak_gpu_memory_bytes"] is None
    for part in ("train", "predict"):
        one = result[part]
        assert one["tokens_per_second"] > 0 and one["reviews_per_second"] > 0
        assert 0 <= one["padding_share"] < 0.5
        assert 0 < one["mfu"] < 1
    train = result["train"]
    assert train["seconds"] * train["reviews_per_second"] == pytest.approx(4 * 8)


def test_an_experiment_without_encoder_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["speed", "cnn", "--from-config"]) == 1
    assert "cnn has no pretrained encoder; try `bert` or `minilm`" in capsys.readouterr().err
