"""A microbatch without padding and without the outputs of prompts has the numbers of the whole one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch

from stages.align.ppo.objective import EPISODE, POLICY, REFERENCE, REWARD, VALUE, LearnFromScores
from stages.align.ppo.reading import READ, Reading, alike
from stages.model import parallel
from stages.model.checkpoint.load import join_group
from stages.model.decoder import Decoder, build_model, initialise
from stages.train.objectives.base import Batch, Role
from tests.stages.align.ppo.world import settings

CONFIG = settings(ptx={"batch": 4}, tokens="x")
WHOLE = CONFIG.model_copy(update={"layout": CONFIG.layout.model_copy(update={"sp": True})})
"""Settings under which every position is read."""
SPANS = ((5, 9), (3, 18), (12, 13))
"""First and last read position of each row."""


@pytest.fixture(scope="module")
def models() -> Iterator[dict[str, Decoder]]:
    join_group()
    scorer = CONFIG.model.model_copy(update={"head": "scalar"})
    found = {}
    for head, config in (("lm", CONFIG.model), ("scalar", scorer)):
        found[head] = build_model(config, 300)
        initialise(found[head], config, seed=1)
    yield found
    parallel.stop()


def objective(config: Any) -> LearnFromScores:
    return LearnFromScores(config, {POLICY: Role(config=CONFIG.model)}, 300, shift=0.5)


def batch() -> Batch:
    draw = torch.Generator().manual_seed(3)
    shape = len(SPANS), CONFIG.model.seq_len
    is_read = torch.zeros(shape, dtype=torch.bool)
    for row, (first, last) in enumerate(SPANS):
        is_read[row, first : last + 1] = True
    columns = {name: torch.rand(shape, generator=draw) for name in EPISODE}
    ids = {name: torch.randint(300, shape, generator=draw) for name in ("tokens", "labels")}
    positions = torch.arange(shape[1]).expand(shape)
    mask, columns["ptx"] = is_read.float(), columns["ptx"] * is_read
    return {**columns, **ids, "position_ids": positions, "loss_mask": mask, READ: is_read.flatten()}


@pytest.mark.parametrize(("role", "head"), [(POLICY, "lm"), (VALUE, "scalar")])
def test_the_loss_and_every_gradient_are_those_of_the_whole_rows(
    models: dict[str, Decoder], role: str, head: str
) -> None:
    found = []
    for config in (CONFIG, WHOLE):
        models[head].zero_grad()
        output, loss_of = objective(config).forward(role, models[head], batch())
        outputs = loss_of(output)
        outputs.total.backward()
        gradients = {name: weight.grad for name, weight in models[head].named_parameters()}
        numbers = {name: pair.tolist() for name, pair in outputs.metrics.items()}
        found.append((outputs.total.item(), outputs.count.item(), numbers, gradients, output.shape))
    few, whole = found
    read = sum(last + 1 - first for first, last in SPANS)
    assert few[-1][:2] == (1, read)
    assert whole[-1][:2] == (3, 48)
    assert few[0] == pytest.approx(whole[0], rel=1e-6)
    assert few[1] == whole[1] == read
    for name, pair in few[2].items():
        assert pair == pytest.approx(whole[2][name], rel=1e-5), name
    for name, gradient in few[3].items():
        torch.testing.assert_close(gradient, whole[3][name], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("role", "head"), [(POLICY, "lm"), (REFERENCE, "lm"), (REWARD, "scalar")])
def test_columns_are_those_of_the_whole_rows_where_they_are_read_and_zero_elsewhere(
    models: dict[str, Decoder], role: str, head: str
) -> None:
    found = []
    for config in (CONFIG, WHOLE):
        with torch.no_grad():
            output, columns_of = objective(config).annotate(role, models[head], batch())
            found.append(columns_of(output))
    is_read = batch()[READ].view(3, -1)
    assert found[0].keys() == found[1].keys()
    for name, column in found[0].items():
        torch.testing.assert_close(column, found[1][name] * is_read, rtol=1e-5, atol=1e-5)


def test_rows_are_cut_behind_the_longest_one_unless_pipeline_stages_exchange_them() -> None:
    assert Reading.of(batch(), CONFIG).batch["tokens"].shape == (3, 24)
    staged = CONFIG.model_copy(update={"layout": CONFIG.layout.model_copy(update={"pp": 2})})
    assert Reading.of(batch(), staged).batch["tokens"].shape == (3, 48)


def test_a_microbatch_of_which_nothing_is_read_has_one_output_for_the_gradients() -> None:
    nothing = Reading.of({**batch(), READ: torch.zeros(3 * 48, dtype=torch.bool)}, CONFIG)
    assert nothing.batch["tokens"].shape == (3, 8)
    assert nothing.scored is not None
    assert nothing.scored.tolist() == [0]


def test_rows_of_like_length_share_a_microbatch_on_any_number_of_replicas() -> None:
    lengths = np.array([9, 2, 7, 1, 8, 3, 3, 6])
    assert lengths[alike(lengths, 2, 1)].tolist() == [1, 2, 3, 3, 6, 7, 8, 9]
    assert lengths[alike(lengths, 2, 2)].tolist() == [1, 2, 6, 7, 3, 3, 8, 9]
    groups = [
        {frozenset(pair) for pair in alike(lengths, 2, replicas).reshape(-1, 2).tolist()} for replicas in (1, 2, 4)
    ]
    assert groups[0] == groups[1] == groups[2]
    assert sorted(alike(lengths, 2, 4)) == [*range(8)]
