"""Perplexity of n-gram language models under every smoothing.

python -m experiments.language.smoothing --root CORPUS --out docs/language-models.md

Models of the orders 1 … 5 are learnt from the labelled train reviews and those without labels, and
judged by 2,500 of the latter. `--out` writes the table between the marks `<!-- smoothing -->` and
`<!-- /smoothing -->` of a document.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, get_args

import numpy as np

from datamodules.imdb import IMDB
from datamodules.language import LanguageData
from experiments.language.unseen import Example, examples
from experiments.machine.environment import hardware, peak_memory_bytes
from experiments.machine.marked import fill
from experiments.machine.quiet import quiet
from experiments.records.atomic import replace_bytes
from lit_models.language.backoff import Backoff, interpolation_shares
from lit_models.language.ngram_counts import Symbols, count_ngrams
from lit_models.language.smoothing import Smoothing


class Result(NamedTuple):
    """One model.

    Attributes:
        smoothing: Its method.
        order: Its order.
        perplexity: exp of the mean -ln p of the held-out words and ends of texts.
        bits: Bits for each character of the held-out texts.
        seconds: Seconds to smooth the counted n-grams, for `jelinek_mercer` with its shares.
        size: Number of its probabilities and weights.
        unseen: p of the last word of each example (`unseen.examples`), of models of order 3.
    """

    smoothing: Smoothing
    order: int
    perplexity: float
    bits: float
    seconds: float
    size: int
    unseen: tuple[float, ...] = ()


class Measured(NamedTuple):
    """Measurements of all models of a corpus.

    Attributes:
        counting: Seconds to count the n-grams of all orders.
        examples: Trigrams of the held-out texts; none below order 3.
        results: The models, one by one.
    """

    counting: float
    examples: list[Example]
    results: Iterator[Result]


def measure(data: LanguageData, longest: int) -> Measured:
    """Count the n-grams, and measure every smoothing at every order."""
    view, texts, held_out = data.train_view(), data.train_texts(), data.held_out_texts()
    characters = int(data.characters("test")[data.held_out.rows].sum())
    symbols, began = Symbols(len(view.vocabulary), view.pad_id), time.perf_counter()
    orders = count_ngrams(texts, longest, symbols)
    counting = time.perf_counter() - began
    plain = np.array([word.isalpha() for word in view.vocabulary])
    chosen = examples(orders, held_out, symbols, plain) if len(orders) >= 3 else []

    def results() -> Iterator[Result]:
        for smoothing in get_args(Smoothing):
            shares, extra = None, 0.0
            if smoothing == "jelinek_mercer":
                began = time.perf_counter()
                shares = interpolation_shares(texts, longest, symbols)
                extra = time.perf_counter() - began
            for order in range(1, longest + 1):
                began = time.perf_counter()
                model = Backoff.smoothed(orders[:order], symbols, smoothing, shares=shares)
                seconds = time.perf_counter() - began + extra
                losses = -model.score(held_out).values
                bits = losses.sum() / np.log(2) / characters
                perplexity = float(np.exp(losses.mean()))
                unseen = tuple(
                    float(model.distribution(one.words[:2])[one.words[2]])
                    for one in (chosen if order == 3 else [])
                )
                yield Result(smoothing, order, perplexity, bits, seconds, model.size, unseen)

    return Measured(counting, chosen, results())


def report(data: LanguageData, longest: int) -> Iterator[str]:
    """Lines of the tables, as they are measured."""
    texts, held_out = data.train_texts(), data.held_out_texts()
    counting, chosen, results = measure(data, longest)
    vocabulary, of_examples = data.train_view().vocabulary, list[str]()
    yield (
        f"{len(texts):,} texts of {len(texts.values):,} words to learn from, "
        f"{len(vocabulary):,} words in the vocabulary; {len(held_out):,} texts "
        f"({data.held_out.split}) of {len(held_out.values):,} words are held out. Counting took "
        f"{counting:.0f} s."
    )
    yield ""
    yield "| smoothing | order | perplexity | bits a character | seconds | probabilities, weights |"
    yield "|---|---:|---:|---:|---:|---:|"
    for one in results:
        name = one.smoothing.replace("_", " ").replace("kneser ney", "Kneser–Ney")
        name = name.replace("katz", "Katz").replace("jelinek mercer", "Jelinek–Mercer")
        figures = (f"{one.perplexity:,.1f}", f"{one.bits:.3f}", f"{one.seconds:.1f}")
        figures = ("∞", "∞", figures[2]) if np.isinf(one.perplexity) else figures
        yield f"| {name} | {one.order} | {' | '.join(figures)} | {one.size:,} |"
        if one.unseen:
            cells = (f"{p:.2g}" for p in one.unseen)
            of_examples.append(f"| {name} | {' | '.join(cells)} |")
    machine = hardware()
    yield ""
    yield (
        f"The largest memory of the process was {peak_memory_bytes() / 2**30:.1f} GiB "
        f"({machine['cpu']})."
    )
    if not chosen:
        return
    named = [[vocabulary[word] for word in one.words] for one in chosen]
    yield ""
    yield "Probability of a word after two others, by models of order 3:"
    yield ""
    yield f"|  | {' | '.join(f'`{w[2]}` after `{w[0]} {w[1]}`' for w in named)} |"
    yield f"|---|{'---:|' * len(chosen)}"
    yield f"| learnt from | {' | '.join(f'{one.seen:,} of {one.context:,}' for one in chosen)} |"
    yield from of_examples


@quiet()
def main(arguments: Sequence[str] | None = None) -> None:
    """Measure; print the table or write it into a document."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--root", help="the official corpus, as in `benchmark --root`")
    parser.add_argument("--longest", type=int, default=5, help="longest order (default 5)")
    parser.add_argument("--vocabulary", type=int, default=30_000, help="words (default 30,000)")
    parser.add_argument("--held-out", type=int, default=2500, help="texts (default 2,500)")
    parser.add_argument("--out", type=Path, help="document with the marks; printed without it")
    chosen = parser.parse_args(arguments)
    data = LanguageData(IMDB(root=chosen.root, vocab_size=chosen.vocabulary), chosen.held_out)
    data.prepare_data()
    data.setup()
    lines = []
    for line in report(data, chosen.longest):
        print(line, file=sys.stderr if chosen.out else sys.stdout, flush=True)
        lines.append(line)
    if chosen.out:
        text = fill(chosen.out.read_text(encoding="utf-8"), "smoothing", "\n".join(lines))
        replace_bytes(chosen.out, text.encode())


if __name__ == "__main__":
    main()
