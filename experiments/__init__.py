"""YAML configs, the command line, the benchmark, evaluation and report."""

import os
import sys
from pathlib import Path

# `python -m experiments` would look for every module in the current folder first, which may be one
# that a stranger made. Where this code is in the current folder, Python needs the entry.
_HERE = Path(__file__).resolve().parents[1]
if sys.argv[:1] == ["-m"] and sys.path[:1] == [os.getcwd()] and not _HERE.samefile(os.getcwd()):
    del sys.path[0]

from datamodules.upgrade.imports import explain_moved_modules  # noqa: E402

explain_moved_modules()
