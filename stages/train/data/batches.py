"""The part of each global batch that falls to a rank, microbatch by microbatch."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from megatron.core import parallel_state
from torch.utils.data import Dataset

from stages.train.config import TrainingConfig
from stages.train.objectives.next_token import Batch

_COLUMNS = ("tokens", "labels", "loss_mask", "position_ids", "length_a")
"""What objectives read; the last one GLM's alone."""


def microbatches(
    dataset: Dataset[Batch], config: TrainingConfig, sequences: range, device: torch.device
) -> Iterator[Batch]:
    """Yield this rank's microbatches of a step's sequences: columns of int64 or float32 [microbatch, seq_len].

    A global batch is cut into dp runs of sequences, one a data parallel rank: which sequences make up a step does not
    depend on the layout. `document_lengths`, int64 [documents], is that of all rows in order, and stays on the host.
    """
    per_rank = len(sequences) // config.layout.dp
    start = sequences.start + parallel_state.get_data_parallel_rank() * per_rank
    for first in range(start, start + per_rank, config.microbatch):
        rows = [dataset[i] for i in range(first, first + config.microbatch)]
        columns = [name for name in _COLUMNS if name in rows[0]]
        batch = {name: torch.stack([row[name] for row in rows]).to(device) for name in columns}
        if "document_lengths" in rows[0]:
            batch["document_lengths"] = torch.cat([row["document_lengths"] for row in rows])
        yield batch
