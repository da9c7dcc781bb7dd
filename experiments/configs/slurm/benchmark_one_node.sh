#!/bin/bash
# A whole benchmark on one node, four runs at once, a card each: for clusters that prefer one large
# job to many small ones. Then: sbatch benchmark_one_node.sh
#
#SBATCH --job-name=lit-sentiment-benchmark
#SBATCH --nodes=1
#SBATCH --ntasks=1
#SBATCH --gpus=4
#SBATCH --cpus-per-task=32
#SBATCH --mem=128G
#SBATCH --time=08:00:00
# Here the signal is for the shell (`B:`), which passes it on and queues the job again.
#SBATCH --signal=B:USR1@300
#SBATCH --requeue
#SBATCH --open-mode=append

set -uo pipefail
lit-sentiment benchmark --profile full --root "${IMDB:?the folder of the official corpus}" \
  --jobs 4 &
head=$!
# Every run leaves a checkpoint; the same command goes on from there.
trap 'kill -USR1 "$head"; wait "$head"; scontrol requeue "$SLURM_JOB_ID"' USR1
wait "$head"
