"""The order in which sources are drawn: which source gives each sequence, and which of its sequences that is.

At any moment of a phase each source has its share of it to within one sequence: Megatron's own rule. The next phase
goes on in each source where the one before ended.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from megatron.core.datasets import helpers
from numpy.typing import NDArray
from torch.utils.data import Dataset

from stages.train.objectives.base import Batch

SOURCE, NUMBER = "blend-source.npy", "blend-number.npy"


def bounds(parts: Sequence[float], size: int) -> list[int]:
    """Return the number of sequences of each phase, given its share of `size` sequences."""
    ends = [round(size * sum(parts[: place + 1])) for place in range(len(parts))]
    return [end - start for start, end in zip([0, *ends], ends, strict=False)]


def blend(weights: Sequence[Sequence[float]], sizes: Sequence[int]) -> tuple[NDArray[np.int16], NDArray[np.int64]]:
    """Return the source of each sequence and its number there, given each phase's weights by source and its size."""
    count = len(weights[0])
    source, number = np.zeros(sum(sizes), np.int16), np.zeros(sum(sizes), np.int64)
    taken = np.zeros(count, np.int64)
    start = 0
    for phase, size in zip(weights, sizes, strict=True):
        if not size:
            continue
        read = np.flatnonzero(phase)  # Megatron's rule draws one of a source without a share, too
        shares = np.array(phase, np.float64)[read] / sum(phase)
        mine, place = np.zeros(size, np.int16), np.zeros(size, np.int64)
        helpers.build_blending_indices(mine, place, shares, len(read), size, False)
        source[start : start + size] = read[mine]
        number[start : start + size] = place + taken[read[mine]]
        taken += np.bincount(read[mine], minlength=count)
        start += size
    return source, number


def drawn(weights: Sequence[Sequence[float]], sizes: Sequence[int]) -> list[int]:
    """Return how many sequences of each source are drawn."""
    return [int(count) for count in np.bincount(blend(weights, sizes)[0], minlength=len(weights[0]))]


class Blended(Dataset[Batch]):
    """The sequences of several datasets in the order of a blend that lies in a folder."""

    def __init__(self, datasets: Sequence[Dataset[Batch]], folder: Path) -> None:
        self.datasets = datasets
        self.source, self.number = (np.load(folder / name, mmap_mode="r") for name in (SOURCE, NUMBER))

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, index: Any) -> Batch:
        found: Batch = self.datasets[self.source[index]][int(self.number[index])]
        return found


def save(folder: Path, source: NDArray[np.int16], number: NDArray[np.int64]) -> None:
    """Write a blend into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / SOURCE, source)
    np.save(folder / NUMBER, number)
