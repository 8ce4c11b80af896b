"""Settings of `align.ppo`: a policy answers prompts, a reward model or a rule scores the answers, the policy learns.

One step on all ranks of the layout. Light: the login node plans with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from stages.align.ppo.arrays import SAMPLE, in_rounds, number_of
from stages.align.ppo.planning import EPISODE_BYTES, companions, sampler
from stages.align.starts import model_of, require_scores
from stages.formats.chat.templates import digest_of, load_template, require_controls
from stages.formats.kinds import KINDS
from stages.model.checkpoint.settings import name_of, require_fitting, require_tokenizer
from stages.model.config import ModelConfig
from stages.shared.contract import WHOLE, Forecast, InputFile, Inputs, Output, Reads, Section, StagePlan
from stages.shared.errors import ConfigError, DataError
from stages.shared.machine import Machine
from stages.train.config import LLAMA_PIECES, WEIGHTS
from stages.train.data.schedule import Schedule
from stages.train.planner.cost import PlannedTraining
from stages.train.planner.shape import BYTES, Rounds, Workload
from stages.train.sections import GuardConfig, LrScheduleConfig
from stages.train.stage import TrainingStage
from stages.train.starts import final_checkpoint
from stages.train.state.names import AVERAGE

STARTS = ("policy", "reward")
"""Input fields of models."""


class KlConfig(Section):
    """The price of leaving the reference: beta times the log ratio to it, a token."""

    beta: float = Field(default=0.02, ge=0)
    """Coefficient of the first round; without a target that of all rounds. InstructGPT: 0.02, Anthropic: 0.001."""
    target: float | None = Field(default=None, gt=0)
    """KL of a sequence, in nats, that the coefficient is adapted to after each round (arXiv:1909.08593, section 2.2);
    None: it is fixed. The coefficient is part of the checkpoint."""
    horizon: float = Field(default=10_000, gt=0)
    """Episodes in which the coefficient changes by a fifth at most."""


class PtxConfig(Section):
    """Text of the pretraining in each step, so that the policy forgets less (arXiv:2203.02155, section 3.5)."""

    gamma: float = Field(default=27.8, gt=0)
    """Weight of a token's loss on this text, relative to a response's. InstructGPT: 27.8."""
    batch: int = Field(ge=1)
    """Sequences of `model.seq_len` tokens a step, over all ranks, beside its episodes."""


class PpoConfig(TrainingStage):
    """Reinforcement learning from a score: PPO, or with `advantages` GRPO or REINFORCE with a baseline."""

    stage: ClassVar[str] = "align.ppo"
    version: ClassVar[int] = 6
    run: ClassVar[str] = "stages.align.ppo.run:ppo"
    starts: ClassVar[tuple[str, ...]] = (*TrainingStage.starts, *STARTS)

    prompts: Annotated[Inputs, Reads(KINDS.chats)]
    """Chats whose last answer the policy gives anew; an answer at their end is left out. Prompts that leave no room for
    max_new_tokens are counted and left out."""
    policy: Annotated[Inputs | None, Reads(KINDS.checkpoint)] = None
    """The fine-tuned model that the policy starts from, and the reference: `from:section`, whose checkpoint `final` is
    taken, or one folder. None: init_from, or drawn from the seed."""
    reward: Annotated[Inputs | None, Reads(KINDS.checkpoint)] = None
    """The reward model, with a scalar head, as `policy`; the value network starts from it. None: `rule` scores, and the
    value network starts from the policy with a new head."""
    rule: Annotated[Inputs | None, Reads(KINDS.reward_rule)] = None
    """A JSON file with a rule that scores responses in place of a reward model: stages/align/ppo/rule.py."""
    tokens: Annotated[Inputs | None, Reads(KINDS.tokens)] = None
    """Text of the pretraining, with `ptx`. A mapping names sources for `mixture`."""
    template: Annotated[str, WEIGHTS] = "stagecoach"
    """Chat template: a name in `templates/chat`, or the path of a file. `model.extra_tokens` holds its control
    tokens."""
    global_batch: Annotated[int, WEIGHTS] = Field(default=64, ge=1)
    """Episodes a step. InstructGPT: 64."""
    prompts_per_round: Annotated[int, WEIGHTS] = Field(default=512, ge=1)
    """Prompts that the policy answers in a round. InstructGPT: 512."""
    samples: Annotated[int, WEIGHTS] = Field(default=1, ge=1)
    """Responses to each prompt of a round."""
    epochs: Annotated[int, WEIGHTS] = Field(default=1, ge=1)
    """Times that a round's episodes are trained on. InstructGPT: 1, Anthropic: 1 to 4."""
    max_new_tokens: Annotated[int, WEIGHTS] = Field(default=128, ge=1)
    """Tokens of a response, its end token included. Responses are sampled at temperature 1 from the whole vocabulary:
    only then the recorded log probabilities are the policy's."""
    rollout_batch: Annotated[int, WEIGHTS] = Field(default=64, ge=1)
    """Responses that are sampled together and then written: what a kill costs at most on each replica."""
    rollout_shards: int | None = Field(default=None, ge=1)
    """Array elements that share out the prompts of a round: each round is then an array that samples and a job that
    learns. None: one job for all rounds, whose ranks sample. The bytes are the same."""
    advantages: Annotated[Literal["gae", "group", "leave_one_out"], WEIGHTS] = "gae"
    """gae: PPO with a value network. group: GRPO, a response in its group's standard deviations (arXiv:2402.03300).
    leave_one_out: REINFORCE with the mean of the other samples as baseline (arXiv:2402.14740). Both without a value
    network."""
    kl: Annotated[KlConfig, WEIGHTS] = KlConfig()
    """Price of leaving the reference."""
    gamma: Annotated[float, WEIGHTS] = Field(default=1.0, gt=0, le=1)
    """Discount a token. Both papers: 1."""
    lam: Annotated[float, WEIGHTS] = Field(default=0.95, ge=0, le=1)
    """Decay of GAE (arXiv:1506.02438)."""
    clip: Annotated[float, WEIGHTS] = Field(default=0.2, gt=0)
    """Distance of the policy's ratio from 1 up to which an episode teaches."""
    value_clip: Annotated[float | None, WEIGHTS] = Field(default=0.2, gt=0)
    """Distance of a value from the old one up to which its loss counts in full; None: any."""
    whiten_rewards: Annotated[bool, WEIGHTS] = False
    """Whether rewards are divided by their standard deviation over the round; their mean stays."""
    whiten_advantages: Annotated[bool, WEIGHTS] = True
    """Whether advantages have mean 0 and variance 1 over the round's tokens, on all ranks."""
    missing_end: Annotated[float | None, WEIGHTS] = None
    """Score of a response that reached max_new_tokens without an end token; None: its own."""
    ema: Annotated[float | None, WEIGHTS] = Field(default=0.992, ge=0, lt=1)
    """Decay a step of the average of the policy's weights, the output `average`; None: there is none. InstructGPT:
    0.992."""
    ptx: Annotated[PtxConfig | None, WEIGHTS] = None
    """Text of the pretraining in each step; None: there is none."""
    lr: Annotated[float, WEIGHTS] = Field(default=9e-6, ge=0)
    """Peak learning rate of the policy. InstructGPT: 2.55e-6 to 2.55e-5; above 8.05e-6 it diverged without ptx."""
    value_lr: Annotated[float, WEIGHTS] = Field(default=9e-6, ge=0)
    """Peak learning rate of the value network, on the policy's schedule. InstructGPT: 9e-6."""
    warmup_steps: Annotated[int, WEIGHTS] = Field(default=10, ge=0)
    """Steps of linear warm-up."""
    warmup_from: Annotated[float, WEIGHTS] = Field(default=0.1, ge=0, le=1)
    """Share of the peak rate that the warm-up begins with."""
    lr_schedule: Annotated[LrScheduleConfig, WEIGHTS] = LrScheduleConfig(shape="constant")
    """Learning rate after the warm-up."""
    guard: Annotated[GuardConfig, WEIGHTS] = GuardConfig(on_spike="none")
    """Bad batches. A policy's loss jumps by nature: on_spike is none."""
    steps: Annotated[int, WEIGHTS] = Field(ge=1)
    """Optimizer steps: a multiple of those of a round, prompts_per_round x samples x epochs / global_batch."""

    @model_validator(mode="after")
    def _check_ppo(self) -> PpoConfig:
        self._check_model()
        self._check_loop()
        self._check_rounds()
        if (self.reward is None) == (self.rule is None):
            raise ConfigError("reward", self.reward, "given, or `rule` in its place, and not both")
        if (self.ptx is None) != (self.tokens is None):
            raise ConfigError("tokens", self.tokens, "given with ptx, and only with it")
        if self.advantages != "gae" and self.samples < 2:
            wanted = f"at least 2 with advantages {self.advantages}: one sample has an advantage of 0 (for example 8)"
            raise ConfigError("samples", self.samples, wanted)
        if self.lr == 0 and self.value_lr != 0:
            raise ConfigError("value_lr", self.value_lr, "0 with lr 0")
        return self

    def _check_model(self) -> None:
        if self.model.head != "lm":
            raise ConfigError("model.head", self.model.head, "lm: tokens are sampled")
        if self.model.position == "glm":
            raise ConfigError(
                "model.position", "glm", "rope or alibi: GLM reads a text in another order than it samples"
            )
        require_controls(self.template, load_template(self.template).controls, self.model.extra_tokens)
        if self.max_new_tokens >= self.model.seq_len:
            wanted = f"less than model.seq_len ({self.model.seq_len}), which holds the prompt too"
            raise ConfigError("max_new_tokens", self.max_new_tokens, wanted)
        if self.model.moe and self.model.moe.capacity_factor is not None:
            raise ConfigError("model.moe.capacity_factor", self.model.moe.capacity_factor, "absent: it drops tokens")

    def _check_loop(self) -> None:
        if self.engine != "megatron":
            raise ConfigError("engine", self.engine, "megatron: the policy samples on its ranks")
        for name in ("cp", "ep", "interleave"):
            if (size := getattr(self.layout, name)) != 1:
                raise ConfigError(f"layout.{name}", size, "1: the policy samples on the same ranks")
        if self.continue_with == "weights":
            raise ConfigError("continue_with", "weights", "everything; `policy` names weights to start from")
        for name in ("ramp", "heldout_every"):
            if getattr(self, name) is not None:
                raise ConfigError(name, getattr(self, name), "absent: a round's episodes are sampled anew")
        if self.guard.on_spike != "none":
            raise ConfigError("guard.on_spike", self.guard.on_spike, "none: a policy's loss jumps by nature")
        if self.z_loss:
            raise ConfigError("z_loss", self.z_loss, "0: it would weigh tokens by their advantages")
        if self.init_from is not None and self.rule is not None and self.advantages == "gae":
            raise ConfigError("init_from", self.init_from, "absent with rule: the value network starts from `policy`")

    def _check_rounds(self) -> None:
        if self.episodes % self.global_batch:
            wanted = f"a divisor of prompts_per_round x samples ({self.episodes})"
            raise ConfigError("global_batch", self.global_batch, wanted)
        if self.steps % self.updates:
            near = self.updates * max(1, round(self.steps / self.updates))
            wanted = f"a multiple of a round's {self.updates} updates (for example {near})"
            raise ConfigError("steps", self.steps, wanted)
        every = self.checkpoint_keep_every
        if every is not None and every % self.updates:
            wanted = f"a multiple of a round's {self.updates} updates: a round cannot be joined in its midst"
            raise ConfigError("checkpoint_keep_every", every, wanted)

    @property
    def episodes(self) -> int:
        """Responses of a round."""
        return self.prompts_per_round * self.samples

    @property
    def updates(self) -> int:
        """Optimizer steps of a round."""
        return self.epochs * self.episodes // self.global_batch

    @property
    def schedule(self) -> Schedule:
        """Batch sizes, text of the pretraining included, and learning rates of all steps."""
        rows = self.global_batch + (self.ptx.batch if self.ptx else 0)
        return replace(super().schedule, global_batch=rows, warmup_from=self.warmup_from)

    def plan(self, inputs: Mapping[str, tuple[InputFile, ...]]) -> StagePlan:
        """Return the one step, or two for each round. Raises ConfigError if these settings and inputs cannot work."""
        training = super().plan(inputs)
        (step,) = training.steps
        (unit,) = step.units
        chosen = {name: (final_checkpoint(name, inputs[name]),) for name in STARTS if inputs.get(name)}
        given = [name for name in ("prompts", *STARTS, "rule", "tokens") if getattr(self, name) is not None]
        reads = (*(name for name in step.reads if name != self.data), *given)
        units = (replace(unit, inputs={**unit.inputs, **chosen}),)
        step = replace(step, reads=reads, units=units, data=digest_of(self.template))
        outputs = [*training.outputs, Output(step="", unit=WHOLE[0].key, kind=KINDS.rounds, source="")]
        if self.ema is not None:
            final = next(output for output in training.outputs if output.kind == KINDS.checkpoint)
            outputs.append(replace(final, source=AVERAGE, name=AVERAGE))
        found = StagePlan(steps=(step,), outputs=tuple(outputs))
        if self.rollout_shards is None:
            return found
        first, late = divmod(self.first_step(inputs), self.updates)
        if late:
            wanted = f"a checkpoint after a multiple of a round's {self.updates} updates, with rollout_shards"
            raise ConfigError("continue_from", self.continue_from, wanted)
        split = self.layout
        return in_rounds(
            found, range(first, self.steps // self.updates), self.updates, self.rollout_shards, split.tp * split.pp
        )

    def workload(self, vocab_size: int = 0) -> Workload:
        """Return a step as the planner takes it, with a reward model of the policy's shape."""
        return self._workload(vocab_size, self.model)

    def _workload(self, vocab_size: int, reward: ModelConfig) -> Workload:
        given, has_values = None if self.reward is None else reward, self.advantages == "gae"
        rounds = Rounds(
            prompts=self.prompts_per_round,
            samples=self.samples,
            new_tokens=self.max_new_tokens,
            batch=self.rollout_batch,
            updates=self.updates,
            epochs=self.epochs,
            sampler=partial(sampler, self.model, vocab_size, BYTES[self.dtype], self.rollout_batch),
        )
        return replace(
            super().workload(vocab_size),
            name="policy",
            text=self.ptx.batch if self.ptx else 0,
            averages=self.ema is not None,
            others=tuple(companions(self.model, given, vocab_size, self.layout.tp, has_values=has_values)),
            rounds=rounds,
        )

    def planned(self, inputs: Mapping[str, tuple[InputFile, ...]]) -> PlannedTraining:
        """Return the training as the planner takes it, with the reward model that is given."""
        training = super().planned(inputs)
        found = _known_model(final_checkpoint("reward", inputs["reward"])) if inputs.get("reward") else None
        vocab_size = next((file.count for file in inputs.get("tokenizer", ())), 0) or LLAMA_PIECES
        work = self._workload(vocab_size, found or self.model)
        assumed = () if found or self.reward is None else ("a reward model of the policy's shape",)
        may = {*training.may} - {"cp", "ep", "interleave"}
        return replace(training, work=work, may=may, rounds_mb=self._rounds_mb, assumed=assumed)

    @property
    def _rounds_mb(self) -> float:
        """Size of the rounds' files, in MB: those since the oldest checkpoint that stays for a restart."""
        kept = 2 + self.checkpoint_every * (self.checkpoint_keep + 1) // self.updates
        return EPISODE_BYTES * self.episodes * self.model.seq_len * kept / 1e6

    def forecast(
        self, step: str, inputs: Mapping[str, tuple[InputFile, ...]], machine: Machine, done: int = 0
    ) -> Forecast | None:
        """Return time and memory of the rounds, or of the one that a step learns from: see TrainingStage."""
        if step.startswith(SAMPLE):
            return None
        if step:
            ended = (number_of(step) + 1) * self.updates
            whole = self.model_copy(update={"rollout_shards": None, "steps": ended})
            return whole.forecast("", inputs, machine, max(done, ended - self.updates))
        return super().forecast(step, inputs, machine, done)

    def inspect(self, inputs: Mapping[str, tuple[InputFile, ...]]) -> None:
        """Raise what TrainingStage does, and DataError for models of another tokenizer or a policy of another shape."""
        super().inspect(inputs)
        for name in STARTS:
            if not inputs.get(name):
                continue
            file = final_checkpoint(name, inputs[name])
            require_tokenizer(file, inputs.get("tokenizer", ()))
            if name == "policy":
                require_fitting(name_of(file), model_of(file), self.model)
            else:
                require_scores(file)

    def _weights_from(self, inputs: Mapping[str, tuple[InputFile, ...]]) -> str:
        files = inputs.get("policy", ())
        return final_checkpoint("policy", files).where if files else super()._weights_from(inputs)


def _known_model(file: InputFile) -> ModelConfig | None:
    """Return the settings of a checkpoint's model; None for a folder that is no checkpoint, which `inspect` refuses."""
    try:
        return model_of(file)
    except DataError:
        return None


Config = PpoConfig
