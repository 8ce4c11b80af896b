"""What LLaMA's authors published of its training (arXiv:2302.13971, tables 2 and 15), and a cluster to plan it on."""

from __future__ import annotations

from dataclasses import dataclass

from stages.shared.machine import Gpu, Machine
from stages.train.planner.shape import Layout, Shape, Workload

A100 = Gpu.model_validate("a100-80gb")
NODES = Machine(gpu=A100, ranks_per_node=8)
MAY = {"tp", "pp", "dp", "microbatch", "sp", "interleave", "recompute"}
"""What the planner chooses."""
BATCH = 2048
"""Sequences of 2,048 tokens: the paper's 4 M tokens a step."""


@dataclass(frozen=True)
class Published:
    """One model's row."""

    parameters: int
    num_layers: int
    dim: int
    num_heads: int
    ffn: int
    tokens: float
    gpu_hours: int
    mwh: int
    co2_t: int
    gpus: int
    """The paper says 2,048 for the largest. The others' hours are whole ones on these numbers (512 x 161, 1,024 x 132,
    2,048 x 259), which is all that is known; GPU-hours hardly depend on it.
    """

    @property
    def work(self) -> Workload:
        """A step."""
        shape = Shape(
            num_layers=self.num_layers,
            dim=self.dim,
            num_heads=self.num_heads,
            num_kv_heads=self.num_heads,
            head_dim=self.dim // self.num_heads,
            ffn=self.ffn,
            seq_len=2048,
            vocab_size=32_000,
        )
        return Workload(shape=shape, global_batch=BATCH, dtype="bf16")

    @property
    def steps(self) -> int:
        """Steps of the whole training."""
        return round(self.tokens / self.work.tokens)

    @property
    def ranks(self) -> Layout:
        """A layout of its GPUs, for the planner to improve."""
        return Layout(dp=self.gpus)


LLAMA = {
    "7B": Published(6_738_415_616, 32, 4096, 32, 11008, 1.0e12, 82_432, 36, 14, 512),
    "13B": Published(13_015_864_320, 40, 5120, 40, 13824, 1.0e12, 135_168, 59, 23, 1024),
    "33B": Published(32_528_943_616, 60, 6656, 52, 17920, 1.4e12, 530_432, 233, 90, 2048),
    "65B": Published(65_285_660_672, 80, 8192, 64, 22016, 1.4e12, 1_022_362, 449, 173, 2048),
}
