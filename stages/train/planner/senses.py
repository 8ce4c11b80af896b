"""Encoder and join of a training on pictures or sounds: positions, memory and time by part, for `plan`. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace

from stages.model.config import ModelConfig
from stages.model.ears import EarsConfig
from stages.model.eyes import EyesConfig
from stages.model.joins.config import JoinConfig
from stages.model.senses import PARTS, Sense
from stages.model.speech.config import SpeechEncoderConfig
from stages.shared.contract import Forecast
from stages.shared.errors import ConfigError
from stages.shared.machine import Machine
from stages.shared.numbers import plural, short, size
from stages.train.planner.shape import Layout, Workload
from stages.train.planner.speed import Assumptions, rates_of

PERCEIVED = 0.5
"""Share of a row's positions that pictures or sounds take; assumed."""
MASTER = {"fp32": 12, "bf16": 16, "fp16": 16}
"""Bytes of a trained weight beside itself: a float32 gradient, two moments, and of 16 bits a float32 weight."""
KEPT = 21
"""Numbers as wide as a token that a trained block keeps for its backward pass, for each token."""
KEPT_SPEECH = 40
"""The same of a Conformer block, which has two feed-forward blocks and a convolution."""
FRAMES = 100
"""Frames of a second."""
SOUND_SECONDS = 10
"""Length of a sound, whose features attend to each other; assumed."""


@dataclass(frozen=True, kw_only=True)
class SensePart:
    """An encoder or a join, on the first pipeline stage of a replica."""

    name: str
    parameters: int
    is_trained: bool
    bytes: float
    """Weights, and of a trained part gradients, optimizer and what its backward pass needs of a microbatch."""
    operations: float
    """Of a square or second, all passes of a step together."""


@dataclass(frozen=True, kw_only=True)
class PlannedSense:
    """Pictures or sounds of a step."""

    parts: tuple[SensePart, ...]
    positions: float
    """Of a square or second."""
    rows_units: float
    """Squares or seconds of a row."""
    share: str
    """Where that number is from."""

    @property
    def bytes(self) -> float:
        """Memory of all parts."""
        return sum(part.bytes for part in self.parts)

    @property
    def operations(self) -> float:
        """Of a row."""
        return self.rows_units * sum(part.operations for part in self.parts)


@dataclass(frozen=True, kw_only=True)
class _Unit:
    """One square or second."""

    positions: float
    passed: dict[str, float]
    """Operations of a forward pass, by part."""
    kept: dict[str, float]
    """Numbers that a part keeps for its backward pass."""


def planned_sense(
    model: ModelConfig,
    sense: Sense,
    trained: Collection[str],
    work: Workload,
    *,
    microbatch: int = 1,
    units: float | None = None,
) -> PlannedSense:
    """Return the parts of a model with eyes or ears; `trained` names those that learn, `units` are those of a row.

    A unit is a square of a picture or a second of sound. None: as many as take PERCEIVED of the row's positions.
    """
    noun = "pictures" if isinstance(sense, EyesConfig) else "sounds"
    share = f"{noun} take {PERCEIVED:.0%} of the rows" if units is None else "each row has one"
    unit = _square(sense, model.dim) if isinstance(sense, EyesConfig) else _second(sense, model.dim)
    units = PERCEIVED * model.seq_len / unit.positions if units is None else units
    counts = {
        "encoder": sense.encoder.num_parameters,
        "join": sense.join.num_parameters(sense.width, model.dim),
    }
    parts = []
    for name in PARTS:
        is_trained, count = name in trained, counts[name]
        beside = MASTER[work.dtype] if is_trained else 0
        passing = microbatch * units * unit.kept[name] * work.width if is_trained else 0.0
        # Forward; the weights' gradient; and the input's, which the part before needs if it learns.
        passes = 1 + is_trained + (is_trained and (name == "encoder" or "encoder" in trained))
        parts.append(
            SensePart(
                name=name,
                parameters=count,
                is_trained=is_trained,
                bytes=count * (work.width + beside) + passing,
                operations=passes * unit.passed[name],
            )
        )
    return PlannedSense(parts=tuple(parts), positions=unit.positions, rows_units=units, share=share)


def _square(eyes: EyesConfig, dim: int) -> _Unit:
    encoder, join = eyes.encoder, eyes.join
    features = encoder.num_features + (encoder.has_class_token and not encoder.class_token)
    attention = encoder.built_layers * 4 * features**2 * encoder.dim
    joined = max(features, eyes.square_positions)
    return _Unit(
        positions=eyes.square_positions,
        passed={
            "encoder": 2 * encoder.num_parameters * features + attention,
            "join": 2 * join.num_parameters(encoder.dim, dim) * joined,
        },
        kept={
            "encoder": encoder.built_layers * KEPT * features * encoder.dim,
            "join": _kept_by(join, encoder.dim, dim, features),
        },
    )


def _kept_by(join: JoinConfig, width: int, dim: int, features: int) -> int:
    """Return the numbers that a trained join keeps of a square: its input, and what its layers keep."""
    if join.kind in ("linear", "mlp"):
        return features * (width + (2 * dim if join.kind == "mlp" else 0))
    asked = 2 * features * join.dim  # keys and values of the features
    return features * width + join.num_layers * (KEPT * join.queries * join.dim + asked)


def _second(ears: EarsConfig, dim: int) -> _Unit:
    encoder = ears.encoder
    features = FRAMES / 2**encoder.halvings
    positions = features / ears.stack
    others = min(ears.max_seconds, SOUND_SECONDS) * features
    stem = _stem(encoder)
    blocks = encoder.num_parameters - encoder.width * encoder.bands * encoder.dim
    attention = encoder.num_layers * 6 * features * others * encoder.dim
    return _Unit(
        positions=positions,
        passed={
            "encoder": stem + 2 * blocks * features + attention,
            "join": 2 * ears.join.num_parameters(ears.width, dim) * positions,
        },
        kept={
            "encoder": encoder.num_layers * KEPT_SPEECH * features * encoder.dim + stem / 10,
            "join": KEPT * positions * dim,
        },
    )


def _stem(encoder: SpeechEncoderConfig) -> float:
    """Return the operations of the convolutions over frames and bands, and of the matrix behind them."""
    frames, bands, found = FRAMES / 2, encoder.num_mels / 2, 0.0
    a_place = 18 + 2 * encoder.width if encoder.stem == "dw_striding" else 18 * encoder.width
    for number in range(encoder.halvings):
        found += frames * bands * encoder.width * (18 if number == 0 else a_place)
        frames, bands = frames / 2, bands / 2
    return found + 2 * frames * 2 * encoder.width * encoder.bands * encoder.dim


def with_sense(
    found: Forecast, model: ModelConfig, planned: PlannedSense, work: Workload, layout: Layout, machine: Machine
) -> Forecast:
    """Return the forecast of a decoder's training with its sense: rows by part, and their time and memory added.

    Raises ConfigError if a GPU cannot hold them beside the decoder. The time takes no features from a cache.
    """
    taken = planned.bytes + 1e9 * sum(found.data["memory_gb"].values())
    if machine.gpu and taken > machine.gpu.memory_gb * 1e9:
        rest = size(taken - planned.bytes)
        wanted = f"a layout whose GPUs hold {size(planned.bytes)} of encoder and join beside {rest}"
        raise ConfigError("layout", str(layout), f"{wanted}: a {machine.gpu.type} has {machine.gpu.memory_gb:g} GB")
    rate = rates_of(work, machine, Assumptions()).flops
    steps = found.data["steps"] - found.data["done"]
    hours = steps * work.global_batch / layout.dp * planned.operations / layout.tp / rate / 3600
    rows = tuple(_rows(planned, model, hours))
    memory = {**found.data["memory_gb"], **{part.name: part.bytes / 1e9 for part in planned.parts}}
    return replace(
        found,
        rows=(*found.rows, *rows),
        hours=found.hours + hours,
        mem_mb=found.mem_mb + (0.0 if machine.gpu else layout.dp * layout.tp * planned.bytes / 1e6),
        data={**found.data, "memory_gb": memory, "sense_h": hours, "positions": planned.positions},
    )


def _rows(planned: PlannedSense, model: ModelConfig, hours: float) -> Iterator[tuple[str, str]]:
    noun, unit, sense = ("pictures", "square", "eyes") if model.eyes else ("sounds", "second", "ears")
    most = int((model.seq_len - 1) / planned.positions)
    held = plural(most, "picture" if model.eyes else "second")
    positions = plural(int(planned.positions), "position") if model.eyes else f"{planned.positions:g} positions"
    yield noun, f"{positions} a {unit}; a row of {model.seq_len:,} holds {held} at most"
    parts = (
        f"{part.name} {short(part.parameters)} {'trained' if part.is_trained else 'frozen'}, {size(part.bytes)}, "
        f"{short(part.operations)} operations a {unit}"
        for part in planned.parts
    )
    yield sense, f"{'; '.join(parts)}; {hours:.2g} h if {planned.share} and none is kept"
