"""The format of a reward model's measurements: `align.reward` writes them; the report reads them.

`reward.json`: the fields of RewardReport.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from stages.shared.errors import DataError
from stages.shared.files import read_json, write_json


@dataclass(frozen=True, kw_only=True)
class Share:
    """How many of some pairs are ranked right; equal scores count half."""

    pairs: int
    accuracy: float


@dataclass(frozen=True, kw_only=True)
class Bin:
    """Pairs in which the preferred response wins with a similar probability, by the model."""

    low: float
    high: float
    pairs: int
    predicted: float
    """Mean of sigmoid(gap) of the response with the higher score."""
    accuracy: float


@dataclass(frozen=True, kw_only=True)
class RewardReport:
    """Measurements on held-out comparisons. Without held-out pairs shares have 0 pairs and accuracy 0."""

    shift: float
    """Mean score of the demonstrations; 0 without any."""
    demonstrations: int
    mean: float
    """Mean reward of the held-out responses."""
    deviation: float
    """Their standard deviation."""
    all: Share
    untrained: Share
    """Control: the start of the training."""
    longer: Share
    """Control: the longer response wins."""
    sources: Mapping[str, Share]
    distances: Mapping[str, Share]
    """By the difference of the two ranks."""
    bins: Sequence[Bin]
    """The reliability table, by rising probability."""
    calibration_error: float
    """Mean of |predicted - accuracy| over pairs, bin by bin (arXiv:1706.04599, equation 3)."""
    length_correlation: float
    """Pearson's correlation of reward and tokens of the response with its prompt, within prompts."""


def write_reward_report(path: Path, report: RewardReport) -> None:
    """Write measurements, atomically."""
    write_json(path, asdict(report))


def read_reward_report(path: Path) -> RewardReport:
    """Return the measurements of a file. Raises DataError if it holds none."""
    try:
        value = read_json(path)
        for name in ("all", "untrained", "longer"):
            value[name] = Share(**value[name])
        for name in ("sources", "distances"):
            value[name] = {key: Share(**share) for key, share in value[name].items()}
        return RewardReport(**{**value, "bins": [Bin(**each) for each in value["bins"]]})
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        problem = f"no measurements of a reward model ({error!r})"
        raise DataError(path, problem, "Run the unit that wrote it again") from error
