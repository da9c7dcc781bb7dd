"""Contracts of every neural language model: a distribution, and scores that are its own."""

from __future__ import annotations

import copy
from functools import partial
from typing import Any

import lightning as L
import pytest
import torch
from torch.utils.data import DataLoader

from datamodules.store.stream import StreamBatch
from lit_models.elmo import ELMo
from lit_models.gpt_lm import GPTLM
from lit_models.gru_lm import GRULM
from lit_models.language.model import BOUNDARY, LitLanguageModel
from lit_models.lstm_lm import LSTMLM
from lit_models.nnlm import NNLM
from lit_models.rnn_lm import RNNLM
from tests.batches import make_batch, make_view, random_rows
from tests.lit_models.language.streams import VOCAB, StreamLoader, make_stream

SIZES: dict[str, Any] = {"vocab_size": VOCAB, "embedding_dim": 16, "cutoffs": [5, 12]}
SMALL = SIZES | {"hidden_size": 16}
DROPS = {"dropout": 0.2, "weight_drop": 0.2, "embedding_dropout": 0.2}
MODELS = {
    "rnn_lm": partial(RNNLM, **SMALL),
    "gru_lm": partial(GRULM, **SMALL, num_layers=2),
    "lstm_lm": partial(LSTMLM, **SMALL),
    "lstm_lm untied": partial(LSTMLM, **SMALL, tie_weights=False),
    "lstm_lm full": partial(LSTMLM, **SMALL | {"cutoffs": None}, **DROPS),
    "lstm_lm backward": partial(LSTMLM, **SMALL, direction="backward"),
    "nnlm": partial(NNLM, **SMALL),
    "nnlm untied": partial(NNLM, **SMALL, tie_weights=False, order=2),
    "nnlm without direct": partial(NNLM, **SMALL, direct=False, order=3, dropout=0.2),
    "gpt_lm": partial(GPTLM, **SIZES, num_heads=2, dim_feedforward=32, context=7),
    "gpt_lm of one symbol": partial(GPTLM, **SIZES, num_heads=2, num_layers=1, context=1),
    "gpt_lm untied": partial(GPTLM, **SIZES, num_heads=2, tie_weights=False, dropout=0.2),
    "elmo": partial(ELMo, **SMALL),
    "lstm_lm both": partial(LSTMLM, **SMALL, direction="both", **DROPS),
}
LENGTHS = [1, 2, 3, 5, 8, 13, 21, 34]
ROWS = random_rows(LENGTHS, VOCAB)


@pytest.fixture(params=MODELS)
def model(request: pytest.FixtureRequest) -> LitLanguageModel:
    torch.manual_seed(0)
    built: LitLanguageModel = MODELS[request.param]()
    with torch.no_grad():
        for parameter in built.parameters():  # states at which a difference would show
            parameter.mul_(3)
    return built.double().eval()


@torch.no_grad()
def scores(model: LitLanguageModel, rows: list[list[int]], width: int | None = None) -> Any:
    return model.predict_step(make_batch(rows, width))


def test_the_score_of_a_text_is_the_sum_of_what_advance_gives(model: LitLanguageModel) -> None:
    found = scores(model, ROWS)
    assert found.log_probabilities.dtype == torch.float64
    assert found.words.tolist() == [length + 1 for length in LENGTHS]
    if model.direction == "both":
        model = copy.deepcopy(model)
        del model.net.readers[1]  # `advance` reads forward, and the other half of a score does not
        found = scores(model, ROWS)
    for row, expected in zip(ROWS, found.log_probabilities.tolist(), strict=True):
        words = row[::-1] if model.direction == "backward" else row
        state, total = model.begin(1), 0.0
        for symbol, following in zip([BOUNDARY, *words], [*words, BOUNDARY], strict=True):
            with torch.no_grad():
                log_probabilities, state = model.advance(torch.tensor([symbol]), state)
            assert log_probabilities.shape == (1, VOCAB)
            assert abs(log_probabilities.logsumexp(dim=1).item()) < 1e-9
            total += log_probabilities[0, following].item()
        assert total == pytest.approx(expected, abs=1e-9)


def test_rows_of_a_state_can_be_chosen(model: LitLanguageModel) -> None:
    symbols = torch.tensor([BOUNDARY] * 3)
    with torch.no_grad():
        _, state = model.advance(symbols, model.begin(3))
        _, state = model.advance(torch.tensor([4, 5, 6]), state)
        assert all(len(part) == 3 for part in state)
        expected, _ = model.advance(torch.tensor([7, 8, 9]), state)
        order = torch.tensor([2, 0])
        chosen = tuple(part[order] for part in state)
        found, _ = model.advance(torch.tensor([9, 7]), chosen)
    assert torch.allclose(found, expected[order], rtol=0, atol=1e-9)


def test_a_text_is_scored_alike_in_any_company_and_padding(model: LitLanguageModel) -> None:
    together = scores(model, ROWS).log_probabilities
    padded = scores(model, ROWS[::-1], width=3 * max(LENGTHS)).log_probabilities.flip(0)
    alone = torch.cat([scores(model, [row]).log_probabilities for row in ROWS])
    for found in (padded, alone):
        assert torch.allclose(found, together, rtol=0, atol=1e-9)
    loud = [ROWS[3], [VOCAB - 1] * 60]
    assert scores(model, loud).log_probabilities[0] == pytest.approx(together[3].item(), abs=1e-9)


def test_what_padding_holds_is_never_read(model: LitLanguageModel) -> None:
    batch = make_batch(ROWS)
    dirty = batch.tokens.masked_fill(batch.tokens == 0, 7)
    with torch.no_grad():
        found = model.predict_step(batch._replace(tokens=dirty)).log_probabilities
    expected = scores(model, ROWS).log_probabilities
    assert torch.allclose(found, expected, rtol=0, atol=1e-9)


def test_long_texts_are_scored_in_pieces(
    model: LitLanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = scores(model, ROWS).log_probabilities
    widths = list[int]()
    model.net.register_forward_pre_hook(lambda _, given: widths.append(given[0].numel()))
    monkeypatch.setattr("lit_models.language.model._SYMBOLS_AT_ONCE", 40)
    found = scores(model, ROWS).log_probabilities
    assert torch.allclose(found, expected, rtol=0, atol=1e-9) and max(widths) <= 40


def test_texts_that_have_ended_are_read_no_further(monkeypatch: pytest.MonkeyPatch) -> None:
    model = MODELS["lstm_lm"]().eval()
    monkeypatch.setattr("lit_models.language.model._SYMBOLS_AT_ONCE", 16)
    read = list[int]()
    model.net.register_forward_pre_hook(lambda _, given: read.append(given[0].numel()))
    short = [[3, 4]] * 7
    alone = [scores(model, [row]).log_probabilities.item() for row in ([5] * 99, short[0])]
    read.clear()
    found = scores(model, [[5] * 99, *short]).log_probabilities.tolist()
    assert found == pytest.approx([alone[0], *alone[1:] * 7], rel=1e-5)
    assert sum(read) < 100 + 8 * 8  # not 8 * 100


def test_scores_leave_the_carried_state_of_the_training_alone(model: LitLanguageModel) -> None:
    model.log = lambda *_, **__: None  # type: ignore[method-assign]  # there is no trainer
    model.training_step(make_stream(2, 6, 1)[0], 0)
    carried = model.carried
    scores(model, ROWS)
    assert model.carried is carried


def test_rows_that_start_anew_forget_what_was_carried(model: LitLanguageModel) -> None:
    model.log = lambda *_, **__: None  # type: ignore[method-assign]  # there is no trainer
    first, second = make_stream(2, 6, 2)
    model.training_step(first, 0)
    carried = model.carried
    assert carried is not None
    state = model._carried_into(second._replace(starts=torch.tensor([True, False])))
    for part, new, old in zip(state, model.begin(2), carried, strict=True):
        assert torch.equal(part[0], new[0]) and torch.equal(part[1], old[1])


def test_every_parameter_receives_a_gradient(model: LitLanguageModel) -> None:
    model.log = lambda *_, **__: None  # type: ignore[method-assign]  # there is no trainer
    model.training_step(make_stream(8, 20, 1)[0], 0).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name


class Data(L.LightningDataModule):
    """A stream of a few batches, and a few texts."""

    def train_view(self) -> Any:
        return make_view(ROWS, [0] * len(ROWS), VOCAB)

    def train_dataloader(self) -> Any:
        return StreamLoader(make_stream(4, 10, 6))

    def val_dataloader(self) -> Any:
        return DataLoader([make_batch(ROWS), make_batch(ROWS[:3])], batch_size=None)  # type: ignore[arg-type]


def fit(model: LitLanguageModel, folder: Any, **settings: Any) -> L.Trainer:
    resumed = settings.pop("resume", None)
    trainer = L.Trainer(
        **{"max_epochs": 2, "enable_checkpointing": False} | settings,
        accelerator="cpu",
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        default_root_dir=folder,
    )
    trainer.fit(model, datamodule=Data(), ckpt_path=resumed, weights_only=True)
    return trainer


@pytest.mark.parametrize("kind", ["lstm_lm", "lstm_lm both"])
def test_validation_figures_are_those_of_the_scores(kind: str, tmp_path: Any) -> None:
    torch.manual_seed(0)
    model = MODELS[kind]()
    trainer = fit(model, tmp_path)
    model.eval()
    parts = [scores(model, ROWS), scores(model, ROWS[:3])]
    total = sum(part.log_probabilities.sum().item() for part in parts)
    mean = -total / sum(int(part.words.sum()) for part in parts)
    figures = trainer.callback_metrics
    assert figures["val/log_loss"].item() == pytest.approx(mean, rel=1e-5)
    assert figures["val/perplexity"].item() == pytest.approx(2.718281828**mean, rel=1e-5)
    assert {"train/loss", "train/epoch_loss"} <= figures.keys()


@pytest.mark.parametrize("kind", MODELS)
def test_a_saved_model_scores_alike_and_carries_nothing(kind: str, tmp_path: Any) -> None:
    torch.manual_seed(0)
    model = MODELS[kind]()
    fit(model, tmp_path, max_epochs=1)
    model.save(tmp_path)
    loaded = type(model).load(tmp_path)
    assert loaded.carried is None
    assert "carried_state" not in torch.load(tmp_path / "model.ckpt", weights_only=True)
    one, other = (scores(m.eval(), ROWS).log_probabilities for m in (model, loaded))
    assert torch.equal(one, other)


@pytest.mark.parametrize("kind", ["rnn_lm", "gru_lm", "lstm_lm", "nnlm", "gpt_lm", "elmo"])
def test_it_learns_a_stream_by_heart(kind: str) -> None:
    torch.manual_seed(0)
    model = MODELS[kind]()
    model.log = lambda *_, **__: None
    symbols = torch.tensor([0, 5, 3, 9, 4, 20, 7, 11] * 12).expand(4, -1)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.02)
    for step in range(150):
        model.train(step < 100)  # its dropouts hide a part of what it has learnt
        start = step % 8 * 10
        inputs, targets = symbols[:, start : start + 10], symbols[:, start + 1 : start + 11]
        batch = StreamBatch(inputs, targets, torch.full((4,), 10), torch.full((4,), start == 0))
        loss = model.training_step(batch, step)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss < 0.3


@pytest.mark.parametrize("kind", MODELS)
def test_it_trains_under_bf16_autocast(kind: str, tmp_path: Any) -> None:
    model = MODELS[kind]()
    before = [parameter.detach().clone() for parameter in model.parameters()]
    trainer = fit(model, tmp_path, precision="bf16-mixed", max_epochs=1)
    assert all(parameter.isfinite().all() for parameter in model.parameters())
    assert all(not torch.equal(*pair) for pair in zip(before, model.parameters(), strict=True))
    assert trainer.callback_metrics["val/log_loss"].isfinite()
