"""A run's checkpoints in task.work: saved aside, renamed, marked. A new attempt continues from the newest sound one.

checkpoints/best.json        step and loss of the checkpoint with the lowest held-out loss, if that is measured
checkpoints/published.json   steps whose checkpoints are published: outputs, and what stays after the training
checkpoints/joining          there while another training's checkpoints become this one's first
checkpoints/step-0000100/    weights, AdamW's moments and float32 weights (stages/model/checkpoint/reading.py), and

state.json    step, feed, guard and best: the position (stages/train/state/progress.py)
              identity       the settings that made it
              sources        the data that made it (stages/train/data/datasets.py)
              start          digest of the weights that it started from; empty: drawn from the seed
              model, vocab_size, dtype, tokenizer_sha256: what stages/model/checkpoint/load.py needs
rng-<rank>.json              generator states; nothing draws from them while there is no dropout
"""

from __future__ import annotations

import base64
import hashlib
import shutil
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from megatron.core.dist_checkpointing.mapping import ShardedStateDict
from megatron.core.tensor_parallel import get_cuda_rng_tracker

from stages.model import parallel
from stages.model.checkpoint.names import COMPLETE, STATE
from stages.model.checkpoint.reading import read_tensors, verify
from stages.model.checkpoint.saving import Draft, Saver, mark, save
from stages.model.checkpoint.settings import read_state
from stages.model.config import ModelConfig
from stages.shared import log
from stages.shared.errors import EXIT_FAILED, DataError, StagecoachError, remedy_of
from stages.shared.files import link, read_json, replace_dir, sampled_digest, write_json
from stages.shared.task import Task
from stages.train.config import TrainingConfig
from stages.train.models import Models
from stages.train.state.continuing import (
    changed_sources,
    changes,
    is_on_our_way,
    measurements_of,
    position,
    require_checkpoint,
    same_split,
    scale_ratio,
    sibling,
)
from stages.train.state.names import CHECKPOINTS, STEP, step_name, step_of
from stages.train.state.progress import Best, Progress, read_progress
from stages.train.state.retention import outdated
from stages.train.state.same_model import require_same_model
from stages.train.telemetry.log import take_over

BEST = "best.json"
"""The mark of the best checkpoint, beside them."""
PUBLISHED = "published.json"
"""List of the steps whose checkpoints are published."""
JOINING = "joining"
"""The mark of checkpoints that are not all this training's own yet."""
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
    start: str = ""
    """Digest of the weights that it starts from: start_digest."""

    def state(self, progress: Progress, model: ModelConfig | None = None) -> dict[str, Any]:
        """Return state.json's content at a position; `model` is the one whose weights it describes."""
        config = self.config
        settings = config.model_dump(mode="json", include={*config.weights_depend_on(), "heldout_every"})
        return {
            **progress.model_dump(mode="json"),
            "identity": {"stage": config.stage, "version": config.version, **settings},
            "sources": self.sources,
            "start": self.start,
            "model": (model or config.model).model_dump(mode="json"),
            "vocab_size": self.vocab_size,
            "dtype": config.dtype,
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
        first = identity.config.first_step(task.inputs)
        self._kept = {step for step in identity.config.kept_steps if step > first}
        """Steps whose checkpoints are published."""

    def begin(self) -> Progress:
        """Return where the run starts. Collective. Raises as `resume` and `_continue` do.

        After its own newest sound checkpoint; else after that of an earlier plan of this training; else after that of
        `continue_from`; else at the beginning.
        """
        on_all_ranks(self._drop_joining)
        progress = self.resume()
        if not progress.step:
            progress = self._take_up()
        if not progress.step and self._identity.config.continue_with == "everything":
            for start in self._task.inputs.get("continue_from", ()):
                progress = self._continue(start.path)
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
            remedy = "Remove it, or give this run its own folder; continue_from goes on from it with other settings"
            raise DataError(folder, "a checkpoint of another run", remedy)
        self._models.load(read_tensors(self._models.state(is_loading=True), folder))
        _restore_rng(read_json(folder / _rng_name()))
        return progress

    def _take_up(self) -> Progress:
        """Go on from the newest sound checkpoint on our own way that a unit of this step has. Collective.

        That is what a run has done before its steps were raised, or before a setting was changed that acts later on;
        or what this unit published before its other files were lost.
        """
        found = _agreed(self._on_our_way)
        for folder in reversed(found):
            if _is_sound(folder):
                on_all_ranks(partial(self._publish_others, found, step_of(folder)))
                return self._join(folder, lambda path: read_progress(read_state(path), path))
        return Progress()

    def _on_our_way(self) -> list[Path]:
        """Return the checkpoints beside its own that this training would make too, in order of step.

        Those are left out before which a checkpoint is missing that this run has to publish.
        """
        now = self._identity.state(Progress(), self._model)
        found: dict[int, Path] = {}
        for kin in self._task.kin():
            work = kin.work / CHECKPOINTS
            for folder in (*_steps(kin.published), *(_steps(work) if work != self._folder else ())):
                step = step_of(folder)
                is_new = step not in found and _is_shaped(folder)
                if is_new and is_on_our_way(read_state(folder), now, self._identity.config):
                    found[step] = folder
        missing = min(self._kept - found.keys(), default=self._identity.config.steps)
        return [found[step] for step in sorted(found) if step <= missing]

    def _publish_others(self, found: Sequence[Path], last: int) -> None:
        """Publish another unit's checkpoints before step `last` that are outputs of this one too. On rank 0 alone."""
        if dist.get_rank() == 0:
            for folder in found:
                if step_of(folder) in self._kept and step_of(folder) < last:
                    self._publish_one(folder)

    def _continue(self, folder: Path) -> Progress:
        """Go on from another training's checkpoint, with our settings and data. Collective.

        Raises DataError if it is damaged, or of another model.
        """
        on_all_ranks(partial(require_checkpoint, folder))
        verify(folder)
        then, config = read_state(folder), self._identity.config
        theirs = read_progress(then, folder)
        now = self._identity.state(theirs, self._model)
        require_same_model(folder, then, now, config)
        if dist.get_rank() == 0:
            log.info(f"continuing from {folder} after step {theirs.step}")
            for line in changes(then, now):
                log.info(f"changed: {line}")

        def ours(path: Path) -> Progress:
            state = read_state(path)
            return position(state, now, read_progress(state, path), config)

        return self._join(folder, ours)

    def _join(self, folder: Path, progress_of: Callable[[Path], Progress]) -> Progress:
        """Make a checkpoint of another training this one's own, and its best one. Killed in between, this starts anew.

        `progress_of` returns our position after one of its checkpoints. Side effect: copies the other run's metrics up
        to there. Afterwards nothing of the other run is read.
        """
        on_all_ranks(partial(self._mark_joining, folder))
        progress = progress_of(folder)
        best = progress.best and sibling(folder, progress.best.step)
        if best and best != folder:
            if _is_sound(best):
                self._load_other(best)
                self.save(progress_of(best), wait=True)
            else:
                progress = progress.model_copy(update={"best": None})
                if dist.get_rank() == 0:
                    log.warning(f"the best checkpoint is lost ({best.name}): the best one behind {folder.name} counts")
        self._load_other(folder)
        self.save(progress, wait=True)
        on_all_ranks(self._unmark_joining)
        return self.resume()

    def _mark_joining(self, folder: Path) -> None:
        if dist.get_rank() == 0:
            write_json(self._folder / JOINING, str(folder))
            kin = [each for each in self._task.kin() if each.published == folder.parent]
            for source in [measurements_of(folder), *(place for each in kin for place in (each.work, each.out))]:
                if source != self._task.work:
                    take_over(source, self._task.work)

    def _unmark_joining(self) -> None:
        if dist.get_rank() == 0:
            (self._folder / JOINING).unlink()

    def _drop_joining(self) -> None:
        if dist.get_rank() == 0 and (self._folder / JOINING).exists():
            shutil.rmtree(self._folder)

    def _load_other(self, folder: Path) -> None:
        """Load weights and optimizer of a sound checkpoint of another run, split in any way."""
        then = read_state(folder)
        now = self._identity.state(Progress(), self._model)
        state = read_tensors(self._models.state(is_loading=True), folder)
        self._models.load(state, scale_ratio(then, self._identity.config))
        if same_split(then, now):
            _restore_rng(read_json(folder / _rng_name()))

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

    def keep(self, step: int) -> None:
        """Publish the checkpoint of the best step, if it is to stay after the training. Collective."""
        if "best" in self._identity.config.checkpoint_keep_at_end:
            self._kept.add(step)
            on_all_ranks(self._publish)

    def _publish(self) -> None:
        """Publish the checkpoints that are kept and not published yet. On rank 0 alone."""
        if dist.get_rank() != 0:
            return
        for folder in _steps(self._folder):
            if step_of(folder) in self._kept and (folder / COMPLETE).exists():
                self._publish_one(folder)

    def _publish_one(self, folder: Path) -> None:
        """Publish a checkpoint once. It shares its files with the folder, which a restart may still need."""
        path, step = self._folder / PUBLISHED, step_of(folder)
        done: list[int] = read_json(path) if path.exists() else []
        if step not in done:
            aside = self._folder / f".{folder.name}{LINKED}"
            shutil.rmtree(aside, ignore_errors=True)
            shutil.copytree(folder, aside, copy_function=link)
            self._task.publish(aside, folder.name)
            write_json(path, [*done, step])

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
    found = DataError(folder, f"rank {dist.get_rank()} cannot write its part ({error})", remedy_of(error))
    found.exit_code = EXIT_FAILED  # unlike a wrong input, a full disk may be another one at the next attempt
    return found


def start_digest(task: Task[TrainingConfig]) -> str:
    """Return a digest of the weights that a training starts from; empty: they are drawn from the seed."""
    starts = [file.path for name in task.config.starts for file in task.inputs.get(name, ())]
    files = [path for start in starts for path in sorted(start.rglob("*")) if path.is_file()]
    return hashlib.sha256("".join(map(sampled_digest, files)).encode()).hexdigest() if files else ""


def _is_shaped(folder: Path) -> bool:
    """Return whether a folder may be a checkpoint: it is sealed, and its state.json can be read."""
    try:
        return (folder / COMPLETE).exists() and "step" in read_state(folder)
    except DataError:
        return False


def save_weights(
    folder: Path, weights: ShardedStateDict, model: ModelConfig, identity: Identity, progress: Progress
) -> None:
    """Save the weights of a model alone, for other stages. Collective."""
    save(weights, folder, {STATE: identity.state(progress, model)} if dist.get_rank() == 0 else {})


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
    dist.broadcast_object_list(box, src=0, group=parallel.host_group())
    return box[0]


def on_all_ranks(action: Callable[[], None]) -> None:
    """Do something on every rank. Raises on all ranks the StagecoachError that one of them raises. Collective."""
    failure: tuple[type[StagecoachError], str, int] | None = None
    try:
        action()
    except StagecoachError as error:
        failure = type(error), str(error), error.exit_code
    everyone: list[Any] = [None] * dist.get_world_size()
    dist.all_gather_object(everyone, failure, group=parallel.host_group())
    for kind, text, exit_code in filter(None, everyone):
        raised: StagecoachError = kind.__new__(kind, text)
        raised.exit_code = exit_code
        raise raised


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
