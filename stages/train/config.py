"""Settings of the training loop, whatever it trains. Light: pydantic and the standard library only."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, model_validator

from stages.model.config import ModelConfig
from stages.shared.contract import Forecast, InputFile, Section, StageConfig
from stages.shared.errors import ConfigError
from stages.shared.machine import Machine
from stages.train.planner.cost import Training
from stages.train.planner.forecast import forecast
from stages.train.planner.rules import require
from stages.train.planner.shape import choices, layout_of, workload_of
from stages.train.planner.tokens import chinchilla_tokens, parse_tokens


class LayoutConfig(Section):
    """How many processes share the work, and how: tp x pp x dp of them."""

    tp: int = Field(1, ge=1)
    """Tensor parallelism: processes that split every matrix (arXiv:1909.08053); keep it within a node."""
    pp: int = Field(1, ge=1)
    """Pipeline parallelism: groups of layers in turn, microbatches one after another (1F1B)."""
    dp: int = Field(1, ge=1)
    """Data parallelism: copies that split the batch; the optimizer's state is split over them (ZeRO stage 1)."""
    ep: int = Field(1, ge=1)
    """Expert parallelism: data parallel processes that share out the experts of model.moe (arXiv:2006.16668)."""

    @property
    def ranks(self) -> int:
        """Processes of the job."""
        return self.tp * self.pp * self.dp


class OptimizerConfig(Section):
    """AdamW as LLaMA's (arXiv:2302.13971, section 2.3)."""

    beta1: float = Field(0.9, ge=0, lt=1)
    """Decay of the gradient's running mean, per step."""
    beta2: float = Field(0.95, ge=0, lt=1)
    """Decay of the squared gradient's running mean, per step."""
    eps: float = Field(1e-8, gt=0)
    """Added to the root of the second moment."""
    weight_decay: float = Field(0.1, ge=0)
    """Share of a weight taken off per step and unit of lr; norms' gains are exempt."""
    clip_grad: float = Field(1.0, gt=0)
    """Largest norm of the whole gradient; longer ones are scaled down to it."""


LLAMA_PIECES = 32_000
"""Pieces of LLaMA's tokenizer (arXiv:2302.13971, section 2.1)."""


class BlanksConfig(Section):
    """Which blanks GLM's training leaves to be filled in (arXiv:2103.10360, section 2.1). Defaults are GLM-10B's."""

    spans: float = Field(0.5, ge=0, le=1)
    """Share of the sequences with short blanks anywhere."""
    sentences: float = Field(0.3, ge=0, le=1)
    """Share of the sequences whose blanks are whole sentences; the rest have one blank to the end of the text."""
    ratio: float = Field(0.15, gt=0, le=0.5)
    """Share of the text that short blanks, or sentences, cover at least."""
    mean_span: float = Field(3.0, gt=0)
    """Mean of the Poisson distribution that short blanks' lengths come from, in tokens."""
    min_generated: float = Field(0.25, gt=0, lt=1)
    """Least share of the text that a blank to its end covers; the most is all but a token."""

    @model_validator(mode="after")
    def _check(self) -> BlanksConfig:
        if self.spans + self.sentences > 1:
            raise ConfigError("blanks.sentences", self.sentences, f"at most 1 - spans ({1 - self.spans:g})")
        return self


WEIGHTS_DEPEND_ON = (
    *("model", "layout", "steps", "global_batch", "microbatch", "lr", "warmup_steps", "min_lr_ratio", "optimizer"),
    *("dtype", "seed", "threads"),
)
"""Fields of TrainingConfig that change the weights."""


def _steps(earlier: dict[str, Any]) -> int:
    """Return the steps that the settings before `steps` lead to; 1 if one of them is wrong, which is said elsewhere."""
    if not {"model", "global_batch", "train_tokens"} <= earlier.keys():
        return 1
    model: ModelConfig = earlier["model"]
    tokens = earlier["train_tokens"] or chinchilla_tokens(model.num_parameters(0))
    return math.ceil(tokens / (earlier["global_batch"] * model.seq_len))


class TrainingConfig(StageConfig):
    """What every stage that trains has in its recipe section."""

    weights_depend_on: ClassVar[tuple[str, ...]] = WEIGHTS_DEPEND_ON
    """A run's identity: a checkpoint is resumed only where they are equal. A stage adds its own."""

    model: ModelConfig = ModelConfig()
    """The decoder."""
    layout: LayoutConfig = LayoutConfig()
    """Processes. Part of a run's identity: another layout adds numbers up in another order."""
    global_batch: int = Field(16, ge=1)
    """Sequences a step, over all ranks and microbatches."""
    train_tokens: Annotated[int | None, BeforeValidator(parse_tokens)] = Field(None, ge=1)
    """Tokens to train on, also written 1.4T or 300B; None: as many as `steps` says."""
    steps: int = Field(default_factory=_steps, ge=1)
    """Optimizer steps. Not given: those of train_tokens; neither given: those of Chinchilla's tokens for the model."""
    microbatch: int = Field(8, ge=1)
    """Sequences a rank takes through the model at once."""
    lr: float = Field(2e-3, gt=0)
    """Peak learning rate."""
    warmup_steps: int = Field(40, ge=0)
    """Steps of linear warm-up from 0."""
    min_lr_ratio: float = Field(0.1, ge=0, le=1)
    """What the cosine decays to at the last step, as a share of lr. LLaMA: 0.1."""
    optimizer: OptimizerConfig = OptimizerConfig()
    """AdamW."""
    dtype: Literal["fp32", "bf16"] = "fp32"
    """Of weights and activations; with bf16 the optimizer keeps float32 weights and gradients add up in float32."""
    seed: int = Field(1, ge=0)
    """Of the initial weights and of the order of the data."""
    threads: int = Field(1, ge=1)
    """CPU threads a rank. Part of a run's identity: it decides how sums are split."""
    checkpoint_every: int = Field(100, ge=1)
    """Steps between checkpoints. Changes no weight, so it is not part of a run's identity."""
    log_every: int = Field(20, ge=1)
    """Steps between lines on the console; metrics.jsonl has every step."""

    @model_validator(mode="after")
    def _check(self) -> TrainingConfig:
        require(workload_of(self), layout_of(self))
        if self.train_tokens is not None:
            wanted = math.ceil(self.train_tokens / self.tokens_per_step)
            if self.steps != wanted:
                said = f"{wanted}, or no such line, with train_tokens {self.train_tokens}"
                raise ConfigError("steps", self.steps, said)
        if self.warmup_steps > self.steps:
            raise ConfigError("warmup_steps", self.warmup_steps, f"at most steps ({self.steps})")
        return self

    def training(self, inputs: Mapping[str, tuple[InputFile, ...]]) -> Training:
        """Return what the planner reckons with; a tokenizer whose size nobody knows is taken to be LLaMA's."""
        vocab_size = next((file.count for file in inputs.get("tokenizer", ())), 0)
        return Training(
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
    def num_microbatches(self) -> int:
        """Microbatches a rank takes per step."""
        return self.global_batch // (self.microbatch * self.layout.dp)

    @property
    def tokens_per_step(self) -> int:
        """Tokens a step, over all ranks."""
        return self.global_batch * self.model.seq_len
