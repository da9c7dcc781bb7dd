#!/bin/bash
# One run on several cards of several nodes, under DDP: the batch of the config is divided by the
# ranks. Adapt the lines that begin with #SBATCH and the last one, then: sbatch fit_ddp.sh
#
#SBATCH --job-name=lit-sentiment-fit
#SBATCH --nodes=2
# One task for each card: Lightning takes its ranks from Slurm.
#SBATCH --ntasks-per-node=4
#SBATCH --gpus-per-node=4
#SBATCH --cpus-per-task=8
#SBATCH --mem=128G
#SBATCH --time=04:00:00
# Two minutes before the time is up every task gets SIGUSR1: the run saves a checkpoint at the end
# of its batch and asks to be queued again, which needs --requeue. Without `B:`, since the signal is
# for the tasks, and the shell that runs this script would die of it.
#SBATCH --signal=USR1@120
#SBATCH --requeue
#SBATCH --open-mode=append

set -euo pipefail
# A step does not inherit this number from the job since Slurm 22.05.
export SRUN_CPUS_PER_TASK="${SLURM_CPUS_PER_TASK:-1}"
export OMP_NUM_THREADS="${SLURM_CPUS_PER_TASK:-1}"
export HF_HUB_OFFLINE=1 # `lit-sentiment prepare --weights bert` was run on the login node

srun lit-sentiment fit -c bert --root "${IMDB:?the folder of the official corpus}" \
  --trainer.num_nodes "$SLURM_NNODES" --trainer.devices "$SLURM_NTASKS_PER_NODE" \
  --trainer.strategy ddp
