"""Which batches are bad."""

from __future__ import annotations

import random
from math import inf, nan

import pytest

from stages.train.sections import GuardConfig
from stages.train.stability.guard import GuardState, judge

CONFIG = GuardConfig(window=8)
LEVEL = GuardState(losses=(3.0, 3.1, 2.9, 3.0, 3.05, 2.95, 3.1, 2.9))


@pytest.mark.parametrize(("loss", "is_spike"), [(3.0, False), (3.49, False), (3.51, False), (4.0, True), (1.0, False)])
def test_a_loss_far_above_the_last_ones_is_a_spike_and_no_other(loss: float, is_spike: bool) -> None:
    # The median distance from the median, 3, is 0.075: 8 deviations are 0.89.
    trouble = judge(CONFIG, LEVEL, loss, 1.0)
    assert (trouble is not None) == is_spike
    if trouble:
        assert trouble.kind == "spike"
        assert trouble.why == "loss 4, where 3 is usual and 3.89 the limit"


def test_losses_that_hardly_deviate_leave_room_for_the_least_jump() -> None:
    level = GuardState(losses=(3.0,) * 8)
    assert judge(CONFIG, level, 3.5, 1.0) is None
    assert judge(CONFIG, level, 3.51, 1.0)


def test_an_outlier_among_the_last_losses_does_not_hide_the_next() -> None:
    assert judge(CONFIG, GuardState(losses=(*LEVEL.losses[1:], 50.0)), 5.0, 1.0)


def test_before_the_window_is_full_and_with_none_nothing_is_a_spike() -> None:
    assert judge(CONFIG, GuardState(losses=LEVEL.losses[1:]), 50.0, 1.0) is None
    assert judge(GuardConfig(window=8, on_spike="none"), LEVEL, 50.0, 1.0) is None


@pytest.mark.parametrize(
    ("loss", "norm", "why"),
    [(nan, 1.0, "the loss is nan"), (inf, nan, "the loss is inf"), (3.0, inf, "the gradient's norm is inf")],
)
def test_what_is_not_finite_is_always_bad(loss: float, norm: float, why: str) -> None:
    trouble = judge(GuardConfig(on_spike="none"), GuardState(), loss, norm)
    assert trouble
    assert (trouble.kind, trouble.why) == ("not finite", why)


def test_a_gradient_that_overflows_in_fp16_is_the_scales_business_until_it_can_fall_no_more() -> None:
    trouble = judge(CONFIG, LEVEL, 3.0, inf, is_scaled=True)
    assert trouble
    assert trouble.kind == "overflow"
    assert judge(CONFIG, LEVEL, nan, inf, is_scaled=True) == judge(CONFIG, LEVEL, nan, inf)


def test_the_window_holds_the_last_losses_that_were_trained_on() -> None:
    state = GuardState()
    for loss in range(20):
        state = state.after_bad() if loss == 15 else state.after_good(float(loss), CONFIG)
    assert state.losses == (11.0, 12.0, 13.0, 14.0, 16.0, 17.0, 18.0, 19.0)
    assert state.bad == 0
    assert state.after_bad().after_bad() == GuardState(losses=state.losses, bad=2)


def test_a_healthy_run_has_no_spike() -> None:
    # The noise of a small batch late in training, beside a curve that still falls.
    draw = random.Random(3)
    config, state = GuardConfig(), GuardState()
    for step in range(5000):
        loss = 2.5 + 4 / (1 + step / 50) + draw.gauss(0, 0.05)
        assert judge(config, state, loss, 1.0) is None
        state = state.after_good(loss, config)
