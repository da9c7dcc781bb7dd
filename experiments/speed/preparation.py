"""Preparation time and memory of a file of texts, and the time to a first batch of `cnn`.

python -m experiments.speed.preparation reviews.csv --group-column movie
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import tempfile
import time
from pathlib import Path

from datamodules.errors import DataError
from datamodules.files import TextFiles
from experiments.machine.environment import hardware, peak_memory_bytes
from experiments.machine.quiet import quiet


@quiet()
def measure(file: Path, group_column: str | None, cache_dir: str) -> dict[str, float]:
    """Measure the seconds of each step, and the peak memory when the corpus is prepared.

    Args:
        file: File of labelled texts.
        group_column: Name of the column of groups; None: there is none.
        cache_dir: An empty folder.
    """
    result, started = dict[str, float](), time.perf_counter()

    def lap(step: str) -> None:
        nonlocal started
        result[f"{step}_seconds"] = time.perf_counter() - started
        started = time.perf_counter()

    result["memory_before_bytes"] = peak_memory_bytes()
    data = TextFiles(
        train=str(file),
        group_column=group_column,
        max_length=400,  # as `cnn` has it
        truncation="head+tail",
        cache_dir=cache_dir,
    )
    lap("labels")
    data.prepare_data()
    lap("prepare")
    children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    result["children_memory_bytes"] = children if sys.platform == "darwin" else children * 1024
    result["peak_memory_bytes"] = peak_memory_bytes()
    data.setup()
    lap("open")
    loader = data.train_dataloader()
    next(iter(loader))
    lap("first_batch")
    tokens = data.store.tokens("train")
    return {**result, "reviews": len(tokens), "tokens": len(tokens.values)}


def main() -> None:
    """Measure once and print the result as JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("file", type=Path, help="file of labelled texts, as in `--data`")
    parser.add_argument("--group-column", help="as in `--data.group_column`")
    parser.add_argument("--cache-dir", help="where there is room for the corpus")
    options = parser.parse_args()
    try:
        with tempfile.TemporaryDirectory(dir=options.cache_dir) as folder:
            result = measure(options.file, options.group_column, folder)
    except DataError as error:
        parser.error(str(error))
    print(json.dumps({**result, "machine": hardware()}, indent=1))


if __name__ == "__main__":
    main()
