"""A rank's microbatches: every layout takes the same sequences in a step."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from megatron.core import parallel_state

from stages.train.data.batches import microbatches
from tests.stages.train.data.written import settings


@pytest.mark.parametrize(("dp", "microbatch"), [(1, 8), (1, 2), (2, 2), (4, 1)])
def test_a_step_takes_the_same_sequences_in_every_layout(
    monkeypatch: pytest.MonkeyPatch, dp: int, microbatch: int
) -> None:
    columns = ("tokens", "labels", "loss_mask", "position_ids")
    dataset = [dict.fromkeys(columns, torch.tensor([i])) for i in range(80)]
    config = settings(layout={"dp": dp}, microbatch=microbatch)
    taken = []
    for rank in range(dp):
        monkeypatch.setattr(parallel_state, "get_data_parallel_rank", lambda rank=rank: rank)
        batches = list(microbatches(dataset, config, range(24, 32), torch.device("cpu")))
        assert len(batches) == 8 // (microbatch * dp)
        taken += [batch["tokens"].numpy().ravel() for batch in batches]
    assert np.concatenate(taken).tolist() == list(range(24, 32))
