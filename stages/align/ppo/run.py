"""Runs a reinforcement learning: opens prompts and models, trains round by round, and writes what the rounds were."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from stages.align.ppo.config import PpoConfig
from stages.align.ppo.objective import POLICY, REFERENCE, REWARD, VALUE, LearnFromScores
from stages.align.ppo.rollout import Colocated, prompts_of
from stages.align.ppo.rounds import Rounds, Score
from stages.align.ppo.rule import read_rule
from stages.align.prompts import Prompts
from stages.formats.kinds import KINDS
from stages.formats.reinforcement.rounds import write_rounds
from stages.formats.tokenizer import Tokenizer
from stages.model.checkpoint.copying import copy_weights
from stages.model.checkpoint.settings import RewardScale, read_settings
from stages.model.config import ModelConfig
from stages.shared.errors import DataError
from stages.shared.files import sampled_digest
from stages.shared.task import Task
from stages.train.data.corpus import SourceDataset, open_corpus
from stages.train.data.datasets import EndOfDocument, TrainingData, build_dataset
from stages.train.data.schedule import Sequences
from stages.train.objectives.base import Role, SetWeights
from stages.train.run import starting_weights, train_and_compare


@dataclass(frozen=True, kw_only=True)
class Opened:
    """What a reinforcement learning reads."""

    tokenizer: Tokenizer
    prompts: Prompts
    judge: Score | int | None
    """As stages.align.ppo.rounds.Rounds takes it."""
    shift: float
    """Mean score of the demonstrations."""


def opened(task: Task[PpoConfig]) -> Opened:
    """Open the prompts, the tokenizer, and the rule or the description of the reward model."""
    config = task.config
    tokenizer = Tokenizer(task.inputs["tokenizer"][0].path)
    rule = next((read_rule(file.path).score for file in task.inputs.get("rule", ())), None)
    judge = next((read_reward_model(file.path, config) for file in task.inputs.get("reward", ())), None)
    behind = judge.token(tokenizer.vocab_size) if judge else None
    prompts = prompts_of(config, task.inputs["prompts"], tokenizer, reserved=behind is not None)
    shift = judge.scale.shift if judge else 0.0
    return Opened(tokenizer=tokenizer, prompts=prompts, judge=rule or behind, shift=shift)


def ppo(task: Task[PpoConfig]) -> dict[str, Any]:
    """Train, and return the summary: see stages.train.run.train_and_compare. Writes the rounds beside its outputs."""
    found = opened(task)
    sampler = Colocated(task.config, found.tokenizer, found.prompts.end_id)
    return train_rounds(task, found, Rounds(task.config, found.prompts, sampler, task.work, found.judge))


def train_rounds(task: Task[PpoConfig], found: Opened, rounds: Rounds) -> dict[str, Any]:
    """Train on rounds: see `ppo`."""
    objective = LearnFromScores(task.config, roles_of(task, found.tokenizer), found.tokenizer.vocab_size, found.shift)
    opening = partial(_open, task, found.tokenizer, found.prompts, rounds)
    summary = train_and_compare(task, objective, found.tokenizer, opening)
    return summary | (publish_rounds(task, rounds) if task.ranks.rank == 0 else {})


def publish_rounds(task: Task[PpoConfig], rounds: Rounds) -> dict[str, float]:
    """Write the rounds to the outputs; return the numbers of the last one."""
    rows = rounds.rows()
    write_rounds(task.out / KINDS.rounds.file, rows)
    return {name: rows[-1]["numbers"][name] for name in ("score", "kl", "length")}


def roles_of(task: Task[PpoConfig], tokenizer: Tokenizer) -> dict[str, Role]:
    """Return the models: the policy first, whose loss is the step's."""
    config = task.config
    start = next((file.path for file in task.inputs.get("policy", ())), None)
    weights = partial(_copied, tokenizer=tokenizer, seed=config.seed)
    own = weights(config.model, start) if start else starting_weights(task, tokenizer)
    roles = {POLICY: Role(config=config.model, set_weights=own, average=config.ema)}
    scorer = config.model.model_copy(update={"head": "scalar", "tied_embeddings": False})
    judge = weights(scorer, start) if start else None
    for file in task.inputs.get("reward", ()):
        scorer = read_reward_model(file.path, config).config
        judge = weights(scorer, file.path)
        roles[REWARD] = Role(config=scorer, set_weights=judge, frozen=("*",), each_step=False)
    if config.advantages == "gae":
        ratio = config.value_lr / config.lr if config.lr else 0.0
        roles[VALUE] = Role(config=scorer, set_weights=judge, lr_ratio=ratio)
    roles[REFERENCE] = Role(config=config.model, set_weights=own, frozen=("*",), each_step=False)
    return roles


def _copied(config: ModelConfig, folder: Path, *, tokenizer: Tokenizer, seed: int) -> SetWeights:
    return partial(copy_weights, config=config, folder=folder, tokenizer=tokenizer, seed=seed)


@dataclass(frozen=True, kw_only=True)
class RewardModel:
    """A reward model as its checkpoint describes it."""

    config: ModelConfig
    """For rows of the policy's length."""
    scale: RewardScale

    def token(self, vocab_size: int) -> int | None:
        """Return the id of the token behind a response, where the score is read; None: there is none."""
        token = self.scale.end_of_context
        return self.config.token_id(token, vocab_size) if token else None


def read_reward_model(folder: Path, config: PpoConfig) -> RewardModel:
    """Return a reward model. Raises DataError if it scores nothing, or if its tokens are others than the policy's."""
    settings = read_settings(folder)
    found = settings.config
    if found.head != "scalar":
        raise DataError(folder, f"a model with head {found.head} scores nothing", "Name a reward model: head scalar")
    ours = config.model.extra_tokens
    if found.extra_tokens[: len(ours)] != ours:
        problem = f"its extra_tokens {[*found.extra_tokens]} do not begin with the policy's, so ids are other tokens"
        raise DataError(folder, problem, "Train it with the extra_tokens of the policy")
    scale = settings.reward or RewardScale(shift=0.0)
    return RewardModel(config=found.model_copy(update={"seq_len": config.model.seq_len}), scale=scale)


def _open(task: Task[PpoConfig], tokenizer: Tokenizer, prompts: Prompts, rounds: Rounds, work: Path) -> TrainingData:
    """Return the rounds as the training's data. Collective with ptx."""
    config = task.config
    files = [file for name in ("prompts", "rule") for file in task.inputs.get(name, ())]
    identity: dict[str, Any] = {f"prompts/{file.path.name}": sampled_digest(file.path) for file in files}
    lines = [f"{len(prompts.all):,} prompts; left out: {prompts.left_out or 'none'}"]
    if config.ptx is not None:
        names = [(file, (config.mixture or {}).get(file.source)) for file in task.inputs["tokens"]]
        corpus = open_corpus([SourceDataset(file.source, file.path, weight) for file, weight in names])
        eod = EndOfDocument(tokenizer.eos_id, tokenizer.vocab_size)
        rows = Sequences(config.steps * config.ptx.batch, config.schedule.ordered_steps * config.ptx.batch)
        rounds.text = build_dataset(corpus, config, work / "index", eod, rows)
        identity |= corpus.identity
        lines += corpus.describe(config)
    return TrainingData(feed=rounds, identity=identity, lines=lines)
