"""The deepspeed engine: ZeRO-1, 2 and 3 over the data parallel ranks, with Megatron's tensor parallelism."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
import torch.distributed as dist
from megatron.core import parallel_state
from megatron.core.dist_checkpointing.mapping import ShardedStateDict, StateDict
from megatron.core.models.gpt import GPTModel
from megatron.core.optimizer.grad_scaler import DynamicGradScaler
from megatron.core.transformer.moe.moe_utils import MoEAuxLossAutoScaler
from torch import Tensor
from torch.nn import Parameter

from stages.model.checkpoint.load import DTYPES
from stages.model.checkpoint.reading import WEIGHTS, tensors_of
from stages.model.decoder import Decoder, build_model
from stages.shared.errors import ConfigError
from stages.train.config import TrainingConfig
from stages.train.engines.offload import activations_on_host
from stages.train.engines.optimizer import loss_scale
from stages.train.engines.partition import MODEL, OPTIMIZER, Partition, shards_of
from stages.train.objectives.base import Annotate, Batch, Forward, LossOutputs, Role, SetWeights

# DeepSpeed reads these while it is imported and made. Without them it warns that it saw no GPU, and runs `numactl` at
# every reduction to count devices.
os.environ.setdefault("DS_ACCELERATOR", "cuda" if torch.cuda.is_available() else "cpu")
os.environ.setdefault("LOCAL_SIZE", "1")
import deepspeed
from deepspeed.accelerator import get_accelerator
from deepspeed.runtime.config import DeepSpeedConfig
from deepspeed.runtime.engine import ZERO_OPTIMIZATION
from deepspeed.runtime.utils import combine_grad_norm_groups

BUCKET = 50_000_000
"""Numbers that are reduced, gathered or updated at a time; a larger weight goes alone."""


def has_fp16() -> bool:
    """Return whether DeepSpeed trains in fp16 here: on a GPU, or on a processor that has fp16 instructions."""
    return bool(get_accelerator().is_fp16_supported())


class DeepSpeedEngine:
    """A rank's part of the model and its share of what ZeRO splits: optimizer, gradients, weights (arXiv:1910.02054).

    DeepSpeed reduces, updates and gathers. The loss' scale, the gradient's norm and its clipping are decided here: a
    step may be dropped once its norm is known.
    """

    def __init__(self, config: TrainingConfig, role: Role, vocab_size: int, _rows: int) -> None:
        if role.frozen:
            raise ValueError("engine deepspeed trains all weights of a model: use engine megatron to freeze some")
        if config.dtype == "fp16" and not has_fp16():
            wanted = "bf16 or fp32 with engine deepspeed, which refuses fp16 on a processor without it; or use megatron"
            raise ConfigError("dtype", config.dtype, wanted)
        self.config, self._role, self._vocab_size = config, role, vocab_size
        core = self._build()
        role.starting_weights(config.seed)(core)
        self.chunks = [core]
        _sum_over_tensor_parallel_ranks(core)
        shards = shards_of(core)
        self._engine = _Engine(core, config)
        self._zero: Any = self._engine.optimizer
        self._flats = _allocate_state(self._zero)
        self._partition = Partition(core, shards, self._zero)
        self._scaler = _scaler(config)
        self._scale, self._norm = 1.0, 0.0

    def _build(self) -> Decoder:
        layout, dtype = self.config.layout, DTYPES[self.config.dtype]
        model = build_model(
            self._role.config,
            self._vocab_size,
            dtype,
            sp=layout.sp,
            recompute=layout.recompute,
            on_host=layout.zero == 3,
        )
        model.to(dtype)  # norms are made in float32
        return model

    @property
    def is_scaled(self) -> bool:
        """Whether the gradient may overflow: see Engine."""
        return self._scaler is not None and float(self._scaler.scale) > loss_scale(self.config).least

    def accumulate(self, forward: Forward, batches: Iterator[Batch], num_microbatches: int) -> list[LossOutputs]:
        """Run the step's microbatches forward and back: see Engine."""
        scale = float(self._scaler.scale) if self._scaler else 1.0
        self._zero.override_loss_scale(scale)
        MoEAuxLossAutoScaler.set_loss_scale(torch.tensor([scale], device=self._engine.device))
        losses, labels = [], torch.zeros((), device=self._engine.device)
        for number in range(num_microbatches):
            self._engine.set_gradient_accumulation_boundary(number == num_microbatches - 1)
            with self._offloading():
                output, loss_of = forward(batches, self._engine)
            found = loss_of(output)
            self._engine.backward(found.total, scale_wrt_gas=False)
            labels += found.count.to(torch.int)
            losses.append(found.detached())
        group = parallel_state.get_data_parallel_group()
        dist.all_reduce(labels, group=group)
        # The gradient is too large by this: DeepSpeed has taken the mean over the ranks, of sums over labels.
        self._scale = scale * max(float(labels), 1.0) / dist.get_world_size(group)
        return losses

    def evaluate(self, forward: Forward, batches: Iterator[Batch], num_microbatches: int) -> list[LossOutputs]:
        """Forward pass only: see Engine."""
        self._engine.eval()
        losses = []
        with torch.no_grad():
            for _ in range(num_microbatches):
                output, loss_of = forward(batches, self._engine)
                losses.append(loss_of(output).detached())
        self._engine.train()
        return losses

    def annotate(self, annotate: Annotate, batches: Iterator[Batch], num_microbatches: int) -> list[Batch]:
        """Forward pass only, for columns: see Engine."""
        self._engine.eval()
        found = []
        with torch.no_grad():
            for _ in range(num_microbatches):
                output, columns_of = annotate(batches, self._engine)
                found.append(columns_of(output))
        self._engine.train()
        return found

    def _offloading(self) -> AbstractContextManager[None]:
        if "activations" in self.config.layout.offload:
            return activations_on_host(self.chunks[0].parameters())
        return nullcontext()

    def gradient_norm(self) -> float:
        """Return the norm of the whole gradient: see Engine."""
        if self.config.layout.zero == 3:
            norm = combine_grad_norm_groups(self._zero._get_norm_groups())
        else:
            norm = self._zero.scaled_global_norm()
        self._norm = float(norm) / self._scale
        if self._scaler:
            self._scaler.update(not math.isfinite(self._norm))
        return self._norm

    def shares(self) -> Iterator[tuple[Parameter, Tensor, Tensor]]:
        """Yield this rank's share of the model: see Engine."""
        for weight, numbers, gradient in self._partition.shares():
            yield weight, numbers, gradient / self._scale

    def update(self, lr: float) -> bool:
        """Clip the gradient and apply it: see Engine."""
        if not math.isfinite(self._norm):
            self.drop()
            return False
        for group in self._zero.param_groups:
            group["lr"] = lr
        self._zero.override_loss_scale(self._scale * max(1.0, (self._norm + 1e-6) / self.config.optimizer.clip_grad))
        self._engine.step()
        return True

    def drop(self) -> None:
        """Discard the gradient: see Engine. DeepSpeed's own steps do the same when they find an overflow."""
        zero = self._zero
        if self.config.layout.zero == 3:
            zero._pre_step()
            zero._overflow_clean_up(None)
            return
        zero.zero_grad()
        zero.micro_step_id = -1
        if zero.cpu_offload:
            zero.reset_cpu_buffers()
        for number in zero.averaged_gradients:
            zero.averaged_gradients[number] = zero.all_grad_tensors[number] = None

    def weights(self) -> ShardedStateDict:
        """Return the weights under their global names: see Engine."""
        if self.config.layout.zero == 3:
            return self._partition.collect(MODEL)
        return tensors_of(self.chunks[0].sharded_state_dict(prefix=WEIGHTS))

    def state(self, *, is_loading: bool) -> ShardedStateDict:
        """Return weights and optimizer: see Engine."""
        get = self._partition.expect if is_loading else self._partition.collect
        optimizer: dict[str, Any] = {kind: get(kind) for kind in OPTIMIZER}
        if not is_loading:
            optimizer["step"] = float(self._zero.state[self._flats[0]]["step"])
            optimizer["scaler"] = self._scaler.state_dict() if self._scaler else {}
        model = get(MODEL) if self.config.layout.zero == 3 else self.weights()
        return {MODEL: model, "optimizer": optimizer}

    def load(self, state: StateDict) -> None:
        """Load weights and optimizer: see Engine."""
        optimizer = state["optimizer"]
        for kind in OPTIMIZER:
            self._partition.spread(kind, optimizer[kind])
        for flat in self._flats:
            self._zero.state[flat]["step"].fill_(optimizer["step"])
        if self._scaler:
            self._scaler.load_state_dict(optimizer["scaler"])
        if self.config.layout.zero == 3:
            self._zero._partition_all_parameters()
            self._partition.spread(MODEL, state[MODEL])
        else:
            weights = {name.removeprefix(WEIGHTS): value for name, value in state[MODEL].items()}
            self.chunks[0].load_state_dict(weights, strict=False)

    def reset(self, set_weights: SetWeights) -> None:
        """Replace the weights: see Engine."""
        if self.config.layout.zero < 3:
            set_weights(self.chunks[0])
            return
        model = self._build()
        set_weights(model)
        self._zero._partition_all_parameters()
        self._partition.copy(MODEL, model)


class _Engine(deepspeed.DeepSpeedEngine):
    """DeepSpeed's engine with Megatron's groups, made from our settings."""

    def __init__(self, core: GPTModel, config: TrainingConfig) -> None:
        os.environ["LOCAL_RANK"] = str(torch.cuda.current_device()) if torch.cuda.is_available() else "0"
        deepspeed.ops.__compatible_ops__.clear()  # or it compiles an all-reduce of its own, if it finds a compiler
        deepspeed.init_distributed(dist.get_backend(), auto_mpi_discovery=False)
        settings, adamw = _settings(core, config), _adamw(core, config)
        if config.layout.zero == 3:
            # By itself DeepSpeed takes the whole model to the device first; this is one weight at a time.
            group = parallel_state.get_data_parallel_group()
            deepspeed.zero.Init(core, data_parallel_group=group, config_dict_or_path=settings, mpu=_Groups)
        super().__init__(
            None,
            core,
            optimizer=adamw,
            mpu=_Groups,
            config=settings,
            config_class=DeepSpeedConfig(settings, _Groups),
        )

    def _do_optimizer_sanity_check(self, _optimizer: torch.optim.Optimizer) -> str:
        # DeepSpeed has another optimizer for bf16 and ZeRO-1, which splits nothing but the moments.
        return str(ZERO_OPTIMIZATION)


class _Groups:
    """Megatron's process groups, by the names that DeepSpeed asks for."""

    get_data_parallel_group = parallel_state.get_data_parallel_group
    get_data_parallel_rank = parallel_state.get_data_parallel_rank
    get_data_parallel_world_size = parallel_state.get_data_parallel_world_size
    get_model_parallel_group = parallel_state.get_tensor_model_parallel_group
    get_model_parallel_rank = parallel_state.get_tensor_model_parallel_rank
    get_model_parallel_world_size = parallel_state.get_tensor_model_parallel_world_size
    get_tensor_model_parallel_group = parallel_state.get_tensor_model_parallel_group
    get_tensor_model_parallel_rank = parallel_state.get_tensor_model_parallel_rank
    get_tensor_model_parallel_world_size = parallel_state.get_tensor_model_parallel_world_size


def _settings(core: GPTModel, config: TrainingConfig) -> dict[str, Any]:
    layout, on_cuda = config.layout, torch.cuda.is_available()
    numel = sum(weight.numel() for weight in core.parameters())
    block = sum(weight.numel() for weight in core.decoder.layers[0].parameters())
    bucket = min(BUCKET, numel)
    to_host = {"device": "cpu", "pin_memory": on_cuda}
    zero = {
        "stage": layout.zero,
        "overlap_comm": on_cuda,
        "reduce_bucket_size": bucket,
        "allgather_bucket_size": 2 * -(-bucket // 2),
        "sub_group_size": BUCKET,
        # ZeRO-3 holds a block's weights while it computes, and the next one's.
        "stage3_prefetch_bucket_size": min(BUCKET, block),
        "stage3_max_live_parameters": 2 * block,
        "stage3_max_reuse_distance": 2 * block,
        "stage3_param_persistence_threshold": 10 * core.config.hidden_size,
        "memory_efficient_linear": False,
        **({"offload_optimizer": to_host} if "optimizer" in layout.offload else {}),
        **({"offload_param": to_host} if "weights" in layout.offload else {}),
    }
    return {
        "train_micro_batch_size_per_gpu": config.microbatch,
        "gradient_accumulation_steps": 1,
        "steps_per_print": None,
        "timers": {"throughput": {"enabled": False}},
        "zero_optimization": zero,
        "zero_force_ds_cpu_optimizer": False,
        "bf16": {"enabled": config.dtype == "bf16"},
        "fp16": {"enabled": config.dtype == "fp16", "loss_scale": 1.0},
        "data_types": {"grad_accum_dtype": "fp32"},
        "communication_data_type": "fp32",
    }


def _adamw(core: GPTModel, config: TrainingConfig) -> torch.optim.AdamW:
    chosen = config.optimizer
    decayed: dict[str, Any] = {"params": [weight for weight in core.parameters() if weight.ndim > 1]}
    exempt: dict[str, Any] = {"params": [weight for weight in core.parameters() if weight.ndim <= 1]}
    return torch.optim.AdamW(
        [decayed, exempt | {"weight_decay": 0.0}],
        lr=config.lr,
        betas=(chosen.beta1, chosen.beta2),
        eps=chosen.eps,
        weight_decay=chosen.weight_decay,
        fused=True,
    )


def _allocate_state(zero: Any) -> list[Tensor]:
    """Make AdamW's state now, as its first step would, to be saved and loaded; return the weights that it knows."""
    flats: list[Tensor] = getattr(zero, "fp32_partitioned_groups_flat", None) or zero.single_partition_of_fp32_groups
    for flat in flats:
        moments = {name: torch.zeros_like(flat.data) for name in ("exp_avg", "exp_avg_sq")}
        zero.state[flat] = {"step": torch.zeros((), dtype=torch.float32, device=flat.device), **moments}
    return flats


def _scaler(config: TrainingConfig) -> DynamicGradScaler | None:
    if config.dtype != "fp16":
        return None
    chosen = loss_scale(config)
    return DynamicGradScaler(
        initial_scale=chosen.initial,
        min_scale=chosen.least,
        growth_factor=2.0,
        backoff_factor=0.5,
        growth_interval=chosen.window,
        hysteresis=chosen.hysteresis,
    )


def _sum_over_tensor_parallel_ranks(core: GPTModel) -> None:
    """Have the gradients of weights that each rank sees a part of the sequence with summed over all parts."""

    def summed(gradient: Tensor) -> Tensor:
        whole = gradient.clone()
        dist.all_reduce(whole, group=parallel_state.get_tensor_model_parallel_group())
        return whole

    for weight in core.parameters():
        if getattr(weight, "sequence_parallel", False):
            weight.register_hook(summed)
