"""A small srun for one machine: `python -m jobs.run.ranks N command...` runs N ranks, passes signals on, ends together.

When one rank ends badly the others are killed, as `srun --kill-on-bad-exit` does: they would wait for it for ever.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from jobs.paths import RunPaths
from jobs.run.element import place_from_environment
from stages.formats.attempts import AttemptName, TroubleRecord, write_record
from stages.shared.errors import EXIT_CHECKPOINTED

GRACE_S = 10.0
TICK_S = 0.02
Popen = subprocess.Popen[bytes]


def run_ranks(count: int, command: list[str], on_killed: Callable[[int, int], None] = lambda rank, signum: None) -> int:
    """Run the ranks; return 0, the first bad exit code (128 + signal if killed), or 85 if any asked for it.

    `on_killed` is called with the rank and the signal where one was killed: the others fail because of it.
    """
    ranks = [subprocess.Popen(command, env={**os.environ, "STAGECOACH_RANK": str(rank)}) for rank in range(count)]

    def pass_on(signum: int, frame: object) -> None:
        for rank in ranks:
            if rank.poll() is None:
                rank.send_signal(signum)

    signal.signal(signal.SIGTERM, pass_on)
    signal.signal(signal.SIGUSR2, pass_on)
    bad = _first_bad(ranks)
    if bad is not None and bad < 0:
        on_killed(next(number for number, rank in enumerate(ranks) if rank.returncode == bad), -bad)
        _end_together(ranks, 0.0)
        return 128 - bad
    if bad is not None:
        _end_together(ranks, GRACE_S)
        return bad
    return EXIT_CHECKPOINTED if any(rank.returncode == EXIT_CHECKPOINTED for rank in ranks) else 0


def _first_bad(ranks: list[Popen]) -> int | None:
    """Wait until a rank ends badly and return its code; None if all end well.

    Of several, a killed one comes first: its peers notice within milliseconds. (Libraries abort because of a peer.)
    """
    while True:
        codes = [rank.poll() for rank in ranks]
        bad = [code for code in codes if code not in (None, 0, EXIT_CHECKPOINTED)]
        if bad:
            time.sleep(TICK_S)
            late = [rank.poll() for rank in ranks]
            killed = [code for code in late if code is not None and code < 0 and code != -signal.SIGABRT]
            return (killed or bad)[0]
        if None not in codes:
            return None
        time.sleep(TICK_S)


def _end_together(ranks: list[Popen], grace_s: float) -> None:
    """Wait for all ranks; kill those that still run after a grace."""
    deadline = time.monotonic() + grace_s
    while time.monotonic() < deadline and None in [rank.poll() for rank in ranks]:
        time.sleep(TICK_S)
    for rank in ranks:
        rank.kill()
        rank.wait()


def _note_killed(run: RunPaths, job: str, key: str, rank: int, signum: int) -> None:
    """Record that a rank was killed, in place of what its peers say."""
    place = place_from_environment(key)
    trouble = TroubleRecord(
        exit_code=128 + signum, reason=f"rank {rank} was killed by signal {signum}", node=socket.gethostname()
    )
    write_record(run.attempts, AttemptName(job, key, place.element, place.restart), trouble)


if __name__ == "__main__":
    run_dir, job, key = sys.argv[-3:]  # of the worker, which is the command
    sys.exit(run_ranks(int(sys.argv[1]), sys.argv[2:], partial(_note_killed, RunPaths(Path(run_dir)), job, key)))
