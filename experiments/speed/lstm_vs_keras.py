"""LSTM-128 training against Keras/TensorFlow: reviews per second on the same reviews.

    python -m experiments.speed.lstm_vs_keras --keras-python PATH --root CORPUS --pairs 5

PATH is the interpreter of an environment with `keras` and `tensorflow`. Each measurement is a
separate process, ours and Keras in turn. Nothing else should run: two threads that wait for each
other at every step slow down by much more than the share of a third. `others` in the JSON is the
share of the processor that other processes used; figures with a large share are unreliable.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from datamodules.console import plain_console
from experiments.speed import keras_lstm
from experiments.speed.pairs import SIDES, summarise, table
from experiments.speed.process import run_measurement
from experiments.speed.record import Origin, write_measurement
from experiments.speed.sample import configure, export

_SETTINGS = ("reviews", "warmup", "threads", "seed")
_BUSY = 0.03  # share used by other processes above which a measurement gets a remark


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print the table and the JSON, and write the JSON to `--out`."""
    options = _parser().parse_args(arguments)
    origin = Origin()
    resolved = configure(options.root, options.reviews, options.seed, options.cache_dir)
    resolved.cli.build()
    data = resolved.cli.datamodule
    data.prepare_data()
    data.setup()
    pairs = []
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "reviews.npz")
        tokens = export(data, file)
        commands = _commands(options, file, data.batch_size)
        for number in range(1, options.pairs + 1):
            pair = {side: run_measurement(commands[side], options.threads) for side in SIDES}
            pairs.append(pair)
            rates = ", ".join(_describe(side, pair[side]) for side in SIDES)
            print(f"pair {number}/{options.pairs}: {rates}", file=sys.stderr, flush=True)
    result = {
        "schema": 1,
        "what": "LSTM-128 training: this suite's loop (rows of like length together, padded to the "
        "longest of a batch) against Keras model.fit (the same rows, all padded to max_length)",
        "settings": {
            **{name: getattr(options, name) for name in _SETTINGS},
            "batch_size": data.batch_size,
            "max_length": data.max_length,
        },
        "tokens_per_review": tokens / options.reviews,
        **summarise(pairs),
        **origin.describe(options.threads),
    }
    plain_console(width=100).print(table(result))
    print(json.dumps(result, indent=1))
    write_measurement(result, options.out)


def _describe(side: str, measurement: dict[str, Any]) -> str:
    others = measurement["others"]
    busy = (
        f" (other processes used {others:.0%} of the processor)"
        if others and others > _BUSY
        else ""
    )
    return f"{side} {measurement['reviews_per_second']:.1f} reviews/s{busy}"


def _commands(options: argparse.Namespace, file: Path, batch_size: int) -> dict[str, list[str]]:
    both = [f"--{name}={getattr(options, name)}" for name in ("warmup", "seed", "threads")]
    ours = [sys.executable, "-m", "experiments.speed.lit_lstm", *both]
    ours += [f"--reviews={options.reviews}"]
    ours += [f"--root={options.root}"] if options.root else []
    ours += [f"--cache-dir={options.cache_dir}"] if options.cache_dir else []
    # Isolated (-I), so that the process of Keras imports no modules from this folder or PYTHONPATH.
    keras = [options.keras_python, "-I", keras_lstm.__file__, str(file), *both]
    return {"ours": ours, "keras": [*keras, f"--batch-size={batch_size}"]}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--keras-python", required=True, help="interpreter of an environment with Keras"
    )
    parser.add_argument("--root", help="the official corpus, as in `benchmark --root`")
    parser.add_argument("--cache-dir", help="as in --data.cache_dir")
    parser.add_argument("--pairs", type=_positive, default=5, help="measurements of each side (5)")
    parser.add_argument("--reviews", type=_positive, default=3200, help="reviews per epoch (3200)")
    parser.add_argument("--warmup", type=_positive, default=10, help="unmeasured steps (10)")
    parser.add_argument("--threads", type=_positive, default=2, help="CPU threads (2)")
    parser.add_argument("--seed", type=int, default=0, help="random seed (0)")
    parser.add_argument("--out", type=Path, help="file for the JSON")
    return parser


def _positive(text: str) -> int:
    if (number := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"{number} is too small; give at least 1")
    return number


if __name__ == "__main__":
    main()
