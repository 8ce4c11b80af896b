"""Megatron's distributed AdamW from our settings, and around what is wrong with it (0.16.1)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from megatron.core.distributed import DistributedDataParallel
from megatron.core.optimizer import MegatronOptimizer, OptimizerConfig, get_megatron_optimizer

from stages.train.config import TrainingConfig
from stages.train.engines.offload import HostAdamW
from stages.train.sections import LossScaleConfig


def build_optimizer(config: TrainingConfig, models: Sequence[DistributedDataParallel]) -> MegatronOptimizer:
    """Return AdamW whose state is split over the data parallel ranks: one for experts and one for the rest."""
    _count_padding(models)
    optimizer = get_megatron_optimizer(_settings(config, models[0]), list(models), use_gloo_process_groups=False)
    for each in optimizer.chained_optimizers:
        # The loss has one scale, wherever fp16 overflows; Megatron gives each optimizer a scaler that hears of its own.
        each.grad_scaler = optimizer.chained_optimizers[0].grad_scaler
        if "optimizer" in config.layout.offload:
            copies = [weight for group in each.shard_fp32_from_float16_groups for weight in group]
            each.optimizer = HostAdamW(each.optimizer, copies)
        elif isinstance(each.optimizer, torch.optim.AdamW):  # TE's and Apex's keep their step elsewhere
            _allocate_state(each.optimizer)
    return optimizer


def loss_scale(config: TrainingConfig) -> LossScaleConfig:
    """Return fp16's scale for the loss that is differentiated: a microbatch's sum over labels.

    A scale of 2^16 is too much for it: the settings are of the mean. A power of 2 rounds nothing.
    """
    labels = 2 ** int(math.log2(config.microbatch * config.model.seq_len))
    chosen = config.loss_scale
    return chosen.model_copy(update={"initial": chosen.initial / labels, "least": chosen.least / labels})


def on_host(optimizer: MegatronOptimizer) -> list[HostAdamW]:
    """Return those that live in the host's memory."""
    found = (each.optimizer for each in optimizer.chained_optimizers)
    return [each for each in found if isinstance(each, HostAdamW)]


def load_optimizer(optimizer: MegatronOptimizer, state: dict[Any, Any]) -> None:
    """Take over what a checkpoint held for the optimizer, around two faults of Megatron's with torch's AdamW.

    It asks the file for each weight's `step`, which it keeps once; and it hands all weights one `step` tensor, which
    every weight would then advance.
    """
    optimizers = optimizer.chained_optimizers
    parts = [state] if len(optimizers) == 1 else [state[number] for number in range(len(optimizers))]
    for each, own in zip(optimizers, parts, strict=True):
        moments = own.pop("param_state")
        each.load_state_dict(own)
        states = each.optimizer.state
        steps = {weight: states[weight].pop("step").clone() for weight in states if "step" in states[weight]}
        each.load_parameter_state_from_fully_reshardable(moments)
        for weight, step in steps.items():
            states[weight]["step"] = step


def _settings(config: TrainingConfig, model: DistributedDataParallel) -> OptimizerConfig:
    chosen, scale = config.optimizer, loss_scale(config)
    return OptimizerConfig(
        optimizer="adam",
        lr=config.lr,
        weight_decay=chosen.weight_decay,
        adam_beta1=chosen.beta1,
        adam_beta2=chosen.beta2,
        adam_eps=chosen.eps,
        clip_grad=chosen.clip_grad,
        bf16=config.dtype == "bf16",
        fp16=config.dtype == "fp16",
        params_dtype=model.config.params_dtype,
        initial_loss_scale=scale.initial,
        min_loss_scale=scale.least,
        loss_scale_window=scale.window,
        hysteresis=scale.hysteresis,
        use_distributed_optimizer=True,
        overlap_param_gather=model.ddp_config.overlap_param_gather,
    )


def _count_padding(models: Sequence[DistributedDataParallel]) -> None:
    """Have checkpoints count what buckets are padded with.

    Megatron saves the optimizer's state from buffers without that padding, by weights' places in buffers with it: with
    more than one bucket it would save every weight behind the first padding shifted.
    """
    for model in models:
        for buffer in (*model.buffers, *model.expert_parallel_buffers):
            buffer.numel_unpadded = buffer.numel
            for bucket in buffer.buckets:
                bucket.numel_unpadded = bucket.grad_data.numel()


def _allocate_state(adam: torch.optim.AdamW) -> None:
    """Make the moments now, as torch's first step would: Megatron cannot load into, or save, torch's empty state."""
    for group in adam.param_groups:
        group["fused"], group["foreach"] = True, False
        for weight in group["params"]:
            moments = {name: torch.zeros_like(weight) for name in ("exp_avg", "exp_avg_sq")}
            adam.state[weight] = {"step": torch.zeros((), dtype=torch.float32, device=weight.device), **moments}
