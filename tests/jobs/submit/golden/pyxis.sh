#!/bin/bash
#SBATCH --job-name=mine:vision.train
#SBATCH --array=0-0%1
#SBATCH --nodes=2
#SBATCH --ntasks=2
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=1
#SBATCH --time=60
#SBATCH --requeue
#SBATCH --signal=USR2@90
#SBATCH --mem=4096M
#SBATCH --gpus-per-node=2
#SBATCH --open-mode=append
#SBATCH --output=/runs/mine/logs/vision.train/0007-vision-train.%a.log
#SBATCH --comment=stagecoach:0123456789ab:0007-vision-train

# One array of Stagecoach. Each element is one run of this script; the ledger's assignment
# lists its units. Exit codes: 0 done, 85 state saved and requeue, 93 never restart, 77 bad node.

umask 077
export OMP_NUM_THREADS=1
export CUDA_DEVICE_MAX_CONNECTIONS=1
export PYTORCH_CUDA_ALLOC_CONF=expandable_segments:True
export STAGECOACH_RANKS=2
export STAGECOACH_ELEMENT="$SLURM_ARRAY_TASK_ID"
export STAGECOACH_RESTART="${SLURM_RESTART_COUNT:-0}" # Slurm leaves it unset at the first start
exec >>/runs/mine/logs/vision.train/0007-vision-train."${STAGECOACH_ELEMENT}.log" 2>&1
echo "stagecoach: attempt $((STAGECOACH_RESTART + 1)) on ${SLURMD_NODENAME:-an unknown node}"
cd /runs/mine/code/0123456789ab || exit 77
set -u # after `module load`: many module scripts fail under it

# The work. Slurm signals its processes itself; this shell ignores TERM, to record how they end.
trap : TERM USR2
srun --kill-on-bad-exit=1 --ntasks=2 --cpus-per-task=1 --unbuffered '--container-image=nvcr.io#nvidia/torch:25.08' --container-mounts=/runs/mine:/runs/mine,/data:/d --container-workdir=/runs/mine/code/0123456789ab /opt/python/bin/python3 -u -m jobs.run.worker /runs/mine vision.train 0007-vision-train
code=$?

# The verdict: records the attempt's end in the ledger and prints what to do with this element.
verdict=$(srun --nodes=1 --ntasks=1 --overlap '--container-image=nvcr.io#nvidia/torch:25.08' --container-mounts=/runs/mine:/runs/mine,/data:/d --container-workdir=/runs/mine/code/0123456789ab /opt/python/bin/python3 -m jobs.run.attempt_end /runs/mine vision.train 0007-vision-train "$code") || verdict=failed
me="${SLURM_ARRAY_JOB_ID}_${SLURM_ARRAY_TASK_ID}" # never SLURM_JOB_ID: for one element it is the id of the whole array
case "$verdict" in
  requeue* | bad-node*)
    trap '' TERM # requeueing ends this script; the rest of this branch must still run
    was=$(squeue -h -j "$me" -o '%T %r|%x')
    if [ "${was%% *}" = PENDING ]; then # of a node that was given up Slurm requeues the jobs itself
      echo "stagecoach: $me was requeued by Slurm" >&2
    elif [ "${was%|*}" = "COMPLETING None" ]; then # no time limit, no preemption: scancel. A requeue would bring it back
      echo "stagecoach: $me was cancelled, so it is not started again" >&2
    elif ! scontrol requeue "$me"; then
      echo "stagecoach: could not requeue $me; 'launch.py heal' will start it again" >&2
    elif [ "${verdict#requeue }" != "$verdict" ]; then # no progress: Slurm starts it again some time later
      scontrol update "jobid=$me" "starttime=now+${verdict#requeue }" ||
        echo "stagecoach: could not delay $me" >&2
    elif [ "$verdict" != requeue ]; then
      avoid=${was#*|}
      case "$avoid" in '' | *null*) avoid= ;; *) avoid=$avoid, ;; esac
      scontrol update "jobid=$me" "excnodelist=$avoid${verdict#bad-node }" ||
        echo "stagecoach: could not keep $me off ${verdict#bad-node }" >&2
    fi
    ;;
esac
exit "$code"
