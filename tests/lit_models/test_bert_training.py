"""Training of an encoder: rates of layers, frozen layers, adapters, checkpointing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightning as L
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from lit_models.bert import BERT
from lit_models.layers.pretrained import layers_of
from tests.batches import make_batch
from tests.lit_models.test_bert import ROWS, make_folder, make_trainer, toy
from tests.tiny_encoders import tiny


def test_lower_layers_learn_more_slowly_and_gains_do_not_decay(tmp_path: Path) -> None:
    model = BERT(
        config=tiny("bert"),
        learning_rate=1e-3,
        layer_decay=0.5,
        weight_decay=0.1,
        schedule="linear",
    )
    make_trainer(tmp_path, max_steps=1).fit(model, datamodule=toy(tmp_path))
    optimizer: Any = model.optimizers()
    by_id = {id(p): group for group in optimizer.param_groups for p in group["params"]}
    names = dict(model.named_parameters())
    assert len(by_id) == len(names), "every parameter is in one group"
    rates = {
        "net.encoder.embeddings.word_embeddings.weight": 1 / 8,
        "net.encoder.encoder.layer.0.output.dense.weight": 1 / 4,
        "net.encoder.encoder.layer.1.output.dense.weight": 1 / 2,
        "net.output.weight": 1,
    }
    for name, share in rates.items():
        assert by_id[id(names[name])]["initial_lr"] == pytest.approx(1e-3 * share), name
        assert by_id[id(names[name])]["weight_decay"] == 0.1
    for name, parameter in names.items():
        if name.endswith("bias") or "LayerNorm" in name:
            assert by_id[id(parameter)]["weight_decay"] == 0, name


def test_the_linear_schedule_rises_and_falls_to_zero() -> None:
    model = BERT(config=tiny("bert"), schedule="linear", warmup_fraction=0.1)
    rates = [model.rate_at(step, 100) for step in range(101)]
    assert rates[0] == pytest.approx(1 / 11) and max(rates) == rates[10] == 1
    assert rates[55] == pytest.approx(0.5) and rates[100] == 0


def changed(before: dict[str, Tensor], model: BERT) -> set[str]:
    now = model.state_dict()
    return {name for name in before if not torch.equal(before[name], now[name])}


def test_frozen_layers_stay_and_the_rest_is_learnt(tmp_path: Path) -> None:
    for frozen, still in (
        (0, ("net.encoder.embeddings.",)),
        (1, ("net.encoder.embeddings.", "net.encoder.encoder.layer.0.")),
    ):
        model = BERT(config=tiny("bert"), frozen_layers=frozen)
        before = {k: v.clone() for k, v in model.state_dict().items()}
        make_trainer(tmp_path, max_steps=2).fit(model, datamodule=toy(tmp_path))
        moved = changed(before, model)
        assert not [name for name in moved if name.startswith(still)]
        rest = {name for name, _ in model.named_parameters() if not name.startswith(still)}
        assert rest <= moved


class Thawed(L.Callback):
    """Which layers are learnt in each epoch: 0 embeddings, 1 … L."""

    def __init__(self) -> None:
        self.seen: list[list[int]] = []

    def on_train_batch_start(self, trainer: Any, module: Any, batch: Any, number: int) -> None:
        if number == 0:
            parameters = {name: module.net.encoder.get_parameter(name) for name in module.trainable}
            learnt = {module.depths[name] for name, p in parameters.items() if p.requires_grad}
            self.seen.append(sorted(learnt))


def test_gradual_unfreezing_takes_one_layer_more_each_epoch(tmp_path: Path) -> None:
    model, thawed = BERT(config=tiny("bert"), gradual_unfreezing=True), Thawed()
    trainer = make_trainer(tmp_path, max_epochs=4, callbacks=[thawed])
    trainer.fit(model, datamodule=toy(tmp_path))
    assert thawed.seen == [[2], [1, 2], [0, 1, 2], [0, 1, 2]]


def test_top_layers_start_anew_and_the_others_do_not(tmp_path: Path) -> None:
    folder = make_folder(tmp_path)
    theirs = load_file(folder / "model.safetensors")
    model = BERT(source=str(folder), reinitialised_layers=1)
    for name, value in model.net.encoder.state_dict().items():
        assert torch.equal(value, theirs[name]) == ("layer.1." not in name), name
    top = layers_of(model.net.encoder)[1]
    assert (top.output.LayerNorm.weight == 1).all()  # type: ignore[union-attr, operator]
    assert 0.015 < float(top.output.dense.weight.std()) < 0.025  # type: ignore[union-attr, operator, arg-type]


def test_gradient_checkpointing_changes_no_gradient() -> None:
    gradients = []
    for again in (False, True):
        torch.manual_seed(0)
        model = BERT(config=tiny("bert"), gradient_checkpointing=again, dropout=0.0, head_dropout=0)
        batch = make_batch(ROWS)
        model.train()
        model.loss(model(batch), batch.labels).backward()
        assert model.net.encoder.is_gradient_checkpointing == again
        gradients.append([p.grad for p in model.parameters()])
    for one, other in zip(*gradients, strict=True):
        assert torch.allclose(one, other, atol=1e-7)


@pytest.mark.parametrize("kind", ["bert", "gpt2"])
def test_adapters_alone_are_learnt_and_start_at_nothing(kind: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    plain = BERT(config=tiny(kind), pooling="last").eval()
    torch.manual_seed(0)
    model = BERT(config=tiny(kind), pooling="last", lora_rank=2).eval()
    model.net.output.load_state_dict(plain.net.output.state_dict())
    batch = make_batch(ROWS)
    with torch.no_grad():
        assert torch.allclose(plain(batch), model(batch), atol=1e-6)
    learnt = {name for name, p in model.named_parameters() if p.requires_grad}
    assert all("lora_" in name or name.startswith("net.output") for name in learnt)
    stack = "h" if kind == "gpt2" else "layer"
    for number in (0, 1):
        assert any(f".{stack}.{number}." in name for name in learnt)
    before = {k: v.clone() for k, v in model.state_dict().items()}
    make_trainer(tmp_path, max_steps=2).fit(model, datamodule=toy(tmp_path))
    assert changed(before, model) - {"specials"} <= learnt
    assert any("lora_B" in name for name in changed(before, model))


def test_adapters_without_peft_name_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(ValueError, match=r"lora_rank is 4 .* pip install 'lit-sentiment\[lora\]'"):
        BERT(config=tiny("bert"), lora_rank=4)
