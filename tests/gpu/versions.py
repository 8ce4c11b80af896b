"""The software and the device, and the kernels that torch chooses for attention."""

from __future__ import annotations

import inspect
import platform
import subprocess
from collections.abc import Callable
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.attention.varlen import varlen_attn

from stages.model.checkpoint.saving import HostCopy
from stages.model.parallel import has_transformer_engine

PACKAGES = ("torch", "megatron-core", "numpy", "transformers", "triton", "sentencepiece", "pydantic", "deepspeed")
_CALLS = "aten::_scaled_dot_product_"
"""Start of the names of torch's attentions."""
BACKENDS = (SDPBackend.FLASH_ATTENTION, SDPBackend.CUDNN_ATTENTION, SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH)


def found(_order: dict[str, Any]) -> dict[str, Any]:
    """Return names and numbers; on a GPU also which attention kernels run, and which one torch chooses by itself."""
    facts: dict[str, Any] = {
        "python": platform.python_version(),
        **{name: _version(name) for name in PACKAGES},
        "varlen_attn": [*inspect.signature(varlen_attn).parameters],
        "transformer_engine": has_transformer_engine(),
        "has_gpu": torch.cuda.is_available(),
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else platform.processor() or "CPU",
    }
    if not torch.cuda.is_available():
        return facts
    some = torch.ones(1 << 20, device="cuda")  # fails where the allocator's settings do not work
    asked: dict[str, Callable[[], Any]] = {
        "nvidia-smi": _nvidia_smi,
        "memory_gb": lambda: round(torch.cuda.get_device_properties(0).total_memory / 1e9, 1),
        "cuda": lambda: torch.version.cuda,
        "cudnn": torch.backends.cudnn.version,
        "nccl": torch.cuda.nccl.version,
        "a checkpoint's copy is pinned": partial(_is_pinned, some),
    }
    for dtype in (torch.bfloat16, torch.float16, torch.float32):
        for name, width, grouped, masked in (
            ("plain", 128, False, False),
            ("grouped", 128, True, False),
            ("ALiBi", 136, False, False),
            ("mask", 128, False, True),
        ):
            asked[f"attention, {dtype}, {name}"] = partial(_kernels, dtype, width, grouped, masked)
    return facts | {name: _tried(fact) for name, fact in asked.items()}


def _is_pinned(tensor: torch.Tensor) -> bool:
    return HostCopy().take([tensor])[0].is_pinned()


def _tried(fact: Callable[[], Any]) -> Any:
    try:
        return fact()
    except Exception as error:  # one that is not to be had here must not cost the others
        return f"{type(error).__name__}: {error}"


def _nvidia_smi() -> str:
    wanted = "name,driver_version,memory.total,clocks.max.sm,power.limit"
    command = ["nvidia-smi", f"--query-gpu={wanted}", "--format=csv,noheader"]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=20).stdout.strip()


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _kernels(dtype: torch.dtype, width: int, grouped: bool, masked: bool) -> dict[str, Any]:
    """Return the kernels that torch takes with and without strict determinism, and those that can run."""
    query = torch.randn(1, 16, 1024, width, device="cuda", dtype=dtype, requires_grad=True)
    key = torch.randn(1, 4 if grouped else 16, 1024, width, device="cuda", dtype=dtype, requires_grad=True)
    mask = torch.ones(1, 1, 1024, 1024, dtype=torch.bool, device="cuda").tril() if masked else None

    def attend() -> None:
        out = F.scaled_dot_product_attention(
            query, key, key, attn_mask=mask, is_causal=not masked, enable_gqa=grouped, scale=0.1
        )
        out.sum().backward()

    answer: dict[str, Any] = {}
    for name, strict in (("chosen, deterministic", True), ("chosen", False)):
        torch.use_deterministic_algorithms(strict, warn_only=True)
        answer[name] = _profiled(attend)
    answer["can run"] = [backend.name for backend in BACKENDS if _runs(attend, backend)]
    return answer


def _profiled(attend: Any) -> list[str]:
    attend()
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profiler:
        attend()
    names = (event.key for event in profiler.key_averages())
    return sorted(name.removeprefix(_CALLS) for name in names if name.startswith(_CALLS) and "back" not in name)


def _runs(attend: Any, backend: SDPBackend) -> bool:
    try:
        with sdpa_kernel(backend):
            attend()
    except RuntimeError:
        return False
    return True
