"""Every language model among the experiments generates: greedily, at random, and by beams."""

from __future__ import annotations

import torch

from experiments.config.registry import Registry, merge
from experiments.config.resolved import Resolved
from lit_models.language.beam import beam_search
from lit_models.language.decoding import Limits, Model, greedy, read_prompt, sample
from lit_models.language.model import BOUNDARY
from tests.batches import UNK, make_view, random_rows

VOCAB = 60
TOY = {
    "data": {"class_path": "tests.toys.ToyData", "init_args": {"vocab_size": VOCAB}},
}


@torch.no_grad()
def test_a_language_model_generates(registry: Registry, language_experiment: str) -> None:
    resolved = Resolved(merge(registry.settings(language_experiment), TOY))
    torch.manual_seed(0)
    resolved.cli.build()
    model = resolved.cli.model.double().eval()
    model.prepare(make_view(random_rows([12] * 30, VOCAB, seed=1), [0] * 30, VOCAB))
    assert isinstance(model, Model)
    limits = Limits(BOUNDARY, 8, (UNK,))
    prompts = [[BOUNDARY], [BOUNDARY, 5, 6, 7, 8, 9]]
    for prompt in prompts:
        start = read_prompt(model.begin, model.advance, prompt)
        (one,) = greedy(model.advance, start, limits)
        assert beam_search(model.advance, start, limits, 1)[0] == [one]
        wide = beam_search(model.advance, start, limits, 6)[0]
        assert len(wide) == len({text.symbols for text in wide}) == 6
        scores = [text.log_probability for text in wide]
        assert scores == sorted(scores, reverse=True)
        texts = sample(
            model.advance,
            read_prompt(model.begin, model.advance, prompt, 5),
            limits,
            torch.Generator().manual_seed(0),
        )
        for text in [one, *wide, *texts]:
            assert UNK not in text.symbols and text.length <= 8
            state, total = model.begin(1), 0.0  # read anew, one row alone
            symbols = [*prompt, *text.symbols, *([BOUNDARY] if text.ended else [])]
            for place, (read, following) in enumerate(zip(symbols, symbols[1:], strict=False)):
                found, state = model.advance(torch.tensor([read]), state)
                total += float(found[0, following]) * (place >= len(prompt) - 1)
            assert abs(total - text.log_probability) < 1e-8
