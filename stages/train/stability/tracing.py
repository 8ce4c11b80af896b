"""Origin of a number that is not finite: the step runs once more, with hooks on every module."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
import torch.distributed as dist
from megatron.core.models.gpt import GPTModel
from torch import Tensor
from torch.utils.hooks import RemovableHandle

from stages.model import parallel
from stages.train.objectives.base import Batch

HEAD = 1 << 30
"""The place of what comes after the last layer."""
_WEIGHT, _BATCH, _FORWARD, _BACKWARD, _GRADIENT = range(5)
_Order = tuple[int, int, int, int]
"""Order of events: one of the above, microbatch, layer, module in it; from the loss down in the backward pass."""


@dataclass(frozen=True)
class NotFinite:
    """The first number that is not finite, on any rank."""

    what: str
    """In words: the tensor, how many of its numbers, on which rank, and what was still sound."""
    in_weights: bool
    """Whether a weight itself is not finite: no other batch would help."""


def find_not_finite(
    chunks: Sequence[GPTModel], rerun: Callable[[Callable[[Iterator[Batch]], Iterator[Batch]]], object]
) -> NotFinite | None:
    """Return where the numbers of a step first are not finite; None if they all are, this time. Collective.

    `rerun` runs the step's microbatches forward and back, through the function that it is given. Every module's output
    is looked at, and every gradient with respect to one; a module is named before the ones that it is a part of.
    """
    if found := _first([*_bad_weights(chunks)]):
        return NotFinite(found, in_weights=True)
    watch = _Watch(chunks)
    try:
        rerun(watch.batches)
    finally:
        watch.close()
    found = _first([*watch.seen, *_bad_gradients(chunks)])
    return NotFinite(found, in_weights=False) if found else None


def _first(seen: list[tuple[_Order, str]]) -> str:
    """Return the first of what all ranks saw; "" if none saw anything."""
    everyone: list[tuple[_Order, str] | None] = [None] * dist.get_world_size()
    dist.all_gather_object(everyone, min(seen, default=None), group=parallel.host_group())
    return min(filter(None, everyone), default=((0, 0, 0, 0), ""))[1]


def place_of(chunk: GPTModel, name: str) -> tuple[str, int]:
    """Return the global name of a chunk's module or weight, and its layer: 0 the embedding, HEAD what comes after all.

    A layer's name has its number in the whole model, from 0; its place counts from 1.
    """
    if found := re.match(r"decoder\.layers\.(\d+)", name):
        number = chunk.decoder.layers[int(found[1])].layer_number
        return f"layers.{number - 1}{name[found.end() :]}", number
    return name or "the loss", 0 if name.startswith(("embedding", "rotary")) else HEAD


class _Watch:
    """Hooks on every module of a rank, for one run of a step."""

    def __init__(self, chunks: Sequence[GPTModel]) -> None:
        self.seen: list[tuple[_Order, str]] = []
        self._handles: list[RemovableHandle] = []
        self._place = {id(chunk): [-1, 0] for chunk in chunks}
        """Of each chunk the microbatch that goes through it, and the modules that it has come through."""
        for chunk in chunks:
            self._handles.append(chunk.register_forward_pre_hook(self._enter))
            for module, name, layer in _modules(chunk):
                self._handles.append(module.register_forward_hook(partial(self._leave, chunk, name, layer)))

    def close(self) -> None:
        """Take the hooks off."""
        for handle in self._handles:
            handle.remove()

    def batches(self, batches: Iterator[Batch]) -> Iterator[Batch]:
        """Yield the microbatches, having looked at them."""
        for number, batch in enumerate(batches):
            for column, tensor in batch.items():
                if bad := _count(tensor):
                    self.seen.append(((_BATCH, number, 0, 0), f"{column} of the batch: {bad}"))
            yield batch

    def _enter(self, chunk: GPTModel, _inputs: Any) -> None:
        place = self._place[id(chunk)]
        place[:] = [place[0] + 1, 0]

    def _leave(self, chunk: GPTModel, name: str, layer: int, module: Any, inputs: Any, output: Any) -> None:
        place = self._place[id(chunk)]
        place[1] += 1
        microbatch, number = place
        for tensor in _floats(output):
            if bad := _count(tensor):
                sound = "so is its input" if any(map(_count, _floats(inputs))) else "input and weights are finite"
                self.seen.append(((_FORWARD, microbatch, layer, number), f"{name}, output: {bad}; {sound}"))
            if tensor.requires_grad:
                order = (_BACKWARD, microbatch, -layer, -number)
                tensor.register_hook(partial(self._returned, order, name))

    def _returned(self, order: _Order, name: str, gradient: Tensor) -> None:
        if bad := _count(gradient):
            self.seen.append((order, f"{name}, gradient of the output: {bad}; forward, all is finite"))


def _modules(chunk: GPTModel) -> Iterator[tuple[Any, str, int]]:
    """Yield a chunk's modules with their global names and layers: the embedding is 0, the head comes last."""
    for name, module in chunk.named_modules():
        yield module, *place_of(chunk, name)


def _bad_weights(chunks: Sequence[GPTModel]) -> Iterator[tuple[_Order, str]]:
    for name, layer, weight in _weights(chunks):
        # With ZeRO-3 a weight is empty while nothing computes; a rank keeps a part of it.
        if bad := _count(getattr(weight, "ds_tensor", weight)):
            yield (_WEIGHT, 0, layer, 0), f"{name}: {bad}"


def _bad_gradients(chunks: Sequence[GPTModel]) -> Iterator[tuple[_Order, str]]:
    for name, layer, weight in _weights(chunks):
        gradient = getattr(weight, "main_grad", None)
        if gradient is not None and (bad := _count(gradient)):
            yield (_GRADIENT, 0, -layer, 0), f"{name}, gradient: {bad}; that of every output is finite"


def _weights(chunks: Sequence[GPTModel]) -> Iterator[tuple[str, int, Tensor]]:
    for chunk in chunks:
        for name, weight in chunk.named_parameters():
            yield *place_of(chunk, name), weight


def _floats(value: Any) -> list[Tensor]:
    """Return the tensors of numbers that may not be finite, in what a module takes or returns."""
    if isinstance(value, Tensor):
        return [value] if value.is_floating_point() else []
    return [tensor for part in value for tensor in _floats(part)] if isinstance(value, list | tuple) else []


@torch.no_grad()
def _count(tensor: Tensor) -> str:
    """Return how many numbers of this rank's tensor are not finite; "" if all are."""
    if not tensor.is_floating_point() or bool(torch.isfinite(tensor).all()):
        return ""
    counts = ((int(torch.isnan(tensor).sum()), "nan"), (int(torch.isinf(tensor).sum()), "infinite"))
    what = ", ".join(f"{count:,} {word}" for count, word in counts if count)
    return f"{what} of {tensor.numel():,} numbers (rank {dist.get_rank()})"
