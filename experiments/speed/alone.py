"""Times of a published experiment, measured in processes of its own with nothing beside them.

`lit-sentiment table-times` calls it for each experiment. A first process tokenises the corpus and
learns the word vectors, a second one fits; both hold the lock `experiments.machine.quiet`.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from experiments.config.identity import setting_hash
from experiments.config.registry import Registry, read_yaml
from experiments.config.resolved import Resolved
from experiments.records.times import Times
from experiments.speed.process import run_measurement
from experiments.speed.record import Origin
from experiments.training.spec import RunSpec


def time_alone(spec: RunSpec, *, epochs: int, seconds: float, threads: int) -> Times:
    """Measure the times of an experiment on the CPU; nothing is evaluated.

    Args:
        spec: A run of the experiment; nothing is written to its folder.
        epochs: Most epochs to train.
        seconds: Time of optimiser steps after which training ends.
        threads: Number of threads.

    Raises:
        SystemExit: A process failed; the message ends with its last output.
    """
    resolved, origin = spec.resolve(), Origin()
    with tempfile.TemporaryDirectory() as place:
        file = Path(place, "settings.yaml")
        file.write_text(yaml.safe_dump(resolved.config), encoding="utf-8")
        command = [sys.executable, "-m", __name__, str(file)]
        command += [f"--configs={folder}" for folder in spec.config_folders]
        run_measurement([*command, "--prepare"], threads)
        command += [f"--epochs={epochs}", f"--seconds={seconds}"]
        found: dict[str, Any] = run_measurement(command, threads)
    others = found.pop("others")
    if others is not None:
        found["hardware"]["others_busy"] = others
    about = origin.describe()
    about.pop("machine")  # of this process; the other's is in `found`
    setting = setting_hash(resolved.config)
    return Times(experiment=spec.experiment, setting=setting, **found, **about)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure in this process; print the result as JSON on the last line."""
    from experiments.training.timing import measure_times, prepare_times

    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("settings", type=Path, help="resolved settings, a YAML file")
    parser.add_argument("--configs", type=Path, action="append", default=[])
    parser.add_argument("--prepare", action="store_true", help="fill the cache, and fit nothing")
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=0.0)
    options = parser.parse_args(arguments)
    Registry(options.configs)  # makes the modules of these folders known
    resolved = Resolved(read_yaml(options.settings))
    found: dict[str, Any] = {}
    if options.prepare:
        prepare_times(resolved)
    else:
        folder = options.settings.parent / "fit"
        found = measure_times(resolved, folder, options.epochs, options.seconds)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
