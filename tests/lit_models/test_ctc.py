"""CTC: frames of letters, its equations, its search, and strings that do not fit."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction
from typing import Any

import pytest
import torch

from lit_models.ctc import CTC
from lit_models.language.decoding import Generated
from lit_models.sequences.prefix_beam import collapse
from tests.batches import make_batch
from tests.lit_models.sequences.pairs import SMALL, STRINGS, TEXTS, VOCAB, build, make_pairs


@pytest.mark.parametrize(
    ("upsampling", "min_frames", "expected"),
    [(2, 1, [2, 4, 8, 24]), (2, 12, [12, 12, 12, 24]), (3, 12, [12, 12, 12, 36])],
)
def test_short_texts_have_the_least_number_of_frames(
    upsampling: int, min_frames: int, expected: list[int]
) -> None:
    net = build("ctc", upsampling=upsampling, min_frames=min_frames).net
    assert net.count_frames(torch.tensor([1, 2, 4, 12])).tolist() == expected


@torch.no_grad()
@pytest.mark.parametrize("kind", ["ctc", "ctc of one frame"])
def test_frames_follow_the_equations(kind: str) -> None:
    net = build(kind).net
    batch = make_batch(TEXTS, width=20, pad=VOCAB - 1)
    found, counts = net(batch.tokens, batch.lengths)
    assert torch.equal(counts, net.count_frames(batch.lengths))
    for row, (text, count) in enumerate(zip(TEXTS, counts.tolist(), strict=True)):
        at = [Fraction(frame * len(text), count) for frame in range(count)]
        places = [math.floor(net.upsampling * (time % 1)) for time in at]
        letters = net.embedding.table.weight[[text[math.floor(time)] for time in at]]
        states = (letters + net.places.weight[places])[None]
        for forward, backward in net.encoder.layers:
            ahead, back = forward.core(states)[0], backward.core(states.flip(1))[0].flip(1)
            states = torch.cat([ahead, back], dim=2)
        expected = (states[0] @ net.output.weight.T + net.output.bias).log_softmax(dim=1)
        assert torch.allclose(found[row, : counts[row]], expected, rtol=0, atol=1e-9)


def small(**settings: Any) -> CTC:
    """Three symbols and six frames: 4,096 paths."""
    return build("ctc", num_symbols=4, longest=6, upsampling=2, min_frames=1, **settings)


def test_a_wide_beam_finds_all_strings_and_their_probabilities() -> None:
    model = small()
    batch = make_batch([TEXTS[2]])
    with torch.no_grad():
        frames, _ = model.net(batch.tokens, batch.lengths)
    totals: dict[tuple[int, ...], float] = {}
    for path in itertools.product(range(4), repeat=6):
        value = float(sum(frames[0, place, symbol] for place, symbol in enumerate(path)))
        string = collapse(path)
        totals[string] = totals.get(string, 0.0) + math.exp(value)
    ((*found,),) = model.transcribe(batch.tokens, batch.lengths, 5000)
    assert {one.symbols: math.exp(one.log_probability) for one in found} == pytest.approx(totals)
    assert all(one.ended for one in found)
    strings = [one.symbols for one in found if one.symbols]
    with torch.no_grad():
        scores = model.score(make_pairs([TEXTS[2]] * len(strings), strings))
    assert scores.exp().tolist() == pytest.approx([totals[string] for string in strings])


def test_greedy_is_the_best_path_with_the_full_probability_of_its_string() -> None:
    model = small()
    batch = make_batch(TEXTS[:3])
    with torch.no_grad():
        frames, counts = model.net(batch.tokens, batch.lengths)
    wide = model.transcribe(batch.tokens, batch.lengths, 5000)
    simple = model.transcribe(batch.tokens, batch.lengths, 1)
    for row, ((text,), every) in enumerate(zip(simple, wide, strict=True)):
        path = frames[row, : counts[row]].argmax(dim=1).tolist()
        assert text.symbols == collapse(path)
        (same,) = [one for one in every if one.symbols == text.symbols]
        assert text.log_probability == pytest.approx(same.log_probability, abs=1e-9)
        best = frames[row, : counts[row]].amax(dim=1).sum()
        assert text.log_probability >= best - 1e-9


def test_greedy_search_takes_part_where_the_beam_loses_its_string(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("lit_models.ctc.prefix_beam", lambda *_: [((3, 3, 3, 3, 3), -99.0)])
    model, batch = small(), make_batch([TEXTS[5]])
    (simple,) = model.transcribe(batch.tokens, batch.lengths, 1)
    (found,) = model.transcribe(batch.tokens, batch.lengths, 2)
    assert found[0] == simple[0] and isinstance(found[1], Generated)


@pytest.mark.parametrize("step", ["training_step", "validation_step"])
def test_strings_that_do_not_fit_are_refused_with_the_remedy(step: str) -> None:
    model = build("ctc", upsampling=2, min_frames=1)
    batch = make_pairs(TEXTS[:3], [[1, 2], [1, 2, 3], [1, 1, 2, 3, 4, 4]])
    batch = batch._replace(ids=batch.ids + 70)
    message = (
        "row 72 has 3 letters, which are 6 frames, and CTC needs 8 for its 6 symbols; "
        "set --model.min_frames 8 or --model.upsampling 3, or leave such rows out"
    )
    with pytest.raises(ValueError, match=message):
        getattr(model, step)(batch, 0)
    for remedy in ({"min_frames": 8}, {"upsampling": 3}):
        mended = build("ctc", **{"upsampling": 2, "min_frames": 1} | remedy)
        assert mended.training_step(batch, 0).isfinite()


@pytest.mark.parametrize("name", ["upsampling", "min_frames"])
def test_no_frames_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} is 0; it must be at least 1"):
        build("ctc", **{name: 0})


def test_made_strings_fit() -> None:
    model = CTC(**SMALL)
    assert model(make_pairs(TEXTS, STRINGS)).isfinite().all()
