"""Encoder and join of a training on pictures: positions, memory and time by part, for `plan`. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace

from stages.model.config import ModelConfig
from stages.model.eyes import PARTS, EyesConfig
from stages.model.joins.config import JoinConfig
from stages.shared.contract import Forecast
from stages.shared.errors import ConfigError
from stages.shared.machine import Machine
from stages.shared.numbers import plural, short, size
from stages.train.planner.shape import Layout, Workload
from stages.train.planner.speed import Assumptions, rates_of

PICTURED = 0.5
"""Share of a row's positions that pictures take; assumed."""
MASTER = {"fp32": 12, "bf16": 16, "fp16": 16}
"""Bytes of a trained weight beside itself: a float32 gradient, two moments, and of 16 bits a float32 weight."""
KEPT = 21
"""Numbers as wide as a token that a trained block keeps for its backward pass, for each token."""


@dataclass(frozen=True, kw_only=True)
class EyesPart:
    """An encoder or a join, on the first pipeline stage of a replica."""

    name: str
    parameters: int
    is_trained: bool
    bytes: float
    """Weights, and of a trained part gradients, optimizer and what its backward pass needs of a microbatch."""
    operations: float
    """Of a square, all passes of a step together."""


@dataclass(frozen=True, kw_only=True)
class PlannedEyes:
    """Pictures of a step."""

    parts: tuple[EyesPart, ...]
    positions: int
    """Of a square."""
    rows_squares: float
    """Squares of a row."""
    share: str
    """Where that number is from."""

    @property
    def bytes(self) -> float:
        """Memory of all parts."""
        return sum(part.bytes for part in self.parts)

    @property
    def operations(self) -> float:
        """Of a row."""
        return self.rows_squares * sum(part.operations for part in self.parts)


def planned_eyes(
    model: ModelConfig,
    eyes: EyesConfig,
    trained: Collection[str],
    work: Workload,
    *,
    microbatch: int = 1,
    squares: float | None = None,
) -> PlannedEyes:
    """Return the parts of a model with eyes; `trained` names those that learn, `squares` are those of a row.

    None: as many as take PICTURED of its positions.
    """
    share = f"pictures take {PICTURED:.0%} of the rows" if squares is None else "each row has one"
    squares = PICTURED * model.seq_len / eyes.square_positions if squares is None else squares
    encoder, join = eyes.encoder, eyes.join
    features = encoder.num_features + (encoder.has_class_token and not encoder.class_token)
    attention = encoder.built_layers * 4 * features**2 * encoder.dim
    passed = {
        "encoder": 2 * encoder.num_parameters * features + attention,
        "join": 2 * join.num_parameters(encoder.dim, model.dim) * max(features, eyes.square_positions),
    }
    counts = {"encoder": encoder.num_parameters, "join": join.num_parameters(encoder.dim, model.dim)}
    kept = {
        "encoder": encoder.built_layers * KEPT * features * encoder.dim,
        "join": _kept_by(join, encoder.dim, model.dim, features),
    }
    parts = []
    for name in PARTS:
        is_trained, count = name in trained, counts[name]
        beside = MASTER[work.dtype] if is_trained else 0
        passing = microbatch * squares * kept[name] * work.width if is_trained else 0.0
        # Forward; the weights' gradient; and the input's, which the part before needs if it learns.
        passes = 1 + is_trained + (is_trained and (name == "encoder" or "encoder" in trained))
        parts.append(
            EyesPart(
                name=name,
                parameters=count,
                is_trained=is_trained,
                bytes=count * (work.width + beside) + passing,
                operations=passes * passed[name],
            )
        )
    return PlannedEyes(parts=tuple(parts), positions=eyes.square_positions, rows_squares=squares, share=share)


def _kept_by(join: JoinConfig, width: int, dim: int, features: int) -> int:
    """Return the numbers that a trained join keeps of a square: its input, and what its layers keep."""
    if join.kind in ("linear", "mlp"):
        return features * (width + (2 * dim if join.kind == "mlp" else 0))
    asked = 2 * features * join.dim  # keys and values of the features
    return features * width + join.num_layers * (KEPT * join.queries * join.dim + asked)


def with_eyes(
    found: Forecast, model: ModelConfig, eyes: PlannedEyes, work: Workload, layout: Layout, machine: Machine
) -> Forecast:
    """Return the forecast of a decoder's training with its eyes: rows by part, and their time and memory added.

    Raises ConfigError if a GPU cannot hold them beside the decoder. The time takes no features from a cache.
    """
    taken = eyes.bytes + 1e9 * sum(found.data["memory_gb"].values())
    if machine.gpu and taken > machine.gpu.memory_gb * 1e9:
        wanted = f"a layout whose GPUs hold {size(eyes.bytes)} of encoder and join beside {size(taken - eyes.bytes)}"
        raise ConfigError("layout", str(layout), f"{wanted}: a {machine.gpu.type} has {machine.gpu.memory_gb:g} GB")
    rate = rates_of(work, machine, Assumptions()).flops
    steps = found.data["steps"] - found.data["done"]
    hours = steps * work.global_batch / layout.dp * eyes.operations / layout.tp / rate / 3600
    rows = tuple(_rows(eyes, model, hours))
    memory = {**found.data["memory_gb"], **{part.name: part.bytes / 1e9 for part in eyes.parts}}
    return replace(
        found,
        rows=(*found.rows, *rows),
        hours=found.hours + hours,
        mem_mb=found.mem_mb + (0.0 if machine.gpu else layout.dp * layout.tp * eyes.bytes / 1e6),
        data={**found.data, "memory_gb": memory, "eyes_h": hours, "positions": eyes.positions},
    )


def _rows(eyes: PlannedEyes, model: ModelConfig, hours: float) -> Iterator[tuple[str, str]]:
    most = (model.seq_len - 1) // eyes.positions
    held = plural(most, "picture")
    yield "pictures", f"{plural(eyes.positions, 'position')} a square; a row of {model.seq_len:,} holds {held} at most"
    parts = (
        f"{part.name} {short(part.parameters)} {'trained' if part.is_trained else 'frozen'}, {size(part.bytes)}, "
        f"{short(part.operations)} operations a square"
        for part in eyes.parts
    )
    yield "eyes", f"{'; '.join(parts)}; {hours:.2g} h if {eyes.share} and none is kept"
