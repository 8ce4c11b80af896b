"""A round, phase by phase: the feed of the training. Its results are files, so that a kill loses no phase twice.

    rounds/round-00003/batch-00000.jsonl ...   responses as they are sampled (stages/align/sampling.py)
    rounds/round-00003/episodes.npz            every column that the updates read
    rounds/round-00003/round.json              numbers and samples to read; written last: the round is complete

A round's files stay as long as a checkpoint inside the round may be restarted from; round.json stays.
"""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from megatron.core import parallel_state
from numpy.typing import NDArray
from torch.utils.data import Dataset

from stages.align.ppo import phases
from stages.align.ppo.clock import PhaseClock
from stages.align.ppo.config import PpoConfig
from stages.align.ppo.objective import EPISODE, POLICY, REFERENCE, REWARD, VALUE
from stages.align.ppo.phases import Episodes, Floats
from stages.align.ppo.reading import READ, alike
from stages.align.ppo.rollout import RoundSampler
from stages.align.prompts import Prompts, of_round, permutation
from stages.formats.reinforcement.rollouts import Rollout, scored, write_rollouts
from stages.formats.reinforcement.rounds import RoundRow, read_rounds
from stages.model import parallel
from stages.shared import log
from stages.shared.errors import Checkpointed, DataError
from stages.shared.files import read_json, write_atomic, write_json
from stages.train.data.feed import FeedState
from stages.train.models import Models
from stages.train.objectives.base import Batch

ROUNDS = "rounds"
EPISODES, ROUND = "episodes.npz", "round.json"
SHOWN = 8
"""Responses of a round that its file shows."""
CHECKED = 8
"""Responses whose recorded log probabilities are compared with those of the training's forward pass."""
TOLERANCE = {"fp32": 1e-4, "fp16": 0.05, "bf16": 0.5}
"""Largest difference of the two, in nats, by the type of the weights. Measured: 1.1e-5 in float32 after 48 steps of a
small model, whose logits had grown."""

Score = Callable[[Sequence[Rollout]], Sequence[float]]
"""Scores responses without a model."""


@dataclass(frozen=True, kw_only=True)
class Round:
    """A round that is ready for its updates."""

    number: int
    episodes: Episodes
    next_beta: float
    """Coefficient of the KL in the next round."""


class Rounds:
    """Takes the samples of a step from its round; at a round's first step the policy samples it."""

    def __init__(
        self,
        config: PpoConfig,
        prompts: Prompts,
        sampler: RoundSampler,
        work: Path,
        judge: Score | int | None = None,
        until: int | None = None,
    ) -> None:
        """`judge` scores responses, or is the token at which the model of the role `reward` does, behind a response.
        None: that model scores at the response's last token. `until` is the step before which the training stops for
        the next round; None: it goes to its end.
        """
        self._config, self._prompts, self._sampler, self._judge = config, prompts, sampler, judge
        self._until, self._taken = until, 0
        self._earlier: list[RoundRow] = []
        self._folder = work / ROUNDS
        self._round: Round | None = None
        self.text: Dataset[Batch] | None = None
        """Text of the pretraining, with ptx."""
        self.clock = PhaseClock()

    @property
    def is_over(self) -> bool:
        """Whether the last step before `until` was taken."""
        return self._taken == self._until

    def take(self, step: int, state: FeedState, models: Models, /) -> tuple[Sequence[Batch], FeedState]:
        """Return the samples of a step, episodes first, and the state with the KL's coefficient. Collective.

        Raises Checkpointed for the step `until`.
        """
        self._taken = step
        if step == self._until:
            raise Checkpointed(f"the rounds up to step {step} are done")
        self._taken += 1
        number, update = divmod(step, self._config.updates)
        if update == 0:
            beta = float(state.get("beta", self._config.kl.beta))
            self._round = self._begin(number, beta, models)
            state = {"beta": self._round.next_beta}
        elif self._round is None or self._round.number != number:
            self._round = self._again(number)
        return self._samples(self._round.episodes, step, number, update), state

    def _begin(self, number: int, beta: float, models: Models) -> Round:
        """Return a round that starts with these weights: from its files if they are of this policy, else anew."""
        self.clock.lap("updates" if self._round else "start")
        folder, policy = self._folder / f"round-{number:05d}", self._sampler.digest(models.main)
        if not parallel.agree(_is_complete(folder, policy, beta)):
            self._make(number, beta, policy, models, folder)
            parallel.wait_for_all()
        if dist.get_rank() == 0:
            self._forget(number)
        found = self._again(number)
        self.clock.lap("rest")
        if dist.get_rank() == 0:
            log.info(f"round {number}: {self.clock.finish()}")
        return found

    def _again(self, number: int) -> Round:
        """Return a round from its files. Raises DataError if they are not there."""
        folder = self._folder / f"round-{number:05d}"
        try:
            with np.load(folder / EPISODES, allow_pickle=False) as found:
                episodes = Episodes(**{name: found[name] for name in found.files})
            return Round(number=number, episodes=episodes, next_beta=float(read_json(folder / ROUND)["next_beta"]))
        except (OSError, ValueError, TypeError, KeyError) as error:
            problem = f"the episodes of round {number} are not there ({error}), and a checkpoint is in its midst"
            remedy = f"Continue from a step that is a multiple of {self._config.updates}, a round's end"
            raise DataError(folder, problem, remedy) from error

    def _make(self, number: int, beta: float, policy: str, models: Models, folder: Path) -> None:
        """Make a round: the nine phases but the updates, which are the training's steps. Collective."""
        config = self._config
        prompts = of_round(self._prompts.all, config.prompts_per_round, number, config.seed)
        self.clock.lap("rest")
        rollouts = self._sampler.sample(models.main, policy, number, prompts, folder)
        self.clock.lap("sample")
        episodes = phases.episodes_of(rollouts, config.model.seq_len)
        run = partial(self._columns, models, episodes)
        episodes = phases.with_scores(episodes, self._scores(models, episodes, rollouts), config.missing_end)
        choices = run(POLICY)
        episodes = replace(episodes, old=choices["logprobs"], entropy=choices["entropy"])
        self._require_same_policy(episodes, rollouts)
        episodes = replace(episodes, reference=run(REFERENCE)["logprobs"])
        if config.advantages == "gae":
            episodes = replace(episodes, values=run(VALUE)["scores"])
            episodes = phases.with_rewards(episodes, beta, whitens=config.whiten_rewards)
            episodes = phases.with_advantages(episodes, config.gamma, config.lam, whitens=config.whiten_advantages)
        else:
            episodes = phases.with_group_advantages(episodes, config.samples, config.advantages, beta)
        numbers, next_beta = phases.statistics(episodes), beta
        if (target := config.kl.target) is not None:
            next_beta = phases.next_beta(beta, numbers["kl"], target, config.kl.horizon, config.episodes)
        if dist.get_rank() == 0:
            rollouts = scored(rollouts, episodes.scores.tolist())
            step = number * config.updates
            about = {"round": number, "step": step, "policy": policy, "beta": beta, "next_beta": next_beta}
            samples = _shown(rollouts[:SHOWN], episodes)
            _write(folder, {**about, "numbers": numbers, "samples": samples}, episodes, rollouts)

    def _scores(self, models: Models, episodes: Episodes, rollouts: Sequence[Rollout]) -> Floats:
        """Return the score of each response. Collective."""
        if callable(self._judge):
            return np.asarray(self._judge(rollouts), np.float64)
        judged = episodes if self._judge is None else phases.with_token_behind(episodes, self._judge)
        scores_NT = self._columns(models, judged, REWARD)["scores"]
        return scores_NT[np.arange(len(judged.last)), judged.last]

    def _columns(self, models: Models, episodes: Episodes, role: str) -> dict[str, Floats]:
        """Run a model over all episodes, in the batches of the round's first updates; return its columns, [N, T].

        The log probabilities of the first epoch are then those that the updates compute, bit for bit. Collective.
        """
        found: dict[str, Floats] = {}
        for rows in self._alike(episodes, np.arange(self._config.episodes)).reshape(-1, self._config.global_batch):
            for name, column in _gathered(models.annotate(role, [_sample(episodes, row) for row in rows])).items():
                found.setdefault(name, np.empty(episodes.tokens.shape))[rows] = column
        self.clock.lap(role)
        mask = episodes.is_trained
        return {name: column if name == "scores" else np.where(mask, column, 0.0) for name, column in found.items()}

    def _alike(self, episodes: Episodes, rows: NDArray[np.intp]) -> NDArray[np.intp]:
        """Return rows, batch by batch, with those of like length in a microbatch."""
        config = self._config
        batches = rows.reshape(-1, config.global_batch)
        return np.concatenate(
            [batch[alike(episodes.last[batch], config.microbatch, config.layout.dp)] for batch in batches]
        )

    def _require_same_policy(self, episodes: Episodes, rollouts: Sequence[Rollout]) -> None:
        """Raise DataError if the sampler had other weights than the training has."""
        rows = slice(0, CHECKED)
        gaps = np.abs(episodes.sampled - episodes.old)[rows][episodes.is_trained[rows]]
        limit = TOLERANCE[self._config.dtype]
        if len(gaps) and not gaps.max() <= limit:
            problem = (
                f"the log probabilities of {rollouts[0].prompt} and others are {gaps.max():.3g} nats from those of the "
                f"training's forward pass, which may be {limit:g}: they were sampled with other weights"
            )
            raise DataError(self._folder, problem, "Remove this folder; if it comes again, report it")

    def _samples(self, episodes: Episodes, step: int, number: int, update: int) -> list[Batch]:
        """Return the samples of an update: its episodes, then rows of the pretraining's text."""
        config, size = self._config, self._config.global_batch
        epoch, place = divmod(update, config.episodes // size)
        order = np.arange(config.episodes)  # of the first epoch: the batches in which the old numbers were computed
        if epoch:
            order = permutation(config.episodes, f"episodes/{config.seed}/{number}/{epoch}")
        chosen = self._alike(episodes, order[place * size : (place + 1) * size])
        samples = [_sample(episodes, row) for row in chosen]
        if config.ptx is None or self.text is None:
            return samples
        rows = [self.text[step * config.ptx.batch + row] for row in range(config.ptx.batch)]
        tokens = int(episodes.is_trained[chosen].sum())
        weight = config.ptx.gamma * tokens / sum(float(row["loss_mask"].sum()) for row in rows)
        return [*samples, *(_text_sample(row, weight) for row in rows)]

    def _forget(self, number: int) -> None:
        """Remove the large files of rounds that no checkpoint needs any more."""
        config = self._config
        kept = 2 + config.checkpoint_every * (config.checkpoint_keep + 1) // config.updates
        for old in range(max(0, number - 2 * kept), number - kept):
            for path in (self._folder / f"round-{old:05d}").glob("*"):
                if path.name != ROUND:
                    path.unlink()

    def rows(self) -> list[RoundRow]:
        """Return what is known of each round that is complete, in order."""
        own = [read_json(path) for path in sorted(self._folder.glob(f"round-*/{ROUND}"))]
        return [*self._earlier, *own]

    def follow(self, earlier: Path) -> None:
        """Put the rounds of a file before those of this training."""
        self._earlier = read_rounds(earlier)


def _is_complete(folder: Path, policy: str, beta: float) -> bool:
    if not ((folder / ROUND).exists() and (folder / EPISODES).exists()):
        return False
    about = read_json(folder / ROUND)
    return (about["policy"], about["beta"]) == (policy, beta)


def _shown(rollouts: Sequence[Rollout], episodes: Episodes) -> list[dict[str, Any]]:
    """Return responses for people."""
    kl = episodes.kl.tolist()
    return [
        {
            **{name: getattr(rollout, name) for name in ("prompt", "text", "finish", "score")},
            "question": rollout.messages[-1].text,
            "kl": kl[row],
        }
        for row, rollout in enumerate(rollouts)
    ]


def _write(folder: Path, about: Mapping[str, Any], episodes: Episodes, rollouts: Sequence[Rollout]) -> None:
    """Write a round's files: round.json is the last."""
    write_rollouts(folder / "rollouts.jsonl", rollouts)
    buffer = io.BytesIO()
    columns = {field.name: getattr(episodes, field.name) for field in fields(episodes)}
    np.savez(buffer, allow_pickle=False, **columns)
    write_atomic(folder / EPISODES, buffer.getvalue())
    finishes = dict(sorted(Counter(rollout.finish for rollout in rollouts).items()))
    write_json(folder / ROUND, {**about, "finishes": finishes})


def _sample(episodes: Episodes, row: np.intp) -> Batch:
    """Return an episode as a sample; columns that are not filled yet are 0."""
    tokens = torch.from_numpy(episodes.tokens[row])
    zero = torch.zeros(len(tokens))
    found = {name: getattr(episodes, name) for name in EPISODE if name != "ptx"}
    is_read = torch.from_numpy(episodes.is_trained[row].copy())
    is_read[episodes.last[row]] = True
    return {
        READ: is_read,
        "tokens": tokens,
        "labels": torch.cat([tokens[1:], tokens.new_zeros(1)]),
        "position_ids": torch.arange(len(tokens)),
        "loss_mask": torch.from_numpy(episodes.is_trained[row]).float(),
        "ptx": zero,
        **{name: torch.from_numpy(column[row]).float() if column.size else zero for name, column in found.items()},
    }


def _text_sample(row: Batch, weight: float) -> Batch:
    """Return a row of the pretraining's text as a sample that is no episode."""
    mask = row["loss_mask"].float()
    zeros = {name: torch.zeros_like(mask) for name in EPISODE}
    return {**row, **zeros, READ: mask > 0, "loss_mask": torch.zeros_like(mask), "ptx": mask * weight}


def _gathered(columns: Sequence[Batch]) -> dict[str, Floats]:
    """Return the columns of all data parallel ranks, in order, on every rank. Collective."""
    is_source = parallel_state.is_pipeline_last_stage() and parallel_state.get_tensor_model_parallel_rank() == 0
    own = {
        name: torch.cat([each[name] for each in columns]).double().cpu().numpy()
        for name in (columns[0] if columns and is_source else ())
    }
    if dist.get_world_size() == 1:
        return own
    everyone: list[tuple[int, dict[str, Floats]]] = [(0, own)] * dist.get_world_size()
    dist.all_gather_object(everyone, (parallel_state.get_data_parallel_rank(), own), group=parallel.host_group())
    parts = [found for _, found in sorted(everyone, key=lambda each: each[0]) if found]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
