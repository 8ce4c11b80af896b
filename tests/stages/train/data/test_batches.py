"""A rank's microbatches: every layout takes the same samples in a step, and columns say how they are joined."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from megatron.core import parallel_state

from stages.train.data.batches import microbatches
from stages.train.data.feed import Window
from stages.train.objectives.base import Column


@pytest.mark.parametrize(("dp", "microbatch"), [(1, 8), (1, 2), (2, 2), (4, 1)])
def test_a_step_takes_the_same_samples_in_every_layout(
    monkeypatch: pytest.MonkeyPatch, dp: int, microbatch: int
) -> None:
    dataset = [{"number": torch.tensor([i])} for i in range(80)]
    taken = []
    for rank in range(dp):
        monkeypatch.setattr(parallel_state, "get_data_parallel_rank", lambda rank=rank: rank)
        batches = list(microbatches(Window(dataset, 24, 8), {"number": Column((1,))}, microbatch, dp))
        assert len(batches) == 8 // (microbatch * dp)
        taken += [batch["number"].numpy().ravel() for batch in batches]
    assert np.concatenate(taken).tolist() == list(range(24, 32))


def test_columns_are_stacked_padded_or_joined_end_to_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel_state, "get_data_parallel_rank", lambda: 0)
    samples = [
        {"score": torch.tensor(size), "pixels": torch.ones(size, 2), "lengths": torch.arange(size), "unused": size}
        for size in (1, 3)
    ]
    columns = {
        "score": Column(dtype=torch.float32),
        "pixels": Column((3, 4), torch.float32, padding=-1),
        "lengths": Column(None),
    }
    (batch,) = microbatches(samples, columns, 2, 1)
    assert batch.keys() == columns.keys()
    assert (batch["score"].tolist(), batch["score"].dtype) == ([1, 3], torch.float32)
    assert batch["pixels"].shape == (2, 3, 4)
    assert batch["pixels"][0].tolist() == [[1, 1, -1, -1], [-1] * 4, [-1] * 4]
    assert batch["lengths"].tolist() == [0, 0, 1, 2]
