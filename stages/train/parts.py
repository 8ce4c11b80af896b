"""Puts a run's parts together: model, gradient buffers, optimizer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from megatron.core.distributed import DistributedDataParallel, DistributedDataParallelConfig, finalize_model_grads
from megatron.core.models.gpt import GPTModel
from megatron.core.optimizer import MegatronOptimizer, OptimizerConfig, get_megatron_optimizer
from megatron.core.transformer.module import Float16Module

from stages.model import device
from stages.model.llama import build_model, initialise
from stages.model.load import DTYPES
from stages.train.config import TrainingConfig

SetWeights = Callable[[GPTModel], None]
"""Fills a rank's model with the weights that training starts from."""


@dataclass(frozen=True)
class Parts:
    """This rank's share of what is trained."""

    core: GPTModel
    """The bare model: names and shapes of the weights."""
    model: DistributedDataParallel
    """The same weights behind Megatron's gradient buffers: what a step runs."""
    optimizer: MegatronOptimizer

    def set_lr(self, lr: float) -> None:
        """Set the learning rate of the next update."""
        for group in self.optimizer.param_groups:
            group["lr"] = lr


def build_parts(config: TrainingConfig, vocab_size: int, set_weights: SetWeights | None = None) -> Parts:
    """Return the parts with the weights to start from; call it on every rank, after stages.model.parallel.start.

    None draws them from the seed.
    """
    dtype = DTYPES[config.dtype]
    core = build_model(config.model, vocab_size, dtype).to(device.device())
    (set_weights or drawn(config))(core)
    core.config.finalize_model_grads_func = finalize_model_grads
    ddp = DistributedDataParallelConfig(
        use_distributed_optimizer=True,
        grad_reduce_in_fp32=True,
    )
    inner = Float16Module(core.config, core) if dtype is torch.bfloat16 else core
    model = DistributedDataParallel(core.config, ddp, inner)
    optimizer = get_megatron_optimizer(_optimizer_config(config, dtype), [model], use_gloo_process_groups=False)
    _allocate_state(optimizer)
    return Parts(core, model, optimizer)


def drawn(config: TrainingConfig) -> SetWeights:
    """Return what draws a run's weights from its seed."""
    return partial(initialise, config=config.model, seed=config.seed)


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
