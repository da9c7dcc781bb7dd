"""Many runs: planned, carried out on this machine or on Slurm."""
