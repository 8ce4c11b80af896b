"""The testbed is a real Slurm: these tests run jobs on it."""

from __future__ import annotations

import os
import subprocess


def slurm(testbed: dict[str, str], *command: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, **testbed}
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=60)


def test_srun_reaches_all_four_nodes(testbed: dict[str, str]) -> None:
    done = slurm(testbed, "srun", "--nodes=4", "--ntasks=4", "printenv", "SLURMD_NODENAME")
    assert sorted(done.stdout.split()) == ["n1", "n2", "n3", "n4"], done.stderr
