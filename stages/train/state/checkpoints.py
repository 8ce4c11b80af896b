"""A run's checkpoints in task.work: saved aside, renamed, marked. A new attempt continues from the newest sound one.

checkpoints/best.json        step and loss of the checkpoint with the lowest held-out loss, if that is measured
checkpoints/published.json   steps whose checkpoints are published as outputs
checkpoints/step-0000100/    weights, AdamW's moments and float32 weights (stages/model/checkpoint/reading.py), and

state.json    step, feed, guard and best: the position (stages/train/state/progress.py)
              identity       the settings and tokenizer that made it
              sources        the data that made it (stages/train/data/datasets.py)
              model, vocab_size, dtype, tokenizer_sha256: what stages/model/checkpoint/load.py needs
rng-<rank>.json              generator states; nothing draws from them while there is no dropout
"""

from __future__ import annotations

import base64
import os
import shutil
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from megatron.core.tensor_parallel import get_cuda_rng_tracker

from stages.model.checkpoint.reading import COMPLETE, STATE, read_state, read_tensors, verify
from stages.model.checkpoint.saving import Draft, Saver, mark, save
from stages.model.config import ModelConfig
from stages.shared import log
from stages.shared.errors import DataError, StagecoachError
from stages.shared.files import read_json, replace_dir, write_json
from stages.shared.task import Task
from stages.train.config import TrainingConfig
from stages.train.models import Models
from stages.train.state.names import CHECKPOINTS, STEP, step_name, step_of
from stages.train.state.progress import Best, Progress, read_progress
from stages.train.state.resume_from import (
    changed_sources,
    checkpoints_among,
    measurements_of,
    require_same_training,
    same_split,
    scale_ratio,
    sibling,
)
from stages.train.state.retention import outdated
from stages.train.telemetry.log import take_over

BEST = "best.json"
"""The mark of the best checkpoint, beside them."""
PUBLISHED = "published.json"
"""List of the steps whose checkpoints are published."""
ASIDE = ".tmp"
"""End of the name of a folder that is being written."""
LINKED = ".linked"
"""End of the name of a folder that is about to be published."""


@dataclass(frozen=True)
class Identity:
    """The identity of a run, for state.json."""

    config: TrainingConfig
    vocab_size: int
    tokenizer_sha256: str
    sources: Mapping[str, Any]
    """Identity of the data: TrainingData.identity."""

    def state(self, progress: Progress, model: ModelConfig | None = None) -> dict[str, Any]:
        """Return state.json's content at a position; `model` is the one whose weights it describes."""
        settings = self.config.model_dump(mode="json", include=set(self.config.weights_depend_on()))
        return {
            **progress.model_dump(mode="json"),
            "identity": {"stage": self.config.stage, **settings},
            "sources": self.sources,
            "model": (model or self.config.model).model_dump(mode="json"),
            "vocab_size": self.vocab_size,
            "dtype": self.config.dtype,
            "tokenizer_sha256": self.tokenizer_sha256,
        }


class Checkpoints:
    """A run's checkpoints in task.work/checkpoints: written while the training goes on, then committed between steps.

    Every rank calls its methods, at the same place between the same steps.
    """

    def __init__(self, task: Task[TrainingConfig], models: Models, identity: Identity) -> None:
        self._task, self._models, self._identity = task, models, identity
        self._model = models.objective.roles[models.main_role].config
        self._folder = task.work / CHECKPOINTS
        self._saver = Saver()
        self._write: _Write | None = None

    def begin(self) -> Progress:
        """Return where the run starts: after its own newest sound checkpoint, else after that of `resume_from`, which
        becomes its own first, else at the beginning. Collective. Raises as `resume` does.
        """
        progress = self.resume()
        if origins := [file.path for file in self._task.inputs.get("resume_from", ())]:
            if not progress.step:
                progress = self._take_over(origins)
            if progress.best and progress.best.step not in map(step_of, self._shared_list()):
                best = sibling(origins[0], progress.best.step)
                if _is_sound(best):
                    self.save(self._load_other(best), wait=True)
                    progress = self.resume()
        on_all_ranks(self._publish)
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
        if changed := changed_sources(state, self._identity.state(progress, self._model)):
            remedy = "Put the data back, or give this run its own folder"
            raise DataError(folder, f"a checkpoint of a run on other data: {', '.join(changed)}", remedy)
        if state != self._identity.state(progress, self._model):
            remedy = "Remove it, or give this run its own folder; resume_from continues from it in another layout"
            raise DataError(folder, "a checkpoint of another run", remedy)
        self._models.load(read_tensors(self._models.state(is_loading=True), folder))
        _restore_rng(read_json(folder / _rng_name()))
        return progress

    def _take_over(self, origins: Sequence[Path]) -> Progress:
        """Load the newest sound checkpoint of another run and save it as this one's; return its position.

        Side effect: copies the other run's metrics up to there. Afterwards this run reads the other's best checkpoint
        alone.
        """
        found = next(filter(_is_sound, reversed(_agreed(partial(checkpoints_among, origins)))), None)
        if found is None:
            remedy = "Name another checkpoint, or train without resume_from"
            raise DataError(origins[0], "no checkpoint in it is sound", remedy)
        progress = self._load_other(found)
        if progress.best and not _is_sound(sibling(found, progress.best.step)):
            progress = progress.model_copy(update={"best": None})
        if dist.get_rank() == 0:
            log.info(f"continuing from {found}")
            take_over(measurements_of(found), self._task.work)
        self.save(progress, wait=True)
        return progress

    def _load_other(self, folder: Path) -> Progress:
        """Load a sound checkpoint of the same training, split in any way."""
        then = read_state(folder)
        progress = read_progress(then, folder)
        now = self._identity.state(progress, self._model)
        require_same_training(folder, then, now, self._identity.config)
        state = read_tensors(self._models.state(is_loading=True), folder)
        self._models.load(state, scale_ratio(then, self._identity.config))
        if same_split(then, now):
            _restore_rng(read_json(folder / _rng_name()))
        return progress

    def save(self, progress: Progress, *, wait: bool) -> None:
        """Begin to save all that the next step depends on; first commit the save that was begun before. Collective.

        wait=True: commits before returning, and needs no host memory for a copy of the state.
        """
        self.settle()
        folder = self._folder / step_name(progress.step)
        values = {_rng_name(): _rng_state()}
        if dist.get_rank() == 0:
            values[STATE] = self._identity.state(progress, self._model)
        aside = folder.with_name(f".{folder.name}{ASIDE}")
        state = self._models.state(is_loading=False)
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
        folder = self._folder / step_name(last.best.step)
        if _is_sound(folder):
            return self._load(folder)
        if dist.get_rank() == 0:
            log.warning(f"the best checkpoint is lost: step {last.step} takes its place")
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
                self._publish()
                self._drop_old(write.best)
        except OSError as error:
            raise _unwritten(write.folder, error) from error

    def _publish(self) -> None:
        """Publish the checkpoints that are outputs and not published yet. On rank 0 alone.

        The output shares its files with the checkpoint: a restart may still need that.
        """
        if dist.get_rank() != 0:
            return
        path = self._folder / PUBLISHED
        done: list[int] = read_json(path) if path.exists() else []
        for folder in _steps(self._folder):
            step = step_of(folder)
            if step in self._identity.config.published_steps and step not in done and (folder / COMPLETE).exists():
                aside = self._folder / f".{folder.name}{LINKED}"
                shutil.rmtree(aside, ignore_errors=True)
                shutil.copytree(folder, aside, copy_function=os.link)
                self._task.publish(aside, folder.name)
                done = [*done, step]
                write_json(path, done)

    def _drop_old(self, best: Best | None) -> None:
        marked = {step_of(folder): folder for folder in _steps(self._folder) if (folder / COMPLETE).exists()}
        for step in outdated(marked, self._identity.config, best=best.step if best else None):
            shutil.rmtree(marked[step])

    def _shared_list(self) -> list[Path]:
        """Return rank 0's list on every rank, which must try the same ones in the same order; remove what was left."""
        if dist.get_rank() == 0:
            for aside in (*self._folder.glob(f".{STEP}*{ASIDE}"), *self._folder.glob(f".{STEP}*{LINKED}")):
                shutil.rmtree(aside)
        return _agreed(partial(_steps, self._folder))


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
        except Exception as error:  # `wait` raises it, in the training's own thread
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


def save_weights(folder: Path, models: Models, role: str, identity: Identity, progress: Progress) -> None:
    """Save the weights of a model alone, for other stages. Collective."""
    state = identity.state(progress, models.objective.roles[role].config)
    save(models.engines[role].weights(), folder, {STATE: state} if dist.get_rank() == 0 else {})


def _is_sound(folder: Path) -> bool:
    """Return whether a checkpoint can be used; if not, rank 0 says so. Collective."""
    try:
        verify(folder)
    except DataError as error:
        if dist.get_rank() == 0:
            log.warning(f"passing over a checkpoint: {error}")
        return False
    return True


def _agreed(look: Callable[[], list[Path]]) -> list[Path]:
    """Return the folders that rank 0 finds, on every rank. Raises the errors of `look` on every rank. Collective."""
    box: list[list[Path]] = [[]]

    def look_once() -> None:
        if dist.get_rank() == 0:
            box[0] = look()

    on_all_ranks(look_once)
    dist.broadcast_object_list(box, src=0)
    return box[0]


def on_all_ranks(action: Callable[[], None]) -> None:
    """Do something on every rank. Raises on all ranks the StagecoachError that one of them raises. Collective."""
    failure: tuple[type[StagecoachError], str] | None = None
    try:
        action()
    except StagecoachError as error:
        failure = type(error), str(error)
    everyone: list[Any] = [None] * dist.get_world_size()
    dist.all_gather_object(everyone, failure)
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
