"""The megatron engine: tensor, pipeline and data parallelism of Megatron-Core, with its distributed optimizer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import tee
from typing import Any

import torch
from megatron.core import parallel_state
from megatron.core.dist_checkpointing.mapping import ShardedStateDict, StateDict
from megatron.core.distributed import DistributedDataParallel, DistributedDataParallelConfig, finalize_model_grads
from megatron.core.models.gpt import GPTModel
from megatron.core.optimizer.clip_grads import clip_grad_by_total_norm_fp32
from megatron.core.pipeline_parallel import get_forward_backward_func
from megatron.core.transformer.module import Float16Module
from megatron.core.utils import get_batch_on_this_cp_rank
from torch import Tensor
from torch.nn import Parameter

from stages.model import device
from stages.model.checkpoint.load import DTYPES
from stages.model.checkpoint.reading import WEIGHTS, tensors_of
from stages.model.decoder import build_model
from stages.train.config import TrainingConfig
from stages.train.engines.offload import activations_on_host
from stages.train.engines.optimizer import build_optimizer, load_optimizer, loss_scale, on_host, optimizer_state
from stages.train.objectives.next_token import Batch, Loss, Objective


class MegatronEngine:
    """A rank's part of the model behind Megatron's gradient buffers, and its share of AdamW's state (ZeRO-1)."""

    def __init__(self, config: TrainingConfig, vocab_size: int, set_weights: Callable[[GPTModel], None]) -> None:
        dtype, layout = DTYPES[config.dtype], config.layout
        self.config = config
        split = {"sp": layout.sp, "recompute": layout.recompute, "z_loss": config.z_loss}
        self.chunks = [
            build_model(config.model, vocab_size, dtype, chunk=number, **split) for number in range(layout.interleave)
        ]
        ddp = DistributedDataParallelConfig(
            use_distributed_optimizer=True,
            grad_reduce_in_fp32=True,
            overlap_grad_reduce=overlaps(),
            overlap_param_gather=overlaps(),
        )
        self.models = []
        for number, chunk in enumerate(self.chunks):
            chunk.to(device.device())
            set_weights(chunk)
            inner = Float16Module(chunk.config, chunk) if dtype is not torch.float32 else chunk
            self.models.append(DistributedDataParallel(chunk.config, ddp, inner, disable_bucketing=number > 0))
        self.optimizer = build_optimizer(config, self.models)
        self._hosts = on_host(self.optimizer)
        for chunk in self.chunks:
            chunk.config.finalize_model_grads_func = finalize_model_grads
            chunk.config.grad_scale_func = self.optimizer.scale_loss if dtype is torch.float16 else None
            chunk.config.no_sync_func = _no_sync(self.models) if overlaps() else None
            chunk.config.overlap_p2p_comm = overlaps() and layout.interleave > 1
        self._forward_backward = get_forward_backward_func()
        self._norm = 0.0

    @property
    def is_scaled(self) -> bool:
        """Whether the gradient may overflow: see Engine."""
        return self.config.dtype == "fp16" and float(self.optimizer.get_loss_scale()) > loss_scale(self.config).least

    def accumulate(self, objective: Objective, batches: Iterator[Batch], num_microbatches: int) -> list[Tensor]:
        """Run the step's microbatches forward and back: see Engine."""
        for model in self.models:
            model.zero_grad_buffer()
        self.optimizer.zero_grad()
        return self._run(self._forward(objective), batches, num_microbatches, forward_only=False)

    def evaluate(self, objective: Objective, batches: Iterator[Batch], num_microbatches: int) -> list[Tensor]:
        """Run microbatches forward alone: see Engine."""
        for model in self.models:
            self._gather(model)
            model.eval()
        losses = self._run(objective, batches, num_microbatches, forward_only=True)
        for model in self.models:
            model.train()
        return losses

    def _run(
        self, objective: Objective, batches: Iterator[Batch], num_microbatches: int, *, forward_only: bool
    ) -> list[Tensor]:
        own = (_of_this_context_rank(batch) for batch in batches)
        losses: list[Tensor] = self._forward_backward(
            forward_step_func=objective,
            data_iterator=own if len(self.models) == 1 else list(tee(own, len(self.models))),
            model=self.models,
            num_microbatches=num_microbatches,
            seq_length=self.config.model.seq_len,
            micro_batch_size=self.config.microbatch,
            forward_only=forward_only,
        )
        return losses

    def _forward(self, objective: Objective) -> Objective:
        if "activations" not in self.config.layout.offload:
            return objective
        weights = [weight for model in self.models for weight in model.parameters()]

        def offloading(batches: Iterator[Batch], model: Any) -> tuple[Tensor, Callable[[Tensor], Loss]]:
            with activations_on_host(weights):
                return objective(batches, model)

        return offloading

    def gradient_norm(self) -> float:
        """Return the norm of the whole gradient: see Engine. An overflow in fp16 is told to the loss's scaler here."""
        optimizers = self.optimizer.chained_optimizers
        for optimizer in optimizers:
            optimizer._copy_model_grads_to_main_grads()
        overflowed = False
        if self.config.dtype == "fp16":
            found = [optimizer._unscale_main_grads_and_check_for_nan() for optimizer in optimizers]
            overflowed = any(found)  # of all, each being collective
            optimizers[0].grad_scaler.update(overflowed)
        self._norm = float("inf") if overflowed else float(self.optimizer.get_grad_norm())
        return self._norm

    def shares(self) -> Iterator[tuple[Parameter, Tensor, Tensor]]:
        """Yield this rank's share of the model: see Engine."""
        for each in self.optimizer.chained_optimizers:
            weights = (*each.model_float16_groups, *each.model_fp32_groups)
            parts = (*each.shard_float16_groups, *each.shard_fp32_groups)
            owners = (*each.shard_fp32_from_float16_groups, *each.shard_fp32_groups)
            for group in zip(weights, parts, owners, strict=True):
                for weight, part, owner in zip(*group, strict=True):
                    yield weight, part, owner.grad

    def update(self, lr: float) -> bool:
        """Clip the gradient and apply it: see Engine."""
        if self._norm == float("inf"):
            return False
        for group in self.optimizer.param_groups:
            # Megatron leaves both to its scheduler, which is not used: a multiplier alone exempts nothing from decay.
            group["lr"], group["weight_decay"] = lr, group["wd_mult"] * self.config.optimizer.weight_decay
        for optimizer in self.optimizer.chained_optimizers:
            clip_grad_by_total_norm_fp32(optimizer.get_parameters(), self.config.optimizer.clip_grad, self._norm)
        done = bool(self.optimizer.step_with_ready_grads())
        for host in self._hosts:
            host.free()
        return done

    def drop(self) -> None:
        """Forget the gradient; the next `accumulate` starts with empty buffers anyway."""

    def reset(self, set_weights: Callable[[GPTModel], None]) -> None:
        """Put other weights in place of the trained ones: see Engine."""
        for chunk in self.chunks:
            set_weights(chunk)

    def weights(self) -> ShardedStateDict:
        """Return the weights under their global names: see Engine."""
        for model in self.models:
            self._gather(model)
        each = [chunk.sharded_state_dict(prefix=WEIGHTS) for chunk in self.chunks]
        # Chunks have layers of the same local names; the names in a checkpoint are global.
        return tensors_of({f"{number}.{name}": part for number, own in enumerate(each) for name, part in own.items()})

    def _gather(self, model: DistributedDataParallel) -> None:
        if model.ddp_config.overlap_param_gather:  # those of other ranks come when they are first used
            model.start_param_sync(force_sync=True)

    def state(self, *, is_loading: bool) -> ShardedStateDict:
        """Return weights and optimizer: see Engine."""
        weights = self.weights()
        return {**weights, "optimizer": optimizer_state(self.optimizer, weights)}

    def load(self, state: StateDict) -> None:
        """Take over weights and optimizer: see Engine."""
        load_optimizer(self.optimizer, state["optimizer"])
        for number, chunk in enumerate(self.chunks):
            place = f"{number}.{WEIGHTS}"
            own = {name.removeprefix(place): value for name, value in state.items() if name.startswith(place)}
            chunk.load_state_dict(own, strict=False)


def overlaps() -> bool:
    """Return whether ranks reduce gradients, gather weights and pass activations on while they compute.

    With gloo they do not: its threads would take the cores that compute, and nothing is hidden.
    """
    return torch.cuda.is_available()


def _no_sync(models: list[DistributedDataParallel]) -> Any:
    each = [model.no_sync for model in models]
    return each[0] if len(each) == 1 else each


def _of_this_context_rank(batch: Batch) -> Batch:
    """Return this context parallel rank's part of every sequence: two chunks of it, for balance."""
    return get_batch_on_this_cp_rank(batch) if parallel_state.get_context_parallel_world_size() > 1 else batch
