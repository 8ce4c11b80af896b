"""Context parallelism: a rank's part of every sequence of a batch."""

from __future__ import annotations

from megatron.core import parallel_state
from megatron.core.utils import get_batch_on_this_cp_rank

from stages.train.objectives.base import Batch


def of_this_context_rank(batch: Batch) -> Batch:
    """Return this context parallel rank's part of every sequence: two chunks of it, for balance."""
    if parallel_state.get_context_parallel_world_size() == 1:
        return batch
    own: Batch = get_batch_on_this_cp_rank(batch)
    return own
