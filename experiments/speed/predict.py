"""Rate of `lit-sentiment predict` on a file, against tokenising and the bare forward in series.

python -m experiments.speed.predict RUN --reviews 5000
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import redirect_stderr
from itertools import cycle, islice
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch

from datamodules.movie_reviews import MovieReviews
from datamodules.reading.opening import FileSettings
from datamodules.store.encoder import Encoder
from experiments.inference.loaded_run import LoadedRun, load_run
from experiments.inference.predict_file import FORMATS, FilePrediction
from experiments.inference.text_input import open_input
from experiments.machine.environment import hardware, peak_memory_bytes
from experiments.machine.quiet import quiet

_BATCH_SIZE = 128


def write_reviews(file: Path, reviews: int) -> None:
    """Write reviews of the quick benchmark to a CSV file, repeated until there are enough."""
    texts = MovieReviews().read().train.texts
    with file.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["id", "text"])
        writer.writerows(enumerate(islice(cycle(texts), reviews)))


def time_whole(run: LoadedRun, file: Path, out: Path) -> float:
    """Time the prediction of a file to a file, in seconds, without loading the run."""
    started = time.perf_counter()
    with open_input(str(file), FileSettings(), None) as source, open(os.devnull, "w") as nowhere:
        work = FilePrediction({"run": run})
        form = FORMATS["csv"](source.contents(), source.text_column, work.added)
        with redirect_stderr(nowhere):
            work.write(source, form, out, {"input": source.fingerprint()}, resume=False)
    return time.perf_counter() - started


def time_series(run: LoadedRun, texts: Sequence[str]) -> dict[str, float]:
    """Time tokenising all texts, then the forward of all batches, in seconds.

    Batches have texts of like length, as those of `predict`.
    """
    ordered = sorted(texts, key=len)
    started = time.perf_counter()
    batches = list(_batches(run.encoder, ordered))
    tokenised = time.perf_counter()
    with torch.inference_mode():
        for batch in batches:
            run.model.predict_step(run.model.transfer_batch_to_device(batch, run.model.device, 0))
    ended = time.perf_counter()
    return {"tokenise_seconds": tokenised - started, "forward_seconds": ended - tokenised}


def _batches(encoder: Encoder, texts: Sequence[str]) -> Iterator[Any]:
    for start in range(0, len(texts), _BATCH_SIZE):
        yield encoder.encode(texts[start : start + _BATCH_SIZE])


@quiet()
def measure(folder: Path, reviews: int, device: str) -> dict[str, Any]:
    """Measure both; the command goes first, so that the peak of memory is its own.

    Args:
        folder: A run folder.
        reviews: Number of texts.
        device: As in `load_run`.

    Returns:
        Seconds, the share of the rate in series that the command reaches, and the memory that it
        took, as a peak of the process.
    """
    run = load_run(folder, device=device)
    run.predict(["A fine film."] * _BATCH_SIZE)  # the first forward sets up kernels
    with tempfile.TemporaryDirectory() as place:
        file = Path(place, "reviews.csv")
        # In a process of its own: what reading the corpus takes is no memory of the command.
        writing = get_context("spawn").Process(target=write_reviews, args=(file, reviews))
        writing.start()
        writing.join()
        before = peak_memory_bytes()
        whole = time_whole(run, file, Path(place, "predictions.csv"))
        after = peak_memory_bytes()
        with file.open(encoding="utf-8", newline="") as stream:
            texts = [row["text"] for row in csv.DictReader(stream)]
    series = time_series(run, texts)
    return {
        "reviews": reviews,
        "command_seconds": whole,
        **series,
        "reviews_per_second": reviews / whole,
        "share_of_series": sum(series.values()) / whole,
        "peak_memory_bytes": after,
        "peak_memory_bytes_before": before,
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure once and print the result as JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("run", type=Path, help="a run folder")
    parser.add_argument("--reviews", type=int, default=5000, help="number of texts (5000)")
    parser.add_argument("--device", default="cpu", help="where to compute (cpu)")
    options = parser.parse_args(arguments)
    found = measure(options.run, options.reviews, options.device)
    print(json.dumps({**found, "machine": hardware()}, indent=1))


if __name__ == "__main__":
    main()
