"""Packed rows of several sources, in order: what a fine-tuning trains on."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from megatron.core.datasets import helpers
from numpy.typing import NDArray
from torch.utils.data import ConcatDataset, Dataset, Subset

from stages.formats.chat.packed import PackedRows, Row
from stages.formats.readings import Reading
from stages.shared.errors import DataError
from stages.shared.files import sampled_digest
from stages.train.config import TrainingConfig
from stages.train.data.corpus import SourceDataset
from stages.train.data.datasets import TrainingData
from stages.train.data.feed import InOrder
from stages.train.data.heldout import divide
from stages.train.data.schedule import Sequences
from stages.train.mixing.shares import warning
from stages.train.objectives.base import Batch


@dataclass(frozen=True)
class PackedSource:
    """One source: its rows, and those that are held out."""

    rows: SourceDataset
    heldout: SourceDataset


class Rows(Dataset[Batch]):
    """Rows of a dataset as samples of `length` tokens, in the columns of stages.train.objectives.answers."""

    def __init__(self, dataset: SourceDataset, length: int) -> None:
        self.rows, self.length = PackedRows(dataset.bin_path), length

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, number: int) -> Batch:
        return sample_of(self.rows.row(number), self.length)


SamplesOf = Callable[[SourceDataset, int], Rows]
"""Makes the samples of a dataset, given their length in tokens."""


def sample_of(row: Row, length: int) -> Batch:
    """Return a row as a sample of `length` tokens: a label is the next token of the same example.

    Padding at the row's end is one more example, without labels.
    """
    size = len(row.tokens)
    lengths = np.append(row.lengths, length - size) if size < length else row.lengths
    starts = np.cumsum(lengths) - lengths
    tokens, labels, mask = np.zeros(length, np.int64), np.zeros(length, np.int64), np.zeros(length, np.float32)
    tokens[:size] = row.tokens
    labels[: size - 1], mask[: size - 1] = tokens[1:size], row.is_learned[1:]
    mask[starts[1:] - 1] = 0.0  # the token after an example is another one's
    columns = {
        "tokens": tokens,
        "labels": labels,
        "loss_mask": mask,
        "position_ids": np.arange(length) - np.repeat(starts, lengths),
        "document_lengths": lengths.astype(np.int64),
        "is_learned": mask > 0,
        "draw": np.array(0),
    }
    return {name: torch.from_numpy(column) for name, column in columns.items()}


class Epochs(Dataset[Batch]):
    """The samples of a source, epoch after epoch: each holds every sample once, in an order of its own.

    The order is a function of the seed, the source's name and the epoch: other sources change nothing in it.
    """

    def __init__(self, samples: Rows, name: str, seed: int) -> None:
        self._samples = samples
        self._order = lru_cache(maxsize=2)(lambda epoch: permutation(len(samples), f"{seed}/{name}/{epoch}"))

    def __getitem__(self, number: int) -> Batch:
        epoch, place = divmod(number, len(self._samples))
        return self._samples[int(self._order(epoch)[place])]


def permutation(size: int, key: str) -> NDArray[np.int64]:
    """Return an order of `size` samples that is a function of the key."""
    digest = hashlib.sha256(key.encode()).digest()
    return np.random.RandomState(np.frombuffer(digest, np.uint32)).permutation(size)


class Mixed(Dataset[Batch]):
    """Rows of several sources in their shares: at any moment each source has its share to within one row.

    `draw` of a sample is its number, which random draws for it may depend on.
    """

    def __init__(self, sources: Sequence[Epochs], weights: Sequence[float], size: int) -> None:
        self._sources = sources
        self._source, self._number = np.zeros(size, np.int16), np.zeros(size, np.int64)
        shares = [weight / sum(weights) for weight in weights]
        helpers.build_blending_indices(self._source, self._number, shares, len(shares), size, False)

    def __len__(self) -> int:
        return len(self._source)

    def __getitem__(self, index: int) -> Batch:
        sample: Batch = self._sources[self._source[index]][int(self._number[index])]
        return sample | {"draw": torch.tensor(index)}


def open_packed(sources: Sequence[PackedSource], config: TrainingConfig, samples_of: SamplesOf = Rows) -> TrainingData:
    """Return the samples of packed sources: Rows, or what `samples_of` makes of a dataset.

    Raises DataError for a source without rows, or with too few held out.
    """
    length, seed = config.model.seq_len, config.seed
    samples = [samples_of(source.rows, length) for source in sources]
    for source, each in zip(sources, samples, strict=True):
        if not len(each):
            raise DataError(source.rows.bin_path, "no rows", "Give the source chats, or leave it out")
    weights = [source.rows.weight or len(each) for source, each in zip(sources, samples, strict=True)]
    opened = {source.rows.name: each.rows for source, each in zip(sources, samples, strict=True)}

    def build(sequences: Sequences) -> Dataset[Batch]:
        epochs = [Epochs(each, name, seed) for each, name in zip(samples, opened, strict=True)]
        return Mixed(epochs, weights, sequences.taken)

    found = _readings(opened, weights, config)
    lines = [f"source {each}: {len(opened[each.source]):,} rows, {each.tokens:,} tokens" for each in found]
    return TrainingData(
        feed=InOrder(build, config.schedule, reads_ahead_of=config.layout.dp if torch.cuda.is_available() else 0),
        heldout=_heldout(sources, weights, samples_of, config) if config.heldout_every is not None else None,
        identity={name: [_identity(rows)] for name, rows in opened.items()},
        lines=[*lines, f"warning: {text}"] if (text := warning(found)) else lines,
        readings=found,
    )


def _heldout(
    sources: Sequence[PackedSource], weights: Sequence[float], samples_of: SamplesOf, config: TrainingConfig
) -> Dataset[Batch]:
    """Return the held-out rows, from each source in its share."""
    parts: list[Dataset[Batch]] = []
    for source, count in zip(sources, divide(config.heldout_sequences, weights), strict=True):
        rows = samples_of(source.heldout, config.model.seq_len)
        if len(rows) < count:
            problem = f"{len(rows)} rows are held out of {source.rows.name!r}, and {count} are wanted"
            raise DataError(source.heldout.bin_path, problem, "Lower heldout_batches, or raise heldout")
        parts.append(Subset(rows, range(count)))
    return ConcatDataset(parts)


def _readings(opened: dict[str, PackedRows], weights: Sequence[float], config: TrainingConfig) -> list[Reading]:
    wanted = config.schedule.sequences_before(config.steps)
    return [
        Reading(name, rows.num_tokens, weight / sum(weights), wanted * weight / sum(weights) / len(rows))
        for (name, rows), weight in zip(opened.items(), weights, strict=True)
    ]


def _identity(rows: PackedRows) -> dict[str, Any]:
    """Return the numbers that the order of the data and the labels depend on."""
    return {"rows": len(rows), "tokens": rows.num_tokens, "digest": [sampled_digest(file) for file in rows.files]}
