"""Debian's packages of Slurm and munge: finds their programs, installs them if allowed."""

from __future__ import annotations

import os
import shutil
import subprocess

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scontrol", "sinfo", "scancel")
PACKAGES = ("slurm-wlm", "munge")
COMMAND = ("apt-get", "install", "--yes", "--no-install-recommends", *PACKAGES)
SEARCH_PATH = os.environ.get("PATH", "") + ":/usr/sbin:/sbin:/usr/local/sbin"
"""Folders of the daemons, which a plain user's PATH often lacks."""


class MissingError(Exception):
    """Slurm is missing and cannot be installed. The message has the command to type."""


def missing() -> list[str]:
    """Return the programs that the testbed needs and this machine lacks."""
    return [program for program in PROGRAMS if shutil.which(program, path=SEARCH_PATH) is None]


def can_install() -> bool:
    """Return whether this user may install Debian packages here."""
    return os.getuid() == 0 and shutil.which("apt-get") is not None


def program(name: str) -> str:
    """Return the full path of a program of Slurm or munge."""
    return shutil.which(name, path=SEARCH_PATH) or name


def ensure() -> None:
    """Install Slurm and munge if they are missing (half a minute, 60 MB). Raises MissingError where that fails."""
    absent = missing()
    if not absent:
        return
    if not can_install():
        raise MissingError(f"no {', '.join(absent)} on this machine. Ask an administrator for: {' '.join(COMMAND)}")
    print(f"Slurm is not installed ({', '.join(absent)} missing): {' '.join(COMMAND)}", flush=True)
    # RUNLEVEL=1 keeps Debian from starting system-wide daemons.
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    done = _apt(COMMAND, env)
    if done.returncode:  # package lists may be old or absent, as in most container images
        updated = _apt(("apt-get", "update"), env)
        done = updated if updated.returncode else _apt(COMMAND, env)
    if done.returncode or missing():
        words = "\n".join((done.stderr or done.stdout).strip().splitlines()[-5:])
        raise MissingError(f"could not install Slurm ({' '.join(COMMAND)}):\n{words}")


def _apt(command: tuple[str, ...], env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
