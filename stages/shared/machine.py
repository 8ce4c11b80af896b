"""Machines: the GPUs and cores of a step, as forecasts need them. Light: pydantic and the standard library."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic import Field, model_validator

from stages.shared.errors import ConfigError, nearest
from stages.shared.settings import Settings

GPUS: dict[str, dict[str, float]] = {
    "v100-32gb": {
        "memory_gb": 34,
        "tflops": 125,
        "memory_gbs": 900,
        "nvlink_gbs": 150,
        "network_gbs": 12.5,
        "watts": 300,
    },
    "a100-40gb": {
        "memory_gb": 42,
        "tflops": 312,
        "memory_gbs": 1555,
        "nvlink_gbs": 300,
        "network_gbs": 25,
        "watts": 400,
    },
    "a100-80gb": {
        "memory_gb": 85,
        "tflops": 312,
        "memory_gbs": 2039,
        "nvlink_gbs": 300,
        "network_gbs": 25,
        "watts": 400,
    },
    "h100-80gb": {
        "memory_gb": 85,
        "tflops": 989,
        "memory_gbs": 3350,
        "nvlink_gbs": 450,
        "network_gbs": 50,
        "watts": 700,
    },
    "h200": {"memory_gb": 150, "tflops": 989, "memory_gbs": 4800, "nvlink_gbs": 450, "network_gbs": 50, "watts": 700},
    "b200": {"memory_gb": 192, "tflops": 2250, "memory_gbs": 8000, "nvlink_gbs": 900, "network_gbs": 50, "watts": 1000},
}
"""NVIDIA's data sheets, for the SXM boards and dense matrices; the network is that of their DGX machines. A board of
80 GB has 85e9 bytes: torch reports 79 GiB."""

GPU_ENVIRONMENT = {
    "CUDA_DEVICE_MAX_CONNECTIONS": "1",
    "PYTORCH_CUDA_ALLOC_CONF": "expandable_segments:True",
}
"""Variables of processes that compute on GPUs, set before CUDA starts. One queue keeps a collective of tensor
parallelism ahead of the product that is to hide it (Megatron-Core asks for it). Segments that grow leave few gaps in
the GPU's memory."""


class Gpu(Settings):
    """A GPU with its network and power: the `gpu` section of a cluster file.

    `gpu: a100-80gb` takes all values of a known type; `gpu: {type: a100-80gb, watts: 300, count: 2048}` changes some.
    """

    type: str
    """Name of the type. A known type (GPUS) sets all other values."""
    count: int | None = Field(None, ge=1)
    """GPUs that one run may have; None: no limit is known."""
    memory_gb: float = Field(gt=0)
    """Memory in 1e9 bytes."""
    tflops: float = Field(gt=0)
    """Peak of 16-bit matrix products, dense, in 1e12 operations a second."""
    memory_gbs: float = Field(gt=0)
    """Bandwidth of its memory, in 1e9 bytes a second."""
    nvlink_gbs: float = Field(gt=0)
    """Bandwidth to the other GPUs of its node, each way, in 1e9 bytes a second."""
    network_gbs: float = Field(gt=0)
    """Its share of the node's network, each way, in 1e9 bytes a second: 25 is 200 Gbit/s a GPU."""
    watts: float = Field(gt=0)
    """Power at work."""
    pue: float = Field(1.1, ge=1)
    """The building's power over its machines' (arXiv:2302.13971, section 6)."""
    kg_co2_per_kwh: float = Field(0.385, ge=0)
    """Emissions of the electricity; the default is the US average (arXiv:2302.13971, section 6)."""

    @model_validator(mode="before")
    @classmethod
    def _know(cls, values: Any) -> Any:
        """Fill in the values of a known type."""
        if isinstance(values, str):
            values = {"type": values}
        if not isinstance(values, dict) or not isinstance(values.get("type"), str):
            return values
        known = GPUS.get(values["type"], {})
        lacking = [name for name, field in cls.model_fields.items() if field.is_required() and name not in values]
        if not known and lacking:
            wanted = f"a known type ({nearest(values['type'], list(GPUS))}), or one with {', '.join(lacking)} beside it"
            raise ConfigError("gpu.type", values["type"], wanted)
        return {**known, **values}


@dataclass(frozen=True, kw_only=True)
class Machine:
    """The machine that a step's ranks run on."""

    gpu: Gpu | None = None
    """GPU of a rank; None: a rank computes on its cores."""
    ranks_per_node: int = 1
    cores: int = 1
    """Cores of a rank."""
