"""What lives in the host's memory until it is needed: AdamW with its state, and activations."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

_SMALL = 256
"""Tensors of fewer numbers are not worth a copy."""


class HostAdamW(torch.optim.Optimizer):
    """AdamW in the host's memory, in place of the one that Megatron made on the device.

    Float32 weights and moments are the host's, and so is the update: gradients go there and weights come back. `copies`
    are the float32 copies that the device has of 16-bit weights: between updates they hold no memory (`free`). Megatron
    reads them where it fills the weights (`restore`).

    Megatron's HybridDeviceOptimizer is not used: it moves nothing that is not on CUDA, and it cannot load float32
    weights (0.16.1).
    """

    def __init__(self, adam: torch.optim.Optimizer, copies: Iterable[Tensor]) -> None:
        super().__init__(
            [{"params": []}], adam.defaults
        )  # torch refuses Megatron's parts of weights: they are no leaves
        self.param_groups = adam.param_groups
        self._host = {weight: _on_host(weight) for group in self.param_groups for weight in group["params"]}
        self._copies = list(copies)
        self._adam = torch.optim.AdamW(
            [{"params": [self._host[weight] for weight in group["params"]]} for group in self.param_groups], fused=True
        )
        for weight, host in self._host.items():
            host.grad = _on_host(weight)
            moments = {name: torch.zeros_like(host) for name in ("exp_avg", "exp_avg_sq")}
            self.state[weight] = self._adam.state[host] = {"step": torch.zeros((), dtype=torch.float32), **moments}
        self.free()

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]  # Megatron passes no closure
        """Update the host's weights with the device's gradients and copy them back; `free` when they were read."""
        for group, own in zip(self.param_groups, self._adam.param_groups, strict=True):
            own.update({name: group[name] for name in ("lr", "betas", "eps", "weight_decay")})
        for weight, host in self._host.items():
            assert host.grad is not None  # made with the state
            host.grad.copy_(weight.grad, non_blocking=True)
        torch.cuda.synchronize()
        self._adam.step()
        for group in self.param_groups:  # where Megatron looks for it if Transformer Engine is installed
            if group["params"]:
                group["step"] = int(self.state[group["params"][0]]["step"])
        self.restore()

    @torch.no_grad()
    def restore(self) -> None:
        """Give the device its weights."""
        for weight in self._copies:
            weight.untyped_storage().resize_(weight.numel() * weight.element_size())
        for weight, host in self._host.items():
            weight.copy_(host, non_blocking=True)

    def host_of(self, weight: Tensor) -> Tensor:
        """Return the host's float32 numbers of a weight: what a checkpoint holds."""
        return self._host[weight]

    def free(self) -> None:
        """Free the device's float32 copies of 16-bit weights."""
        for weight in self._copies:
            weight.untyped_storage().resize_(0)


def _on_host(weight: Tensor) -> Tensor:
    host = torch.empty(weight.shape, dtype=torch.float32, pin_memory=weight.is_cuda)
    return host.copy_(weight.detach())


@contextmanager
def activations_on_host(weights: Iterable[nn.Parameter]) -> Iterator[None]:
    """Keep in the host's memory what the backward pass of the code inside needs, but for weights.

    Copies go through pinned memory in the order of the device's other work, so nothing waits for them to be made.
    """
    resident = {weight.untyped_storage().data_ptr() for weight in weights}

    def pack(tensor: Tensor) -> tuple[torch.device | None, Tensor]:
        small = tensor.numel() < _SMALL or not tensor.is_floating_point()
        # ZeRO-3 takes a weight's numbers away and brings them back elsewhere: there the weight itself is what to keep.
        if small or isinstance(tensor, nn.Parameter) or tensor.untyped_storage().data_ptr() in resident:
            return None, tensor
        host = torch.empty_like(tensor, device="cpu", pin_memory=tensor.is_cuda)
        return tensor.device, host.copy_(tensor, non_blocking=True)

    def unpack(packed: tuple[torch.device | None, Tensor]) -> Tensor:
        device, tensor = packed
        return tensor if device is None else tensor.to(device, non_blocking=True)

    with torch.autograd.graph.saved_tensors_hooks(pack, unpack):
        yield
