"""Detection of batches that would harm the weights: a loss that jumps, a number that is not finite. Pure.

All ranks decide the same without asking each other: they judge numbers that are sums over all of them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import isfinite
from statistics import median
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from stages.train.sections import GuardConfig

TO_SIGMA = 1.4826
"""Of a normal distribution: standard deviations in its median absolute deviation."""


class GuardState(BaseModel):
    """State of the guard from step to step: part of a checkpoint."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    losses: tuple[float, ...] = ()
    """The last losses that were trained on, oldest first; `window` of them at most."""
    bad: int = Field(default=0, ge=0)
    """Batches left out in a row."""

    def after_good(self, loss: float, config: GuardConfig) -> GuardState:
        """Return the state after a batch that was trained on."""
        return GuardState(losses=(*self.losses, loss)[-config.window :])

    def after_bad(self) -> GuardState:
        """Return the state after a batch that was left out."""
        return self.model_copy(update={"bad": self.bad + 1})


@dataclass(frozen=True)
class Trouble:
    """Why a batch is left out, and how."""

    kind: Literal["spike", "not finite", "overflow"]
    """overflow: in fp16 the gradient did not fit, and the loss's scale falls: nothing is wrong with the batch."""
    why: str
    """In words, for metrics.jsonl, the console and the report."""
    back_to: int | None = None
    """The step whose checkpoint was gone back to; None: the weights stay as they are."""

    def with_cause(self, cause: str) -> Trouble:
        """Return it with its cause."""
        return replace(self, why=f"{self.why}: {cause}")

    def with_rollback(self, step: int) -> Trouble:
        """Return it after a rollback to the weights of a step."""
        return replace(self, why=f"{self.why}; back to step {step}", back_to=step)


def judge(
    config: GuardConfig, state: GuardState, loss: float, grad_norm: float, *, is_scaled: bool = False
) -> Trouble | None:
    """Return what is wrong with a step's loss (nats a token) and gradient; None: the batch can be trained on.

    `is_scaled` says that the loss was scaled for fp16, and that its scale can still fall.

    A spike is above the median of the last losses by `deviations` of their standard deviations, estimated from their
    median absolute deviation, which one outlier does not move; and by `least_jump`. It takes a full window to know.
    """
    if not isfinite(loss):
        return Trouble("not finite", f"the loss is {loss}")
    if not isfinite(grad_norm):
        if is_scaled:
            return Trouble("overflow", "the gradient overflows at this scale of the loss")
        return Trouble("not finite", f"the gradient's norm is {grad_norm}")
    if config.on_spike == "none" or len(state.losses) < config.window:
        return None
    usual = median(state.losses)
    sigma = TO_SIGMA * median(abs(other - usual) for other in state.losses)
    limit = usual + max(config.deviations * sigma, config.least_jump)
    if loss <= limit:
        return None
    return Trouble("spike", f"loss {loss:.4g}, where {usual:.4g} is usual and {limit:.4g} the limit")
