"""The steps of `align.rollout`: a shard of a policy's responses, and all of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from stages.align.policy import policy_digest
from stages.align.prompts import of_round, read_prompts
from stages.align.rollout.config import SHARD, RolloutConfig
from stages.align.sampling import Sampler, planned, share
from stages.chats.encoder import chat_encoder
from stages.formats.kinds import KINDS
from stages.formats.reinforcement.rollouts import Rollout, read_rollouts, write_rollouts
from stages.formats.tokenizer import Tokenizer
from stages.generate.sampling import Sampling
from stages.model import parallel
from stages.model.checkpoint.load import LoadedModel, load_model
from stages.model.checkpoint.reading import WEIGHTS, tensors_of
from stages.shared.contract import part_of
from stages.shared.errors import DataError
from stages.shared.task import Task


def shard(task: Task[RolloutConfig]) -> dict[str, Any]:
    """Write a shard of a policy's responses; return their numbers."""
    return _write(task, _sampled(task, *part_of(task.unit)))


def rollout(task: Task[RolloutConfig]) -> dict[str, Any]:
    """Write a policy's responses in order: those of its shards, else sampled here; return their numbers."""
    folders = task.steps.get(SHARD, ())
    return _write(task, _joined(folders) if folders else _sampled(task, 0, 1))


def _joined(folders: Sequence[Path]) -> list[Rollout]:
    """Return the responses of shards. Raises DataError if their policies had different weights."""
    found = [each for folder in folders for each in read_rollouts(folder / KINDS.rollouts.file)]
    if len(policies := {each.policy for each in found}) > 1:
        problem = f"shards were sampled with other weights than this one: {sorted(policies)}"
        raise DataError(folders[-1], problem, "Remove the shards of this unit and run it again")
    return found


def _write(task: Task[RolloutConfig], found: Sequence[Rollout]) -> dict[str, Any]:
    if task.ranks.rank == 0:
        write_rollouts(task.out / KINDS.rollouts.file, found)
    ended = sum(each.finish == "eos" for each in found)
    tokens = sum(len(each.tokens) for each in found)
    return {"responses": len(found), "ended": ended, "tokens": tokens, "policy": found[0].policy if found else ""}


def _sampled(task: Task[RolloutConfig], part: int, parts: int) -> list[Rollout]:
    """Return a part's responses. Collective. Raises DataError for a model that cannot answer these prompts."""
    config, layout = task.config, task.config.layout
    torch.set_num_threads(config.threads)
    parallel.start(task.ranks, parallel.Sizes(tp=layout.tp, pp=layout.pp, ep=layout.ep))
    tokenizer, model = Tokenizer(task.inputs["tokenizer"][0].path), _loaded(task)
    torch.set_flush_denormal(model.config.position == "alibi")  # as in training: stages/train/loop.py
    encoder = chat_encoder(config.template, model.config, tokenizer)
    prompts = read_prompts(task.inputs["prompts"], encoder, model.seq_len - config.max_new_tokens).all
    if config.limit is not None:
        prompts = tuple(of_round(prompts, config.limit, config.round, config.seed))
    sampler = Sampler(
        model=model,
        policy=digest_of(model),
        tokenizer=tokenizer,
        sampling=_sampling(config),
        end_id=encoder.end_id,
        round=config.round,
        should_stop=task.should_stop,
        progress=task.progress,
    )
    batches = planned(prompts, config.samples, config.batch)
    return sampler.sample(share(batches, part, parts), task.work)


def _loaded(task: Task[RolloutConfig]) -> LoadedModel:
    folder = task.inputs["policy"][0].path
    model = load_model(folder)
    if model.config.head != "lm":
        raise DataError(folder, f"a model with head {model.config.head} answers nothing", "Name a language model")
    if model.tokenizer_sha256 != Tokenizer(task.inputs["tokenizer"][0].path).sha256:
        raise DataError(folder, "trained with another tokenizer", "Set `tokenizer` to that of its training")
    return model


def digest_of(model: LoadedModel) -> str:
    """Return the digest of a loaded policy's weights. Collective."""
    return policy_digest(
        tensors_of(model.model.sharded_state_dict(prefix=WEIGHTS)), model.config.used_rows(model.vocab_size)
    )


def _sampling(config: RolloutConfig) -> Sampling:
    return Sampling(
        max_tokens=config.max_new_tokens,
        temperature=config.temperature,
        top_k=config.top_k,
        top_p=config.top_p,
        seed=config.seed,
        logprobs=0,
    )
