"""YAML configs, the command line, the benchmark, evaluation and report."""
