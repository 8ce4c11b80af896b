"""The only place that starts anything: sbatch for Slurm, submitit's executor for this machine.

Both hand over a rendered batch script whose payload is ids (step folder, submission key, element number), never a
pickle: what runs is the code snapshot. sbatch is called here, not by submitit: submitit packs closures, and waits
without end for an sbatch that sleeps or hangs.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import itertools
import os
import re
import shlex
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from submitit.local.local import LocalExecutor, LocalJob

from jobs.paths import RunPaths
from jobs.submit import slurm
from jobs.submit.ledger import claimed
from stages.shared.errors import ClusterError, StagecoachError
from stages.shared.files import write_atomic

KEPT = ("SLURM_CONF", "SLURM_CLUSTERS")
"""Variables of an enclosing allocation are not handed on to what is submitted from within it, except these."""
BUSY = (
    "Socket timed out",
    "Unable to contact slurm controller",
    "Transport endpoint",
    "Protocol authentication error",
    "try again",
    "gave no answer",
)
"""Signs that the controller did not answer; it may have the array all the same."""
FULL = ("temporarily unable to accept", "queue full")
"""Signs of the cluster's limit on jobs (MaxJobCount), which ends when some have ended."""
LIMIT = re.compile(r"\b(?:QOS|Assoc)\w*(?:Per|Min|Max|Grp)\w*")
"""Slurm's name of a limit of a QOS or an association. Only one on submitted jobs ends when some have ended."""
NAMELESS = "job submit limit"
"""Part of the sentence for every limit. Slurm before 20.11 says no more."""
NOWHERE = ("node configuration is not available", "Required node", "nodes are busy", "Required partition not available")
"""Answers of --test-only to what cannot be placed at present: because it never can, or because nodes are down."""
SLEEPS = "sleeping and retrying"
"""sbatch says so, and then is silent for minutes."""
TRIES = 5
LONGEST_PAUSE_S = 30.0
REMIND_EVERY = 20
"""Tries between two messages of a launcher that waits."""
Kind = Literal["busy", "full", "refused"]


class RefusedError(ClusterError):
    """Slurm takes no such array."""

    def __init__(self, what: str, words: str) -> None:
        self.words = words
        super().__init__(f"sbatch refused {what}: {words}")


class FullError(ClusterError):
    """Slurm takes no more jobs now, this array neither."""


@dataclass(frozen=True, kw_only=True)
class Patience:
    """How a launcher treats a Slurm that takes nothing now."""

    log: Callable[[str], None]
    waits: bool = False
    """Whether to try until Slurm takes the array."""
    is_cancelled: Callable[[], bool] = lambda: False
    """Whether somebody has cancelled the run meanwhile."""
    pause: Callable[[float], None] = time.sleep
    before_wait: Callable[[], None] = lambda: None
    """Called while Slurm takes no more jobs: what is held must go on, or no job would ever end."""

    def go_on(self) -> None:
        """Raise StagecoachError if the run was cancelled meanwhile."""
        if self.is_cancelled():
            raise StagecoachError("the run was cancelled: nothing more is submitted")


class ElementExecutor(LocalExecutor):
    """submitit's local executor, running one element of a rendered script on this machine."""

    def __init__(self, run: RunPaths, time_min: float, lead_s: int) -> None:
        super().__init__(folder=_submitit_folder(run))
        self.update_parameters(timeout_min=time_min, signal_delay_s=lead_s, tasks_per_node=1, stderr_to_stdout=True)

    def start(self, script: Path, log: Path, element: int, restart: int) -> LocalJob[Any]:
        """Start one element in the background; its output goes to the log."""
        log.parent.mkdir(parents=True, exist_ok=True)
        line = f"exec bash {shlex.quote(str(script))} >>{shlex.quote(str(log))} 2>&1"
        command = ["env", f"STAGECOACH_ELEMENT={element}", f"STAGECOACH_RESTART={restart}", "bash", "-c", line]
        ignored = signal.signal(
            signal.SIGINT, signal.SIG_IGN
        )  # Ctrl-C is for the launcher: it asks its children to save and stop
        try:
            return self._submit_command(shlex.join(command))
        finally:
            signal.signal(signal.SIGINT, ignored)


@functools.cache
def _submitit_folder(run: RunPaths) -> Path:
    """Return the folder for submitit's own files: in the run, unless its path holds a %.

    submitit replaces %j in paths, knows no escape for it, and would scatter folders beside the run.
    """
    if "%" in str(run.root):
        folder = Path(tempfile.mkdtemp(prefix="stagecoach-submitit-"))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        return folder
    folder = run.scripts / "submitit"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def submit_array(run: RunPaths, run_id: str, key: str, patience: Patience) -> str:
    """Submit the script of a submission to Slurm, held, and return the array's id.

    A controller that is busy, or that takes no more jobs now, is asked again with growing pauses: some times, or until
    it takes the array, see Patience. When it is unclear whether a try went through, the queue is searched for the
    submission first, so that nothing is submitted twice. Raises RefusedError, ClusterError; StagecoachError if the run
    was cancelled.
    """
    for attempt in itertools.count(1):
        patience.go_on()
        code, said = _sbatch("--parsable", "--hold", str(run.scripts / f"{key}.sh"))
        if not code:
            return _id_in(said)
        words = _slurm_words(said)
        kind = _kind(words)
        if kind == "refused":
            raise RefusedError(f"the array {key}", words)
        if kind == "full" and not patience.waits:
            raise FullError(
                f"Slurm takes no more jobs now: {words}. What was submitted stays; run the same command again when "
                "some jobs have ended, or with --wait, which waits for that"
            )
        if kind == "full":
            patience.before_wait()
        if attempt == TRIES and not patience.waits:
            raise ClusterError(f"Slurm's controller was busy {TRIES} times: {words}. Run the same command again later")
        if attempt % REMIND_EVERY == 1 or not patience.waits:
            what = "takes no more jobs now" if kind == "full" else "is busy"
            patience.log(f"Slurm {what} ({words}); trying again{' until it does' if patience.waits else ''}")
        if found := _found_after(run, run_id, key, min(2.0**attempt, LONGEST_PAUSE_S), patience):
            return found
    raise AssertionError("unreachable")


def _found_after(run: RunPaths, run_id: str, key: str, seconds: float, patience: Patience) -> str:
    """Return, after a pause, the id of the submission's array if it has arrived, "" if it has not.

    A launcher that waits goes on until the queue can be read.
    """
    while True:
        patience.pause(seconds)
        patience.go_on()
        try:
            return claimed(run, key) or find_submitted(run_id).get(key, "")
        except ClusterError:
            if not patience.waits:
                raise


def _kind(words: str) -> Kind:
    """Return what became of a failed submission."""
    if any(sign in words for sign in BUSY):
        return "busy"
    if any(sign in words for sign in FULL):
        return "full"
    if named := LIMIT.findall(words):
        return "full" if any("SubmitJob" in name for name in named) else "refused"
    return "full" if NAMELESS in words and slurm.queue() else "refused"


def try_flags(what: str, flags: Sequence[str], partition: str | None) -> str:
    """Ask Slurm, by `sbatch --test-only`, whether it would take an array with these flags; return its words.

    Raises RefusedError if it never would. Returns as well if that is unknown, as while nodes are down.
    """
    code, said = _sbatch("--test-only", "--array=0-0", *flags, "--wrap=true")
    words = _slurm_words(said)
    if not code or _kind(words) != "refused":
        return said
    if any(sign in words for sign in NOWHERE) and slurm.has_absent_nodes(partition):
        return said
    raise RefusedError(what, words)


def _sbatch(*arguments: str) -> tuple[int, str]:
    """Call sbatch; return its exit code and what it printed: the answer if it is 0, else its errors.

    Ends an sbatch that does not answer, and one that says that it will sleep. `timeout` does so even if this process is
    killed: an array that is not in the queue by then never comes.
    """
    variables = {name: value for name, value in os.environ.items() if not _is_of_an_allocation(name)}
    command = ["timeout", "--kill-after=5", str(slurm.TIMEOUT_S), "sbatch", *arguments]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors="replace", env=variables
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        errors = []
        for line in process.stderr:
            errors.append(line)
            if SLEEPS in line:
                process.terminate()
        said = process.stdout.read()
    if process.returncode == 0:
        return 0, said or "".join(errors)  # --test-only answers on stderr
    if process.returncode in (124, 137):
        errors.append(f"sbatch: error: sbatch gave no answer in {slurm.TIMEOUT_S} s\n")
    return process.returncode, "".join(errors)


def _is_of_an_allocation(variable: str) -> bool:
    return variable.startswith(("SLURM_", "SBATCH_", "SRUN_", "SUBMITIT_")) and variable not in KEPT


def _id_in(answer: str) -> str:
    found = re.search(r"^(\d+)(;.*)?$", answer, re.MULTILINE)  # "id;cluster" on a federation
    if found is None:
        raise ClusterError(f"sbatch accepted the job but its answer holds no id: {answer.strip()!r}")
    return found.group(1)


def find_submitted(run_id: str) -> dict[str, str]:
    """Return the arrays of a run that Slurm knows, by the key of their submission."""
    return {row.key: row.array for row in slurm.queue() if row.run == run_id}


def is_under_way(key: str) -> bool:
    """Return whether an sbatch for this submission still runs on this machine: it outlives its launcher."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            line = path.read_bytes()
            if b"sbatch" in line and f"/{key}.sh".encode() in line:
                return True
    return False


def write_script(run: RunPaths, key: str, text: str) -> Path:
    """Keep a script with the run: what was submitted, or what the local cluster runs."""
    path = run.scripts / f"{key}.sh"
    write_atomic(path, text)
    return path


def _slurm_words(text: str) -> str:
    """Return the lines of a failed call that Slurm itself wrote."""
    lines = [line.strip() for line in text.splitlines() if "error:" in line.lower()]
    return "; ".join(line.removeprefix("sbatch: ").removeprefix("error: ") for line in lines) or text.strip()[-300:]
