"""Preparation time of the official corpus, from archive to opened token store, by step.

python -m experiments.speed.tokenise --root CORPUS
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

from datamodules.imdb import IMDB
from datamodules.store.token_store import TokenStore
from datamodules.tokenizers import WordTokenizer
from experiments.machine.environment import hardware, peak_memory_bytes
from experiments.machine.quiet import quiet


@quiet()
def measure(root: str | None, cache_dir: str) -> dict[str, float]:
    """Measure the seconds of each step, with the numbers of reviews and tokens.

    Args:
        root: The official corpus, as in `benchmark --root`.
        cache_dir: An empty folder.
    """
    seconds, started = {}, time.perf_counter()

    def lap(step: str) -> None:
        nonlocal started
        seconds[f"{step}_seconds"] = time.perf_counter() - started
        started = time.perf_counter()

    corpus = IMDB(root=root, cache_dir=cache_dir).read()
    lap("read")
    alone = WordTokenizer()
    texts = corpus.train.texts
    alone.fit((texts[row] for row in corpus.train_rows), len(corpus.train_rows))
    lap("vocabulary")
    folder = Path(cache_dir) / "store"
    TokenStore.write(folder, corpus, WordTokenizer(), corpus.train_rows)
    lap("write")  # includes fitting the vocabulary again
    store = TokenStore.open(folder)
    lap("open")
    tokens = sum(len(store.tokens(split).values) for split in store.splits)
    return {
        **seconds,
        "tokenise_seconds": seconds["write_seconds"] - seconds["vocabulary_seconds"],
        "reviews": sum(len(split) for split in corpus.splits.values()),
        "tokens": tokens,
        "peak_memory_bytes": peak_memory_bytes(),
    }


def main() -> None:
    """Measure once and print the result as JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--root", help="the official corpus, as in `benchmark --root`")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps({**measure(options.root, folder), "machine": hardware()}, indent=1))


if __name__ == "__main__":
    main()
