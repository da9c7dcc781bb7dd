"""Greedy choice, sampling and beam search, on a small model whose texts can all be listed."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from scipy.stats import chisquare
from torch import Tensor

from lit_models.language.beam import beam_search, length_penalty
from lit_models.language.decoding import (
    Generated,
    Limits,
    Start,
    State,
    greedy,
    read_prompt,
    sample,
    sharpened,
)

END, SYMBOLS = 0, 4


class Toy:
    """p of the next symbol after the last two, drawn once; state: the last symbol that was read."""

    def __init__(self, seed: int = 0, spread: float = 1.5) -> None:
        rng = torch.Generator().manual_seed(seed)
        logits = spread * torch.randn(SYMBOLS, SYMBOLS, SYMBOLS, generator=rng, dtype=torch.float64)
        self.table = logits.log_softmax(dim=2)

    def begin(self, size: int) -> State:
        return (torch.full((size,), END),)

    def advance(self, symbols: Tensor, state: State) -> tuple[Tensor, State]:
        assert symbols.shape == state[0].shape
        return self.table[state[0], symbols], (symbols,)

    def start(self, count: int = 1, prompt: tuple[int, ...] = (END,)) -> Start:
        return read_prompt(self.begin, self.advance, prompt, count)

    def log_probability(self, text: tuple[int, ...]) -> float:
        """ln p of symbols, one after the other from the start of a text."""
        padded = (END, END, *text)
        return sum(float(self.table[three]) for three in zip(padded, padded[1:], padded[2:]))  # noqa: B905


def every_text(toy: Toy, longest: int, words: range) -> list[Generated]:
    found = [
        Generated(text, toy.log_probability(text), False)
        for text in itertools.product(words, repeat=longest)
    ]
    for length in range(longest):
        for text in itertools.product(words, repeat=length):
            found.append(Generated(text, toy.log_probability((*text, END)), True))
    return found


@pytest.mark.parametrize("alpha", [0.0, 0.7])
@pytest.mark.parametrize("forbidden, size", [((), None), ((1,), None), ((), 3)])
def test_a_beam_of_full_width_is_an_exhaustive_search(
    alpha: float, forbidden: tuple[int, ...], size: int | None
) -> None:
    longest = 3
    for seed in range(5):
        toy = Toy(seed)
        width = SYMBOLS**longest
        limits = Limits(END, longest, forbidden, size)
        (found,) = beam_search(toy.advance, toy.start(), limits, width, alpha)
        expected = every_text(toy, longest, range(1 + len(forbidden), size or SYMBOLS))
        expected.sort(key=lambda one: -one.log_probability / length_penalty(one.length, alpha))
        assert [(one.symbols, one.ended) for one in found] == [
            (one.symbols, one.ended) for one in expected
        ]
        assert np.allclose(
            [one.log_probability for one in found], [one.log_probability for one in expected]
        )


@pytest.mark.parametrize("width", [2, 3])
def test_a_narrow_beam_keeps_ends_among_the_best_alone(width: int) -> None:
    longest, ends = 4, 0
    for seed in range(20):
        toy = Toy(seed)
        live, done = [()], list[Generated]()
        for _ in range(longest):
            longer = [(*text, symbol) for text in live for symbol in range(SYMBOLS)]
            longer.sort(key=toy.log_probability, reverse=True)
            live = [text for text in longer if text[-1] != END][:width]
            for text in longer[:width]:
                if text[-1] == END and len(done) < width:
                    done.append(Generated(text[:-1], toy.log_probability(text), True))
            if len(done) == width:
                live = []
                break
        expected = done + [Generated(text, toy.log_probability(text), False) for text in live]
        expected.sort(key=lambda one: -one.log_probability)
        (found,) = beam_search(toy.advance, toy.start(), Limits(END, longest), width)
        assert [one.symbols for one in found] == [one.symbols for one in expected[:width]]
        ends += len(done)
    assert ends > width


def test_length_penalty_is_that_of_the_paper_and_changes_the_order() -> None:
    assert length_penalty(1, 0.6) == 1 and length_penalty(7, 0.5) == pytest.approx(math.sqrt(2))
    toy = Toy(3)
    best = {
        alpha: beam_search(toy.advance, toy.start(), Limits(END, 6), 400, alpha)[0][0]
        for alpha in (0.0, 3.0)
    }
    assert best[3.0].length > best[0.0].length


def test_each_row_has_a_beam_of_its_own() -> None:
    toy, limits = Toy(1), Limits(END, 5)
    prompts = (1, 3)
    starts = [toy.start(prompt=(END, symbol)) for symbol in prompts]
    together = Start(
        torch.cat([one.symbols for one in starts]), (torch.cat([one.state[0] for one in starts]),)
    )
    alone = [beam_search(toy.advance, one, limits, 3)[0] for one in starts]
    assert beam_search(toy.advance, together, limits, 3) == alone and alone[0] != alone[1]


@pytest.mark.parametrize("alpha", [0.0, 1.0])
def test_a_beam_of_one_is_the_greedy_choice(alpha: float) -> None:
    for seed in range(20):
        toy, limits = Toy(seed), Limits(END, 8, (2,))
        (one,) = greedy(toy.advance, toy.start(), limits)
        assert beam_search(toy.advance, toy.start(), limits, 1, alpha) == [[one]]
        whole = (*one.symbols, END) if one.ended else one.symbols
        assert one.log_probability == pytest.approx(toy.log_probability(whole))
        context: tuple[int, ...] = (END, END)
        for symbol in whole:
            allowed = toy.table[context].clone()
            allowed[2] = -torch.inf
            assert symbol == int(allowed.argmax())
            context = (context[1], symbol)


def test_an_end_ends_and_the_largest_length_cuts() -> None:
    toy = Toy()
    toy.table = torch.full_like(toy.table, -20.0)
    toy.table[:, 0, 1] = toy.table[:, 1, 2] = toy.table[:, 2, END] = 0.0  # 1, 2, end
    generator = torch.Generator().manual_seed(0)
    for found in (
        greedy(toy.advance, toy.start(), Limits(END, 9)),
        sample(toy.advance, toy.start(), Limits(END, 9), generator),
        beam_search(toy.advance, toy.start(), Limits(END, 9), 1)[0],
    ):
        assert found == [Generated((1, 2), 0.0, True)] and found[0].length == 3
    assert greedy(toy.advance, toy.start(), Limits(END, 2)) == [Generated((1, 2), 0.0, False)]
    assert greedy(toy.advance, toy.start(), Limits(END, 1)) == [Generated((1,), 0.0, False)]


def test_where_all_that_could_follow_is_forbidden_a_text_stops() -> None:
    toy = Toy()
    toy.table = torch.full_like(toy.table, -torch.inf)
    toy.table[:, 0, 1] = toy.table[:, 1, 3] = 0.0
    limits, stopped = Limits(END, 9, (3,)), Generated((1,), 0.0, False)
    assert greedy(toy.advance, toy.start(2), limits) == [stopped] * 2
    assert sample(toy.advance, toy.start(), limits, torch.Generator().manual_seed(0)) == [stopped]
    assert beam_search(toy.advance, toy.start(), limits, 2) == [[stopped]]


def test_samples_repeat_under_a_seed_and_differ_under_another() -> None:
    toy, limits = Toy(), Limits(END, 10)
    found = [
        sample(toy.advance, toy.start(8), limits, torch.Generator().manual_seed(seed))
        for seed in (0, 0, 1)
    ]
    assert found[0] == found[1] != found[2]
    torch.manual_seed(5)
    state = torch.random.get_rng_state()
    sample(toy.advance, toy.start(8), limits, torch.Generator().manual_seed(0))
    assert torch.equal(state, torch.random.get_rng_state())  # the global generator is left alone


@pytest.mark.parametrize("temperature", [1.0, 0.5])
def test_samples_follow_the_distribution(temperature: float) -> None:
    toy, count = Toy(spread=0.7), 4000
    found = sample(
        toy.advance,
        toy.start(count),
        Limits(END, 2),
        torch.Generator().manual_seed(0),
        temperature=temperature,
    )
    tempered = (toy.table / temperature).softmax(dim=2).numpy()
    expected = {(): tempered[0, 0, 0]}
    for one in range(1, SYMBOLS):
        expected[(one,)] = tempered[0, 0, one] * tempered[0, one, 0]
        for two in range(1, SYMBOLS):
            expected[(one, two)] = tempered[0, 0, one] * tempered[0, one, two]
    assert sum(expected.values()) == pytest.approx(1)
    seen = [sum(each.symbols == text for each in found) for text in expected]
    assert sum(seen) == count
    assert chisquare(seen, count * np.array(list(expected.values()))).pvalue > 0.01
    each = found[0]
    whole = (*each.symbols, END) if each.ended else each.symbols
    assert each.log_probability == pytest.approx(toy.log_probability(whole))


def test_top_k_and_top_p_by_hand() -> None:
    values = torch.tensor([[0.3, 0.5, 0.15, 0.05]], dtype=torch.float64).log()

    def kept(**settings: float) -> list[float]:
        return sharpened(values, **settings)[0].tolist()  # type: ignore[arg-type]

    assert kept() == pytest.approx([0.3, 0.5, 0.15, 0.05])
    assert kept(top_k=2) == pytest.approx([0.375, 0.625, 0, 0])
    assert kept(top_k=1) == [0, 1, 0, 0]
    assert kept(top_k=9, top_p=1.0) == pytest.approx([0.3, 0.5, 0.15, 0.05])
    assert kept(top_p=0.5) == kept(top_p=1e-300) == [0, 1, 0, 0]
    assert kept(top_p=0.51) == pytest.approx([0.375, 0.625, 0, 0])
    assert kept(top_p=0.8) == pytest.approx([0.375, 0.625, 0, 0])  # 0.5 + 0.3
    assert kept(top_p=0.81) == pytest.approx([0.3 / 0.95, 0.5 / 0.95, 0.15 / 0.95, 0])
    assert kept(top_k=2, top_p=0.6) == [0, 1, 0, 0]  # 0.625 of the two is enough
    squares = np.array([0.09, 0.25, 0.0225, 0.0025])
    assert kept(temperature=0.5) == pytest.approx((squares / squares.sum()).tolist())
    assert kept(temperature=1e-320) == [0, 1, 0, 0]


def test_bad_settings_are_named() -> None:
    toy, limits = Toy(), Limits(END, 3)
    for message, settings in {
        "temperature is 0; it must be a number above 0": {"temperature": 0},
        "temperature is nan": {"temperature": math.nan},
        "temperature is inf": {"temperature": math.inf},
        "top_k is 0; it must be at least 1": {"top_k": 0},
        "top_p is 0; it must be above 0 and at most 1": {"top_p": 0},
        "top_p is 1.5": {"top_p": 1.5},
    }.items():
        with pytest.raises(ValueError, match=message):
            sample(toy.advance, toy.start(), limits, torch.Generator(), **settings)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="width is 0; it must be at least 1"):
        beam_search(toy.advance, toy.start(), limits, 0)
    with pytest.raises(ValueError, match="length_norm is -1; it must be between 0 and 10"):
        beam_search(toy.advance, toy.start(), limits, 2, -1)
    with pytest.raises(ValueError, match="longest is 0; it must be at least 1"):
        Limits(END, 0)
    with pytest.raises(ValueError, match="symbol 0 ends a text and is forbidden"):
        Limits(END, 3, (0,))
    toy.table[:] = torch.nan
    with pytest.raises(ValueError, match="the model gives NaN"):
        greedy(toy.advance, toy.start(), limits)
