"""The CPU shim: functions of CUDA that Megatron-Core 0.16.1 calls without a check, replaced by the CPU's.

Installed only where there is no CUDA: training on gloo is then the same code path as on GPUs. Each replacement answers
a failure that was seen. With CUDA nothing is replaced. The list of all replacements: stages/model/README.md.
"""

from __future__ import annotations

from functools import wraps
from typing import Any

import torch
from torch.utils._device import _device_constructors

CPU = torch.device("cpu")
_INSTALLED = "_stagecoach_shim"
"""Attribute of torch.cuda that marks the shim as installed."""
_FACTORIES = ("tensor", "zeros", "ones", "empty", "full")


class _Stream:
    """Stands for a CUDA stream: CPU work is done when the call returns, so there is nothing to wait for."""

    def wait_stream(self, _stream: Any) -> None: ...

    def wait_event(self, _event: Any) -> None: ...

    def synchronize(self) -> None: ...

    def record_event(self) -> _Stream:
        return self


def device() -> torch.device:
    """Return the device of this process: its CUDA device if there is one, else the CPU."""
    return torch.device("cuda", torch.cuda.current_device()) if torch.cuda.is_available() else CPU


def install() -> None:
    """Make Megatron-Core run on this process's CPU, if it has no CUDA. Safe to call twice.

    Side effect: replaces functions of torch and Megatron, for this process.
    """
    if torch.cuda.is_available() or getattr(torch.cuda, _INSTALLED, False):
        return
    _replace(torch.cuda, **{_INSTALLED: True})
    # Buffers (gradients, received activations, causal masks) are made on "the current device".
    _replace(torch.cuda, current_device=lambda: CPU, set_device=lambda _device: None)
    # Pipeline receives and checkpoint saves wait for the device; DDP asks for its streams.
    stream = lambda *_args: _Stream()  # noqa: E731  (one function by two names)
    _replace(torch.cuda, synchronize=lambda *_args: None, current_stream=stream, default_stream=stream, Stream=_Stream)
    # Embedding set-up and checkpoint gathers move tensors "to the GPU" by method.
    for kind in (torch.Tensor, torch.nn.Module):
        _replace(kind, cuda=lambda self, *_args, **_kwargs: self)
    # `with torch.device("meta")` knows factories by identity and looks once: before they are replaced.
    _device_constructors()
    # The optimizer's scale, gradient clipping and the schedules make scalars with device="cuda".
    for name in _FACTORIES:
        _replace(torch, **{name: _without_cuda(getattr(torch, name))})
    # The RNG tracker (dropout under tensor parallelism) keeps one generator state a name.
    _replace(torch.cuda, manual_seed=torch.default_generator.manual_seed)
    for module in (torch.cuda, torch.cuda.random):
        _replace(
            module,
            get_rng_state=lambda *_args, **_kwargs: torch.get_rng_state(),
            set_rng_state=lambda state, *_args: torch.set_rng_state(state),
        )
    # Optimizers and clip_grads sort parameters by the name of their type, "torch.cuda.FloatTensor".
    _replace(torch.Tensor, type=_cuda_type_name(torch.Tensor.type))
    _install_megatron_rng()
    _install_megatron_dispatcher()
    _install_megatron_collectives()


def _replace(owner: Any, **names: Any) -> None:
    """Replace attributes of a module or class. Side effect: for the whole process."""
    for name, value in names.items():
        setattr(owner, name, value)


def _install_megatron_rng() -> None:
    # Megatron binds its own helpers, which index torch.cuda's generators; imported here because importing Megatron
    # before the items above would bind the originals.
    import megatron.core.tensor_parallel.random as megatron_random  # noqa: PLC0415

    megatron_random._get_cuda_rng_state = lambda *_args, **_kwargs: torch.get_rng_state()
    megatron_random._set_cuda_rng_state = lambda state, *_args, **_kwargs: torch.set_rng_state(state)


def _install_megatron_dispatcher() -> None:
    # The sizes in which experts exchange tokens are counted on the GPU and wanted as an array on the CPU; a tensor that
    # is there already stays one, which torch does not take. Imported here as above.
    from megatron.core.transformer.moe import token_dispatcher  # noqa: PLC0415

    def to_cpu(tensor: Any, as_numpy: bool = False, **_options: Any) -> Any:
        return tensor.numpy() if as_numpy and torch.is_tensor(tensor) else tensor

    token_dispatcher.maybe_move_tensor_to_cpu = to_cpu


def _install_megatron_collectives() -> None:
    import megatron.core.distributed.param_and_grad_buffer as buffers  # noqa: PLC0415

    # gloo copies what a single rank reduces or gathers in place, forth and back.
    buffers.dist_all_gather_func = _unless_alone(buffers.dist_all_gather_func)
    buffers.dist_reduce_scatter_func = _unless_alone(buffers.dist_reduce_scatter_func)


def _unless_alone(collective: Any) -> Any:
    @wraps(collective)
    def unless_alone(out: torch.Tensor, own: torch.Tensor, **options: Any) -> Any:
        if options["group"].size() == 1 and out.data_ptr() == own.data_ptr():
            return None
        return collective(out, own, **options)

    return unless_alone


def _without_cuda(factory: Any) -> Any:
    @wraps(factory)
    def on_cpu(*args: Any, **kwargs: Any) -> Any:
        wanted = kwargs.get("device")
        if wanted is not None and str(wanted).startswith("cuda"):
            kwargs["device"] = CPU
        return factory(*args, **kwargs)

    return on_cpu


def _cuda_type_name(original: Any) -> Any:
    @wraps(original)
    def type_name(self: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
        if args or kwargs:
            return original(self, *args, **kwargs)
        return original(self).replace("torch.", "torch.cuda.", 1)

    return type_name
