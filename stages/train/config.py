"""Settings of the training loop, whatever it trains. Light: pydantic and the standard library only."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, model_validator

from stages.formats.kinds import KINDS
from stages.model.config import ModelConfig
from stages.shared.contract import Forecast, InputFile, Inputs, Reads, StageConfig
from stages.shared.errors import ConfigError
from stages.shared.machine import Machine
from stages.train.data.schedule import steps_for
from stages.train.planner.cost import PlannedTraining
from stages.train.planner.forecast import forecast
from stages.train.planner.rules import require
from stages.train.planner.shape import choices, layout_of, workload_of
from stages.train.planner.tokens import chinchilla_tokens, parse_tokens
from stages.train.sections import GuardConfig, LayoutConfig, LossScaleConfig, OptimizerConfig, RampConfig

LLAMA_PIECES = 32_000
"""Pieces of LLaMA's tokenizer (arXiv:2302.13971, section 2.1)."""


WEIGHTS_DEPEND_ON = (
    *("model", "layout", "steps", "global_batch", "microbatch", "lr", "warmup_steps", "min_lr_ratio", "optimizer"),
    *("engine", "dtype", "loss_scale", "ramp", "attend_across_documents", "z_loss", "guard", "seed", "threads"),
    "heldout_batches",
)
"""Fields of TrainingConfig that change the weights."""


def _steps(earlier: dict[str, Any]) -> int:
    """Return the steps that the settings before `steps` lead to; 1 if one of them is wrong, which is said elsewhere."""
    if not {"model", "global_batch", "ramp", "train_tokens"} <= earlier.keys():
        return 1
    model: ModelConfig = earlier["model"]
    tokens = earlier["train_tokens"] or chinchilla_tokens(model.num_parameters(0))
    return steps_for(math.ceil(tokens / model.seq_len), earlier["global_batch"], earlier["ramp"])


class TrainingConfig(StageConfig):
    """What every stage that trains has in its recipe section."""

    weights_depend_on: ClassVar[tuple[str, ...]] = WEIGHTS_DEPEND_ON
    """A run's identity: a checkpoint is resumed only where they are equal. A stage adds its own."""

    engine: Literal["megatron", "deepspeed"] = "megatron"
    """What splits and updates the weights: Megatron-Core, or DeepSpeed with Megatron's tensor parallelism."""
    model: ModelConfig = ModelConfig()
    """The decoder."""
    layout: LayoutConfig = LayoutConfig()
    """Processes. Part of a run's identity: another layout adds numbers up in another order."""
    global_batch: int = Field(16, ge=1)
    """Sequences a step, over all ranks and microbatches."""
    ramp: RampConfig | None = None
    """A batch that grows to global_batch; None: global_batch from the first step."""
    train_tokens: Annotated[int | None, BeforeValidator(parse_tokens)] = Field(None, ge=1)
    """Tokens to train on, also written 1.4T or 300B; None: as many as `steps` says."""
    steps: int = Field(default_factory=_steps, ge=1)
    """Optimizer steps. Not given: those of train_tokens; neither given: those of Chinchilla's tokens for the model."""
    microbatch: int = Field(8, ge=1)
    """Sequences a rank takes through the model at once."""
    lr: float = Field(2e-3, gt=0)
    """Peak learning rate."""
    warmup_steps: int = Field(40, ge=0)
    """Steps of linear warm-up from 0. With a ramp it is linear in the sequences of these steps."""
    min_lr_ratio: float = Field(0.1, ge=0, le=1)
    """What the cosine decays to at the last step, as a share of lr. LLaMA: 0.1."""
    optimizer: OptimizerConfig = OptimizerConfig()
    """AdamW."""
    dtype: Literal["fp32", "bf16", "fp16"] = "fp32"
    """Of weights and activations; with 16 bits the optimizer keeps float32 weights, gradients add up in float32."""
    loss_scale: LossScaleConfig = LossScaleConfig()
    """Used with fp16 alone."""
    attend_across_documents: bool = True
    """Whether a token sees the documents before its own in its sequence. False: only its own (arXiv:2407.21783, section
    3.2), and attention computes the squares of their lengths alone."""
    z_loss: float = Field(0.0, ge=0)
    """Weight of the mean square of the softmax's log-partition (arXiv:2204.02311, section 5); there 1e-4. It enters
    through the gradient alone."""
    guard: GuardConfig = GuardConfig()
    """Bad batches."""
    seed: int = Field(1, ge=0)
    """Of the initial weights and of the order of the data."""
    threads: int = Field(1, ge=1)
    """CPU threads a rank. Part of a run's identity: it decides how sums are split."""
    resume_from: Annotated[Inputs | None, Reads(KINDS.checkpoint)] = None
    """Another run's checkpoint to go on from, in another layout: its work folder's `checkpoints`, of which the newest
    sound one is taken, or one `step-...` in it. Not used once this run has checkpoints of its own. None: the start."""
    checkpoint_every: int = Field(100, ge=1)
    """Steps between checkpoints. Changes no weight, so it is not part of a run's identity."""
    checkpoint_async: bool = True
    """Whether a checkpoint is written while the next steps compute; the host holds a copy of the state."""
    checkpoint_keep: int = Field(2, ge=1)
    """Newest checkpoints kept; with fewer than 2 a damaged one cannot be passed over."""
    checkpoint_keep_every: int | None = Field(None, ge=1)
    """Steps whose multiples are kept for good; None: none."""
    heldout_batches: int = Field(0, ge=0)
    """Global batches of sequences that are held out: cut from documents that are never trained on, drawn by the seed
    from each source in its share. 0: all documents are trained on."""
    heldout_every: int | None = Field(None, ge=1)
    """Steps between measurements of the loss on what is held out, each followed by a checkpoint, of which the best is
    kept; the last step is measured too. Changes no weight. None: never."""
    layer_stats_every: int | None = Field(None, ge=1)
    """Steps between rows of every layer's norms in layers.jsonl; None: none."""
    log_every: int = Field(20, ge=1)
    """Steps between lines on the console, with which memory and the ranks' own times are read; metrics.jsonl has every
    step."""
    tensorboard: bool = True
    """Whether TensorBoard event files are written: stages/train/README.md."""

    @model_validator(mode="after")
    def _check(self) -> TrainingConfig:
        require(workload_of(self), layout_of(self))
        if self.train_tokens is not None:
            wanted = steps_for(math.ceil(self.train_tokens / self.model.seq_len), self.global_batch, self.ramp)
            if self.steps != wanted:
                said = f"{wanted}, or no such line, with train_tokens {self.train_tokens}"
                raise ConfigError("steps", self.steps, said)
        if not self.attend_across_documents and self.layout.cp > 1:
            raise ConfigError("attend_across_documents", False, "true with layout.cp: it cuts sequences elsewhere")
        if self.heldout_every is not None and not self.heldout_batches:
            raise ConfigError("heldout_batches", 0, "at least 1 with heldout_every")
        if self.warmup_steps > self.steps:
            raise ConfigError("warmup_steps", self.warmup_steps, f"at most steps ({self.steps})")
        return self

    def training(self, inputs: Mapping[str, tuple[InputFile, ...]]) -> PlannedTraining:
        """Return what the planner reckons with; a tokenizer whose size nobody knows is taken to be LLaMA's."""
        vocab_size = next((file.count for file in inputs.get("tokenizer", ())), 0)
        return PlannedTraining(
            work=workload_of(self, vocab_size or LLAMA_PIECES),
            layout=layout_of(self),
            steps=self.steps,
            may={*choices(self), "microbatch"},
            vocab_known=bool(vocab_size),
        )

    def forecast(self, step: str, inputs: Mapping[str, tuple[InputFile, ...]], machine: Machine) -> Forecast:
        """Return memory, time and cost of the training. Raises ConfigError, with layouts that do, if it cannot fit."""
        return forecast(self.training(inputs), machine)

    @property
    def tokens_per_step(self) -> int:
        """Tokens a step, over all ranks, once the batch has its full size."""
        return self.global_batch * self.model.seq_len

    @property
    def rollback_every(self) -> int | None:
        """Steps between the checkpoints that the guard may go back to; None: it goes back to none."""
        return self.guard.rollback_every if self.guard.on_spike == "rollback" else None

    @property
    def heldout_sequences(self) -> int:
        """Sequences that are never trained on, over all sources."""
        return self.heldout_batches * self.global_batch

    def is_saved(self, step: int) -> bool:
        """Return whether a checkpoint follows a step, counted from 1, that is not the last."""
        return any(
            every and step % every == 0 for every in (self.checkpoint_every, self.rollback_every, self.heldout_every)
        )

    def is_measured(self, step: int) -> bool:
        """Return whether the loss on what is held out is measured after a step, counted from 1."""
        return self.heldout_every is not None and (step % self.heldout_every == 0 or step == self.steps)
