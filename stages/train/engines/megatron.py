"""The megatron engine: tensor, pipeline and data parallelism of Megatron-Core, with its distributed optimizer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import tee
from typing import Any

import torch
from megatron.core.dist_checkpointing.mapping import ShardedStateDict, StateDict
from megatron.core.distributed import DistributedDataParallel, DistributedDataParallelConfig, finalize_model_grads
from megatron.core.models.gpt import GPTModel
from megatron.core.optimizer import MegatronOptimizer, OptimizerConfig, get_megatron_optimizer
from megatron.core.optimizer.clip_grads import clip_grad_by_total_norm_fp32
from megatron.core.pipeline_parallel import get_forward_backward_func
from megatron.core.transformer.module import Float16Module
from torch import Tensor

from stages.model import device
from stages.model.checkpoint import WEIGHTS, tensors_of
from stages.model.llama import build_model
from stages.model.load import DTYPES
from stages.train.config import TrainingConfig
from stages.train.objectives import Batch, Objective

_SHARDING = {"distrib_optim_sharding_type": "fully_reshardable", "chained_optim_avoid_prefix": True}
"""Megatron's format of the optimizer's state that any TP x PP x DP can read, and any EP: experts that are shared out
have an optimizer of their own, but names like the others'."""


class MegatronEngine:
    """A rank's part of the model behind Megatron's gradient buffers, and its share of AdamW's state (ZeRO-1)."""

    def __init__(self, config: TrainingConfig, vocab_size: int, set_weights: Callable[[GPTModel], None]) -> None:
        dtype, layout = DTYPES[config.dtype], config.layout
        self.config = config
        self.chunks = [
            build_model(config.model, vocab_size, dtype, chunk=number, sp=layout.sp, recompute=layout.recompute)
            for number in range(layout.interleave)
        ]
        self.models = []
        for number, chunk in enumerate(self.chunks):
            chunk.to(device.device())
            set_weights(chunk)
            inner = Float16Module(chunk.config, chunk) if dtype is not torch.float32 else chunk
            ddp = DistributedDataParallelConfig(use_distributed_optimizer=True, grad_reduce_in_fp32=True)
            self.models.append(DistributedDataParallel(chunk.config, ddp, inner, disable_bucketing=number > 0))
            chunk.config.finalize_model_grads_func = finalize_model_grads
        self.optimizer: MegatronOptimizer = get_megatron_optimizer(
            _optimizer_config(config, dtype), self.models, use_gloo_process_groups=False
        )
        _allocate_state(self.optimizer)
        self._forward_backward = get_forward_backward_func()
        self._norm = 0.0

    def accumulate(self, objective: Objective, batches: Iterator[Batch], num_microbatches: int) -> list[Tensor]:
        """Run the step's microbatches forward and back: see Engine."""
        for model in self.models:
            model.zero_grad_buffer()
        self.optimizer.zero_grad()
        losses: list[Tensor] = self._forward_backward(
            forward_step_func=objective,
            data_iterator=batches if len(self.models) == 1 else list(tee(batches, len(self.models))),
            model=self.models,
            num_microbatches=num_microbatches,
            seq_length=self.config.model.seq_len,
            micro_batch_size=self.config.microbatch,
        )
        return losses

    def gradient_norm(self) -> float:
        """Return the norm of the whole gradient: see Engine."""
        overflowed = self.optimizer.prepare_grads()
        self._norm = float("inf") if overflowed else float(self.optimizer.get_grad_norm())
        return self._norm

    def update(self, lr: float) -> bool:
        """Clip the gradient and apply it: see Engine."""
        if self._norm == float("inf"):
            return False
        for group in self.optimizer.param_groups:
            # Megatron leaves both to its scheduler, which is not used: a multiplier alone exempts nothing from decay.
            group["lr"], group["weight_decay"] = lr, group["wd_mult"] * self.config.optimizer.weight_decay
        for optimizer in self.optimizer.chained_optimizers:
            clip_grad_by_total_norm_fp32(optimizer.get_parameters(), self.config.optimizer.clip_grad, self._norm)
        return bool(self.optimizer.step_with_ready_grads())

    def drop(self) -> None:
        """Forget the gradient; the next `accumulate` starts with empty buffers anyway."""

    def weights(self) -> ShardedStateDict:
        """Return the weights under their global names: see Engine."""
        each = [chunk.sharded_state_dict(prefix=WEIGHTS) for chunk in self.chunks]
        # Chunks have layers of the same local names; the names in a checkpoint are global.
        return tensors_of({f"{number}.{name}": part for number, own in enumerate(each) for name, part in own.items()})

    def state(self, *, is_loading: bool) -> ShardedStateDict:
        """Return weights and optimizer: see Engine."""
        weights = self.weights()
        optimizer = self.optimizer.sharded_state_dict(weights, is_loading=is_loading, metadata=_SHARDING)
        return {**weights, "optimizer": optimizer}

    def load(self, state: StateDict) -> None:
        """Take over weights and optimizer: see Engine."""
        self._load_optimizer(state.pop("optimizer"))
        for number, chunk in enumerate(self.chunks):
            place = f"{number}.{WEIGHTS}"
            own = {name.removeprefix(place): value for name, value in state.items() if name.startswith(place)}
            chunk.load_state_dict(own, strict=False)

    def _load_optimizer(self, state: dict[Any, Any]) -> None:
        """Load Megatron's optimizer state around two faults of 0.16.1 with torch's AdamW.

        It asks the file for each weight's `step`, which it keeps once; and it hands all weights one `step` tensor,
        which every weight would then advance.
        """
        optimizers = self.optimizer.chained_optimizers
        each = [state] if len(optimizers) == 1 else [state[number] for number in range(len(optimizers))]
        for optimizer, own in zip(optimizers, each, strict=True):
            moments = own.pop("param_state")
            optimizer.load_state_dict(own)
            states = optimizer.optimizer.state
            steps = {weight: states[weight].pop("step").clone() for weight in states if "step" in states[weight]}
            optimizer.load_parameter_state_from_fully_reshardable(moments)
            for weight, step in steps.items():
                states[weight]["step"] = step


def _optimizer_config(config: TrainingConfig, dtype: torch.dtype) -> OptimizerConfig:
    chosen = config.optimizer
    return OptimizerConfig(
        optimizer="adam",
        lr=config.lr,
        weight_decay=chosen.weight_decay,
        adam_beta1=chosen.beta1,
        adam_beta2=chosen.beta2,
        adam_eps=chosen.eps,
        clip_grad=chosen.clip_grad,
        bf16=dtype is torch.bfloat16,
        params_dtype=dtype,
        use_distributed_optimizer=True,
    )


def _allocate_state(optimizer: MegatronOptimizer) -> None:
    """Make the moments now, as torch's first step would: Megatron cannot load into, or save, torch's empty state."""
    for megatron_optimizer in optimizer.chained_optimizers:
        adam = megatron_optimizer.optimizer
        if not isinstance(adam, torch.optim.AdamW):  # TE's and Apex's keep their step elsewhere
            continue
        for group in adam.param_groups:
            group["fused"], group["foreach"] = True, False
            for weight in group["params"]:
                moments = {name: torch.zeros_like(weight) for name in ("exp_avg", "exp_avg_sq")}
                adam.state[weight] = {"step": torch.zeros((), dtype=torch.float32, device=weight.device), **moments}
