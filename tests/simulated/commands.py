"""Slurm's commands in front of a simulated controller: real processes on PATH that speak the real formats.

    with Door(slurm, folder) as door:      PATH = f"{door.bin}:{PATH}"

Each command is a small client that hands its arguments to the simulation through a socket and prints the answer.
"""

from __future__ import annotations

import contextlib
import json
import os
import socketserver
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.simulated.slurm import OVER, RUNNING, RefusedError, Slurm, array_of

CLIENT = """\
import json, os, socket, sys, time
with socket.socket(socket.AF_UNIX) as door:
    door.connect(sys.argv[1])
    door.sendall(json.dumps(sys.argv[2:]).encode() + b"\\n")
    answer = json.loads(door.makefile("rb").read())
sys.stdout.write(answer["out"])
sys.stderr.write(answer["err"])
sys.stdout.flush(), sys.stderr.flush()
time.sleep(answer["sleep"])
os._exit(answer["code"])
"""
NAMES = ("sbatch", "squeue", "scontrol", "scancel", "sinfo", "sacct")
BUSY = "Batch job submission failed: Socket timed out on send/recv operation"


class Door:
    """A folder of commands, and the thread that answers them."""

    def __init__(self, slurm: Slurm, folder: Path) -> None:
        self.slurm, self.bin = slurm, folder / "bin"
        self.calls: list[list[str]] = []
        self.plans: list[Callable[[list[str]], dict[str, object] | None]] = []
        """Planted failures: the first that answers a call takes its place."""
        self._lock = threading.Lock()
        self.bin.mkdir(parents=True, exist_ok=True)
        self._socket = str(folder / "door")
        (folder / "client.py").write_text(CLIENT, encoding="utf-8")
        for name in NAMES:
            path = self.bin / name
            client = f"'{sys.executable}' -IS '{folder}/client.py' '{self._socket}' {name}"
            path.write_text(f'#!/bin/sh\nexec {client} "$@"\n', encoding="utf-8")
            path.chmod(0o755)

    def __enter__(self) -> Door:
        door = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                arguments = json.loads(self.rfile.readline())
                with door._lock:
                    answer = door.answer(arguments)
                with contextlib.suppress(BrokenPipeError):  # the caller was killed meanwhile
                    self.wfile.write(json.dumps(answer).encode())

        Path(self._socket).unlink(missing_ok=True)
        self._server = socketserver.ThreadingUnixStreamServer(self._socket, Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def path(self) -> str:
        """PATH with the commands in front."""
        return f"{self.bin}:{os.environ['PATH']}"

    def answer(self, words: list[str]) -> dict[str, object]:
        """Return what a command prints, its exit code, and how long it hangs after that."""
        self.calls.append(words)
        for plan in self.plans:
            if (planned := plan(words)) is not None:
                return planned
        try:
            return said(getattr(self, f"_{words[0]}")(words[1:]))
        except RefusedError as error:
            return said(err=f"{words[0]}: error: {error}\n", code=1)

    def count(self, *words: str) -> int:
        """Return how often a command was called with these first words."""
        return sum(tuple(call[: len(words)]) == words for call in self.calls)

    def _sbatch(self, words: Sequence[str]) -> str:
        flags = {word[2:].partition("=")[0]: word.partition("=")[2] for word in words if word.startswith("--")}
        if "test-only" in flags:
            if flags.get("partition", "main") not in ("main", "long"):
                raise RefusedError(f"invalid partition specified: {flags['partition']}")
            array_of(flags["array"])
            return ""
        script = Path(words[-1]).read_text(encoding="utf-8")
        array = self.slurm.submit(script, {"hold": ""} if "hold" in flags else {})
        return f"{array}\n" if "parsable" in flags else f"Submitted batch job {array}\n"

    def _squeue(self, words: Sequence[str]) -> str:
        rows = []
        for array in self.slurm.arrays.values():
            for index, element in array.elements.items():
                if element.state not in OVER:
                    reason = self.slurm.reason(array, element)
                    columns = (f"{array.id}_{index}", element.state, reason, element.node, element.restarts)
                    rows.append("|".join(map(str, (*columns, array.comment))))
        return "".join(f"{row}\n" for row in rows)

    def _scontrol(self, words: Sequence[str]) -> str:
        match list(words):
            case ["show", "config"]:
                return f"MaxArraySize            = {self.slurm.max_array_size}\nMaxJobCount = {self.slurm.max_jobs}\n"
            case ["show", "partition", *_]:
                return "PartitionName=main Default=YES State=UP MaxTime=UNLIMITED\nPartitionName=long State=UP\n"
            case ["release", ids]:
                self._each(ids, self.slurm.release)
            case ["hold", ids]:
                self._each(ids, self.slurm.hold)
            case ["requeue", ids]:
                self._each(ids, self.slurm.requeue)
            case ["update", *settings]:
                self._update({word.partition("=")[0]: word.partition("=")[2] for word in settings})
            case _:
                raise RefusedError(f"invalid keyword: {words}")
        return ""

    @staticmethod
    def _each(ids: str, change: Callable[[str], None]) -> None:
        for each in ids.split(","):
            change(each)

    def _update(self, settings: dict[str, str]) -> None:
        job = settings.pop("jobid")
        for name, value in settings.items():
            if name == "dependency":
                self.slurm.depend(job, value)
                continue
            for array, index in self.slurm.named(job):
                if name == "arraytaskthrottle":
                    array.throttle = int(value)
                elif name == "excnodelist":
                    array.elements[index].excluded = value
                elif name == "timelimit" and array.elements[index].state == RUNNING:
                    raise RefusedError("Access/permission denied")
                else:
                    array.flags[name] = value

    def _scancel(self, words: Sequence[str]) -> str:
        for job in words:
            if int(job.partition("_")[0]) in self.slurm.arrays:  # those already gone are no error
                self.slurm.cancel(job)
        return ""

    def _sinfo(self, words: Sequence[str]) -> str:
        return "idle\n"

    def _sacct(self, words: Sequence[str]) -> str:
        rows = (
            f"{array.id}_{index}|{element.state}|{array.comment}\n"
            for array in self.slurm.arrays.values()
            for index, element in array.elements.items()
        )
        return "".join(rows)


def said(out: str = "", *, err: str = "", code: int = 0, sleep: float = 0.0) -> dict[str, object]:
    """Return an answer of a command."""
    return {"out": out, "err": err, "code": code, "sleep": sleep}


def hangs_after_submitting(door: Door, seconds: float) -> Callable[[list[str]], dict[str, object] | None]:
    """Return a planted failure: the next sbatch hands its array over and then gives no answer."""
    left = [True]

    def plan(words: list[str]) -> dict[str, object] | None:
        if words[0] != "sbatch" or "--test-only" in words or not left:
            return None
        left.clear()
        door._sbatch(words[1:])
        return said(sleep=seconds, code=1)

    return plan
