"""Settings of the training loop, for every objective. Light: pydantic and the standard library only."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BeforeValidator, Field, ValidationError, model_validator

from stages.formats.kinds import KINDS
from stages.model.config import ModelConfig
from stages.model.senses import SENSES
from stages.shared.contract import Earlier, InputFile, Inputs, Reads, StageConfig
from stages.shared.errors import ConfigError
from stages.train.data.schedule import Schedule, steps_for
from stages.train.planner.cost import PlannedTraining
from stages.train.planner.rules import require
from stages.train.planner.shape import Layout, Workload, shape_of
from stages.train.planner.tokens import chinchilla_tokens, parse_tokens
from stages.train.sections import (
    GuardConfig,
    LayoutConfig,
    LossScaleConfig,
    LrScheduleConfig,
    OptimizerConfig,
    RampConfig,
)
from stages.train.state.names import holds_state, step_of

WEIGHTS = "changes the weights"
"""Marks a setting that changes the weights: `lr: Annotated[float, WEIGHTS]`. A training that is resumed has all of them
as before."""
PLANNED = ("steps", "earlier_steps", "lr", "warmup_steps", "min_lr_ratio", "lr_schedule")
"""Settings that act through the learning rate of each step, and the order of the data, alone."""
LLAMA_PIECES = 32_000
"""Pieces of LLaMA's tokenizer (arXiv:2302.13971, section 2.1)."""


def _steps(earlier: dict[str, Any]) -> int:
    """Return the steps that the settings before `steps` lead to; 1 if one of them is wrong, which has its own error."""
    if not {"model", "global_batch", "ramp", "train_tokens"} <= earlier.keys():
        return 1
    model: ModelConfig = earlier["model"]
    tokens = earlier["train_tokens"] or chinchilla_tokens(model.num_parameters(0))
    return steps_for(math.ceil(tokens / model.seq_len), earlier["global_batch"], earlier["ramp"])


class TrainingConfig(StageConfig):
    """Settings that the training loop reads."""

    version: ClassVar[int] = 4
    """Code version of the training."""
    starts: ClassVar[tuple[str, ...]] = ("init_from", "continue_from")
    """Input fields of weights that it starts from."""
    sense: ClassVar[Literal["eyes", "ears"] | None] = None
    """What its batches need beside text: `eyes` for pictures, `ears` for sounds."""

    continue_from: Annotated[Inputs | None, Reads(KINDS.state)] = None
    """A checkpoint of this project to start from: `from:section`, whose last one is taken, or a folder. Model and
    tokenizer must be its own, every other setting may differ. None: the start."""
    continue_with: Annotated[Literal["everything", "weights"], WEIGHTS] = "everything"
    """Parts of that checkpoint to take. everything: weights, optimizer, and the count of steps, which goes on; the data
    go on too where they are the same. weights: a new training that starts from these weights; a folder may then be
    `final` or `best` too, and the head another one."""
    continue_step: int | None = Field(default=None, ge=1)
    """Step of the checkpoint of `from:section` to take; None: its last."""
    engine: Annotated[Literal["megatron", "deepspeed"], WEIGHTS] = "megatron"
    """Engine that splits and updates the weights: Megatron-Core, or DeepSpeed with Megatron's tensor parallelism."""
    model: Annotated[ModelConfig, WEIGHTS] = ModelConfig()
    """The decoder."""
    layout: Annotated[LayoutConfig, WEIGHTS] = LayoutConfig()
    """Processes. Another layout adds numbers up in another order."""
    global_batch: Annotated[int, WEIGHTS] = Field(default=16, ge=1)
    """Sequences a step, over all ranks and microbatches."""
    ramp: Annotated[RampConfig | None, WEIGHTS] = None
    """A batch that grows to global_batch; None: global_batch from the first step."""
    train_tokens: Annotated[int | None, BeforeValidator(parse_tokens)] = Field(default=None, ge=1)
    """Tokens to train on, also written 1.4T or 300B; None: as many as `steps` says."""
    steps: Annotated[int, WEIGHTS] = Field(default_factory=_steps, ge=1)
    """Optimizer steps. Not given: those of train_tokens; neither given: those of Chinchilla's tokens for the model."""
    earlier_steps: Annotated[tuple[Annotated[int, Field(ge=1)], ...], WEIGHTS] = ()
    """Steps that this training had before they were raised, such as [600]. The order of the data stays that of the
    first, and the held-out loss is measured after each. `run` sets it."""
    microbatch: Annotated[int, WEIGHTS] = Field(default=8, ge=1)
    """Sequences a rank takes through the model at once."""
    lr: Annotated[float, WEIGHTS] = Field(default=2e-3, gt=0)
    """Peak learning rate."""
    warmup_steps: Annotated[int, WEIGHTS] = Field(default=40, ge=0)
    """Steps of linear warm-up from 0. With a ramp it is linear in the sequences of these steps."""
    min_lr_ratio: Annotated[float, WEIGHTS] = Field(default=0.1, ge=0, le=1)
    """Learning rate at the end of the decay, as a share of lr. LLaMA: 0.1."""
    lr_schedule: Annotated[LrScheduleConfig, WEIGHTS] = LrScheduleConfig()
    """Learning rate after the warm-up."""
    optimizer: Annotated[OptimizerConfig, WEIGHTS] = OptimizerConfig()
    """AdamW."""
    dtype: Annotated[Literal["fp32", "bf16", "fp16"], WEIGHTS] = "fp32"
    """Of weights and activations. With 16 bits the optimizer keeps float32 weights; gradients add up in float32."""
    loss_scale: Annotated[LossScaleConfig, WEIGHTS] = LossScaleConfig()
    """Used with fp16 alone."""
    attend_across_documents: Annotated[bool, WEIGHTS] = True
    """Whether a token sees the documents before its own in its sequence. False: only its own (arXiv:2407.21783, section
    3.2), and attention computes the squares of their lengths alone."""
    z_loss: Annotated[float, WEIGHTS] = Field(default=0.0, ge=0)
    """Weight of the mean square of the softmax's log-partition (arXiv:2204.02311, section 5: 1e-4). It enters through
    the gradient alone."""
    guard: Annotated[GuardConfig, WEIGHTS] = GuardConfig()
    """Bad batches."""
    seed: Annotated[int, WEIGHTS] = Field(default=1, ge=0)
    """Of the initial weights and of the order of the data."""
    threads: Annotated[int, WEIGHTS] = Field(default=1, ge=1)
    """CPU threads a rank: they decide how sums are split."""
    deterministic: bool = True
    """Whether the same run has the same weights, bit by bit. False: torch may choose kernels that add up in any order,
    which GPUs are faster with."""
    timeout_min: int = Field(default=10, ge=1)
    """Minutes that a rank waits for a silent peer before the training fails. Rank 0 makes the index of the data in this
    time."""
    checkpoint_every: int = Field(default=100, ge=1)
    """Steps between checkpoints."""
    checkpoint_async: bool = True
    """Whether a checkpoint is written while the next steps compute; the host holds a copy of the state."""
    checkpoint_keep: int = Field(default=2, ge=1)
    """Newest checkpoints kept for a restart; with fewer than 2 a damaged one cannot be passed over."""
    checkpoint_keep_every: int | None = Field(default=None, ge=1)
    """Steps between checkpoints that are published as outputs `step-...` while the training goes on; None: none."""
    checkpoint_keep_at_end: tuple[Literal["last", "best"], ...] = ("last", "best")
    """Checkpoints with everything that stay after the end besides those: a training continues from them. The best one
    exists with heldout_every alone."""
    heldout_batches: Annotated[int, WEIGHTS] = Field(default=0, ge=0)
    """Global batches of sequences that are held out: cut from documents that are never trained on, drawn by the seed
    from each source in its share. 0: all documents are trained on."""
    heldout_every: int | None = Field(default=None, ge=1)
    """Steps between measurements of the held-out loss. A checkpoint follows each, and the best one is kept. The last
    step is measured too. None: never."""
    layer_stats_every: int | None = Field(default=None, ge=1)
    """Steps between rows of every layer's norms in layers.jsonl; None: none."""
    log_every: int = Field(default=20, ge=1)
    """Steps between lines on the console, with which memory and the ranks' own times are read; metrics.jsonl has every
    step."""
    tensorboard: bool = True
    """Whether TensorBoard event files are written: stages/train/README.md."""

    @model_validator(mode="after")
    def _check(self) -> TrainingConfig:
        require(self.workload(), self.planned_layout)
        if self.train_tokens is not None:
            wanted = steps_for(math.ceil(self.train_tokens / self.model.seq_len), self.global_batch, self.ramp)
            if self.steps != wanted:
                raise ConfigError("steps", self.steps, f"{wanted} or absent with train_tokens {self.train_tokens}")
        if not self.attend_across_documents and self.layout.cp > 1:
            raise ConfigError("attend_across_documents", False, "true with layout.cp: it cuts sequences elsewhere")
        self._check_model()
        if self.heldout_every is not None and not self.heldout_batches:
            raise ConfigError("heldout_batches", 0, "at least 1 with heldout_every")
        if self.continue_step is not None and self.continue_from is None:
            raise ConfigError("continue_step", self.continue_step, "absent without continue_from")
        if list(self.earlier_steps) != sorted({*self.earlier_steps}):
            raise ConfigError("earlier_steps", [*self.earlier_steps], "rising (for example [600, 900])")
        self._check_schedule(self.schedule.plans[0])
        return self

    def _check_model(self) -> None:
        """Raise ConfigError if this training cannot train such a model."""
        if self.engine == "deepspeed":
            for name in ("lora", *SENSES):
                if getattr(self.model, name):
                    raise ConfigError("engine", self.engine, f"megatron with model.{name}: it freezes weights")
        for name in SENSES:
            if (section := getattr(self.model, name)) and name != self.sense:
                wanted = "trains on text alone" if self.sense is None else f"trains model.{self.sense}"
                raise ConfigError(f"model.{name}", section.model_dump(), f"absent: {self.stage} {wanted}")

    def _check_schedule(self, first: int) -> None:
        """Raise ConfigError if the first plan's steps are too few."""
        decay = self.lr_schedule.decay_steps
        if self.warmup_steps > first:
            raise ConfigError("warmup_steps", self.warmup_steps, f"at most steps ({first})")
        if decay and self.warmup_steps + decay > first:
            wanted = f"at most steps - warmup_steps ({first - self.warmup_steps})"
            raise ConfigError("lr_schedule.decay_steps", decay, wanted)

    @classmethod
    def weights_depend_on(cls) -> list[str]:
        """Return the settings that are marked WEIGHTS."""
        return [name for name, setting in cls.model_fields.items() if WEIGHTS in setting.metadata]

    def workload(self, vocab_size: int = 0) -> Workload:
        """Return a step as the planner takes it."""
        return Workload(
            shape=shape_of(self.model, vocab_size, self.layout.tp),
            global_batch=self.global_batch,
            ramp=self.ramp,
            dtype=self.dtype,
            engine=self.engine,
            causal=self.model.position == "rope",
        )

    @property
    def planned_layout(self) -> Layout:
        """The layout as the planner takes it."""
        return Layout(**self.layout.model_dump(), microbatch=self.microbatch)

    def planned(self, inputs: Mapping[str, tuple[InputFile, ...]]) -> PlannedTraining:
        """Return the training as the planner takes it; a tokenizer of unknown size counts as LLaMA's."""
        vocab_size = next((file.count for file in inputs.get("tokenizer", ())), 0)
        first = self.first_step(inputs)
        kept = [step for step in self.kept_steps if step > first]
        return PlannedTraining(
            work=self.workload(vocab_size or LLAMA_PIECES),
            layout=self.planned_layout,
            steps=self.steps,
            first=first,
            may={*type(self.layout).model_fields, "microbatch"},
            vocab_known=bool(vocab_size),
            published=len(kept) + (self.heldout_every is not None and "best" in self.checkpoint_keep_at_end),
        )

    def chosen_start(self, inputs: Mapping[str, tuple[InputFile, ...]]) -> InputFile | None:
        """Return the checkpoint to continue from; None: the training has a start of its own.

        Raises ConfigError if there is not one.
        """
        files = inputs.get("continue_from", ())
        if not files:
            return None
        if not files[0].section:
            if len(files) > 1:
                raise ConfigError("continue_from", self.continue_from, f"one folder, not {len(files)}")
            if self.continue_step is not None:
                raise ConfigError("continue_step", self.continue_step, "absent with a folder: its name says the step")
            return files[0]
        steps = {step_of(file.path): file for file in files}
        if self.continue_step is not None and self.continue_step not in steps:
            wanted = f"a step whose checkpoint {files[0].section} keeps (for example {max(steps)})"
            raise ConfigError("continue_step", self.continue_step, wanted)
        return steps[self.continue_step or max(steps)]

    def first_step(self, inputs: Mapping[str, tuple[InputFile, ...]]) -> int:
        """Return the steps that were done by the training that this one continues with everything; 0: none.

        Raises ConfigError if none is left to do, or if the checkpoint's name does not say.
        """
        start = self.chosen_start(inputs) if self.continue_with == "everything" else None
        if start is None:
            return 0
        if not holds_state(start.path):
            wanted = "a checkpoint `step-...`; with continue_with: weights also `final` or `best`"
            raise ConfigError("continue_from", str(start.path), wanted)
        if (first := step_of(start.path)) >= self.steps:
            raise ConfigError("steps", self.steps, f"more than the {first} that continue_from has done")
        return first

    @property
    def schedule(self) -> Schedule:
        """Batch sizes and learning rates of all steps."""
        return Schedule(
            steps=self.steps,
            global_batch=self.global_batch,
            ramp=self.ramp,
            lr=self.lr,
            warmup_steps=self.warmup_steps,
            min_lr_ratio=self.min_lr_ratio,
            lr_schedule=self.lr_schedule,
            earlier_steps=self.earlier_steps,
        )

    @property
    def tokens_per_step(self) -> int:
        """Tokens a step, over all ranks, once the batch has its full size."""
        return self.global_batch * self.model.seq_len

    @property
    def rollback_every(self) -> int | None:
        """Steps between the checkpoints that the guard may go back to; None: it never goes back."""
        return self.guard.rollback_every if self.guard.on_spike == "rollback" else None

    @property
    def heldout_sequences(self) -> int:
        """Sequences that are never trained on, over all sources."""
        return self.heldout_batches * self.global_batch

    @property
    def published_steps(self) -> range:
        """Steps, counted from 1, whose checkpoints are published as outputs."""
        every = self.checkpoint_keep_every
        return range(every, self.steps + 1, every) if every else range(0)

    @property
    def kept_steps(self) -> list[int]:
        """Steps, counted from 1, whose checkpoints stay after the end: the published ones, and the last."""
        last = {self.steps} if "last" in self.checkpoint_keep_at_end else set()
        return sorted({*self.published_steps, *last})

    def after(self, earlier: Sequence[Earlier]) -> dict[str, Any]:
        """Return the history of a training whose steps are raised: the earlier steps, and the plans of the schedule."""
        if self.earlier_steps or self.continue_from is not None:
            return {}
        before = [found for each in earlier if (found := self._with(each.settings)) and self._differs_in_plan(found)]
        for found in reversed(before):  # it was asked for before
            if found.steps == self.steps and found.earlier_steps and self._extends(found, found.schedule.plans):
                return self._history(found.earlier_steps, found.lr_schedule.plans)
        last = max((found for found in before if found.steps < self.steps), key=lambda found: found.steps, default=None)
        if last is None:
            return {}
        earlier_steps, plans = (*last.earlier_steps, last.steps), last.schedule.plans
        if self._same_rates(last, last.steps):
            return self._history(earlier_steps, self.lr_schedule.plans)
        if not self._extends(last, plans):
            return {}
        return self._history(earlier_steps, plans if self.lr_schedule.extend == "keep" else (*plans, self.steps))

    def _extends(self, theirs: TrainingConfig, plans: tuple[int, ...]) -> bool:
        """Return whether our schedule with such plans is an earlier one, and extended in the same way."""
        form = self.lr_schedule.model_copy(update={"plans": plans})
        same = self.model_copy(update={"lr_schedule": form})._same_rates(theirs, theirs.steps)
        return same and form.extend == theirs.lr_schedule.extend if theirs.steps == self.steps else same

    @staticmethod
    def _history(earlier_steps: tuple[int, ...], plans: tuple[int, ...]) -> dict[str, Any]:
        return {"earlier_steps": [*earlier_steps], **({"lr_schedule.plans": [*plans]} if plans else {})}

    def reused(self, earlier: Earlier) -> int:
        """Return the steps after which a training goes on from what was done with earlier settings; 0: none."""
        theirs = self._with(earlier.settings)
        if theirs is None or not self._differs_in_plan(theirs):
            return 0
        if self.schedule.ordered_steps != theirs.schedule.ordered_steps:
            return 0
        kept = [step for step in theirs.kept_steps if step <= min(earlier.progress, self.steps)]
        done = max(kept, default=0) if earlier.is_done else earlier.progress
        missing = [step for step in self.published_steps if step < done and step not in kept]
        done = min([done, *(step - 1 for step in missing)])
        return done if self._same_rates(theirs, done) else 0

    def _with(self, settings: Mapping[str, Any]) -> Self | None:
        """Return earlier settings as ours; None if they are of another version."""
        try:
            return type(self).model_validate({**settings, "train_tokens": None})
        except (ConfigError, ValidationError):
            return None

    def _differs_in_plan(self, theirs: TrainingConfig) -> bool:
        """Return whether earlier settings are ours, except those of the schedule and of what is kept."""
        names = {*self.weights_depend_on(), "heldout_every"} - {*PLANNED}
        return theirs.model_dump(include=names) == self.model_dump(include=names)

    def _same_rates(self, theirs: TrainingConfig, steps: int) -> bool:
        one, other = self.schedule, theirs.schedule
        return all(one.learning_rate(step) == other.learning_rate(step) for step in range(1, steps + 1))

    def is_saved(self, step: int) -> bool:
        """Return whether a checkpoint follows a step, counted from 1, that is not the last."""
        every = (self.checkpoint_every, self.checkpoint_keep_every, self.rollback_every, self.heldout_every)
        return step in self.earlier_steps or any(number and step % number == 0 for number in every)

    def is_measured(self, step: int) -> bool:
        """Return whether the held-out loss is measured after a step, counted from 1."""
        every, ends = self.heldout_every, (self.steps, *self.earlier_steps)
        return every is not None and (step % every == 0 or step in ends)
