"""The training loop: the only one, read from top to bottom. Stages bring an objective and its data."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import Any

import torch
import torch.distributed as dist
from megatron.core import parallel_state
from torch import Tensor
from torch.utils.data import Dataset

from stages.formats.kinds import KINDS
from stages.formats.metrics import EVENT_FIELDS, FIELDS, MEASURED_FIELDS
from stages.formats.readings import write_readings
from stages.formats.tokenizer import Tokenizer
from stages.model import device, parallel
from stages.model.checkpoint.reading import weights_digest
from stages.model.layers.experts import loads
from stages.shared import log
from stages.shared.errors import Checkpointed
from stages.shared.task import Task
from stages.train.config import TrainingConfig
from stages.train.data.datasets import TrainingData
from stages.train.data.feed import Feed, FeedState, Window
from stages.train.models import Losses, Models
from stages.train.objectives.base import Batch, LossOutputs, Objective
from stages.train.stability.guard import judge
from stages.train.stability.recovery import end_if_too_many, recover
from stages.train.state.checkpoints import Checkpoints, Identity, save_weights, start_digest
from stages.train.state.names import AVERAGE, BEST, FINAL, UNTRAINED
from stages.train.state.progress import Progress
from stages.train.telemetry.log import StepRecord, publish
from stages.train.telemetry.recorder import Recorder

DIGEST = "weights.sha256"
OpenData = Callable[[Path], TrainingData]
"""Opens the data of a training, given the folder for indices. Called once on every rank, when ranks can communicate."""


def train(
    task: Task[TrainingConfig], objective: Objective, tokenizer: Tokenizer, open_data: OpenData
) -> dict[str, Any]:
    """Train from the last attempt's newest checkpoint to the last step.

    Every rank calls it. Writes to task.out: the weights of the main model (`final`, `untrained`, with heldout_every
    `best`; a further trained model's are `final-<role>`), metrics, readings and a digest. Returns the summary, on rank
    0. Killed anywhere, any number of times, a training ends with the same weights.

    Raises Checkpointed, on every rank, once `task.should_stop()` was true on one of them and the state is saved.
    """
    if clash := {*FIELDS, *EVENT_FIELDS, *MEASURED_FIELDS} & {*objective.metrics}:
        raise ValueError(f"metrics {sorted(clash)}: these names have a meaning in metrics.jsonl")
    with joined(task):
        return _train(task, objective, tokenizer, open_data)


@contextmanager
def joined(task: Task[TrainingConfig]) -> Iterator[None]:
    """Join the ranks of a layout, with its arithmetic, for as long as the context lasts."""
    config, split = task.config, task.config.layout
    set_arithmetic(config)
    sizes = parallel.Sizes(tp=split.tp, pp=split.pp, interleave=split.interleave, cp=split.cp, ep=split.ep)
    parallel.start(task.ranks, sizes, seed=config.seed, timeout=timedelta(minutes=config.timeout_min))
    try:
        yield
    except BaseException:
        if task.ranks.world_size == 1:  # with peers, leaving would wait for them; the end of the process does not
            parallel.stop()
        raise
    parallel.stop()


def _train(
    task: Task[TrainingConfig], objective: Objective, tokenizer: Tokenizer, open_data: OpenData
) -> dict[str, Any]:
    config, schedule = task.config, task.config.schedule
    data = open_data(task.work)
    models = Models(config, objective, tokenizer.vocab_size)
    identity = Identity(config, tokenizer.vocab_size, tokenizer.sha256, data.identity, start_digest(task))
    checkpoints = Checkpoints(task, models, identity)
    progress = checkpoints.begin()
    if dist.get_rank() == 0:
        _log_lines(data.lines)
    recorder = Recorder(task.work, config, models, tokenizer.vocab_size, progress.step)
    for step in range(progress.step, config.steps):
        samples, feed = _take(data.feed, step, progress.feed, models, schedule.batch_size(step))
        recorder.start(step + 1)
        is_scaled = models.is_scaled
        losses = models.accumulate(samples, recorder.batches)
        outcome = _agree(models, losses, stop=task.should_stop(), written=checkpoints.is_written)
        if outcome.is_written:
            checkpoints.settle()
        grad_norm = models.gradient_norm()
        recorder.read()
        lr = schedule.learning_rate(step + 1)
        guard = progress.guard.after_good(outcome.loss, config.guard)
        trouble = judge(config.guard, progress.guard, outcome.loss, grad_norm, is_scaled=is_scaled)
        if trouble is None or trouble.kind == "overflow":  # after an overflow the update applies nothing
            models.update(lr)
        else:
            rerun = partial(models.accumulate, samples)
            trouble, guard = recover(trouble, config.guard, progress.guard, models, checkpoints, rerun)
        dropped = _dropped(models, config)
        tokens = progress.tokens + len(samples) * config.model.seq_len
        progress = Progress(step=step + 1, tokens=tokens, feed=feed, guard=guard, best=progress.best)
        record = StepRecord(
            step=step + 1,
            tokens=tokens,
            loss=outcome.loss,
            lr=lr,
            grad_norm=grad_norm,
            dropped=dropped,
            trouble=trouble,
            metrics=outcome.metrics,
        )
        if data.heldout is not None and config.is_measured(step + 1):
            record = _with_heldout(record, models, data.heldout, config)
            progress = progress.measured(record.heldout)
        recorder.end(record, progress.best)
        if trouble is not None:
            end_if_too_many(config.guard, guard, step + 1, trouble)
        task.progress(step + 1)
        last = step + 1 == config.steps
        if outcome.must_stop or last or config.is_saved(step + 1):
            recorder.flush()
            checkpoints.save(progress, wait=outcome.must_stop or last or not config.checkpoint_async)
        if outcome.must_stop and not last:
            raise Checkpointed(f"step {step + 1} of {config.steps}")
    recorder.close()
    summary = _finish(task, models, identity, checkpoints, progress)
    drawn = data.drawn(progress.feed)
    if dist.get_rank() == 0:
        found = (replace(reading, drawn=drawn.get(reading.source)) for reading in data.readings)
        write_readings(task.out / KINDS.readings.file, found)
    return summary


def _log_lines(lines: Sequence[str]) -> None:
    for line in lines:
        log.info(line)


def _take(feed: Feed, step: int, state: FeedState, models: Models, size: int) -> tuple[Sequence[Batch], FeedState]:
    """Return a step's samples and the feed's state after it. Raises ValueError if there are not `size` of them."""
    samples, state = feed.take(step, state, models)
    if len(samples) != size:
        raise ValueError(f"the feed gave {len(samples)} samples for step {step}, not {size}")
    return samples, state


@dataclass(frozen=True)
class Outcome:
    """A step's numbers, the same on every rank."""

    loss: float
    """The main model's loss: its sum over its labels."""
    metrics: Mapping[str, float]
    must_stop: bool
    """Whether any rank was asked to stop."""
    is_written: bool
    """Whether every rank has written its part of a checkpoint."""


def _agree(models: Models, losses: Losses, *, stop: bool, written: bool) -> Outcome:
    """Return the step's numbers: one all-reduce for all.

    Only the last pipeline stage has losses, and its tensor parallel ranks have equal ones: the first of them counts.
    """
    is_counted = parallel_state.get_tensor_model_parallel_rank() == 0
    names = list(models.objective.metrics)
    pairs = [_summed([_loss(found) for found in losses[models.main_role]], is_counted)]
    for name in names:
        every = [found.metrics[name] for role in losses.values() for found in role if name in found.metrics]
        pairs.append(_summed(every, is_counted))
    for role in models.engines:
        if role != models.main_role:
            names.append(f"{role}_loss")
            pairs.append(_summed([_loss(found) for found in losses[role]], is_counted))
    sums = [*pairs[0], float(stop), float(written), *(number for pair in pairs[1:] for number in pair)]
    box = torch.tensor(sums, dtype=torch.float64, device=device.device())
    dist.all_reduce(box)
    total, labels, stops, writes, *rest = box.tolist()
    metrics = dict(zip(names, map(_ratio, rest[::2], rest[1::2]), strict=True))
    return Outcome(_ratio(total, labels), metrics, stops > 0, writes == dist.get_world_size())


def _loss(found: LossOutputs) -> Tensor:
    return torch.stack([found.total, found.count.to(found.total.dtype)])


def _summed(pairs: Sequence[Tensor], is_counted: bool) -> list[float]:
    if not pairs or not is_counted:
        return [0.0, 0.0]
    sums: list[float] = torch.stack([*pairs]).double().sum(0).tolist()
    return sums


def _ratio(total: float, weight: float) -> float:
    return total / weight if weight else math.nan


def _with_heldout(record: StepRecord, models: Models, heldout: Dataset[Batch], config: TrainingConfig) -> StepRecord:
    """Return a step's record with the held-out numbers. The samples pass through the models as steps' samples do."""
    began = time.monotonic()
    losses: Losses = {name: [] for name in models.engines}
    for first in range(0, config.heldout_sequences, config.global_batch):
        samples: Sequence[Batch] = Window(heldout, first, config.global_batch)
        for name, found in models.evaluate(samples).items():
            losses[name] += found
    outcome = _agree(models, losses, stop=False, written=False)
    metrics = {**record.metrics, **{f"heldout_{name}": value for name, value in outcome.metrics.items()}}
    return replace(record, heldout=outcome.loss, metrics=metrics, apart=time.monotonic() - began)


def _dropped(models: Models, config: TrainingConfig) -> float | None:
    """Return the share of the experts that the step's tokens wanted and that were full; None without a capacity."""
    if config.model.moe is None or config.model.moe.capacity_factor is None:
        return None
    return fmean(load.dropped for load in loads(models.main.chunks))


def _finish(
    task: Task[TrainingConfig], models: Models, identity: Identity, checkpoints: Checkpoints, progress: Progress
) -> dict[str, Any]:
    """Write the outputs; return the summary on rank 0. The starting weights are made again for `untrained`."""
    config = identity.config
    task.check_lease()
    main = models.objective.roles[models.main_role].config
    for role, engine in models.engines.items():
        name = FINAL if role == models.main_role else f"{FINAL}-{role}"
        save_weights(task.out / name, engine.weights(), models.objective.roles[role].config, identity, progress)
    if models.average is not None:
        save_weights(task.out / AVERAGE, models.average.weights(models.main), main, identity, progress)
    digest = _begin_digest(task.out / FINAL, models, identity)
    if config.heldout_every is not None:
        best = checkpoints.load_best(progress)
        checkpoints.keep(best.step)
        save_weights(task.out / BEST, models.main.weights(), main, identity, best)
    models.reset()
    save_weights(task.out / UNTRAINED, models.main.weights(), main, identity, Progress())
    summary: dict[str, Any] = {}
    if dist.get_rank() == 0:
        last = publish(task.work, task.out)
        weights = digest.result()
        (task.out / DIGEST).write_text(weights + "\n", encoding="utf-8")
        summary = {name: last[name] for name in ("step", "tokens", "loss")} | {"weights_sha256": weights}
    parallel.wait_for_all()  # the digest of large weights takes rank 0 longer than a collective waits
    return summary


def _begin_digest(final: Path, models: Models, identity: Identity) -> Future[str]:
    """Begin the digest of the final weights on rank 0, beside the other outputs, which take as long or longer.

    It is one SHA-256 over all weights in order, so ranks cannot share it. The files of a checkpoint have digests of
    their own: each rank takes those of what it writes.
    """
    rows = models.objective.roles[models.main_role].config.used_rows(identity.vocab_size)
    beside = ThreadPoolExecutor(1)  # not waited for if the other outputs fail
    return beside.submit(weights_digest, final, rows) if dist.get_rank() == 0 else Future()


def set_arithmetic(config: TrainingConfig) -> None:
    """Fix the order of additions: the number of threads, and, if `deterministic`, kernels that have a repeatable form.

    Side effect: settings of torch for the whole process.
    """
    torch.set_num_threads(config.threads)
    # ALiBi leaves subnormal numbers far from the diagonal, and CPUs are slow with them: 0.56 s became 0.21 s for an
    # attention of 8 heads of 64 over 2,048 tokens and back, on one thread of a Xeon at 2.6 GHz (0.18 s without ALiBi).
    torch.set_flush_denormal(config.model.position == "alibi")
    torch.use_deterministic_algorithms(config.deterministic)
    if config.deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        # Nothing reads memory that is not initialised; filling it costs time.
        setattr(torch.utils.deterministic, "fill_uninitialized_memory", False)  # noqa: B010  (a property, untyped)
