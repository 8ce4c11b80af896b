"""A small srun for one machine: `python -m jobs.run.ranks N command...` runs N ranks, passes signals on, ends together.

When one rank ends badly the others are killed, as `srun --kill-on-bad-exit` does: they would wait for it for ever.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

from stages.shared.errors import EXIT_CHECKPOINTED

GRACE_S = 10.0


def run_ranks(count: int, command: list[str]) -> int:
    """Run the ranks; return 0, the first bad exit code (128 + signal if killed), or 85 if any asked for it."""
    ranks = [subprocess.Popen(command, env={**os.environ, "STAGECOACH_RANK": str(rank)}) for rank in range(count)]

    def pass_on(signum: int, frame: object) -> None:
        for rank in ranks:
            if rank.poll() is None:
                rank.send_signal(signum)

    signal.signal(signal.SIGTERM, pass_on)
    signal.signal(signal.SIGUSR2, pass_on)
    first_bad = 0
    deadline = float("inf")
    while None in [rank.poll() for rank in ranks]:  # all of them: any() would stop at the first that lives
        time.sleep(0.02)
        ended = [rank.returncode for rank in ranks if rank.returncode not in (None, 0, EXIT_CHECKPOINTED)]
        if ended and not first_bad:
            first_bad = ended[0]
            deadline = time.monotonic() + (0.0 if first_bad < 0 else GRACE_S)
        if time.monotonic() > deadline:
            for rank in ranks:
                rank.kill()
            deadline = float("inf")
    codes = [rank.returncode for rank in ranks]
    bad = first_bad or next((code for code in codes if code not in (0, EXIT_CHECKPOINTED)), 0)
    if bad:
        return 128 - bad if bad < 0 else bad
    return EXIT_CHECKPOINTED if EXIT_CHECKPOINTED in codes else 0


if __name__ == "__main__":
    sys.exit(run_ranks(int(sys.argv[1]), sys.argv[2:]))
