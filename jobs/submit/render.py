"""Job x cluster -> the text of a batch script, from templates/sbatch. Pure: reads no clock, no environment.

Every value on a shell line is quoted. A value that an #SBATCH line cannot carry is an error.
"""

from __future__ import annotations

import math
import re
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
from jinja2.sandbox import SandboxedEnvironment

from jobs.paths import RunPaths
from jobs.plan.cluster import Cluster, Resources
from jobs.plan.graph import Job
from jobs.submit.ledger import Submission
from jobs.submit.slurm import dependency
from stages.shared import log
from stages.shared.errors import ConfigError
from stages.shared.machine import GPU_ENVIRONMENT

TEMPLATES = Path(__file__).resolve().parents[2] / "templates" / "sbatch"


@dataclass(frozen=True, kw_only=True)
class Place:
    """An array's place in Slurm's queue."""

    comment: str = ""
    """Names the run and the submission."""
    throttle: int = 1
    """Elements of the array that may run at once: its share of the job's throttle."""
    after: tuple[str, ...] = ()
    """Arrays, or elements of arrays, that must succeed first."""
    behind: tuple[str, ...] = ()
    """Arrays that must end first, however they end."""

    @property
    def dependency(self) -> str:
        """Value of sbatch's --dependency; empty for an array that waits for nothing."""
        return dependency(self.after, self.behind)


def render_script(job: Job, submission: Submission, cluster: Cluster, run: RunPaths, code: Path, place: Place) -> str:
    """Return the whole script of one array; `code` is the snapshot to run.

    Raises ConfigError for a value that no script can carry.
    """
    slurm = cluster.kind == "slurm"
    python = cluster.python or sys.executable
    arguments = [str(run.root), job.name, submission.key]
    side_by_side = lanes(job, submission, cluster)
    environment = {
        "OMP_NUM_THREADS": str(job.resources.cpus),
        **(GPU_ENVIRONMENT if job.resources.gpus_per_node else {}),
        **cluster.environment,
        "STAGECOACH_RANKS": str(job.step.ranks),
        **({"STAGECOACH_LANES": str(side_by_side)} if side_by_side > 1 else {}),
        **({"PYTHONDONTWRITEBYTECODE": "1"} if cluster.shared else {}),  # bytecode that colleagues could change
        **({log.FORMAT: cluster.log_format} if cluster.log_format != "text" else {}),
    }
    for name, value in environment.items():
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
            raise ConfigError(f"environment.{name}", value, "a variable name of letters, digits and _")
    inside = container_words(cluster, run, code, bool(job.resources.gpus_per_node))
    worker = shlex.join([*inside.worker, python, "-u", "-m", "jobs.run.worker", *arguments])
    attempt_end = shlex.join([*inside.end, python, "-m", "jobs.run.attempt_end", *arguments])
    text: str = job_template(cluster).render(
        flags=sbatch_flags(job, submission, cluster, run, place) if slurm else {},
        slurm=slurm,
        shared=cluster.shared,
        umask=cluster.umask,
        environment=environment,
        code=str(code),
        log_stem=str(run.logs(job.name) / f"{submission.key}."),
        code_name=code.name,
        node_copy=_node_copy(job, cluster),
        setup=cluster.setup,
        epilogue=cluster.epilogue,
        launch=_launch(job, cluster, [*inside.ranks, python], [*cluster.srun_args, *inside.srun], side_by_side),
        worker=worker,
        attempt_end=attempt_end,
    )
    if lacking := [part for part in (worker, attempt_end, 'exit "$code"') if part not in text]:
        raise ConfigError("template", cluster.template, f"a template of a script that holds the line {lacking[0]!r}")
    return text


@dataclass(frozen=True, kw_only=True)
class Inside:
    """The words that bring processes into a container."""

    worker: tuple[str, ...] = ()
    """Before the worker, behind srun."""
    end: tuple[str, ...] = ()
    """Before the script's last act."""
    ranks: tuple[str, ...] = ()
    """Before the local cluster's small srun, which then has the workers inside."""
    srun: tuple[str, ...] = ()
    """Further flags of srun."""


def container_words(cluster: Cluster, run: RunPaths, code: Path, gpus: bool) -> Inside:
    """Return the words for the container of a cluster; none without one."""
    box = cluster.container
    if box is None:
        return Inside()
    binds = ",".join((str(run.root), *box.binds))
    if box.kind == "apptainer":
        words = ("apptainer", "exec", *(("--nv",) if gpus else ()), "--bind", binds, *box.args, box.image)
        return Inside(end=words, **({"worker": words} if cluster.kind == "slurm" else {"ranks": words}))
    mounts = ",".join(part if ":" in part else f"{part}:{part}" for part in (str(run.root), *box.binds))
    flags = (f"--container-image={box.image}", f"--container-mounts={mounts}", f"--container-workdir={code}", *box.args)
    return Inside(srun=flags, end=("srun", "--nodes=1", "--ntasks=1", "--overlap", *flags))


def _node_copy(job: Job, cluster: Cluster) -> str | None:
    """Return the folder for copies of the code on nodes; None for elements of several nodes, which share one script."""
    is_alone = cluster.kind == "slurm" and job.resources.nodes(job.step.ranks) == 1
    sees_nodes = cluster.container is None or cluster.container.kind == "apptainer"
    return cluster.node_copy if is_alone and sees_nodes else None


def job_template(cluster: Cluster) -> jinja2.Template:
    """Return the launcher's template, or the site's. Raises ConfigError for one that is no template."""
    made = batch_templates()
    if cluster.template is None:
        return made.get_template("job.sh.j2")
    try:
        return made.from_string(template_text(cluster.template))
    except (OSError, UnicodeError, jinja2.TemplateError) as error:
        raise ConfigError("template", cluster.template, f"the path of a batch script's template ({error})") from None


def template_text(path: str) -> str:
    """Return the text of a site's template. Raises OSError and UnicodeError."""
    return Path(path).expanduser().read_text(encoding="utf-8")


def sbatch_flags(job: Job, submission: Submission, cluster: Cluster, run: RunPaths, place: Place) -> dict[str, Any]:
    """Return the #SBATCH flags by long name, in the order they are written."""
    count = len(submission.elements)
    flags: dict[str, Any] = {
        "job-name": f"{run.root.name}:{job.name}",
        "array": f"0-{count - 1}%{min(count, place.throttle)}",
        **element_flags(job, lanes(job, submission, cluster), cluster),
        "open-mode": "append",
        "output": slurm_output(run.log(job.name, submission.key, "\0")),
        "comment": place.comment,
    }
    if place.dependency:
        flags["dependency"] = place.dependency
    return flags


def element_flags(job: Job, side_by_side: int, cluster: Cluster) -> dict[str, Any]:
    """Return the flags, by long name, that say what an element asks for: what sbatch can refuse."""
    asked, ranks = job.resources, job.step.ranks
    flags = {
        "nodes": asked.nodes(ranks),
        "ntasks": ranks * side_by_side,
        "ntasks-per-node": min(ranks, asked.ranks_per_node) * side_by_side,
        "cpus-per-task": asked.cpus,
        "time": asked.time_min,
        "requeue": True,
        "signal": f"USR2@{cluster.signal_lead_s}",
        **optional_flags(asked),
        **cluster.flags(asked),
    }
    return {name: value for name, value in flags.items() if value is not False}


def lanes(job: Job, submission: Submission, cluster: Cluster) -> int:
    """Return the number of processes that share an element's units, side by side on its node.

    The local cluster has none: it runs elements side by side.
    """
    if cluster.kind == "local":
        return 1
    return min(job.resources.lanes(job.step.ranks), max(map(len, submission.elements)))


def optional_flags(asked: Resources) -> dict[str, Any]:
    """Return the flags, by long name, for the resources that are not left to the cluster's defaults."""
    flags = {
        "mem": f"{math.ceil(asked.mem_gb * 1024)}M" if asked.mem_gb else None,
        "gpus-per-node": asked.gpus_per_node or None,
        "partition": asked.partition,
        "account": asked.account,
        "qos": asked.qos,
        "reservation": asked.reservation,
        "constraint": asked.constraint,
        "licenses": asked.licenses,
        "exclude": asked.exclude,
    }
    return {name: value for name, value in flags.items() if value is not None}


def flag_words(flags: Mapping[str, Any]) -> list[str]:
    """Return flags as words of a command line; True is a flag without a value, False is no flag."""
    words = {name: f"--{name}" if value is True else f"--{name}={value}" for name, value in flags.items()}
    return [word for name, word in words.items() if flags[name] is not False]


def slurm_output(path: Path) -> str:
    """Return `--output` for a log whose path holds \\0 in place of the element.

    Slurm interprets %x patterns and backslashes in it. Returns /dev/null for a path that Slurm cannot carry. The script
    redirects its own output into the same log: this flag only catches what Slurm says before the script's first line.
    """
    text = str(path)
    return "/dev/null" if re.search(r"[\\\x01-\x1f]", text) else text.replace("%", "%%").replace("\0", "%a")


def flag_value(value: Any) -> str:
    """Return a value for an #SBATCH line: one line, in quotes where needed.

    sbatch expands nothing on these lines, but splits on blanks and honours quotes. A line break would start a new line
    of the script, so it becomes a blank; only names and comments can hold one.
    """
    return shlex.quote(re.sub(r"[\r\n\x00-\x1f]+", " ", str(value)))


def _launch(job: Job, cluster: Cluster, python: Sequence[str], srun_args: Sequence[str], side_by_side: int) -> str:
    if cluster.kind == "local":
        return shlex.join([*python, "-m", "jobs.run.ranks", str(job.step.ranks)])
    # Ranks wait for each other for ever when one of them dies; lanes do not know each other.
    kill = f"--kill-on-bad-exit={int(side_by_side == 1)}"
    # --cpus-per-task again: since Slurm 22.05 srun does not inherit it from the batch script.
    size = [f"--ntasks={job.step.ranks * side_by_side}", f"--cpus-per-task={job.resources.cpus}"]
    return shlex.join(["srun", kill, *size, "--unbuffered", *srun_args])


def batch_templates() -> jinja2.Environment:
    """Return the environment of templates/sbatch: the filter `quote` is for shell lines, `flag` for #SBATCH lines."""
    made = SandboxedEnvironment(  # a site's template is somebody else's text
        loader=jinja2.FileSystemLoader(TEMPLATES),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        autoescape=False,
    )
    filters: Mapping[str, Any] = {"quote": shlex.quote, "flag": flag_value}
    made.filters.update(filters)
    return made
