"""Launching of runs: benchmarks, on this machine or on a Slurm cluster."""
