"""A run's checkpoints in task.work: saved aside, renamed, marked; the newest sound one is where a new attempt goes on.

checkpoints/best.json        step and loss of the one with the lowest loss on what is held out, if that is measured
checkpoints/step-0000100/    weights, AdamW's moments and float32 weights (stages/model/checkpoint/reading.py), and

state.json    step, sequences and whatever else stages/train/state/progress.py has: how far it is
              identity       the settings and tokenizer that made it
              sources        the data that made it (stages/train/data/datasets.py)
              model, vocab_size, dtype, tokenizer_sha256: what stages/model/checkpoint/load.py needs
rng-<rank>.json              generator states; nothing draws from them while there is no dropout
"""

from __future__ import annotations

import base64
import shutil
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from megatron.core.tensor_parallel import get_cuda_rng_tracker

from stages.model.checkpoint.reading import COMPLETE, STATE, read_state, read_tensors, verify
from stages.model.checkpoint.saving import Draft, Saver, mark, save
from stages.shared.errors import DataError, StagecoachError
from stages.shared.files import read_json, replace_dir, write_json
from stages.shared.task import Task
from stages.train.config import TrainingConfig
from stages.train.engine import Engine
from stages.train.state.progress import Best, Progress, read_progress
from stages.train.state.resume_from import (
    STEP,
    changed_sources,
    checkpoints_in,
    name_of,
    require_same_training,
    same_split,
    scale_ratio,
    sibling,
    step_of,
    work_of,
)
from stages.train.state.retention import outdated
from stages.train.telemetry.log import take_over

BEST = "best.json"
"""The mark of the best checkpoint, beside them."""
ASIDE = ".tmp"
"""How the name of a folder ends that is being written."""


@dataclass(frozen=True)
class Identity:
    """What a run is, for state.json."""

    config: TrainingConfig
    vocab_size: int
    tokenizer_sha256: str
    sources: Mapping[str, Any]
    """What the data is: stages.train.data.datasets.Corpus.identity."""

    def state(self, progress: Progress) -> dict[str, Any]:
        """Return state.json's content at a position."""
        settings = self.config.model_dump(mode="json", include=set(self.config.weights_depend_on))
        return {
            **progress.model_dump(mode="json"),
            "identity": {"stage": self.config.stage, **settings},
            "sources": self.sources,
            "model": self.config.model.model_dump(mode="json"),
            "vocab_size": self.vocab_size,
            "dtype": self.config.dtype,
            "tokenizer_sha256": self.tokenizer_sha256,
        }


class Checkpoints:
    """A run's checkpoints in task.work/checkpoints: written while the training goes on, then committed between steps.

    Every rank calls its methods, at the same place between the same steps.
    """

    def __init__(self, task: Task, engine: Engine, identity: Identity) -> None:
        self._task, self._engine, self._identity = task, engine, identity
        self._folder = task.work / "checkpoints"
        self._saver = Saver()
        self._write: _Write | None = None

    def begin(self) -> Progress:
        """Return where the run starts: after its own newest sound checkpoint, else after that of `resume_from`, which
        becomes its own first, else at the beginning. Collective. Raises as `resume` does.
        """
        progress = self.resume()
        for origin in self._task.inputs.get("resume_from", ()):
            if not progress.step:
                progress = self._take_over(origin.path)
            if progress.best and progress.best.step not in map(step_of, self._shared_list()):
                best = sibling(origin.path, progress.best.step)
                if _is_sound(best):
                    self.save(self._load_other(best), wait=True)
                    progress = self.resume()
        return progress

    def resume(self, every: int = 1) -> Progress:
        """Load the newest sound checkpoint and return its position; the beginning if there is none. Collective.

        Only those after a multiple of `every` steps are looked at. One that is incomplete or damaged is named in the
        log and passed over: a run may have been killed while writing it. Raises DataError if a sound one belongs to
        another run.
        """
        self.settle()
        for folder in reversed(self._shared_list()):
            if step_of(folder) % every == 0 and _is_sound(folder):
                return self._load(folder)
        return Progress()

    def _load(self, folder: Path) -> Progress:
        """Load a sound checkpoint of this run."""
        state = read_state(folder)
        progress = read_progress(state, folder)
        if changed := changed_sources(state, self._identity.state(progress)):
            remedy = "Put the data back, or give this run its own folder"
            raise DataError(folder, f"a checkpoint of a run on other data: {', '.join(changed)}", remedy)
        if state != self._identity.state(progress):
            remedy = "Remove it, or give this run its own folder; resume_from goes on from it in another layout"
            raise DataError(folder, "a checkpoint of another run", remedy)
        self._engine.load(read_tensors(self._engine.state(is_loading=True), folder))
        _restore_rng(read_json(folder / _rng_name()))
        return progress

    def _take_over(self, path: Path) -> Progress:
        """Load the newest sound checkpoint of another run and save it as this one's; return its position.

        From then on this run needs nothing of the other's but the best one. What it had measured comes along.
        """
        found = next(filter(_is_sound, reversed(_agreed(checkpoints_in, path))), None)
        if found is None:
            raise DataError(path, "no checkpoint in it is sound", "Name another one, or train without resume_from")
        progress = self._load_other(found)
        if progress.best and not _is_sound(sibling(found, progress.best.step)):
            progress = progress.model_copy(update={"best": None})
        if dist.get_rank() == 0:
            print(f"going on from {found}", flush=True)
            take_over(work_of(found), self._task.work)
        self.save(progress, wait=True)
        return progress

    def _load_other(self, folder: Path) -> Progress:
        """Load a sound checkpoint of the same training, split in any way."""
        then = read_state(folder)
        progress = read_progress(then, folder)
        now = self._identity.state(progress)
        require_same_training(folder, then, now, self._identity.config)
        state = read_tensors(self._engine.state(is_loading=True), folder)
        if scaler := state["optimizer"]["scaler"]:
            scaler["scale"] *= scale_ratio(then, self._identity.config)
        self._engine.load(state)
        if same_split(then, now):
            _restore_rng(read_json(folder / _rng_name()))
        return progress

    def save(self, progress: Progress, *, wait: bool) -> None:
        """Begin to save all that the next step depends on, once what was begun before is committed. Collective.

        Told to wait, it commits as well, and needs no memory for a copy of the state.
        """
        self.settle()
        folder = self._folder / name_of(progress.step)
        values = {_rng_name(): _rng_state()}
        if dist.get_rank() == 0:
            values[STATE] = self._identity.state(progress)
        aside = folder.with_name(f".{folder.name}{ASIDE}")
        state = self._engine.state(is_loading=False)
        draft = self._saver.start(state, aside, values, copied=not wait)
        self._write = _Write(draft, folder, progress.best)
        self._write.run() if wait else self._write.start()
        if wait:
            self.settle()

    def load_best(self, last: Progress) -> Progress:
        """Load the best checkpoint and return its position; `last`, whose weights stay, if that is the best or the best
        is damaged. Collective.
        """
        if last.best is None or last.best.step == last.step:
            return last
        folder = self._folder / name_of(last.best.step)
        if _is_sound(folder):
            return self._load(folder)
        if dist.get_rank() == 0:
            print(f"the best checkpoint is lost: that of step {last.step} is put in its place", file=sys.stderr)
        return last

    @property
    def newest(self) -> Path | None:
        """The newest checkpoint that is committed."""
        return max(_steps(self._folder), default=None)

    @property
    def is_written(self) -> bool:
        """Whether this rank has written its part of a checkpoint that is not committed yet."""
        return self._write is not None and self._write.is_done

    def settle(self) -> None:
        """Wait until the checkpoint that was begun is written, commit it and drop old ones. Collective.

        Raises, on every rank, LeaseLost before anything can be seen by others, or DataError if it cannot be written.
        """
        write, self._write = self._write, None
        if write is None:
            return
        on_all_ranks(partial(self._check, write))
        on_all_ranks(partial(self._commit, write))

    def _check(self, write: _Write) -> None:
        write.wait()
        self._task.check_lease()

    def _commit(self, write: _Write) -> None:
        try:
            files = write.draft.finish()
            if dist.get_rank() == 0:
                self._task.check_lease()
                replace_dir(write.draft.folder, write.folder)
                mark(write.folder, files)
                if write.best:
                    write_json(self._folder / BEST, write.best.model_dump())
                self._drop_old(write.best)
        except OSError as error:
            raise _unwritten(write.folder, error) from error

    def _drop_old(self, best: Best | None) -> None:
        marked = {step_of(folder): folder for folder in _steps(self._folder) if (folder / COMPLETE).exists()}
        for step in outdated(marked, self._identity.config, best=best and best.step):
            shutil.rmtree(marked[step])

    def _shared_list(self) -> list[Path]:
        """Return rank 0's list on every rank, which must try the same ones in the same order; remove what was left."""
        if dist.get_rank() == 0:
            for aside in self._folder.glob(f".{STEP}*{ASIDE}"):
                shutil.rmtree(aside)
        return _agreed(_steps, self._folder)


class _Write(threading.Thread):
    """Writes this rank's part of a checkpoint aside."""

    def __init__(self, draft: Draft, folder: Path, best: Best | None) -> None:
        super().__init__(daemon=True)  # a training that fails does not wait for it
        self.draft, self.folder, self.best = draft, folder, best
        self.is_done = False
        self._error: Exception | None = None

    def run(self) -> None:
        """Write."""
        try:
            self.draft.write()
        except Exception as error:  # told by `wait`, in the training's own thread
            self._error = error
        self.is_done = True

    def wait(self) -> None:
        """Return when it is written. Raises DataError if it could not be."""
        if self.ident is not None:
            self.join()
        if self._error is not None:
            raise _unwritten(self.folder, self._error) from self._error


def _unwritten(folder: Path, error: Exception) -> DataError:
    return DataError(folder, f"rank {dist.get_rank()} cannot write its part ({error})", "Make room, run again")


def save_weights(folder: Path, engine: Engine, identity: Identity, progress: Progress) -> None:
    """Save the weights alone: what others read. Collective."""
    values = {STATE: identity.state(progress)} if dist.get_rank() == 0 else {}
    save(engine.weights(), folder, values)


def _is_sound(folder: Path) -> bool:
    """Return whether a checkpoint can be used; if not, rank 0 says so. Collective."""
    try:
        verify(folder)
    except DataError as error:
        if dist.get_rank() == 0:
            print(f"passing over a checkpoint: {error}", file=sys.stderr, flush=True)
        return False
    return True


def _agreed(look: Callable[[Path], list[Path]], folder: Path) -> list[Path]:
    """Return what rank 0 sees in a folder, on every rank. Raises what `look` raises, on every rank. Collective."""
    box: list[list[Path]] = [[]]

    def look_once() -> None:
        if dist.get_rank() == 0:
            box[0] = look(folder)

    on_all_ranks(look_once)
    dist.broadcast_object_list(box, src=0)
    return box[0]


def on_all_ranks(action: Callable[[], None]) -> None:
    """Do something on every rank; if it fails with an error of ours on one, raise that on all. Collective."""
    said: tuple[type[StagecoachError], str] | None = None
    try:
        action()
    except StagecoachError as error:
        said = type(error), str(error)
    everyone: list[Any] = [None] * dist.get_world_size()
    dist.all_gather_object(everyone, said)
    for kind, text in filter(None, everyone):
        raise kind.__new__(kind, text)


def _steps(folder: Path) -> list[Path]:
    return sorted(folder.glob(f"{STEP}*"))


def _rng_name() -> str:
    return f"rng-{dist.get_rank():05d}.json"


def _rng_state() -> dict[str, Any]:
    states = {"cpu": torch.get_rng_state(), **get_cuda_rng_tracker().get_states()}
    if torch.cuda.is_available():
        states["cuda"] = torch.cuda.get_rng_state()
    return {name: base64.b64encode(state.cpu().numpy().tobytes()).decode() for name, state in states.items()}


def _restore_rng(saved: dict[str, str]) -> None:
    states = {name: torch.frombuffer(bytearray(base64.b64decode(s)), dtype=torch.uint8) for name, s in saved.items()}
    torch.set_rng_state(states.pop("cpu"))
    if "cuda" in states:
        torch.cuda.set_rng_state(states.pop("cuda"))
    get_cuda_rng_tracker().set_states(states)
