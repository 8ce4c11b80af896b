"""Time of one model in a training step, part by part, from operations and bytes moved. Pure.

Each part is a quantity over a rate: the quantities follow from the layout, the rates are the machine's data sheet times
one share for products and one for links (`Assumptions`), the same for every model and every machine of a kind.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace

from stages.shared.machine import Machine
from stages.train.planner.memory import layer_bytes, trained_weights
from stages.train.planner.shape import Layout, Workload

CORE_FLOPS = 5e10
"""Float32 operations of a CPU core and second in training: 6e10 to 7e10 were measured for models of 2 M and 8 M
parameters on one thread of a server's core with AVX-512, beside other work."""
CORE_BYTES = 8e9
"""Bytes a second that a CPU core moves in the optimizer's pass; assumed."""
GLOO_BYTES = 1e9
"""Bytes a second between two processes of a node through gloo; assumed."""
HOST_LINK = 20e9
"""Bytes a second between a GPU and its host (PCIe 4.0, 16 lanes), where something is offloaded; assumed."""
HALF_FOR_FP32 = 16
"""Factor by which a GPU is slower in float32 than in 16 bits: A100 19.5 of 312 Tflop/s, H100 67 of 989."""


@dataclass(frozen=True, kw_only=True)
class Assumptions:
    """Assumptions that are in no data sheet, the same for all models: see stages/train/measurements.md."""

    products: float = 0.52
    """Share of the peak that matrix products and attention reach on one GPU."""
    touches: float = 6.0
    """Moves of each byte that a block keeps, by the operations between its products: written and read forward, twice
    that backward."""
    links: float = 0.75
    """Share of a link's rate that collectives reach."""
    overlap: bool = True
    """Whether a GPU reduces gradients and gathers weights while it computes."""

    def __str__(self) -> str:
        overlap = "gradients reduced while computing" if self.overlap else "nothing overlapped"
        return f"{self.products:.0%} of the peak in a block, {self.links:.0%} of a link's rate, {overlap}"


@dataclass(frozen=True, kw_only=True)
class StepTime:
    """Seconds of a step or of a phase of it, by part; they add up to it."""

    compute: float
    tensor: float
    """Collectives within layers: tensor, context and expert parallelism."""
    pipeline: float
    """Waiting for other stages (the bubble), and sending to them."""
    data: float
    """Reducing gradients and gathering weights, as far as nothing hides it."""
    optimizer: float
    sampling: float = 0.0
    """Answering prompts, token by token."""

    def __add__(self, other: StepTime) -> StepTime:
        return StepTime(**{name: seconds + other.parts()[name] for name, seconds in self.parts().items()})

    def times(self, share: float) -> StepTime:
        """Return a share of the time."""
        return StepTime(**{name: share * seconds for name, seconds in self.parts().items()})

    @property
    def total(self) -> float:
        """Seconds of all parts."""
        return sum(self.parts().values())

    def parts(self) -> dict[str, float]:
        """Return seconds by name of part."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class Rates:
    """Operations and bytes a second of one rank of a machine."""

    flops: float
    memory: float
    near: float
    """Bytes to a rank of its node."""
    far: float
    """Bytes to a rank of another node."""
    host: float
    """Bytes to the host's memory."""
    touches: float
    per_node: int
    overlap: bool

    def collective(self, neighbours: int, stride: int) -> float:
        """Return the bytes a second of a ring over `neighbours` ranks that lie `stride` apart.

        A ring that leaves its nodes uses the network share of each of its ranks in a node.
        """
        if neighbours * stride <= self.per_node:
            return self.near
        return min(self.near, self.far * max(1, self.per_node // stride))


def update_operations(work: Workload) -> float:
    """Return the operations that a model needs for a step's update: 6 a weight used and token, and attention's.

    arXiv:2204.02311, appendix B, with half the scores, since a causal mask hides the other half. Of a frozen weight
    they are 4.
    """
    shape = work.shape
    return work.tokens * (shape.layer_operations + shape.head_operations + 3 * shape.attention_operations)


def update_time(work: Workload, layout: Layout, machine: Machine, assume: Assumptions | None = None) -> StepTime:
    """Return the time in which one model is updated: both passes and the optimizer, of the slowest pipeline stage."""
    rates = rates_of(work, machine, assume or Assumptions())
    shape, microbatches = work.shape, layout.microbatches(work.global_batch)
    tokens = layout.microbatch * shape.seq_len / layout.cp
    compute = tokens * _stage_operations(work, layout) / rates.flops + _between_products(work, layout, rates)
    tensor = _collectives(work, layout, tokens, rates, passes=3 if layout.recompute == "full" else 2)
    bubble = (layout.pp - 1) / layout.interleave * (compute + tensor)
    stride = layout.tp * layout.replicas
    piece = work.width * tokens * shape.dim / (layout.tp if layout.sp else 1)
    sends = 2 * layout.interleave * piece / rates.collective(layout.pp, stride) if layout.pp > 1 else 0.0
    data, optimizer = _update(work, layout, rates, compute)
    return StepTime(
        compute=microbatches * compute,
        tensor=microbatches * tensor,
        pipeline=bubble + microbatches * sends,
        data=data,
        optimizer=optimizer,
    )


def forward_time(work: Workload, layout: Layout, machine: Machine, assume: Assumptions | None = None) -> StepTime:
    """Return the time in which one model reads a step's sequences: a forward pass alone."""
    rates = rates_of(work, machine, assume or Assumptions())
    shape, microbatches = work.shape, work.global_batch / (layout.microbatch * layout.dp)
    tokens = layout.microbatch * shape.seq_len / layout.cp
    split = (shape.blocks / layout.pp + shape.outputs * shape.dim) / layout.tp
    attention = shape.attention_operations / layout.pp / layout.tp
    compute = tokens * (2 * split + attention) / rates.flops
    # Of all moves of what a block would keep, the forward pass makes a third.
    compute += _between_products(work, replace(layout, recompute="none", offload=()), rates) / 3
    tensor = _collectives(work, layout, tokens, rates, passes=1)
    piece = work.width * tokens * shape.dim / (layout.tp if layout.sp else 1)
    sends = piece / rates.collective(layout.pp, layout.tp * layout.replicas) if layout.pp > 1 else 0.0
    return StepTime(
        compute=microbatches * compute,
        tensor=microbatches * tensor,
        pipeline=(layout.pp - 1) * (compute + tensor) + microbatches * sends,
        data=0.0,
        optimizer=0.0,
    )


def rates_of(work: Workload, machine: Machine, assume: Assumptions) -> Rates:
    """Return what one rank of a machine does a second."""
    gpu = machine.gpu
    if gpu is None:
        flops, memory = CORE_FLOPS * machine.cores, CORE_BYTES * machine.cores
        near = far = GLOO_BYTES
    else:
        flops = gpu.tflops * 1e12 * assume.products / (HALF_FOR_FP32 if work.width == 4 else 1)
        memory = gpu.memory_gbs * 1e9
        near, far = gpu.nvlink_gbs * 1e9 * assume.links, gpu.network_gbs * 1e9 * assume.links
    return Rates(
        flops=flops,
        memory=memory,
        near=near,
        far=far,
        host=HOST_LINK if gpu else math.inf,  # a CPU's memory is the host's
        touches=assume.touches if gpu else 0.0,  # a core's rate was measured with everything in it
        per_node=machine.ranks_per_node,
        overlap=assume.overlap and gpu is not None,
    )


def _between_products(work: Workload, layout: Layout, rates: Rates) -> float:
    """Return the seconds that a microbatch's elementwise passes and copies to the host take in a stage.

    What is recomputed is moved once more as forward, a third of all times. What is offloaded goes there and back.
    """
    whole, kept = (layer_bytes(work, replace(layout, recompute=again)) for again in ("none", layout.recompute))
    again = whole if layout.recompute == "full" else whole - kept
    seconds = (whole + again / 3) * rates.touches / rates.memory
    if "activations" in layout.offload:
        inputs = work.width * layout.microbatch * work.shape.seq_len * work.shape.dim / layout.cp / layout.tp
        seconds += 2 * (inputs if layout.recompute == "full" else whole) / rates.host
    return work.shape.num_layers / layout.pp * seconds


def _stage_operations(work: Workload, layout: Layout) -> float:
    """Return the operations of a token in the slowest pipeline stage, on one of its devices, in both passes."""
    shape = work.shape
    weights, attention = shape.blocks / layout.pp, shape.attention_operations / layout.pp
    again = 2 * weights + attention if layout.recompute == "full" else 0.0
    return (shape.layer_operations / layout.pp + shape.head_operations + 3 * attention + again) / layout.tp


def _collectives(work: Workload, layout: Layout, tokens: float, rates: Rates, *, passes: int) -> float:
    """Return the seconds of a microbatch's collectives in a stage.

    A layer under tensor parallelism reduces its output twice in each pass (arXiv:1909.08053, section 3); sequence
    parallelism moves as many bytes. Experts exchange the routed tokens twice in each pass; context parallelism passes
    keys and values around, forward, and their gradients too, backward.
    """
    shape = work.shape
    layers = shape.num_layers / layout.pp
    seconds = 0.0
    if layout.tp > 1:
        moved = 2 * (layout.tp - 1) / layout.tp * work.width * tokens * shape.dim
        seconds += layers * 2 * passes * moved / rates.collective(layout.tp, 1)
    if layout.ep > 1:
        moved = (layout.ep - 1) / layout.ep * shape.top_k * work.width * tokens * shape.dim
        seconds += layers * 2 * passes * moved / rates.collective(layout.ep, layout.tp)
    if layout.cp > 1:
        keys = 2 * work.width * tokens * shape.num_kv_heads * shape.head_dim / layout.tp
        seconds += layers * (passes + (passes > 1)) * (layout.cp - 1) * keys / rates.collective(layout.cp, layout.tp)
    return seconds


def _update(work: Workload, layout: Layout, rates: Rates, compute: float) -> tuple[float, float]:
    """Return the seconds of the data parallel collectives that nothing hides, and of the optimizer's pass.

    Gradients are reduced in float32 and weights gathered (arXiv:1910.02054, section 7); with overlap the last
    microbatch's backward pass, two thirds of it, hides the one and the first one's forward pass the other. With
    weights split too (ZeRO-3) every pass gathers them again.
    """
    weights = max(sum(trained_weights(work.shape, layout, stage)) for stage in {0, layout.pp - 1})
    copies = layout.replicas
    rate = rates.collective(copies, layout.tp)
    part = (copies - 1) / copies * weights / rate
    reduce, gather = 4 * part, work.width * part
    if layout.zero >= 3:
        gather *= 2
    if rates.overlap:
        reduce, gather = max(0.0, reduce - compute * 2 / 3), max(0.0, gather - compute / 3)
    owned = weights / (copies if layout.zero else 1)
    touched = (4 * 7 + work.width) * owned  # gradient, two moments and weight read, the last three written, and a copy
    optimizer = touched / rates.memory
    if "optimizer" in layout.offload:
        optimizer = touched / HOST_LINK + (4 + work.width) * owned / HOST_LINK
    return reduce + gather, optimizer
