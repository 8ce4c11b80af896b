"""Nights as Slurm jobs: each submits its successor first, so a night that fails or is killed does not end the chain.

One job name and the dependency `singleton` keep two nights of a run from being at work at once.
"""

from __future__ import annotations

from pathlib import Path

from jobs.nightly.schedule import Entry
from jobs.plan.cluster import Cluster
from jobs.submit import slurm
from jobs.submit.render import batch_templates, optional_flags, slurm_output
from stages.shared.files import write_atomic

_COLUMNS = "JobID:|,Comment:"


def script(entry: Entry, cluster: Cluster, path: Path, begin: str) -> str:
    """Return the batch script of a night that lies at `path`. `begin` is sbatch's --begin of each successor."""
    shape = cluster.shape("small")
    flags: dict[str, object] = {
        "job-name": f"nightly:{entry.name}:{entry.run_id}",  # singleton knows the name alone
        "comment": f"{entry.mark} {cluster.comment}".strip(),
        "dependency": "singleton",
        "ntasks": 1,
        "cpus-per-task": 1,
        "time": shape.time_min,
        "requeue": True,
        **optional_flags(shape),
        **cluster.flags(shape),
        "open-mode": "append",
        "output": slurm_output(entry.log),
    }
    shown = {name: value for name, value in flags.items() if value is not False}
    text: str = (
        batch_templates()
        .get_template("night.sh.j2")
        .render(
            flags=shown,
            variables=cluster.environment,
            setup=cluster.setup,
            path=str(path),
            begin=begin,
            line=entry.line,
            umask=cluster.umask,
        )
    )
    return text


def install(entry: Entry, cluster: Cluster, path: Path, begin: str) -> str:
    """Submit the first night, in the place of one that waits; return its job id. Raises ClusterError."""
    remove(entry.mark)
    write_atomic(path, script(entry, cluster, path, begin))
    return slurm.call(["sbatch", "--parsable", f"--begin={begin}", str(path)]).strip().partition(";")[0]


def remove(mark: str) -> bool:
    """Cancel the nights of a run, the one at work too; return whether there was one."""
    found = jobs(mark)
    slurm.cancel(found)
    return bool(found)


def jobs(mark: str) -> list[str]:
    """Return the ids of this user's jobs with the mark in their comment."""
    rows = (line.partition("|") for line in slurm.call(["squeue", "--me", "-h", "-O", _COLUMNS]).splitlines())
    return [job.strip() for job, _, comment in rows if comment.strip().split(" ")[0] == mark]
