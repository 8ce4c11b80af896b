"""Layouts that cannot work, what is said of them, and which ones are named instead."""

from __future__ import annotations

from dataclasses import replace

import pytest

from stages.shared.errors import ConfigError
from stages.train.planner.rules import nearest, problems, require, splits
from stages.train.planner.shape import Layout, Shape, Workload
from stages.train.sections import RampConfig

SHAPE = Shape(num_layers=12, dim=96, num_heads=12, num_kv_heads=6, head_dim=8, ffn=252, seq_len=64, vocab_size=384)
WORK = Workload(shape=SHAPE, global_batch=24)
SHORT = replace(WORK, global_batch=3)
ALIBI = replace(WORK, causal=False)
DEEPSPEED = replace(WORK, engine="deepspeed")
FORGETS = Layout(recompute="selective", offload=("activations",))
MOE = replace(WORK, shape=replace(SHAPE, experts=8, top_k=2))


def growing(start: int, increment: int) -> Workload:
    return replace(WORK, ramp=RampConfig(start=start, increment=increment, sequences=100))


@pytest.mark.parametrize(
    ("work", "layout", "said"),
    [
        (WORK, Layout(tp=5), r"layout\.tp = 5: must be a divisor of model\.num_heads \(12\) \(for example 4\)"),
        (WORK, Layout(tp=12), r"layout\.tp = 12: must be a divisor of model\.num_kv_heads \(6\) \(for example 6\)"),
        (WORK, Layout(pp=5), r"layout\.pp = 5: must be a divisor of model\.num_layers \(12\) \(for example 4\)"),
        (
            WORK,
            Layout(pp=2, interleave=4),
            r"interleave = 4: must be a divisor of model\.num_layers / layout\.pp \(6\)",
        ),
        (
            WORK,
            Layout(pp=4, dp=4, interleave=3),
            r"global_batch = 24: must be a multiple of .* interleave \(for example 32\)",
        ),
        (
            WORK,
            Layout(dp=5),
            r"global_batch = 24: must be a multiple of microbatch x layout\.dp \(1 x 5\) \(for example 25\)",
        ),
        (WORK, Layout(cp=3), r"model\.seq_len = 64: must be a multiple of 2 x layout\.cp \(6\) \(for example 66\)"),
        (WORK, Layout(dp=2, ep=2), r"layout\.ep = 2: must be 1: the model has no experts"),
        (WORK, Layout(sp=True), r"layout\.sp = True: must be false, or layout\.tp above 1.*work: tp 1 pp 1 dp 1\)"),
        (
            SHORT,
            Layout(tp=3, sp=True),
            r"model\.seq_len = 64: must be a multiple of layout\.tp \(3\).* \(for example 63\) .*: tp 1 pp 1 dp 3;",
        ),
        (
            WORK,
            Layout(interleave=2, dp=4),
            r"layout\.interleave = 2: must be 1, or layout\.pp above 1.*: tp 1 pp 1 dp 4;",
        ),
        (ALIBI, Layout(cp=2, dp=2), r"layout\.cp = 2: must be 1 with ALiBi.*work: .*tp 1 pp 1 dp 4"),
        (WORK, Layout(dp=2, zero=2), r"layout\.zero = 2: must be 1 with engine megatron.*work: tp 1 pp 1 dp 2;"),
        (WORK, Layout(offload=("weights",)), r"offload = \['weights'\]: must be no weights .*work: tp 1 pp 1 dp 1\)"),
        (WORK, FORGETS, r"recompute = 'selective': must be none or full .*: tp 1 pp 1 dp 1 offload activations\)"),
        (
            DEEPSPEED,
            Layout(pp=2, zero=2),
            r"layout\.pp = 2: must be 1 with engine deepspeed.*work: tp 1 pp 1 dp 2 zero 2;",
        ),
        (DEEPSPEED, Layout(pp=2, interleave=2), r"layout\.pp = 2: must be 1 with engine deepspeed"),
        (DEEPSPEED, Layout(cp=2), r"layout\.cp = 2: must be 1 with engine deepspeed.*work: tp 1 pp 1 dp 2;"),
        (
            DEEPSPEED,
            Layout(offload=("weights",)),
            r"layout\.zero = 1: must be 3 where .*: tp 1 pp 1 dp 1 zero 3 offload weights\)",
        ),
        (DEEPSPEED, FORGETS, r"recompute = 'selective': must be none or full .*: tp 1 pp 1 dp 1 offload activations\)"),
        (MOE, Layout(tp=2, dp=2), r"layout\.tp = 2: must be 1 with experts, unless.*work: tp 2 pp 1 dp 2 sp;"),
        (MOE, Layout(dp=3, ep=3), r"layout\.ep = 3: must be a divisor of the model's experts \(8\) .* 2\)"),
        (MOE, Layout(dp=6, ep=4), r"layout\.ep = 4: must be a divisor of layout\.dp \(6\) \(for example 3\)"),
        (
            growing(5, 4),
            Layout(dp=2, microbatch=2),
            r"ramp\.start = 5: must be a multiple of .* \(4\), .* \(24\) \(for example 4\)",
        ),
        (
            growing(24, 4),
            Layout(dp=4),
            r"ramp\.start = 24: must be a multiple of .* below global_batch \(24\) \(for example 20\)",
        ),
        (
            growing(8, 8),
            Layout(dp=24),
            r"ramp\.start = 8: must be no ramp: global_batch \(24\) is a microbatch of every",
        ),
        (
            growing(8, 6),
            Layout(dp=4),
            r"ramp\.increment = 6: must be a multiple of .* \(4\) that divides .* \(16\) \(for example 4\)",
        ),
        (growing(8, 12), Layout(dp=4), r"ramp\.increment = 12: must be .* divides .* \(16\) \(for example 8\)"),
        (
            growing(4, 4),
            Layout(pp=2, dp=4, interleave=2),
            r"ramp\.start = 4: must be a multiple of .* \(8\), .* \(for example 8\)",
        ),
    ],
)
def test_a_layout_that_cannot_work_is_refused_with_what_is_wrong(work: Workload, layout: Layout, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        require(work, layout)


def test_the_refusal_names_the_nearest_layouts_that_work_on_as_many_processes() -> None:
    with pytest.raises(ConfigError, match="work: tp 3 pp 2 dp 4; tp 6 pp 2 dp 2; tp 2 pp 2 dp 6"):
        require(WORK, Layout(tp=4, pp=2, dp=3))
    assert [layout.ranks for layout in nearest(WORK, Layout(tp=4, pp=2, dp=3))] == [24, 24, 24]


def test_where_no_layout_takes_so_many_processes_fewer_are_offered() -> None:
    near = nearest(WORK, Layout(dp=7))
    assert [layout.ranks for layout in near] == [6, 6, 6]
    assert str(near[0]) == "tp 1 pp 1 dp 6"


def test_what_is_offered_keeps_every_rule() -> None:
    for ranks in (1, 2, 6, 24, 48):
        for layout in splits(MOE, Layout(ep=4, sp=True, interleave=2), ranks):
            assert layout.ranks == ranks
            assert not list(problems(MOE, layout))


def test_a_layout_that_works_has_no_problem() -> None:
    require(WORK, Layout(tp=2, pp=2, dp=6, interleave=2))
    require(WORK, Layout(cp=2, dp=2))
    require(MOE, Layout(dp=8, ep=8, microbatch=3))
    require(MOE, Layout(tp=2, dp=2, ep=2, sp=True))
    require(DEEPSPEED, Layout(tp=2, dp=2, zero=3, offload=("optimizer", "weights"), recompute="selective"))
    require(growing(8, 8), Layout(pp=2, dp=4, interleave=2))
