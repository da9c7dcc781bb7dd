"""LSTM-128 training against Keras/TensorFlow: reviews per second on the same reviews.

    python -m experiments.speed.lstm_vs_keras --keras-python PATH --root CORPUS --pairs 5

PATH is the interpreter of an environment with `keras` and `tensorflow`. Each measurement is a
process of its own, ours and theirs in turn. Let nothing else run: two threads that wait for each
other at every step lose far more to a third one than its share.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from experiments.atomic import replace_bytes
from experiments.environment import git_state, hardware
from experiments.run import now
from experiments.speed import keras_lstm
from experiments.speed.pairs import SIDES, summarise, table
from experiments.speed.sample import configure, export

_SETTINGS = ("reviews", "warmup", "threads", "seed")
_BUSY = 0.5  # load average above which the start warns


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures, prints the table and the JSON, and writes the JSON where `--out` says."""
    options = _parser().parse_args(arguments)
    started, load = now(), os.getloadavg()[0]
    if load > _BUSY:
        print(f"load average {load:.1f}: other work runs, the figures will be off", file=sys.stderr)
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
            pair = {side: run(commands[side], options.threads) for side in SIDES}
            pairs.append(pair)
            rates = ", ".join(f"{s} {pair[s]['reviews_per_second']:.1f}" for s in SIDES)
            print(f"pair {number}/{options.pairs}: {rates} reviews/s", file=sys.stderr, flush=True)
    commit, dirty = git_state()
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
        "machine": {**hardware(), "threads": options.threads, "load_before": load},
        "git_commit": commit,
        "git_dirty": dirty,
        "started": started,
        "ended": now(),
    }
    text = json.dumps(result, indent=1) + "\n"
    Console(width=100).print(table(result))
    print(text, end="")
    if options.out is not None:
        replace_bytes(options.out, text.encode())


def run(command: Sequence[str], threads: int) -> dict[str, Any]:
    """Carries one measurement out in a process of its own, on the CPU.

    Raises:
        SystemExit: it failed; the message ends with what it said last.
    """
    settings = {
        "OMP_NUM_THREADS": str(threads),
        "CUDA_VISIBLE_DEVICES": "",
        "TF_CPP_MIN_LOG_LEVEL": "2",
    }
    done = subprocess.run(
        command, env=os.environ | settings, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        said = "\n".join(done.stderr.splitlines()[-20:])
        raise SystemExit(f"{command[0]} ended with code {done.returncode}:\n{said}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def _commands(options: argparse.Namespace, file: Path, batch_size: int) -> dict[str, list[str]]:
    both = [f"--{name}={getattr(options, name)}" for name in ("warmup", "seed", "threads")]
    ours = [sys.executable, "-m", "experiments.speed.lit_lstm", *both]
    ours += [f"--reviews={options.reviews}"]
    ours += [f"--root={options.root}"] if options.root else []
    ours += [f"--cache-dir={options.cache_dir}"] if options.cache_dir else []
    # Isolated: neither this folder nor PYTHONPATH may lend Keras's process modules of ours.
    keras = [options.keras_python, "-I", keras_lstm.__file__, str(file), *both]
    return {"ours": ours, "keras": [*keras, f"--batch-size={batch_size}"]}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--keras-python", required=True, help="interpreter that has Keras")
    parser.add_argument("--root", help="the official corpus, as in `benchmark --root`")
    parser.add_argument("--cache-dir", help="as in --data.cache_dir")
    parser.add_argument("--pairs", type=_positive, default=5)
    parser.add_argument("--reviews", type=_positive, default=3200)
    parser.add_argument("--warmup", type=_positive, default=10, help="steps before the clock")
    parser.add_argument("--threads", type=_positive, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="file for the JSON")
    return parser


def _positive(text: str) -> int:
    if (number := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"{number} must be at least 1")
    return number


if __name__ == "__main__":
    main()
