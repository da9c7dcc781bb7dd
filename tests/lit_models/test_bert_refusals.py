"""Settings, rows and files that an encoder refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from datamodules.errors import DataError
from experiments.config.registry import ConfigError, Registry, merge
from experiments.config.resolved import Resolved
from lit_models.bert import BERT
from lit_models.layers.pretrained import layers_of
from tests.batches import make_batch
from tests.lit_models.test_bert import make_folder, make_trainer, toy
from tests.tiny_encoders import offline, tiny


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"config": {"hidden_size": 8}}, "has no model_type; set --model.source to pretrained w"),
        ({"frozen_layers": 3}, "frozen_layers is 3; this encoder has 2 layers: choose 0 to 2"),
        ({"pooled_layers": 0}, "pooled_layers is 0; .* choose 1 to 2"),
        ({"reinitialised_layers": -1}, "reinitialised_layers is -1"),
        ({"layer_decay": 1.5}, "layer_decay is 1.5; it must be above 0 and at most 1"),
        ({"pooling": "max"}, "pooling is 'max'; choose one of cls, mean, last"),
    ],
)
def test_values_that_do_not_fit_are_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        BERT(**({"config": tiny("bert")} | options))


def test_rows_longer_than_the_positions_are_refused_before_the_first_step(tmp_path: Path) -> None:
    for options, name in (({}, "data.max_length"), ({"window": 40}, "model.window")):
        model = BERT(config=tiny("bert", max_position_embeddings=32), **options)  # type: ignore[arg-type]
        with pytest.raises(ValueError, match=f"{name} lets rows of .* --{name} 32"):
            make_trainer(tmp_path, max_steps=1).fit(model, datamodule=toy(tmp_path))
    roberta = BERT(config=tiny("roberta", max_position_embeddings=32))
    assert roberta.net.longest == 30  # two are lost to the padding id
    with pytest.raises(ValueError, match="a row of 31 tokens, and the encoder has 30 positions"):
        roberta(make_batch([list(range(2, 33))]))
    roberta(make_batch([list(range(2, 32))]))


def test_a_tokenizer_of_another_model_is_refused(tmp_path: Path) -> None:
    model = BERT(config=tiny("bert", vocab_size=20))
    with pytest.raises(ValueError, match="the tokenizer has .* and the encoder 20; give --data"):
        make_trainer(tmp_path, max_steps=1).fit(model, datamodule=toy(tmp_path))


def test_weights_of_another_architecture_are_refused_with_their_keys(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "bert")
    with pytest.raises(ValueError, match="is a model of type 'bert', and .* is 'roberta'"):
        BERT(source=str(folder), config={"model_type": "roberta"})
    other = make_folder(tmp_path / "gpt2", "gpt2")
    (other / "model.safetensors").rename(folder / "model.safetensors")
    with pytest.raises(DataError) as refused:
        BERT(source=str(folder))
    message = str(refused.value)
    assert "not those of a bert" in message and "embeddings.LayerNorm.bias" in message
    assert "more; unexpected h.0.attn" in message.replace("transformer.", "")


def test_a_config_of_other_sizes_than_the_weights_is_refused(tmp_path: Path) -> None:
    folder = make_folder(tmp_path)
    with pytest.raises(DataError, match="of another shape encoder.layer.0.intermediate"):
        BERT(source=str(folder), config={"intermediate_size": 64})
    fewer = BERT(source=str(folder), config={"num_hidden_layers": 1})
    assert len(layers_of(fewer.net.encoder)) == 1  # the lowest layers alone are a sound net


def test_a_half_downloaded_and_a_pickled_checkpoint_are_refused(tmp_path: Path) -> None:
    folder = make_folder(tmp_path)
    file = folder / "model.safetensors"
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError, match="is not a whole safetensors file"):
        BERT(source=str(folder))
    file.unlink()
    torch.save({}, folder / "pytorch_model.bin")
    with pytest.raises(DataError, match="pytorch_model.bin: is a pickle"):
        BERT(source=str(folder))
    (folder / "config.json").write_text("{")
    with pytest.raises(DataError, match="cannot be read as a pretrained model"):
        BERT(source=str(folder))


def test_a_setting_that_it_refuses_is_told_on_the_command_line() -> None:
    settings = Registry().settings("bert")
    settings = merge(settings, offline(settings), {"data": {"class_path": "tests.toys.ToyData"}})
    with pytest.raises(ConfigError, match="layer_decay is 2.0"):
        Resolved(settings, ["--model.layer_decay=2"]).build()
