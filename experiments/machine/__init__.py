"""Machine of a run: hardware, versions, CPU cores, GPUs and energy."""
