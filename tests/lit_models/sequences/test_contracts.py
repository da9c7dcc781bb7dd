"""Contracts of every transcription model: scores and strings that are a text's own."""

from __future__ import annotations

from typing import Any

import lightning as L
import pytest
import torch
from torch.utils.data import DataLoader

from lit_models.sequences.edit_distance import edit_distance
from lit_models.sequences.model import LitTranscriber
from tests.batches import make_batch, make_view
from tests.lit_models.sequences.pairs import (
    LENGTHS,
    MODELS,
    STRINGS,
    SYMBOLS,
    TEXTS,
    VOCAB,
    build,
    make_pairs,
)


@pytest.fixture(params=MODELS)
def model(request: pytest.FixtureRequest) -> LitTranscriber:
    found: LitTranscriber = build(request.param)
    return found


@torch.no_grad()
def scores(model: LitTranscriber, *pairs: Any, **widths: Any) -> torch.Tensor:
    return model(make_pairs(*pairs, **widths))


def close(one: Any, other: Any) -> bool:
    pair = (torch.as_tensor(each, dtype=torch.float64) for each in (one, other))
    return torch.allclose(*pair, rtol=0, atol=1e-9)


def test_a_string_is_scored_alike_in_any_company_and_padding(model: LitTranscriber) -> None:
    together = scores(model, TEXTS, STRINGS)
    assert together.isfinite().all() and (together < 0).all()
    wide = scores(model, TEXTS[::-1], STRINGS[::-1], width=40, target_width=30).flip(0)
    dirty = scores(model, TEXTS, STRINGS, width=20, pad=VOCAB - 1)
    alone = [scores(model, [x], [y])[0] for x, y in zip(TEXTS, STRINGS, strict=True)]
    for found in (wide, dirty, torch.stack(alone)):
        assert close(found, together)
    assert (scores(model, TEXTS[::-1], STRINGS) - together).abs().max() > 0.1  # the text counts


@pytest.mark.parametrize("width", [1, 3])
def test_a_text_is_transcribed_alike_in_any_company(model: LitTranscriber, width: int) -> None:
    batch = make_batch(TEXTS, width=20, pad=VOCAB - 1)
    together = model.transcribe(batch.tokens, batch.lengths, width)
    assert len(together) == len(TEXTS)
    for text, expected in zip(TEXTS, together, strict=True):
        single = make_batch([text])
        (found,) = model.transcribe(single.tokens, single.lengths, width)
        assert [one.symbols for one in found] == [one.symbols for one in expected]
        assert close([o.log_probability for o in found], [o.log_probability for o in expected])
        assert len(found) <= width


def test_log_probabilities_of_what_is_written_are_those_of_scores(model: LitTranscriber) -> None:
    with torch.no_grad():
        model.net.output.bias[0] += 3.0  # so that strings end, or are short
    batch = make_batch(TEXTS)
    written = model.transcribe(batch.tokens, batch.lengths, 4)
    pairs = [(x, one) for x, found in zip(TEXTS, written, strict=True) for one in found]
    ended = [(x, one) for x, one in pairs if one.ended]
    assert ended
    found = scores(model, [x for x, _ in ended], [one.symbols for _, one in ended])
    assert close(found, [one.log_probability for _, one in ended])


def test_predictions_are_the_best_of_the_beam(model: LitTranscriber) -> None:
    batch = make_batch(TEXTS)
    batch = batch._replace(ids=batch.ids + 100)
    for width in (1, 4):
        model.beam_width = width
        found = model.predict_step(batch)
        best = [texts[0] for texts in model.transcribe(batch.tokens, batch.lengths, width)]
        assert found.ids.tolist() == list(range(100, 100 + len(TEXTS)))
        assert found.symbols.dtype == torch.int64 and found.symbols.shape == (len(TEXTS), 12)
        for row, text in zip(found.symbols.tolist(), best, strict=True):
            assert tuple(row) == text.symbols + (0,) * (12 - len(text.symbols))
        assert found.log_probabilities.dtype == torch.float64
        assert found.log_probabilities.tolist() == [text.log_probability for text in best]


def test_no_more_symbols_are_written_than_allowed(model: LitTranscriber) -> None:
    model.longest = 2
    batch = make_batch(TEXTS)
    for width in (1, 4):
        found = model.transcribe(batch.tokens, batch.lengths, width)
        assert max(len(text.symbols) for texts in found for text in texts) <= 2
        assert model.predict_step(batch).symbols.shape == (len(TEXTS), 2)


@pytest.mark.parametrize("kind", MODELS)
def test_the_first_of_a_beam_is_never_less_probable_than_greedy(kind: str) -> None:
    batch = make_batch(TEXTS)
    for seed in range(3):
        model = build(kind, seed, 5.0)
        for width in (2, 3):
            simple = model.transcribe(batch.tokens, batch.lengths, 1)
            wide = model.transcribe(batch.tokens, batch.lengths, width)
            for (one,), texts in zip(simple, wide, strict=True):
                values = [text.log_probability for text in texts]
                assert values[0] >= one.log_probability
                assert values == sorted(values, reverse=True)
                assert len({(text.symbols, text.ended) for text in texts}) == len(texts)


def test_every_parameter_receives_a_gradient(model: LitTranscriber) -> None:
    model.train().training_step(make_pairs(TEXTS, STRINGS), 0).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name


def test_the_training_loss_is_in_nats_a_symbol(model: LitTranscriber) -> None:
    loss = model.training_step(make_pairs(TEXTS, STRINGS), 0)
    symbols = sum(len(string) + 1 for string in STRINGS)
    assert close(loss.detach(), -scores(model, TEXTS, STRINGS).sum() / symbols)
    wide = model.training_step(make_pairs(TEXTS, STRINGS, 30, 30, VOCAB - 1), 0)
    assert close(loss.detach(), wide.detach())


class Data(L.LightningDataModule):
    """Two batches of pairs, of different numbers of rows."""

    batches = make_pairs(TEXTS, STRINGS), make_pairs(TEXTS[:2], STRINGS[4:])

    def train_view(self) -> Any:
        return make_view(TEXTS, [0] * len(TEXTS), VOCAB)

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
def test_a_saved_model_scores_and_writes_alike(kind: str, tmp_path: Any) -> None:
    torch.manual_seed(0)
    model = MODELS[kind](beam_width=2)
    trainer(tmp_path).fit(model, datamodule=Data())
    model.save(tmp_path)
    loaded = type(model).load(tmp_path)
    model.eval()
    assert loaded.longest == 12 and loaded.beam_width == 2
    one, other = (scores(m, TEXTS, STRINGS) for m in (model, loaded))
    assert torch.equal(one, other)
    mine, its = (m.predict_step(make_batch(TEXTS)) for m in (model, loaded))
    assert torch.equal(mine.symbols, its.symbols)


def test_the_loss_of_an_epoch_is_over_its_symbols(model: LitTranscriber) -> None:
    losses = [model.training_step(batch, 0).detach() for batch in Data.batches]
    counts = [int((batch.target_lengths + 1).sum()) for batch in Data.batches]
    expected = sum(loss * count for loss, count in zip(losses, counts, strict=True)) / sum(counts)
    assert len(set(counts)) > 1
    assert float(model.train_loss.compute()) == pytest.approx(float(expected), rel=1e-6)


@pytest.mark.parametrize("kind", ["seq2seq", "ctc"])
def test_validation_figures_are_those_of_the_whole_epoch(kind: str, tmp_path: Any) -> None:
    torch.manual_seed(0)
    model, run = MODELS[kind](), trainer(tmp_path)
    run.fit(model, datamodule=Data())
    assert {"train/loss", "train/epoch_loss"} <= run.callback_metrics.keys()
    model.eval()
    log_probability, symbols, edits = 0.0, 0, 0
    for batch in Data.batches:
        with torch.no_grad():
            log_probability += float(model(batch).double().sum())
        written = model.transcribe(batch.tokens, batch.lengths, 1)
        for (text,), row, end in zip(written, batch.targets, batch.target_lengths, strict=True):
            edits += edit_distance(text.symbols, row[:end].tolist())
            symbols += int(end)
    rows = sum(len(batch.ids) for batch in Data.batches)
    expected = {
        "log_loss": -log_probability / (symbols + rows),
        "symbol_error_rate": edits / symbols,
    }
    for part, figures in (
        ("val", dict(run.callback_metrics)),
        ("test", run.test(model, datamodule=Data(), verbose=False)[0]),
    ):
        for name, value in expected.items():
            assert float(figures[f"{part}/{name}"]) == pytest.approx(value, rel=1e-5)


@pytest.mark.parametrize("kind", MODELS)
def test_it_trains_under_bf16_autocast_and_with_dropout(kind: str, tmp_path: Any) -> None:
    torch.manual_seed(0)
    model = MODELS[kind](dropout=0.2)
    before = [parameter.detach().clone() for parameter in model.parameters()]
    run = trainer(tmp_path, precision="bf16-mixed")
    run.fit(model, datamodule=Data())
    assert all(parameter.isfinite().all() for parameter in model.parameters())
    assert all(not torch.equal(*pair) for pair in zip(before, model.parameters(), strict=True))
    assert run.callback_metrics["val/log_loss"].isfinite()


def test_an_empty_text_is_refused(model: LitTranscriber) -> None:
    batch = make_batch(TEXTS)
    lengths = batch.lengths.clone()
    lengths[3] = 0
    with pytest.raises(ValueError, match="text 3 of the batch is empty.*leave it out"):
        model.transcribe(batch.tokens, lengths)


def test_a_beam_of_no_width_is_refused(model: LitTranscriber) -> None:
    batch = make_batch(TEXTS)
    with pytest.raises(ValueError, match="^width is 0; it must be at least 1"):
        model.transcribe(batch.tokens, batch.lengths, 0)


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize(
    "setting",
    [
        {"vocab_size": 1},
        {"num_symbols": 1},
        {"num_symbols": 257},  # evidence keeps a byte for each
        {"longest": 0},
        {"beam_width": 0},
        {"num_layers": 0},
        {"learning_rate": 0.0},
    ],
)
def test_settings_outside_their_range_are_refused(kind: str, setting: dict[str, Any]) -> None:
    ((name, value),) = setting.items()
    with pytest.raises(ValueError, match=f"{name} is {value}"):
        MODELS[kind](**setting)


@pytest.mark.parametrize("kind", ["seq2seq", "additive", "transformer_seq2seq", "ctc"])
def test_parameters_are_as_many_as_the_docstring_says(kind: str) -> None:
    architecture = MODELS[kind].func  # type: ignore[attr-defined]
    count = architecture().parameter_count
    assert f"{count:,} parameters" in str(architecture.__doc__)


def test_made_strings_have_all_symbols_and_texts_of_one_letter() -> None:
    assert {symbol for string in STRINGS for symbol in string} == set(range(1, SYMBOLS))
    assert min(LENGTHS) == 1 and min(map(len, STRINGS)) >= 1
