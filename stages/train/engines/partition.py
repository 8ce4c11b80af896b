"""What ZeRO's ranks hold of a model and its optimizer, as whole tensors under global names: for checkpoints.

ZeRO lays weights out flat, one after another, and each rank has a run of those numbers; a checkpoint has tensors of the
weights' own shapes, which any layout can read. So every weight has a rank that keeps it whole, each about as many
numbers: it collects the others' runs to have them written, or reads the weight and sends it to all. One weight at a
time is on the device, the others are in the host's memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import torch
import torch.distributed as dist
from megatron.core import parallel_state
from megatron.core.dist_checkpointing.mapping import ShardedStateDict, StateDict
from megatron.core.dist_checkpointing.optimizer import make_sharded_optimizer_tensor
from megatron.core.models.gpt import GPTModel
from torch import Tensor
from torch.nn import Parameter

from stages.model import device
from stages.model.checkpoint.reading import WEIGHTS, tensors_of

MODEL = "model"
"""What the model computes with. Only ZeRO-3 splits it."""
OPTIMIZER = ("param", "exp_avg", "exp_avg_sq")
"""The float32 weights and AdamW's moments, by Megatron's names in a checkpoint."""
Shard: TypeAlias = Any
"""Megatron's ShardedTensor or ShardedTensorFactory: where a rank's weight lies in the whole model's."""


def shards_of(core: GPTModel) -> dict[str, Shard]:
    """Return where each weight lies, by its local name. Call it before ZeRO-3 empties the weights."""
    described = tensors_of(core.sharded_state_dict(prefix=WEIGHTS))
    by_tensor = {id(shard.data): shard for shard in described.values()}
    # Only its owner will mention a weight, so that one is the copy to be written.
    return {
        name: replace(shard.without_data(), replica_id=(*shard.replica_id[:-1], 0))
        for name, shard in ((name, by_tensor[id(weight)]) for name, weight in core.named_parameters())
    }


@dataclass(frozen=True)
class _Weight:
    name: str
    tensor: Any
    """A Parameter, to which DeepSpeed adds its own attributes."""
    shape: torch.Size
    shard: Shard
    owner: int
    """The data parallel rank that keeps it whole."""


class Partition:
    """A rank's share of the weights and of the optimizer. Its methods are collective in the data parallel group."""

    def __init__(self, core: GPTModel, shards: Mapping[str, Shard], zero: Any) -> None:
        self._zero = zero
        self._group = parallel_state.get_data_parallel_group()
        self._rank = dist.get_rank(self._group)
        shapes = {name: getattr(weight, "ds_shape", weight.shape) for name, weight in core.named_parameters()}
        total, before, self._weights = sum(shape.numel() for shape in shapes.values()), 0, []
        for name, weight in core.named_parameters():
            owner = before * dist.get_world_size(self._group) // total
            self._weights.append(_Weight(name, weight, shapes[name], shards[name], owner))
            before += shapes[name].numel()

    def collect(self, kind: str) -> ShardedStateDict:
        """Return the tensors of a kind that this rank keeps, to be written."""
        wholes = {weight.name: (weight, self._gather(weight, kind)) for weight in self._weights}
        return {name: _stored(weight, kind, whole) for name, (weight, whole) in wholes.items() if whole is not None}

    def expect(self, kind: str) -> ShardedStateDict:
        """Return the tensors of a kind that this rank keeps, to be read into."""
        return {
            weight.name: _stored(weight, kind, torch.empty(weight.shape, dtype=self._run(weight, kind)[1].dtype))
            for weight in self._weights
            if weight.owner == self._rank
        }

    def spread(self, kind: str, read: StateDict) -> None:
        """Take over the tensors of a kind: each rank has those that it keeps."""
        for weight in self._weights:
            start, run = self._run(weight, kind)
            whole = torch.empty(weight.shape, dtype=run.dtype, device=device.device())
            if weight.owner == self._rank:
                whole.copy_(read[weight.name])
            dist.broadcast(whole, self._global_rank(weight.owner), group=self._group)
            run.copy_(whole.flatten()[start : start + run.numel()])

    def copy(self, kind: str, model: GPTModel) -> None:
        """Take over a whole model's weights. Not collective."""
        for weight, whole in zip(self._weights, model.parameters(), strict=True):
            start, run = self._run(weight, kind)
            run.copy_(whole.detach().flatten()[start : start + run.numel()])

    def _gather(self, weight: _Weight, kind: str) -> Tensor | None:
        """Return a whole tensor on the host, on its owner."""
        start, run = self._run(weight, kind)
        numel = weight.shape.numel()
        # The ranks' runs are added up as integers of 32 bits, which leaves every bit as it is, the sign of -0.0 too.
        whole = torch.zeros(numel + numel % 2, dtype=run.dtype, device=device.device())
        whole[start : start + run.numel()] = run
        dist.reduce(whole.view(torch.int32), self._global_rank(weight.owner), group=self._group)
        return whole[:numel].view(weight.shape).cpu() if weight.owner == self._rank else None

    def _global_rank(self, rank: int) -> int:
        return dist.get_global_rank(self._group, rank)

    def shares(self) -> Iterator[tuple[Parameter, Tensor, Tensor]]:
        """Yield each weight, this rank's run of its numbers, and their gradient as DeepSpeed has it. Not collective."""
        for weight in self._weights:
            numbers = self._run(weight, MODEL)[1]
            if numbers.numel():
                gradient = self._gradient(weight.tensor)[: numbers.numel()]
                yield weight.tensor, numbers.to(device.device()), gradient.to(device.device())

    def _gradient(self, tensor: Any) -> Any:
        if hasattr(tensor, "ds_id"):
            return self._zero._get_fp32_grad_state_partition(tensor, release_swap_buffers=True)[0]
        return tensor._hp_mapping.get_lp_grad_fragment(tensor._index_in_param_group).flatten()

    def _run(self, weight: _Weight, kind: str) -> tuple[int, Tensor]:
        """Return where this rank's run of a weight starts in it, and a view of its numbers, which may be none."""
        zero, tensor = self._zero, weight.tensor
        if hasattr(tensor, "ds_id"):  # ZeRO-3 cuts each weight, and pads the last runs
            number, offset, length = zero.grad_position[zero.get_param_id(tensor)]
            flat, start = zero.fp32_partitioned_groups_flat[number], length * self._rank
            numel = max(0, min(length, tensor.ds_numel - start))
            if kind == MODEL:
                return start, tensor.ds_tensor.detach()[:numel]
        elif (cut := tensor._hp_mapping) is None:
            flat, start, offset, numel = zero.single_partition_of_fp32_groups[0], 0, 0, 0
        else:  # ZeRO-1 and 2 cut all weights as one
            flat = zero.single_partition_of_fp32_groups[cut.param_group_index]
            start, offset = cut.lp_fragment_address.start, cut.hp_fragment_address.start
            numel = cut.hp_fragment_address.numel
        if kind == MODEL:
            return start, tensor.detach().flatten()[start : start + numel]
        held = flat if kind == "param" else zero.state[flat][kind]
        return start, held.detach()[offset : offset + numel]


def _stored(weight: _Weight, kind: str, whole: Tensor) -> Shard:
    if kind == MODEL:
        return replace(weight.shard, data=whole)
    return make_sharded_optimizer_tensor(weight.shard, whole, f"optimizer.state.{kind}")
