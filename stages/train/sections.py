"""The sections of a training's settings, one for each of its parts. Light: pydantic and the standard library only."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from stages.shared.contract import Section
from stages.shared.errors import ConfigError

Offloaded = Literal["optimizer", "activations", "weights"]


class LayoutConfig(Section):
    """The processes that share the work: tp x pp x cp x dp of them."""

    tp: int = Field(default=1, ge=1)
    """Tensor parallelism: processes that split every matrix (arXiv:1909.08053); keep it within a node."""
    pp: int = Field(default=1, ge=1)
    """Pipeline parallelism: groups of layers in turn, microbatches one after another (1F1B)."""
    dp: int = Field(default=1, ge=1)
    """Data parallelism: copies that split the batch; the optimizer's state is split over them (ZeRO stage 1)."""
    ep: int = Field(default=1, ge=1)
    """Expert parallelism: data parallel processes that share out the experts of model.moe (arXiv:2006.16668)."""
    cp: int = Field(default=1, ge=1)
    """Context parallelism: processes that split every sequence; wants GPUs and Transformer Engine."""
    sp: bool = False
    """Sequence parallelism: what tp leaves whole is split along the sequence (arXiv:2205.05198, section 4.2.2)."""
    interleave: int = Field(default=1, ge=1)
    """Groups of layers that each pipeline stage holds, for a smaller bubble (arXiv:2104.04473, section 2.2)."""
    zero: Literal[1, 2, 3] = 1
    """ZeRO stage (arXiv:1910.02054): data parallel processes split 1 the optimizer's state, 2 also gradients, 3 also
    weights; 2 and 3 need engine deepspeed."""
    recompute: Literal["none", "selective", "full"] = "none"
    """Activations that the backward pass computes again instead of keeping them: none, those that take much memory and
    little time (arXiv:2205.05198, section 5), or whole blocks from their inputs."""
    offload: tuple[Offloaded, ...] = ()
    """Parts that stay in the host's memory until they are needed; weights only with zero 3."""

    @property
    def ranks(self) -> int:
        """Processes of the job."""
        return self.tp * self.pp * self.cp * self.dp


class OptimizerConfig(Section):
    """AdamW as LLaMA's (arXiv:2302.13971, section 2.3)."""

    beta1: float = Field(default=0.9, ge=0, lt=1)
    """Decay of the gradient's running mean, per step."""
    beta2: float = Field(default=0.95, ge=0, lt=1)
    """Decay of the squared gradient's running mean, per step."""
    eps: float = Field(default=1e-8, gt=0)
    """Added to the root of the second moment."""
    weight_decay: float = Field(default=0.1, ge=0)
    """Share of a weight taken off per step and unit of lr; norms' gains are exempt."""
    clip_grad: float = Field(default=1.0, gt=0)
    """Largest norm of the whole gradient; longer ones are scaled down to it."""


class LossScaleConfig(Section):
    """Dynamic scale of the loss, which keeps fp16's small gradients from becoming 0 (arXiv:1710.03740, section 3.2)."""

    initial: float = Field(default=2.0**16, ge=1)
    """Scale of the first step."""
    window: int = Field(default=1000, ge=1)
    """Steps without overflow after which the scale doubles."""
    hysteresis: int = Field(default=2, ge=1)
    """Overflows until the scale halves; each one leaves its step without an update."""
    least: float = Field(default=1.0, gt=0)
    """The scale does not fall below this."""


class RampConfig(Section):
    """A global batch that starts small and grows (arXiv:2005.14165, appendix B; BLOOM: 192 by 16 to 2,048)."""

    start: int = Field(ge=1)
    """Sequences of the first step."""
    increment: int = Field(ge=1)
    """Sequences by which it grows at a time."""
    sequences: int = Field(ge=1)
    """Sequences trained on until it is global_batch; each size gets an equal share of them."""


class LrScheduleConfig(Section):
    """The learning rate between the warm-up and the last step."""

    shape: Literal["cosine", "linear", "constant", "wsd"] = "cosine"
    """Cosine or line from lr to min_lr_ratio x lr; lr to the end; or wsd (warm-up, stable, decay): lr, and a cool-down
    in the last decay_steps (arXiv:2404.06395)."""
    decay_steps: int | None = Field(default=None, ge=1)
    """With wsd: steps of the cool-down."""
    decay: Literal["linear", "sqrt"] = "linear"
    """With wsd: the cool-down's form, a line or 1 - sqrt (arXiv:2405.18392, section 3.2)."""
    plans: tuple[Annotated[int, Field(ge=1)], ...] = ()
    """Steps that the schedule is planned over, plan after plan: [600] is that of 600 steps, with its last rate from
    there on; [600, 900] that of 600 steps up to step 600, then that of 900. Empty: [steps]. Where steps are raised,
    `run` sets it by `extend`, unless the steps that are done had the same rates without."""
    extend: Literal["keep", "replan"] = "keep"
    """The schedule of a training whose steps are raised: keep the earlier plan, or plan anew from its last step on."""

    @model_validator(mode="after")
    def _check(self) -> LrScheduleConfig:
        if (self.shape == "wsd") != (self.decay_steps is not None):
            wanted = "a number of steps with shape wsd" if self.shape == "wsd" else "absent without shape wsd"
            raise ConfigError("lr_schedule.decay_steps", self.decay_steps, wanted)
        if list(self.plans) != sorted({*self.plans}):
            raise ConfigError("lr_schedule.plans", [*self.plans], "rising (for example [600, 900])")
        return self


class GuardConfig(Section):
    """Treatment of a batch that would harm the weights: its loss jumps, or a number is not finite.

    A batch that is left out counts as a step: the data and the learning rate move on. One that gives numbers that are
    not finite is always left out.
    """

    on_spike: Literal["none", "skip", "rollback"] = "skip"
    """A batch whose loss jumps: train on it, leave it out, or go back to the weights of a checkpoint and leave out all
    batches since then (arXiv:2204.02311, section 5.1)."""
    window: int = Field(default=128, ge=8)
    """Losses that a loss is compared with: the last ones that were trained on. Before there are as many, no loss is a
    spike."""
    deviations: float = Field(default=8.0, gt=0)
    """A loss this many of their standard deviations above their median is a spike."""
    least_jump: float = Field(default=0.5, gt=0)
    """Nats above the median that it takes besides: late losses deviate little."""
    rollback_every: int = Field(default=100, ge=1)
    """With rollback: steps between the checkpoints that can be gone back to, which are saved beside the others."""
    most: int = Field(default=10, ge=1)
    """Batches left out in a row; one more ends the run."""


class BlanksConfig(Section):
    """The blanks of GLM's training (arXiv:2103.10360, section 2.1). Defaults are GLM-10B's."""

    spans: float = Field(default=0.5, ge=0, le=1)
    """Share of the sequences with short blanks anywhere."""
    sentences: float = Field(default=0.3, ge=0, le=1)
    """Share of the sequences whose blanks are whole sentences; the rest have one blank to the end of the text."""
    ratio: float = Field(default=0.15, gt=0, le=0.5)
    """Share of the text that short blanks, or sentences, cover at least."""
    mean_span: float = Field(default=3.0, gt=0)
    """Mean of the Poisson distribution that short blanks' lengths come from, in tokens."""
    min_generated: float = Field(default=0.25, gt=0, lt=1)
    """Least share of the text that a blank to its end covers; the most is all but a token."""
    block_mask: float = Field(default=0.1, ge=0, lt=1)
    """Share of short blanks' tokens that are hidden from the tokens after them too, so that these lean on the text. Not
    in the paper: --block-mask-prob of its code (THUDM/GLM, config/ds_block_10B.sh)."""

    @model_validator(mode="after")
    def _check(self) -> BlanksConfig:
        if self.spans + self.sentences > 1:
            raise ConfigError("blanks.sentences", self.sentences, f"at most 1 - spans ({1 - self.spans:g})")
        return self
