"""Memory of one device during a training step, part by part and phase by phase. Pure.

All models of a step stay in memory. What their passes take comes and goes, one phase after another.

Weights, gradients and optimizer as ZeRO counts them (arXiv:1910.02054, section 3), with Megatron's float32 gradients;
activations by the tensors that autograd keeps for a block: arXiv:2205.05198, section 4, for the modules that run here
(RMSNorm, gated feed-forward, fused attention without a T x T tensor, no dropout). A pipeline stage holds as many
microbatches as there are stages from it to the last (1F1B, arXiv:2104.04473, section 2.2), and more where stages
interleave (arXiv:2205.05198, section 4.2.3).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace

from stages.train.planner.shape import Layout, Shape, Workload

FRAGMENTATION = 0.05
"""Share of what comes and goes in a step that CUDA's caching allocator holds beyond it; assumed."""
OUTSIDE = 1.2e9
"""Bytes on a GPU that torch does not count: CUDA's context with its kernels (0.5e9), cuBLAS's workspaces and NCCL's
buffers of a few process groups (0.7e9); assumed."""


UPDATE, FORWARD, SAMPLING = "update", "forward", "sampling"
"""Phases of a step. With several models the first two have the model's name before them."""


@dataclass(frozen=True, kw_only=True)
class Memory:
    """Bytes on the fullest device at its fullest moment, by part."""

    weights: float
    gradients: float
    optimizer: float
    average: float = 0.0
    """An average of the main model's weights."""
    cache: float = 0.0
    """Keys and values of the responses that are sampled."""
    activations: float
    """Activations that the backward pass needs."""
    buffers: float
    """Logits, and what lives within an operation."""
    outside: float = 0.0
    """GPU only: what torch does not count, and fragmentation."""
    models: Mapping[str, float]
    """Bytes that stay from step to step, by model: the first four parts."""
    phases: Mapping[str, float]
    """Bytes that come and go, by phase: the next three parts are those of the fullest one."""

    @property
    def allocated(self) -> float:
        """The number that torch reports: on CUDA max_memory_allocated, on a CPU the peak of its allocator."""
        return self.total - self.outside

    @property
    def total(self) -> float:
        """All parts."""
        return sum(self.parts().values())

    @property
    def fullest(self) -> str:
        """Phase of the fullest moment."""
        return max(self.phases, key=self.phases.__getitem__)

    def parts(self) -> dict[str, float]:
        """Return bytes by name of part."""
        return {field.name: getattr(self, field.name) for field in fields(self) if field.type == "float"}


@dataclass(frozen=True, kw_only=True)
class _Kept:
    """Bytes of a model that stay from step to step."""

    weights: float
    gradients: float = 0.0
    optimizer: float = 0.0
    average: float = 0.0

    @property
    def total(self) -> float:
        return self.weights + self.gradients + self.optimizer + self.average


@dataclass(frozen=True, kw_only=True)
class _Passing:
    """Bytes of a phase that are free again after it."""

    cache: float = 0.0
    activations: float = 0.0
    buffers: float

    @property
    def total(self) -> float:
        return self.cache + self.activations + self.buffers


def device_memory(work: Workload, layout: Layout, *, on_gpu: bool) -> Memory:
    """Return the memory of the fullest pipeline stage."""
    stages = {0, layout.pp - 1}  # the first holds the most microbatches, the last the logits
    return max((_stage(work, layout, stage, on_gpu=on_gpu) for stage in stages), key=lambda memory: memory.total)


def phase_name(work: Workload, model: str, phase: str) -> str:
    """Return the name of a model's phase: alone a model needs no name."""
    return f"{model} {phase}" if work.others or work.rounds else phase


def _stage(work: Workload, layout: Layout, stage: int, *, on_gpu: bool) -> Memory:
    trained, read_by = work.trained, work.read_by
    models = {name: _kept_of(own, layout, stage, on_gpu=on_gpu) for name, own in trained.items()}
    for name, own in read_by.items():
        if name not in models:  # frozen
            models[name] = _Kept(weights=own.width * sum(stage_weights(own.shape, layout, stage)))
    phases: dict[str, _Passing] = {}
    if work.rounds:
        sampler = work.rounds.sampler(layout)
        phases[SAMPLING] = _Passing(cache=sampler.cache, buffers=sampler.buffers)
    for name, own in read_by.items():
        phases[phase_name(work, name, FORWARD)] = _Passing(buffers=_forward_buffers(own, layout, stage))
    for name, own in trained.items():
        phases[phase_name(work, name, UPDATE)] = _update(own, layout, stage, on_gpu=on_gpu)
    fullest = max(phases.values(), key=lambda phase: phase.total)
    parts = {name: sum(getattr(kept, name) for kept in models.values()) for name in _KEPT}
    return Memory(
        **parts,
        cache=fullest.cache,
        activations=fullest.activations,
        buffers=fullest.buffers,
        outside=OUTSIDE + FRAGMENTATION * fullest.total if on_gpu else 0.0,
        models={name: kept.total for name, kept in models.items()},
        phases={name: phase.total for name, phase in phases.items()},
    )


_KEPT = ("weights", "gradients", "optimizer", "average")


def _kept_of(work: Workload, layout: Layout, stage: int, *, on_gpu: bool) -> _Kept:
    """Return the bytes of a trained model."""
    held, weights = work.width, sum(stage_weights(work.shape, layout, stage))
    shared, trained = _shares(work, layout, stage)
    state = 8 if held == 4 else 12  # AdamW's moments, and float32 weights beside 16-bit ones
    if "optimizer" in layout.offload:
        state = 0 if on_gpu else 16  # with float32 weights and gradients, whatever the weights' type
    return _Kept(
        weights=held * (shared if layout.zero >= 3 else weights),
        gradients=4 * (shared if layout.zero >= 2 else trained),
        optimizer=state * (shared if layout.zero >= 1 else trained),
        average=4 * weights if work.averages else 0.0,
    )


def _update(work: Workload, layout: Layout, stage: int, *, on_gpu: bool) -> _Passing:
    """Return the bytes of a model's passes and its update."""
    shared, trained = _shares(work, layout, stage)
    activations, buffers = _kept(work, layout, stage, on_gpu=on_gpu), _buffers(work, layout, stage)
    # gloo reduces a copy of the gradients, once the activations are gone
    update = 0.0 if on_gpu else 4 * (shared if layout.zero >= 2 else trained)
    if "optimizer" in layout.offload and work.width < 4:  # float32 weights come back, to be rounded
        update = max(update, 4 * shared)
    if update > activations + buffers:
        return _Passing(buffers=update)
    return _Passing(activations=activations, buffers=buffers)


def _shares(work: Workload, layout: Layout, stage: int) -> tuple[float, float]:
    """Return the trained weights whose state a device has, and all those that it has.

    Experts are copied on dp / ep processes only: their state is shared out to fewer.
    """
    dense, experts = trained_weights(work.shape, layout, stage)
    return dense / layout.replicas + experts / (layout.replicas / layout.ep), dense + experts


def stage_weights(shape: Shape, layout: Layout, stage: int) -> tuple[float, float]:
    """Return one device's weights in a pipeline stage: those of all but experts, and those of its experts."""
    layers = shape.num_layers / layout.pp
    feed_forward = shape.experts * shape.dim if shape.experts else shape.expert / layout.tp
    dense = layers * (shape.attention / layout.tp + feed_forward + 2 * shape.dim + shape.adapters(layout.tp))
    experts = layers * shape.experts / layout.ep * shape.expert / layout.tp
    return dense + _tables(shape, layout, stage) + (stage == layout.pp - 1) * shape.dim, experts


def trained_weights(shape: Shape, layout: Layout, stage: int) -> tuple[float, float]:
    """Return those of `stage_weights` that are trained, and so have gradients and an optimizer's state."""
    if shape.lora is None:
        return stage_weights(shape, layout, stage)
    tables = _tables(shape, layout, stage) if shape.trains_tables else _head(shape, layout, stage) * shape.trains_head
    return shape.num_layers / layout.pp * shape.adapters(layout.tp) + tables, 0.0


def _tables(shape: Shape, layout: Layout, stage: int) -> float:
    """Return one device's weights of embedding and output layer in a pipeline stage."""
    if shape.tied and layout.pp == 1:
        return shape.embedding / layout.tp
    return (stage == 0) * shape.embedding / layout.tp + _head(shape, layout, stage)


def _head(shape: Shape, layout: Layout, stage: int) -> float:
    """Return one device's weights of the output layer in a pipeline stage. A scalar one is not split."""
    return (stage == layout.pp - 1) * shape.outputs * shape.dim / (layout.tp if shape.head == "lm" else 1)


def _tokens(work: Workload, layout: Layout) -> float:
    """Return a microbatch's tokens on one device."""
    return layout.microbatch * work.shape.seq_len / layout.cp


def _kept(work: Workload, layout: Layout, stage: int, *, on_gpu: bool) -> float:
    """Return the bytes that autograd keeps between the passes, over the stage's layers and microbatches in flight."""
    shape, tokens = work.shape, _tokens(work, layout)
    layers = _in_flight(work, layout, stage) * shape.num_layers / layout.pp
    # torch's flash kernel for CPUs mixes sequence by sequence, and what it gives is kept again in Megatron's order.
    copy = 0.0 if on_gpu else work.width * tokens * shape.num_heads * shape.head_dim / layout.tp
    whole, kept = (copy + layer_bytes(work, each) for each in (replace(layout, recompute="none"), layout))
    inputs = work.width * tokens * shape.dim / (layout.tp if layout.sp else 1)
    if layout.recompute == "full":  # every layer's input, and one layer at a time in full
        kept = inputs
    total = layers * kept + (whole - kept if layout.recompute != "none" else 0.0)
    if "activations" in layout.offload and on_gpu:  # the host's memory is the same one where there is no GPU
        total = whole
    # The final norm's input, and what it gives to a head that is trained.
    return total + ((1 + shape.trains_head) * inputs if stage == layout.pp - 1 else 0.0)


def _in_flight(work: Workload, layout: Layout, stage: int) -> float:
    """Return the microbatches whose activations a stage holds at most, for all of its layers."""
    microbatches, chunks = layout.microbatches(work.global_batch), layout.interleave
    if chunks == 1:
        return min(layout.pp - stage, microbatches)
    warm_up = 2 * (layout.pp - 1 - stage) + (chunks - 1) * layout.pp
    # With as many microbatches as stages Megatron does all forward passes first.
    return microbatches if microbatches == layout.pp else min(microbatches, (warm_up + 1) / chunks)


def layer_bytes(work: Workload, layout: Layout) -> float:
    """Return the bytes that one layer keeps of one microbatch, unless it is recomputed in full.

    Per token: two norms, in and out; query, key and value as attention takes them, what it gives and its log-sum-exp;
    of the feed-forward block what goes into the activation and what comes out of it. With plain tensor parallelism the
    norms are on every device in full; sequence parallelism splits them too. Selective recomputation forgets what norms
    give and all behind the activation's input (stages/model/recompute.py). A frozen matrix without an adapter does not
    keep its input; an adapter keeps what is between its two matrices.
    """
    shape, width = work.shape, work.width
    queries, keys = shape.num_heads * shape.head_dim, shape.num_kv_heads * shape.head_dim
    forgets = layout.recompute == "selective"
    keep = {"qkv", "fc1", "fc2"} if shape.lora is None else {*shape.lora.targets}
    norms = width * shape.dim * (2 if forgets else 2 + len(keep & {"qkv", "fc1"})) / (layout.tp if layout.sp else 1)
    norms += width * shape.lora.rank * len(keep) if shape.lora else 0.0
    attention = (2 * width * (queries + keys) + 4 * shape.num_heads) / layout.tp
    inner = (2 if shape.gated else 1) + (shape.experts > 0 or (not forgets and "fc2" in keep))
    feed_forward = width * inner * shape.ffn / layout.tp
    if shape.experts:  # routed copies of the token go in and come out, beside the gathered tokens of all ep processes
        feed_forward = shape.top_k * (feed_forward + 2 * width * shape.dim) + layout.ep * width * shape.dim
    return _tokens(work, layout) * (norms + attention + feed_forward)


def _buffers(work: Workload, layout: Layout, stage: int) -> float:
    """Return the largest of what lives only within the backward pass: at the head, or in a feed-forward block."""
    shape, width, tokens = work.shape, work.width, _tokens(work, layout)
    block = width * tokens * (3 * shape.dim + shape.ffn * shape.top_k / layout.tp)
    if stage < layout.pp - 1:
        return block
    rows = shape.outputs / (layout.tp if shape.head == "lm" else 1)
    gradient = rows * shape.dim if shape.trains_head else 0.0
    # The logits become their gradient: stages/model/layers/cross_entropy.py.
    return max(block, width * (tokens * rows + gradient + tokens * shape.dim))


def _forward_buffers(work: Workload, layout: Layout, stage: int) -> float:
    """Return what lives at once in a pass without a backward pass: in a feed-forward block, or at the head."""
    shape, width, tokens = work.shape, work.width, _tokens(work, layout)
    inner = (3 if shape.gated else 2) * shape.ffn * shape.top_k / layout.tp
    block = width * tokens * (2 * shape.dim + inner)
    head = width * tokens * (shape.outputs / (layout.tp if shape.head == "lm" else 1) + shape.dim)
    return max(block, head if stage == layout.pp - 1 else 0.0)
