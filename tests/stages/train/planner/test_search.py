"""All layouts of so many processes: what fits comes first, by time; the rest says why not."""

from __future__ import annotations

from dataclasses import replace

from stages.shared.machine import Gpu, Machine
from stages.train.planner.search import RESERVE, assess, ranked
from stages.train.planner.shape import Layout
from tests.stages.train.planner.llama import LLAMA, MAY, NODES

WORK = LLAMA["65B"].work


def test_what_fits_comes_first_by_time_and_the_rest_says_why_not() -> None:
    found = ranked(WORK, Layout(dp=2048), NODES, MAY)
    fit = [each for each in found if not each.refused]
    assert found[: len(fit)] == fit
    times = [round(each.time.total, 4) for each in fit]
    assert times == sorted(times)
    assert all(each.memory.total <= 85e9 * (1 - RESERVE) for each in fit)
    reasons = " ".join(each.refused for each in found[len(fit) :])
    assert "of 85 GB" in reasons
    assert "layout.pp = 32: must be a divisor of model.num_layers (80)" in reasons
    assert "global_batch = 2048: must be a multiple of" in reasons
    assert all(each.layout.ranks == 2048 and each.layout.tp <= 8 for each in found)


def test_the_fastest_layout_splits_the_largest_model_and_leaves_the_smallest_whole() -> None:
    assert ranked(LLAMA["7B"].work, Layout(dp=512), NODES, MAY)[0].layout.tp == 1
    assert ranked(WORK, Layout(dp=2048), NODES, MAY)[0].layout.tp > 1


def test_only_what_may_change_changes() -> None:
    found = ranked(WORK, Layout(tp=8, dp=256, microbatch=4, recompute="full"), NODES, {"tp", "pp", "dp"})
    kept = {(each.layout.microbatch, each.layout.recompute, each.layout.sp, each.layout.interleave) for each in found}
    assert kept == {(4, "full", False, 1)}


def test_less_memory_is_bought_with_time() -> None:
    small = Machine(
        gpu=Gpu.model_validate({"type": "a100-40gb", "nvlink_gbs": 300, "memory_gbs": 2039}), ranks_per_node=8
    )
    tight, roomy = (ranked(WORK, Layout(dp=2048), machine, MAY)[0] for machine in (small, NODES))
    assert tight.memory.total < 42e9 < roomy.memory.total
    assert tight.time.total > roomy.time.total


def test_experts_are_spread_over_processes_where_that_saves_memory() -> None:
    moe = replace(WORK, shape=replace(LLAMA["7B"].work.shape, experts=8, top_k=2))
    best = ranked(moe, Layout(dp=64), NODES, MAY | {"ep"})[0]
    assert best.layout.ep > 1
    assert not best.refused


def test_without_a_gpu_nothing_is_too_large() -> None:
    assert not assess(WORK, Layout(dp=2048), Machine()).refused
