"""Supervised training with fastText's library, from a file of texts to a fitted model."""

from __future__ import annotations

import json
import platform
import sys
import time
from importlib import metadata
from pathlib import Path
from typing import Any


def measure(job: dict[str, Any]) -> dict[str, Any]:
    """Measure a fit, the reading of the file included, and its accuracy.

    Args:
        job: `train` and `validation`: files with a line `__label__L word word …` for each text;
            `settings`: arguments of `train_supervised`; `seed`; `threads`.
    """
    import fasttext

    started = time.perf_counter()
    model = fasttext.train_supervised(
        input=job["train"], thread=job["threads"], seed=job["seed"], verbose=0, **job["settings"]
    )
    seconds = time.perf_counter() - started
    rows, precision, _ = model.test(job["validation"])
    matrix = model.get_input_matrix()
    return {
        "seconds": seconds,
        "parameters": int(matrix.size + model.get_output_matrix().size),
        "words": len(model.words),
        "accuracy": precision if rows else None,
    }


def versions() -> dict[str, str]:
    """Versions of what is measured."""
    import fasttext  # noqa: F401  # fails here if it is missing
    import numpy as np

    names = ("fasttext-numpy2-wheel", "fasttext-wheel", "fasttext")
    known = {d.metadata["Name"]: d.version for d in metadata.distributions()}
    found = {name: known[name] for name in names if name in known}
    return {"python": platform.python_version(), **found, "numpy": np.__version__}


def main() -> None:
    """Print the result as JSON on the last line."""
    word = sys.argv[1]
    result = versions() if word == "--versions" else measure(json.loads(Path(word).read_text()))
    print(json.dumps(result))


if __name__ == "__main__":
    main()
