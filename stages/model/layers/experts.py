"""Routing of tokens to experts: Megatron's router, with losses of equal weight in every layout, and a capacity."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from megatron.core.models.gpt import GPTModel
from megatron.core.process_groups_config import ProcessGroupCollection
from megatron.core.transformer.moe.moe_utils import MoEAuxLossAutoScaler, apply_router_token_dropping, z_loss_func
from megatron.core.transformer.moe.router import TopKRouter
from megatron.core.transformer.transformer_config import TransformerConfig
from torch import Tensor

# Shape suffixes: N = tokens of this rank's microbatch, E = experts, L = layers of the whole model.


class Router(TopKRouter):
    """Megatron's router with three changes to 0.16.1.

    There the losses weigh 1 / tp as much under sequence parallelism, and that of each sequence's balance 1 / microbatch
    as much: a rank's tokens are counted where all ranks have a part of the loss, and a sequence's where all sequences
    have. It drops tokens also where nothing is learned, so that a token's score would hang on its neighbours. And it
    does not say how many it drops.
    """

    def __init__(self, config: TransformerConfig, pg_collection: ProcessGroupCollection | None = None) -> None:
        own = copy(config)
        own.moe_expert_capacity_factor = None  # the dispatcher needs it, and so has the config; we drop ourselves
        super().__init__(config=own, pg_collection=pg_collection)
        self.capacity_factor = config.moe_expert_capacity_factor
        self.given_E = torch.zeros(config.num_moe_experts, dtype=torch.int64)
        """Tokens that each expert was given since `loads` asked last."""
        self.asked = 0
        """Experts that tokens wanted since then, top_k each."""

    def routing(self, logits: Tensor, padding_mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return what each token makes of its experts' outputs, [N, E], and where it goes, bool [N, E]."""
        weights_NE, goes_NE = super().routing(logits, padding_mask=padding_mask)
        if self.training and self.capacity_factor is not None:
            weights_NE, goes_NE = apply_router_token_dropping(
                weights_NE, goes_NE, router_topk=self.topk, capacity_factor=self.capacity_factor
            )
        if self.training and torch.is_grad_enabled():  # once a microbatch, also where blocks are computed again
            self.given_E = self.given_E.to(goes_NE.device) + goes_NE.sum(0)
            self.asked += goes_NE.size(0) * self.topk
        return weights_NE, goes_NE

    def apply_z_loss(self, logits: Tensor, padding_mask: Tensor | None = None) -> Tensor:
        """Return `logits` with the z-loss's gradient: see `_with_gradient_of`."""
        coefficient = self.config.moe_z_loss_coeff
        if coefficient is None or not self.training or not torch.is_grad_enabled():
            return logits
        return _with_gradient_of(z_loss_func(logits, coefficient), logits, tokens=len(logits))

    def attach_and_log_load_balancing_loss(
        self, activation: Tensor, _coefficient: float, aux_loss: Tensor, _name: str, reduce_group: Any, **_rest: Any
    ) -> Tensor:
        """Return `activation` with the balancing loss's gradient. Each rank of the group has a part of the loss."""
        return _with_gradient_of(aux_loss, activation, tokens=len(activation) * reduce_group.size())


def _with_gradient_of(mean_loss: Tensor, tensor: Tensor, *, tokens: int) -> Tensor:
    """Return `tensor`; in the backward pass a loss, a mean over so many tokens, joins in.

    As a sum, like the language model's: all gradients are divided once by the labels of the whole batch.
    """
    joined: Tensor = MoEAuxLossAutoScaler.apply(tensor, mean_loss * tokens)
    return joined


@dataclass(frozen=True)
class ExpertLoad:
    """Use of a layer's experts."""

    dropped: float
    """Share of the experts that tokens wanted and that were full."""
    busiest: float
    """Tokens of the expert with most of them, over the mean."""


def loads(chunks: Sequence[GPTModel]) -> list[ExpertLoad]:
    """Return it for every layer of the model, over all ranks and what was learned since the last call. Collective."""
    config = chunks[0].config
    table = torch.zeros(config.num_layers, config.num_moe_experts + 1, dtype=torch.int64)
    for chunk in chunks:
        for router in filter(lambda module: isinstance(module, Router), chunk.modules()):
            table[router.layer_number - 1, :-1] += router.given_E.cpu()
            table[router.layer_number - 1, -1] += router.asked
            router.given_E.zero_()
            router.asked = 0
    table = table.to(next(chunks[0].parameters()).device)
    dist.all_reduce(table)
    return [_load(given, asked) for *given, asked in table.tolist()]


def _load(given: list[int], asked: int) -> ExpertLoad:
    if not asked:
        return ExpertLoad(0.0, 0.0)
    return ExpertLoad(1 - sum(given) / asked, max(given) * len(given) / sum(given))
