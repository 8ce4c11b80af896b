"""The toy stage's steps. Each notes that it was called, then behaves as its mood says."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import time
from pathlib import Path
from typing import Any

from stages.toy.config import ToyConfig

from stages.shared.errors import Checkpointed, DataError, NodeError
from stages.shared.files import write_atomic
from stages.shared.task import Task


def make(task: Task[ToyConfig]) -> dict[str, Any]:
    """Write one file of words."""
    _behave(task)
    files = [file for field in ("words", "letters") for file in task.inputs.get(field, ())]
    read = [file.path.read_text(encoding="utf-8") for file in files]
    (task.out / "words.txt").write_text(f"{task.config.text} {task.unit}\n" + "".join(read), encoding="utf-8")
    return {"words": 1}


def mend(task: Task[ToyConfig]) -> dict[str, Any]:
    """Join what the parts of this unit wrote."""
    _behave(task)
    texts = [(folder / "words.txt").read_text(encoding="utf-8") for folder in task.steps["share"]]
    (task.out / "mended.txt").write_text("".join(texts), encoding="utf-8")
    return {"parts": len(texts)}


def march(task: Task[ToyConfig]) -> dict[str, Any]:
    """Count paces, saving each, until all are done or someone says stop. Any number of ranks may walk along."""
    _behave(task)
    _meet(task)
    leads, state = task.ranks.rank == 0, task.work / "paces"
    saved = done = int(state.read_text(encoding="utf-8")) if state.exists() else 0
    while done < task.config.paces:
        _rest(task, done)
        if task.should_stop():
            if leads and _mood(task) == "slow-save":
                time.sleep(1.5)
            raise Checkpointed
        time.sleep(task.config.pause_s)
        done += 1
        if leads:
            task.check_lease()
            if done in task.config.milestones:  # before the pace is saved: a kill between the two loses nothing
                (task.work / "milestone").write_text(f"{done} paces\n", encoding="utf-8")
                task.publish(task.work / "milestone", f"pace-{done}")
            write_atomic(state, str(done))
            task.progress(done)
    if leads:
        (task.out / "paces.txt").write_text(f"{done} paces\n", encoding="utf-8")
    return {"paces": done, "walked": done - saved}


def _meet(task: Task[ToyConfig]) -> None:
    """Let rank 0 wait until the others are here, as a first collective would."""
    ranks = task.ranks
    (task.work / f"here.{ranks.master_port}.{ranks.rank}").touch()
    while ranks.rank == 0 and len(list(task.work.glob(f"here.{ranks.master_port}.*"))) < ranks.world_size:
        time.sleep(0.02)


def _rest(task: Task[ToyConfig], done: int) -> None:
    """Rest after pace N in the mood `rest N`, until the mood is another. A request to stop ends the mood."""
    word, _, paces = _mood(task).partition(" ")
    if word != "rest" or done < int(paces):
        return
    while _mood(task).startswith("rest"):
        if task.should_stop():
            _mood_file(task).unlink(missing_ok=True)
        time.sleep(0.02)


def gather(task: Task[ToyConfig]) -> dict[str, Any]:
    """Join what the other steps wrote."""
    _behave(task)
    parts = [folder / "words.txt" for folder in task.steps["make"]]
    parts.append(task.steps["march"][0] / "paces.txt")
    text = "".join(part.read_text(encoding="utf-8") for part in parts)
    (task.out / "all.txt").write_text(text, encoding="utf-8")
    return {"lines": text.count("\n")}


def _mood_file(task: Task[ToyConfig]) -> Path:
    return Path(task.config.moods) / f"{task.step}.{task.place}"


def _mood(task: Task[ToyConfig]) -> str:
    with contextlib.suppress(FileNotFoundError):
        return _mood_file(task).read_text(encoding="utf-8").strip()
    return ""


def _behave(task: Task[ToyConfig]) -> None:
    """Note the call, then do what the unit's mood says: fail, die, lose a peer, wait for another mood ..."""
    moods = Path(task.config.moods)
    moods.mkdir(parents=True, exist_ok=True)
    if task.ranks.rank == 0:
        with (moods / "calls").open("a", encoding="utf-8") as calls:
            calls.write(f"{task.step}.{task.place} {os.environ.get('SLURMD_NODENAME', 'here')} {os.getpid()}\n")
    word, _, rest = _mood(task).partition(" ")
    if word == "once":
        _mood_file(task).unlink()
        word, _, rest = rest.partition(" ")
    if word == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if word == "eat":
        eaten = b"x" * (int(rest) << 20)
        time.sleep(20 if eaten else 0)
    if word == "fill":
        _fill(Path(rest))
    while word == "wait":
        time.sleep(0.02)
        word = _mood(task)
    if word == "lose":
        _lose_a_peer(task, int(rest))
    if word == "rank":
        word = "node" if task.ranks.rank == int(rest) else ""
    raised: dict[str, BaseException] = {
        "fail": RuntimeError(rest or "in a bad mood"),
        "never": DataError("words.txt", "no words", "Write some"),
        "node": NodeError("this node has lost its voice"),
        "stall": Checkpointed(),
        "leave": SystemExit(0),
    }
    if word in raised:
        raise raised[word]


def _lose_a_peer(task: Task[ToyConfig], rank: int) -> None:
    """Kill one rank; the others fail as soon as they notice it, in gloo's words."""
    alive = task.work / f"alive.{task.ranks.master_port}"
    if task.ranks.rank == rank:
        with alive.with_suffix(".new").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)  # until the process ends
            Path(file.name).rename(alive)
            time.sleep(0.5)
            os.kill(os.getpid(), signal.SIGKILL)
    while not alive.exists():
        time.sleep(0.01)
    with alive.open() as file:
        fcntl.flock(file, fcntl.LOCK_SH)
    raise RuntimeError("[gloo/transport/tcp/pair.cc:534] Connection closed by peer [127.0.0.1]:4242")


def _fill(folder: Path) -> None:
    """Fill the file system of a folder to its last byte."""
    with (folder / "ballast").open("ab", buffering=0) as file:
        for size in (1 << 16, 1):
            with contextlib.suppress(OSError):
                while True:
                    file.write(b"x" * size)
