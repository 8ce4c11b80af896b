"""One source as sequences: every epoch holds each of its documents once, in an order of its own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch.distributed as dist
from megatron.core.datasets import helpers
from megatron.core.datasets.gpt_dataset import GPTDataset
from numpy.typing import NDArray

Index = tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.integer]]
"""Documents in the order they are read; document and place where each sequence starts; sequences in shuffled order."""


class EpochDataset(GPTDataset):
    """Megatron's GPT dataset but for the order: there all epochs' documents are shuffled together, so that one may come
    twice before another comes at all. Only the sequence at the end of an epoch reaches into the next.
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
        tokens = self._get_num_tokens_per_epoch()
        epochs = self._get_num_epochs(tokens)
        draw = np.random.RandomState(self.config.random_seed)
        shuffled = [draw.permutation(self.indices) for _ in range(epochs)]
        documents: NDArray[np.int32] = np.concatenate(shuffled).astype(np.int32)
        length = self.config.sequence_length
        starts = helpers.build_sample_idx(
            self.dataset.sequence_lengths.copy(), documents, length, epochs, tokens, True, True
        )
        count = len(starts) - 1
        first = [min(count, -(-epoch * tokens // length)) for epoch in range(epochs)]  # sequence to start in each epoch
        order: NDArray[np.integer] = np.arange(count, dtype=np.uint32 if count < 2**32 else np.int64)
        for start, stop in zip(first, [*first[1:], count], strict=True):
            draw.shuffle(order[start:stop])
        return documents, starts, order
