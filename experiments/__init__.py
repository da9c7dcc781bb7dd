"""YAML configs, the command line, the benchmark, evaluation and report."""

from datamodules.upgrade.imports import explain_moved_modules

explain_moved_modules()
