"""The place of a process in its array: element, restart and rank, as the batch script and srun say.

Imports the standard library alone: around each worker two processes start that need nothing else of it.
"""

from __future__ import annotations

import os
from dataclasses import dataclass


@dataclass(frozen=True)
class Element:
    """This process's place: submission, element, restart and rank."""

    key: str
    element: int
    restart: int
    rank: int
    local_rank: int
    world_size: int
    lane: int = 0
    lanes: int = 1
    """Processes that share the element's units side by side, each with its own."""
    array: str = ""
    """Slurm's id of the array; empty on the local cluster."""

    @property
    def token(self) -> str:
        """Names this attempt and no other."""
        return f"{self.key}.{self.element}.{self.restart}"


def place_from_environment(key: str) -> Element:
    """Return this process's place, as the batch script and srun (or jobs.run.ranks) set it."""
    get = os.environ.get
    number, lanes = int(get("SLURM_PROCID") or get("STAGECOACH_RANK") or 0), int(get("STAGECOACH_LANES") or 1)
    return Element(
        key=key,
        element=int(os.environ["STAGECOACH_ELEMENT"]),
        restart=int(os.environ["STAGECOACH_RESTART"]),
        rank=number if lanes == 1 else 0,
        local_rank=int(get("SLURM_LOCALID") or get("STAGECOACH_RANK") or 0) if lanes == 1 else 0,
        world_size=int(os.environ["STAGECOACH_RANKS"]),
        lane=number if lanes > 1 else 0,
        lanes=lanes,
        array=get("SLURM_ARRAY_JOB_ID") or "",
    )
