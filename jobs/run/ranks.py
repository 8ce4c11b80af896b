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
TICK_S = 0.02
Popen = subprocess.Popen[bytes]


def run_ranks(count: int, command: list[str]) -> int:
    """Run the ranks; return 0, the first bad exit code (128 + signal if killed), or 85 if any asked for it."""
    ranks = [subprocess.Popen(command, env={**os.environ, "STAGECOACH_RANK": str(rank)}) for rank in range(count)]

    def pass_on(signum: int, frame: object) -> None:
        for rank in ranks:
            if rank.poll() is None:
                rank.send_signal(signum)

    signal.signal(signal.SIGTERM, pass_on)
    signal.signal(signal.SIGUSR2, pass_on)
    bad = _first_bad(ranks)
    if bad is not None:
        _end_together(ranks, 0.0 if bad < 0 else GRACE_S)
        return 128 - bad if bad < 0 else bad
    return EXIT_CHECKPOINTED if any(rank.returncode == EXIT_CHECKPOINTED for rank in ranks) else 0


def _first_bad(ranks: list[Popen]) -> int | None:
    """Wait until a rank ends badly and return its code; None if all end well."""
    while True:
        codes = [rank.poll() for rank in ranks]
        bad = next((code for code in codes if code not in (None, 0, EXIT_CHECKPOINTED)), None)
        if bad is not None or None not in codes:
            return bad
        time.sleep(TICK_S)


def _end_together(ranks: list[Popen], grace_s: float) -> None:
    """Wait for all ranks; kill those that still run after a grace."""
    deadline = time.monotonic() + grace_s
    while time.monotonic() < deadline and None in [rank.poll() for rank in ranks]:
        time.sleep(TICK_S)
    for rank in ranks:
        rank.kill()
        rank.wait()


if __name__ == "__main__":
    sys.exit(run_ranks(int(sys.argv[1]), sys.argv[2:]))
