"""Packed rows of compared responses, in order: what reward models and direct preference optimisation train on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from stages.formats.chat.compared import ComparedRows
from stages.shared.errors import ConfigError
from stages.train.config import TrainingConfig
from stages.train.data.corpus import SourceDataset
from stages.train.data.datasets import TrainingData
from stages.train.data.packed import PackedSource, Rows, open_packed, sample_of
from stages.train.objectives.base import Batch

# Shape suffixes: N = examples of a row, P = pairs of a row.


@dataclass(frozen=True)
class RowPairs:
    """The pairs of a row: every two responses of one comparison whose ranks differ."""

    places: NDArray[np.int64]
    """Numbers of the better and the worse example, [P, 2]."""
    weights: NDArray[np.float32]
    """[P]: one over the pairs of the same prompt. The prompts of a step weigh the same (arXiv:2203.02155, section 3.5).
    """


def pairs_of(ranks_N3: NDArray[np.int32]) -> RowPairs:
    """Return the pairs of a row, given prompt, comparison and rank of each example. Pure."""
    prompts, comparisons, ranks = (ranks_N3[:, column].astype(np.int64) for column in range(3))
    together = (prompts[:, None] == prompts) & (comparisons[:, None] == comparisons)
    better, worse = np.nonzero(together & (ranks[:, None] < ranks))
    _, number, counts = np.unique(prompts[better], return_inverse=True, return_counts=True)
    return RowPairs(np.stack([better, worse], axis=1), (1 / counts[number]).astype(np.float32))


class ComparedSamples(Rows):
    """Rows as samples, in the columns of stages.train.objectives.pairs."""

    def __init__(self, dataset: SourceDataset, length: int, source: int = 0) -> None:
        """`source` is the number of the rows' source among those of the training."""
        self.rows: ComparedRows = ComparedRows(dataset.bin_path)
        self.length, self.source = length, source

    def __getitem__(self, number: int) -> Batch:
        found = pairs_of(self.rows.ranks(number))
        return {
            **sample_of(self.rows.row(number), self.length),
            "pairs": torch.from_numpy(found.places),
            "pair_weights": torch.from_numpy(found.weights),
            "num_pairs": torch.tensor([len(found.weights)]),
            "source": torch.tensor(self.source),
        }


def open_comparisons(sources: Sequence[PackedSource], config: TrainingConfig, epochs: float) -> TrainingData:
    """Return the samples of sources of compared responses.

    Raises ConfigError for more steps than `epochs` readings of a source, and what open_packed raises.
    """
    numbers = {source.rows.name: number for number, source in enumerate(sources)}

    def samples_of(dataset: SourceDataset, length: int) -> ComparedSamples:
        return ComparedSamples(dataset, length, numbers[dataset.name])

    data = open_packed(sources, config, samples_of)
    most = max(data.readings, key=lambda reading: reading.epochs)
    if most.epochs > epochs:
        steps = int(config.steps * epochs / most.epochs)
        wanted = f"at most {steps} for {epochs:g} readings of source {most.source!r} (or raise epochs)"
        raise ConfigError("steps", config.steps, wanted)
    return data
