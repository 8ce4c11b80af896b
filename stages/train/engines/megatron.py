"""The megatron engine: tensor, pipeline and data parallelism of Megatron-Core, with its distributed optimizer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import tee
from typing import Any

import torch
from megatron.core.dist_checkpointing.mapping import ShardedStateDict, StateDict
from megatron.core.distributed import DistributedDataParallel, DistributedDataParallelConfig, finalize_model_grads
from megatron.core.optimizer.clip_grads import clip_grad_by_total_norm_fp32
from megatron.core.pipeline_parallel import get_forward_backward_func
from torch import Tensor
from torch.nn import Parameter

from stages.model import device
from stages.model.checkpoint.load import DTYPES
from stages.model.checkpoint.reading import WEIGHTS, tensors_of
from stages.train.config import TrainingConfig
from stages.train.engines.context import of_this_context_rank
from stages.train.engines.frozen import columns, freeze
from stages.train.engines.offload import activations_on_host
from stages.train.engines.optimizer import (
    build_optimizer,
    load_optimizer,
    loss_scale,
    on_host,
    optimizer_state,
    with_weights,
)
from stages.train.objectives.base import Annotate, Batch, Forward, LossOf, LossOutputs, Model, Role, SetWeights


class MegatronEngine:
    """A rank's part of the model behind Megatron's gradient buffers, and its share of AdamW's state (ZeRO-1)."""

    def __init__(self, config: TrainingConfig, role: Role, vocab_size: int, rows: int) -> None:
        dtype, layout = DTYPES[config.dtype], config.layout
        self.config, self._role, self._rows = config, role, rows
        self.chunks = [
            role.build(role.config, vocab_size, dtype, chunk=number, sp=layout.sp, recompute=layout.recompute)
            for number in range(layout.interleave)
        ]
        freeze(self.chunks, role)
        ddp = DistributedDataParallelConfig(
            use_distributed_optimizer=True,
            grad_reduce_in_fp32=True,
            overlap_grad_reduce=overlaps(),
            overlap_param_gather=overlaps(),
        )
        self.models = []
        for number, chunk in enumerate(self.chunks):
            chunk.to(device.device())
            role.starting_weights(config.seed)(chunk)
            chunk.to(dtype)  # norms are made in float32
            self.models.append(DistributedDataParallel(chunk.config, ddp, chunk, disable_bucketing=number > 0))
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

    def accumulate(self, forward: Forward, batches: Iterator[Batch], num_microbatches: int) -> list[LossOutputs]:
        """Run the step's microbatches forward and back: see Engine."""
        for model in self.models:
            model.zero_grad_buffer()
        self.optimizer.zero_grad()
        return self._run(self._offloading(forward), batches, num_microbatches, forward_only=False)

    def evaluate(self, forward: Forward, batches: Iterator[Batch], num_microbatches: int) -> list[LossOutputs]:
        """Forward pass only: see Engine."""
        with self._evaluating():
            return self._run(forward, batches, num_microbatches, forward_only=True)

    def annotate(self, annotate: Annotate, batches: Iterator[Batch], num_microbatches: int) -> list[Batch]:
        """Forward pass only, for columns: see Engine."""
        with self._evaluating():
            return columns(
                self.models,
                annotate,
                batches,
                num_microbatches=num_microbatches,
                seq_len=self._role.config.seq_len,
                microbatch=self.config.microbatch * self._rows,
            )

    @contextmanager
    def _evaluating(self) -> Iterator[None]:
        for model in self.models:
            self._gather(model)
            model.eval()
        yield
        for model in self.models:
            model.train()

    def _run(
        self, forward: Forward, batches: Iterator[Batch], num_microbatches: int, *, forward_only: bool
    ) -> list[LossOutputs]:
        own = (of_this_context_rank(batch) for batch in batches)
        losses: list[LossOutputs] = self._forward_backward(
            forward_step_func=partial(_forward_step, forward),
            data_iterator=own if len(self.models) == 1 else list(tee(own, len(self.models))),
            model=self.models,
            num_microbatches=num_microbatches,
            seq_length=self._role.config.seq_len,
            micro_batch_size=self.config.microbatch * self._rows,
            forward_only=forward_only,
        )
        return losses

    def _offloading(self, forward: Forward) -> Forward:
        if "activations" not in self.config.layout.offload:
            return forward
        weights = [weight for model in self.models for weight in model.parameters()]

        def offloading(batches: Iterator[Batch], model: Model) -> tuple[Tensor, LossOf]:
            with activations_on_host(weights):
                return forward(batches, model)

        return offloading

    def gradient_norm(self) -> float:
        """Return the norm of the whole gradient: see Engine."""
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
        for each in with_weights(self.optimizer):
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
        for optimizer in with_weights(self.optimizer):
            clip_grad_by_total_norm_fp32(optimizer.get_parameters(), self.config.optimizer.clip_grad, self._norm)
        done = bool(self.optimizer.step_with_ready_grads())
        for host in self._hosts:
            host.free()
        return done

    def drop(self) -> None:
        """Discard the gradient: nothing to do, since `accumulate` starts with empty buffers."""

    def reset(self, set_weights: SetWeights) -> None:
        """Replace the weights: see Engine."""
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
        """Load weights and optimizer: see Engine."""
        load_optimizer(self.optimizer, state["optimizer"])
        for number, chunk in enumerate(self.chunks):
            place = f"{number}.{WEIGHTS}"
            own = {name.removeprefix(place): value for name, value in state.items() if name.startswith(place)}
            chunk.load_state_dict(own, strict=False)


def _forward_step(
    forward: Forward, batches: Iterator[Batch], model: Model
) -> tuple[Tensor, Callable[[Tensor], tuple[Tensor, Tensor, LossOutputs]]]:
    """Return a microbatch's output and its loss as Megatron takes them: the sum, the labels, and what it hands back."""
    output, loss_of = forward(batches, model)

    def loss(output: Tensor) -> tuple[Tensor, Tensor, LossOutputs]:
        found = loss_of(output)
        return found.total, found.count.to(torch.int), found.detached()

    return output, loss


def overlaps() -> bool:
    """Return whether ranks reduce gradients, gather weights and pass activations on while they compute.

    With gloo they do not: its threads would take the cores that compute, and nothing is hidden.
    """
    return torch.cuda.is_available()


def _no_sync(models: list[DistributedDataParallel]) -> Any:
    each = [model.no_sync for model in models]
    return each[0] if len(each) == 1 else each
