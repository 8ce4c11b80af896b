"""Checks of a Slurm cluster against its cluster file: limits, partitions, signals, preemption, and a node's view.

The `judge_*` functions are pure, over the output of `scontrol show`. Nothing here needs accounting.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from envs import levels
from jobs.checks.finding import Finding
from jobs.checks.machine import stages_python
from jobs.plan.cluster import STAND_INS, Cluster, Resources
from jobs.submit.render import flag_words, optional_flags
from jobs.submit.slurm import call
from stages.shared.errors import ClusterError

ABOUT = "Slurm"
PROGRAMS = ("sbatch", "srun", "squeue", "scontrol", "scancel", "sinfo")
EARLY_S = 60
"""Slurm may send the signal of --signal this many seconds early (man sbatch)."""
PATIENCE_S = 10
"""Seconds to wait for a free node."""
LIMIT_S = 60
SKEW_S = 5
NODE_CHECK = Path(levels.__file__).with_name("check_node.py")


def findings(cluster: Cluster, runs: Path | None) -> Iterator[Finding]:
    """Yield the findings about the Slurm that this process calls. Nodes are checked if there is a folder of runs."""
    if absent := [program for program in PROGRAMS if shutil.which(program) is None]:
        remedy = (
            "Call the launcher on a login node, or load Slurm's module; without Slurm use --cluster local or testbed."
        )
        yield Finding(ABOUT, "fail", f"no {', '.join(absent)} on this machine", remedy)
        return
    try:
        began = time.monotonic()
        config = parse_config(call(["scontrol", "show", "config"]))
        took = time.monotonic() - began
        partitions = parse_partitions(call(["scontrol", "show", "partition", "--oneliner"]))
        yield Finding(ABOUT, "ok", f"Slurm {config.get('SLURM_VERSION', '?')} answers in {took:.2f} s")
    except ClusterError as error:
        what = "; ".join(str(error).splitlines())
        yield Finding(ABOUT, "fail", what, "See `scontrol ping`; SLURM_CONF may have to be set.")
        return
    yield from judge_config(config, cluster)
    yield from judge_environment(cluster)
    looked_at = set()
    for shape, asked in shapes(cluster).items():
        found = list(judge_shape(shape, asked, partitions, config, cluster))
        if not any(finding.level == "fail" for finding in found):
            found.append(dry_submission(shape, asked, cluster))
        yield from found
        partition = asked.partition or default_partition(partitions)
        if found[-1].level != "fail" and runs is not None and partition not in looked_at:
            looked_at.add(partition)
            yield from node(f"{shape} jobs", asked, cluster, runs)


def shapes(cluster: Cluster) -> dict[str, Resources]:
    """Return the resources of each shape that the cluster file defines, and of those that other shapes fall back to."""
    names = [*(name for name, other in STAND_INS.items() if other is None), *cluster.defaults]
    return {name: cluster.shape(name) for name in names}


def parse_config(text: str) -> dict[str, str]:
    """Return the settings in the output of `scontrol show config`, lines of `Name = value`."""
    return dict(re.findall(r"^(\w+)\s*=\s*(.*?)\s*$", text, re.MULTILINE))


def parse_partitions(text: str) -> dict[str, dict[str, str]]:
    """Return the settings of each partition from `scontrol show partition --oneliner`."""
    rows = [dict(word.split("=", 1) for word in line.split() if "=" in word) for line in text.splitlines()]
    return {row["PartitionName"]: row for row in rows if "PartitionName" in row}


def default_partition(partitions: Mapping[str, Mapping[str, str]]) -> str | None:
    """Return the partition of jobs that name none; None if there is none."""
    return next((name for name, row in partitions.items() if row.get("Default") == "YES"), None)


def minutes(text: str) -> float:
    """Return a Slurm time such as 1-00:00:00 or UNLIMITED in minutes."""
    match = re.fullmatch(r"(?:(\d+)-)?(\d+):(\d+):(\d+)", text)
    if match is None:
        return float("inf")
    days, hours, mins, secs = (int(part or 0) for part in match.groups())
    return days * 1440 + hours * 60 + mins + secs / 60


def judge_config(config: Mapping[str, str], cluster: Cluster) -> Iterator[Finding]:
    """Yield the findings about the controller's settings: arrays, requeueing, dependencies, accounting."""
    size = int(config.get("MaxArraySize", "1001"))
    if size < 2:
        remedy = "Ask the administrators for MaxArraySize in slurm.conf; until then use --cluster local inside a job."
        yield Finding(ABOUT, "fail", "job arrays are switched off (MaxArraySize)", remedy)
    elif cluster.max_array_size and cluster.max_array_size > size:
        what = f"max_array_size is {cluster.max_array_size}, but Slurm takes indices below {size} only"
        yield Finding(ABOUT, "fail", what, "Remove max_array_size from the cluster file: Slurm is asked then.")
    else:
        pieces = cluster.max_array_size or size
        yield Finding(ABOUT, "ok", f"arrays of up to {pieces} elements; longer ones are cut in pieces")
    found = re.search(r"cred_expire=(\d+)", config.get("AuthInfo", ""))
    delay = int(found.group(1)) if found else 120
    yield Finding(ABOUT, "ok", f"a requeued job starts again after {delay} s at the earliest")
    kill_wait = int(config.get("KillWait", "30").split()[0])
    if kill_wait < 5:
        remedy = "Jobs that are cancelled or preempted may lose the steps since their last checkpoint."
        yield Finding(ABOUT, "warn", f"KillWait leaves {kill_wait} s between TERM and KILL", remedy)
    if "kill_invalid_depend" in config.get("DependencyParameters", ""):
        remedy = "That is safe: `launch.py heal` submits it again."
        yield Finding(ABOUT, "warn", "a failed job cancels all that waits behind it (kill_invalid_depend)", remedy)
    if "none" in config.get("AccountingStorageType", "none"):
        yield Finding(ABOUT, "ok", "no accounting (sacct): states are read from the queue and the run's own ledger")


def judge_environment(cluster: Cluster) -> Iterator[Finding]:
    """Yield each variable of a cluster file that looks like a secret: its value is written into scripts."""
    for name in cluster.environment:
        if re.search(r"(^|_)(TOKEN|SECRET|PASSWORD|PASSWD|(API)?KEY)(_|$)", name, re.IGNORECASE):
            remedy = "Put it in a file that only you can read, and read that file in your code or shell start-up."
            yield Finding(
                ABOUT, "fail", f"environment.{name} in the cluster file would be written into scripts", remedy
            )


def judge_shape(
    shape: str,
    asked: Resources,
    partitions: Mapping[str, Mapping[str, str]],
    config: Mapping[str, str],
    cluster: Cluster,
) -> Iterator[Finding]:
    """Yield the findings about a shape's partition: whether it takes such jobs and signals them in time."""
    about = f"{shape} jobs"
    setting = f"defaults.{shape}"
    name = asked.partition or default_partition(partitions)
    if name is None:
        yield Finding(about, "fail", "Slurm has no default partition", f"Set {setting}.partition: {known(partitions)}")
        return
    for part in name.split(","):
        if part not in partitions:
            yield Finding(about, "fail", f"no partition {part!r}", f"Set {setting}.partition: {known(partitions)}")
            return
        row = partitions[part]
        if row.get("State", "UP") != "UP":
            yield Finding(about, "fail", f"partition {part} is {row['State']}", f"Set another {setting}.partition.")
        if asked.time_min > minutes(row.get("MaxTime", "UNLIMITED")):
            what = f"time_min is {asked.time_min}, but partition {part} ends jobs after {row['MaxTime']}"
            yield Finding(about, "fail", what, f"Lower {setting}.time_min.")
        yield from judge_preemption(about, part, row, config)
    if asked.time_min * 60 < cluster.signal_lead_s + 2 * EARLY_S:
        lead = cluster.signal_lead_s
        what = f"of {asked.time_min} min, the last {lead} s are after the signal, which may come {EARLY_S} s early"
        yield Finding(about, "fail", what, f"Raise {setting}.time_min or lower signal_lead_s.")


def judge_preemption(about: str, part: str, row: Mapping[str, str], config: Mapping[str, str]) -> Iterator[Finding]:
    """Yield the findings about preemption in a partition: the signals, and the time to save."""
    mode = row.get("PreemptMode", "OFF")
    if mode == "OFF" or "none" in config.get("PreemptType", "none"):
        return
    if mode == "CANCEL":
        remedy = "Their units are lost until you call `launch.py heal`; prefer a partition that requeues."
        yield Finding(about, "warn", f"partition {part} cancels preempted jobs", remedy)
        return
    grace = row.get("GraceTime", "0")
    signals = config.get("SlurmctldParameters", "") + config.get("PreemptParameters", "")
    heard = "USR2, then TERM" if "send_user_signal" in signals else "TERM"
    if grace == "0":
        remedy = "Training falls back to its last checkpoint: save often. Administrators can set GraceTime."
        yield Finding(about, "warn", f"partition {part} is preemptible without notice (GraceTime=0)", remedy)
    else:
        yield Finding(about, "ok", f"partition {part} is preemptible: {heard}, then {grace} s to save; {mode.lower()}d")


def known(partitions: Mapping[str, Mapping[str, str]]) -> str:
    """Return the known partitions, for a remedy."""
    return "there are " + ", ".join(sorted(partitions))


def dry_submission(shape: str, asked: Resources, cluster: Cluster) -> Finding:
    """Return whether sbatch accepts an element of a shape, from `sbatch --test-only`."""
    flags = {
        "nodes": 1,
        "ntasks": max(asked.ranks_per_node, asked.lanes(ranks=1)),
        "cpus-per-task": asked.cpus,
        "time": asked.time_min,
        "signal": f"USR2@{cluster.signal_lead_s}",
        **optional_flags(asked),
        **cluster.flags(asked),
    }
    words = flag_words(flags)
    about = f"{shape} jobs"
    done = _run(["sbatch", "--test-only", "--requeue", "--array=0-1", *words, "--wrap=true"])
    if done.returncode:
        what = f"sbatch refuses {' '.join(words)}: {_words(done.stderr)}"
        return Finding(about, "fail", what, f"Change defaults.{shape} in the cluster file.")
    start = re.search(r"to start at (\S+) .* in partition (\S+)", done.stderr)
    where = f"; one would start {_when(start.group(1))} in {start.group(2)}" if start else ""
    return Finding(about, "ok", f"sbatch accepts them{where}")


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    """Run a Slurm command. One without an answer after LIMIT_S counts as failed."""
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=LIMIT_S)
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, 124, "", f"no answer within {LIMIT_S} s")


def _words(stderr: str) -> str:
    """Return the error messages of a Slurm command, without its name, each once."""
    lines = [re.sub(r"^\w+: (error: )?", "", line) for line in stderr.strip().splitlines()]
    return "; ".join(dict.fromkeys(lines)) or "no reason given"


def _when(start: str) -> str:
    wait = time.mktime(time.strptime(start, "%Y-%m-%dT%H:%M:%S")) - time.time()
    return "at once" if wait < 60 else f"at {start.replace('T', ' ')}"


def node(about: str, asked: Resources, cluster: Cluster, runs: Path) -> Iterator[Finding]:
    """Yield the findings of a job of a second on a node of the shape, if one is free within PATIENCE_S."""
    python = cluster.python or stages_python() or sys.executable
    flags = {"nodes": 1, "ntasks": 1, "time": 2, **optional_flags(asked), **cluster.flags(asked)}
    with tempfile.NamedTemporaryFile(prefix=".doctor-", dir=runs) as seen:
        before = time.time()
        words = flag_words(flags)
        probe = [python, "-c", NODE_CHECK.read_text(encoding="utf-8"), seen.name]
        done = _run(["srun", f"--immediate={PATIENCE_S}", *words, *cluster.srun_args, *probe])
        after = time.time()
    answer = re.search(r"^\{.*\}$", done.stdout, re.MULTILINE)
    if done.returncode == 0 and answer:
        yield from judge_node(about, json.loads(answer.group()), (before, after), runs, asked)
    elif "Unable to allocate" in done.stderr or "Immediate" in done.stderr:
        yield Finding(
            about,
            "warn",
            f"no node was free within {PATIENCE_S} s, none was checked",
            "Call the doctor again later.",
        )
    else:
        remedy = "Name a Python that the nodes have in the cluster file (`python`), on a file system that they share."
        yield Finding(about, "fail", f"{python} does not run there: {_words(done.stderr)}", remedy)


def judge_node(
    about: str, answer: Mapping[str, object], asked_between: tuple[float, float], runs: Path, asked: Resources
) -> Iterator[Finding]:
    """Yield the findings in an answer of envs/check_node.py. `asked_between`: our clock before and after the call."""
    host = answer["host"]
    if not answer["sees_runs"]:
        remedy = (
            "Put runs on a file system that all nodes share: `runs` in the cluster file, --runs or STAGECOACH_RUNS."
        )
        yield Finding(about, "fail", f"{host} does not see {runs}", remedy)
        return
    if not answer["may_write"]:
        yield Finding(
            about, "fail", f"{host} may not write in {runs}", "Choose a folder that is writable on the nodes."
        )
        return
    yield Finding(about, "ok", f"{host} runs Python {answer['python']} and writes in {runs}")
    before, after = asked_between
    clock = float(str(answer["time"]))
    skew = max(before - clock, clock - after, 0.0)
    if skew > SKEW_S:
        remedy = "Times in status and reports will be wrong; ask the administrators for NTP on the nodes."
        yield Finding(about, "warn", f"{host}'s clock is {skew:.0f} s off ours", remedy)
    if int(str(answer["open_files"])) < 4096:
        remedy = "Add `ulimit -n 65536` to `setup` in the cluster file."
        yield Finding(about, "warn", f"{host} allows {answer['open_files']} open files only", remedy)
    if asked.gpus_per_node and answer["memory_lock"] != -1:
        remedy = "NCCL over InfiniBand may fail; add `ulimit -l unlimited` to `setup`, or ask the administrators."
        yield Finding(about, "warn", f"{host} limits locked memory to {answer['memory_lock']} bytes", remedy)
