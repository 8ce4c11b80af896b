"""The only place that starts anything: submitit executors for Slurm and for this machine.

Both hand over a rendered batch script whose payload is ids (step folder, submission key, element number), never a
pickle: what runs is the code snapshot. The subclasses exist because submitit's own array path cannot be given a
template, packs closures, and has no answer to MaxArraySize or to a submission that timed out halfway.
"""

from __future__ import annotations

import atexit
import functools
import os
import re
import shlex
import shutil
import signal
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from submitit.core.utils import FailedJobError
from submitit.local.local import LocalExecutor, LocalJob
from submitit.slurm.slurm import SlurmExecutor

from jobs.paths import RunPaths
from jobs.submit import slurm
from stages.shared.errors import ClusterError
from stages.shared.files import write_atomic

KEPT = ("SLURM_CONF", "SLURM_CLUSTERS")
"""Variables of an enclosing allocation are not handed on to what is submitted from within it, except these."""
BUSY = (
    "Socket timed out",
    "Unable to contact slurm controller",
    "temporarily unable to accept",
    "Transport endpoint",
    "try again",
)
TRIES = 5


class ArrayExecutor(SlurmExecutor):
    """submitit's Slurm executor, submitting one rendered script as one array."""

    def __init__(self, run: RunPaths, text: str) -> None:
        super().__init__(folder=_submitit_folder(run))
        self._text = text

    def _make_submission_file_text(self, command: str, uid: str) -> str:
        return self._text

    def _make_submission_command(self, submission_file_path: Path) -> list[str]:
        leaked = [
            name
            for name in os.environ
            if name.startswith(("SLURM_", "SBATCH_", "SRUN_", "SUBMITIT_")) and name not in KEPT
        ]
        unset = [word for name in leaked for word in ("-u", name)]
        return ["env", *unset, "sbatch", "--parsable", str(submission_file_path)]

    @staticmethod
    def _get_job_id_from_submission_command(string: bytes | str) -> str:
        text = string.decode() if isinstance(string, bytes) else string
        found = re.search(r"^(\d+)(;.*)?$", text, re.MULTILINE)  # "id;cluster" on a federation
        if found is None:
            raise ClusterError(f"sbatch accepted the job but its answer holds no id: {text.strip()!r}")
        return found.group(1)

    def submit_text(self) -> str:
        """Submit and return the array's id. Raises FailedJobError with sbatch's words."""
        return str(self._submit_command(self._submitit_command_str).job_id)


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


def submit_array(
    run: RunPaths, text: str, key: str, log: Callable[[str], None], pause: Callable[[float], None] = time.sleep
) -> str:
    """Submit a script to Slurm and return the array's id.

    A busy controller is asked again with growing pauses. When it is unclear whether a try went through, the queue is
    searched for the submission's key first, so that nothing is submitted twice. Raises ClusterError for a refusal.
    """
    executor = ArrayExecutor(run, text)
    for attempt in range(1, TRIES + 1):
        try:
            return executor.submit_text()
        except FailedJobError as error:
            words = _slurm_words(str(error))
            if not any(sign in words for sign in BUSY):
                raise ClusterError(f"sbatch refused the array {key}: {words}") from None
            if attempt == TRIES:
                raise ClusterError(
                    f"Slurm's controller was busy {TRIES} times: {words}. Run the same command again later"
                ) from None
            log(f"Slurm is busy ({words}); trying again")
            pause(2.0**attempt)
            if found := find_submitted(key):
                return found
    raise AssertionError("unreachable")


def find_submitted(key: str) -> str:
    """Return the id of the array with this key in its comment if Slurm knows it, else ""."""
    return next((row.slurm_id.partition("_")[0] for row in slurm.queue() if row.comment == f"stagecoach:{key}"), "")


def write_script(run: RunPaths, key: str, text: str) -> Path:
    """Keep a script with the run: what was submitted, or what the local cluster runs."""
    path = run.scripts / f"{key}.sh"
    write_atomic(path, text)
    return path


def _slurm_words(text: str) -> str:
    """Return the lines of a failed call that Slurm itself wrote."""
    lines = [line.strip() for line in text.splitlines() if "error:" in line.lower()]
    return "; ".join(line.removeprefix("sbatch: ").removeprefix("error: ") for line in lines) or text.strip()[-300:]
