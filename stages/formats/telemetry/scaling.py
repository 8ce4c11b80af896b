"""The format of a scaling law: losses of several trainings, a power law through them, and what it says of a larger one.

`pretrain.scaling` writes it; the report draws it.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

from stages.shared.errors import DataError
from stages.shared.files import read_json, write_json


@dataclass(frozen=True, kw_only=True)
class Point:
    """The end of a training, or a size that is asked about."""

    name: str
    parameters: float
    tokens: float
    loss: float
    """Nats a token; of a prediction its middle."""

    @property
    def operations(self) -> float:
        """Floating-point operations, 6 x parameters x tokens."""
        return 6 * self.parameters * self.tokens


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """A loss that the law gives, with its 95 % interval for one training."""

    point: Point
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class ScalingLaw:
    """loss = factor x operations ** exponent."""

    points: tuple[Point, ...]
    factor: float
    exponent: float
    low: float
    high: float
    """The 95 % interval of the exponent."""
    predictions: tuple[Prediction, ...]
    """Of sizes that are asked about."""
    largest: Prediction
    """Of the largest training from the others alone: a check of the law. Its loss stands among the points."""
    kind: str
    """Loss that was read: heldout or training."""


def write_law(path: Path, law: ScalingLaw) -> None:
    """Write a law, atomically."""
    write_json(path, asdict(law))


def read_law(path: Path) -> ScalingLaw:
    """Return the law of a file. Raises DataError if it holds none."""
    try:
        value = read_json(path)
        predictions = [Prediction(**{**each, "point": Point(**each["point"])}) for each in value.pop("predictions")]
        largest = value.pop("largest")
        return ScalingLaw(
            points=tuple(Point(**each) for each in value.pop("points")),
            predictions=tuple(predictions),
            largest=Prediction(**{**largest, "point": Point(**largest["point"])}),
            **value,
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(path, f"no scaling law ({error!r})", "Run `pretrain.scaling` again") from error
