"""The first number that is not finite, in one process; across ranks: tests/stages/train/stability/test_recovery.py."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import Tensor

from stages.train.engines.megatron import MegatronEngine
from stages.train.objectives.base import Batch
from stages.train.stability.tracing import NotFinite, find_not_finite
from tests.stages.train.engines.single import next_token
from tests.stages.train.engines.test_megatron import batch, make

INF = float("inf")


def find(engine: MegatronEngine, batches: list[Batch] | None = None) -> NotFinite | None:
    def rerun(look: Callable[[Iterator[Batch]], Iterator[Batch]]) -> None:
        given = batches or [batch(), batch()]
        engine.accumulate(next_token(), look(iter(given)), len(given))

    return find_not_finite(engine.chunks, rerun)


class InfiniteBackward(torch.autograd.Function):
    @staticmethod
    def forward(_ctx: Any, value: Tensor) -> Tensor:
        return value.clone()

    @staticmethod
    def backward(_ctx: Any, gradient: Tensor) -> Tensor:
        return gradient * INF


def test_where_all_is_finite_nothing_is_found() -> None:
    assert find(make()) is None


def test_a_weight_is_named_before_what_it_spoils() -> None:
    engine = make()
    engine.chunks[0].decoder.layers[1].mlp.linear_fc2.weight.data[:2, 0] = torch.tensor([INF, float("nan")])
    assert find(engine) == NotFinite(
        "layers.1.mlp.linear_fc2.weight: 1 nan, 1 infinite of 1,536 numbers (rank 0)", in_weights=True
    )


@pytest.mark.parametrize("recompute", ["none", "full"])
def test_the_first_module_is_named_with_what_was_sound(recompute: str) -> None:
    engine = make(layout={"recompute": recompute})
    layers = engine.chunks[0].decoder.layers
    with spoiled(layers[0].mlp.linear_fc1, lambda output: (output[0] * INF, *output[1:])):
        found = find(engine)
    assert found
    assert found.what.startswith("layers.0.mlp.linear_fc1, output: ")
    assert found.what.endswith(" of 1,536 numbers (rank 0); input and weights are finite")


def test_of_two_microbatches_the_first_bad_one_tells() -> None:
    engine, calls = make(), []

    def second(output: Tensor) -> Tensor:
        calls.append(1)
        return output * INF if len(calls) == 2 else output

    with spoiled(engine.chunks[0].embedding.word_embeddings, second):
        found = find(engine)
    assert found
    assert found.what.startswith("embedding.word_embeddings, output: ")


def test_a_gradient_is_traced_to_the_last_module_that_it_came_to() -> None:
    engine = make()
    with spoiled(engine.chunks[0].decoder.layers[1].mlp, lambda output: (InfiniteBackward.apply(output[0]), None)):
        found = find(engine)
    assert found
    assert found.what.startswith("layers.1.mlp.linear_fc2, gradient of the output: ")
    assert found.what.endswith("forward, all is finite")


def test_a_gradient_that_is_bad_in_a_weight_alone_is_found() -> None:
    engine = make()
    weight = engine.chunks[0].decoder.layers[0].mlp.linear_fc2.weight
    handle = weight.register_hook(lambda gradient: gradient * INF)
    found = find(engine)
    handle.remove()
    assert found
    assert found.what.startswith("layers.0.mlp.linear_fc2.weight, gradient: ")


def test_a_bad_number_in_the_batch_itself_is_told() -> None:
    bad = {**batch(), "loss_mask": torch.full((2, 8), INF)}
    assert find(make(), [batch(), bad]) == NotFinite(
        "loss_mask of the batch: 16 infinite of 16 numbers (rank 0)", in_weights=False
    )


@contextmanager
def spoiled(module: torch.nn.Module, change: Callable[[Any], Any]) -> Iterator[None]:
    handle = module.register_forward_hook(lambda _module, _inputs, output: change(output))
    yield
    handle.remove()
