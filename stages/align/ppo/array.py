"""The steps of a round as an array: shards of responses by a pinned policy, then the training that learns from them.

A unit of `learn` keeps for the next round the checkpoint with everything that training continues from, the metrics, and
the rounds so far. To the training loop it is an attempt that is asked to stop at the round's end.
"""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

from stages.align.policy import policy_digest
from stages.align.ppo.arrays import LEARN, SAMPLE, checkpoint_in, number_of
from stages.align.ppo.config import PpoConfig
from stages.align.ppo.objective import POLICY
from stages.align.ppo.rollout import FromShards, sampling_of
from stages.align.ppo.rounds import Rounds
from stages.align.ppo.run import Opened, opened, publish_rounds, roles_of, train_rounds
from stages.align.prompts import of_round
from stages.align.sampling import Sampler, planned, share
from stages.formats.kinds import KINDS
from stages.formats.metrics import read_metrics
from stages.formats.reinforcement.rollouts import write_rollouts
from stages.model import parallel
from stages.model.checkpoint.load import DTYPES, LoadedModel, build_for_reading, load_model
from stages.model.checkpoint.reading import WEIGHTS, tensors_of
from stages.shared.contract import part_of
from stages.shared.errors import Checkpointed
from stages.shared.files import link
from stages.shared.task import Kin, Task
from stages.train.loop import set_arithmetic
from stages.train.telemetry.log import take_over


def sample(task: Task[PpoConfig]) -> dict[str, Any]:
    """Write a shard of a round's responses; return their numbers. The ranks are one replica of the policy."""
    config, found, number = task.config, opened(task), number_of(task.step)
    set_arithmetic(config)
    parallel.start(task.ranks, parallel.Sizes(tp=config.layout.tp, pp=config.layout.pp), seed=config.seed)
    model = _policy(task, found)
    weights = tensors_of(model.model.sharded_state_dict(prefix=WEIGHTS))
    sampler = Sampler(
        model=model,
        policy=policy_digest(weights, model.config.used_rows(model.vocab_size)),
        tokenizer=found.tokenizer,
        sampling=sampling_of(config),
        end_id=found.prompts.end_id,
        round=number,
        should_stop=task.should_stop,
        progress=task.progress,
    )
    prompts = of_round(found.prompts.all, config.prompts_per_round, number, config.seed)
    batches = share(planned(prompts, config.samples, config.rollout_batch), *part_of(task.unit))
    rollouts = sampler.sample(batches, task.work)
    if task.ranks.rank == 0:
        write_rollouts(task.out / KINDS.rollouts.file, rollouts)
    return {"responses": len(rollouts), "tokens": sum(len(each.tokens) for each in rollouts), "policy": sampler.policy}


def learn(task: Task[PpoConfig]) -> dict[str, Any]:
    """Train on one round, and write what the next one starts from; after the last round the training's outputs.

    Returns the summary on rank 0. Raises DataError if the shards were sampled with other weights than those that learn.
    """
    number, updates = number_of(task.step), task.config.updates
    end, is_last = (number + 1) * updates, (number + 1) * updates == task.config.steps
    shards = task.steps.get(f"{SAMPLE}{number + 1}", ())
    before = _before(task)
    config = task.config.model_copy(update={"checkpoint_keep_every": None})  # learn keeps one checkpoint a round
    found = opened(task)
    sampler = FromShards(config, found.tokenizer, found.prompts.end_id, shards)
    rounds = Rounds(config, found.prompts, sampler, task.work, found.judge, None if is_last else end)
    if before:
        rounds.follow(before / KINDS.rounds.file)
    kin = [Kin(out=before, work=before, published=before / "none")] if before else []
    asked = replace(
        task,
        config=config,
        kin=lambda: [*kin, *task.kin()],
        should_stop=lambda: task.should_stop() or rounds.is_over,
    )
    try:
        return train_rounds(asked, found, rounds)
    except Checkpointed:
        if not rounds.is_over:
            raise
    return _keep(task, rounds, end) if task.ranks.rank == 0 else {}


def _before(task: Task[PpoConfig]) -> Path | None:
    """Return the folder of the round before; None: this is the first one."""
    return next(iter(task.steps.get(f"{LEARN}{number_of(task.step)}", ())), None)


def _keep(task: Task[PpoConfig], rounds: Rounds, step: int) -> dict[str, Any]:
    """Write what the next round starts from."""
    task.check_lease()
    shutil.copytree(checkpoint_in(task.work, step), checkpoint_in(task.out, step), copy_function=link)
    take_over(task.work, task.out)
    last = read_metrics(task.out / KINDS.metrics.file)[-1]
    return {name: last[name] for name in ("step", "tokens", "loss")} | publish_rounds(task, rounds)


def _policy(task: Task[PpoConfig], found: Opened) -> LoadedModel:
    """Return the weights that a round begins with. Collective."""
    config, step, before = task.config, number_of(task.step) * task.config.updates, _before(task)
    if before:
        return load_model(checkpoint_in(before, step))
    if step:
        return load_model(task.inputs["continue_from"][0].path)
    vocab_size = found.tokenizer.vocab_size
    model = build_for_reading(config.model, vocab_size, DTYPES[config.dtype])
    roles_of(task, found.tokenizer)[POLICY].starting_weights(config.seed)(model)
    return LoadedModel(model, config.model, vocab_size, found.tokenizer.sha256, step=0)
