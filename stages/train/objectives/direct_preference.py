"""Direct preference optimisation: a policy learns from compared responses without a reward model (arXiv:2305.18290)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

import torch
from megatron.core import parallel_state
from torch import Tensor

from stages.model.layers.cross_entropy import cross_entropy
from stages.train.config import TrainingConfig
from stages.train.objectives.base import Batch, ColumnsOf, LossOf, LossOutputs, Model, Objective, Role, SetWeights
from stages.train.objectives.pairs import Pairs, metric_names, pair_columns, ranking_losses, run_apart, sums_of

# Shape suffixes as in stages/train/objectives/pairs.py.

PairLoss = Literal["sigmoid", "ipo"]


@dataclass(frozen=True, kw_only=True)
class DirectLoss:
    """The loss of a pair, given how much more the policy prefers the better response than the reference does."""

    kind: PairLoss = "sigmoid"
    beta: float = 0.1
    label_smoothing: float = 0.0

    def __call__(self, gaps_P: Tensor) -> Tensor:
        """Return the losses for differences of log-ratios, in nats.

        sigmoid: arXiv:2305.18290, equation 7, with the share `label_smoothing` of the labels taken to be wrong
        (arXiv:2403.00409, equation 12 without its normaliser). ipo: arXiv:2310.12036, equation 17.
        """
        if self.kind == "ipo":
            return (gaps_P - 1 / (2 * self.beta)).square()
        right, wrong = ranking_losses(self.beta * gaps_P), ranking_losses(-self.beta * gaps_P)
        return (1 - self.label_smoothing) * right + self.label_smoothing * wrong


@dataclass(frozen=True, kw_only=True)
class Starts:
    """Weights that both models start from; None: drawn from the seed."""

    policy: SetWeights | None = None
    reference: SetWeights | None = None
    """The same weights, for a model without adapters."""


class PreferDirectly(Objective):
    """Raises the better response's probability over the worse one's, relative to a frozen reference model.

    A response's reward is beta (log pi(y|x) - log pi_ref(y|x)), summed over its tokens and the one that ends it.
    """

    def __init__(
        self, config: TrainingConfig, loss: DirectLoss, starts: Starts, sources: Sequence[str] = ("",)
    ) -> None:
        """Train `config.model`. `sources` names the sources of the rows by their numbers."""
        plain = config.model.model_copy(update={"lora": None})
        super().__init__(
            columns=pair_columns(config.model.seq_len),
            roles={
                "reference": Role(config=plain, set_weights=starts.reference, frozen=("*",)),
                "policy": Role(config=config.model, set_weights=starts.policy),
            },
            metrics=(*metric_names(sources), "better_reward", "worse_reward"),
        )
        self.loss, self.sources = loss, sources

    def annotate(self, role: str, model: Model, batch: Batch) -> tuple[Tensor, ColumnsOf]:
        """Return the reference's logits, and the function for the log-probability of each response."""

        def columns_of(logits_BTV: Tensor) -> Batch:
            return {"reference": response_logps(batch, logits_BTV)}

        return run_apart(model, batch), columns_of

    def forward(self, role: str, model: Model, batch: Batch) -> tuple[Tensor, LossOf]:
        """Return the policy's logits, and the loss of the pairs."""
        return run_apart(model, batch), partial(self._loss, batch)

    def _loss(self, batch: Batch, logits_BTV: Tensor) -> LossOutputs:
        pairs, ratios_N = Pairs.of(batch), response_logps(batch, logits_BTV) - batch["reference"]
        better_P, worse_P = ratios_N[pairs.better], ratios_N[pairs.worse]
        gaps_P = better_P - worse_P
        found = pairs.loss(self.loss(gaps_P), self.loss.beta * gaps_P, self.sources)
        count = torch.tensor(float(len(gaps_P)), device=gaps_P.device)
        rewards = {
            name: torch.stack([self.loss.beta * ratios_P.detach().sum(), count])
            for name, ratios_P in (("better_reward", better_P), ("worse_reward", worse_P))
        }
        return found.with_metrics(**rewards)


def response_logps(batch: Batch, logits_BTV: Tensor) -> Tensor:
    """Return the log-probability of each example's response in nats, [N]: the sum over its learned tokens."""
    group = parallel_state.get_tensor_model_parallel_group()
    losses_BT = cross_entropy(logits_BTV.transpose(0, 1), batch["labels"].t(), group).t()
    return -sums_of(batch, losses_BT.float() * batch["loss_mask"])
