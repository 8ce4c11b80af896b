"""Norms of weights, gradients and activations by layer, on demand: the same numbers in any layout."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any

import torch
import torch.distributed as dist
from megatron.core.tensor_parallel import param_is_not_tensor_parallel_duplicate
from megatron.core.transformer.module import param_is_not_shared
from torch import Tensor
from torch.nn import Module
from torch.utils.hooks import RemovableHandle

from stages.formats.telemetry.layers import LayerRow
from stages.model import device
from stages.train.engine import Engine, Share
from stages.train.stability.tracing import HEAD, place_of

_SUMS = ("weights", "gradients", "activations", "numbers")
"""Squares of the first three, and how many activations they are."""


class LayerStatistics:
    """Takes one reading of a step: `start` before it, `read` between its gradient's norm and its update."""

    def __init__(self, engine: Engine, num_layers: int) -> None:
        self._engine, self._num_layers = engine, num_layers
        self._sums = torch.zeros(0)
        self._handles: list[RemovableHandle] = []
        chunks = engine.chunks
        self._parts = [(module, self._row(place_of(c, name)[1])) for c in chunks for name, module in _outputs(c)]
        self._rows = {weight: self._row(place_of(c, name)[1]) for c in chunks for name, weight in c.named_parameters()}

    def _row(self, place: int) -> int:
        """Return a part's row: the embedding is 0, the head the last."""
        return self._num_layers + 1 if place == HEAD else place

    def start(self) -> None:
        """Watch what parts hand on from here."""
        self._sums = torch.zeros(self._num_layers + 2, len(_SUMS), dtype=torch.float64, device=device.device())
        for module, row in self._parts:
            self._handles.append(module.register_forward_hook(partial(self._add_activations, row)))

    def _add_activations(self, row: int, _module: Module, _inputs: Any, output: Any) -> None:
        hidden = (output if isinstance(output, Tensor) else output[0]).detach()
        self._sums[row, 2] += hidden.float().square().sum(dtype=torch.float64)
        self._sums[row, 3] += hidden.numel()

    @torch.no_grad()
    def read(self, step: int) -> list[LayerRow]:
        """Stop, and return a row for every part. Collective: two all-reduces of a few numbers a layer."""
        for handle in self._handles:
            handle.remove()
        self._handles = []
        sums, largest = self._sums, torch.zeros(self._num_layers + 2, device=self._sums.device)
        for weight, numbers, gradient in _own(self._engine.shares()):
            row = self._rows[weight]
            sums[row, 0] += numbers.float().square().sum(dtype=torch.float64)
            sums[row, 1] += gradient.float().square().sum(dtype=torch.float64)
            largest[row] = (
                torch.maximum(largest[row], numbers.abs().amax().float()) if numbers.numel() else largest[row]
            )
        dist.all_reduce(sums)
        dist.all_reduce(largest, op=dist.ReduceOp.MAX)
        return [self._as_row(step, row, sums[row].tolist(), float(largest[row])) for row in range(len(sums))]

    def _as_row(self, step: int, row: int, sums: list[float], largest: float) -> LayerRow:
        name = {0: "embedding", self._num_layers + 1: "head"}.get(row, f"layers.{row - 1}")
        weights, gradients, activations, numbers = sums
        return {
            "step": step,
            "part": name,
            "weight_norm": weights**0.5,
            "weight_max": largest,
            "grad_norm": gradients**0.5,
            "activation_rms": (activations / numbers) ** 0.5 if numbers else 0.0,
        }


def _outputs(chunk: Any) -> Iterator[tuple[str, Module]]:
    """Yield the modules whose output is a part's, with their names."""
    if chunk.pre_process:
        yield "embedding", chunk.embedding
    for number, layer in enumerate(chunk.decoder.layers):
        yield f"decoder.layers.{number}", layer
    if chunk.decoder.final_layernorm is not None:
        yield "decoder.final_layernorm", chunk.decoder.final_layernorm


def _own(shares: Iterable[Share]) -> Iterator[Share]:
    """Leave out what another tensor or pipeline parallel rank has the same of."""
    for share in shares:
        if param_is_not_shared(share[0]) and param_is_not_tensor_parallel_duplicate(share[0]):
            yield share
