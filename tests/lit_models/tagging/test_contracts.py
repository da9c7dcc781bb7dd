"""Contracts of every tagger: scores and tags that are a text's own."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import lightning as L
import pytest
import torch
from torch.utils.data import DataLoader

from datamodules.store.batching import TextBatch
from lit_models.tagging.model import LitTagger
from tests.batches import make_batch, make_view
from tests.lit_models.tagging.models import (
    LENGTHS,
    MODELS,
    TAGGED,
    TEXTS,
    VOCAB,
    build,
    make_tagged,
)


@pytest.fixture(params=MODELS)
def model(request: pytest.FixtureRequest) -> LitTagger:
    found: LitTagger = build(request.param)
    return found


@torch.no_grad()
def scores(model: LitTagger, *tagged: Any, **settings: Any) -> torch.Tensor:
    return model.score(make_tagged(*tagged, **settings))


def close(one: Any, other: Any) -> bool:
    pair = (torch.as_tensor(each, dtype=torch.float64) for each in (one, other))
    return torch.allclose(*pair, rtol=0, atol=1e-9)


def test_tags_are_scored_alike_in_any_company_and_padding(model: LitTagger) -> None:
    together = scores(model, TEXTS, TAGGED)
    assert together.isfinite().all() and (together < 0).all()
    wide = scores(model, TEXTS[::-1], TAGGED[::-1], width=40).flip(0)
    dirty = scores(model, TEXTS, TAGGED, width=20, pad=VOCAB - 1)
    alone = [scores(model, [x], [y])[0] for x, y in zip(TEXTS, TAGGED, strict=True)]
    for found in (wide, dirty, torch.stack(alone)):
        assert close(found, together)
    others = [[token % (VOCAB - 2) + 2 for token in text] for text in TEXTS]
    assert (scores(model, others, TAGGED) - together).abs().max() > 0.1  # the text counts


def test_a_word_is_tagged_alike_in_any_company(model: LitTagger) -> None:
    found = model.predict_step(make_batch(TEXTS, width=20, pad=VOCAB - 1))
    assert found.words.tolist() == LENGTHS
    rows = found.tags.split(LENGTHS)
    for text, expected in zip(TEXTS, rows, strict=True):
        alone = model.predict_step(make_batch([text]))
        assert torch.equal(alone.tags, expected) and alone.words.tolist() == [len(text)]


def test_the_tags_found_are_the_most_probable(model: LitTagger) -> None:
    found = model.predict_step(make_batch(TEXTS))
    best = [row.tolist() for row in found.tags.split(LENGTHS)]
    value, right = scores(model, TEXTS, best), scores(model, TEXTS, TAGGED)
    assert (value >= right).all() and (value > right).any()
    for place in range(3):  # no change of one tag is better
        changed = [[*row[:place], (row[place] + 1) % 4, *row[place + 1 :]] for row in best[2:]]
        assert (scores(model, TEXTS[2:], changed) < value[2:]).all()


def test_predictions_have_ids_and_scores_of_right_tags_alone(model: LitTagger) -> None:
    batch = make_tagged(TEXTS, TAGGED)
    batch = batch._replace(ids=batch.ids + 100)
    found = model.predict_step(batch)
    assert found.ids.tolist() == list(range(100, 100 + len(TEXTS)))
    assert found.log_probabilities.dtype == torch.float64
    assert close(found.log_probabilities, scores(model, TEXTS, TAGGED))
    blind = model.predict_step(make_batch(TEXTS))
    assert blind.log_probabilities.isnan().all() and torch.equal(blind.tags, found.tags)


def test_the_network_sees_no_tags_or_ids_in_evaluation(model: LitTagger) -> None:
    seen = list[Any]()
    forward = model.forward
    model.forward = lambda batch: seen.append(batch) or forward(batch)  # type: ignore[func-returns-value,method-assign]
    model.predict_step(make_tagged(TEXTS, TAGGED))
    model.validation_step(make_tagged(TEXTS, TAGGED), 0)
    assert len(seen) == 2
    for batch in seen:
        assert isinstance(batch, TextBatch)
        assert (batch.labels == -1).all() and (batch.ids == -1).all()


def test_a_large_batch_is_predicted_in_parts(
    model: LitTagger, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = make_tagged(TEXTS, TAGGED)
    whole = model.predict_step(batch)
    monkeypatch.setattr("lit_models.tagging.model._MOST_TOKENS", 30)  # two rows
    parts = model.predict_step(batch)
    assert all(close(one, other) for one, other in zip(whole, parts, strict=True))


def test_every_parameter_receives_a_gradient(model: LitTagger) -> None:
    model.train().training_step(make_tagged(TEXTS, TAGGED), 0).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name


def test_the_training_loss_is_in_nats_a_word(model: LitTagger) -> None:
    loss = model.training_step(make_tagged(TEXTS, TAGGED), 0)
    assert close(loss.detach(), -scores(model, TEXTS, TAGGED).sum() / sum(LENGTHS))
    wide = model.training_step(make_tagged(TEXTS, TAGGED, 30, VOCAB - 1), 0)
    assert close(loss.detach(), wide.detach())


class Data(L.LightningDataModule):
    """Two batches of texts, of different numbers of words."""

    batches = make_tagged(TEXTS, TAGGED), make_tagged(TEXTS[:2], TAGGED[:2])

    def __init__(self, kind: str = "") -> None:
        super().__init__()
        self.continued = VOCAB if kind == "bert_tagger" else None

    def train_view(self) -> Any:
        return replace(make_view(TEXTS, [0] * len(TEXTS), VOCAB), continued=self.continued)

    def train_dataloader(self) -> Any:
        return DataLoader(self.batches, batch_size=None)  # type: ignore[arg-type]

    val_dataloader = test_dataloader = train_dataloader


def trainer(folder: Any, **settings: Any) -> L.Trainer:
    return L.Trainer(
        **{"max_epochs": 1, "enable_checkpointing": False} | settings,
        accelerator="cpu",
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        default_root_dir=folder,
    )


@pytest.mark.parametrize("kind", MODELS)
def test_a_saved_model_tags_alike(kind: str, tmp_path: Any) -> None:
    torch.manual_seed(0)
    model = MODELS[kind]()
    trainer(tmp_path).fit(model, datamodule=Data(kind))
    model.save(tmp_path)
    loaded = type(model).load(tmp_path)
    model.eval()
    assert loaded.num_tags == model.num_tags
    one, other = (m.predict_step(make_tagged(TEXTS, TAGGED)) for m in (model, loaded))
    assert all(torch.equal(*pair) for pair in zip(one, other, strict=True))


@pytest.mark.parametrize("kind", MODELS)
def test_validation_figures_are_those_of_the_whole_epoch(kind: str, tmp_path: Any) -> None:
    torch.manual_seed(0)
    model, run = MODELS[kind](), trainer(tmp_path)
    run.fit(model, datamodule=Data(kind))
    assert {"train/loss", "train/epoch_loss"} <= run.callback_metrics.keys()
    model.eval()
    log_probability, words, right = 0.0, 0, 0
    for batch in Data.batches:
        found = model.predict_step(batch)
        log_probability += float(found.log_probabilities.sum())
        words += int(found.words.sum())
        right += int((found.tags == batch.tags[batch.tags >= 0]).sum())
    expected = {"log_loss": -log_probability / words, "accuracy": right / words}
    for part, figures in (
        ("val", dict(run.callback_metrics)),
        ("test", run.test(model, datamodule=Data(kind), verbose=False)[0]),
    ):
        for name, value in expected.items():
            assert float(figures[f"{part}/{name}"]) == pytest.approx(value, rel=1e-5)


@pytest.mark.parametrize("kind", MODELS)
def test_it_trains_under_bf16_autocast_and_with_dropout(kind: str, tmp_path: Any) -> None:
    torch.manual_seed(0)
    model = MODELS[kind](dropout=0.2)
    before = [parameter.detach().clone() for parameter in model.parameters()]
    run = trainer(tmp_path, precision="bf16-mixed")
    run.fit(model, datamodule=Data(kind))
    assert all(parameter.isfinite().all() for parameter in model.parameters())
    pairs = zip(before, model.parameters(), strict=True)
    assert all(not torch.equal(*pair) for pair in pairs)
    assert run.callback_metrics["val/log_loss"].isfinite()


@pytest.mark.parametrize("kind", ["bilstm_tagger", "bilstm_crf"])
def test_tags_that_neighbours_decide_are_learnt(kind: str, tmp_path: Any) -> None:
    """The tag of a word is whether the next one is even, and that of the last one is 2."""
    rows = [
        [(5 * n + 3 * t + n * t) % (VOCAB - 2) + 2 for t in range(4 + n % 9)] for n in range(64)
    ]
    tags = [[*(token % 2 for token in row[1:]), 2] for row in rows]
    batch = make_tagged(rows, tags)

    class Neighbours(Data):
        batches = (batch,)  # type: ignore[assignment]

    torch.manual_seed(0)
    model = MODELS[kind](hidden_size=16, learning_rate=0.03)
    trainer(tmp_path, max_epochs=60).fit(model, datamodule=Neighbours())
    found = model.eval().predict_step(batch)
    assert float((found.tags == batch.tags[batch.tags >= 0]).double().mean()) > 0.98


def test_tags_for_other_words_are_refused(model: LitTagger) -> None:
    batch = make_tagged(TEXTS, TAGGED)
    batch.tags[3, 4] = -1
    with pytest.raises(ValueError, match="text 3 has 4 tags and 5 words in the network's reading"):
        model.score(batch)


@pytest.mark.parametrize("kind", ["bilstm_tagger", "bilstm_crf"])
@pytest.mark.parametrize(
    "setting",
    [
        {"vocab_size": 1},
        {"num_tags": 1},
        {"embedding_dim": 0},
        {"hidden_size": 0},
        {"num_layers": 0},
        {"learning_rate": 0.0},
    ],
)
def test_settings_outside_their_range_are_refused(kind: str, setting: dict[str, Any]) -> None:
    ((name, value),) = setting.items()
    with pytest.raises(ValueError, match=f"{name} is {value}"):
        MODELS[kind](**setting)


@pytest.mark.parametrize("kind", ["bilstm_tagger", "bilstm_crf", "bert_tagger"])
def test_parameters_are_as_many_as_the_docstring_says(kind: str) -> None:
    architecture = MODELS[kind].func  # type: ignore[attr-defined]
    assert f"At the default size {architecture().parameter_count:,}" in architecture.__doc__


@pytest.mark.parametrize("kind", MODELS)
def test_a_bias_for_marks_changes_which_tags_are_chosen_and_no_probability(kind: str) -> None:
    plain, batch = build(kind), make_tagged(TEXTS, TAGGED)
    unmarked = (0, 2)
    tags = []
    for bias in (-100.0, 0.0, 100.0):
        model = build(kind, unmarked_tags=unmarked, mark_bias=bias)
        found = model.predict_step(batch)
        assert torch.equal(found.log_probabilities, plain.predict_step(batch).log_probabilities)
        assert torch.equal(model.score(batch), plain.score(batch))
        tags.append(found.tags)
    marked = [int(sum(found != tag for tag in unmarked).eq(2).sum()) for found in tags]
    assert torch.equal(tags[1], plain.predict_step(batch).tags)
    assert marked[0] == 0 < marked[1] < marked[2] == sum(LENGTHS)
    other = build(kind, mark_bias=100.0)  # no tag is unmarked: tags are no marks
    assert torch.equal(other.predict_step(batch).tags, tags[1])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"mark_bias": float("nan")}, "mark_bias is nan; it must be a finite number"),
        ({"unmarked_tags": (4,)}, r"unmarked_tags is \(4,\); each must be at least 0 and below 4"),
    ],
)
def test_a_bias_that_cannot_be_used_is_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build("bilstm_tagger", **settings)
