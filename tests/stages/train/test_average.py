"""The average of the weights."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from megatron.core.dist_checkpointing.mapping import ShardedTensor

from stages.train.average import Average


class Fake:
    """An engine with one weight."""

    def __init__(self) -> None:
        self.weight = torch.zeros(2, dtype=torch.bfloat16)

    def weights(self) -> dict[str, Any]:
        return {"w": ShardedTensor.from_rank_offsets("w", self.weight)}


def test_it_follows_the_weights_by_its_decay() -> None:
    engine: Any = Fake()
    average = Average(engine, 0.992)
    engine.weight.fill_(1.0)
    found = []
    for _ in range(100):
        average.update(engine)
        found.append(float(average.state(engine)["w"].data[0]))
    assert [found[0], found[9], found[99]] == pytest.approx([0.008, 0.077181, 0.552114], abs=1e-6)


def test_it_is_exact_in_a_checkpoint_and_of_the_models_type_as_weights() -> None:
    engine: Any = Fake()
    average, again = Average(engine, 0.9), Average(engine, 0.9)
    engine.weight.fill_(1.0)
    average.update(engine)
    state = average.state(engine)
    assert state["w"].dtype == state["w"].data.dtype == torch.float32
    assert average.weights(engine)["w"].data.dtype == torch.bfloat16
    again.load({name: shard.data for name, shard in state.items()})
    assert torch.equal(again.state(engine)["w"].data, state["w"].data)
    assert not engine.weight.eq(state["w"].data).any()
