"""Megatron's distributed AdamW from our settings, and around what is wrong with it (0.16.1)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import torch
from megatron.core.dist_checkpointing.mapping import ShardedStateDict, StateDict
from megatron.core.distributed import DistributedDataParallel
from megatron.core.optimizer import MegatronOptimizer, OptimizerConfig, clip_grads, get_megatron_optimizer
from megatron.core.utils import local_multi_tensor_l2_norm
from torch import Tensor
from torch.nn import Parameter

from stages.train.config import TrainingConfig
from stages.train.engines.flat_slices import parts_of
from stages.train.engines.offload import HostAdamW
from stages.train.sections import LossScaleConfig

KINDS = ("param", "exp_avg", "exp_avg_sq")
"""The float32 weights and AdamW's moments, as Megatron names them in a checkpoint."""


def build_optimizer(config: TrainingConfig, models: Sequence[DistributedDataParallel]) -> MegatronOptimizer:
    """Return AdamW whose state is split over the data parallel ranks: one for experts and one for the rest."""
    fuse_clipping()
    optimizer = get_megatron_optimizer(_settings(config, models[0]), list(models), use_gloo_process_groups=False)
    for each in optimizer.chained_optimizers:
        # The loss has one scale, wherever fp16 overflows. Megatron gives each optimizer a scaler that sees its own
        # overflows alone.
        each.grad_scaler = optimizer.chained_optimizers[0].grad_scaler
    for each in with_weights(optimizer):
        if "optimizer" in config.layout.offload:
            copies = [weight for group in each.shard_fp32_from_float16_groups for weight in group]
            each.optimizer = HostAdamW(each.optimizer, copies)
        else:
            _allocate_state(each)
    return optimizer


def with_weights(optimizer: MegatronOptimizer) -> list[MegatronOptimizer]:
    """Return the optimizers that update any weight: none on a pipeline stage whose weights are all frozen."""
    return [each for each in optimizer.chained_optimizers if not each.is_stub_optimizer]


def fuse_clipping() -> None:
    """Have the gradient's norm and its clipping take a few kernels on a GPU, where nothing fused is installed.

    Megatron's own fall-back waits for the GPU once a weight, for its norm. On a CPU it stays: other sums would give
    other bits, and there is nothing to wait for. Side effect: for the whole process.
    """
    if torch.cuda.is_available() and clip_grads.l2_norm_impl is local_multi_tensor_l2_norm:
        clip_grads.l2_norm_impl, clip_grads.multi_tensor_scale_impl = _norm, _scale


def _norm(_chunk_size: int, _overflow: Tensor, lists: list[list[Tensor]], _per_tensor: bool) -> tuple[Tensor, None]:
    """Return the norm over all tensors, [1]: amp_C.multi_tensor_l2norm's signature."""
    norms = torch._foreach_norm([tensor for each in lists for tensor in each])
    return torch.linalg.vector_norm(torch.stack(norms)).view(1), None


def _scale(_chunk_size: int, _overflow: Tensor, lists: list[list[Tensor]], scale: float) -> None:
    """Write the first list's tensors, scaled, to the second's: amp_C.multi_tensor_scale's signature."""
    source, target = lists
    torch._foreach_copy_(target, torch._foreach_mul(source, scale))


def loss_scale(config: TrainingConfig) -> LossScaleConfig:
    """Return fp16's scale for the loss that is differentiated: a microbatch's sum over labels.

    A scale of 2^16 is too much for it: the settings are of the mean. A power of 2 rounds nothing.
    """
    labels = 2 ** int(math.log2(config.microbatch * config.model.seq_len))
    chosen = config.loss_scale
    return chosen.model_copy(update={"initial": chosen.initial / labels, "least": chosen.least / labels})


def on_host(optimizer: MegatronOptimizer) -> list[HostAdamW]:
    """Return those that live in the host's memory."""
    found = (each.optimizer for each in with_weights(optimizer))
    return [each for each in found if isinstance(each, HostAdamW)]


def optimizer_state(optimizer: MegatronOptimizer, weights: ShardedStateDict) -> ShardedStateDict:
    """Return what the optimizer remembers: this rank's float32 weights and moments, as they are, to save or to load.

    `weights` says where the model's weights lie. Megatron's own format that any layout reads gathers the state of all
    data parallel ranks on each of them.
    """
    shards = {shard.data: shard for shard in weights.values()}
    parts = {}
    for each in with_weights(optimizer):
        for weight, start in _shares(each):
            for kind, run in _runs(each, weight).items():
                found = parts_of(shards[weight], weight.shape, run, start, f"optimizer.state.{kind}")
                parts.update({f"{part.key}{part.global_offset}": part for part in found})
    scaler = optimizer.chained_optimizers[0].grad_scaler
    return {"parts": parts, "step": _steps(optimizer), "scaler": scaler.state_dict() if scaler else {}}


def load_optimizer(optimizer: MegatronOptimizer, state: StateDict) -> None:
    """Take over what is no tensor; tensors were read in place."""
    for each in with_weights(optimizer):
        for group in each.optimizer.param_groups:
            group["step"] = int(state["step"])  # where Transformer Engine's looks for it
            for weight in group["params"]:
                if "step" in (held := each.optimizer.state[weight]):
                    held["step"].fill_(state["step"])
        if each.grad_scaler:
            each.grad_scaler.load_state_dict(state["scaler"])


def _shares(optimizer: MegatronOptimizer) -> Iterator[tuple[Parameter, int]]:
    """Yield the weights that this rank's share of the optimizer has numbers of, and the first of those."""
    for buffer in optimizer.gbuf_ranges:
        for buckets in buffer.values():
            for bucket in buckets:
                for weight, ranges in bucket["param_map"].items():
                    yield weight, ranges["param"].start


def _runs(optimizer: MegatronOptimizer, weight: Parameter) -> dict[str, Tensor]:
    held = optimizer._get_main_param_and_optimizer_states(weight)
    if isinstance(optimizer.optimizer, HostAdamW):
        held["param"] = optimizer.optimizer.host_of(held["param"])
    return {kind: held[kind].detach() for kind in KINDS}


def _steps(optimizer: MegatronOptimizer) -> float:
    for each in with_weights(optimizer):
        for group in each.optimizer.param_groups:
            for weight in group["params"]:
                return float(each.optimizer.state[weight].get("step", group.get("step", 0)))
    return 0.0


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


def _allocate_state(optimizer: MegatronOptimizer) -> None:
    """Make the moments now, as the first step would: a checkpoint is read into them."""
    adam = optimizer.optimizer
    optimizer.init_state_fn(adam)
    if isinstance(adam, torch.optim.AdamW):  # TE's and Apex's count their steps in the groups
        for group in adam.param_groups:
            group["fused"], group["foreach"] = True, False
            for weight in group["params"]:
                adam.state[weight]["step"] = torch.zeros((), dtype=torch.float32, device=weight.device)
