"""Utilisation of the machine: model FLOP/s against the peak, and memory."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from stages.shared.machine import GPUS
from stages.train.config import TrainingConfig
from stages.train.planner.speed import HALF_FOR_FP32, update_operations

KNOWN = {
    "Tesla V100-SXM2-32GB": "v100-32gb",
    "Tesla V100-SXM3-32GB": "v100-32gb",
    "NVIDIA A100-SXM4-40GB": "a100-40gb",
    "NVIDIA A100-PCIE-40GB": "a100-40gb",
    "NVIDIA A100-SXM4-80GB": "a100-80gb",
    "NVIDIA A100 80GB PCIe": "a100-80gb",
    "NVIDIA H100 80GB HBM3": "h100-80gb",
    "NVIDIA H200": "h200",
    "NVIDIA B200": "b200",
}
"""torch's names of GPUs whose peak is that of a data sheet in stages.shared.machine. Slower boards of a name, such as
H100 PCIe, are not among them."""


def operations(config: TrainingConfig, vocab_size: int, sequences: int) -> float:
    """Return the operations that the main model itself needs to learn from so many sequences: those of a recomputation
    do not count.

    arXiv:2204.02311, appendix B.
    """
    return update_operations(replace(config.workload(vocab_size), global_batch=sequences))


def peak(device_name: str, dtype: str) -> float | None:
    """Return a GPU's peak in operations a second; None if it is unknown."""
    if device_name not in KNOWN:
        return None
    return GPUS[KNOWN[device_name]]["tflops"] * 1e12 / (HALF_FOR_FP32 if dtype == "fp32" else 1)


def peak_here(dtype: str) -> float | None:
    """Return the peak of this process's GPU; None without one, or if it is unknown."""
    return peak(torch.cuda.get_device_name(), dtype) if torch.cuda.is_available() else None


def memory_mb() -> float:
    """Return the most memory that this process has used, in 1e6 bytes: the GPU's as torch counts it, or its own."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 1e6
    status = Path("/proc/self/status").read_text("utf-8")
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024 / 1e6
