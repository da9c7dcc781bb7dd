"""YAML configs, the command line, the benchmark, evaluation and report."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from experiments.inference.loaded_run import LoadedRun, Predictions, load_run

__all__ = ["LoadedRun", "Predictions", "load_run"]

# `python -m experiments` would look for every module in the current folder first, which may be one
# that a stranger made. Where this code is in the current folder, Python needs the entry.
_HERE = Path(__file__).resolve().parents[1]
if sys.argv[:1] == ["-m"] and sys.path[:1] == [os.getcwd()] and not _HERE.samefile(os.getcwd()):
    del sys.path[0]

from datamodules.upgrade.imports import explain_moved_modules  # noqa: E402

explain_moved_modules()


def __getattr__(name: str) -> Any:
    """Import what a trained run is used by when it is asked for: it loads PyTorch."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from experiments.inference import loaded_run

    return getattr(loaded_run, name)
