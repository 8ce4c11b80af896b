#!/bin/bash

# One array of Stagecoach. Each element is one run of this script; the ledger's assignment
# lists its units. Exit codes: 0 done, 85 state saved and requeue, 93 never restart, 77 bad node.

umask 077
export OMP_NUM_THREADS=2
export STAGECOACH_RANKS=1
: "${STAGECOACH_ELEMENT:?}" "${STAGECOACH_RESTART:?}"
unset "${!SLURM@}" # of an allocation that the launcher may have been called in
exec >>/runs/mine/logs/web.filter/0007-web-filter."${STAGECOACH_ELEMENT}.log" 2>&1
cd /runs/mine/code/0123456789ab || exit 77
set -u # after `module load`: many module scripts fail under it

# The work, in the background so that this shell can pass signals on. A signal ends `wait` early: then wait again.
/opt/python/bin/python3 -m jobs.run.ranks 1 /opt/python/bin/python3 -u -m jobs.run.worker /runs/mine web.filter 0007-web-filter &
work=$!
trap 'asked=1; kill -TERM "$work" 2>/dev/null' TERM USR2
while true; do
  asked=
  wait "$work"
  code=$?
  [ -n "$asked" ] || break
done

# The verdict: records the attempt's end in the ledger and prints what to do with this element.
/opt/python/bin/python3 -m jobs.run.attempt_end /runs/mine web.filter 0007-web-filter "$code" >/dev/null
exit "$code"
