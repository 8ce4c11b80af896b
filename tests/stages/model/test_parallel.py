"""Process groups of one."""

from __future__ import annotations

import pytest
import torch.distributed as dist
from megatron.core import parallel_state

from stages.model import parallel
from stages.shared.task import Ranks


def test_a_single_process_may_start_twice_and_stop() -> None:
    parallel.start(Ranks())
    parallel.start(Ranks())
    assert dist.get_world_size() == 1
    assert parallel_state.get_data_parallel_world_size() == 1
    parallel.stop()
    assert not dist.is_initialized()
    parallel.start(Ranks())


def test_a_process_cannot_join_a_second_group() -> None:
    parallel.start(Ranks())
    with pytest.raises(RuntimeError, match="already belongs to a group of 1"):
        parallel.start(Ranks(world_size=2, master_port=1))
