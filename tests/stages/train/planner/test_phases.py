"""The phases of a step of several models, each against a case computed by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from stages.shared.machine import Machine
from stages.train.planner.phases import (
    LAYER_SECONDS,
    filling,
    phase_operations,
    phase_times,
    replicas_idle,
    step_operations,
    step_time,
)
from stages.train.planner.shape import Companion, Layout, Rounds, Sampler, Workload
from stages.train.planner.speed import Assumptions, update_operations, update_time
from tests.stages.train.planner.llama import A100, LLAMA

BARE = Assumptions(products=0.5, touches=0.0, links=1.0, overlap=False)
SHAPE = replace(LLAMA["7B"].work.shape, seq_len=1024)
SCORER = replace(SHAPE, head="scalar")
ROUNDS = Rounds(
    prompts=512,
    samples=1,
    new_tokens=512,
    batch=64,
    updates=8,
    epochs=1,
    sampler=lambda layout: Sampler(rows=32, cache=32 * 1024 * 524_288 / layout.tp / layout.pp, buffers=0.0),
)
PPO = Workload(
    shape=SHAPE,
    global_batch=64,
    text=512,
    name="policy",
    others=(
        Companion(name="reward", shape=SCORER),
        Companion(name="reference", shape=SHAPE),
        Companion(name="value", shape=SCORER, is_trained=True),
    ),
    rounds=ROUNDS,
)
NODES = Machine(gpu=A100, ranks_per_node=8)


def test_a_single_model_has_one_phase_which_is_its_update() -> None:
    work = LLAMA["7B"].work
    layout = Layout(dp=64)
    assert phase_times(work, layout, NODES) == {"update": update_time(work, layout, NODES)}
    assert step_time(work, layout, NODES) == update_time(work, layout, NODES)
    assert phase_operations(work) == {"update": update_operations(work)}


def test_a_forward_pass_is_a_third_of_both_and_text_is_the_policys_alone() -> None:
    found = phase_operations(PPO)
    policy, value = replace(PPO, others=(), rounds=None), replace(PPO, shape=SCORER, others=(), rounds=None)
    rows = 64 * 1024
    assert found["policy update"] == pytest.approx(update_operations(policy) * (64 + 512) / 64)
    assert found["policy forward"] == pytest.approx(update_operations(policy) / 3)
    assert found["value update"] == update_operations(value)
    assert found["reward forward"] == found["value forward"] == pytest.approx(found["value update"] / 3)
    # A scalar head in place of the vocabulary's.
    assert found["policy forward"] - found["value forward"] == 2 * rows * (32_000 - 1) * 4096
    assert step_operations(PPO) == sum(found.values())


def test_with_more_epochs_a_response_is_sampled_and_read_once_for_all_of_them() -> None:
    twice = replace(PPO, rounds=replace(ROUNDS, epochs=2, updates=16))
    once, found = phase_operations(PPO), phase_operations(twice)
    for name in ("sampling", "reward forward", "policy forward"):
        assert found[name] == pytest.approx(once[name] / 2)
    assert found["policy update"] == once["policy update"]
    times = [phase_times(work, Layout(tp=4, dp=4), NODES) for work in (PPO, twice)]
    assert times[1]["sampling"].total == pytest.approx(times[0]["sampling"].total / 2)
    assert times[1]["value forward"].total == pytest.approx(times[0]["value forward"].total / 2)


def test_a_token_of_all_rows_takes_the_reading_of_weights_and_cache_and_the_starts_of_kernels() -> None:
    seconds = phase_times(PPO, Layout(dp=8), NODES, BARE)["sampling"].sampling * ROUNDS.updates
    weights, cache = 2 * SHAPE.parameters, 32 * 1024 * 524_288 * (1 - 1 / 4)  # half of a response, on average
    token = (weights + cache) / 2039e9 + 32 * LAYER_SECONDS
    prompts = 64 * 512 * (2 * SHAPE.used + 2 * SHAPE.attention_operations) / (312e12 * 0.5)
    assert seconds == pytest.approx(2 * 512 * token + prompts)  # one batch a replica, in two waves of 32 rows


def test_stages_of_a_pipeline_read_their_weights_for_every_group_of_rows_and_share_out_the_rest() -> None:
    one, four = (phase_times(PPO, Layout(pp=pp, dp=8), NODES, BARE)["sampling"].total for pp in (1, 4))
    weights = 2 * 512 * (2 * SHAPE.parameters / 2039e9 + 32 * LAYER_SECONDS) / ROUNDS.updates
    assert weights + (one - weights) / 4 == pytest.approx(four, rel=0.05)


def test_replicas_wait_for_the_busiest() -> None:
    assert ROUNDS.turns(8) == 1
    assert replicas_idle(ROUNDS, Layout(dp=8)) == 0
    assert replicas_idle(ROUNDS, Layout(dp=16)) == 0.5
    assert filling(ROUNDS, Layout(dp=16)) == 32
    assert replicas_idle(replace(ROUNDS, batch=32), Layout(dp=16)) == 0


def test_frozen_models_read_each_step_where_there_are_no_rounds() -> None:
    direct = replace(PPO, text=0, rounds=None, others=(Companion(name="reference", shape=SHAPE),))
    assert [*phase_times(direct, Layout(dp=8), NODES)] == ["reference forward", "policy update"]
    found = phase_operations(direct)
    assert found["policy update"] == pytest.approx(3 * found["reference forward"])
