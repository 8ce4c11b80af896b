"""Job x cluster -> the text of a batch script, from templates/sbatch. Pure: reads no clock, no environment.

Every value that enters a shell line is quoted; what cannot be written on an #SBATCH line is refused or spelled out.
"""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2

from jobs.paths import RunPaths
from jobs.plan.cluster import Cluster, Resources
from jobs.plan.graph import Job
from jobs.submit.ledger import Submission
from stages.shared.errors import ConfigError

TEMPLATES = Path(__file__).resolve().parents[2] / "templates" / "sbatch"


def render_script(
    job: Job, submission: Submission, cluster: Cluster, run: RunPaths, code: Path, after: tuple[str, ...]
) -> str:
    """Return the whole script of one array.

    `after` are the ids of the arrays it depends on; `code` is the snapshot to run. Raises ConfigError for a value that
    no script can carry.
    """
    slurm = cluster.kind == "slurm"
    python = cluster.python or sys.executable
    arguments = [str(run.root), job.name, submission.key]
    environment = {
        "OMP_NUM_THREADS": str(job.resources.cpus),
        **cluster.environment,
        "STAGECOACH_RANKS": str(job.step.ranks),
    }
    for name, value in environment.items():
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
            raise ConfigError(f"environment.{name}", value, "a variable name of letters, digits and _")
    return (
        _environment()
        .get_template("job.sh.j2")
        .render(
            flags=sbatch_flags(job, submission, cluster, run, after) if slurm else {},
            slurm=slurm,
            umask=cluster.umask,
            environment=environment,
            code=str(code),
            log_stem=str(run.logs(job.name) / f"{submission.key}."),
            setup=cluster.setup,
            launch=_launch(job, cluster, python),
            worker=shlex.join([python, "-u", "-m", "jobs.run.worker", *arguments]),
            attempt_end=shlex.join([python, "-m", "jobs.run.attempt_end", *arguments]),
        )
    )


def sbatch_flags(
    job: Job, submission: Submission, cluster: Cluster, run: RunPaths, after: tuple[str, ...]
) -> dict[str, Any]:
    """Return the #SBATCH flags by long name, in the order they are written."""
    asked = job.resources
    nodes = asked.nodes(job.step.ranks)
    count = len(submission.elements)
    flags: dict[str, Any] = {
        "job-name": f"{run.root.name}:{job.name}",
        "array": f"0-{count - 1}%{min(count, asked.throttle)}",
        "nodes": nodes,
        "ntasks": job.step.ranks,
        "ntasks-per-node": min(job.step.ranks, asked.ranks_per_node),
        "cpus-per-task": asked.cpus,
        "time": asked.time_min,
        "requeue": True,
        "open-mode": "append",
        "signal": f"USR2@{cluster.signal_lead_s}",
        "output": slurm_output(run.log(job.name, submission.key, "\0")),
        "comment": f"stagecoach:{submission.key}",
    }
    flags.update(optional_flags(asked))
    if after:
        flags["dependency"] = f"afterok:{':'.join(after)}"
    flags.update(cluster.sbatch)
    return {name: value for name, value in flags.items() if value is not False}


def optional_flags(asked: Resources) -> dict[str, Any]:
    """Return the flags, by long name, for what `asked` does not leave to the cluster's defaults."""
    flags = {
        "mem": f"{int(asked.mem_gb * 1024)}M" if asked.mem_gb else None,
        "gpus-per-node": asked.gpus_per_node or None,
        "partition": asked.partition,
        "account": asked.account,
        "qos": asked.qos,
        "constraint": asked.constraint,
        "exclude": asked.exclude,
    }
    return {name: value for name, value in flags.items() if value is not None}


def flag_words(flags: Mapping[str, Any]) -> list[str]:
    """Return flags as words of a command line; True is a flag without a value, False none at all."""
    words = {name: f"--{name}" if value is True else f"--{name}={value}" for name, value in flags.items()}
    return [word for name, word in words.items() if flags[name] is not False]


def slurm_output(path: Path) -> str:
    """Return `--output` for a log whose name holds \\0 where the element goes; /dev/null for what Slurm cannot carry.

    Slurm reads %x patterns and backslashes in it. The script redirects itself into the log in any case: this line only
    catches what Slurm has to say before the script's first line runs.
    """
    text = str(path)
    return "/dev/null" if re.search(r"[\\\x01-\x1f]", text) else text.replace("%", "%%").replace("\0", "%a")


def flag_value(value: Any) -> str:
    """Return a value for an #SBATCH line: one line, in quotes where needed.

    sbatch does no shell expansion on these lines, but splits on blanks and honours quotes. A line break would start a
    new line of the script, so it becomes a blank: only names and comments can hold one.
    """
    return shlex.quote(re.sub(r"[\r\n\x00-\x1f]+", " ", str(value)))


def _launch(job: Job, cluster: Cluster, python: str) -> str:
    if cluster.kind == "local":
        return shlex.join([python, "-m", "jobs.run.ranks", str(job.step.ranks)])
    # --cpus-per-task again: since Slurm 22.05 srun does not take it over from the batch script.
    size = [f"--ntasks={job.step.ranks}", f"--cpus-per-task={job.resources.cpus}"]
    return shlex.join(["srun", "--kill-on-bad-exit=1", *size, "--unbuffered", *cluster.srun_args])


def _environment() -> jinja2.Environment:
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        autoescape=False,
    )
    filters: Mapping[str, Any] = {"quote": shlex.quote, "flag": flag_value}
    made.filters.update(filters)
    return made
