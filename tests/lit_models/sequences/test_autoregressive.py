"""Decoding step by step, searches, and training that reads its own predictions."""

from __future__ import annotations

import itertools
import math
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from lit_models.language.beam import beam_search, length_penalty
from lit_models.language.decoding import Limits, Start, State
from lit_models.sequences.autoregressive import AutoregressiveNet, AutoregressiveTranscriber
from tests.batches import make_batch
from tests.lit_models.sequences.pairs import (
    AUTOREGRESSIVE,
    STRINGS,
    SYMBOLS,
    TEXTS,
    VOCAB,
    build,
    make_pairs,
)
from tests.lit_models.sequences.test_contracts import Data, trainer

BATCH = make_pairs(TEXTS, STRINGS, width=20, pad=VOCAB - 1)


@pytest.fixture(params=AUTOREGRESSIVE)
def model(request: pytest.FixtureRequest) -> AutoregressiveTranscriber:
    found: AutoregressiveTranscriber = build(request.param)
    return found


def close(one: Tensor, other: Tensor) -> bool:
    return torch.allclose(one, other, rtol=0, atol=1e-9)


@torch.no_grad()
def test_one_pass_agrees_with_step_by_step(model: AutoregressiveTranscriber) -> None:
    together = model.net(BATCH.tokens, BATCH.lengths, BATCH.targets)
    state = model.encode(BATCH.tokens, BATCH.lengths)
    symbols = torch.zeros_like(BATCH.ids)
    for place, target in enumerate(BATCH.targets.unbind(dim=1)):
        found, state = model.advance(symbols, state)
        assert found.shape == (len(TEXTS), SYMBOLS)
        assert close(found.logsumexp(dim=1), torch.zeros(len(TEXTS), dtype=torch.float64))
        assert close(found, together[:, place])
        symbols = target


@torch.no_grad()
def test_what_follows_is_never_seen(model: AutoregressiveTranscriber) -> None:
    together = model.net(BATCH.tokens, BATCH.lengths, BATCH.targets)
    changed = BATCH.targets.clone()
    changed[:, 3:] = 2
    found = model.net(BATCH.tokens, BATCH.lengths, changed)
    assert close(found[:, :4], together[:, :4])
    assert (found[0, 4:] - together[0, 4:]).abs().max() > 1e-3


@torch.no_grad()
def test_rows_of_a_state_can_be_chosen(model: AutoregressiveTranscriber) -> None:
    state = model.encode(BATCH.tokens, BATCH.lengths)
    for symbols in (torch.zeros_like(BATCH.ids), BATCH.targets[:, 0]):
        _, state = model.advance(symbols, state)
        assert all(len(part) == len(TEXTS) for part in state)
    expected, _ = model.advance(BATCH.targets[:, 1], state)
    order = torch.tensor([4, 0, 4, 2])
    found, _ = model.advance(BATCH.targets[order, 1], tuple(part[order] for part in state))
    assert close(found, expected[order])


def start(model: AutoregressiveTranscriber) -> Start:
    return Start(torch.zeros_like(BATCH.ids), model.encode(BATCH.tokens, BATCH.lengths))


@torch.no_grad()
def test_greedy_is_the_beam_of_one(model: AutoregressiveTranscriber) -> None:
    found = model.transcribe(BATCH.tokens, BATCH.lengths, 1)
    expected = beam_search(model.advance, start(model), Limits(0, model.longest), 1)
    for (one,), (other,) in zip(found, expected, strict=True):
        assert (one.symbols, one.ended) == (other.symbols, other.ended)
        assert one.log_probability == pytest.approx(other.log_probability, abs=1e-9)


class Table(AutoregressiveNet):
    """p of the next symbol after the last two; the text does not count."""

    def __init__(self, probabilities: dict[tuple[int, int], list[float]]) -> None:
        super().__init__()
        self.table = torch.full((4, 4, 4), 0.25, dtype=torch.float64)
        for pair, values in probabilities.items():
            self.table[pair] = torch.tensor(values)

    def encode(self, tokens: Tensor, lengths: Tensor) -> State:
        return (torch.zeros_like(lengths),)

    def read(self, symbols: Tensor, state: State) -> tuple[Tensor, State]:
        return self.table[state[0], symbols[:, 0]].log()[:, None], (symbols[:, 0],)


def test_greedy_search_takes_part_where_the_beam_loses_its_string() -> None:
    model = build("seq2seq")
    model.net = Table(
        {
            (0, 0): [0.0, 0.4, 0.35, 0.25],
            (0, 1): [0.24, 0.28, 0.24, 0.24],  # 1 1 has 0.112
            (0, 2): [0.0, 0.6, 0.4, 0.0],  # 2 1 has 0.21, 2 2 has 0.14, and both are lost then
            (1, 1): [1.0, 0.0, 0.0, 0.0],
        }
    )
    tokens, lengths = torch.tensor([[2]]), torch.tensor([1])
    first = Start(torch.zeros_like(lengths), model.encode(tokens, lengths))
    ((best, *_),) = beam_search(model.advance, first, Limits(0, 4), 2)
    assert math.exp(best.log_probability) < 0.06
    model.longest = 4
    for width in (1, 2):
        ((found, *_),) = model.transcribe(tokens, lengths, width)
        assert found.symbols == (1, 1) and math.exp(found.log_probability) == pytest.approx(0.112)


@pytest.mark.parametrize("alpha", [0.0, 1.0])
def test_a_wide_beam_finds_the_best_of_all_strings(alpha: float) -> None:
    model = build("additive", longest=3, length_norm=alpha)
    text = make_batch([TEXTS[3]])
    strings = [s for n in (1, 2) for s in itertools.product(range(1, SYMBOLS), repeat=n)]
    rows = [TEXTS[3]] * len(strings)
    with torch.no_grad():
        values = model.score(make_pairs(rows, strings)).tolist()

    def score(pair: tuple[Any, float]) -> float:
        return pair[1] / length_penalty(len(pair[0]) + 1, alpha)

    expected = max(zip(strings, values, strict=True), key=score)
    (found,) = model.transcribe(text.tokens, text.lengths, SYMBOLS**3)
    best = next(one for one in found if one.ended and one.symbols)
    assert best.symbols == expected[0]
    assert best.log_probability == pytest.approx(expected[1], abs=1e-9)
    ranks = [one.log_probability / length_penalty(one.length, alpha) for one in found]
    assert ranks == sorted(ranks, reverse=True)
    assert math.fsum(math.exp(one.log_probability) for one in found) == pytest.approx(1, abs=1e-9)


def test_the_loss_with_label_smoothing_is_a_mixture() -> None:
    model = build("seq2seq", label_smoothing=0.2)
    found = model.training_step(BATCH, 0)
    predictions = model.net(BATCH.tokens, BATCH.lengths, BATCH.targets).detach()
    total, count = 0.0, 0
    for row, string in zip(predictions, STRINGS, strict=True):
        for place, symbol in enumerate([*string, 0]):
            total += float(0.8 * row[place, symbol] + 0.2 * row[place].mean())
            count += 1
    assert found.item() == pytest.approx(-total / count, abs=1e-9)
    plain = build("seq2seq")
    with torch.no_grad():
        assert close(plain.score(BATCH), model.score(BATCH))  # scores are never smoothed


# Scheduled sampling


def test_reading_the_reference_step_by_step_is_teacher_forcing(
    model: AutoregressiveTranscriber,
) -> None:
    expected = model.net(BATCH.tokens, BATCH.lengths, BATCH.targets)
    assert close(model._sampled(BATCH, 1.0), expected)


@torch.no_grad()
def test_at_a_share_of_0_the_decoder_reads_what_it_has_drawn(
    model: AutoregressiveTranscriber, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch, "multinomial", lambda p, _: p.argmax(dim=1, keepdim=True))
    found = model._sampled(BATCH, 0.0)
    drawn = found.argmax(dim=2)
    assert close(found, model.net(BATCH.tokens, BATCH.lengths, drawn))


def test_the_share_of_the_reference_is_as_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    model = build("seq2seq of one layer")
    monkeypatch.setattr(torch, "multinomial", lambda p, _: torch.full((len(p), 1), 1))
    read = list[Tensor]()
    advance = model.net.advance
    monkeypatch.setattr(
        model.net, "advance", lambda s, state: (read.append(s), advance(s, state))[1]
    )
    batch = make_pairs([[2, 3]] * 400, [[2, 3, 4, 5] * 2] * 400)
    torch.manual_seed(0)
    model._sampled(batch, 0.3)
    symbols = torch.stack(read[1:])  # [8, 400]; the first is the boundary
    assert (read[0] == 0).all() and symbols.shape == (8, 400)
    assert abs((symbols != 1).double().mean() - 0.3) < 4 * (0.3 * 0.7 / 3200) ** 0.5


def test_the_share_changes_linearly_over_the_epochs() -> None:
    model = build("seq2seq", teacher_forcing=0.9, teacher_forcing_end=0.5)
    assert model.teacher_share == 0.9  # without a trainer
    shares = []
    for epoch in range(6):
        model._trainer = SimpleNamespace(max_epochs=5, current_epoch=epoch)
        shares.append(model.teacher_share)
    assert shares == pytest.approx([0.9, 0.8, 0.7, 0.6, 0.5, 0.5])
    model._trainer = SimpleNamespace(max_epochs=1, current_epoch=0)
    assert model.teacher_share == 0.9


def test_gradients_flow_through_the_steps(model: AutoregressiveTranscriber) -> None:
    model.teacher_forcing = 0.5, 0.5
    model.train().training_step(BATCH, 0).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name


def test_a_schedule_needs_a_number_of_epochs(tmp_path: Any) -> None:
    model = AUTOREGRESSIVE["seq2seq"](teacher_forcing_end=0.5)
    message = "teacher_forcing goes from 1.0 to 0.5 .*set --trainer.max_epochs"
    with pytest.raises(ValueError, match=message):
        trainer(tmp_path, max_epochs=-1, max_steps=2).fit(model, datamodule=Data())


@pytest.mark.parametrize(
    ("setting", "rule"),
    [
        ({"teacher_forcing": 1.5}, "a probability"),
        ({"teacher_forcing_end": -0.1}, "a probability"),
        ({"label_smoothing": 1.0}, "below 1"),
        ({"length_norm": -1.0}, "between 0 and"),
    ],
)
def test_settings_outside_their_range_are_refused(setting: dict[str, Any], rule: str) -> None:
    ((name, value),) = setting.items()
    with pytest.raises(ValueError, match=f"{name} is {value}.*{rule}"):
        AUTOREGRESSIVE["seq2seq"](**setting)


def test_predictions_are_normalized_in_fp32_under_autocast() -> None:
    model = AUTOREGRESSIVE["transformer_seq2seq"]()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = model.net(BATCH.tokens, BATCH.lengths, BATCH.targets)
    assert found.dtype == torch.float32
    assert torch.allclose(F.softmax(found, dim=2), found.exp(), atol=1e-5)
