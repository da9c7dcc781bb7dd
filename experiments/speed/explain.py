"""Time of `LoadedRun.explain` for one review at a time, on reviews of about the median length.

python -m experiments.speed.explain RUN --reviews 20
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from datamodules.movie_reviews import MovieReviews
from experiments.inference.loaded_run import load_run
from experiments.machine.environment import hardware
from experiments.machine.quiet import quiet


def median_reviews(count: int) -> list[str]:
    """Reviews of the quick benchmark whose numbers of words are nearest to the median."""
    texts = MovieReviews().read().train.texts
    words = np.array([len(text.split()) for text in texts])
    nearest = np.argsort(np.abs(words - np.median(words)), kind="stable")[:count]
    return [texts[row] for row in nearest]


@quiet()
def measure(folder: Path, reviews: int, threads: int, method: str | None) -> dict[str, Any]:
    """Measure explanations one by one, after one for the first set-up.

    Args:
        folder: A run folder.
        reviews: Number of reviews.
        threads: Threads of PyTorch.
        method: As in `LoadedRun.explain`.

    Returns:
        Words of the reviews, seconds of one review (median and slowest), those of all cores, which
        other work on the machine changes less, steps and largest gap.
    """
    torch.set_num_threads(threads)
    run, texts = load_run(folder), median_reviews(reviews)
    run.explain(["A fine film."], method)
    seconds, cpu_seconds, explanations = [], [], []
    for text in texts:
        started, cpu_started = time.perf_counter(), time.process_time()
        explanations += run.explain([text], method)
        seconds.append(time.perf_counter() - started)
        cpu_seconds.append(time.process_time() - cpu_started)
    gaps = [one.gap for one in explanations if one.gap is not None]
    return {
        "reviews": len(texts),
        "words": int(np.median([len(text.split()) for text in texts])),
        "method": explanations[0].method,
        "seconds_p50": float(np.median(seconds)),
        "seconds_largest": max(seconds),
        "cpu_seconds_p50": float(np.median(cpu_seconds)),
        "steps": sorted({one.steps for one in explanations if one.steps is not None}),
        "largest_gap": max(gaps, default=None),
        "threads": threads,
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure once and print the result as JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("run", type=Path, help="a run folder")
    parser.add_argument("--reviews", type=int, default=20, help="number of reviews (20)")
    parser.add_argument("--threads", type=int, default=2, help="threads of PyTorch (2)")
    parser.add_argument("--method", help="as of `lit-sentiment explain`")
    options = parser.parse_args(arguments)
    found = measure(options.run, options.reviews, options.threads, options.method)
    print(json.dumps({**found, "machine": hardware()}, indent=1))


if __name__ == "__main__":
    main()
