"""Settings of the training loop, for every objective. Light: pydantic and the standard library only."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from stages.model.config import ModelConfig
from stages.shared.contract import InputFile, StageConfig
from stages.shared.errors import ConfigError
from stages.train.data.schedule import Schedule, steps_for
from stages.train.planner.cost import PlannedTraining
from stages.train.planner.rules import require
from stages.train.planner.shape import Layout, Workload, shape_of
from stages.train.planner.tokens import chinchilla_tokens, parse_tokens
from stages.train.sections import GuardConfig, LayoutConfig, LossScaleConfig, OptimizerConfig, RampConfig

WEIGHTS = "changes the weights"
"""Marks a setting that changes the weights: `lr: Annotated[float, WEIGHTS]`. A checkpoint is resumed only where all of
them are equal."""
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
    microbatch: Annotated[int, WEIGHTS] = Field(default=8, ge=1)
    """Sequences a rank takes through the model at once."""
    lr: Annotated[float, WEIGHTS] = Field(default=2e-3, gt=0)
    """Peak learning rate."""
    warmup_steps: Annotated[int, WEIGHTS] = Field(default=40, ge=0)
    """Steps of linear warm-up from 0. With a ramp it is linear in the sequences of these steps."""
    min_lr_ratio: Annotated[float, WEIGHTS] = Field(default=0.1, ge=0, le=1)
    """Learning rate at the last step, at the end of the cosine, as a share of lr. LLaMA: 0.1."""
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
    checkpoint_every: int = Field(default=100, ge=1)
    """Steps between checkpoints."""
    checkpoint_async: bool = True
    """Whether a checkpoint is written while the next steps compute; the host holds a copy of the state."""
    checkpoint_keep: int = Field(default=2, ge=1)
    """Newest checkpoints kept for a restart; with fewer than 2 a damaged one cannot be passed over."""
    checkpoint_keep_every: int | None = Field(default=None, ge=1)
    """Steps between checkpoints that are published as outputs `step-...` while the training goes on; None: none."""
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
        if self.heldout_every is not None and not self.heldout_batches:
            raise ConfigError("heldout_batches", 0, "at least 1 with heldout_every")
        if self.warmup_steps > self.steps:
            raise ConfigError("warmup_steps", self.warmup_steps, f"at most steps ({self.steps})")
        return self

    @classmethod
    def weights_depend_on(cls) -> list[str]:
        """Return the settings that are marked WEIGHTS. They identify a training for `resume_from`."""
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
        return PlannedTraining(
            work=self.workload(vocab_size or LLAMA_PIECES),
            layout=self.planned_layout,
            steps=self.steps,
            may={*type(self.layout).model_fields, "microbatch"},
            vocab_known=bool(vocab_size),
            published=len(self.published_steps),
        )

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

    def is_saved(self, step: int) -> bool:
        """Return whether a checkpoint follows a step, counted from 1, that is not the last."""
        every = (self.checkpoint_every, self.checkpoint_keep_every, self.rollback_every, self.heldout_every)
        return any(number and step % number == 0 for number in every)

    def is_measured(self, step: int) -> bool:
        """Return whether the held-out loss is measured after a step, counted from 1."""
        return self.heldout_every is not None and (step % self.heldout_every == 0 or step == self.steps)
