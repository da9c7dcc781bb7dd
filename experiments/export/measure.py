"""Size and latency of an export against its run: `python -m experiments.export.measure RUN EXPORT`.

Latency is the median time from one raw text to its probabilities on one thread, by the runner and
by the model that `lit-sentiment predict` uses, in turn. It is the process's own time, so that
others on a busy machine do not count.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from time import process_time

import numpy as np

from experiments.export.card import model_size
from experiments.export.check import Model, check_texts, runner_of
from experiments.inference.predictor import Predictor
from experiments.records.run_files import read_row

_WARM_UP = 20


def measure(run: Path, export: Path, texts: int) -> dict[str, float]:
    """Megabytes of the export, and median milliseconds of one text in each."""
    predictor, runner = Predictor(run), runner_of(export, threads=1)
    reviews = check_texts(read_row(run), predictor.encoder)[0][:texts]
    times: dict[str, list[float]] = {"run_ms": [], "export_ms": []}
    models: dict[str, Model] = {"run_ms": predictor, "export_ms": runner}
    for text in reviews:
        for name, model in models.items():
            start = process_time()
            model([text])
            times[name].append(1000 * (process_time() - start))
    medians = {name: float(np.median(values[_WARM_UP:])) for name, values in times.items()}
    return {"megabytes": model_size(export) / 1e6} | medians


def main() -> None:
    """Print the figures as JSON."""
    import torch

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path, help="a run folder")
    parser.add_argument("export", type=Path, help="an export of it")
    parser.add_argument("--texts", type=int, default=300, help="texts to time (300)")
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(json.dumps(measure(options.run, options.export, options.texts), indent=1))


if __name__ == "__main__":
    main()
