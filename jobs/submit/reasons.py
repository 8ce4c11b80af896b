"""Slurm's reasons for a pending job: those that never end by themselves, each with the remedy. Pure.

Source: `job_reason_string` in Slurm 22.05 to 25.05 and the section "JOB REASON CODES" of man squeue.
"""

from __future__ import annotations

import re

DEPENDENCY = "Dependency"
"""The array waits for other arrays."""
NOT_SEEN = "Slurm has not looked at it yet"
"""In place of Slurm's reason "None"."""
NEVER_SATISFIED = "DependencyNeverSatisfied"
LAUNCH_FAILED = "launch failed requeued held"
"""Slurm could not start the job, or lost sight of it in an outage, and holds it."""
HELD = ("JobHeldUser", "JobHeldAdmin", "job requeued in held state", LAUNCH_FAILED)
"""Nothing but `scontrol release` starts such a job."""
NEVER_STARTS: tuple[tuple[str, str], ...] = (
    (r"(Partition|QOS|Association)TimeLimit|\w+MaxWall\w*PerJob\w*", "time_min"),
    (r"\w+MaxC(PU|pu)(Run)?MinutesPerJob\w*", "time_min or cpus"),
    (r"PartitionNodeLimit|\w+MaxNode\w*PerJob\w*|QOSMinNode\w*", "ranks_per_node"),
    (r"\w+MaxC(PU|pu)Per(Job|Node)\w*|QOSMinC(PU|pu)\w*", "cpus"),
    (r"MaxMemPerLimit|\w+MaxMem(ory)?(Minutes)?Per(Job|Node)\w*|QOSMinMem\w*", "mem_gb"),
    (r"\w+MaxGRES(Minutes)?Per(Job|Node)\w*|QOSMinGRES\w*", "gpus_per_node"),
    (r"\w+MaxLic\w*PerJob\w*", "licenses"),
    (r"BadConstraints", "constraint"),
    (r"PartitionConfig", "cpus, mem_gb, gpus_per_node, time_min or partition"),
    (r"InvalidAccount|AccountNotAllowed|(Assoc|QOS)Grp\w*(?<!Run)Minutes(Limit)?", "account"),
    (r"InvalidQOS|QOSNotAllowed", "qos"),
    (r"ReservationDeleted", "reservation"),
    (r"(Assoc|QOS)Max\w*Per(Job|Node)\w*|QOSMin\w*", ""),
)
"""Pattern of a reason, and the settings under `resources.<job>` that end it; "" where only another request does."""


def never_starts(reason: str) -> str | None:
    """Return the settings of Resources to change before a job with this reason can start; None if it starts by itself.

    The text is empty if no setting of Resources is to blame.
    """
    word = re.split(r"[\s,(]", reason, maxsplit=1)[0]
    return next((settings for pattern, settings in NEVER_STARTS if re.fullmatch(pattern, word)), None)


def is_at_rest(reason: str) -> bool:
    """Return whether a job with this reason starts only after somebody has done something about it."""
    held = reason in HELD and reason != LAUNCH_FAILED  # which `run` lets go
    return held or reason == NEVER_SATISFIED or never_starts(reason) is not None


def why_never(job: str, reason: str, settings: str) -> str:
    """Return the reason of a job that can never start, with the setting to change."""
    change = f"resources.{job}" + (f" ({settings})" if " or " in settings else f".{settings}" if settings else "")
    return f"{reason}: Slurm never starts it. Change {change}, then `run` again"
