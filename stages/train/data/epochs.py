"""One source as sequences: every epoch holds each of its documents once, in an order of its own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch.distributed as dist
from megatron.core.datasets import helpers
from megatron.core.datasets.gpt_dataset import GPTDataset, GPTDatasetConfig
from numpy.typing import NDArray

Index = tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.integer]]
"""Documents in the order they are read; document and place where each sequence starts; sequences in shuffled order."""


@dataclass
class IndexConfig(GPTDatasetConfig):
    """Megatron's settings of a dataset, and ours."""

    held_out: dict[str, NDArray[np.int32]] = field(default_factory=dict)
    """Documents by dataset."""
    planned: dict[str, int] = field(default_factory=dict)
    """Sequences by dataset that the order is planned for, where more or fewer are taken."""


class EpochDataset(GPTDataset):
    """Megatron's GPT dataset in another order: Megatron shuffles all epochs' documents together, so that one may come
    twice before another comes at all. Only the sequence at the end of an epoch reaches into the next.

    The epochs that were planned are drawn together, all documents before the order of the sequences; further ones are
    drawn one by one. A training that takes more sequences than were planned begins with those that were.
    """

    def _build_document_sample_shuffle_indices(self) -> Index:
        name = f"{self.unique_description_hash}-{type(self).__name__}"
        files = [Path(self.config.path_to_cache) / f"{name}-{part}.npy" for part in ("documents", "starts", "order")]
        if dist.get_rank() == 0 and not all(file.exists() for file in files):
            files[0].parent.mkdir(parents=True, exist_ok=True)
            for file, array in zip(files, self._index(), strict=True):
                np.save(file, array)
        documents, starts, order = (np.load(file, mmap_mode="r") for file in files)
        return documents, starts, order

    def _index(self) -> Index:
        """Join the groups' indices: each counts its documents and sequences from 0."""
        documents: list[NDArray[np.int32]] = []
        starts: list[NDArray[np.int32]] = []
        order: list[NDArray[np.integer]] = []
        before = sequences = 0
        for group in self._groups():
            documents.append(group[0])
            starts.append(group[1] + np.array([before, 0], dtype=np.int32))
            order.append(group[2] + sequences)
            before += len(group[0])
            sequences += len(group[1])  # with the end of the last sequence: no sequence starts there
        total = np.uint32 if sequences < 2**32 else np.int64
        return np.concatenate(documents), np.concatenate(starts), np.concatenate(order).astype(total)

    def _groups(self) -> Iterator[Index]:
        """Yield the index of the planned epochs, then of one more at a time as long as sequences are lacking."""
        tokens, length, seed = self._get_num_tokens_per_epoch(), self.config.sequence_length, self.config.random_seed
        wanted = self.num_samples or 1
        planned = self.config.planned.get(self.dataset_path, wanted)
        first = -(-(planned * length + 1) // tokens)
        least = -(-(length + 1) // tokens)  # epochs of one sequence
        taken = number = 0
        while taken < wanted:
            draw = np.random.RandomState([seed, number] if number else seed)
            group = self._group(draw, epochs=least if number else first)
            taken, number = taken + len(group[2]), number + 1
            yield group

    def _group(self, draw: np.random.RandomState, epochs: int) -> Index:
        tokens, length = self._get_num_tokens_per_epoch(), self.config.sequence_length
        shuffled = [draw.permutation(self.indices) for _ in range(epochs)]
        documents: NDArray[np.int32] = np.concatenate(shuffled).astype(np.int32)
        sizes = self.dataset.sequence_lengths.copy()
        starts = helpers.build_sample_idx(sizes, documents, length, epochs, tokens, True, True)
        count = len(starts) - 1
        first = [min(count, -(-epoch * tokens // length)) for epoch in range(epochs)]  # sequence to start in each epoch
        order = np.arange(count, dtype=np.int64)
        for start, stop in zip(first, [*first[1:], count], strict=True):
            draw.shuffle(order[start:stop])
        return documents, starts, order
