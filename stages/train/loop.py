"""The training loop: the only one, read from top to bottom. Stages bring the data and say what the loss is."""

from __future__ import annotations

import hashlib
import math
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import Any

import torch
import torch.distributed as dist
from megatron.core import parallel_state
from torch.utils.data import Dataset

from stages.formats.kinds import KINDS
from stages.formats.readings import write_readings
from stages.formats.tokenizer import Tokenizer
from stages.model import device, parallel
from stages.model.checkpoint.reading import read_weights
from stages.model.layers.experts import loads
from stages.shared.errors import Checkpointed
from stages.shared.task import Task
from stages.train.config import TrainingConfig
from stages.train.data.batches import microbatches
from stages.train.data.corpus import SourceDataset, open_corpus
from stages.train.data.datasets import build_dataset, build_heldout
from stages.train.data.schedule import batch_size, learning_rate
from stages.train.engine import Engine, SetWeights, build_engine, drawn
from stages.train.objectives.next_token import Batch, Objective
from stages.train.stability.guard import judge
from stages.train.stability.recovery import end_if_too_many, recover
from stages.train.state.checkpoints import Checkpoints, Identity, save_weights
from stages.train.state.progress import Progress
from stages.train.telemetry.log import StepRecord, publish
from stages.train.telemetry.recorder import Recorder

FINAL = "final"
UNTRAINED = "untrained"
BEST = "best"
DIGEST = "weights.sha256"


@dataclass(frozen=True)
class Job:
    """What a stage brings to the loop."""

    objective: Objective
    sources: Sequence[SourceDataset]
    tokenizer: Tokenizer
    arrange: Callable[[Dataset[Batch]], Dataset[Batch]] = lambda texts: texts
    """Makes the objective's sequences of the sources', one of one."""
    set_weights: SetWeights | None = None
    """What training starts from; None: weights drawn from the seed."""


def train(task: Task, job: Job) -> dict[str, Any]:
    """Train from where the last attempt's checkpoint ends; put the models, what was measured and read, and a digest in
    task.out.

    Every rank calls it. Returns the summary, on rank 0. Raises Checkpointed, on every rank, once `task.should_stop()`
    was true on any of them and the state is saved. Killed anywhere, any number of times, it ends with the same weights.
    """
    config: TrainingConfig = task.config
    set_deterministic(config)
    split = config.layout
    sizes = parallel.Sizes(tp=split.tp, pp=split.pp, interleave=split.interleave, cp=split.cp, ep=split.ep)
    parallel.start(task.ranks, sizes, seed=config.seed)
    try:
        summary = _train(task, job, config)
    except BaseException:
        if task.ranks.world_size == 1:  # with peers, leaving would wait for them; the end of the process does not
            parallel.stop()
        raise
    parallel.stop()
    return summary


def _train(task: Task, job: Job, config: TrainingConfig) -> dict[str, Any]:
    vocab_size = job.tokenizer.vocab_size
    corpus = open_corpus(job.sources)
    build = {"eod": job.tokenizer.eos_id, "vocab_size": vocab_size}
    dataset = job.arrange(build_dataset(corpus, config, task.work / "index", **build))
    heldout: Dataset[Batch] | None = None
    if config.heldout_every is not None:
        heldout = job.arrange(build_heldout(corpus, config, task.work / "index-heldout", **build))
    engine = build_engine(config, vocab_size, job.set_weights)
    identity = Identity(config, vocab_size, job.tokenizer.sha256, corpus.identity)
    checkpoints = Checkpoints(task, engine, identity)
    progress = checkpoints.begin()
    if dist.get_rank() == 0:
        print(*corpus.describe(config), sep="\n", flush=True)
    recorder = Recorder(task.work, config, engine, vocab_size, progress.step)
    for step in range(progress.step, config.steps):
        recorder.start(step + 1)
        size = batch_size(config, step)
        taken = range(progress.sequences, progress.sequences + size)
        is_scaled = engine.is_scaled
        run = partial(_accumulate, engine, job.objective, dataset, config, taken)
        loss, stop, written = _agree(run(recorder.batches), stop=task.should_stop(), written=checkpoints.is_written)
        if written:
            checkpoints.settle()
        grad_norm = engine.gradient_norm()
        recorder.read()
        lr = learning_rate(config, step + 1)
        guard = progress.guard.after_good(loss, config.guard)
        trouble = judge(config.guard, progress.guard, loss, grad_norm, is_scaled=is_scaled)
        if trouble is None or trouble.kind == "overflow":
            engine.update(lr)
        else:
            trouble, guard = recover(trouble, config.guard, progress.guard, engine, checkpoints, run)
        dropped = _dropped(engine, config)
        progress = Progress(step=step + 1, sequences=taken.stop, guard=guard, best=progress.best)
        record = StepRecord(step=step + 1, loss=loss, lr=lr, grad_norm=grad_norm, dropped=dropped, trouble=trouble)
        if heldout is not None and config.is_measured(step + 1):
            began = time.monotonic()
            progress = progress.measured(found := _measure(engine, job.objective, heldout, config))
            record = replace(record, heldout=found, apart=time.monotonic() - began)
        recorder.end(record, progress.best)
        if trouble is not None:
            end_if_too_many(config.guard, guard, step + 1, trouble)
        task.progress(step + 1)
        last = step + 1 == config.steps
        if stop or last or config.is_saved(step + 1):
            recorder.flush()
            checkpoints.save(progress, wait=stop or last or not config.checkpoint_async)
        if stop and not last:
            raise Checkpointed(f"step {step + 1} of {config.steps}")
    recorder.close()
    summary = _finish(task, engine, identity, checkpoints, progress, job.set_weights or drawn(config))
    if dist.get_rank() == 0:
        write_readings(task.out / KINDS.readings.file, corpus.readings(config))
    return summary


def _accumulate(
    engine: Engine,
    objective: Objective,
    dataset: Dataset[Batch],
    config: TrainingConfig,
    sequences: range,
    look: Callable[[Iterator[Batch]], Iterator[Batch]] = iter,
) -> list[torch.Tensor]:
    """Run a step's sequences forward and back, each microbatch through `look`; return their losses: see Engine."""
    batches = look(microbatches(dataset, config, sequences, device.device()))
    return engine.accumulate(objective, batches, len(sequences) // (config.microbatch * config.layout.dp))


def _measure(engine: Engine, objective: Objective, heldout: Dataset[Batch], config: TrainingConfig) -> float:
    """Return the mean loss on what is held out, in nats a token. It goes through the model as steps' batches do."""
    losses: list[torch.Tensor] = []
    for first in range(0, config.heldout_sequences, config.global_batch):
        batches = microbatches(heldout, config, range(first, first + config.global_batch), device.device())
        num_microbatches = config.global_batch // (config.microbatch * config.layout.dp)
        losses += engine.evaluate(objective, batches, num_microbatches)
    return _agree(losses, stop=False, written=False)[0]


def _dropped(engine: Engine, config: TrainingConfig) -> float | None:
    """Return the share of the experts that the step's tokens wanted and that were full; None without a capacity."""
    if config.model.moe is None or config.model.moe.capacity_factor is None:
        return None
    return fmean(load.dropped for load in loads(engine.chunks))


def _agree(losses: list[torch.Tensor], *, stop: bool, written: bool) -> tuple[float, bool, bool]:
    """Return the step's loss in nats a token, whether any rank was asked to stop, and whether every rank has written
    its part of a checkpoint: one all-reduce for all.

    Only the last pipeline stage has losses, and its tensor parallel ranks have the same ones: the first speaks.
    """
    speaks = parallel_state.get_tensor_model_parallel_rank() == 0
    sums = torch.stack(losses).double().sum(0).tolist() if speaks and losses else [0.0, 0.0]
    box = torch.tensor([*sums, float(stop), float(written)], dtype=torch.float64, device=device.device())
    dist.all_reduce(box)
    total, labels, stops, writes = box.tolist()
    return total / labels if labels else math.nan, stops > 0, writes == dist.get_world_size()


def _finish(
    task: Task,
    engine: Engine,
    identity: Identity,
    checkpoints: Checkpoints,
    progress: Progress,
    set_weights: SetWeights,
) -> dict[str, Any]:
    """Write the outputs; return the summary on rank 0. The weights that it started from are made again."""
    config = identity.config
    task.check_lease()
    save_weights(task.out / FINAL, engine, identity, progress)
    if config.heldout_every is not None:
        save_weights(task.out / BEST, engine, identity, checkpoints.load_best(progress))
    engine.reset(set_weights)
    save_weights(task.out / UNTRAINED, engine, identity, Progress())
    summary: dict[str, Any] = {}
    if dist.get_rank() == 0:
        last = publish(task.work, task.out)
        digest = weights_digest(task.out / FINAL, config.model.used_rows(identity.vocab_size))
        (task.out / DIGEST).write_text(digest + "\n", encoding="utf-8")
        summary = {name: last[name] for name in ("step", "tokens", "loss")} | {"weights_sha256": digest}
    dist.barrier()
    return summary


def weights_digest(checkpoint: Path, rows: int) -> str:
    """Return the SHA-256 over a checkpoint's full weights in order of name: each name, shape and row-major bytes.

    Names and tensors are global ones and of the vocabulary only the first `rows`, without padding, so equal weights
    have equal digests in every layout.
    """
    digest = hashlib.sha256()
    for name, weight in read_weights(checkpoint):
        if name.endswith(("word_embeddings.weight", "output_layer.weight")):
            weight = weight[:rows]  # noqa: PLW2901
        digest.update(f"{name} {list(weight.shape)} {weight.dtype}\n".encode())
        digest.update(weight.contiguous().view(torch.uint8).numpy())
    return digest.hexdigest()


def set_deterministic(config: TrainingConfig) -> None:
    """Fix what the order of additions hangs on: threads, and kernels that have a repeatable form."""
    torch.set_num_threads(config.threads)
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    # What ALiBi lets through from afar is subnormal, and CPUs are slow with that: 0.56 s became 0.21 s for an attention
    # of 8 heads of 64 over 2,048 tokens and back, on one thread of a Xeon at 2.6 GHz (0.18 s without ALiBi).
    torch.set_flush_denormal(config.model.position == "alibi")
    torch.use_deterministic_algorithms(True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # nothing reads it; filling costs time
