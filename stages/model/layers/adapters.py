"""LoRA: low-rank adapters beside the matrices of a layer, split as these are over tensor parallel ranks.

A matrix W becomes W + alpha / rank x B A (arXiv:2106.09685, section 4.1). A is `adapter_in` [rank, in], drawn; B is
`adapter_out` [out, rank], zero at first. Of a matrix whose rows are split B is split, of one whose columns are A: the
small product between them is what ranks exchange.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from megatron.core.dist_checkpointing.mapping import ShardedStateDict
from megatron.core.tensor_parallel import (
    ColumnParallelLinear,
    RowParallelLinear,
    copy_to_tensor_model_parallel_region,
    gather_from_sequence_parallel_region,
    reduce_from_tensor_model_parallel_region,
    reduce_scatter_to_sequence_parallel_region,
)
from megatron.core.tensor_parallel.layers import set_tensor_model_parallel_attributes
from megatron.core.transformer.mlp import apply_swiglu_sharded_factory
from megatron.core.transformer.utils import make_sharded_tensors_for_checkpoint
from torch import Tensor
from torch.nn import Parameter

from stages.model.config import LoraConfig

ADAPTER_IN, ADAPTER_OUT = "adapter_in", "adapter_out"
"""Ends of the names of adapters' weights."""


def is_adapter(name: str) -> bool:
    """Return whether a weight is an adapter's, by its name."""
    return name.endswith((ADAPTER_IN, ADAPTER_OUT))


class AdaptedColumns(ColumnParallelLinear):
    """Megatron's matrix whose output is split, with an adapter."""

    def __init__(self, *args: Any, lora: LoraConfig, **options: Any) -> None:
        super().__init__(*args, **options)
        self._scale = lora.scale
        # A gated block's first matrix is two, one above the other, in each rank's part.
        self._is_gated = self.config.gated_linear_unit and options["tp_comm_buffer_name"] == "fc1"
        self.adapter_in = _parameter(self.weight, lora.rank, self.input_size)
        self.adapter_out = _parameter(self.weight, self.weight.size(0), lora.rank)
        set_tensor_model_parallel_attributes(self.adapter_out, True, 0, 1)
        setattr(self.adapter_in, "sequence_parallel", self.config.sequence_parallel)  # noqa: B010  (torch knows no such attribute)

    def forward(self, input_: Tensor, *args: Any, **options: Any) -> tuple[Tensor, Tensor | None]:
        """Return the output and the bias: see ColumnParallelLinear."""
        output, bias = super().forward(input_, *args, **options)
        inner = F.linear(input_, self.adapter_in)
        if self.config.sequence_parallel:
            inner = gather_from_sequence_parallel_region(inner)
        else:
            inner = copy_to_tensor_model_parallel_region(inner)
        return torch.add(output, F.linear(inner, self.adapter_out), alpha=self._scale), bias

    def sharded_state_dict(
        self, prefix: str = "", sharded_offsets: tuple[Any, ...] = (), metadata: dict[str, Any] | None = None
    ) -> ShardedStateDict:
        """Return where this rank's weights lie in the whole model's: see ColumnParallelLinear."""
        axes = {"weight": 0, "bias": 0, ADAPTER_OUT: 0}
        found = _sharded(self, prefix, axes, sharded_offsets, metadata)
        if self._is_gated:
            name = prefix + ADAPTER_OUT
            found[name] = apply_swiglu_sharded_factory(found[name], sharded_offsets)
        return found


class AdaptedRows(RowParallelLinear):
    """Megatron's matrix whose input is split, with an adapter."""

    def __init__(self, *args: Any, lora: LoraConfig, **options: Any) -> None:
        super().__init__(*args, **options)
        self._scale = lora.scale
        self.adapter_in = _parameter(self.weight, lora.rank, self.weight.size(1))
        self.adapter_out = _parameter(self.weight, self.output_size, lora.rank)
        set_tensor_model_parallel_attributes(self.adapter_in, True, 1, 1)
        setattr(self.adapter_out, "sequence_parallel", self.config.sequence_parallel)  # noqa: B010  (as above)

    def forward(self, input_: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return the output and the bias: see RowParallelLinear."""
        output, bias = super().forward(input_)
        inner = F.linear(input_, self.adapter_in)
        if self.config.sequence_parallel:
            inner = reduce_scatter_to_sequence_parallel_region(inner)
        else:
            inner = reduce_from_tensor_model_parallel_region(inner)
        return torch.add(output, F.linear(inner, self.adapter_out), alpha=self._scale), bias

    def sharded_state_dict(
        self, prefix: str = "", sharded_offsets: tuple[Any, ...] = (), metadata: dict[str, Any] | None = None
    ) -> ShardedStateDict:
        """Return where this rank's weights lie in the whole model's: see RowParallelLinear."""
        return _sharded(self, prefix, {"weight": 1, ADAPTER_IN: 1}, sharded_offsets, metadata)


def merged(weight: Tensor, adapter_in: Tensor, adapter_out: Tensor, lora: LoraConfig) -> Tensor:
    """Return the matrix that a weight and its adapter are, in the weight's type."""
    product = adapter_out.double() @ adapter_in.double()
    return (weight.double() + lora.scale * product).to(weight.dtype)


def _parameter(like: Tensor, rows: int, columns: int) -> Parameter:
    return Parameter(torch.zeros(rows, columns, dtype=like.dtype, device=like.device))


def _sharded(
    module: Any, prefix: str, axes: dict[str, int], offsets: tuple[Any, ...], metadata: dict[str, Any] | None
) -> ShardedStateDict:
    state = module.state_dict(prefix="", keep_vars=True)
    groups = {"tp_group": module.tp_group, "dp_cp_group": (metadata or {})["dp_cp_group"]}
    found: ShardedStateDict = make_sharded_tensors_for_checkpoint(state, prefix, axes, offsets, **groups)
    return found
